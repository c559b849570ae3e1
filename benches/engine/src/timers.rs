//! The whole life of timers: set, four of five cancelled, the rest expired.

mod kept_by;

pub use kept_by::{HashWheel, Heap, Queue, Timers, Wheel};

use crate::clock::{Numbers, cpu_ns};

/// How far ahead timers are set (ms).
pub const HORIZON_MS: u64 = 60_000;
/// By how much time moves on at once while timers expire (ms).
pub const STEP_MS: u64 = 10;

/// What is done to each of the candidates, the same for all.
pub struct Load {
    /// Deadlines (ms ahead), in the order in which the timers are set.
    pub deadlines: Vec<u64>,
    /// Which of them are cancelled, in the order in which they are.
    pub cancelled: Vec<u32>,
}

impl Load {
    /// `count` timers with deadlines evenly spread over the horizon; four of five are cancelled, in random order.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut numbers = Numbers::new(7);
        let deadlines = (0..count).map(|_| 1 + numbers.below(HORIZON_MS)).collect();
        let mut cancelled = numbers.shuffled(count);
        cancelled.truncate(count / 5 * 4);
        Self { deadlines, cancelled }
    }

    /// How many timers there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.deadlines.len()
    }

    fn left(&self) -> usize {
        self.deadlines.len() - self.cancelled.len()
    }

    fn steps() -> impl Iterator<Item = u64> {
        (1..=HORIZON_MS / STEP_MS).map(|step| step * STEP_MS)
    }
}

/// One round of the load, and the processor time of setting, cancelling and expiring (ns).
///
/// # Panics
///
/// When a timer that was not cancelled does not expire exactly once, or one that was set cannot be cancelled.
pub fn round(timers: &mut impl Timers, load: &Load) -> [u64; 3] {
    let began = cpu_ns();
    timers.set(load);
    let set = cpu_ns() - began;
    timers.line_up(load);
    let began = cpu_ns();
    let cancelled = timers.cancel(load);
    let cancel = cpu_ns() - began;
    let began = cpu_ns();
    let expired = timers.expire();
    let expire = cpu_ns() - began;
    assert_eq!(cancelled, load.cancelled.len(), "every timer that is set can be cancelled");
    assert_eq!(expired, load.left(), "every timer that was not cancelled expires once");
    [set, cancel, expire]
}

/// What a timer's whole life takes (ns of processor time).
pub struct Life {
    /// In its stride, with the memory of rounds before: set, cancel, expire, each at its least.
    pub phases: [f64; 3],
    /// With memory asked of the system, the least round.
    pub from_nothing: f64,
}

impl Life {
    /// The least of several rounds, several times from nothing.
    pub fn measure(timers: &mut impl Timers, load: &Load) -> Self {
        let mut phases = [u64::MAX; 3];
        let mut from_nothing = u64::MAX;
        // As many rounds as make the least a steady figure; a million timers of a slow peer take a second each.
        let rounds = (2_000_000 / load.size()).clamp(3, 50);
        for _ in 0..3 {
            timers.begin();
            from_nothing = from_nothing.min(round(timers, load).iter().sum());
            for _ in 0..rounds {
                for (least, took) in phases.iter_mut().zip(round(timers, load)) {
                    *least = (*least).min(took);
                }
            }
        }
        let each = |ns: u64| ns as f64 / load.size() as f64;
        Self { phases: phases.map(each), from_nothing: each(from_nothing) }
    }

    /// All of it, in its stride.
    #[must_use]
    pub fn whole(&self) -> f64 {
        self.phases.iter().sum()
    }
}

/// Bytes asked for by a pending timer with a token of four bytes, its handle not included.
#[must_use]
pub fn bytes(load: &Load) -> f64 {
    let before = crate::memory::in_use();
    let mut wheel = ccbs_timers::Wheel::new(0);
    for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
        wheel.insert(deadline, token);
    }
    (crate::memory::in_use() - before) as f64 / wheel.len() as f64
}
