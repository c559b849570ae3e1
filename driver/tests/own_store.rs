//! A store of the embedder's own, from outside the crate: a file to which each commit is appended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ccbs_driver::{Driver, Kept, Note, Record, Recovered, Settings, Store, StoreError, VirtualClock};
use ccbs_engine::{Action, Event, FailCause, Limits, LineKind, LineRef, Profile, Reply};
use serde::{Deserialize, Serialize};

const BEGIN: u64 = 1_700_000_000_000;

#[derive(Serialize, Deserialize)]
enum Page {
    Commit(Vec<Record>, Vec<Note>),
    Snapshot(Vec<u8>),
}

/// One page after another; a snapshot goes to a new file that takes the old one's place.
struct Pages {
    path: PathBuf,
    notes: Vec<Note>,
    since: usize,
}

impl Pages {
    fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), notes: Vec::new(), since: 0 }
    }

    fn write(&self, pages: &[Page]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        for page in pages {
            let octets = rmp_serde::to_vec_named(page).map_err(std::io::Error::other)?;
            file.write_all(&u32::try_from(octets.len()).map_err(std::io::Error::other)?.to_le_bytes())?;
            file.write_all(&octets)?;
        }
        file.sync_data()
    }

    fn remember(&mut self, notes: &[Note]) {
        for note in notes {
            self.notes.retain(|there| (&there.part, &there.key) != (&note.part, &note.key));
            self.notes.extend(note.value.is_some().then(|| note.clone()));
        }
    }
}

impl Store for Pages {
    fn load(&mut self) -> Result<Kept, StoreError> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
            read => read.map_err(|error| StoreError::broken(error.to_string()))?,
        };
        let mut kept = Kept::default();
        let mut left = &bytes[..];
        while let Some((length, rest)) = left.split_first_chunk() {
            let (page, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            match rmp_serde::from_slice(page).map_err(|error| StoreError::broken(error.to_string()))? {
                Page::Snapshot(state) => kept = Kept { snapshot: Some(state), ..Kept::default() },
                Page::Commit(records, notes) => {
                    kept.records.extend(records);
                    self.remember(&notes);
                }
            }
            left = rest;
        }
        kept.notes.clone_from(&self.notes);
        Ok(kept)
    }

    fn append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), StoreError> {
        let page = Page::Commit(records.to_vec(), notes.to_vec());
        self.write(&[page]).map_err(|error| StoreError::broken(error.to_string()))?;
        self.remember(notes);
        self.since += records.len();
        Ok(())
    }

    fn wants_snapshot(&self) -> bool {
        self.since >= 2
    }

    fn snapshot(&mut self, _now: u64, state: &[u8]) -> Result<(), StoreError> {
        let new = Self { path: self.path.with_extension("new"), notes: Vec::new(), since: 0 };
        new.write(&[Page::Snapshot(state.to_vec()), Page::Commit(Vec::new(), self.notes.clone())])
            .and_then(|()| fs::rename(&new.path, &self.path))
            .map_err(|error| StoreError::broken(error.to_string()))?;
        self.since = 0;
        Ok(())
    }
}

struct Running {
    driver: Driver,
    woken: Receiver<()>,
    clock: VirtualClock,
    found: Recovered,
}

fn start(path: &Path, now: u64) -> Running {
    let (wake, woken) = channel();
    let clock = VirtualClock::new(now);
    let wake = move || {
        wake.send(()).ok();
    };
    let (driver, found) =
        Driver::recover(Limits::default(), Pages::at(path), clock.clone(), Settings::default(), wake).unwrap();
    Running { driver, woken, clock, found }
}

impl Running {
    fn until(&self, wanted: impl Fn(&Action) -> bool) {
        while !self.driver.drain().unwrap().iter().any(&wanted) {
            self.woken.recv_timeout(Duration::from_secs(20)).expect("something comes");
        }
    }
}

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

#[test]
fn an_order_outlives_the_process_in_a_store_that_the_driver_does_not_know() {
    let path = std::env::temp_dir().join(format!("ccbs-own-store-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let first = start(&path, BEGIN);
    assert!(!first.found.restarted);
    let note = Note { part: "mine".into(), key: "k".into(), value: Some(b"v".to_vec()) };
    first.driver.note(note.clone()).unwrap();
    first
        .driver
        .submit(vec![
            Event::Line { line: line("1"), kind: LineKind::Internal },
            Event::Line { line: line("2"), kind: LineKind::Internal },
            Event::Service { line: line("2"), profile: Some(Box::new(Profile::autodial())) },
            Event::CallFailed { caller: line("2"), callee: line("1"), cause: FailCause::Busy },
        ])
        .unwrap();
    let order = Event::Order { request: 1, caller: line("2"), callee: Some(line("1")) };
    first.driver.submit(vec![order]).unwrap();
    first.until(|action| matches!(action, Action::Reply { reply: Reply::Accepted { .. }, .. }));
    first.driver.close();

    let second = start(&path, BEGIN + 4_000);
    assert_eq!((second.found.restarted, second.found.orders), (true, 1));
    assert_eq!(second.found.notes, [note]);
    second.clock.advance(6_000);
    second.until(|action| matches!(action, Action::Ring { .. }));
    second.driver.close();
    fs::remove_file(&path).unwrap();
}
