//! What a recording's records look like in the file, kept for ever: version by version.

use std::fs;
use std::path::{Path, PathBuf};

use ccbs_driver::recording::{Entry, Recorder, RecorderSettings, Recording, VERSION};
use ccbs_driver::{Input, MemoryStore, Record, Store};
use ccbs_engine::packed::{CONNECT_OUTCOMES, FAIL_CAUSES, PLAY_OUTCOMES, RING_OUTCOMES};
use ccbs_engine::{Engine, Event, Limits, LineId, LineKind, LineRef, OrderId, Profile, RecallId};

const BEGIN: u64 = 1_700_000_000_000;

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

/// Every kind of input and event, with every cause and outcome.
fn every_record() -> Vec<Record> {
    let (one, other, recall) = (|| line("101"), || LineRef::Id(LineId(1)), RecallId(3));
    let mut events = vec![
        Event::Line { line: one(), kind: LineKind::Internal },
        Event::Line { line: other(), kind: LineKind::External },
        Event::LineRemoved { line: one() },
        Event::Service { line: one(), profile: None },
        Event::Service { line: one(), profile: Some(Box::new(Profile::autodial())) },
        Event::Service { line: other(), profile: Some(Box::new(Profile::ccbs())) },
        Event::LineBusy { line: one() },
        Event::LineFree { line: one() },
        Event::LineUnknown { line: one() },
        Event::LineRegistered { line: one() },
        Event::LineUnregistered { line: one() },
        Event::CallAnswered { caller: one(), callee: other() },
        Event::Order { request: 1, caller: one(), callee: None },
        Event::Order { request: 2, caller: one(), callee: Some(other()) },
        Event::Cancel { request: 3, caller: one(), callee: None },
        Event::Cancel { request: 4, caller: one(), callee: Some(other()) },
        Event::Query { request: 5, caller: one() },
        Event::OperatorCancel { request: 6, order: OrderId(7) },
        Event::Released { recall },
        Event::Restarted,
    ];
    events.extend(FAIL_CAUSES.map(|cause| Event::CallFailed { caller: one(), callee: other(), cause }));
    events.extend(RING_OUTCOMES.map(|outcome| Event::RingOutcome { recall, outcome }));
    events.extend(PLAY_OUTCOMES.map(|outcome| Event::PlayOutcome { recall, play: 2, outcome }));
    events.extend(CONNECT_OUTCOMES.map(|outcome| Event::ConnectOutcome { recall, outcome }));
    let inputs = [
        Input::Started(Limits::default()),
        Input::Lines(vec!["101".into(), "9555".into()]),
        Input::Events(events),
        Input::Timers,
    ];
    inputs.into_iter().zip(BEGIN..).map(|(input, now)| Record { now, input }).collect()
}

/// Writes the records; the file, and where they begin in it.
fn written(path: &Path) -> (Vec<u8>, usize) {
    let engine = Engine::new(Limits::default()).unwrap();
    let mut recorder = Recorder::create(path, &engine, MemoryStore::new(), RecorderSettings::default()).unwrap();
    let at = usize::try_from(recorder.recorded().bytes()).unwrap();
    recorder.append(&every_record(), &[]).unwrap();
    drop(recorder);
    (fs::read(path).unwrap(), at)
}

/// Fails when what is written changes and the version does not: raise `VERSION`, and write the records of the new one
/// by `CCBS_GOLDEN=write cargo test -p ccbs-driver golden`.
#[test]
fn the_golden_records_of_this_version_are_written_and_read_as_ever() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/version-{VERSION}.records"));
    let path = std::env::temp_dir().join(format!("ccbs-recording-format-{}", std::process::id()));
    let (file, at) = written(&path);
    if std::env::var_os("CCBS_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&golden, &file[at..]).unwrap();
    }
    let kept = fs::read(&golden).expect("the golden records of this version");
    assert!(kept == file[at..], "records are written otherwise than {}", golden.display());
    fs::write(&path, [&file[..at], &kept].concat()).unwrap();
    let (recording, _) = Recording::open(&path).unwrap();
    let read: Vec<_> = recording.map(Result::unwrap).collect();
    fs::remove_file(&path).unwrap();
    assert_eq!(read, every_record().into_iter().map(Entry::Record).collect::<Vec<_>>());
}
