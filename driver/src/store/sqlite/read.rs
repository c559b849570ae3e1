//! Reading what is kept.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ccbs_engine::Millis;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Kept, Note, Record, StoreError, describe, file, note_crc, record_crc};

/// Rows read at a time.
const CHUNK: u64 = 1_024;

pub(super) fn last_sequence(file: &Connection) -> rusqlite::Result<u64> {
    file.query_row(
        "SELECT max((SELECT coalesce(max(sequence), 0) FROM journal), (SELECT coalesce(max(sequence), 0) FROM snapshots))",
        [],
        |row| row.get(0),
    )
}

/// Its sequence and time.
pub(super) fn newest_snapshot(file: &Connection) -> rusqlite::Result<Option<(u64, Millis)>> {
    file.query_row("SELECT sequence, now FROM snapshots ORDER BY sequence DESC LIMIT 1", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
}

/// One row with a blob and its sum.
struct Stored {
    sequence: u64,
    now: Millis,
    blob: Vec<u8>,
    crc: u32,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { sequence: row.get(0)?, now: row.get(1)?, blob: row.get(2)?, crc: row.get(3)? })
    }

    fn check(self, path: &Path, what: &str) -> Result<Self, StoreError> {
        if record_crc(self.sequence, self.now, &self.blob) == self.crc {
            return Ok(self);
        }
        Err(file::damaged(path, &format!("{what} {} is not what was written", self.sequence)))
    }

    fn record(self, path: &Path) -> Result<Record, StoreError> {
        let stored = self.check(path, "record")?;
        let bad = |why: &str| file::damaged(path, &format!("record {} cannot be read ({why})", stored.sequence));
        let record: Record = rmp_serde::from_slice(&stored.blob).map_err(|error| bad(&error.to_string()))?;
        if record.now == stored.now { Ok(record) } else { Err(bad("its time is another")) }
    }
}

/// What a restart goes on from.
pub(super) fn kept(path: &Path, file: &Connection) -> Result<Kept, StoreError> {
    let failed = |error| file::failed(path, "read", &error);
    let snapshot = file
        .query_row("SELECT sequence, now, state, crc FROM snapshots ORDER BY sequence DESC LIMIT 1", [], Stored::of)
        .optional()
        .map_err(failed)?;
    let Some(snapshot) = snapshot else {
        // The first thing that is ever kept is a snapshot.
        let records: u64 = file.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).map_err(failed)?;
        if records > 0 {
            return Err(file::damaged(path, &format!("it has {records} records, but no snapshot that they follow")));
        }
        return Ok(Kept { notes: notes(path, file)?, ..Kept::default() });
    };
    let snapshot = snapshot.check(path, "the snapshot after record")?;
    let mut records = Vec::new();
    let mut rows = Rows { after: snapshot.sequence, path: path.to_owned(), chunk: VecDeque::new(), over: false };
    while let Some(stored) = rows.next(file)? {
        records.push(stored.record(path)?);
    }
    Ok(Kept { snapshot: Some(snapshot.blob), records, notes: notes(path, file)? })
}

fn notes(path: &Path, file: &Connection) -> Result<Vec<Note>, StoreError> {
    let failed = |error| file::failed(path, "read", &error);
    let mut select = file.prepare("SELECT part, key, value, crc FROM notes ORDER BY part, key").map_err(failed)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).map_err(failed)?;
    rows.map(|row| {
        let (part, key, value, crc): (String, String, Vec<u8>, u32) = row.map_err(failed)?;
        if note_crc(&part, &key, &value) != crc {
            return Err(file::damaged(path, &format!("note {key} of {part} is not what was written")));
        }
        Ok(Note { part, key, value: Some(value) })
    })
    .collect()
}

