//! Handles through the commit point: a repeated run gives the same ones.

use std::sync::mpsc::channel;

use ccbs_driver::{Commit, Driver, Input, LineError, MemoryStore, Record, Settings, VirtualClock};
use ccbs_engine::{Action, Engine, EngineError, Event, LineId, LineRef};

use crate::world::{BEGIN, Recorder, answered, disk_full, engine, gate, order, query, refused_call};

fn by_handle(line: LineId) -> LineRef {
    LineRef::Id(line)
}

#[test]
fn handles_are_a_commit_of_their_own_and_repeat() {
    let store = Recorder::default();
    let records = store.records.clone();
    let mut commit = Commit::new(engine(), store);
    let mut actions = Vec::new();
    commit.turn(BEGIN, refused_call(), &mut actions).unwrap();
    let given = commit.lines(BEGIN + 5, vec!["99".into(), "1".into()]).unwrap().unwrap();
    commit.turn(BEGIN + 6, vec![Event::LineBusy { line: by_handle(given[1]) }, order(1)], &mut actions).unwrap();
    let again = commit.lines(BEGIN + 7, vec!["1".into()]).unwrap().unwrap();
    assert_eq!(again, [given[1]], "a number has one handle");

    let records = records.lock().unwrap().clone();
    let lines = Input::Lines(vec!["99".into(), "1".into()]);
    assert_eq!(records[1], Record { now: BEGIN + 5, input: lines });
    let mut second = engine();
    let mut repeated = Vec::new();
    for record in &records {
        assert!(record.apply(&mut second, &mut repeated).is_empty());
    }
    assert_eq!(repeated, actions);
    assert_eq!(second.snapshot(), commit.with_engine(Engine::snapshot));
    assert_eq!(second.number(given[0]).as_deref(), Some("99"));
}

#[test]
fn a_number_that_cannot_be_a_line_gives_no_handle_at_all() {
    let store = Recorder::default();
    let records = store.records.clone();
    let mut commit = Commit::new(engine(), store);
    let wrong = commit.lines(BEGIN, vec!["1".into(), "".into()]).unwrap();
    assert_eq!(wrong, Err(EngineError::InvalidNumber { length: 0, max: 255 }));
    assert!(records.lock().unwrap().is_empty());
    assert_eq!(commit.with_engine(|engine| engine.lines().count()), 0);
}

#[test]
fn a_store_that_fails_gives_no_handle() {
    let (store, keeper) = gate();
    keeper.verdicts.send(Err(disk_full())).unwrap();
    let driver = Driver::start(engine(), store, VirtualClock::new(BEGIN), Settings::default(), || ()).unwrap();
    let Err(LineError::Failed { reason }) = driver.line("1") else { panic!("the store failed") };
    assert!(reason.contains("orders.db: no space left"), "{reason}");
    assert!(matches!(driver.line("1"), Err(LineError::Failed { .. })));
}

#[test]
fn a_handle_comes_after_what_was_submitted_before() {
    let store = Recorder::default();
    let records = store.records.clone();
    let driver = Driver::start(engine(), store, VirtualClock::new(BEGIN), Settings::default(), || ()).unwrap();
    driver.submit(refused_call()).unwrap();
    let given = driver.lines(vec!["1".into(), "500".into()]).unwrap();
    driver.submit(vec![Event::LineBusy { line: by_handle(given[0]) }]).unwrap();
    assert_eq!(driver.line("500").unwrap(), given[1]);
    driver.close();
    assert_eq!(driver.line("1"), Err(LineError::Closed));
    let inputs: Vec<Input> = records.lock().unwrap().iter().map(|record| record.input.clone()).collect();
    assert_eq!(
        inputs,
        [
            Input::Events(refused_call()),
            Input::Lines(vec!["1".into(), "500".into()]),
            Input::Events(vec![Event::LineBusy { line: by_handle(given[0]) }]),
            Input::Lines(vec!["500".into()]),
        ]
    );
}

#[test]
fn what_waits_keeps_its_order_while_a_commit_is_slow() {
    let (store, keeper) = gate();
    let driver = Driver::start(engine(), store, VirtualClock::new(BEGIN), Settings::default(), || ()).unwrap();
    driver.submit(refused_call()).unwrap();
    keeper.began.recv_timeout(crate::world::PATIENCE).unwrap();
    // The first commit is under way: all of this waits.
    driver.submit(vec![query(1)]).unwrap();
    std::thread::scope(|scope| {
        let (given, told) = channel();
        let asking = &driver;
        scope.spawn(move || given.send(asking.line("1")).unwrap());
        while driver.counters()["driver_handles_waiting"] == 0 {
            std::thread::yield_now();
        }
        driver.submit(vec![query(2)]).unwrap();
        for _ in 0..4 {
            keeper.verdicts.send(Ok(())).unwrap();
        }
        let line = told.recv_timeout(crate::world::PATIENCE).unwrap().unwrap();
        assert_eq!(driver.with_engine(|engine| engine.number(line)).as_deref(), Some("1"));
    });
    driver.close();
    assert_eq!(keeper.began.try_iter().count(), 3, "events, handle, events: three more commits");
    assert_eq!(answered(&driver.drain().unwrap()), [1, 2]);
}

#[test]
fn a_full_outbox_refuses_instead_of_waiting() {
    let settings = Settings { outbox_limit: 1, ..Settings::default() };
    let (woke, wakes) = channel();
    let wake = move || woke.send(()).unwrap_or(());
    let driver = Driver::start(engine(), MemoryStore::new(), VirtualClock::new(BEGIN), settings, wake).unwrap();
    driver.submit(vec![query(1)]).unwrap();
    wakes.recv_timeout(crate::world::PATIENCE).unwrap();
    assert_eq!(driver.line("1"), Err(LineError::Overload));
    assert_eq!(driver.counters()["driver_overloads"], 1);
    assert_eq!(driver.drain().unwrap().len(), 1);
    driver.line("1").unwrap();
    let actions: Vec<Action> = driver.drain().unwrap();
    assert!(actions.is_empty(), "a handle is nothing to do");
}
