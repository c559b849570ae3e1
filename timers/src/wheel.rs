//! The wheel: entries under generation handles, filed in slots.

use std::cell::Cell;

use crate::slots::{Filed, Slots};

/// How many dead filings are kept beyond as many as there are timers, before they are swept out.
const DEAD_ALLOWED: usize = 64;

/// A timer in a [`Wheel`]; stale after the timer expired or was cancelled, and then harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle {
    entry: u32,
    /// The sequence number of the insertion, which no other timer of the wheel ever has.
    generation: u64,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u64,
    deadline: u64,
    /// Breaks ties between equal deadlines.
    sequence: u64,
    /// The deadline under which it is filed; a timer pushed back since has a later one.
    filed_under: u64,
    filing: u32,
    /// `None` while the entry is unused.
    token: Option<T>,
}

/// What is known of the earliest deadline.
#[derive(Debug, Clone, Copy)]
enum Earliest {
    Known(Option<u64>),
    /// The earliest timer was taken away; to be looked for when asked.
    Unknown,
}

/// Timers ordered by deadline.
#[derive(Debug)]
pub struct Wheel<T> {
    slots: Slots,
    entries: Vec<Entry<T>>,
    unused: Vec<u32>,
    live: usize,
    /// Filings whose timer is gone or was filed anew.
    dead: usize,
    next: u64,
    earliest: Cell<Earliest>,
    /// The timers due in one call: deadline, sequence, entry.
    due: Vec<(u64, u64, u32)>,
}

impl<T> Wheel<T> {
    /// An empty wheel whose time is `now` (ticks).
    pub fn new(now: u64) -> Self {
        Self {
            slots: Slots::new(now),
            entries: Vec::new(),
            unused: Vec::new(),
            live: 0,
            dead: 0,
            next: 0,
            earliest: Cell::new(Earliest::Known(None)),
            due: Vec::new(),
        }
    }

