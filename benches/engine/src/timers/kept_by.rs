//! The wheel and its peers under one trait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hierarchical_hash_wheel_timer::wheels::cancellable::{CancellableTimerEntry, QuadWheelWithOverflow};
use hierarchical_hash_wheel_timer::wheels::{Skip, TimerEntryWithDelay};
use tokio::runtime::Runtime;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::{HORIZON_MS, Load, STEP_MS};

/// A way of keeping timers.
pub trait Timers {
    /// Begins from nothing.
    fn begin(&mut self);
    /// Sets all timers of the load.
    fn set(&mut self, load: &Load);
    /// Not measured: puts the handles of the timers to be cancelled in the order in which they are. Where a caller
    /// keeps its handles is not what is compared.
    fn line_up(&mut self, load: &Load);
    /// Cancels what is to be cancelled, and tells how many were set.
    fn cancel(&mut self, load: &Load) -> usize;
    /// Moves time on over the horizon in steps, and tells how many expired.
    fn expire(&mut self) -> usize;
}

/// The handles of all timers, and of those to be cancelled.
struct Handles<H> {
    all: Vec<H>,
    cancelled: Vec<H>,
}

impl<H> Default for Handles<H> {
    fn default() -> Self {
        Self { all: Vec::new(), cancelled: Vec::new() }
    }
}

impl<H: Copy> Handles<H> {
    fn line_up(&mut self, load: &Load) {
        self.cancelled.clear();
        self.cancelled.extend(load.cancelled.iter().map(|&which| self.all[which as usize]));
    }
}

/// `ccbs_timers::Wheel`.
pub struct Wheel {
    wheel: ccbs_timers::Wheel<u32>,
    now: u64,
    handles: Handles<ccbs_timers::Handle>,
    out: Vec<(u64, u32)>,
    at_random: bool,
}

impl Wheel {
    /// Cancelled by handles that are lined up as for its peers or, to see what that is worth, looked for at random
    /// in a table of all.
    #[must_use]
    pub fn new(at_random: bool) -> Self {
        Self { wheel: ccbs_timers::Wheel::new(0), now: 0, handles: Handles::default(), out: Vec::new(), at_random }
    }
}

impl Timers for Wheel {
    fn begin(&mut self) {
        self.wheel = ccbs_timers::Wheel::new(0);
        self.now = 0;
    }

    fn set(&mut self, load: &Load) {
        self.handles.all.clear();
        for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
            self.handles.all.push(self.wheel.insert(self.now + deadline, token));
        }
    }

    fn line_up(&mut self, load: &Load) {
        self.handles.line_up(load);
    }

    fn cancel(&mut self, load: &Load) -> usize {
        let wheel = &mut self.wheel;
        if self.at_random {
            let all = &self.handles.all;
            load.cancelled.iter().filter(|&&which| wheel.cancel(all[which as usize])).count()
        } else {
            self.handles.cancelled.iter().filter(|&&handle| wheel.cancel(handle)).count()
        }
    }

    fn expire(&mut self) -> usize {
        let mut expired = 0;
        for step in Load::steps() {
            self.wheel.expire(self.now + step, &mut self.out);
            expired += self.out.len();
            self.out.clear();
        }
        self.now += HORIZON_MS;
        expired
    }
}

/// `std::collections::BinaryHeap`, cancelled timers left in it until they come up.
#[derive(Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    now: u64,
    alive: Vec<bool>,
    cancelled: Vec<u32>,
}

impl Timers for Heap {
    fn begin(&mut self) {
        self.heap = BinaryHeap::new();
        self.alive = Vec::new();
    }

