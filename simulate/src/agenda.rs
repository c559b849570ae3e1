//! What is going to happen, by its time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use ccbs_engine::{Event, FailCause};

use crate::switch::RecallStep;

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum What {
    /// Somebody thinks of a call.
    NextCall,
    /// A failed call is dialled again.
    Redial(u32, u32),
    /// The callee lifts the handset; then they talk so long (ms).
    Answer(u32, u32, u64),
    /// A call fails.
    Fail(u32, u32, FailCause),
    /// The talk is over.
    HangUp(u32, u32),
    /// The caller puts the handset down after a failed call.
    PutDown(u32),
    /// The caller presses the key; `None`: for the last number that failed.
    Order(u32, Option<u32>),
    /// The caller thinks better of it.
    Cancel(u32, u32),
    /// A phone loses its registration.
    LogOff(u32),
    /// And gets it back.
    LogOn(u32),
    /// A recall goes on, unless it has meanwhile gone on otherwise.
    Recall(u64, u32, RecallStep),
    /// A fact that reaches the engine late.
    Late(Box<Event>),
}

/// A plan.
struct Entry {
    at: u64,
    number: u64,
    what: What,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Plans, the earliest first; those of one moment in the order in which they were made.
#[derive(Default)]
pub(crate) struct Agenda {
    plans: BinaryHeap<Reverse<Entry>>,
    made: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: u64, what: What) {
        self.made += 1;
        self.plans.push(Reverse(Entry { at, number: self.made, what }));
    }

    /// When the next one is (ms).
    pub(crate) fn next(&self) -> Option<u64> {
        self.plans.peek().map(|Reverse(entry)| entry.at)
    }

    pub(crate) fn take(&mut self) -> Option<(u64, What)> {
        self.plans.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}
