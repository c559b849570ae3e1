//! How long the journal stays, and that what stays can be repeated.

use std::time::Duration;

use ccbs_driver::{JournalEntry, JournalReader, SqliteSettings, compact, verify};
use ccbs_engine::{Event, Profile};

use crate::place::{BEGIN, LONG, Place, line, ordered};

/// A fact a second for so long; the sequences that are left: first and last record, and the snapshots.
fn facts(place: &Place, settings: SqliteSettings, seconds: u64) -> (u64, u64, Vec<u64>) {
    let (mut commit, _) = place.open_with(settings, BEGIN).unwrap();
    for second in 0..seconds {
        let events = vec![Event::LineBusy { line: line(&format!("{}", 100 + second % 50)) }];
        commit.turn(BEGIN + second * 1_000, events, &mut Vec::new()).unwrap();
        commit.tidy().unwrap();
    }
    let (mut records, mut snapshots) = (Vec::new(), Vec::new());
    for entry in JournalReader::open(&place.path()).unwrap() {
        match entry.unwrap() {
            JournalEntry::Record(sequence, _) => records.push(sequence),
            JournalEntry::Snapshot(sequence, _) => snapshots.push(sequence),
        }
    }
    let kept: u64 = place.sqlite().query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert!(kept >= records.len() as u64);
    (*records.first().unwrap(), *records.last().unwrap(), snapshots)
}

#[test]
fn records_stay_as_long_as_the_retention_says_and_an_eighth_more() {
    let place = Place::new();
    let settings =
        SqliteSettings { snapshot_records: 20, retention: Duration::from_secs(160), retention_records: 1_000_000 };
    let (first, last, snapshots) = facts(&place, settings, 800);
    assert_eq!(last, 800);
    assert!((600..=641).contains(&first), "{first}");
    assert_eq!(snapshots.last(), Some(&800));
    assert!(snapshots.len() <= 11, "{snapshots:?}");
    let found = verify(&place.path(), &mut || true).unwrap().unwrap();
    assert_eq!(found.snapshots, snapshots.len() as u64);
}

#[test]
fn no_more_records_stay_than_are_allowed() {
    let place = Place::new();
    let settings =
        SqliteSettings { snapshot_records: 10, retention: Duration::from_secs(86_400), retention_records: 80 };
    let (first, last, snapshots) = facts(&place, settings, 600);
    assert_eq!(last, 600);
    assert!((500..=521).contains(&first), "{first} {snapshots:?}");
    let left: u64 = place.sqlite().query_row("SELECT min(sequence) FROM journal", [], |row| row.get(0)).unwrap();
    // The commit after the snapshot that moved the horizon removes what lies before it.
    assert!((first - settings.snapshot_records..=first).contains(&left), "{left} of {first} is gone from the file");
    verify(&place.path(), &mut || true).unwrap();
}

#[test]
fn without_retention_a_restart_still_has_what_it_needs() {
    let place = Place::new();
    let settings = SqliteSettings { snapshot_records: 10, retention: Duration::ZERO, retention_records: 1_000_000 };
    let (mut commit, _) = place.open_with(settings, BEGIN).unwrap();
    drop(ordered_in(&mut commit));
    for second in 0..33 {
        commit.turn(BEGIN + second, vec![Event::LineBusy { line: line("9") }], &mut Vec::new()).unwrap();
    }
    drop(commit);
    let (_, found) = place.open_with(settings, BEGIN + 100).unwrap();
    assert_eq!(found.orders, 1);
    assert!(found.records < 10);
}

fn ordered_in(commit: &mut ccbs_driver::Commit<ccbs_driver::SqliteStore>) -> Vec<ccbs_engine::Action> {
    let mut actions = Vec::new();
    commit.turn(BEGIN, crate::place::refused_call(Profile::autodial()), &mut actions).unwrap();
    commit.turn(BEGIN, vec![crate::place::order(1)], &mut actions).unwrap();
    actions
}