    fn set(&mut self, load: &Load) {
        self.alive.clear();
        for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
            self.heap.push(Reverse((self.now + deadline, token)));
            self.alive.push(true);
        }
    }

    fn line_up(&mut self, load: &Load) {
        self.cancelled.clone_from(&load.cancelled);
    }

    fn cancel(&mut self, _: &Load) -> usize {
        let alive = &mut self.alive;
        self.cancelled.iter().filter(|&&token| std::mem::take(&mut alive[token as usize])).count()
    }

    fn expire(&mut self) -> usize {
        let mut expired = 0;
        for step in Load::steps() {
            while let Some(&Reverse((deadline, token))) = self.heap.peek()
                && deadline <= self.now + step
            {
                self.heap.pop();
                expired += usize::from(self.alive[token as usize]);
            }
        }
        self.now += HORIZON_MS;
        expired
    }
}

/// `tokio_util::time::DelayQueue` under tokio's paused clock.
pub struct Queue {
    runtime: Runtime,
    queue: DelayQueue<u32>,
    handles: Handles<Key>,
}

impl Default for Queue {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        Self {
            runtime: runtime.expect("a runtime without I/O can be made"),
            queue: DelayQueue::new(),
            handles: Handles::default(),
        }
    }
}

impl Timers for Queue {
    fn begin(&mut self) {
        // Its clock counts from its making, so it is made on tokio's.
        let _within = self.runtime.enter();
        self.queue = DelayQueue::new();
    }

    fn set(&mut self, load: &Load) {
        let _within = self.runtime.enter();
        self.handles.all.clear();
        for (token, &deadline) in (0_u32..).zip(&load.deadlines) {
            self.handles.all.push(self.queue.insert(token, Duration::from_millis(deadline)));
        }
    }

    fn line_up(&mut self, load: &Load) {
        self.handles.line_up(load);
    }

    fn cancel(&mut self, _: &Load) -> usize {
        let _within = self.runtime.enter();
        let queue = &mut self.queue;
        self.handles.cancelled.iter().filter(|&key| queue.try_remove(key).is_some()).count()
    }

    fn expire(&mut self) -> usize {
        let queue = &mut self.queue;
        self.runtime.block_on(async {
            let mut context = Context::from_waker(Waker::noop());
            let mut expired = 0;
            // A step more, because its clock rounds up by a millisecond.
            for _ in 0..=HORIZON_MS / STEP_MS {
                tokio::time::advance(Duration::from_millis(STEP_MS)).await;
                while let Poll::Ready(Some(_)) = queue.poll_expired(&mut context) {
                    expired += 1;
                }
            }
            expired
        })
    }
}

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

impl TimerEntryWithDelay for Token {
    fn delay(&self) -> Duration {
        Duration::from_millis(self.deadline)
    }
}

/// `hierarchical_hash_wheel_timer`, a tick a millisecond, skipping where it can.
pub struct HashWheel {
    wheel: QuadWheelWithOverflow<Token>,
    cancelled: Vec<u32>,
}

impl Default for HashWheel {
    fn default() -> Self {
        Self { wheel: QuadWheelWithOverflow::new(), cancelled: Vec::new() }
    }
}

impl Timers for HashWheel {
    fn begin(&mut self) {
        self.wheel = QuadWheelWithOverflow::new();
    }

    fn set(&mut self, load: &Load) {
        for (id, &deadline) in (0_u32..).zip(&load.deadlines) {
            self.wheel.insert_ref(Rc::new(Token { id, deadline })).expect("a deadline ahead");
        }
    }

    fn line_up(&mut self, load: &Load) {
        self.cancelled.clone_from(&load.cancelled);
    }

    fn cancel(&mut self, _: &Load) -> usize {
        let wheel = &mut self.wheel;
        self.cancelled.iter().filter(|&id| wheel.cancel(id).is_ok()).count()
    }

    fn expire(&mut self) -> usize {
        let mut expired = 0;
        let mut now = 0;
        while now < HORIZON_MS {
            match self.wheel.can_skip() {
                Skip::Empty => break,
                Skip::Millis(ms) => {
                    let ms = ms.min(u32::try_from(HORIZON_MS - now).unwrap_or(u32::MAX));
                    self.wheel.skip(ms);
                    now += u64::from(ms);
                }
                Skip::None => {}
            }
            if now < HORIZON_MS {
                expired += self.wheel.tick().len();
                now += 1;
            }
        }
        expired
    }
}
