//! Checking a store, and making it small.

use std::path::Path;

use ccbs_engine::{Engine, Millis};

use super::lock::Lock;
use super::read::{JournalEntry, JournalReader};
use super::{StoreError, file};

/// What a check of a store has found in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Snapshots; each but the first was compared with the state that the records before it lead to.
    pub snapshots: u64,
    /// Records, repeated through the engine.
    pub records: u64,
    /// Notes of other parts.
    pub notes: u64,
    /// Orders that stand after the last record.
    pub orders: u64,
    /// When the first record was (Unix ms); 0 without one.
    pub from: Millis,
    /// When the last record was (Unix ms); 0 without one.
    pub until: Millis,
}

/// Checks a store, which may be in use: every page of the file and every sum, and repeats the records through the
/// engine, which must come by every snapshot. `go_on` is asked now and then; `None` when it says no.
pub fn verify(path: &Path, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Verified>, StoreError> {
    check(path, go_on).map_err(file::after_a_check)
}

fn check(path: &Path, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Verified>, StoreError> {
    file::pages(path, &file::open_for_reading(path)?, "integrity_check")?;
    let mut reader = JournalReader::open(path)?;
    let mut found = Verified { notes: reader.notes()?.len() as u64, ..Verified::default() };
    let mut engine: Option<Engine> = None;
    let mut actions = Vec::new();
    while let Some(entry) = reader.next() {
        match entry? {
            JournalEntry::Snapshot(sequence, state) => {
                found.snapshots += 1;
                if let Some(engine) = &engine {
                    if engine.snapshot() != state {
                        let what =
                            format!("the records up to {sequence} lead to another state than the snapshot there");
                        return Err(file::damaged(path, &what));
                    }
                } else {
                    let restored = Engine::restore(&state).map_err(|error| {
                        file::damaged(path, &format!("the snapshot after record {sequence}: {error}"))
                    });
                    engine = Some(restored?);
                }
            }
            JournalEntry::Record(sequence, record) => {
                if !reader.is_shown_right(sequence, &record)? {
                    let what = format!("kind and numbers of record {sequence} are not those of the record");
                    return Err(file::damaged(path, &what));
                }
                found.records += 1;
                if found.from == 0 {
                    found.from = record.now;
                }
                found.until = record.now;
                if let Some(engine) = &mut engine {
                    record.apply(engine, &mut actions);
                    actions.clear();
                }
                if found.records.is_multiple_of(4_096) && !go_on() {
                    return Ok(None);
                }
            }
        }
    }
    found.orders = engine.map_or(0, |engine| engine.orders().count() as u64);
    Ok(Some(found))
}

/// Gives the room of what was removed back to the disk; the store must not be in use. How many bytes the file had
/// before and has now.
pub fn compact(path: &Path) -> Result<(u64, u64), StoreError> {
    let size = || file::found(path).map(|found| found.len());
    size()?;
    let _lock = Lock::take(path)?;
    let file = file::open_for_writing(path)?;
    let before = size()?;
    file.execute_batch("VACUUM").map_err(|error| file::failed(path, "compacted", &error))?;
    file::checkpoint(&file, "TRUNCATE").map_err(|error| file::failed(path, "compacted", &error))?;
    Ok((before, size()?))
}
