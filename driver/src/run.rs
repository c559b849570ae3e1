//! What the driver's thread does.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ccbs_engine::{Engine, EngineError};

use crate::clock::Clock;
use crate::commit::Commit;
use crate::driver::DrainError;
use crate::mailbox::{Inbox, Outbox, State};
use crate::store::Store;

/// What the thread and the driver's users share.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) engine: Arc<Mutex<Engine>>,
    pub(crate) counters: Counters,
    pub(crate) last_refusal: Mutex<Option<EngineError>>,
}

/// Counts of the driver, readable at any time.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) actions: AtomicU64,
    pub(crate) snapshots: AtomicU64,
    pub(crate) overloads: AtomicU64,
    pub(crate) uncommitted: AtomicU64,
}

/// Runs until the driver is closed or its store fails.
pub(crate) async fn run<S: Store, C: Clock>(mut commit: Commit<S>, clock: C, group: usize, shared: Arc<Shared>) {
    let guard = Guard { shared: &shared };
    let mut actions = Vec::new();
    loop {
        let closing = shared.inbox.state() == State::Closing;
        if !closing && shared.outbox.is_full() {
            first(shared.outbox.bell.notified(), shared.inbox.bell.notified()).await;
            continue;
        }
        let (events, state) = shared.inbox.take(group);
        if events.is_empty() {
            if state != State::Open {
                break;
            }
            let deadline = commit.next_deadline();
            if deadline.is_none_or(|deadline| deadline > clock.now()) {
                match deadline {
                    Some(deadline) => first(shared.inbox.bell.notified(), clock.sleep_until(deadline)).await,
                    None => shared.inbox.bell.notified().await,
                }
                continue;
            }
        }
        let offered = events.len() as u64;
        match commit.turn(clock.now(), events, &mut actions) {
            Ok(refused) => {
                if let Some(error) = refused.into_iter().next_back() {
                    *crate::commit::lock(&shared.last_refusal) = Some(error);
                }
                shared.counters.publish(commit.counts());
                shared.outbox.push(&mut actions);
            }
            Err(error) => {
                shared.counters.uncommitted.fetch_add(offered, Ordering::Relaxed);
                shared.stop(&format!("the store could not keep the inputs: {error}"));
                break;
            }
        }
    }
    shared.outbox.end(DrainError::Closed);
    std::mem::forget(guard);
}

impl Counters {
    fn publish(&self, counts: crate::commit::Counts) {
        self.commits.store(counts.commits, Ordering::Relaxed);
        self.events.store(counts.events, Ordering::Relaxed);
        self.refused.store(counts.refused, Ordering::Relaxed);
        self.actions.store(counts.actions, Ordering::Relaxed);
        self.snapshots.store(counts.snapshots, Ordering::Relaxed);
    }
}

impl Shared {
    fn stop(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.inbox.set(State::Failed(Arc::clone(&reason)));
        let waiting = self.inbox.len() as u64;
        self.counters.uncommitted.fetch_add(waiting, Ordering::Relaxed);
        self.outbox.end(DrainError::Failed { reason });
    }
}

/// Tells the users when the thread unwinds, so that nobody waits for it for ever.
struct Guard<'a> {
    shared: &'a Shared,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.shared.stop("the driver's thread panicked; its message is on standard error");
    }
}

/// Waits for whichever comes first.
async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    std::future::poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() || other.as_mut().poll(context).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
