//! A line that orders and one that is busy, and stores that misbehave.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ccbs_driver::{Note, Record, Store, StoreError};
use ccbs_engine::{Action, Engine, Event, FailCause, Limits, LineKind, LineRef, Profile};

/// Bounds a wait for what must come; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where virtual time begins (Unix ms).
pub(crate) const BEGIN: u64 = 1_700_000_000_000;

pub(crate) fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

pub(crate) fn engine() -> Engine {
    Engine::new(Limits::default()).expect("the defaults are in their ranges")
}

/// №2 may order, has no call, and was refused by №1.
pub(crate) fn refused_call() -> Vec<Event> {
    vec![
        Event::Line { line: line("1"), kind: LineKind::Internal },
        Event::Line { line: line("2"), kind: LineKind::Internal },
        Event::Service { line: line("2"), profile: Some(Box::new(Profile::autodial())) },
        Event::LineFree { line: line("2") },
        Event::CallFailed { caller: line("2"), callee: line("1"), cause: FailCause::Busy },
    ]
}

pub(crate) fn order(request: u64) -> Event {
    Event::Order { request, caller: line("2"), callee: Some(line("1")) }
}

pub(crate) fn query(request: u64) -> Event {
    Event::Query { request, caller: line("2") }
}

/// The requests that were answered, in this order.
pub(crate) fn answered(actions: &[Action]) -> Vec<u64> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Reply { request, .. } => Some(*request),
            _ => None,
        })
        .collect()
}

pub(crate) fn rings(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Ring { .. })).count()
}

/// Remembers what it was given.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) records: Arc<Mutex<Vec<Record>>>,
}

impl Store for Recorder {
    fn append(&mut self, records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        self.records.lock().unwrap().extend_from_slice(records);
        Ok(())
    }
}

/// Tells when a commit began, and ends it when it is told to.
pub(crate) struct Gate {
    began: Sender<()>,
    verdicts: Receiver<Result<(), StoreError>>,
}

pub(crate) struct Keeper {
    pub(crate) began: Receiver<()>,
    pub(crate) verdicts: Sender<Result<(), StoreError>>,
}

pub(crate) fn gate() -> (Gate, Keeper) {
    let (began, theirs) = channel();
    let (verdicts, ours) = channel();
    (Gate { began, verdicts: ours }, Keeper { began: theirs, verdicts })
}

impl Store for Gate {
    fn append(&mut self, _records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        self.began.send(()).ok();
        self.verdicts.recv_timeout(PATIENCE).expect("the test says how the commit ends")
    }
}

pub(crate) fn disk_full() -> StoreError {
    StoreError::broken("orders.db: no space left on the device; free some and start again")
}
