//! The entries of the wheel: what belongs to a timer wherever it is filed.

use std::num::NonZeroU32;

use crate::bits::{Bits, ones};

/// A timer in a [`crate::Wheel`]; stale after the timer expired or was cancelled, and then harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle {
    pub(crate) entry: u32,
    /// Which use of the entry it is.
    generation: NonZeroU32,
}

/// Unused entries are taken rather than new ones when more than one of so many are unused: to find one takes a
/// look at two words of the bitmap on average.
const ONE_UNUSED_OF: usize = 64;

/// The deadline is in halves, so that small tokens leave no gap.
#[derive(Debug, Clone, Copy)]
struct Body<T> {
    deadline: [u32; 2],
    /// Breaks ties between equal deadlines.
    sequence: u32,
    token: T,
}

/// An entry is set while its timer runs; cancelled, but not yet unused, until its filing is met and dropped;
/// then unused. So each filing is its entry's only one, and to look at a bit is to know whether it is alive.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T> {
    /// How often each entry was used, which tells whether a handle is stale. Apart from the rest, because to
    /// cancel a timer reads nothing else, and writes only a bit.
    generations: Vec<u32>,
    bodies: Vec<Body<T>>,
    /// Which are set.
    set: Bits,
    unused: Bits,
    unused_count: usize,
    /// 64 entries whose unused ones are taken next, and those of them that are left. Round and round, so that what
    /// is taken one after the other lies side by side.
    hand: Hand,
}

#[derive(Debug, Clone, Copy)]
struct Hand {
    word: u32,
    left: u64,
}

impl<T: Copy> Entries<T> {
    pub(crate) fn new() -> Self {
        Self {
            generations: Vec::new(),
            bodies: Vec::new(),
            set: Bits::default(),
            unused: Bits::default(),
            unused_count: 0,
            hand: Hand { word: 0, left: 0 },
        }
    }

    /// Uses an entry for a timer.
    #[inline]
    pub(crate) fn add(&mut self, deadline: u64, sequence: u32, token: T) -> Handle {
        let body = Body { deadline: halves(deadline), sequence, token };
        loop {
            if self.hand.left == 0 {
                self.fill_hand(body);
            }
            let entry = self.hand.word * 64 + self.hand.left.trailing_zeros();
            self.hand.left &= self.hand.left - 1;
            let generation = &mut self.generations[entry as usize];
            // One whose generations are used up rests, so that no stale handle comes to life.
            if let Some(next) = generation.checked_add(1).and_then(NonZeroU32::new) {
                *generation = next.get();
                self.set.add(entry);
                self.bodies[entry as usize] = body;
                return Handle { entry, generation: next };
            }
        }
    }

    /// Goes to the next 64 entries of which one is unused, or makes some.
    #[cold]
    #[inline(never)]
    fn fill_hand(&mut self, filler: Body<T>) {
        if self.unused_count <= self.generations.len() / ONE_UNUSED_OF {
            self.hand.word = u32::try_from(self.generations.len() / 64).expect("fewer than 2^32 timers");
            self.grow(filler);
        }
        let words = self.unused.words();
        self.hand.left = loop {
            self.hand.word = if self.hand.word < words { self.hand.word } else { 0 };
            match self.unused.take_word(self.hand.word) {
                0 => self.hand.word += 1,
                left => break left,
            }
        };
        self.unused_count -= self.hand.left.count_ones() as usize;
    }

    /// 64 entries more.
    fn grow(&mut self, filler: Body<T>) {
        let entries = self.generations.len() + 64;
        assert!(u32::try_from(entries).is_ok(), "fewer than 2^32 timers");
        if entries > self.generations.capacity() {
            // By an eighth: what is doubled stands half empty.
            let more = 64.max(entries / 8);
            self.generations.reserve_exact(more);
            self.bodies.reserve_exact(more);
        }
        self.generations.resize(entries, 0);
        self.bodies.resize(entries, filler);
        self.set.grow(false);
        self.unused.grow(true);
        self.unused_count += 64;
    }

    /// The handle of a timer that is set.
    pub(crate) fn handle(&self, entry: u32) -> Handle {
        let generation = NonZeroU32::new(self.generations[entry as usize]).expect("an entry that is set is used");
        Handle { entry, generation }
    }

    /// Whether the handle's timer is still set.
    #[inline]
    pub(crate) fn holds(&self, handle: Handle) -> bool {
        self.generations.get(handle.entry as usize) == Some(&handle.generation.get()) && self.set.has(handle.entry)
    }

    /// Ends the handle's timer, and tells whether it was still set.
    #[inline]
    pub(crate) fn end(&mut self, handle: Handle) -> bool {
        self.generations.get(handle.entry as usize) == Some(&handle.generation.get()) && self.set.remove(handle.entry)
    }

    /// Ends the timer of an entry whose filing is no more: the entry may be used again.
    #[inline]
    pub(crate) fn expire(&mut self, entry: u32) -> T {
        self.set.remove(entry);
        self.unused.add(entry);
        self.unused_count += 1;
        self.bodies[entry as usize].token
    }

    /// Whether a filing's timer is set; if it is not, the filing is dropped and its entry may be used again. Which
    /// it is cannot be foreseen, so there is no branch.
    #[inline]
    pub(crate) fn keep(&mut self, entry: u32) -> bool {
        let set = self.set.has(entry);
        self.unused.add_if(entry, !set);
        self.unused_count += usize::from(!set);
        set
    }

    /// Whether the timer of an entry that is filed is set.
    #[inline]
    pub(crate) fn is_set(&self, entry: u32) -> bool {
        self.set.has(entry)
    }

    /// All filings that are not set are dropped: each entry that is not set may be used again.
    pub(crate) fn all_dropped(&mut self, set: usize) {
        self.unused.complement(&self.set);
        self.unused_count = self.generations.len() - set;
        for entry in ones(self.hand.left) {
            self.unused.remove(self.hand.word * 64 + entry);
            self.unused_count -= 1;
        }
    }

    #[inline]
    pub(crate) fn deadline(&self, entry: u32) -> u64 {
        whole(self.bodies[entry as usize].deadline)
    }

    #[inline]
    pub(crate) fn sequence(&self, entry: u32) -> u32 {
        self.bodies[entry as usize].sequence
    }

    pub(crate) fn token(&self, entry: u32) -> T {
        self.bodies[entry as usize].token
    }

    /// Numbers a timer anew.
    pub(crate) fn set_sequence(&mut self, entry: u32, sequence: u32) {
        self.bodies[entry as usize].sequence = sequence;
    }

    /// Gives a timer a later deadline; it stays where it is filed.
    pub(crate) fn push_back(&mut self, entry: u32, deadline: u64, sequence: u32) {
        let body = &mut self.bodies[entry as usize];
        body.deadline = halves(deadline);
        body.sequence = sequence;
    }

    /// The entries that are set.
    pub(crate) fn set(&self) -> impl Iterator<Item = u32> + '_ {
        self.set.iter()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.generations.capacity() * size_of::<u32>()
            + self.bodies.capacity() * size_of::<Body<T>>()
            + self.set.bytes()
            + self.unused.bytes()
    }

    /// Leaves every entry its last generation.
    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        self.generations.fill(u32::MAX - 1);
    }
}

#[allow(clippy::cast_possible_truncation)] // the two halves are what it is cut into
fn halves(ticks: u64) -> [u32; 2] {
    [(ticks >> 32) as u32, ticks as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