    /// Sets a timer. A deadline that is not after the wheel's time expires at the next [`Wheel::expire`].
    ///
    /// # Panics
    ///
    /// With 2³² timers set.
    pub fn insert(&mut self, deadline: u64, token: T) -> Handle {
        let generation = self.next;
        self.next += 1;
        let index = self.unused.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 timers");
            self.entries.push(Entry { generation, deadline, sequence: 0, filed_under: 0, filing: 0, token: None });
            index
        });
        let entry = &mut self.entries[index as usize];
        entry.generation = generation;
        entry.deadline = deadline;
        entry.sequence = generation;
        entry.filed_under = deadline;
        entry.token = Some(token);
        self.slots.file(deadline, Filed { entry: index, filing: entry.filing });
        self.live += 1;
        self.learn(deadline);
        Handle { entry: index, generation }
    }

    /// Takes a timer back; `None` when it has expired or was cancelled before.
    pub fn cancel(&mut self, handle: Handle) -> Option<T> {
        let entry = self.entries.get_mut(handle.entry as usize)?;
        if entry.generation != handle.generation {
            return None;
        }
        let token = entry.token.take()?;
        let deadline = entry.deadline;
        entry.filing = entry.filing.wrapping_add(1);
        self.unused.push(handle.entry);
        self.live -= 1;
        self.unlearn(deadline);
        self.bury();
        Some(token)
    }

    /// Gives a timer another deadline; in the order of insertion it comes last. Returns whether it was still set.
    ///
    /// A timer that is only pushed back stays where it is filed, and is filed anew when that slot's time comes.
    pub fn reschedule(&mut self, handle: Handle, deadline: u64) -> bool {
        let Some(entry) = self.entries.get_mut(handle.entry as usize) else { return false };
        if entry.generation != handle.generation || entry.token.is_none() {
            return false;
        }
        let before = entry.deadline;
        entry.deadline = deadline;
        entry.sequence = self.next;
        self.next += 1;
        let sooner = deadline < entry.filed_under;
        if sooner {
            entry.filing = entry.filing.wrapping_add(1);
            entry.filed_under = deadline;
            self.slots.file(deadline, Filed { entry: handle.entry, filing: entry.filing });
            self.bury();
        }
        if deadline != before {
            self.unlearn(before);
            self.learn(deadline);
        }
        true
    }

    /// When a timer expires; `None` when it has expired or was cancelled before.
    pub fn deadline(&self, handle: Handle) -> Option<u64> {
        let entry = self.entries.get(handle.entry as usize)?;
        (entry.generation == handle.generation && entry.token.is_some()).then_some(entry.deadline)
    }

    /// Moves the wheel's time to `now` and appends `(deadline, token)` of every timer due, sorted by
    /// (deadline, order of insertion). A `now` in the past changes nothing.
    pub fn expire(&mut self, now: u64, out: &mut Vec<(u64, T)>) {
        if now < self.slots.base() {
            return;
        }
        if let Earliest::Known(earliest) = self.earliest.get()
            && earliest.is_none_or(|earliest| earliest > now)
            && self.slots.first().is_none_or(|slot| slot.start > now)
        {
            self.slots.move_base(now);
            return;
        }
        while let Some(slot) = self.slots.first().filter(|slot| slot.start <= now) {
            let filed = self.slots.take(slot);
            for &filed in &filed {
                self.meet(filed, now);
            }
            self.slots.recycle(filed);
        }
        self.slots.move_base(now);
        if self.due.is_empty() {
            return;
        }
        self.due.sort_unstable();
        for (deadline, _, index) in self.due.drain(..) {
            let entry = &mut self.entries[index as usize];
            entry.filing = entry.filing.wrapping_add(1);
            self.unused.push(index);
            self.live -= 1;
            out.extend(entry.token.take().map(|token| (deadline, token)));
        }
        self.earliest.set(if self.live == 0 { Earliest::Known(None) } else { Earliest::Unknown });
    }

    /// Looks at a filing whose slot's time has come: dead, due, or to be filed anew.
    fn meet(&mut self, filed: Filed, now: u64) {
        let entry = &mut self.entries[filed.entry as usize];
        if entry.token.is_none() || entry.filing != filed.filing {
            self.dead -= 1;
        } else if entry.deadline <= now {
            self.due.push((entry.deadline, entry.sequence, filed.entry));
        } else {
            entry.filed_under = entry.deadline;
            self.slots.file(entry.deadline, filed);
        }
    }

    /// The earliest deadline, or `None` when no timer is set.
    ///
    /// Known at once, except after the earliest timer expired or was taken away: then the next slots in time
    /// are looked through for their earliest.
    pub fn next_deadline(&self) -> Option<u64> {
        if let Earliest::Known(earliest) = self.earliest.get() {
            return earliest;
        }
        let mut earliest: Option<u64> = None;
        let mut next = self.slots.first();
        // Pushed-back timers may be filed before their time, so a slot counts only up to where the next begins.
        while let Some(slot) = next.filter(|slot| earliest.is_none_or(|earliest| slot.start <= earliest)) {
            for filed in self.slots.filed(slot) {
                let entry = &self.entries[filed.entry as usize];
                if entry.filing == filed.filing && entry.token.is_some() {
                    earliest = Some(earliest.map_or(entry.deadline, |earliest| earliest.min(entry.deadline)));
                }
            }
            next = self.slots.after(Some(slot));
        }
        self.earliest.set(Earliest::Known(earliest));
        earliest
    }

    /// Every timer set, as `(deadline, token)` in the order in which they would expire.
    pub fn pending(&self) -> Vec<(u64, &T)> {
        let set = |entry: &'_ Entry<T>| entry.token.is_some();
        let mut entries: Vec<_> = self.entries.iter().filter(|entry| set(entry)).collect();
        entries.sort_unstable_by_key(|entry| (entry.deadline, entry.sequence));
        entries.into_iter().filter_map(|entry| Some((entry.deadline, entry.token.as_ref()?))).collect()
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn learn(&mut self, deadline: u64) {
        if let Earliest::Known(earliest) = self.earliest.get_mut() {
            *earliest = Some(earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        }
    }

    fn unlearn(&mut self, deadline: u64) {
        if let Earliest::Known(Some(earliest)) = self.earliest.get()
            && earliest == deadline
        {
            self.earliest.set(if self.live == 0 { Earliest::Known(None) } else { Earliest::Unknown });
        }
    }

    /// Counts a filing that died, and sweeps the dead out when they are more than the living: a sweep looks at
    /// no more than twice as many filings as have died since the last one.
    fn bury(&mut self) {
        self.dead += 1;
        if self.dead > self.live + DEAD_ALLOWED {
            let entries = &self.entries;
            self.slots.retain(|filed| {
                let entry = &entries[filed.entry as usize];
                entry.filing == filed.filing && entry.token.is_some()
            });
            self.dead = 0;
        }
    }

    /// How many filings there are, dead ones included.
    #[cfg(test)]
    pub(crate) fn filings(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests;
