//! What is kept for how long.

use ccbs_engine::Millis;
use rusqlite::{Connection, params};

use super::SqliteSettings;

/// Snapshots that are kept lie so far apart, in parts of the retention.
pub(super) const SPACING: u64 = 8;

/// Rows removed by a commit beyond the number that it adds: the end of the journal never takes long to cut.
const SWEEP: usize = 256;

/// Where what is kept begins: at a snapshot, from which everything later can be repeated. What a transaction makes of
/// it holds when that is committed: the records that a snapshot replaces must not go before it is there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Horizon {
    /// The sequence of that snapshot.
    begin: u64,
    /// Whether records before it may still be there.
    sweeping: bool,
}

impl Horizon {
    pub(super) fn of(file: &Connection, settings: SqliteSettings) -> rusqlite::Result<Self> {
        Self { begin: 0, sweeping: true }.advanced(file, settings)
    }

    /// A snapshot was added: those that nobody needs go, and the horizon moves on.
    pub(super) fn advanced(self, file: &Connection, settings: SqliteSettings) -> rusqlite::Result<Self> {
        let kept: Vec<(u64, Millis)> = file
            .prepare_cached("SELECT sequence, now FROM snapshots ORDER BY sequence")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some(&(newest, now)) = kept.last() else { return Ok(self) };
        let retention = Millis::try_from(settings.retention.as_millis()).unwrap_or(Millis::MAX);
        let old = |&&(sequence, at): &&(u64, Millis)| {
            now.saturating_sub(at) >= retention || newest - sequence >= settings.retention_records
        };
        let begin = kept.iter().rev().find(old).map_or(kept[0].0, |&(sequence, _)| sequence);
        let mut before: Option<(u64, Millis)> = None;
        let mut delete = file.prepare_cached("DELETE FROM snapshots WHERE sequence = ?")?;
        for &(sequence, at) in &kept {
            let near = before.is_some_and(|(before, then)| {
                at.saturating_sub(then) < retention / SPACING
                    && sequence - before < settings.retention_records / SPACING
            });
            if sequence < begin || (near && sequence != newest) {
                delete.execute([sequence])?;
            } else {
                before = Some((sequence, at));
            }
        }
        Ok(Self { begin, sweeping: self.sweeping || begin != self.begin })
    }

    /// Removes some of the records before the horizon, as part of a commit of so many.
    pub(super) fn swept(self, file: &Connection, added: usize) -> rusqlite::Result<Self> {
        let mut sweeping = self.sweeping;
        if sweeping {
            let most = SWEEP.saturating_add(added.saturating_mul(2));
            let removed = file
                .prepare_cached(
                    "DELETE FROM journal WHERE sequence IN \
                     (SELECT sequence FROM journal WHERE sequence <= ? ORDER BY sequence LIMIT ?)",
                )?
                .execute(params![self.begin, i64::try_from(most).unwrap_or(i64::MAX)])?;
            sweeping = removed == most;
        }
        Ok(Self { sweeping, ..self })
    }
}
