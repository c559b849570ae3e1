//! What the endpoint's thread leaves for the application: events and counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::Event;

/// Events and since when the oldest of them waits.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    since: Option<Instant>,
}

/// Events that wait for the application.
pub(super) struct EventQueue {
    waiting: Mutex<Waiting>,
    capacity: usize,
    wake: Box<dyn Fn() + Send + Sync>,
    traces_shed: AtomicU64,
}

impl std::fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventQueue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl EventQueue {
    pub(super) fn new(capacity: usize, wake: impl Fn() + Send + 'static) -> Self {
        // Called by one thread only; the lock is what makes that visible to the compiler.
        let wake = Mutex::new(wake);
        let wake = Box::new(move || wake.lock().unwrap_or_else(PoisonError::into_inner)());
        Self { waiting: Mutex::default(), capacity: capacity.max(1), wake, traces_shed: AtomicU64::new(0) }
    }

    /// Adds events, and wakes the application if there were none. Traces may take half the queue; events that
    /// the application needs are all kept, whatever their number: it is the caller that stops their source.
    pub(super) fn push(&self, events: impl Iterator<Item = Event>) {
        let wake = {
            let mut waiting = self.lock();
            let before = waiting.events.len();
            for event in events {
                if matches!(event, Event::Trace { .. }) && waiting.events.len() >= self.capacity / 2 {
                    self.traces_shed.fetch_add(1, Ordering::Relaxed);
                } else {
                    waiting.events.push(event);
                }
            }
            let wake = before == 0 && !waiting.events.is_empty();
            if wake {
                waiting.since = Some(Instant::now());
            }
            wake
        };
        if wake {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        (self.wake)();
    }

    pub(super) fn drain(&self) -> Vec<Event> {
        let mut waiting = self.lock();
        waiting.since = None;
        std::mem::take(&mut waiting.events)
    }

    /// How long the oldest has waited, and how many do.
    pub(super) fn lag(&self) -> (Duration, usize) {
        let waiting = self.lock();
        (waiting.since.map_or(Duration::ZERO, |since| since.elapsed()), waiting.events.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().events.len() >= self.capacity
    }

    pub(super) fn traces_shed(&self) -> u64 {
        self.traces_shed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters by name, in the names' order.
pub(super) type Counts = Vec<(&'static str, u64)>;

/// The counters as they were when the thread ended, and what is counted outside of it.
#[derive(Debug, Default)]
pub(super) struct CounterBoard {
    last: Mutex<Counts>,
    commands_refused: AtomicU64,
}

impl CounterBoard {
    pub(super) fn refused_command(&self) {
        self.commands_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn commands_refused(&self) -> u64 {
        self.commands_refused.load(Ordering::Relaxed)
    }

    pub(super) fn leave(&self, counts: Counts) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    pub(super) fn last(&self) -> Counts {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
