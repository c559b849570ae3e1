//! A directory that goes when the test does, and a few lines that order.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ccbs_driver::{Commit, Recovered, SqliteSettings, SqliteStore, StoreError};
use ccbs_engine::{Action, Event, FailCause, Limits, LineKind, LineRef, Profile};

pub(crate) const BEGIN: u64 = 1_700_000_000_000;

/// Everything is kept, and a snapshot is taken where a test says so.
pub(crate) const LONG: SqliteSettings = SqliteSettings {
    snapshot_records: 1_000_000,
    retention: Duration::from_secs(86_400),
    retention_records: 1_000_000,
};

pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ccbs-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    /// In memory where it can be: for many files whose syncs prove nothing.
    pub(crate) fn in_memory() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Self::new();
        }
        let name = format!("ccbs-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = memory.join(name);
        fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("orders.db")
    }

    pub(crate) fn open(&self, now: u64) -> (Commit<SqliteStore>, Recovered) {
        self.open_with(LONG, now).expect("a sound store")
    }

    pub(crate) fn open_with(
        &self,
        settings: SqliteSettings,
        now: u64,
    ) -> Result<(Commit<SqliteStore>, Recovered), StoreError> {
        Commit::recover(Limits::default(), SqliteStore::open(&self.path(), settings)?, now)
    }

    /// The file as somebody who is not ccbs sees it.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

/// №2 may order, has no call, and was refused by №1.
pub(crate) fn refused_call(profile: Profile) -> Vec<Event> {
    vec![
        Event::Line { line: line("1"), kind: LineKind::Internal },
        Event::Line { line: line("2"), kind: LineKind::Internal },
        Event::Service { line: line("2"), profile: Some(Box::new(profile)) },
        Event::LineFree { line: line("2") },
        Event::LineBusy { line: line("1") },
        Event::CallFailed { caller: line("2"), callee: line("1"), cause: FailCause::Busy },
    ]
}

pub(crate) fn order(request: u64) -> Event {
    Event::Order { request, caller: line("2"), callee: Some(line("1")) }
}

/// An order of №2 for №1, at `BEGIN`.
pub(crate) fn ordered(place: &Place, profile: Profile) -> Commit<SqliteStore> {
    let (mut commit, _) = place.open(BEGIN);
    let mut actions = Vec::new();
    commit.turn(BEGIN, refused_call(profile), &mut actions).unwrap();
    commit.turn(BEGIN, vec![order(1)], &mut actions).unwrap();
    assert!(matches!(actions[..], [Action::Reply { .. }, Action::Step { .. }]), "{actions:?}");
    commit
}

pub(crate) fn rings(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Ring { .. })).count()
}
