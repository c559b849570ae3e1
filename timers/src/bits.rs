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

    /// The first of the set among the 64 entries of a word.
    #[inline]
    pub(crate) fn first_of(&self, word: u32) -> Option<u32> {
        let bits = self.0[word as usize];
        (bits != 0).then(|| word * 64 + bits.trailing_zeros())
    }

    /// Becomes the set of all that are not in the other.
    pub(crate) fn complement(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word = !other;
        }
    }

    /// All of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .step_by(64)
            .zip(&self.0)
            .flat_map(|(first, &word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| first + bit))
    }
}

fn word(entry: u32) -> usize {
    entry as usize / 64
}
