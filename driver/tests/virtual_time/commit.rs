//! The commit point without a thread.

use crate::world::{BEGIN, Recorder, answered, disk_full, engine, order, query, refused_call, rings};
use ccbs_driver::{Commit, Input, MemoryStore, Note, Record, Store, StoreError};
use ccbs_engine::{Action, Engine, EngineError, Event, LineId, LineRef};

#[test]
fn what_is_due_goes_before_what_arrives_and_both_are_kept() {
    let store = Recorder::default();
    let mut commit = Commit::new(engine(), store.clone());
    let mut actions = Vec::new();
    commit.turn(BEGIN, refused_call(), &mut actions).unwrap();
    commit.turn(BEGIN, vec![order(7)], &mut actions).unwrap();
    assert_eq!(answered(&actions), [7]);
    assert_eq!(commit.next_deadline(), Some(BEGIN + 10_000));

    actions.clear();
    commit.turn(BEGIN + 10_000, vec![query(8)], &mut actions).unwrap();
    assert_eq!(rings(&actions), 1);
    let ring = actions.iter().position(|action| matches!(action, Action::Ring { .. }));
    let reply = actions.iter().position(|action| matches!(action, Action::Reply { .. }));
    assert!(ring < reply, "{actions:?}");
    let records = store.records.lock().unwrap();
    assert_eq!(records[2], Record { now: BEGIN + 10_000, input: Input::Timers });
    assert_eq!(records[3], Record { now: BEGIN + 10_000, input: Input::Events(vec![query(8)]) });
}

#[test]
fn a_turn_with_nothing_to_do_keeps_nothing() {
    let store = Recorder::default();
    let mut commit = Commit::new(engine(), store.clone());
    let mut actions = Vec::new();
    assert_eq!(commit.turn(BEGIN, Vec::new(), &mut actions), Ok(Vec::new()));
    assert!(actions.is_empty());
    assert!(store.records.lock().unwrap().is_empty());
}

#[test]
fn the_records_repeat_the_run() {
    let store = Recorder::default();
    let mut commit = Commit::new(engine(), store.clone());
    let mut first = Vec::new();
    commit.turn(BEGIN, refused_call(), &mut first).unwrap();
    commit.turn(BEGIN + 5, vec![order(7)], &mut first).unwrap();
    commit.turn(BEGIN + 60_000, Vec::new(), &mut first).unwrap();
    commit.turn(BEGIN + 60_001, vec![query(8)], &mut first).unwrap();
    assert!(rings(&first) > 0, "the run has timers in it");

    let mut again = engine();
    let mut second = Vec::new();
    for record in store.records.lock().unwrap().iter() {
        assert_eq!(record.apply(&mut again, &mut second), Vec::<EngineError>::new());
    }
    assert_eq!(second, first);
    assert_eq!(again.snapshot(), commit.with_engine(Engine::snapshot));
}

#[test]
fn time_does_not_go_back() {
    let store = Recorder::default();
    let mut commit = Commit::new(engine(), store.clone());
    commit.turn(BEGIN, refused_call(), &mut Vec::new()).unwrap();
    commit.turn(BEGIN - 5_000, vec![query(1)], &mut Vec::new()).unwrap();
    assert_eq!(store.records.lock().unwrap()[1].now, BEGIN);
}

#[test]
fn refused_events_are_told_and_change_nothing() {
    let mut commit = Commit::new(engine(), MemoryStore::new());
    let bad = Event::LineFree { line: LineRef::Id(LineId(99)) };
    let mut actions = Vec::new();
    let refused = commit.turn(BEGIN, vec![bad, query(3)], &mut actions).unwrap();
    assert_eq!(refused, [EngineError::UnknownLine(LineId(99))]);
    assert_eq!(answered(&actions), [3]);
}

/// Keeps two turns and fails at the third.
struct Failing {
    left: u32,
}

impl Store for Failing {
    fn append(&mut self, _records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        self.left = self.left.checked_sub(1).ok_or_else(disk_full)?;
        Ok(())
    }
}

#[test]
fn a_store_that_fails_stops_everything_behind_it() {
    let mut commit = Commit::new(engine(), Failing { left: 1 });
    commit.turn(BEGIN, refused_call(), &mut Vec::new()).unwrap();
    let before = commit.with_engine(Engine::snapshot);

    let mut actions = Vec::new();
    assert_eq!(commit.turn(BEGIN + 1, vec![order(7)], &mut actions), Err(disk_full()));
    assert_eq!(commit.turn(BEGIN + 60_000, vec![query(8)], &mut actions), Err(disk_full()));
    assert!(actions.is_empty());
    assert_eq!(commit.with_engine(Engine::snapshot), before);
}

/// The last snapshot, with its time.
type Kept = std::sync::Arc<std::sync::Mutex<Option<(u64, Vec<u8>)>>>;

/// Wants a snapshot after each commit, and keeps the last.
#[derive(Default)]
struct Snapshots {
    kept: Kept,
    fail: bool,
}

impl Store for Snapshots {
    fn append(&mut self, _records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        Ok(())
    }

    fn wants_snapshot(&self) -> bool {
        true
    }

    fn snapshot(&mut self, now: u64, state: &[u8]) -> Result<(), StoreError> {
        if self.fail {
            return Err(disk_full());
        }
        *self.kept.lock().unwrap() = Some((now, state.to_vec()));
        Ok(())
    }
}

#[test]
fn a_store_gets_the_snapshot_it_wants() {
    let store = Snapshots::default();
    let kept = store.kept.clone();
    let mut commit = Commit::new(engine(), store);
    let mut events = refused_call();
    events.push(order(7));
    commit.turn(BEGIN, events, &mut Vec::new()).unwrap();
    assert_eq!(*kept.lock().unwrap(), None, "no action waits for it");
    commit.tidy().unwrap();

    let (now, state) = kept.lock().unwrap().take().expect("a snapshot was taken");
    assert_eq!(now, BEGIN);
    let mut restored = Engine::restore(&state).unwrap();
    let mut actions = Vec::new();
    restored.advance(BEGIN + 10_000, &mut actions);
    assert_eq!(rings(&actions), 1, "the restored order is recalled");
}

#[test]
fn a_snapshot_that_fails_lets_the_turn_out_and_stops_the_next() {
    let mut commit = Commit::new(engine(), Snapshots { fail: true, ..Snapshots::default() });
    let mut actions = Vec::new();
    commit.turn(BEGIN, vec![query(1)], &mut actions).unwrap();
    assert_eq!(answered(&actions), [1]);
    assert_eq!(commit.turn(BEGIN, vec![query(2)], &mut actions), Err(disk_full()));
}
