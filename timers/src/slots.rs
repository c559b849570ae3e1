//! The slots of the wheel: where timers are filed until their time comes.

use std::mem;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;

/// A filed timer: its entry, and which filing of that entry this is. A filing that is no longer the entry's
/// own is dead: its timer was cancelled, has expired, or was filed anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filed {
    pub(crate) entry: u32,
    pub(crate) filing: u32,
}

/// A slot and the first tick of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    index: usize,
    pub(crate) start: u64,
}

/// All slots, relative to a tick `base` that only moves forward, and never past an occupied slot.
#[derive(Debug)]
pub(crate) struct Slots {
    base: u64,
    rows: Vec<Vec<Filed>>,
    /// For each level, a bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// Buffers of slots that were emptied.
    spare: Vec<Vec<Filed>>,
}

impl Slots {
    pub(crate) fn new(base: u64) -> Self {
        Self { base, rows: vec![Vec::new(); LEVELS * SLOTS], occupied: [0; LEVELS], spare: Vec::new() }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Files under a deadline; one in the past is filed under the base.
    pub(crate) fn file(&mut self, deadline: u64, filed: Filed) {
        let deadline = deadline.max(self.base);
        let level = level_of(self.base ^ deadline);
        let position = position_of(deadline, level);
        let slot = &mut self.rows[level * SLOTS + position];
        if slot.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *slot = spare;
        }
        slot.push(filed);
        self.occupied[level] |= 1 << position;
    }

    /// The first slot that is not empty. Everything filed in a lower level comes before everything filed in a
    /// higher one, because it agrees with the base in more of its leading bits.
    pub(crate) fn first(&self) -> Option<Slot> {
        self.after(None)
    }

    /// The first slot that is not empty after the one given.
    pub(crate) fn after(&self, slot: Option<Slot>) -> Option<Slot> {
        let from = slot.map_or(0, |slot| slot.index + 1);
        let (mut level, mut mask) = (from / SLOTS, u64::MAX << (from % SLOTS));
        while level < LEVELS {
            let occupied = self.occupied[level] & mask;
            if occupied != 0 {
                let position = occupied.trailing_zeros();
                return Some(Slot { index: level * SLOTS + position as usize, start: self.start_of(level, position) });
            }
            level += 1;
            mask = u64::MAX;
        }
        None
    }

    fn start_of(&self, level: usize, position: u32) -> u64 {
        let shift = shift_of(level);
        // The bits above the level are the base's own; above the highest level there are none.
        let above = self.base.checked_shr(shift + BITS).map_or(0, |bits| bits << (shift + BITS));
        above | u64::from(position) << shift
    }

    /// What is filed in a slot.
    pub(crate) fn filed(&self, slot: Slot) -> &[Filed] {
        &self.rows[slot.index]
    }

    /// Empties a slot that no other comes before, and moves the base to its start.
    pub(crate) fn take(&mut self, slot: Slot) -> Vec<Filed> {
        self.base = self.base.max(slot.start);
        self.occupied[slot.index / SLOTS] &= !(1 << (slot.index % SLOTS));
        mem::take(&mut self.rows[slot.index])
    }

    /// Keeps the buffer of a slot that was emptied for another one.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<Filed>) {
        buffer.clear();
        self.spare.push(buffer);
    }

    /// Moves the base to a tick that no occupied slot begins before.
    pub(crate) fn move_base(&mut self, base: u64) {
        self.base = self.base.max(base);
    }

    /// Drops what is not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(Filed) -> bool) {
        for (level, occupied) in self.occupied.iter_mut().enumerate() {
            let mut rest = *occupied;
            while rest != 0 {
                let position = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let slot = &mut self.rows[level * SLOTS + position];
                slot.retain(|&filed| keep(filed));
                if slot.is_empty() {
                    *occupied &= !(1 << position);
                    self.spare.push(mem::take(slot));
                }
            }
        }
        // A sweep is rare: the moment to give buffers back that a burst has left.
        let occupied: u32 = self.occupied.iter().map(|bits| bits.count_ones()).sum();
        self.spare.truncate(occupied as usize);
    }

    /// How many are filed, dead ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }
}

fn level_of(difference: u64) -> usize {
    difference.checked_ilog2().map_or(0, |bit| (bit / BITS) as usize)
}

fn shift_of(level: usize) -> u32 {
    // Eleven levels: the product stays below 64.
    u32::try_from(level).unwrap_or(u32::MAX) * BITS
}

fn position_of(deadline: u64, level: usize) -> usize {
    usize::try_from(deadline >> shift_of(level) & (SLOTS as u64 - 1)).unwrap_or(SLOTS)
}
