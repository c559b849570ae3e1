//! A set of entries, a bit for each.

#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    /// The word to look at next when one is taken.
    cursor: usize,
}

impl Bits {
    /// Makes room for an entry that is one more than there were.
    pub(crate) fn grow(&mut self, entry: u32) {
        if entry.is_multiple_of(64) {
            self.words.push(0);
        }
    }

    #[inline]
    pub(crate) fn has(&self, entry: u32) -> bool {
        self.words[word(entry)] >> (entry % 64) & 1 != 0
    }

    #[inline]
    pub(crate) fn add(&mut self, entry: u32) {
        self.words[word(entry)] |= 1 << (entry % 64);
    }

    /// Adds it or not, without a branch.
    #[inline]
    pub(crate) fn add_if(&mut self, entry: u32, add: bool) {
        self.words[word(entry)] |= u64::from(add) << (entry % 64);
    }

    #[inline]
    pub(crate) fn remove(&mut self, entry: u32) {
        self.words[word(entry)] &= !(1 << (entry % 64));
    }

    /// Takes one out of a set that is not empty: the next, round and round, so that what is taken one after the
    /// other lies side by side.
    #[inline]
    pub(crate) fn take(&mut self) -> u32 {
        while self.words[self.cursor] == 0 {
            self.cursor = if self.cursor + 1 == self.words.len() { 0 } else { self.cursor + 1 };
        }
        let word = &mut self.words[self.cursor];
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        u32::try_from(self.cursor * 64).expect("entries are numbered in 32 bits") + bit
    }

    /// All of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .step_by(64)
            .zip(&self.words)
            .flat_map(|(first, &word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| first + bit))
    }
}

fn word(entry: u32) -> usize {
    entry as usize / 64
}
