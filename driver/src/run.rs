//! What the driver's thread does.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ccbs_engine::{Action, Engine, EngineError, Millis};

use crate::clock::Clock;
use crate::commit::{Commit, lock};
use crate::driver::{DrainError, LineError, Settings};
use crate::mailbox::{Inbox, LinesAsked, Outbox, State, Taken};
use crate::store::{Store, StoreError};

/// How long the driver waits before it tries a store again that had no room (ms).
const AGAIN: Millis = 1_000;

pub(crate) const PANICKED: &str = "the driver's thread panicked; its message is on standard error";

/// What the thread and the driver's users share.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) engine: Arc<Mutex<Engine>>,
    pub(crate) counters: Counters,
    pub(crate) last_refusal: Mutex<Option<EngineError>>,
    /// Why the store keeps nothing at the moment.
    pub(crate) trouble: Mutex<Option<Arc<str>>>,
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
    pub(crate) notes: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) denied: AtomicU64,
}

/// Runs until the driver is closed or its store fails.
pub(crate) async fn run<S: Store, C: Clock>(
    mut commit: Commit<S>,
    mut actions: Vec<Action>,
    clock: C,
    settings: Settings,
    shared: Arc<Shared>,
) {
    let guard = Guard { shared: &shared };
    shared.counters.publish(commit.counts());
    shared.outbox.push(&mut actions);
    // When a store that had no room is tried again.
    let mut again: Option<Millis> = None;
    loop {
        let closing = shared.inbox.state() == State::Closing;
        if !closing && shared.outbox.is_full() {
            // Who waits for a handle may be the one who should drain.
            shared.inbox.refuse_lines(&LineError::Overload);
            first(shared.outbox.bell.notified(), shared.inbox.bell.notified()).await;
            continue;
        }
        let crowded = commit.held() >= settings.inbox_limit && !closing;
        if crowded {
            shared.inbox.refuse_lines(&LineError::Overload);
            if let Some(again) = again.filter(|&again| again > clock.now()) {
                first(shared.inbox.bell.notified(), clock.sleep_until(again)).await;
                continue;
            }
        }
        if let Err(error) = commit.tidy() {
            shared.stop(&not_kept(&error));
            break;
        }
        let most = settings.inbox_limit.saturating_sub(commit.held()).min(settings.group_limit);
        let (taken, notes, state) = shared.inbox.take(most, !crowded);
        commit.note(notes);
        let events = match taken {
            Taken::Events(events) => events,
            Taken::Lines(asked) => {
                if let Err(reason) = lines(&mut commit, &clock, asked) {
                    shared.stop(&reason);
                    break;
                }
                shared.counters.publish(commit.counts());
                continue;
            }
        };
        if events.is_empty() && (!commit.waits() || again.is_some()) {
            if state != State::Open {
                shared.counters.uncommitted.fetch_add(commit.held() as u64, Ordering::Relaxed);
                break;
            }
            let deadline = again.or_else(|| commit.next_deadline());
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
                again = None;
                lock(&shared.trouble).take();
                if let Some(error) = refused.into_iter().next_back() {
                    *lock(&shared.last_refusal) = Some(error);
                }
            }
            Err(error) if error.passing => {
                again = Some(clock.now().saturating_add(AGAIN));
                lock(&shared.trouble).get_or_insert_with(|| error.message.into());
            }
            Err(error) => {
                shared.counters.uncommitted.fetch_add(offered, Ordering::Relaxed);
                shared.stop(&not_kept(&error));
                break;
            }
        }
        shared.counters.publish(commit.counts());
        shared.outbox.push(&mut actions);
    }
    shared.outbox.end(DrainError::Closed);
    std::mem::forget(guard);
}

/// Has handles given, and answers; gives back why the driver must stop, if it must.
fn lines<S: Store, C: Clock>(commit: &mut Commit<S>, clock: &C, asked: LinesAsked) -> Result<(), Arc<str>> {
    let LinesAsked { numbers, answer } = asked;
    let (told, done) = match commit.lines(clock.now(), numbers) {
        Ok(given) => (given.map_err(LineError::Number), Ok(())),
        Err(error) if error.passing => (Err(LineError::Overload), Ok(())),
        Err(error) => {
            let reason: Arc<str> = not_kept(&error).into();
            (Err(LineError::Failed { reason: Arc::clone(&reason) }), Err(reason))
        }
    };
    // Who no longer waits needs no answer.
    let _ = answer.send(told);
    done
}

fn not_kept(error: &StoreError) -> String {
    format!("the store could not keep the inputs: {error}")
}

impl Counters {
    fn publish(&self, counts: crate::commit::Counts) {
        self.commits.store(counts.commits, Ordering::Relaxed);
        self.events.store(counts.events, Ordering::Relaxed);
        self.refused.store(counts.refused, Ordering::Relaxed);
        self.actions.store(counts.actions, Ordering::Relaxed);
        self.snapshots.store(counts.snapshots, Ordering::Relaxed);
        self.notes.store(counts.notes, Ordering::Relaxed);
        self.held.store(counts.held, Ordering::Relaxed);
        self.full.store(counts.full, Ordering::Relaxed);
        self.denied.store(counts.denied, Ordering::Relaxed);
    }
}

impl Shared {
    fn stop(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.inbox.set(State::Failed(Arc::clone(&reason)));
        self.inbox.refuse_lines(&LineError::Failed { reason: Arc::clone(&reason) });
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
        self.shared.stop(PANICKED);
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
