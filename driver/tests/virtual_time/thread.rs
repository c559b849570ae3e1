//! The driver's thread, on virtual time.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::world::{BEGIN, PATIENCE, Recorder, answered, disk_full, engine, gate, order, query, refused_call, rings};
use ccbs_driver::{
    Clock, DrainError, Driver, MemoryStore, Note, Record, Settings, StartError, Store, StoreError, SubmitError,
    SystemClock, VirtualClock,
};
use ccbs_engine::{Action, Engine, Event, LineId, LineRef};

struct Running {
    driver: Driver,
    woken: Receiver<()>,
    clock: VirtualClock,
}

fn start(store: impl Store, settings: Settings) -> Running {
    let (wake, woken) = channel();
    let clock = VirtualClock::new(BEGIN);
    let driver = Driver::start(engine(), store, clock.clone(), settings, move || {
        wake.send(()).ok();
    })
    .expect("a thread can be had");
    Running { driver, woken, clock }
}

impl Running {
    /// The next actions that come.
    fn next(&self) -> Result<Vec<Action>, DrainError> {
        loop {
            let actions = self.driver.drain()?;
            if !actions.is_empty() {
                return Ok(actions);
            }
            self.woken.recv_timeout(PATIENCE).expect("something comes");
        }
    }
}

#[test]
fn nothing_leaves_before_its_commit_is_done() {
    let (store, keeper) = gate();
    let running = start(store, Settings::default());
    running.driver.submit(vec![query(1)]).unwrap();
    keeper.began.recv_timeout(PATIENCE).expect("the commit begins");

    assert_eq!(running.driver.drain(), Ok(Vec::new()));
    assert!(running.woken.try_recv().is_err(), "nobody is woken for what is not committed");
    assert_eq!(running.driver.counters()["driver_commits"], 0, "queries are answered meanwhile");

    keeper.verdicts.send(Ok(())).unwrap();
    assert_eq!(answered(&running.next().unwrap()), [1]);
}

#[test]
fn a_failed_commit_lets_nothing_out_and_takes_nothing_in() {
    let (store, keeper) = gate();
    let running = start(store, Settings::default());
    let mut events = refused_call();
    events.push(order(7));
    let before = running.driver.with_engine(Engine::snapshot);
    running.driver.submit(events).unwrap();
    keeper.verdicts.send(Err(disk_full())).unwrap();

    let Err(DrainError::Failed { reason }) = running.next() else { panic!("actions of a failed commit came out") };
    assert!(reason.contains("no space left"), "{reason}");
    let Err(SubmitError::Failed { reason }) = running.driver.submit(vec![query(8)]) else { panic!("taken") };
    assert!(reason.contains("no space left"), "{reason}");
    assert_eq!(running.driver.with_engine(Engine::snapshot), before);
    assert_eq!(running.driver.counters()["driver_events_uncommitted"], 6);
    running.driver.close();
}

#[test]
fn timers_fire_by_the_clock_and_are_kept() {
    let store = Recorder::default();
    let running = start(store.clone(), Settings::default());
    let mut events = refused_call();
    events.push(order(7));
    running.driver.submit(events).unwrap();
    assert_eq!(answered(&running.next().unwrap()), [7]);
    assert_eq!(running.driver.next_deadline(), Some(BEGIN + 10_000));

    running.clock.advance(9_999);
    assert_eq!(running.driver.drain(), Ok(Vec::new()));
    running.clock.advance(1);
    assert_eq!(rings(&running.next().unwrap()), 1);
    let records = store.records.lock().unwrap();
    assert_eq!(records.last(), Some(&Record { now: BEGIN + 10_000, input: ccbs_driver::Input::Timers }));
}

#[test]
fn a_full_inbox_refuses_the_whole_batch_and_loses_nothing() {
    let (store, keeper) = gate();
    let running = start(store, Settings { inbox_limit: 3, ..Settings::default() });
    running.driver.submit(vec![query(1)]).unwrap();
    keeper.began.recv_timeout(PATIENCE).expect("the first is on its way");
    running.driver.submit(vec![query(2), query(3)]).unwrap();
    assert_eq!(
        running.driver.submit(vec![query(4), query(5)]),
        Err(SubmitError::Overload { offered: 2, queued: 2, limit: 3 })
    );
    running.driver.submit(vec![query(6)]).unwrap();
    let never = running.driver.submit((10..14).map(query).collect()).unwrap_err();
    assert!(never.to_string().contains("never fit"), "{never}");
    assert_eq!(running.driver.counters()["driver_overloads"], 2);

    keeper.verdicts.send(Ok(())).unwrap();
    keeper.verdicts.send(Ok(())).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(answered(&running.next().unwrap()));
    }
    assert_eq!(seen, [1, 2, 3, 6]);
}

