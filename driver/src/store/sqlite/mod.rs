//! The store in one `SQLite` file.
//!
//! # Tables
//!
//! | table | a row |
//! |---|---|
//! | `journal` | a [`Record`]: `sequence`, `now` (Unix ms), `time` (the same as text), `kind` and `numbers` for people who read it with `sqlite3`, `record` (`MessagePack` with named fields, as in a recording), `crc` |
//! | `snapshots` | the engine's state after all records up to `sequence`: `now`, `time`, `state`, `crc` |
//! | `notes` | a [`Note`]: `part`, `key`, `value`, `crc` |
//!
//! `crc` is the CRC-32 (IEEE) of what tells the row from others, in little-endian, and of its blob. `SQLite` itself
//! checks the end of its log, so that a commit is there whole or not at all; what changed afterwards, the sums find.
//! The header's `application_id` is "ccbs", its `user_version` the [`FORMAT`].
//!
//! # Who may open it
//!
//! The process that writes holds a lock on a file beside it, `PATH.lock`, with its process id and host in it. Who
//! only reads needs no lock and may do so meanwhile.

mod describe;
mod file;
mod lock;
mod log;
mod read;
mod retain;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ccbs_engine::Millis;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{Kept, Note, Record, Store, StoreError};
use lock::Lock;
use retain::Horizon;

pub use file::is_store;
pub use read::{JournalEntry, JournalReader};
pub use verify::{Verified, compact, verify};

/// The layout's version; one more with each change of what is written, in the records too. Format 1 had no outcome
/// `NotTried`; it is read too, and is of the newest format from then on.
const FORMAT: i32 = 2;

const OLDEST: i32 = 1;

/// Pages in the log from which on they are written to the file, unless told otherwise.
const LOG_PAGES: u32 = 1_000;
/// Pages, estimated, after which the log's length is asked for.
const LOOK_PAGES: u64 = 128;
const PAGE: usize = 4_096;

/// The least time between two snapshots that are taken because time has passed (ms).
const SNAPSHOT_APART: Millis = 60_000;

/// Settings of a store in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Records between two snapshots, at least 1: how much a restart repeats at most.
    pub snapshot_records: u64,
    /// How long records stay readable for `ccbs explain` at least, as long as there are not more than
    /// `retention_records`; up to a quarter more, and until the next input. Zero keeps what a restart needs only.
    pub retention: Duration,
    /// How many records stay readable at most, and up to an eighth more.
    pub retention_records: u64,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self { snapshot_records: 10_000, retention: Duration::from_secs(86_400), retention_records: 1_000_000 }
    }
}

