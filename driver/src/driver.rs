//! The engine on a thread of its own.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use ccbs_engine::{Action, Engine, EngineError, Event, Limits, LineId, Millis, Number};
use thiserror::Error;

use crate::clock::{Ahead, Clock};
use crate::commit::{Commit, Recovered, lock};
use crate::mailbox::{Inbox, Outbox, State};
use crate::run::{Counters, Shared, run};
use crate::store::{Note, Store, StoreError};

/// Bounds of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Events that may wait to be committed, at least 1.
    pub inbox_limit: usize,
    /// Actions that may wait to be drained, at least 1. A driver whose outbox is that full takes no inputs and
    /// fires no timers until it is drained; the actions of the commit that fills it still go in.
    pub outbox_limit: usize,
    /// Events in one commit, at least 1.
    pub group_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { inbox_limit: 65_536, outbox_limit: 65_536, group_limit: 4_096 }
    }
}

impl Settings {
    fn check(&self) -> Result<(), StartError> {
        for (field, value) in
            [("inbox_limit", self.inbox_limit), ("outbox_limit", self.outbox_limit), ("group_limit", self.group_limit)]
        {
            if value == 0 {
                return Err(StartError::Bound { field });
            }
        }
        Ok(())
    }
}

/// Why a driver did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A bound of zero.
    #[error("{field}: 0 is below 1")]
    Bound {
        /// Which.
        field: &'static str,
    },
    /// The machine gave no thread or no event queue.
    #[error("the driver's thread could not start: {0}")]
    Thread(#[from] std::io::Error),
    /// What the store has kept cannot be read, or it keeps nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why events were not taken; none of the batch was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// The inbox has not so much room. The outbox may be full because nobody drains it, or the store is slow.
    #[error("{}", overload(*.offered, *.queued, *.limit))]
    Overload {
        /// How many were offered.
        offered: usize,
        /// How many wait.
        queued: usize,
        /// How many may.
        limit: usize,
    },
    /// The driver was closed.
    #[error("the driver was closed")]
    Closed,
    /// The driver stopped by itself.
    #[error("the driver has stopped: {reason}")]
    Failed {
        /// Why.
        reason: Arc<str>,
    },
}

fn overload(offered: usize, queued: usize, limit: usize) -> String {
    if offered > limit {
        return format!("{offered} events never fit a queue of {limit}: split the batch or raise the limit");
    }
    format!("{offered} events do not fit: {queued} of at most {limit} wait; drain the actions, then submit again")
}

/// Why no handle was given; then none of those asked for was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// A number that cannot be a line's.
    #[error(transparent)]
    Number(#[from] EngineError),
    /// The outbox is full, so nothing goes in: drain the actions, then ask again.
    #[error("no handle can be given while the outbox is full: drain the actions, then ask again")]
    Overload,
    /// The driver was closed.
    #[error("the driver was closed")]
    Closed,
    /// The driver stopped by itself.
    #[error("the driver has stopped: {reason}")]
    Failed {
        /// Why.
        reason: Arc<str>,
    },
}

impl From<SubmitError> for LineError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Overload { .. } => Self::Overload,
            SubmitError::Closed => Self::Closed,
            SubmitError::Failed { reason } => Self::Failed { reason },
        }
    }
}

/// Why there are no actions and never will be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DrainError {
    /// The driver was closed and every action was drained.
    #[error("the driver was closed")]
    Closed,
    /// The driver stopped by itself, and every action that it let out was drained.
    #[error("the driver has stopped: {reason}")]
    Failed {
        /// Why.
        reason: Arc<str>,
    },
}

/// An engine with a clock, a store and a thread of its own. Its methods may be called from any thread.
pub struct Driver {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Driver {
    /// Starts a thread that drives `engine`, new or restored.
    ///
    /// `wake` is called on that thread when the outbox stops being empty and when the driver has stopped; it
    /// must neither block nor panic. [`Driver::drain`] answers it.
    pub fn start<S: Store, C: Clock>(
        engine: Engine,
        store: S,
        clock: C,
        settings: Settings,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        settings.check()?;
        Self::spawn(Commit::new(engine, store), Vec::new(), clock, settings, wake)
    }

    /// Starts a thread that drives the engine that `store` has kept, told that it has started anew with `limits`, or
    /// a new one. Blocks while the store is read. What was found is given back, but for the actions, which are out.
    ///
    /// A clock that is behind the store's last record, because it was set back, is taken as being ahead by as much:
    /// then the times of orders go on from there.
    pub fn recover<S: Store, C: Clock>(
        limits: Limits,
        store: S,
        clock: C,
        settings: Settings,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Self, Recovered), StartError> {
        settings.check()?;
        let (commit, mut recovered) = Commit::recover(limits, store, clock.now())?;
        let clock = Ahead { by: recovered.behind, of: clock };
        let actions = std::mem::take(&mut recovered.actions);
        Ok((Self::spawn(commit, actions, clock, settings, wake)?, recovered))
    }

