//! A set of entries, a bit for each.

#[derive(Debug, Clone, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Makes room for 64 more entries, all of them in the set or none.
    pub(crate) fn grow(&mut self, all: bool) {
        self.0.push(if all { u64::MAX } else { 0 });
    }

    #[inline]
    pub(crate) fn has(&self, entry: u32) -> bool {
        self.0[word(entry)] >> (entry % 64) & 1 != 0
    }

    #[inline]
    pub(crate) fn add(&mut self, entry: u32) {
        self.0[word(entry)] |= 1 << (entry % 64);
    }

    /// Adds it or not, without a branch.
    #[inline]
    pub(crate) fn add_if(&mut self, entry: u32, add: bool) {
        self.0[word(entry)] |= u64::from(add) << (entry % 64);
    }

    /// Takes one out, and tells whether it was in.
    #[inline]
    pub(crate) fn remove(&mut self, entry: u32) -> bool {
        let word = &mut self.0[word(entry)];
        let had = *word >> (entry % 64) & 1 != 0;
        *word &= !(1 << (entry % 64));
        had
    }

    /// Takes out all of the 64 entries of a word.
    pub(crate) fn take_word(&mut self, word: u32) -> u64 {
        std::mem::take(&mut self.0[word as usize])
    }

    pub(crate) fn words(&self) -> u32 {
        u32::try_from(self.0.len()).expect("entries are numbered in 32 bits")
    }

    /// Becomes the set of all that are not in the other.
    pub(crate) fn complement(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word = !other;
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }

    /// All of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).step_by(64).zip(&self.0).flat_map(|(first, &word)| ones(word).map(move |bit| first + bit))
    }
}

/// Which bits of a word are set, ascending.
pub(crate) fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.checked_sub(1)?;
        Some(bit)
    })
}

fn word(entry: u32) -> usize {
    entry as usize / 64
}