#[test]
fn a_person_reads_the_journal_with_sqlite() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let rows: Vec<(u64, String, String, String)> = place
        .sqlite()
        .prepare("SELECT sequence, time, kind, numbers FROM journal ORDER BY sequence")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let at = "2023-11-14 22:13:20.000".to_owned();
    let first = "line service line-free line-busy call-failed".to_owned();
    assert_eq!(rows, [(1, at.clone(), first, "1 2".to_owned()), (2, at, "order".to_owned(), "2 1".to_owned())]);
}

#[test]
fn a_compacted_store_is_smaller_and_sound() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let (mut commit, _) = place.open_with(SqliteSettings { retention: Duration::ZERO, ..LONG }, BEGIN).unwrap();
    for call in 0..300 {
        let events = (0..20).map(|number| Event::LineBusy { line: line(&format!("{number}{call}")) }).collect();
        commit.turn(BEGIN + call, events, &mut Vec::new()).unwrap();
    }
    drop(commit);
    // The next start takes a snapshot, and everything before it may go.
    let often = SqliteSettings { snapshot_records: 1, retention: Duration::ZERO, ..LONG };
    let (mut commit, _) = place.open_with(often, BEGIN + 400).unwrap();
    commit.turn(BEGIN + 500, vec![Event::LineBusy { line: line("9") }], &mut Vec::new()).unwrap();
    assert!(compact(&place.path()).unwrap_err().message.contains("is in use by process"));
    commit.turn(BEGIN + 600, vec![Event::LineBusy { line: line("8") }], &mut Vec::new()).unwrap();
    drop(commit);
    let (before, after) = compact(&place.path()).unwrap();
    assert!(after < before, "{before} {after}");
    let found = verify(&place.path(), &mut || true).unwrap().unwrap();
    assert_eq!(found.orders, 1);
    let (_, found) = place.open(BEGIN + 700);
    assert_eq!(found.orders, 1);
}

#[test]
fn where_few_inputs_come_they_stay_no_longer_either() {
    let place = Place::new();
    let settings = SqliteSettings { retention: Duration::from_secs(3_600), ..LONG };
    let (mut commit, _) = place.open_with(settings, BEGIN).unwrap();
    for at in 0..144 {
        commit.turn(BEGIN + at * 300_000, vec![Event::LineBusy { line: line("9") }], &mut Vec::new()).unwrap();
        commit.tidy().unwrap();
    }
    let kept = |what: &str| -> u64 { place.sqlite().query_row(what, [], |row| row.get(0)).unwrap() };
    // An hour, a quarter more, and the five minutes to the next input.
    assert!((12..=16).contains(&kept("SELECT count(*) FROM journal")), "{}", kept("SELECT count(*) FROM journal"));
    assert!(kept("SELECT count(*) FROM snapshots") <= 11);
    verify(&place.path(), &mut || true).unwrap();
}

#[test]
fn the_log_does_not_grow_without_bound_and_who_writes_waits_for_nobody_who_reads() {
    let place = Place::new();
    let (mut commit, _) = place.open(BEGIN);
    let log = place.path().with_extension("db-wal");
    let mut fill = |from: u64| {
        for at in from..from + 40 {
            let events = (0..500).map(|more| Event::LineBusy { line: line(&format!("{at}{more}")) }).collect();
            commit.turn(BEGIN + at, events, &mut Vec::new()).unwrap();
            commit.tidy().unwrap();
        }
        std::fs::metadata(&log).unwrap().len()
    };
    let reading = place.sqlite();
    reading.execute_batch("BEGIN; SELECT count(*) FROM journal").unwrap();
    for round in 0..3 {
        fill(round * 40);
    }
    drop(reading);
    let settled = (3..6).map(|round| fill(round * 40)).max();
    let after = (6..12).map(|round| fill(round * 40)).max();
    assert!(after <= settled, "begun anew where it can be: {after:?} after {settled:?}");
}
