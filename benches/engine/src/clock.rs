//! Processor time: what others do on the machine does not count.

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread (ns).
#[must_use]
pub fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// A sequence of numbers that is the same in every run (xorshift64*).
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// 0..count in a random order.
    pub fn shuffled(&mut self, count: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        for index in (1..order.len()).rev() {
            let other = usize::try_from(self.below(index as u64 + 1)).unwrap_or(0);
            order.swap(index, other);
        }
        order
    }
}
