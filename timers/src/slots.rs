//! The slots of the wheel: where timers are filed until their time comes.

/// Bits of a deadline that a level tells apart. More of them mean fewer levels for a timer to come down
/// through, but tails of slots that no longer fit into the first cache.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = (u64::BITS / BITS) as usize;
const WORDS: usize = SLOTS / 64;

/// How many timers are filed in a block.
const ROOM: usize = 41;
const NONE: u32 = u32::MAX;

/// A filed timer: under which deadline, and which entry. The deadline is in halves, so that there is no gap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filed {
    deadline: [u32; 2],
    pub(crate) entry: u32,
}

impl Filed {
    #[allow(clippy::cast_possible_truncation)] // the two halves are what it is cut into
    #[inline]
    pub(crate) fn new(deadline: u64, entry: u32) -> Self {
        Self { deadline: [(deadline >> 32) as u32, deadline as u32], entry }
    }

    #[inline]
    pub(crate) fn deadline(self) -> u64 {
        u64::from(self.deadline[0]) << 32 | u64::from(self.deadline[1])
    }
}

/// A slot and the first tick of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    index: usize,
    pub(crate) start: u64,
}

/// What is kept of a block.
#[derive(Debug, Clone)]
pub(crate) struct Buffer([Filed; ROOM]);

impl Default for Buffer {
    fn default() -> Self {
        Self([Filed::default(); ROOM])
    }
}

impl Buffer {
    /// Takes what is to be kept, and tells how many that are. Which they are
    /// cannot be foreseen, so there is no branch.
    #[inline]
    fn keep(&mut self, filed: &[Filed], mut keep: impl FnMut(Filed) -> bool) -> usize {
        let mut kept = 0;
        for &filed in filed {
            self.0[kept] = filed;
            kept += usize::from(keep(filed));
        }
        kept
    }

    /// The first `count`.
    #[inline]
    pub(crate) fn first(&self, count: usize) -> &[Filed] {
        &self.0[..count]
    }
}

/// What is filed in a slot is a chain of these, filled in order.
#[derive(Debug, Clone)]
struct Block {
    filed: [Filed; ROOM],
    length: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
}

/// A chain that was taken out of its slot.
#[derive(Debug)]
pub(crate) struct Taken(u32);

/// All slots, relative to a tick `base` that only moves forward, and never past an occupied slot.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    base: u64,
    /// No occupied slot begins before this tick.
    quiet_until: u64,
    chains: Vec<Chain>,
    /// For each level, a bit for each slot that is not empty.
    occupied: [[u64; WORDS]; LEVELS],
    /// A bit for each level that has such a slot.
    levels: u32,
    blocks: Vec<Block>,
    /// The first of a chain of unused blocks.
    unused: u32,
}