#[test]
fn a_full_outbox_holds_inputs_back_until_it_is_drained() {
    let (store, keeper) = gate();
    let running = start(store, Settings { inbox_limit: 2, outbox_limit: 1, group_limit: 1 });
    running.driver.submit(vec![query(1)]).unwrap();
    keeper.verdicts.send(Ok(())).unwrap();
    keeper.began.recv_timeout(PATIENCE).expect("the first is committed");
    running.woken.recv_timeout(PATIENCE).expect("and is out");

    running.driver.submit(vec![query(2), query(3)]).unwrap();
    let refused = running.driver.submit(vec![query(4)]);
    assert!(matches!(refused, Err(SubmitError::Overload { .. })), "{refused:?}");
    // A wait for what must not come: long enough for a thread that would not hold back.
    let began = keeper.began.recv_timeout(Duration::from_millis(100));
    assert!(began.is_err(), "nothing is committed while the outbox is full");

    keeper.verdicts.send(Ok(())).unwrap();
    keeper.verdicts.send(Ok(())).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(answered(&running.next().unwrap()));
    }
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn a_large_batch_is_committed_in_groups_and_in_order() {
    let store = Recorder::default();
    let running = start(store.clone(), Settings { group_limit: 10, ..Settings::default() });
    running.driver.submit((0..35).map(query).collect()).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 35 {
        seen.extend(answered(&running.next().unwrap()));
    }
    assert_eq!(seen, (0..35).collect::<Vec<u64>>());
    assert!(store.records.lock().unwrap().len() >= 4);
}

#[test]
fn close_applies_what_was_taken_and_leaves_the_actions() {
    let store = Recorder::default();
    let running = start(store.clone(), Settings { outbox_limit: 1, group_limit: 1, ..Settings::default() });
    running.driver.submit((1..=5).map(query).collect()).unwrap();
    running.driver.close();
    running.driver.close();

    assert_eq!(running.driver.submit(vec![query(6)]), Err(SubmitError::Closed));
    assert_eq!(answered(&running.driver.drain().unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(running.driver.drain(), Err(DrainError::Closed));
    assert_eq!(store.records.lock().unwrap().len(), 5);
}

#[test]
fn dropping_ends_the_thread() {
    let running = start(MemoryStore::new(), Settings::default());
    let woken = running.woken;
    drop(running.driver);
    // The thread owned the sender: once it has ended, the channel is closed behind the last wake.
    while let Ok(()) = woken.recv_timeout(PATIENCE) {}
    assert_eq!(woken.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
}

struct Panicking;

impl Store for Panicking {
    fn append(&mut self, _records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        panic!("a store with a mistake in it");
    }
}

#[test]
fn a_thread_that_panics_is_no_silence() {
    let running = start(Panicking, Settings::default());
    running.driver.submit(vec![query(1)]).unwrap();
    let error = running.next().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    assert!(matches!(running.driver.submit(vec![query(2)]), Err(SubmitError::Failed { .. })));
    running.driver.close();
}

#[test]
fn refused_events_are_counted_and_the_last_one_is_told() {
    let running = start(MemoryStore::new(), Settings::default());
    running.driver.submit(vec![Event::LineFree { line: LineRef::Id(LineId(99)) }, query(1)]).unwrap();
    assert_eq!(answered(&running.next().unwrap()), [1]);
    assert_eq!(running.driver.counters()["driver_events_refused"], 1);
    let told = running.driver.last_refusal().expect("the reason is kept").to_string();
    assert!(told.contains("line handle 99"), "{told}");
}

#[test]
fn a_bound_of_zero_is_refused() {
    let settings = Settings { outbox_limit: 0, ..Settings::default() };
    let started = Driver::start(engine(), MemoryStore::new(), VirtualClock::new(0), settings, || {});
    assert!(matches!(started, Err(StartError::Bound { field: "outbox_limit" })));
}

#[test]
fn the_system_clock_is_near_the_wall_and_never_goes_back() {
    let clock = SystemClock::new();
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(u128::from(clock.now()).abs_diff(wall.as_millis()) < 60_000);
    let times: Vec<u64> = (0..1_000).map(|_| clock.now()).collect();
    assert!(times.is_sorted());
}
