//! Where time comes from.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ccbs_engine::Millis;
use tokio::sync::watch;

/// Resolves when a clock has reached a deadline.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of Unix time in milliseconds.
pub trait Clock: Send + 'static {
    /// The time now. Never less than what an earlier call gave.
    fn now(&self) -> Millis;

    /// Resolves when [`Clock::now`] is `deadline` or later. Awaited within a tokio runtime that has time.
    fn sleep_until(&self, deadline: Millis) -> Sleep;
}

/// The machine's clock: the wall time at its creation plus what the monotonic clock counted since.
///
/// A wall clock that is set back or forward in mid-life therefore moves no CB timer. The time that the machine
/// spends suspended is not counted.
#[derive(Debug, Clone)]
pub struct SystemClock {
    wall: Duration,
    anchor: Instant,
}

impl SystemClock {
    /// Anchors a clock at the wall time of this moment; a wall clock before 1970 counts as 1970.
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall, anchor: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        millis(self.wall.saturating_add(self.anchor.elapsed()))
    }

    fn sleep_until(&self, deadline: Millis) -> Sleep {
        let wait = Duration::from_millis(deadline.saturating_sub(self.now()));
        Box::pin(async move { tokio::time::sleep(wait).await })
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// A clock that is ahead of another by a fixed time.
pub(crate) struct Ahead<C> {
    pub(crate) of: C,
    /// ms.
    pub(crate) by: Millis,
}

impl<C: Clock> Clock for Ahead<C> {
    fn now(&self) -> Millis {
        self.of.now().saturating_add(self.by)
    }

    fn sleep_until(&self, deadline: Millis) -> Sleep {
        self.of.sleep_until(deadline.saturating_sub(self.by))
    }
}

/// A clock that stands still until it is told to move; its clones share the time.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: watch::Sender<Millis>,
}

impl VirtualClock {
    /// A clock that shows `now` (Unix ms).
    pub fn new(now: Millis) -> Self {
        Self { now: watch::Sender::new(now) }
    }

    /// Moves the clock forward by `by` milliseconds and wakes who slept until then.
    pub fn advance(&self, by: Millis) {
        self.now.send_modify(|now| *now = now.saturating_add(by));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Millis {
        *self.now.borrow()
    }

    fn sleep_until(&self, deadline: Millis) -> Sleep {
        let mut time = self.now.subscribe();
        Box::pin(async move {
            // When every clone of the clock is gone its time moves no more, so the deadline never comes.
            if time.wait_for(|now| *now >= deadline).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
