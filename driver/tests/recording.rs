//! Recordings: what was committed can be repeated from the file, and the file never disturbs an order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ccbs_driver::recording::{Entry, Recorded, Recorder, RecorderSettings, Recording, RecordingError};
use ccbs_driver::{Commit, JournalReader, MemoryStore, Record, SqliteSettings, SqliteStore, Store, is_store};
use ccbs_engine::{Action, Engine, Event, FailCause, Limits, LineKind, LineRef, Profile};

const BEGIN: u64 = 1_700_000_000_000;

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ccbs-recording-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("run")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

fn set_up() -> Vec<Event> {
    vec![
        Event::Line { line: line("101"), kind: LineKind::Internal },
        Event::Line { line: line("102"), kind: LineKind::Internal },
        Event::Service { line: line("102"), profile: Some(Box::new(Profile::autodial())) },
        Event::Service { line: line("101"), profile: Some(Box::new(Profile::ccbs())) },
        Event::CallFailed { caller: line("102"), callee: line("101"), cause: FailCause::Busy },
        Event::Order { request: 1, caller: line("102"), callee: None },
    ]
}

fn recorder(path: &Path, settings: RecorderSettings) -> Result<(Engine, Recorder<MemoryStore>), RecordingError> {
    let engine = Engine::new(Limits { orders_total: 7, ..Limits::default() }).unwrap();
    let recorder = Recorder::create(path, &engine, MemoryStore::new(), settings)?;
    Ok((engine, recorder))
}

/// Runs an order past its attempts; gives the actions, the last state, and what the recorder counted.
fn run(path: &Path, settings: RecorderSettings) -> (Vec<Action>, Vec<u8>, std::sync::Arc<Recorded>) {
    let (engine, recorder) = recorder(path, settings).unwrap();
    let recorded = recorder.recorded();
    let mut commit = Commit::new(engine, recorder);
    let mut actions = Vec::new();
    commit.turn(BEGIN, set_up(), &mut actions).unwrap();
    for second in 1..200 {
        commit.turn(BEGIN + second * 1_000, Vec::new(), &mut actions).unwrap();
    }
    let state = commit.with_engine(Engine::snapshot);
    (actions, state, recorded)
}

fn records(path: &Path) -> Vec<Record> {
    let (recording, _) = Recording::open(path).unwrap();
    recording
        .map(|entry| entry.unwrap())
        .filter_map(|entry| match entry {
            Entry::Record(record) => Some(record),
            Entry::Snapshot(_) => None,
        })
        .collect()
}

#[test]
fn the_file_repeats_the_run() {
    let place = Place::new("repeat");
    let (first, state, recorded) = run(&place.file(), RecorderSettings::default());
    let (recording, mut engine) = Recording::open(&place.file()).unwrap();
    assert_eq!(engine.limits().orders_total, 7, "it begins with the engine's state, limits included");
    let mut second = Vec::new();
    for entry in recording {
        let Entry::Record(record) = entry.unwrap() else { panic!("one snapshot, at the beginning") };
        assert!(record.apply(&mut engine, &mut second).is_empty());
    }
    assert!(first.iter().any(|action| matches!(action, Action::Ring { .. })), "timers are in it");
    assert_eq!(second, first);
    assert_eq!(engine.snapshot(), state);
    assert_eq!((recorded.lost(), recorded.failure()), (0, None));
    assert_eq!(recorded.records(), records(&place.file()).len() as u64);
    assert_eq!(recorded.bytes(), fs::metadata(place.file()).unwrap().len());
}

