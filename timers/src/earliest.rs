//! The earliest timers, in order, so that the next deadline is known without a look at all that is filed.

use std::collections::VecDeque;

use crate::entries::Handle;

/// How many are kept in order at least.
const FEWEST: usize = if cfg!(test) { 4 } else { 64 };

/// Every timer set that is due before `until` is among the known, and none that is due after it; stale ones are, too.
#[derive(Debug, Clone)]
pub(crate) struct Earliest {
    known: VecDeque<(u64, Handle)>,
    until: u64,
    /// How many are kept when there are twice as many.
    kept: usize,
    /// How often all was forgotten.
    #[cfg(test)]
    pub(crate) cleared: usize,
}

impl Earliest {
    /// Of no timers.
    pub(crate) fn new() -> Self {
        Self {
            known: VecDeque::new(),
            until: u64::MAX,
            kept: FEWEST,
            #[cfg(test)]
            cleared: 0,
        }
    }

    /// Forgets all; of so many timers none is known. To look through `count` timers is paid for by the square root
    /// of it, which are known afterwards.
    pub(crate) fn clear(&mut self, count: usize) {
        self.known.clear();
        self.until = u64::MAX;
        self.kept = FEWEST.max(count.isqrt());
        #[cfg(test)]
        {
            self.cleared += 1;
        }
    }

    /// A timer is set.
    #[inline]
    pub(crate) fn learn(&mut self, deadline: u64, handle: Handle) {
        if deadline < self.until {
            self.insert(deadline, handle);
        }
    }

    #[inline(never)]
    fn insert(&mut self, deadline: u64, handle: Handle) {
        let at = self.known.partition_point(|&(known, _)| known <= deadline);
        self.known.insert(at, (deadline, handle));
        if self.known.len() > 2 * self.kept {
            self.until = self.known[self.kept].0;
            self.known.truncate(self.kept);
        }
    }

    /// What is due from `tick` on may be unknown.
    pub(crate) fn unknown_from(&mut self, tick: u64) {
        self.until = self.until.min(tick);
        let known = self.known.partition_point(|&(deadline, _)| deadline <= self.until);
        self.known.truncate(known);
    }

    /// Whether one is known that is due before a tick.
    pub(crate) fn is_known_before(&self, tick: u64) -> bool {
        self.known.front().is_some_and(|&(deadline, _)| deadline < tick)
    }

    /// The earliest deadline, if it is known: the first for which `is_set` holds. Those before it are forgotten.
    pub(crate) fn first(&mut self, is_set: impl Fn(u64, Handle) -> bool) -> Option<u64> {
        while let Some(&(deadline, handle)) = self.known.front() {
            if is_set(deadline, handle) {
                return Some(deadline);
            }
            self.known.pop_front();
        }
        None
    }
}
