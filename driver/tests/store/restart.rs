//! What a restart goes on from.

use ccbs_driver::{Clock, Driver, Note, Settings, SqliteStore, StartError, VirtualClock, verify};
use ccbs_engine::{Action, Engine, Event, Limits, Profile, RingOutcome, Step};

use crate::place::{BEGIN, LONG, Place, order, ordered, refused_call, rings};

#[test]
fn an_order_goes_on_with_the_time_that_is_left() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let (mut commit, found) = place.open(BEGIN + 4_000);
    assert_eq!((found.restarted, found.orders, found.records, found.until), (true, 1, 2, BEGIN));
    assert_eq!(found.actions, []);
    assert_eq!(commit.next_deadline(), Some(BEGIN + 10_000));
    let mut actions = Vec::new();
    commit.turn(BEGIN + 10_000, Vec::new(), &mut actions).unwrap();
    assert_eq!(rings(&actions), 1);
}

#[test]
fn an_attempt_that_a_crash_cut_off_is_not_used() {
    let place = Place::new();
    let mut commit = ordered(&place, Profile::autodial());
    let mut actions = Vec::new();
    commit.turn(BEGIN + 10_000, Vec::new(), &mut actions).unwrap();
    let recall = actions.iter().find_map(|action| match action {
        Action::Ring { recall, .. } => Some(*recall),
        _ => None,
    });
    let answered = Event::RingOutcome { recall: recall.unwrap(), outcome: RingOutcome::Answered };
    commit.turn(BEGIN + 12_000, vec![answered], &mut actions).unwrap();
    drop(commit);
    let (commit, found) = place.open(BEGIN + 300_000);
    assert!(
        matches!(&found.actions[..], [Action::Step { step: Step::AttemptFailed { attempt: 1, due: Some(_), .. }, .. }]),
        "{:?}",
        found.actions
    );
    assert_eq!(commit.with_engine(|engine| engine.orders().map(|order| order.attempt).collect::<Vec<_>>()), [0]);
}

#[test]
fn the_life_of_an_order_passes_while_nobody_is_there() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let (_, found) = place.open(BEGIN + 2_700_000);
    assert_eq!(found.orders, 0);
    assert!(matches!(&found.actions[..], [Action::Step { step: Step::Ended { .. }, .. }]), "{:?}", found.actions);
}

#[test]
fn in_profile_ccbs_nobody_is_rung_before_the_callee_is_seen_or_the_grace_is_over() {
    let place = Place::new();
    let mut commit = ordered(&place, Profile::ccbs());
    // The callee's guard is running when the process ends.
    commit.turn(BEGIN + 1_000, vec![Event::LineFree { line: crate::place::line("1") }], &mut Vec::new()).unwrap();
    drop(commit);
    let (mut commit, found) = place.open(BEGIN + 60_000);
    assert_eq!(rings(&found.actions), 0);
    let mut actions = Vec::new();
    commit.turn(BEGIN + 69_999, Vec::new(), &mut actions).unwrap();
    assert_eq!(rings(&actions), 0);
    commit.turn(BEGIN + 70_000, Vec::new(), &mut actions).unwrap();
    assert_eq!(rings(&actions), 1);
}

#[test]
fn a_restart_from_a_snapshot_is_that_from_the_records() {
    let (plain, snapped) = (Place::new(), Place::new());
    let often = ccbs_driver::SqliteSettings { snapshot_records: 1, ..LONG };
    let mut states = Vec::new();
    for (place, settings) in [(&plain, LONG), (&snapped, often)] {
        let (mut commit, _) = place.open_with(settings, BEGIN).unwrap();
        let mut actions = Vec::new();
        commit.turn(BEGIN, refused_call(Profile::autodial()), &mut actions).unwrap();
        commit.lines(BEGIN + 1, vec!["7".into(), "8".into()]).unwrap().unwrap();
        commit.turn(BEGIN + 2, vec![order(1)], &mut actions).unwrap();
        commit.turn(BEGIN + 10_002, Vec::new(), &mut actions).unwrap();
        drop(commit);
        let (commit, _) = place.open_with(settings, BEGIN + 60_000).unwrap();
        states.push(commit.with_engine(Engine::snapshot));
        let found = verify(&place.path(), &mut || true).unwrap().unwrap();
        assert_eq!(found.orders, 1);
        // Of the snapshots, which lie close together, the first and the newest are kept.
        assert_eq!((found.records, found.snapshots), if place.path() == plain.path() { (5, 1) } else { (5, 2) });
    }
    assert_eq!(states[0], states[1]);
}

