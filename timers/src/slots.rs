//! The slots of the wheel: where timers are filed until their time comes.

use crate::chains::{Chain, Chains, Taken};

/// Bits of a deadline that a level tells apart. More of them mean fewer levels for a timer to come down
/// through, but tails of slots that no longer fit into the first cache.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = (u64::BITS / BITS) as usize;
const WORDS: usize = SLOTS / 64;

/// How many are taken out of slots at once, about: as many as stay in the first cache.
const BATCH: usize = 1_024;

/// A slot and the first tick of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    index: usize,
    pub(crate) start: u64,
}

/// All slots, relative to a tick `base` that only moves forward, and never past an occupied slot.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    base: u64,
    /// No occupied slot begins before this tick.
    quiet_until: u64,
    filed: Vec<Chain>,
    chains: Chains,
    /// What is left of a slot whose time has come.
    taken: Taken,
    /// For each level, a bit for each slot that is not empty.
    occupied: [[u64; WORDS]; LEVELS],
    /// A bit for each level that has such a slot.
    levels: u32,
}

impl Slots {
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            quiet_until: u64::MAX,
            filed: vec![Chain::EMPTY; LEVELS * SLOTS],
            chains: Chains::default(),
            taken: Chain::EMPTY.take(),
            occupied: [[0; WORDS]; LEVELS],
            levels: 0,
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// No occupied slot begins before this tick.
    pub(crate) fn quiet_until(&self) -> u64 {
        self.quiet_until
    }

    /// Files an entry under a deadline; one in the past is filed under the base.
    #[inline]
    pub(crate) fn file(&mut self, deadline: u64, entry: u32) {
        let deadline = deadline.max(self.base);
        let level = level_of(self.base ^ deadline);
        let index = level * SLOTS + position_of(deadline, level);
        let chain = &mut self.filed[index];
        if chain.is_full() {
            if chain.is_empty() {
                self.occupy(index);
            }
            self.chains.lengthen(&mut self.filed[index]);
        }
        self.chains.push(&mut self.filed[index], entry);
    }

    #[cold]
    #[inline(never)]
    fn occupy(&mut self, index: usize) {
        let (level, position) = (index / SLOTS, index % SLOTS);
        self.occupied[level][position / 64] |= 1 << (position % 64);
        self.levels |= 1 << level;
        self.quiet_until = self.quiet_until.min(self.start_of(index));
    }

    fn vacate(&mut self, index: usize) {
        let (level, position) = (index / SLOTS, index % SLOTS);
        self.occupied[level][position / 64] &= !(1 << (position % 64));
        if self.occupied[level] == [0; WORDS] {
            self.levels &= !(1 << level);
        }
    }

    /// The first slot that is not empty. Everything filed in a lower level comes before everything filed in a
    /// higher one, because it agrees with the base in more of its leading bits.
    pub(crate) fn first(&self) -> Option<Slot> {
        self.first_of(self.levels)
    }

    fn first_of(&self, levels: u32) -> Option<Slot> {
        let level = levels.trailing_zeros() as usize;
        let words = self.occupied.get(level)?;
        let word = words.iter().position(|&word| word != 0)?;
        Some(self.slot(level * SLOTS + word * 64 + words[word].trailing_zeros() as usize))
    }

    /// The first slot that is not empty after the one given.
    pub(crate) fn after(&self, slot: Slot) -> Option<Slot> {
        let (level, next) = (slot.index / SLOTS, slot.index % SLOTS + 1);
        let mut mask = u64::MAX << (next % 64);
        for word in next / 64..WORDS {
            let occupied = self.occupied[level][word] & mask;
            if occupied != 0 {
                return Some(self.slot(level * SLOTS + word * 64 + occupied.trailing_zeros() as usize));
            }
            mask = u64::MAX;
        }
        self.first_of(self.levels & (u32::MAX << level << 1))
    }

    fn slot(&self, index: usize) -> Slot {
        Slot { index, start: self.start_of(index) }
    }

    fn start_of(&self, index: usize) -> u64 {
        let shift = shift_of(index / SLOTS);
        // The bits above the level are the base's own; above the highest level there are none.
        let above = self.base.checked_shr(shift + BITS).map_or(0, |bits| bits << (shift + BITS));
        above | ((index % SLOTS) as u64) << shift
    }

    /// What is filed in a slot.
    pub(crate) fn filed(&self, slot: Slot) -> impl Iterator<Item = u32> + '_ {
        self.chains.blocks(self.filed[slot.index]).flatten().copied()
    }

    /// Moves what is filed in slots that begin by `now`, at most a batch of it, to the end of `filed`, and the base
    /// along; when nothing is left, the base becomes `now`.
    pub(crate) fn take_until(&mut self, now: u64, filed: &mut Vec<u32>) {
        while filed.len() < BATCH {
            if self.chains.move_block(&mut self.taken, filed) {
                continue;
            }
            let Some(slot) = self.first().filter(|slot| slot.start <= now) else {
                self.move_base(now);
                break;
            };
            self.base = self.base.max(slot.start);
            self.quiet_until = self.base;
            self.vacate(slot.index);
            self.taken = std::mem::replace(&mut self.filed[slot.index], Chain::EMPTY).take();
        }
    }

    /// Moves the base to a tick that no occupied slot begins before.
    pub(crate) fn move_base(&mut self, base: u64) {
        self.base = self.base.max(base);
    }

    /// Looks anew for where the first occupied slot begins.
    pub(crate) fn look_ahead(&mut self) {
        self.quiet_until = self.first().map_or(u64::MAX, |slot| slot.start);
    }

    /// Drops what is not to be kept.
    pub(crate) fn retain(&mut self, buffer: &mut Vec<u32>, mut keep: impl FnMut(u32) -> bool) {
        for index in 0..self.filed.len() {
            if !self.filed[index].is_empty() {
                self.chains.retain(&mut self.filed[index], buffer, &mut keep);
                if self.filed[index].is_empty() {
                    self.vacate(index);
                }
            }
        }
        self.look_ahead();
    }

    /// Memory of what is filed.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.chains.bytes()
    }

    /// How many are filed, dead ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.filed.iter().map(|&chain| self.chains.blocks(chain).map(<[u32]>::len).sum::<usize>()).sum()
    }
}

fn level_of(difference: u64) -> usize {
    ((difference | 1).ilog2() / BITS) as usize
}

#[allow(clippy::cast_possible_truncation)] // eight levels
fn shift_of(level: usize) -> u32 {
    level as u32 * BITS
}

#[allow(clippy::cast_possible_truncation)] // masked
fn position_of(deadline: u64, level: usize) -> usize {
    (deadline >> shift_of(level)) as usize & (SLOTS - 1)
}
