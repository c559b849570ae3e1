//! What the store costs, beside what the disk alone costs in the same run; a figure a line, as JSON:
//! `cargo run --release -p ccbs-driver --example store_figures DIRECTORY`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ccbs_driver::{Commit, Input, Record, SqliteSettings, SqliteStore, Store as _};
use ccbs_engine::{Action, Event, FailCause, Limits, LineKind, LineRef, Profile};

const BEGIN: u64 = 1_700_000_000_000;
const ORDERS: u64 = 100_000;
/// Inputs after the last snapshot: one less than there may be.
const TAIL: u64 = 9_999;
const COMMITS: usize = 2_000;
/// Commits and bare syncs take turns, so that both meet the same disk.
const BATCH: usize = 50;
/// Where `SQLite` begins its log anew, unless told otherwise: a page and its head, a thousand times.
const LOG: u64 = 1_000 * (4_096 + 24);

fn main() {
    let directory = PathBuf::from(std::env::args().nth(1).expect("a directory"));
    std::fs::create_dir_all(&directory).expect("a directory that can be made");
    recovery(&directory.join("recovery.db"));
    for events in [1, 64] {
        commits(&directory, events);
    }
}

fn figure(measure: &str, who: &str, size: u64, value: f64, unit: &str) {
    println!(
        "{{\"measure\": \"{measure}\", \"who\": \"{who}\", \"size\": {size}, \"value\": {value}, \"unit\": \"{unit}\"}}"
    );
}

fn line(at: u64) -> LineRef {
    LineRef::Number((1_000_000 + at).to_string().into())
}

fn settings() -> SqliteSettings {
    SqliteSettings::default()
}

/// From opening the file to the first recall: every line has an order, and all of their timers ran out meanwhile.
fn recovery(path: &Path) {
    let store = SqliteStore::open(path, settings()).expect("a store");
    let limits = Limits { recalls_per_second: 1_000, ..Limits::default() };
    let (mut commit, _) = Commit::recover(limits.clone(), store, BEGIN).expect("a new store");
    let mut actions = Vec::new();
    let profile = Box::new(Profile::autodial());
    for first in (0..ORDERS).step_by(1_000) {
        let mut events = Vec::new();
        for at in first..first + 1_000 {
            events.push(Event::Line { line: line(at), kind: LineKind::Internal });
            events.push(Event::Service { line: line(at), profile: Some(profile.clone()) });
        }
        commit.turn(BEGIN, events, &mut actions).expect("lines");
    }
    for at in 0..ORDERS {
        let (caller, callee) = (line(at), line((at + 1) % ORDERS));
        let failed = Event::CallFailed { caller: caller.clone(), callee: callee.clone(), cause: FailCause::Busy };
        let order = Event::Order { request: at, caller, callee: Some(callee) };
        commit.turn(BEGIN + at / 100, vec![failed, order], &mut actions).expect("an order");
    }
    let until = 10_000 - (ORDERS + 100) % 10_000 + TAIL;
    for at in 0..until {
        commit.turn(BEGIN + 1_000, vec![Event::LineBusy { line: line(at) }], &mut actions).expect("a fact");
    }
    drop(commit);
    actions.clear();

    let now = BEGIN + 60_000;
    let began = Instant::now();
    let store = SqliteStore::open(path, settings()).expect("the store");
    let (mut commit, mut found) = Commit::recover(limits, store, now).expect("what it has");
    while !found.actions.iter().any(|action| matches!(action, Action::Ring { .. })) {
        let deadline = commit.next_deadline().expect("orders that wait");
        commit.turn(deadline, Vec::new(), &mut found.actions).expect("a turn");
    }
    let took = began.elapsed();
    assert_eq!(found.orders, ORDERS);
    figure("recovery", "ccbs", ORDERS, took.as_secs_f64() * 1e3, "ms");
    figure("recovery-records", "ccbs", ORDERS, as_float(found.records), "");
    let file = std::fs::metadata(path).expect("the file").len();
    figure("recovery-file", "ccbs", ORDERS, as_float(file) / f64::from(1 << 20), "MiB");
}

/// Commits of some events each, and the same octets written to another file of the disk and synced.
fn commits(directory: &Path, events: u64) {
    let path = directory.join(format!("commits-{events}.db"));
    let mut store = SqliteStore::open(&path, settings()).expect("a store");
    let bare = OpenOptions::new().create(true).write(true).truncate(true).open(directory.join("bare")).expect("a file");
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let record = [Record {
        now: BEGIN,
        input: Input::Events((0..events).map(|at| Event::LineBusy { line: line(at) }).collect()),
    }];
    // What a commit writes to the log, by its growth.
    store.append(&record, &[]).expect("a commit");
    let before = std::fs::metadata(&log).expect("the log").len();
    for _ in 0..BATCH {
        store.append(&record, &[]).expect("a commit");
    }
    let grown = std::fs::metadata(&log).expect("the log").len() - before;
    let octets = vec![7; usize::try_from(grown).expect("a length").div_ceil(BATCH)];

    let (mut ours, mut bound, mut offset, mut tidying) = (Vec::new(), Vec::new(), 0, Duration::ZERO);
    for _ in 0..COMMITS / BATCH {
        for _ in 0..BATCH {
            let began = Instant::now();
            store.append(&record, &[]).expect("a commit");
            ours.push(began.elapsed());
            // No action waits for it, but the next commit does.
            let began = Instant::now();
            store.tidy().expect("a log that can be written to the file");
            tidying += began.elapsed();
        }
        for _ in 0..BATCH {
            bound.push(sync(&bare, &octets, &mut offset));
        }
    }
    for (who, times, more) in [("ccbs", &mut ours, tidying), ("write and fdatasync", &mut bound, Duration::ZERO)] {
        times.sort_unstable();
        let total: Duration = times.iter().sum::<Duration>() + more;
        figure("commit-p50", who, events, micros(times[times.len() / 2]), "µs");
        figure("commit-p99", who, events, micros(times[times.len() * 99 / 100]), "µs");
        let a_second = as_float(events * times.len() as u64) / total.as_secs_f64();
        figure("commit-events", who, events, a_second, "/s");
    }
}

fn sync(file: &File, octets: &[u8], offset: &mut u64) -> Duration {
    let began = Instant::now();
    file.write_all_at(octets, *offset).expect("room");
    file.sync_data().expect("a disk");
    *offset = if *offset >= LOG { 0 } else { *offset + octets.len() as u64 };
    began.elapsed()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Small enough to be whole.
fn as_float(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}
