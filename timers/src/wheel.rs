//! The wheel: entries under generation handles, filed in slots.

use std::cell::RefCell;

use crate::chains::keep_only;
use crate::earliest::Earliest;
use crate::entries::{Entries, Handle};
use crate::slots::Slots;

/// How many dead filings are kept beyond as many as there are timers, before they are swept out.
const DEAD_ALLOWED: usize = 64;

/// Timers ordered by deadline.
#[derive(Debug, Clone)]
pub struct Wheel<T> {
    slots: Slots,
    entries: Entries<T>,
    /// Filings, dead ones included.
    filed: usize,
    /// Filings whose timer was cancelled.
    dead: usize,
    /// The next sequence number.
    next: u32,
    earliest: RefCell<Earliest>,
    /// The timers due in one call: deadline, sequence, entry.
    due: Vec<(u64, u32, u32)>,
    /// The entries filed in slots whose time has come.
    met: Vec<u32>,
    /// Their deadlines and sequence numbers.
    looked_up: Vec<(u64, u32)>,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel whose time is `now` (ticks).
    pub fn new(now: u64) -> Self {
        Self {
            slots: Slots::new(now),
            entries: Entries::new(),
            filed: 0,
            dead: 0,
            next: 0,
            earliest: RefCell::new(Earliest::new()),
            due: Vec::new(),
            met: Vec::new(),
            looked_up: Vec::new(),
        }
    }

    /// Sets a timer. A deadline that is not after the wheel's time expires at the next [`Wheel::expire`].
    ///
    /// # Panics
    ///
    /// With 2³² timers set.
    #[inline]
    pub fn insert(&mut self, deadline: u64, token: T) -> Handle {
        let sequence = self.next_sequence();
        let handle = self.entries.add(deadline, sequence, token);
        self.slots.file(deadline, handle.entry);
        self.filed += 1;
        self.earliest.get_mut().learn(deadline, handle);
        handle
    }

    /// Takes a timer back. Returns whether it was still set.
    #[inline]
    pub fn cancel(&mut self, handle: Handle) -> bool {
        if !self.entries.end(handle) {
            return false;
        }
        self.dead += 1;
        self.bound_dead();
        true
    }

    /// Gives a timer another deadline; in the order of insertion it comes last. Returns its handle from now on,
    /// or `None` if it was not set any more.
    ///
    /// A timer that is only pushed back stays where it is filed, and is filed anew when that slot's time comes.
    pub fn reschedule(&mut self, handle: Handle, deadline: u64) -> Option<Handle> {
        if !self.entries.holds(handle) {
            return None;
        }
        // What was pushed back before is filed earlier than its deadline, so this may file where it need not.
        if deadline < self.entries.deadline(handle.entry) {
            let token = self.entries.token(handle.entry);
            self.cancel(handle);
            return Some(self.insert(deadline, token));
        }
        let sequence = self.next_sequence();
        self.entries.push_back(handle.entry, deadline, sequence);
        self.earliest.get_mut().learn(deadline, handle);
        Some(handle)
    }

    /// When a timer expires; `None` when it has expired or was cancelled before.
    pub fn deadline(&self, handle: Handle) -> Option<u64> {
        self.entries.holds(handle).then(|| self.entries.deadline(handle.entry))
    }

    /// Moves the wheel's time to `now` and appends `(deadline, token)` of every timer due, sorted by
    /// (deadline, order of insertion). A `now` in the past changes nothing.
    pub fn expire(&mut self, now: u64, out: &mut Vec<(u64, T)>) {
        if now < self.slots.base() {
            return;
        }
        if now < self.slots.quiet_until() {
            self.slots.move_base(now);
            return;
        }
        loop {
            self.slots.take_until(now, &mut self.met);
            if self.met.is_empty() {
                break;
            }
            self.meet(now);
        }
        self.slots.look_ahead();
        if self.due.is_empty() {
            return;
        }
        if !self.due.is_sorted() {
            self.due.sort_unstable();
        }
        self.filed -= self.due.len();
        out.reserve(self.due.len());
        for (deadline, _, entry) in self.due.drain(..) {
            out.push((deadline, self.entries.expire(entry)));
        }
        self.bound_dead();
    }