    fn spawn<S: Store, C: Clock>(
        commit: Commit<S>,
        actions: Vec<Action>,
        clock: C,
        settings: Settings,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            inbox: Inbox::new(settings.inbox_limit),
            outbox: Outbox::new(settings.outbox_limit, Box::new(wake)),
            engine: commit.engine(),
            counters: Counters::default(),
            last_refusal: Mutex::new(None),
            trouble: Mutex::new(None),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ccbs-driver".into())
            .spawn(move || runtime.block_on(run(commit, actions, clock, settings, theirs)))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Offers a batch of events, which is taken whole or not at all. They are stamped with the time when the
    /// driver takes them to the store, in the order of their submission.
    pub fn submit(&self, events: Vec<Event>) -> Result<(), SubmitError> {
        let taken = self.shared.inbox.offer(events);
        if matches!(taken, Err(SubmitError::Overload { .. })) {
            self.shared.counters.overloads.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Has a note kept, soon and in the place of what was noted for the same key before; a restart gives it back.
    pub fn note(&self, note: Note) -> Result<(), SubmitError> {
        let taken = self.shared.inbox.note(note);
        if matches!(taken, Err(SubmitError::Overload { .. })) {
            self.shared.counters.overloads.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Why the store keeps nothing at the moment, if it does not: one sentence. Events wait meanwhile, and new orders
    /// are denied.
    pub fn trouble(&self) -> Option<Arc<str>> {
        lock(&self.shared.trouble).clone()
    }

    /// The handles of numbers, in their order, for events that need not look a number up again. Each ties its number
    /// to its line for the life of the engine, so this is an input: it is committed after the events that were
    /// submitted before, and a repeated run gives the same handles.
    ///
    /// Waits until it is committed; never call it in `wake`. A full outbox refuses instead of waiting, because
    /// the one who waits may be the one who should drain.
    pub fn lines(&self, numbers: Vec<Number>) -> Result<Vec<LineId>, LineError> {
        let answer = self.shared.inbox.ask(numbers)?;
        // Only a panic of the thread leaves somebody without an answer.
        let given = answer.recv().unwrap_or_else(|_| Err(LineError::Failed { reason: crate::run::PANICKED.into() }));
        if matches!(given, Err(LineError::Overload)) {
            self.shared.counters.overloads.fetch_add(1, Ordering::Relaxed);
        }
        given
    }

    /// The handle of a number; see [`Driver::lines`].
    pub fn line(&self, number: &str) -> Result<LineId, LineError> {
        self.lines(vec![number.into()])?.first().copied().ok_or(LineError::Closed)
    }

    /// Takes all actions that are out, oldest first; empty when there are none at the moment.
    pub fn drain(&self) -> Result<Vec<Action>, DrainError> {
        self.shared.outbox.drain()
    }

    /// Looks at the applied state; the driver applies nothing meanwhile.
    pub fn with_engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&lock(&self.shared.engine))
    }

    /// When the next timer is due (Unix ms), if one is set.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.with_engine(Engine::next_deadline)
    }

    /// Why the engine refused an event the last time it did; `driver_events_refused` counts them.
    pub fn last_refusal(&self) -> Option<EngineError> {
        lock(&self.shared.last_refusal).clone()
    }

    /// Counts of the engine and of the driver (`driver_…`), by name.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut counters: BTreeMap<&'static str, u64> = self.with_engine(|engine| engine.counters().collect());
        let ours = &self.shared.counters;
        counters.extend(
            [
                ("driver_commits", &ours.commits),
                ("driver_events", &ours.events),
                ("driver_events_refused", &ours.refused),
                ("driver_events_uncommitted", &ours.uncommitted),
                ("driver_actions", &ours.actions),
                ("driver_snapshots", &ours.snapshots),
                ("driver_overloads", &ours.overloads),
                ("driver_notes", &ours.notes),
                ("driver_events_held", &ours.held),
                ("driver_store_full", &ours.full),
                ("driver_orders_denied", &ours.denied),
            ]
            .map(|(name, counter)| (name, counter.load(Ordering::Relaxed))),
        );
        counters.insert("driver_timers", self.with_engine(Engine::timers) as u64);
        counters.insert("driver_events_waiting", self.shared.inbox.len() as u64);
        counters.insert("driver_handles_waiting", self.shared.inbox.lines_len() as u64);
        counters
    }

    /// Takes no more events, commits and applies those that were taken, and ends the thread. What is then out
    /// can still be drained. Waits for a commit in progress; a second call does nothing.
    pub fn close(&self) {
        self.shared.inbox.set(State::Closing);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread was already told to whoever submits or drains.
            let _ = thread.join();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.close();
    }
}
