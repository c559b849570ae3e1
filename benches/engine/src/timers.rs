//! The whole life of timers: set, four of five cancelled, the rest expired.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ccbs_timers::Wheel;
use hierarchical_hash_wheel_timer::wheels::Skip;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use tokio_util::time::DelayQueue;

use crate::clock::{Numbers, cpu_ns};

/// How far ahead timers are set (ms).
pub const HORIZON_MS: u64 = 60_000;
/// By how much time moves on at once while timers expire (ms).
pub const STEP_MS: u64 = 10;

/// What is done to each of the candidates, the same for all.
pub struct Load {
    /// Deadlines (ms), in the order in which the timers are set.
    deadlines: Vec<u64>,
    /// Which of them are cancelled, in the order in which they are.
    cancelled: Vec<u32>,
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

    fn left(&self) -> usize {
        self.deadlines.len() - self.cancelled.len()
    }

    fn steps() -> impl Iterator<Item = u64> {
        (1..=HORIZON_MS / STEP_MS).map(|step| step * STEP_MS)
    }
}

/// Processor time of one timer's whole life (ns), the least of several runs.
pub fn least(runs: usize, load: &Load, candidate: fn(&Load) -> usize) -> f64 {
    let run = |_| {
        let began = cpu_ns();
        let expired = candidate(load);
        let took = cpu_ns() - began;
        assert_eq!(expired, load.left(), "every timer that was not cancelled expires once");
        took
    };
    let least = (0..runs).map(run).min().unwrap_or(0);
    least as f64 / load.deadlines.len() as f64
}

/// `ccbs_timers::Wheel`.
pub fn wheel(load: &Load) -> usize {
    let mut wheel = Wheel::new(0);
    let mut handles = Vec::with_capacity(load.deadlines.len());
    for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
        handles.push(wheel.insert(deadline, token));
    }
    for &which in &load.cancelled {
        wheel.cancel(handles[which as usize]);
    }
    let mut out = Vec::new();
    let mut expired = 0;
    for now in Load::steps() {
        wheel.expire(now, &mut out);
        expired += out.len();
        out.clear();
    }
    expired
}

/// `std::collections::BinaryHeap`, cancelled timers left in it until they come up.
pub fn binary_heap(load: &Load) -> usize {
    let mut heap = BinaryHeap::new();
    let mut alive = Vec::with_capacity(load.deadlines.len());
    for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
        heap.push(Reverse((deadline, token)));
        alive.push(true);
    }
    for &which in &load.cancelled {
        alive[which as usize] = false;
    }
    let mut expired = 0;
    for now in Load::steps() {
        while let Some(&Reverse((deadline, token))) = heap.peek()
            && deadline <= now
        {
            heap.pop();
            expired += usize::from(alive[token as usize]);
        }
    }
    expired
}

/// `tokio_util::time::DelayQueue` under tokio's paused clock.
pub fn delay_queue(load: &Load) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O can be made").block_on(async {
        let mut queue = DelayQueue::new();
        let mut keys = Vec::with_capacity(load.deadlines.len());
        for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
            keys.push(queue.insert(token, Duration::from_millis(deadline)));
        }
        for &which in &load.cancelled {
            queue.remove(&keys[which as usize]);
        }
        let mut context = Context::from_waker(Waker::noop());
        let mut expired = 0;
        for _ in Load::steps() {
            tokio::time::advance(Duration::from_millis(STEP_MS)).await;
            while let Poll::Ready(Some(_)) = queue.poll_expired(&mut context) {
                expired += 1;
            }
        }
        // Its clock rounds up by a millisecond.
        tokio::time::advance(Duration::from_millis(STEP_MS)).await;
        while let Poll::Ready(Some(_)) = queue.poll_expired(&mut context) {
            expired += 1;
        }
        expired
    })
}

/// `hierarchical_hash_wheel_timer`, a tick a millisecond, skipping where it can.
pub fn hash_wheel(load: &Load) -> usize {
    use std::rc::Rc;

    use hierarchical_hash_wheel_timer::wheels::cancellable::CancellableTimerEntry;

    #[derive(Debug)]
    struct Token {
        id: u32,
        deadline: u64,
    }
    impl CancellableTimerEntry for Token {
        type Id = u32;
        fn id(&self) -> &u32 {
            &self.id
        }
    }
    impl hierarchical_hash_wheel_timer::wheels::TimerEntryWithDelay for Token {
        fn delay(&self) -> Duration {
            Duration::from_millis(self.deadline)
        }
    }

    let mut wheel: QuadWheelWithOverflow<Token> = QuadWheelWithOverflow::new();
    for (id, &deadline) in (0_u32..).zip(&load.deadlines) {
        wheel.insert_ref(Rc::new(Token { id, deadline })).expect("a deadline ahead");
    }
    for which in &load.cancelled {
        wheel.cancel(which).expect("a timer that is set");
    }
    let mut expired = 0;
    let mut now = 0;
    while now < HORIZON_MS {
        match wheel.can_skip() {
            Skip::Empty => break,
            Skip::Millis(ms) => {
                let ms = ms.min(u32::try_from(HORIZON_MS - now).unwrap_or(u32::MAX));
                wheel.skip(ms);
                now += u64::from(ms);
            }
            Skip::None => {}
        }
        if now < HORIZON_MS {
            expired += wheel.tick().len();
            now += 1;
        }
    }
    expired
}

/// Where the time of the wheel goes: set, cancel, expire (ns a timer of all), least of several warm runs.
pub fn phases(runs: usize, load: &Load) -> [f64; 3] {
    let mut wheel = Wheel::new(0);
    let mut handles = Vec::with_capacity(load.deadlines.len());
    let mut out = Vec::new();
    let mut least = [u64::MAX; 3];
    for run in 0..runs as u64 {
        let offset = run * HORIZON_MS;
        handles.clear();
        let t0 = cpu_ns();
        for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
            handles.push(wheel.insert(offset + deadline, token));
        }
        let t1 = cpu_ns();
        for &which in &load.cancelled {
            wheel.cancel(handles[which as usize]);
        }
        let t2 = cpu_ns();
        for now in Load::steps() {
            wheel.expire(offset + now, &mut out);
            out.clear();
        }
        let t3 = cpu_ns();
        for (least, took) in least.iter_mut().zip([t1 - t0, t2 - t1, t3 - t2]) {
            *least = (*least).min(took);
        }
    }
    least.map(|ns| ns as f64 / load.deadlines.len() as f64)
}