#[test]
fn the_file_is_private_and_an_older_one_is_kept() {
    let place = Place::new("private");
    run(&place.file(), RecorderSettings::default());
    let earlier = fs::read(place.file()).unwrap();
    let mode = fs::metadata(place.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for kept in [&earlier[..earlier.len() - 7], &earlier] {
        fs::write(place.file(), kept).unwrap();
        run(&place.file(), RecorderSettings::default());
        assert_eq!(fs::read(place.0.join("run.1")).unwrap(), kept, "torn or whole, and the `.1` of before is gone");
    }
    fs::write(place.file(), b"").unwrap();
    run(&place.file(), RecorderSettings::default());
    assert_eq!(fs::read(place.0.join("run.1")).unwrap(), earlier, "an empty file is nothing to be kept");
}

#[test]
fn nothing_but_a_recording_is_put_out_of_the_way() {
    let place = Place::new("occupied");
    for content in [&b"{\"call\": 1}"[..], b"switch: sip\nsubscribers:\n  - number: 101\n", &[0; 100]] {
        fs::write(place.file(), content).unwrap();
        let error = recorder(&place.file(), RecorderSettings::default()).err().unwrap();
        assert!(matches!(error, RecordingError::Occupied { .. }), "{error}");
        assert!(error.to_string().contains("run is no recording and would be replaced; expected a path"), "{error}");
        assert_eq!(fs::read(place.file()).unwrap(), content);
        assert!(!place.0.join("run.1").exists());
    }
    fs::remove_file(place.file()).unwrap();
    run(&place.file(), RecorderSettings::default());
    let earlier = fs::read(place.file()).unwrap();
    fs::write(place.0.join("run.1"), b"of somebody else").unwrap();
    let error = recorder(&place.file(), RecorderSettings::default()).err().unwrap();
    assert!(error.to_string().contains("run.1 is no recording and would be replaced"), "{error}");
    assert_eq!(fs::read(place.0.join("run.1")).unwrap(), b"of somebody else");
    assert_eq!(fs::read(place.file()).unwrap(), earlier);
}

/// The store once more. The child of another test has its lock as well until it runs its own program.
fn opened_again(path: &Path) -> SqliteStore {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match SqliteStore::open(path, SqliteSettings::default()) {
            Err(error) if error.message.contains("is in use") && Instant::now() < end => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

#[test]
fn a_recording_never_goes_onto_the_store() {
    let place = Place::new("onto-store");
    let path = place.0.join("orders.db");
    let mut store = SqliteStore::open(&path, SqliteSettings::default()).unwrap();
    let engine = Engine::new(Limits::default()).unwrap();
    store.snapshot(BEGIN, &engine.snapshot()).unwrap();
    drop(store);
    std::os::unix::fs::symlink("orders.db", place.0.join("link")).unwrap();
    fs::hard_link(&path, place.0.join("second-name")).unwrap();
    let open = || opened_again(&path);
    for name in ["orders.db", "orders.db-wal", "orders.db-shm", "orders.db.lock", "link", "second-name"] {
        let store = open();
        let aim = place.0.join(name);
        let error = Recorder::over(&aim, &Limits::default(), store, RecorderSettings::default()).err().unwrap();
        assert!(matches!(error, RecordingError::OfStore { .. }), "{name}: {error}");
        assert!(
            error.to_string().ends_with("is a file of the store; expected a path of the recording's own"),
            "{error}"
        );
        assert!(is_store(&path) && !place.0.join(format!("{name}.1")).exists(), "{name}");
        let kept = open().load().unwrap();
        assert_eq!(kept.snapshot, Some(engine.snapshot()), "{name}");
    }
    let store = open();
    assert!(Recorder::over(&place.file(), &Limits::default(), store, RecorderSettings::default()).is_ok());
}

#[test]
fn what_is_no_regular_file_is_refused_before_it_is_opened() {
    let place = Place::new("irregular");
    assert!(Command::new("mkfifo").arg(place.file()).status().unwrap().success());
    for path in [place.file(), place.0.clone(), PathBuf::from("/dev/zero")] {
        assert!(!is_store(&path));
        let error = Recording::open(&path).unwrap_err();
        assert!(error.to_string().ends_with("is no regular file; expected a recording or a store"), "{error}");
        let error = recorder(&path, RecorderSettings::default()).err().unwrap();
        assert!(error.to_string().contains("is no regular file; expected a path where nothing is"), "{error}");
    }
    let read = JournalReader::open(&place.file()).unwrap_err();
    assert!(read.message.contains("is no regular file; expected the file that store.path names"), "{read}");
    let written = SqliteStore::open(&place.file(), SqliteSettings::default()).unwrap_err();
    assert!(written.message.contains("cannot be written: it is no regular file"), "{written}");
}

#[test]
fn a_file_that_is_not_there_is_told_with_what_was_expected() {
    let place = Place::new("missing");
    let error = Recording::open(&place.0.join("missing")).unwrap_err().to_string();
    assert!(error.contains("missing: No such file") && error.contains("expected a file that"), "{error}");
    let error = recorder(&place.0.join("no/run"), RecorderSettings::default()).err().unwrap().to_string();
    assert!(error.contains("no/run: No such file") && error.contains("its directory must be there"), "{error}");
    assert!(matches!(Recording::open(Path::new("")), Err(RecordingError::NoPath)));
    assert!(matches!(recorder(Path::new(""), RecorderSettings::default()), Err(RecordingError::NoPath)));
    let error = JournalReader::open(&place.0.join("missing")).unwrap_err().message;
    assert!(error.contains("missing: No such file") && error.contains("expected the file that store.path"), "{error}");
    let error = JournalReader::open(Path::new("")).unwrap_err().message;
    assert!(error.starts_with("the path of the store is empty; expected"), "{error}");
}

#[test]
fn a_file_cut_anywhere_gives_the_whole_records_before_the_cut() {
    let place = Place::new("torn");
    run(&place.file(), RecorderSettings::default());
    let whole = fs::read(place.file()).unwrap();
    let all = records(&place.file());
    let cut = place.0.join("cut");
    let mut before = 0;
    for length in 0..whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        match Recording::open(&cut) {
            Err(RecordingError::Foreign { .. }) => assert_eq!(before, 0, "at {length}"),
            Err(error) => panic!("at {length}: {error}"),
            Ok((mut recording, _)) => {
                let found: Vec<_> = recording.by_ref().map(|entry| entry.unwrap()).collect();
                assert!(found.len() >= before && found.len() < all.len(), "at {length}");
                before = found.len();
                assert!(found.iter().zip(&all).all(|(one, other)| *one == Entry::Record(other.clone())));
            }
        }
    }
    assert_eq!(before, all.len() - 1, "each record is there as soon as it is whole");
    fs::write(&cut, &whole[..whole.len() - 3]).unwrap();
    let (mut recording, _) = Recording::open(&cut).unwrap();
    assert_eq!(recording.by_ref().filter(Result::is_err).count(), 0);
    assert!(recording.torn_bytes().is_some_and(|bytes| bytes > 3), "the torn tail is said");
    let mut zeros = whole.clone();
    zeros.extend([0; 5_000]);
    fs::write(&cut, zeros).unwrap();
    let (mut recording, _) = Recording::open(&cut).unwrap();
    assert_eq!(recording.by_ref().filter(Result::is_err).count(), 0);
    assert_eq!(recording.torn_bytes(), Some(5_000), "zeros of a power cut are a torn tail");
}

#[test]
fn a_byte_changed_anywhere_is_found() {
    let place = Place::new("damaged");
    run(&place.file(), RecorderSettings::default());
    let whole = fs::read(place.file()).unwrap();
    let all = records(&place.file());
    let changed = place.0.join("changed");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(&changed, bytes).unwrap();
        let Ok((mut recording, _)) = Recording::open(&changed) else { continue };
        let found: Vec<_> = recording.by_ref().collect();
        let good = found.iter().filter(|entry| entry.is_ok()).count();
        let said = found.iter().any(Result::is_err) || recording.torn_bytes().is_some();
        assert!(said && good < all.len(), "byte {at} of {}: {good} records and no word", whole.len());
        for (entry, record) in found.into_iter().flatten().zip(&all) {
            assert_eq!(entry, Entry::Record(record.clone()), "byte {at}: a record that was never written");
        }
    }
}

#[test]
fn what_is_no_recording_is_told_from_one() {
    let place = Place::new("foreign");
    for content in [&b""[..], b"PK\x03\x04 and so on, long enough for a head", b"short", &[0; 100]] {
        fs::write(place.file(), content).unwrap();
        let error = Recording::open(&place.file()).unwrap_err();
        assert!(matches!(error, RecordingError::Foreign { .. }), "{content:?}: {error}");
        assert!(error.to_string().contains("is no recording"), "{error}");
    }
}

/// Makes a recording say that it is of another version.
fn say_version(path: &Path, version: u8) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.iter().position(|&byte| byte == b'H').unwrap() + 1 + 1 + 1 + "ccbs-recording".len();
    assert_eq!(bytes[at], 4, "the version of the layout");
    bytes[at] = version;
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let body = crc32fast::hash(&bytes[12..12 + length]);
    bytes[4..8].copy_from_slice(&body.to_le_bytes());
    let head = crc32fast::hash(&bytes[..8]);
    bytes[8..12].copy_from_slice(&head.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_recording_of_another_version_is_refused_by_its_number() {
    let place = Place::new("version");
    run(&place.file(), RecorderSettings::default());
    say_version(&place.file(), 9);
    let error = Recording::open(&place.file()).unwrap_err();
    assert!(matches!(error, RecordingError::Version { found: 9, .. }), "{error}");
    assert!(error.to_string().contains("of version 9, expected 1 to 4"), "{error}");
}

#[test]
fn recordings_of_earlier_versions_are_read() {
    // Version 1 had no handles, 2 no restarts, 3 no ringing that was not tried; else they are the same.
    for version in [1, 2, 3] {
        let place = Place::new(&format!("version-{version}"));
        run(&place.file(), RecorderSettings::default());
        let all = records(&place.file());
        say_version(&place.file(), version);
        assert_eq!(records(&place.file()), all);
    }
}

#[test]
fn handles_are_recorded_and_a_repeated_run_gives_the_same_ones() {
    let place = Place::new("handles");
    let (engine, recorder) = recorder(&place.file(), RecorderSettings::default()).unwrap();
    let mut commit = Commit::new(engine, recorder);
    let mut actions = Vec::new();
    commit.turn(BEGIN, set_up(), &mut actions).unwrap();
    let given = commit.lines(BEGIN, vec!["7".into(), "101".into()]).unwrap().unwrap();
    commit.turn(BEGIN, vec![Event::LineBusy { line: LineRef::Id(given[0]) }], &mut actions).unwrap();
    let state = commit.with_engine(Engine::snapshot);
    drop(commit);
    let (_, mut again) = Recording::open(&place.file()).unwrap();
    for record in records(&place.file()) {
        assert!(record.apply(&mut again, &mut Vec::new()).is_empty());
    }
    assert_eq!(again.snapshot(), state);
    assert_eq!(again.number(given[0]).as_deref(), Some("7"));
}

/// Runs the test of this name once more in a process whose files may have so many blocks: then they fail as on a full
/// disk. Tells whether this is that process.
fn on_a_full_disk(test: &str, blocks: u32) -> bool {
    if std::env::var_os("CCBS_FULL_DISK").is_some() {
        return true;
    }
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact {test}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    let run = shell.env("CCBS_FULL_DISK", "1").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    false
}

#[test]
fn a_full_disk_at_the_start_is_an_error() {
    if on_a_full_disk("a_full_disk_at_the_start_is_an_error", 0) {
        let place = Place::new("full");
        let error = recorder(&place.file(), RecorderSettings::default()).err().unwrap().to_string();
        assert!(error.contains("run: File too large") && error.ends_with("; make room for it"), "{error}");
    }
}

#[test]
fn a_file_that_fails_later_is_counted_and_orders_go_on() {
    if !on_a_full_disk("a_file_that_fails_later_is_counted_and_orders_go_on", 8) {
        return;
    }
    let place = Place::new("fails");
    let (engine, recorder) = recorder(&place.file(), RecorderSettings::default()).unwrap();
    let recorded = recorder.recorded();
    let mut commit = Commit::new(engine, recorder);
    let mut actions = Vec::new();
    let many = (1_000..1_200).map(|number| Event::LineBusy { line: line(&number.to_string()) });
    commit.turn(BEGIN, set_up().into_iter().chain(many).collect(), &mut actions).unwrap();
    commit.turn(BEGIN + 10_000, Vec::new(), &mut actions).unwrap();
    assert!(actions.iter().any(|action| matches!(action, Action::Ring { .. })), "the order goes on");
    drop(commit);
    assert_eq!((recorded.records(), recorded.lost()), (0, 2));
    let failure = recorded.failure().unwrap();
    assert!(failure.contains("File too large") && failure.contains("Orders go on"), "{failure}");
    assert_eq!(records(&place.file()), Vec::new(), "it ends at the last whole record");
}

#[test]
fn a_disk_that_is_too_slow_ends_the_recording_and_not_the_orders() {
    let place = Place::new("slow");
    let settings = RecorderSettings { waiting_limit: 1, ..RecorderSettings::default() };
    let (actions, _, recorded) = run(&place.file(), settings);
    assert!(actions.iter().any(|action| matches!(action, Action::Ring { .. })));
    assert_eq!(recorded.records(), 0);
    assert!(recorded.lost() > 1);
    assert!(recorded.failure().unwrap().contains("too slow"));
    assert_eq!(records(&place.file()), Vec::new(), "what is there can be read");
}