#[test]
fn limits_of_the_new_configuration_hold_and_are_part_of_the_record() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let limits = Limits { recalls_at_once: 7, ..Limits::default() };
    let store = SqliteStore::open(&place.path(), LONG).unwrap();
    let (commit, _) = ccbs_driver::Commit::recover(limits, store, BEGIN + 1).unwrap();
    assert_eq!(commit.with_engine(|engine| engine.limits().recalls_at_once), 7);
    drop(commit);
    let (commit, _) = place.open(BEGIN + 2);
    assert_eq!(commit.with_engine(|engine| engine.limits().recalls_at_once), Limits::default().recalls_at_once);
    drop(commit);
    verify(&place.path(), &mut || true).unwrap();
}

#[test]
fn notes_come_back_and_the_newest_counts() {
    let place = Place::new();
    let note = |key: &str, value: Option<&str>| Note {
        part: "registrations".into(),
        key: key.into(),
        value: value.map(|value| value.as_bytes().to_vec()),
    };
    let (mut commit, _) = place.open(BEGIN);
    commit.note(vec![note("101", Some("a")), note("102", Some("b"))]);
    commit.turn(BEGIN, Vec::new(), &mut Vec::new()).unwrap();
    commit.note(vec![note("101", Some("c")), note("102", None)]);
    commit.turn(BEGIN, refused_call(Profile::autodial()), &mut Vec::new()).unwrap();
    drop(commit);
    let (_, found) = place.open(BEGIN);
    assert_eq!(found.notes, [note("101", Some("c"))]);
}

#[test]
fn a_clock_that_was_set_back_stops_no_timer() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let clock = VirtualClock::new(BEGIN - 3_600_000);
    let store = SqliteStore::open(&place.path(), LONG).unwrap();
    let (woken, wakes) = std::sync::mpsc::channel();
    let (driver, found) = Driver::recover(Limits::default(), store, clock.clone(), Settings::default(), move || {
        let _ = woken.send(());
    })
    .unwrap();
    assert_eq!(found.behind, 3_600_000);
    assert_eq!(clock.now(), BEGIN - 3_600_000);
    clock.advance(10_000);
    let mut actions = Vec::new();
    while rings(&actions) == 0 {
        wakes.recv_timeout(std::time::Duration::from_secs(20)).expect("the CB timer runs on");
        actions.extend(driver.drain().unwrap());
    }
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let place = Place::new();
    let first = place.open(BEGIN);
    let told = place.open_with(LONG, BEGIN).map(|_| ()).unwrap_err();
    assert!(!told.passing);
    let me = format!("is in use by process {} on host ", std::process::id());
    assert!(told.message.contains(&me), "{}", told.message);
    assert!(told.message.contains("Stop that process"), "{}", told.message);
    let link = place.path().with_file_name("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let told = SqliteStore::open(&link, LONG).map(|_| ()).unwrap_err();
    assert!(told.message.contains(&me), "{}", told.message);
    drop(first);
    place.open(BEGIN);
}

#[test]
fn what_a_driver_refuses_to_start_on_is_the_stores_own_error() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    place.sqlite().execute("UPDATE snapshots SET crc = crc + 1", []).unwrap();
    let store = SqliteStore::open(&place.path(), LONG).unwrap();
    let clock = VirtualClock::new(BEGIN);
    let told = Driver::recover(Limits::default(), store, clock, Settings::default(), || {}).map(|_| ());
    assert!(matches!(told, Err(StartError::Store(_))), "{told:?}");
}
