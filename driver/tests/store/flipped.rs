//! Single bits of the files flip: a start is refused, or has exactly what was kept.
//!
//! `CCBS_FLIPS` says how many bits are tried in each file, `CCBS_SEED` from which.

use std::fs;

use ccbs_driver::{Kept, Note, SqliteStore, Store as _, StoreError};
use ccbs_engine::{Event, Profile};

use crate::place::{BEGIN, LONG, Place, line, order, refused_call};

fn number(name: &str, unless_given: u64) -> u64 {
    std::env::var(name).map_or(unless_given, |given| given.parse().expect("a number"))
}

/// Bits of a file of so many octets, in no order.
fn bits(octets: usize) -> impl Iterator<Item = (usize, u8)> {
    let mut seed = number("CCBS_SEED", 1);
    (0..number("CCBS_FLIPS", 600)).map(move |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(seed >> 33).expect("a position") % (octets * 8);
        (at / 8, 1 << (at % 8))
    })
}

/// The bits of each page's head: how many rows it has, and where.
fn heads(octets: usize) -> impl Iterator<Item = (usize, u8)> {
    let heads = (0..octets).step_by(4_096).map(|page| if page == 0 { 100 } else { page });
    heads.flat_map(|head| (0..12 * 8).map(move |at| (head + at / 8, 1 << (at % 8))))
}

/// A store of twelve commits with notes, and what its log was as long as after each.
fn store(place: &Place) -> Vec<usize> {
    let (mut commit, _) = place.open(BEGIN);
    let log = place.path().with_extension("db-wal");
    let mut lengths = Vec::new();
    for at in 0..12_u64 {
        commit.note(vec![Note {
            part: "registrations".into(),
            key: format!("{}", 100 + at % 5),
            value: Some(format!("<sip:somebody@192.0.2.{at}>").into_bytes()),
        }]);
        let events = match at {
            0 => refused_call(Profile::autodial()),
            1 => vec![order(1)],
            _ => (0..40).map(|more| Event::LineBusy { line: line(&format!("{at}{more}")) }).collect(),
        };
        commit.turn(BEGIN + at, events, &mut Vec::new()).unwrap();
        lengths.push(usize::try_from(fs::metadata(&log).unwrap().len()).unwrap());
    }
    // As a process that is killed here leaves it.
    fs::copy(place.path(), place.path().with_extension("kept")).unwrap();
    fs::copy(&log, place.path().with_extension("kept-wal")).unwrap();
    lengths
}

fn kept(file: &[u8], log: &[u8]) -> Result<Kept, StoreError> {
    let place = Place::in_memory();
    fs::write(place.path(), file).unwrap();
    fs::write(place.path().with_extension("db-wal"), log).unwrap();
    SqliteStore::open(&place.path(), LONG)?.load()
}

fn told(error: &StoreError) -> bool {
    !error.passing && error.message.contains("orders.db") && error.message.contains("store")
}

#[test]
fn each_bit_of_the_file_is_found_or_nothing_hangs_on_it() {
    let place = Place::new();
    store(&place);
    // A clean end writes the log to the file.
    let file = fs::read(place.path()).unwrap();
    let whole = kept(&file, &[]).unwrap();
    assert_eq!((whole.records.len(), whole.notes.len()), (12, 5));
    let mut found = 0;
    for (at, bit) in heads(file.len()).chain(bits(file.len())) {
        let mut flipped = file.clone();
        flipped[at] ^= bit;
        match kept(&flipped, &[]) {
            Ok(kept) => assert!(kept == whole, "octet {at}, bit {bit:#x}: lost in silence"),
            Err(error) => {
                assert!(told(&error), "octet {at}, bit {bit:#x}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 0);
}

#[test]
fn a_bit_of_the_log_drops_nothing_that_a_later_commit_follows() {
    let place = Place::new();
    let lengths = store(&place);
    let file = fs::read(place.path().with_extension("kept")).unwrap();
    let log = fs::read(place.path().with_extension("kept-wal")).unwrap();
    let whole = kept(&file, &log).unwrap();
    assert_eq!((whole.records.len(), whole.notes.len()), (12, 5));
    let (last, before_last) = (lengths[10], lengths[9]);
    let (mut found, mut dropped) = (0, 0);
    for (at, bit) in bits(log.len()) {
        let mut flipped = log.clone();
        flipped[at] ^= bit;
        match kept(&file, &flipped) {
            Err(error) => {
                assert!(told(&error) && error.message.contains("its log is not what was written"), "{at}: {error}");
                found += 1;
            }
            Ok(kept) if kept == whole => {}
            // What happened to the newest commit cannot be told from a power cut within it.
            Ok(kept) if at >= last => {
                assert_eq!(kept.records.len(), 11);
                dropped += 1;
            }
            Ok(_) => panic!("octet {at} of {}, bit {bit:#x}: lost in silence, {last} {before_last}", log.len()),
        }
    }
    assert!(found > dropped, "{found} {dropped}");
}

#[test]
fn each_bit_of_the_logs_head_is_found() {
    let place = Place::new();
    store(&place);
    let file = fs::read(place.path().with_extension("kept")).unwrap();
    let log = fs::read(place.path().with_extension("kept-wal")).unwrap();
    let whole = kept(&file, &log).unwrap();
    let mut silent = Vec::new();
    for at in 0..32 {
        for bit in 0..8 {
            let mut flipped = log.clone();
            flipped[at] ^= 1 << bit;
            match kept(&file, &flipped) {
                Err(error) => assert!(error.message.contains("log"), "{error}"),
                Ok(kept) if kept == whole => {}
                Ok(_) => silent.push((at, bit)),
            }
        }
    }
    assert_eq!(silent, []);
}

#[test]
fn a_log_that_is_cut_anywhere_is_the_end_of_a_commit_that_never_was() {
    let place = Place::new();
    let lengths = store(&place);
    let file = fs::read(place.path().with_extension("kept")).unwrap();
    let log = fs::read(place.path().with_extension("kept-wal")).unwrap();
    for end in (0..log.len()).step_by(509) {
        let kept = kept(&file, &log[..end]).unwrap();
        assert_eq!(kept.records.len(), lengths.iter().filter(|&&length| length <= end).count(), "{end}");
    }
}

#[test]
fn what_a_start_finds_in_the_log_is_written_anew() {
    let place = Place::new();
    store(&place);
    let killed = Place::new();
    fs::copy(place.path().with_extension("kept"), killed.path()).unwrap();
    fs::copy(place.path().with_extension("kept-wal"), killed.path().with_extension("db-wal")).unwrap();
    let store = SqliteStore::open(&killed.path(), LONG).unwrap();
    // A sync that failed may have left the log in the system's memory only; the file alone must have it all.
    let file = fs::read(killed.path()).unwrap();
    drop(store);
    assert_eq!(kept(&file, &[]).unwrap().records.len(), 12);
}
