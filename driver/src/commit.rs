//! The commit point: an input is kept before it counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ccbs_engine::{Action, Denial, Engine, EngineError, Event, Limits, LineId, Millis, Number, Reply};

use crate::store::{Input, Note, Record, Store, StoreError};

/// An engine behind its store, without a thread or a clock.
pub struct Commit<S> {
    engine: Arc<Mutex<Engine>>,
    store: S,
    now: Millis,
    /// Events and notes that the store had no room for: they go in with the next turn.
    held: Vec<Event>,
    notes: Vec<Note>,
    /// That the process has started anew, while the store has no room for it: nothing goes in before it.
    started: Option<Limits>,
    /// Whether something was kept since the store was last asked what it wants.
    untidy: bool,
    failed: Option<StoreError>,
    counts: Counts,
}

/// What a commit point has found in its store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovered {
    /// Whether the store had kept anything.
    pub restarted: bool,
    /// Records that were repeated after the snapshot.
    pub records: u64,
    /// When the last run was last known to be alive (Unix ms).
    pub until: Millis,
    /// Orders that stand.
    pub orders: u64,
    /// What other parts had noted.
    pub notes: Vec<Note>,
    /// What is to be done before anything else.
    pub actions: Vec<Action>,
    /// By how much the clock is behind the time of the last record (ms): the engine's time never goes back.
    pub behind: Millis,
}

/// What a commit point has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    pub(crate) events: u64,
    pub(crate) refused: u64,
    pub(crate) actions: u64,
    pub(crate) snapshots: u64,
    pub(crate) notes: u64,
    pub(crate) held: u64,
    pub(crate) full: u64,
    pub(crate) denied: u64,
}

impl<S: Store> Commit<S> {
    /// Puts an engine, new or restored, behind a store.
    pub fn new(engine: Engine, store: S) -> Self {
        let engine = Arc::new(Mutex::new(engine));
        let (held, notes) = (Vec::new(), Vec::new());
        let (started, untidy, failed) = (None, false, None);
        Self { engine, store, now: 0, held, notes, started, untidy, failed, counts: Counts::default() }
    }

    /// Puts an engine behind a store: the one that the store has kept, told that it has started anew at `now` (Unix
    /// ms) with `limits`, or a new one.
    ///
    /// The actions that are given back come from the restart alone; those of earlier runs were let out then, or
    /// were never heard of. A store that has no room for the start does not keep the process from starting: the restart
    /// then goes in with the first turn that finds room, and until then every order is denied.
    pub fn recover(limits: Limits, mut store: S, now: Millis) -> Result<(Self, Recovered), StoreError> {
        let kept = store.load()?;
        let restarted = kept.snapshot.is_some();
        let mut engine = match kept.snapshot {
            Some(state) => Engine::restore(&state)
                .map_err(|error| StoreError::broken(format!("the store's newest snapshot is of no use: {error}")))?,
            None => Engine::new(limits.clone())
                .map_err(|error| StoreError::broken(format!("the engine's limits: {error}")))?,
        };
        let mut actions = Vec::new();
        for record in &kept.records {
            record.apply(&mut engine, &mut actions);
            actions.clear();
        }
        let until = engine.now();
        let mut commit = Self::new(engine, store);
        commit.now = now.max(until);
        if restarted {
            commit.started = Some(limits);
            match commit.turn(commit.now, Vec::new(), &mut actions) {
                Err(error) if !error.passing => return Err(error),
                _ => {}
            }
        } else {
            let state = lock(&commit.engine).snapshot();
            commit.store.snapshot(commit.now, &state)?;
        }
        let recovered = Recovered {
            restarted,
            records: kept.records.len() as u64,
            until,
            orders: commit.with_engine(|engine| engine.orders().count() as u64),
            notes: kept.notes,
            actions,
            behind: until.saturating_sub(now),
        };
        Ok((commit, recovered))
    }

    /// Has notes kept with the next turn, after those that wait; the newest of a key counts.
    pub fn note(&mut self, notes: Vec<Note>) {
        self.notes.extend(notes);
    }

