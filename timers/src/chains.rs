//! What is filed in a slot: a chain of blocks, each twice as long as the one before it, up to a limit. So a slot
//! with few timers takes a line of the cache, and one with many is read as a stream.

/// Words of the shortest block. The last word of each is its link.
const SHORTEST: u32 = 16;
/// Lengths of blocks.
const LENGTHS: u32 = 7;
const NONE: u32 = u32::MAX;

/// How many are filed in a block of a length.
fn room(length: u32) -> u32 {
    (SHORTEST << length) - 1
}

fn next_length(length: u32) -> u32 {
    (length + 1).min(LENGTHS - 1)
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    /// Where the first block begins.
    first: u32,
    /// Where the next one is filed.
    next: u32,
    /// Where the link of the last block is.
    end: u32,
}

impl Chain {
    pub(crate) const EMPTY: Self = Self { first: NONE, next: NONE, end: NONE };

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.first == NONE
    }

    /// Whether nothing fits into its last block.
    #[inline]
    pub(crate) fn is_full(self) -> bool {
        self.next == self.end
    }

    pub(crate) fn take(self) -> Taken {
        Taken { chain: self, length: 0 }
    }
}

/// A chain that was taken out of its slot, from its next block on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    chain: Chain,
    /// The length of the next block.
    length: u32,
}

impl Taken {
    /// The next block: where it begins and where what is filed in it ends.
    fn block(&self) -> Option<(u32, u32)> {
        let Chain { first, next, end } = self.chain;
        let link = first.checked_add(room(self.length))?;
        Some((first, if link == end { next } else { link }))
    }
}

/// All chains.
#[derive(Debug, Clone)]
pub(crate) struct Chains {
    /// The blocks. A block's link is where the next block of its chain begins; the last one's is its own length.
    words: Vec<u32>,
    /// For each length the first of the unused blocks, which are linked by their first words.
    unused: [u32; LENGTHS as usize],
}

impl Default for Chains {
    fn default() -> Self {
        Self { words: Vec::new(), unused: [NONE; LENGTHS as usize] }
    }
}

impl Chains {
    /// Files an entry in a chain that is not full.
    #[inline]
    pub(crate) fn push(&mut self, chain: &mut Chain, entry: u32) {
        self.words[chain.next as usize] = entry;
        chain.next += 1;
    }

    /// Adds a block to a chain that is full.
    #[cold]
    #[inline(never)]
    pub(crate) fn lengthen(&mut self, chain: &mut Chain) {
        let length = if chain.is_empty() { 0 } else { next_length(self.words[chain.end as usize]) };
        let block = self.block(length);
        if chain.is_empty() {
            chain.first = block;
        } else {
            self.words[chain.end as usize] = block;
        }
        chain.next = block;
        chain.end = block + room(length);
        self.words[chain.end as usize] = length;
    }

    fn block(&mut self, length: u32) -> u32 {
        let unused = self.unused[length as usize];
        if let Some(&next) = self.words.get(unused as usize) {
            self.unused[length as usize] = next;
            return unused;
        }
        let (block, words) = (self.words.len(), (room(length) + 1) as usize);
        if block + words > self.words.capacity() {
            // By an eighth: what is doubled stands half empty.
            self.words.reserve_exact(words.max(block / 8));
        }
        self.words.resize(block + words, 0);
        u32::try_from(block + words).expect("fewer than 2^31 timers filed");
        u32::try_from(block).expect("it is before its end")
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Keeps a block for later.
    fn give_back(&mut self, block: u32, length: u32) {
        self.words[block as usize] = std::mem::replace(&mut self.unused[length as usize], block);
    }

    /// What is filed in a chain, block by block.
    pub(crate) fn blocks(&self, chain: Chain) -> impl Iterator<Item = &[u32]> {
        let mut rest = chain.take();
        std::iter::from_fn(move || {
            let (first, next) = rest.block()?;
            self.go_on(&mut rest);
            Some(&self.words[first as usize..next as usize])
        })
    }

    /// Goes on to the block after the next.
    #[inline]
    fn go_on(&self, taken: &mut Taken) {
        let link = taken.chain.first + room(taken.length);
        if link == taken.chain.end {
            taken.chain = Chain::EMPTY;
        } else {
            taken.chain.first = self.words[link as usize];
            taken.length = next_length(taken.length);
        }
    }

    /// Moves what is filed in the next block, if there is one, to the end of `filed`.
    #[inline]
    pub(crate) fn move_block(&mut self, taken: &mut Taken, filed: &mut Vec<u32>) -> bool {
        let Some((first, next)) = taken.block() else {
            return false;
        };
        let length = taken.length;
        filed.extend_from_slice(&self.words[first as usize..next as usize]);
        self.go_on(taken);
        self.give_back(first, length);
        true
    }

    /// Drops what is not to be kept. `kept` is an empty buffer, and empty again afterwards.
    pub(crate) fn retain(&mut self, chain: &mut Chain, kept: &mut Vec<u32>, mut keep: impl FnMut(u32) -> bool) {
        // What is kept moves up, from the block that is read to the one that is filled, at or before it.
        let mut read = chain.take();
        let (mut fill, mut next) = (chain.take(), chain.first);
        while let Some((first, end)) = read.block() {
            kept.extend_from_slice(&self.words[first as usize..end as usize]);
            keep_only(kept, &mut keep);
            self.go_on(&mut read);
            let mut moved = &kept[..];
            while !moved.is_empty() {
                let link = fill.chain.first + room(fill.length);
                if next == link {
                    self.go_on(&mut fill);
                    next = fill.chain.first;
                    continue;
                }
                let (fits, rest) = moved.split_at(moved.len().min((link - next) as usize));
                self.words[next as usize..][..fits.len()].copy_from_slice(fits);
                next += length_of(fits);
                moved = rest;
            }
            kept.clear();
        }
        let mut spare = chain.take();
        if next == chain.first {
            *chain = Chain::EMPTY;
        } else {
            let end = fill.chain.first + room(fill.length);
            spare = fill;
            self.go_on(&mut spare);
            *chain = Chain { first: chain.first, next, end };
            self.words[end as usize] = fill.length;
        }
        while !spare.chain.is_empty() {
            let (block, length) = (spare.chain.first, spare.length);
            self.go_on(&mut spare);
            self.give_back(block, length);
        }
    }
}

/// Drops what is not to be kept. Which that is cannot be foreseen, so there is no branch.
#[inline]
pub(crate) fn keep_only(filed: &mut Vec<u32>, mut keep: impl FnMut(u32) -> bool) {
    let mut count = 0;
    for at in 0..filed.len() {
        let entry = filed[at];
        filed[count] = entry;
        count += usize::from(keep(entry));
    }
    filed.truncate(count);
}

fn length_of(filed: &[u32]) -> u32 {
    u32::try_from(filed.len()).expect("a block is shorter")
}
