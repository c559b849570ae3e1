//! The entries of the wheel: what belongs to a timer wherever it is filed.

use std::num::NonZeroU32;

use crate::bits::Bits;

/// A timer in a [`crate::Wheel`]; stale after the timer expired or was cancelled, and then harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle {
    pub(crate) entry: u32,
    /// How often the entry had been used.
    generation: NonZeroU32,
}

/// An unused entry is taken rather than a new one when more than one of so many are unused: to find it takes a
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
    /// The generation of each entry, which tells whether a handle is stale. Apart from the rest, because to
    /// cancel a timer takes nothing else.
    generations: Vec<u32>,
    bodies: Vec<Body<T>>,
    /// Which are set.
    set: Bits,
    /// Which of them were given a later deadline than they are filed under.
    pushed_back: Bits,
    unused: Bits,
    unused_count: usize,
}

impl<T: Copy> Entries<T> {
    pub(crate) fn new() -> Self {
        Self {
            generations: Vec::new(),
            bodies: Vec::new(),
            set: Bits::default(),
            pushed_back: Bits::default(),
            unused: Bits::default(),
            unused_count: 0,
        }
    }

    /// Uses an entry for a timer.
    #[inline]
    pub(crate) fn add(&mut self, deadline: u64, sequence: u32, token: T) -> Handle {
        let body = Body { deadline: halves(deadline), sequence, token };
        while self.unused_count > self.generations.len() / ONE_UNUSED_OF {
            let entry = self.unused.take();
            self.unused_count -= 1;
            // One whose generations are used up rests for ever, so that no stale handle comes to life.
            if let Some(generation) = NonZeroU32::new(self.generations[entry as usize]) {
                self.set.add(entry);
                self.pushed_back.remove(entry);
                self.bodies[entry as usize] = body;
                return Handle { entry, generation };
            }
        }
        self.add_new(body)
    }

    #[cold]
    #[inline(never)]
    fn add_new(&mut self, body: Body<T>) -> Handle {
        let entry = u32::try_from(self.generations.len()).expect("fewer than 2^32 timers");
        for bits in [&mut self.set, &mut self.pushed_back, &mut self.unused] {
            bits.grow(entry);
        }
        self.set.add(entry);
        self.generations.push(1);
        self.bodies.push(body);
        Handle { entry, generation: NonZeroU32::MIN }
    }

    /// Whether the handle's timer is still set.
    #[inline]
    pub(crate) fn holds(&self, handle: Handle) -> bool {
        self.generations.get(handle.entry as usize) == Some(&handle.generation.get())
    }

    /// Ends the timer of an entry that is set. Its handle is stale from now on.
    #[inline]
    pub(crate) fn end(&mut self, entry: u32) {
        let generation = &mut self.generations[entry as usize];
        *generation = generation.wrapping_add(1);
        self.set.remove(entry);
    }

    /// The filing of an entry that has ended is no more: the entry may be used again.
    #[inline]
    pub(crate) fn drop(&mut self, entry: u32) {
        self.unused.add(entry);
        self.unused_count += 1;
    }

    /// Whether a filing's timer is set; if it is not, the filing is dropped. Which it is cannot be foreseen, so
    /// there is no branch.
    #[inline]
    pub(crate) fn keep(&mut self, entry: u32) -> bool {
        let set = self.set.has(entry);
        self.unused.add_if(entry, !set);
        self.unused_count += usize::from(!set);
        set
    }

    /// Whether the timer of an entry that is filed is set.
    pub(crate) fn is_set(&self, entry: u32) -> bool {
        self.set.has(entry)
    }

    /// Whether a timer that is set was given a later deadline than it is filed under.
    #[inline]
    pub(crate) fn is_pushed_back(&self, entry: u32) -> bool {
        self.pushed_back.has(entry)
    }

    pub(crate) fn deadline(&self, entry: u32) -> u64 {
        whole(self.bodies[entry as usize].deadline)
    }

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
        self.pushed_back.add(entry);
    }

    /// A timer that was pushed back is filed under its deadline now.
    pub(crate) fn caught_up(&mut self, entry: u32) {
        self.pushed_back.remove(entry);
    }

    /// The entries that are set.
    pub(crate) fn set(&self) -> impl Iterator<Item = u32> + '_ {
        self.set.iter()
    }

    /// Leaves every entry its last generation.
    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        self.generations.fill(u32::MAX);
    }
}

#[allow(clippy::cast_possible_truncation)] // the two halves are what it is cut into
fn halves(ticks: u64) -> [u32; 2] {
    [(ticks >> 32) as u32, ticks as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
