//! Files that are not what was written: each is an error that says what to do, and nothing is mended in silence.

use std::fs;

use ccbs_driver::{JournalReader, SqliteStore, StoreError, verify};
use ccbs_engine::{Event, Profile};

use crate::place::{BEGIN, LONG, Place, line, ordered};

fn refused(place: &Place) -> String {
    let told = place.open_with(LONG, BEGIN).map(|_| ()).unwrap_err();
    assert!(!told.passing, "{told}");
    assert!(told.message.contains("orders.db"), "{told}");
    told.message
}

#[test]
fn each_flipped_bit_of_what_was_kept_is_found() {
    for (what, statement) in [
        ("record 2 is not what was written", "UPDATE journal SET record = flipped WHERE sequence = 2"),
        ("record 1 is not what was written", "UPDATE journal SET now = now + 1 WHERE sequence = 1"),
        ("records 1 to 1 are missing", "DELETE FROM journal WHERE sequence = 1"),
        ("the snapshot after record 0 is not what was written", "UPDATE snapshots SET state = flipped"),
        ("it has 2 records, but no snapshot", "DELETE FROM snapshots"),
        ("note 101 of registrations is not what was written", "UPDATE notes SET value = flipped"),
    ] {
        let place = Place::new();
        let mut commit = ordered(&place, Profile::autodial());
        let note =
            ccbs_driver::Note { part: "registrations".into(), key: "101".into(), value: Some(b"somewhere".to_vec()) };
        commit.note(vec![note]);
        commit.turn(BEGIN, Vec::new(), &mut Vec::new()).unwrap();
        drop(commit);
        for (table, column) in [("journal", "record"), ("snapshots", "state"), ("notes", "value")] {
            if statement.contains(table) {
                let flipped = format!("CAST(substr({column}, 1, 5) || x'ff' || substr({column}, 7) AS BLOB)");
                place.sqlite().execute(&statement.replace("flipped", &flipped), []).unwrap();
            }
        }
        let told = refused(&place);
        assert!(told.contains(what), "{what}: {told}");
        assert!(told.contains("`ccbs journal verify`") && told.contains("restore it from a copy"), "{told}");
        verify(&place.path(), &mut || true).unwrap_err();
    }
}

#[test]
fn a_record_that_leads_elsewhere_than_the_snapshot_is_found_by_verify() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let other = Place::new();
    let (mut commit, _) = other.open_with(ccbs_driver::SqliteSettings { snapshot_records: 2, ..LONG }, BEGIN).unwrap();
    for at in 0..2 {
        commit.turn(BEGIN + at, vec![Event::LineBusy { line: line("9") }], &mut Vec::new()).unwrap();
    }
    commit.tidy().unwrap();
    drop(commit);
    let sqlite = place.sqlite();
    sqlite.execute("ATTACH DATABASE ? AS other", [other.path().to_str().unwrap()]).unwrap();
    let moved = "INSERT INTO snapshots (sequence, now, state, crc) SELECT sequence, now, state, crc FROM other.snapshots \
                 WHERE sequence = 2";
    assert_eq!(sqlite.execute(moved, []).unwrap(), 1);
    drop(sqlite);
    let told = verify(&place.path(), &mut || true).unwrap_err();
    assert!(told.message.contains("the records up to 2 lead to another state"), "{told}");
}

#[test]
fn what_people_read_of_a_record_is_verified_too() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    place.sqlite().execute("UPDATE journal SET numbers = '2 3' WHERE sequence = 2", []).unwrap();
    let told = verify(&place.path(), &mut || true).unwrap_err();
    assert!(told.message.contains("kind and numbers of record 2"), "{told}");
}

#[test]
fn a_damaged_page_of_the_file_is_found() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    place.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    for page in 1..bytes.len() / 4_096 {
        bytes[page * 4_096] ^= 0xff;
    }
    fs::write(place.path(), bytes).unwrap();
    let told = refused(&place);
    assert!(told.contains("is damaged") && told.contains("restore it from a copy"), "{told}");
}