/// The journal's rows after one, without a hole.
#[derive(Debug)]
struct Rows {
    path: PathBuf,
    after: u64,
    chunk: VecDeque<Stored>,
    over: bool,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stored").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Rows {
    fn next(&mut self, file: &Connection) -> Result<Option<Stored>, StoreError> {
        if self.chunk.is_empty() && !self.over {
            let read = || -> rusqlite::Result<VecDeque<Stored>> {
                file.prepare_cached(
                    "SELECT sequence, now, record, crc FROM journal WHERE sequence > ? ORDER BY sequence LIMIT ?",
                )?
                .query_map([self.after, CHUNK], Stored::of)?
                .collect()
            };
            self.chunk = read().map_err(|error| file::failed(&self.path, "read", &error))?;
            self.over = self.chunk.is_empty();
        }
        let Some(stored) = self.chunk.pop_front() else { return Ok(None) };
        if stored.sequence != self.after + 1 {
            let hole = format!("records {} to {} are missing", self.after + 1, stored.sequence - 1);
            return Err(file::damaged(&self.path, &hole));
        }
        self.after = stored.sequence;
        Ok(Some(stored))
    }
}

/// What a store holds at one place of its journal.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalEntry {
    /// An input and its sequence.
    Record(u64, Record),
    /// The engine's state after the record of that sequence, as it was kept.
    Snapshot(u64, Vec<u8>),
}

/// Reads a store that may be in use: snapshots and records in their order, beginning with the oldest snapshot, as
/// they were when it was opened.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    file: Connection,
    rows: Rows,
    /// Sequences of the snapshots to come.
    snapshots: VecDeque<u64>,
    failed: bool,
}

impl JournalReader {
    /// Opens a store for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = file::open_for_reading(path)?;
        let read = || -> rusqlite::Result<VecDeque<u64>> {
            // All that follows is of this one moment.
            file.execute_batch("BEGIN")?;
            file.prepare("SELECT sequence FROM snapshots ORDER BY sequence")?.query_map([], |row| row.get(0))?.collect()
        };
        let snapshots = read().map_err(|error| file::failed(path, "read", &error))?;
        let Some(&first) = snapshots.front() else {
            return Err(StoreError::broken(format!("the store {} is empty: nothing was kept yet", path.display())));
        };
        let rows = Rows { path: path.to_owned(), after: first, chunk: VecDeque::new(), over: false };
        Ok(Self { path: path.to_owned(), file, rows, snapshots, failed: false })
    }

    /// The notes of all parts, by part and key.
    pub fn notes(&self) -> Result<Vec<Note>, StoreError> {
        notes(&self.path, &self.file)
    }

    /// Whether the columns for people say what the record does.
    pub(super) fn is_shown_right(&self, sequence: u64, record: &Record) -> Result<bool, StoreError> {
        let read = || -> rusqlite::Result<(String, String)> {
            self.file
                .prepare_cached("SELECT kind, numbers FROM journal WHERE sequence = ?")?
                .query_row([sequence], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        let shown = read().map_err(|error| file::failed(&self.path, "read", &error))?;
        Ok(shown == describe::record(record))
    }

    fn entry(&mut self) -> Result<Option<JournalEntry>, StoreError> {
        if let Some(&sequence) = self.snapshots.front()
            && sequence <= self.rows.after
        {
            self.snapshots.pop_front();
            let stored = self
                .file
                .query_row("SELECT sequence, now, state, crc FROM snapshots WHERE sequence = ?", [sequence], Stored::of)
                .map_err(|error| file::failed(&self.path, "read", &error))?;
            let stored = stored.check(&self.path, "the snapshot after record")?;
            return Ok(Some(JournalEntry::Snapshot(stored.sequence, stored.blob)));
        }
        let Some(stored) = self.rows.next(&self.file)? else {
            if let Some(sequence) = self.snapshots.front() {
                return Err(file::damaged(&self.path, &format!("the records before snapshot {sequence} are missing")));
            }
            return Ok(None);
        };
        let sequence = stored.sequence;
        Ok(Some(JournalEntry::Record(sequence, stored.record(&self.path)?)))
    }
}

impl Iterator for JournalReader {
    type Item = Result<JournalEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.entry().transpose();
        self.failed = matches!(entry, Some(Err(_)));
        entry
    }
}
