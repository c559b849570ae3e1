//! The commit point: an input is kept before it counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ccbs_engine::{Action, Engine, EngineError, Event, LineId, Millis, Number};

use crate::store::{Input, Record, Store, StoreError};

/// An engine behind its store, without a thread or a clock.
pub struct Commit<S> {
    engine: Arc<Mutex<Engine>>,
    store: S,
    now: Millis,
    failed: Option<StoreError>,
    counts: Counts,
}

/// What a commit point has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    pub(crate) events: u64,
    pub(crate) refused: u64,
    pub(crate) actions: u64,
    pub(crate) snapshots: u64,
}

impl<S: Store> Commit<S> {
    /// Puts an engine, new or restored, behind a store.
    pub fn new(engine: Engine, store: S) -> Self {
        Self { engine: Arc::new(Mutex::new(engine)), store, now: 0, failed: None, counts: Counts::default() }
    }

    /// Gives the engine the timers that are due at `now` (Unix ms) and then `events`, both as one commit, and
    /// appends what is to be done. A `now` before that of an earlier turn counts as the earlier one.
    ///
    /// Returns the reasons of the events that the engine refused. When the store fails the engine has seen
    /// nothing of the turn, and every later turn fails with the same error: what a store has lost once leaves a
    /// hole that no later record may follow.
    pub fn turn(
        &mut self,
        now: Millis,
        events: Vec<Event>,
        actions: &mut Vec<Action>,
    ) -> Result<Vec<EngineError>, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.now = self.now.max(now);
        let now = self.now;
        let mut records = Vec::new();
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            records.push(Record { now, input: Input::Timers });
        }
        let offered = events.len() as u64;
        if !events.is_empty() {
            records.push(Record { now, input: Input::Events(events) });
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.store.append(&records).map_err(|error| self.fail(error))?;
        let before = actions.len();
        let mut refused = Vec::new();
        {
            let mut engine = lock(&self.engine);
            for record in &records {
                refused.extend(record.apply(&mut engine, actions));
            }
        }
        self.counts.events += offered;
        self.counts.refused += refused.len() as u64;
        self.counts.actions += (actions.len() - before) as u64;
        self.committed();
        Ok(refused)
    }

    /// The handles of numbers ([`Engine::line`]), as a commit of their own at `now` (Unix ms): a run that is
    /// repeated from the store gives the same ones. No timers fire.
    ///
    /// All numbers get their handle or, when one cannot be a line's, none; then nothing is committed. A store that
    /// fails is as in [`Commit::turn`].
    pub fn lines(&mut self, now: Millis, numbers: Vec<Number>) -> Result<Result<Vec<LineId>, EngineError>, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Err(error) = numbers.iter().try_for_each(|number| Engine::check_number(number)) {
            return Ok(Err(error));
        }
        if numbers.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.now = self.now.max(now);
        let record = [Record { now: self.now, input: Input::Lines(numbers) }];
        self.store.append(&record).map_err(|error| self.fail(error))?;
        let mut handles = Vec::new();
        if let [Record { input: Input::Lines(numbers), .. }] = &record {
            let mut engine = lock(&self.engine);
            handles = numbers.iter().filter_map(|number| engine.line(number).ok()).collect();
        }
        self.committed();
        Ok(Ok(handles))
    }

    fn committed(&mut self) {
        self.counts.commits += 1;
        if self.store.wants_snapshot() {
            let state = lock(&self.engine).snapshot();
            // The records are kept, so the turn stands; the failure stops the next one.
            match self.store.snapshot(self.now, &state) {
                Ok(()) => self.counts.snapshots += 1,
                Err(error) => drop(self.fail(error)),
            }
        }
    }

    /// When the next timer is due (Unix ms), if one is set: the time of the next turn at the latest.
    pub fn next_deadline(&self) -> Option<Millis> {
        lock(&self.engine).next_deadline()
    }

    /// Looks at the applied state.
    pub fn with_engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&lock(&self.engine))
    }

    pub(crate) fn engine(&self) -> Arc<Mutex<Engine>> {
        Arc::clone(&self.engine)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    fn fail(&mut self, error: StoreError) -> StoreError {
        self.failed.insert(error).clone()
    }
}

/// Locks, also after a panic elsewhere: the guarded values are whole at every point where one could happen.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