impl Slots {
    pub(crate) fn new(base: u64) -> Self {
        Self {
            base,
            quiet_until: u64::MAX,
            chains: vec![Chain { first: NONE, last: NONE }; LEVELS * SLOTS],
            occupied: [[0; WORDS]; LEVELS],
            levels: 0,
            blocks: Vec::new(),
            unused: NONE,
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// No occupied slot begins before this tick.
    pub(crate) fn quiet_until(&self) -> u64 {
        self.quiet_until
    }

    /// Files under a deadline; one in the past is filed under the base.
    #[inline]
    pub(crate) fn file(&mut self, filed: Filed) {
        let deadline = filed.deadline().max(self.base);
        let level = level_of(self.base ^ deadline);
        let position = position_of(deadline, level);
        let index = level * SLOTS + position;
        let last = self.chains[index].last;
        if let Some(block) = self.blocks.get_mut(last as usize)
            && let Some(place) = block.filed.get_mut(block.length as usize)
        {
            *place = filed;
            block.length += 1;
        } else {
            self.file_in_new_block(index, filed);
        }
    }

    #[cold]
    #[inline(never)]
    fn file_in_new_block(&mut self, index: usize, filed: Filed) {
        let (level, position) = (index / SLOTS, index % SLOTS);
        self.occupied[level][position / 64] |= 1 << (position % 64);
        self.levels |= 1 << level;
        self.quiet_until = self.quiet_until.min(self.start_of(index));
        let new = if self.unused == NONE {
            self.blocks.push(Block { filed: [Filed::default(); ROOM], length: 0, next: NONE });
            u32::try_from(self.blocks.len() - 1).expect("fewer than 2^31 timers")
        } else {
            self.unused
        };
        let block = &mut self.blocks[new as usize];
        if self.unused == new {
            self.unused = block.next;
        }
        block.filed[0] = filed;
        block.length = 1;
        block.next = NONE;
        let chain = &mut self.chains[index];
        if chain.last == NONE {
            chain.first = new;
        } else {
            self.blocks[chain.last as usize].next = new;
        }
        chain.last = new;
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

    /// Notes that a slot is empty now.
    fn vacate(&mut self, index: usize) {
        let (level, position) = (index / SLOTS, index % SLOTS);
        self.chains[index] = Chain { first: NONE, last: NONE };
        self.occupied[level][position / 64] &= !(1 << (position % 64));
        if self.occupied[level] == [0; WORDS] {
            self.levels &= !(1 << level);
        }
    }

    fn start_of(&self, index: usize) -> u64 {
        let shift = shift_of(index / SLOTS);
        // The bits above the level are the base's own; above the highest level there are none.
        let above = self.base.checked_shr(shift + BITS).map_or(0, |bits| bits << (shift + BITS));
        above | ((index % SLOTS) as u64) << shift
    }

    /// What is filed in a slot.
    pub(crate) fn filed(&self, slot: Slot) -> impl Iterator<Item = Filed> + '_ {
        self.chain(self.chains[slot.index].first).flatten().copied()
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = &[Filed]> {
        let mut next = first;
        std::iter::from_fn(move || {
            let block = self.blocks.get(next as usize)?;
            next = block.next;
            Some(&block.filed[..block.length as usize])
        })
    }

    /// Empties a slot that no other comes before, and moves the base to its start.
    pub(crate) fn take(&mut self, slot: Slot) -> Taken {
        self.base = self.base.max(slot.start);
        self.quiet_until = self.base;
        let first = self.chains[slot.index].first;
        self.vacate(slot.index);
        Taken(first)
    }

    /// Takes what is to be kept of the next block of a chain that was taken to the buffer, and tells how many
    /// were in the block and how many are kept; the block itself may be used again.
    #[inline]
    pub(crate) fn next_block(
        &mut self,
        taken: &mut Taken,
        to: &mut Buffer,
        keep: impl FnMut(Filed) -> bool,
    ) -> Option<(usize, usize)> {
        let block = self.blocks.get_mut(taken.0 as usize)?;
        let filed = block.length as usize;
        let kept = to.keep(&block.filed[..filed], keep);
        let this = taken.0;
        taken.0 = block.next;
        block.next = self.unused;
        self.unused = this;
        Some((filed, kept))
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
    pub(crate) fn retain(&mut self, buffer: &mut Buffer, mut keep: impl FnMut(Filed) -> bool) {
        for index in 0..self.chains.len() {
            if self.chains[index].first != NONE {
                self.retain_in(index, buffer, &mut keep);
            }
        }
        self.look_ahead();
    }

    fn retain_in(&mut self, index: usize, buffer: &mut Buffer, keep: &mut impl FnMut(Filed) -> bool) {
        // What is kept moves up, from the block that is read to the one that is filled, at or before it.
        let first = self.chains[index].first;
        let (mut read, mut fill, mut filled) = (first, first, 0);
        while let Some(block) = self.blocks.get(read as usize) {
            read = block.next;
            let kept = buffer.keep(&block.filed[..block.length as usize], &mut *keep);
            let fits = kept.min(ROOM - filled);
            let block = &mut self.blocks[fill as usize];
            block.filed[filled..filled + fits].copy_from_slice(buffer.first(fits));
            filled += fits;
            block.length = length(filled);
            if fits < kept {
                fill = block.next;
                filled = kept - fits;
                let block = &mut self.blocks[fill as usize];
                block.filed[..filled].copy_from_slice(&buffer.first(kept)[fits..]);
                block.length = length(filled);
            }
        }
        let spare = if filled == 0 {
            self.vacate(index);
            first
        } else {
            self.chains[index].last = fill;
            std::mem::replace(&mut self.blocks[fill as usize].next, NONE)
        };
        self.give_back(spare);
    }

    /// Keeps a chain of blocks for later.
    fn give_back(&mut self, mut block: u32) {
        while let Some(spare) = self.blocks.get_mut(block as usize) {
            (block, spare.next, self.unused) = (spare.next, self.unused, block);
        }
    }

    /// How many are filed, dead ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.chains.iter().map(|chain| self.chain(chain.first).map(<[Filed]>::len).sum::<usize>()).sum()
    }
}

#[allow(clippy::cast_possible_truncation)] // at most as many as there is room for
fn length(filed: usize) -> u32 {
    filed as u32
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