    /// Gives the engine the timers that are due at `now` (Unix ms) and then `events`, both as one commit, and
    /// appends what is to be done. A `now` before that of an earlier turn counts as the earlier one.
    ///
    /// Returns the reasons of the events that the engine refused. When the store fails the engine has seen
    /// nothing of the turn, and every later turn fails with the same error: what a store has lost once leaves a
    /// hole that no later record may follow.
    ///
    /// Where the failure may pass ([`StoreError::passing`]) nothing was lost: the events are held, and go in with the
    /// next turn, orders among them are denied at once ([`Denial::Overload`], short-term).
    pub fn turn(
        &mut self,
        now: Millis,
        events: Vec<Event>,
        actions: &mut Vec<Action>,
    ) -> Result<Vec<EngineError>, StoreError> {
        self.tidy()?;
        self.now = self.now.max(now);
        let now = self.now;
        let mut records = Vec::new();
        if let Some(limits) = &self.started {
            records.push(Record { now, input: Input::Started(limits.clone()) });
        } else if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            records.push(Record { now, input: Input::Timers });
        }
        self.held.extend(events);
        let events = std::mem::take(&mut self.held);
        let offered = events.len() as u64;
        if !events.is_empty() {
            records.push(Record { now, input: Input::Events(events) });
        }
        if records.is_empty() && self.notes.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(error) = self.store.append(&records, &self.notes) {
            if error.passing {
                self.hold(records, actions);
                return Err(error);
            }
            return Err(self.fail(error));
        }
        self.kept_notes();
        self.started = None;
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

    /// Keeps the events of a turn that the store had no room for, and denies the orders among them.
    fn hold(&mut self, records: Vec<Record>, actions: &mut Vec<Action>) {
        let events = records.into_iter().find_map(|record| match record.input {
            Input::Events(events) => Some(events),
            _ => None,
        });
        let before = actions.len();
        self.held = events.unwrap_or_default();
        self.held.retain(|event| {
            let Event::Order { request, .. } = event else { return true };
            actions.push(Action::Reply { request: *request, reply: Reply::Denied { denial: Denial::Overload } });
            false
        });
        self.counts.full += 1;
        self.counts.denied += (actions.len() - before) as u64;
        self.counts.held = self.held.len() as u64;
    }

    fn kept_notes(&mut self) {
        self.counts.notes += self.notes.len() as u64;
        self.counts.held = 0;
        self.notes.clear();
    }

    /// How many events and notes wait for room.
    pub fn held(&self) -> usize {
        self.held.len() + self.notes.len()
    }

    /// Whether there is something to keep before anything new comes: the next turn need not wait for events.
    pub fn waits(&self) -> bool {
        self.held() > 0 || self.started.is_some()
    }

    /// The handles of numbers ([`Engine::line`]), as a commit of their own at `now` (Unix ms): a run that is
    /// repeated from the store gives the same ones. No timers fire.
    ///
    /// All numbers get their handle or, when one cannot be a line's, none; then nothing is committed. A store that
    /// fails is as in [`Commit::turn`], but the numbers are not held.
    pub fn lines(&mut self, now: Millis, numbers: Vec<Number>) -> Result<Result<Vec<LineId>, EngineError>, StoreError> {
        self.tidy()?;
        if self.started.is_some() {
            return Err(StoreError::passing("the store has no room yet for the start of the process"));
        }
        if let Err(error) = numbers.iter().try_for_each(|number| Engine::check_number(number)) {
            return Ok(Err(error));
        }
        if numbers.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.now = self.now.max(now);
        let record = [Record { now: self.now, input: Input::Lines(numbers) }];
        if let Err(error) = self.store.append(&record, &self.notes) {
            return Err(if error.passing { error } else { self.fail(error) });
        }
        self.kept_notes();
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
        self.untidy = true;
    }

    /// Does what the store wants done between commits: a snapshot, and its own housekeeping. Best called when the actions
    /// of a turn are out, so that they need not wait for it; the next turn does it otherwise.
    ///
    /// What fails here has lost nothing, but stops every later turn, unless it may pass.
    pub fn tidy(&mut self) -> Result<(), StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !std::mem::take(&mut self.untidy) {
            return Ok(());
        }
        let mut done = Ok(());
        if self.store.wants_snapshot() {
            let state = lock(&self.engine).snapshot();
            done = self.store.snapshot(self.now, &state);
            self.counts.snapshots += u64::from(done.is_ok());
        }
        match done.and_then(|()| self.store.tidy()) {
            Err(error) if error.passing => self.counts.full += 1,
            Err(error) => return Err(self.fail(error)),
            Ok(()) => {}
        }
        Ok(())
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