#[test]
fn a_torn_tail_of_the_log_is_the_end_of_a_commit_that_never_was() {
    let place = Place::new();
    let commit = ordered(&place, Profile::autodial());
    let log = place.path().with_extension("db-wal");
    // What the disk has when the power goes in the middle of the last commit.
    let (file, mut wal) = (fs::read(place.path()).unwrap(), fs::read(&log).unwrap());
    drop(commit);
    wal.truncate(wal.len() - 3_000);
    let torn = Place::new();
    fs::write(torn.path(), file).unwrap();
    fs::write(torn.path().with_extension("db-wal"), wal).unwrap();
    let (_, found) = torn.open(BEGIN + 1);
    assert_eq!((found.records, found.orders), (1, 0));
}

#[test]
fn files_of_others_and_of_other_versions_are_left_alone() {
    let cases: [(&str, &[u8]); 2] = [
        ("is no store of ccbs", b"a letter, long enough to be a page's head....."),
        ("is no store of ccbs", &[1; 9_000]),
    ];
    for (what, content) in cases {
        let place = Place::new();
        fs::write(place.path(), content).unwrap();
        let told = refused(&place);
        assert!(told.contains(what) && told.contains("store.path"), "{told}");
        assert_eq!(fs::read(place.path()).unwrap(), content);
    }
    let place = Place::new();
    place.sqlite().execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1").unwrap();
    assert!(refused(&place).contains("an SQLite file of another program"));

    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    for format in [0, 3] {
        place.sqlite().execute_batch(&format!("PRAGMA user_version = {format}")).unwrap();
        let expected =
            format!("a store of format {format}, this ccbs knows formats 1 to 2. Run the ccbs that wrote it");
        assert!(refused(&place).contains(&expected));
        let told = JournalReader::open(&place.path()).map(|_| ()).unwrap_err();
        assert!(told.message.contains(&expected), "{told}");
    }
}

#[test]
fn a_store_of_an_older_format_is_read_and_is_of_the_newest_once_it_is_written_to() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    let format = || place.sqlite().query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap();
    place.sqlite().execute_batch("PRAGMA user_version = 1").unwrap();
    assert_eq!(verify(&place.path(), &mut || true).unwrap().unwrap().orders, 1);
    assert_eq!(format(), 1, "who only reads changes nothing");
    let (commit, _) = place.open_with(LONG, BEGIN).unwrap();
    assert_eq!(commit.with_engine(|engine| engine.orders().count()), 1);
    drop(commit);
    assert_eq!(format(), 2, "an older ccbs would take what may be in it now for damage");
}

#[test]
fn who_checks_a_store_is_not_told_to_check_it() {
    let place = Place::new();
    drop(ordered(&place, Profile::autodial()));
    place.sqlite().execute_batch("UPDATE journal SET record = zeroblob(40)").unwrap();
    let told = verify(&place.path(), &mut || true).unwrap_err().message;
    assert!(told.ends_with("restore it from a copy or begin without its orders"), "{told}");
    assert!(refused(&place).ends_with("; `ccbs journal verify` tells what can be read"));
}

#[test]
fn a_place_where_nothing_can_be_written_is_told() {
    let missing = Place::new().path();
    let told = SqliteStore::open(&missing, LONG).map(|_| ()).unwrap_err();
    assert!(told.message.contains("Let ccbs write in its directory"), "{told}");
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert!(refused(&place).contains("cannot be written"));
}

#[test]
fn a_store_that_was_never_written_has_nothing_to_read() {
    let place = Place::new();
    let told = JournalReader::open(&place.path()).map(|_| ()).unwrap_err();
    assert!(told.message.contains("orders.db"), "{told}");
    let store = SqliteStore::open(&place.path(), LONG).unwrap();
    let told: StoreError = JournalReader::open(&place.path()).map(|_| ()).unwrap_err();
    assert!(told.message.contains("is empty"), "{told}");
    drop(store);
}