    /// The earliest deadline, or `None` when no timer is set.
    ///
    /// Known at once, except after the earliest timers expired or were taken away, as many as are kept in order:
    /// then the next slots in time are looked through for theirs.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.is_empty() {
            self.earliest.borrow_mut().clear(0);
            return None;
        }
        let is_set =
            |deadline, handle: Handle| self.entries.holds(handle) && self.entries.deadline(handle.entry) == deadline;
        let mut earliest = self.earliest.borrow_mut();
        let known = earliest.first(is_set);
        if known.is_some() {
            return known;
        }
        self.look_through(&mut earliest);
        // Only what is due at the very last tick is never known.
        Some(earliest.first(is_set).unwrap_or(u64::MAX))
    }

    /// Looks for the earliest timers.
    fn look_through(&self, earliest: &mut Earliest) {
        earliest.clear(self.len());
        let mut next = self.slots.first();
        while let Some(slot) = next {
            for entry in self.slots.filed(slot).filter(|&entry| self.entries.is_set(entry)) {
                earliest.learn(self.entries.deadline(entry), self.entries.handle(entry));
            }
            next = self.slots.after(slot);
            // Pushed-back timers may be filed before their time, so a slot counts only up to where the next begins.
            if let Some(slot) = next
                && earliest.is_known_before(slot.start)
            {
                earliest.unknown_from(slot.start);
                return;
            }
        }
    }

    /// Every timer set, as `(deadline, token)` in the order in which they would expire.
    pub fn pending(&self) -> Vec<(u64, T)> {
        let mut entries: Vec<u32> = self.entries.set().collect();
        entries.sort_unstable_by_key(|&entry| (self.entries.deadline(entry), self.entries.sequence(entry)));
        entries.into_iter().map(|entry| (self.entries.deadline(entry), self.entries.token(entry))).collect()
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.filed - self.dead
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.filed == self.dead
    }

    /// Looks at filings whose slot's time has come: dropped, due, or to be filed anew.
    fn meet(&mut self, now: u64) {
        let filed = self.met.len();
        keep_only(&mut self.met, |entry| self.entries.keep(entry));
        let dropped = filed - self.met.len();
        self.filed -= dropped;
        self.dead -= dropped;
        // All are looked up before the first is used: so they are waited for together.
        let entries = &self.entries;
        self.looked_up.clear();
        self.looked_up.extend(self.met.iter().map(|&entry| (entries.deadline(entry), entries.sequence(entry))));
        for (entry, &(deadline, sequence)) in self.met.drain(..).zip(&self.looked_up) {
            if deadline <= now {
                self.due.push((deadline, sequence, entry));
            } else {
                self.slots.file(deadline, entry);
            }
        }
    }

    /// Sweeps when there are too many dead filings for the timers left, be the others cancelled or expired.
    #[inline]
    fn bound_dead(&mut self) {
        if self.dead * 2 > self.filed + DEAD_ALLOWED {
            self.sweep();
        }
    }

    /// Drops the dead filings. It happens when they are more than the living, so it looks at no more than twice
    /// as many filings as have died since the last time.
    #[cold]
    #[inline(never)]
    fn sweep(&mut self) {
        let entries = &self.entries;
        self.slots.retain(&mut self.met, |entry| entries.is_set(entry));
        self.filed -= self.dead;
        self.entries.all_dropped(self.filed);
        self.dead = 0;
    }

    fn next_sequence(&mut self) -> u32 {
        if self.next == u32::MAX {
            self.number_anew();
        }
        let sequence = self.next;
        self.next += 1;
        sequence
    }

    /// Numbers the timers anew from 0 in the same order, once in four thousand million of them.
    #[cold]
    #[inline(never)]
    fn number_anew(&mut self) {
        let mut entries: Vec<u32> = self.entries.set().collect();
        entries.sort_unstable_by_key(|&entry| self.entries.sequence(entry));
        self.next = 0;
        for entry in entries {
            self.entries.set_sequence(entry, self.next);
            self.next += 1;
        }
    }

    /// Memory that grows with the timers.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes() + self.slots.bytes()
    }

    /// How many filings there are, dead ones included.
    #[cfg(test)]
    pub(crate) fn filings(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests;
