//! A disk without room: new orders are denied, nothing that was taken is lost.

use ccbs_driver::{Commit, Kept, Note, Record, SqliteStore, Store, StoreError};
use ccbs_engine::{Action, Denial, Event, Limits, Profile, Reply};

use crate::place::{BEGIN, LONG, Place, line, order, ordered, refused_call, rings};

/// A store in a file on a disk that is full when the test says so.
struct Tight {
    inner: SqliteStore,
    full: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Store for Tight {
    fn load(&mut self) -> Result<Kept, StoreError> {
        self.inner.load()
    }

    fn append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), StoreError> {
        if self.full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StoreError::passing("there is no room"));
        }
        self.inner.append(records, notes)
    }

    fn snapshot(&mut self, now: u64, state: &[u8]) -> Result<(), StoreError> {
        self.inner.snapshot(now, state)
    }
}

fn denied(actions: &[Action]) -> Vec<u64> {
    let denied = actions.iter().filter_map(|action| match action {
        Action::Reply { request, reply: Reply::Denied { denial: Denial::Overload } } => Some(*request),
        _ => None,
    });
    denied.collect()
}

#[test]
fn new_orders_are_denied_and_everything_else_waits_for_room() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let inner = SqliteStore::open(&place.path(), LONG).unwrap();
    let (mut commit, _) =
        Commit::recover(Limits::default(), Tight { inner, full: full.clone() }, BEGIN + 1_000).unwrap();

    full.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut actions = Vec::new();
    let told =
        commit.turn(BEGIN + 2_000, vec![Event::LineBusy { line: line("2") }, order(7)], &mut actions).unwrap_err();
    assert!(told.passing);
    assert_eq!((denied(&actions), actions.len(), commit.held()), (vec![7], 1, 1));
    // The CB timer runs out; nobody is rung by what no disk knows of.
    actions.clear();
    commit.turn(BEGIN + 10_000, vec![order(8)], &mut actions).unwrap_err();
    assert_eq!((denied(&actions), actions.len()), (vec![8], 1));
    assert_eq!(commit.lines(BEGIN + 10_000, vec!["5".into()]).map(|_| ()).unwrap_err().message, "there is no room");

    full.store(false, std::sync::atomic::Ordering::Relaxed);
    actions.clear();
    commit.turn(BEGIN + 11_000, vec![Event::LineFree { line: line("2") }], &mut actions).unwrap();
    assert_eq!((rings(&actions), commit.held()), (1, 0));
    drop(commit);
    let (_, found) = place.open(BEGIN + 12_000);
    assert_eq!(found.orders, 1);
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let mut store = SqliteStore::open(&place.path(), LONG).unwrap();
    store.load().unwrap();
    store.limit_pages(1).unwrap();
    let long = Note { part: "x".into(), key: "y".into(), value: Some(vec![7; 1 << 20]) };
    let told = store.append(&[], std::slice::from_ref(&long)).unwrap_err();
    assert!(told.passing, "{told}");
    assert!(told.message.contains("there is no room for the store") && told.message.contains("Make room"), "{told}");
    store.limit_pages(1 << 30).unwrap();
    store.append(&[], &[long]).unwrap();
    drop(store);
    let (_, found) = place.open(BEGIN + 1);
    assert_eq!((found.orders, found.notes.len()), (1, 1));
}

#[test]
fn another_program_that_writes_is_waited_for_and_then_told() {
    let place = Place::new();
    let (mut commit, _) = place.open(BEGIN);
    let other = place.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut actions = Vec::new();
    let told = commit.turn(BEGIN, refused_call(Profile::autodial()), &mut actions).unwrap_err();
    assert!(told.passing && told.message.contains("held by another program"), "{told}");
    other.execute_batch("ROLLBACK").unwrap();
    commit.turn(BEGIN, vec![order(1)], &mut actions).unwrap();
    assert!(matches!(&actions[..], [Action::Reply { reply: Reply::Accepted { .. }, .. }, _]), "{actions:?}");
}

#[test]
fn a_process_that_starts_on_a_full_disk_serves_and_goes_on_when_there_is_room() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let inner = SqliteStore::open(&place.path(), LONG).unwrap();
    let (mut commit, found) =
        Commit::recover(Limits::default(), Tight { inner, full: full.clone() }, BEGIN + 20_000).unwrap();
    assert_eq!((found.restarted, found.orders, found.actions), (true, 1, Vec::new()));
    assert!(commit.waits());
    let mut actions = Vec::new();
    commit.turn(BEGIN + 21_000, vec![Event::LineBusy { line: line("1") }, order(7)], &mut actions).unwrap_err();
    assert_eq!((denied(&actions), actions.len()), (vec![7], 1));
    assert!(commit.lines(BEGIN + 21_000, vec!["5".into()]).unwrap_err().passing);

    full.store(false, std::sync::atomic::Ordering::Relaxed);
    actions.clear();
    commit.turn(BEGIN + 60_000, Vec::new(), &mut actions).unwrap();
    assert!(!commit.waits());
    assert_eq!(rings(&actions), 0, "the lines have the guard's time to be reported");
    while rings(&actions) == 0 {
        let deadline = commit.next_deadline().expect("the order waits");
        commit.turn(deadline, Vec::new(), &mut actions).unwrap();
    }
    drop(commit);
    ccbs_driver::verify(&place.path(), &mut || true).unwrap();
}