/// Keeps inputs, snapshots and notes in an `SQLite` file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    settings: SqliteSettings,
    file: Connection,
    /// That of the last record.
    sequence: u64,
    /// Records since the last snapshot that was kept or tried, the time of the last of them, and that of the snapshot.
    since: u64,
    now: Millis,
    snapped: Millis,
    horizon: Horizon,
    /// Pages that went to the log since its length was asked for, estimated.
    logged: u64,
    log_pages: u32,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the store at `path`, or makes one, mode 600, where there is nothing; takes its lock.
    ///
    /// Every error says what is wrong with which file, and what to do.
    pub fn open(path: &Path, settings: SqliteSettings) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let file = file::open_for_writing(path)?;
        let failed = |error| file::failed(path, "read", &error);
        let sequence = read::last_sequence(&file).map_err(failed)?;
        let (snapshot, snapped) = read::newest_snapshot(&file).map_err(failed)?.unwrap_or_default();
        let horizon = match Horizon::of(&file, settings).map_err(failed) {
            // What may go stays until there is room to say so.
            Err(error) if error.passing => Horizon::default(),
            found => found?,
        };
        let since = sequence.saturating_sub(snapshot);
        let path = path.to_owned();
        let (now, logged, log_pages) = (snapped, 0, LOG_PAGES);
        Ok(Self { path, settings, file, sequence, since, now, snapped, horizon, logged, log_pages, _lock: lock })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bounds the file, in pages of 4 KiB; beyond it the store has no room, as on a full disk. Not below its size.
    pub fn limit_pages(&self, most: u32) -> Result<(), StoreError> {
        let limited = self.file.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()));
        limited.map_err(|error| file::failed(&self.path, "bounded", &error))
    }

    /// From how many pages of the log on they are written to the file; 1,000 unless given.
    pub fn write_log_at(&mut self, pages: u32) {
        self.log_pages = pages;
    }

    fn try_append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), Problem> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut sequence, mut now, mut octets) = (self.sequence, self.now, 0);
        if !records.is_empty() {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO journal (sequence, now, kind, numbers, record, crc) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for record in records {
                sequence += 1;
                let blob = rmp_serde::to_vec_named(record).map_err(|error| Problem::Written(error.to_string()))?;
                let crc = record_crc(sequence, record.now, &blob);
                let (kind, numbers) = describe::record(record);
                insert.execute(params![sequence, record.now, kind, numbers, blob, crc])?;
                (now, octets) = (record.now, octets + blob.len());
            }
        }
        if !notes.is_empty() {
            let mut put = transaction
                .prepare_cached("INSERT OR REPLACE INTO notes (part, key, value, crc) VALUES (?, ?, ?, ?)")?;
            let mut forget = transaction.prepare_cached("DELETE FROM notes WHERE part = ? AND key = ?")?;
            for note in notes {
                match &note.value {
                    Some(value) => {
                        put.execute(params![note.part, note.key, value, note_crc(&note.part, &note.key, value)])?;
                    }
                    None => {
                        forget.execute(params![note.part, note.key])?;
                    }
                }
            }
        }
        let horizon = self.horizon.swept(&transaction, records.len())?;
        transaction.commit()?;
        self.horizon = horizon;
        self.since += sequence - self.sequence;
        (self.sequence, self.now) = (sequence, now);
        self.logged += 1 + (notes.len() + octets / PAGE) as u64;
        Ok(())
    }

    fn try_snapshot(&mut self, now: Millis, state: &[u8]) -> Result<(), Problem> {
        let transaction = self.file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let crc = record_crc(self.sequence, now, state);
        transaction
            .prepare_cached("INSERT OR REPLACE INTO snapshots (sequence, now, state, crc) VALUES (?, ?, ?, ?)")?
            .execute(params![self.sequence, now, state, crc])?;
        let horizon = self.horizon.advanced(&transaction, self.settings)?;
        transaction.commit()?;
        self.horizon = horizon;
        self.logged += (state.len() / PAGE) as u64;
        Ok(())
    }

    /// `SQLite` would do it within a commit, while actions wait for it, and say nothing of errors.
    fn try_checkpoint(&mut self) -> Result<(), Problem> {
        self.logged = 0;
        if file::log_pages(&self.file)? >= self.log_pages.into() {
            file::checkpoint(&self.file, "PASSIVE")?;
        }
        Ok(())
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Kept, StoreError> {
        read::kept(&self.path, &self.file)
    }

    fn append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), StoreError> {
        self.try_append(records, notes).map_err(|problem| problem.told(&self.path))
    }

    fn wants_snapshot(&self) -> bool {
        // Nothing that is older than the newest snapshot can go: where few inputs come, time asks for one.
        let apart = Millis::try_from(self.settings.retention.as_millis()).unwrap_or(Millis::MAX) / retain::SPACING;
        let aged = apart > 0 && self.now.saturating_sub(self.snapped) >= apart.max(SNAPSHOT_APART);
        self.since >= self.settings.snapshot_records.max(1) || (self.since > 0 && aged)
    }

    fn snapshot(&mut self, now: Millis, state: &[u8]) -> Result<(), StoreError> {
        // One that finds no room is tried again after as many records as there are between two.
        (self.since, self.snapped) = (0, now);
        self.try_snapshot(now, state).map_err(|problem| problem.told(&self.path))
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        if self.logged < LOOK_PAGES.min(self.log_pages.into()) {
            return Ok(());
        }
        self.try_checkpoint().map_err(|problem| problem.told(&self.path))
    }

    fn files(&self) -> Vec<PathBuf> {
        // SQLite's are beside the file itself, whatever link leads to it.
        let file = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let beside = |ending: &str| {
            let mut path = file.as_os_str().to_owned();
            path.push(ending);
            path.into()
        };
        vec![self.path.clone(), beside("-wal"), beside("-shm"), lock::beside(&self.path)]
    }
}

/// Why something was not written.
enum Problem {
    Sqlite(rusqlite::Error),
    Written(String),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Problem {
    fn told(&self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(error) => file::failed(path, "written", error),
            Self::Written(error) => StoreError::broken(format!("{}: an input has no form: {error}", path.display())),
        }
    }
}

fn record_crc(sequence: u64, now: Millis, blob: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&sequence.to_le_bytes());
    sum.update(&now.to_le_bytes());
    sum.update(blob);
    sum.finalize()
}

fn note_crc(part: &str, key: &str, value: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for text in [part, key] {
        sum.update(&(text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
    }
    sum.update(value);
    sum.finalize()
}
