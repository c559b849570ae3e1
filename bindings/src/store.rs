//! The store in a file, and what can be done with one.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use ccbs_driver::{Input, JournalEntry, JournalReader, SqliteSettings, StoreError};
use ccbs_engine::LineRef;
use pyo3::prelude::*;

use crate::error::Error;
use crate::record::{Given, Number, record};
use crate::story::go_on;

record! {
    /// A store in a file.
    StoreFile {
        path: PathBuf,
        snapshot_records: u64 = 10_000,
        retention_s: u32 = 86_400,
        retention_records: u64 = 1_000_000,
    } "(path, snapshot_records=10000, retention_s=86400, retention_records=1000000)"
    /// What a driver has found in its store.
    Recovered { restarted: bool, records: u64, until: u64, orders: u64, behind_ms: u64 }
    /// What a check of a store has found in order.
    Verified { snapshots: u64, records: u64, notes: u64, orders: u64, since: u64, until: u64 }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<StoreFile>()?;
    module.add_class::<Recovered>()?;
    module.add_class::<Verified>()?;
    module.add_function(wrap_pyfunction!(is_store, module)?)?;
    module.add_function(wrap_pyfunction!(verify_store, module)?)?;
    module.add_function(wrap_pyfunction!(compact_store, module)?)?;
    module.add_function(wrap_pyfunction!(export_store, module)?)
}

impl StoreFile {
    pub(crate) fn settings(&self) -> Result<SqliteSettings, Error> {
        if self.snapshot_records == 0 {
            return Err(Error::invalid("store.snapshot_records", "0 is below 1"));
        }
        Ok(SqliteSettings {
            snapshot_records: self.snapshot_records,
            retention: Duration::from_secs(self.retention_s.into()),
            retention_records: self.retention_records,
        })
    }
}

impl From<&ccbs_driver::Recovered> for Recovered {
    fn from(found: &ccbs_driver::Recovered) -> Self {
        Self {
            restarted: found.restarted,
            records: found.records,
            until: found.until,
            orders: found.orders,
            behind_ms: found.behind,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error.message)
    }
}

/// Whether a file is a store, and no recording.
#[pyfunction]
#[pyo3(text_signature = "(path)")]
fn is_store(path: Given<PathBuf>) -> Result<bool, Error> {
    Ok(ccbs_driver::is_store(&path.named("path")?))
}

/// Checks a store: its pages, its sums, and that its records lead from snapshot to snapshot.
#[pyfunction]
#[pyo3(text_signature = "(path)")]
fn verify_store(py: Python<'_>, path: Given<PathBuf>) -> Result<Verified, Error> {
    let path = path.named("path")?;
    let mut interrupted = None;
    let found = py.detach(|| ccbs_driver::verify(&path, &mut || go_on(&mut interrupted)));
    if let Some(error) = interrupted {
        return Err(Error::Python(error));
    }
    let found = found?.unwrap_or_default();
    Ok(Verified {
        snapshots: found.snapshots,
        records: found.records,
        notes: found.notes,
        orders: found.orders,
        since: found.from,
        until: found.until,
    })
}

/// Gives the room of what was removed back to the disk; bytes before and after.
#[pyfunction]
#[pyo3(text_signature = "(path)")]
fn compact_store(py: Python<'_>, path: Given<PathBuf>) -> Result<(u64, u64), Error> {
    let path = path.named("path")?;
    Ok(py.detach(|| ccbs_driver::compact(&path))?)
}

/// Gives the records of a store as lines of JSON, some at a time, to `write`.
#[pyfunction]
#[pyo3(
    signature = (path, write, *, number = Given(Ok(None)), most = Given(Ok(None))),
    text_signature = "(path, write, *, number=None, most=None)"
)]
fn export_store(
    py: Python<'_>,
    path: Given<PathBuf>,
    write: &Bound<'_, PyAny>,
    number: Given<Option<Number>>,
    most: Given<Option<usize>>,
) -> Result<u64, Error> {
    let (path, number, most) = (path.named("path")?, number.named("number")?, most.named("most")?);
    let mut reader = py.detach(|| JournalReader::open(&path))?;
    let mut last = std::collections::VecDeque::new();
    let mut count = 0;
    loop {
        let (lines, over) = py.detach(|| chunk(&mut reader, number.as_ref()))?;
        py.check_signals()?;
        count += lines.len() as u64;
        if let Some(most) = most {
            last.extend(lines);
            last.drain(..last.len().saturating_sub(most));
        } else if !lines.is_empty() {
            write.call1((lines.concat(),))?;
        }
        if over {
            break;
        }
    }
    if !last.is_empty() {
        write.call1((last.make_contiguous().concat(),))?;
    }
    Ok(count)
}

/// Some records as lines, and whether there are no more.
fn chunk(reader: &mut JournalReader, number: Option<&Number>) -> Result<(Vec<String>, bool), StoreError> {
    let mut lines = Vec::new();
    for _ in 0..1_024 {
        let (sequence, record) = match reader.next().transpose()? {
            Some(JournalEntry::Record(sequence, record)) => (sequence, record),
            Some(JournalEntry::Snapshot(..)) => continue,
            None => return Ok((lines, true)),
        };
        if number.is_some_and(|number| !names(&record.input, &number.0)) {
            continue;
        }
        let input = serde_json::to_string(&record.input)
            .map_err(|error| StoreError::broken(format!("record {sequence} has no form in JSON: {error}")))?;
        let mut line = String::new();
        // Writing to a text cannot fail.
        let _ = writeln!(line, "{{\"sequence\":{sequence},\"now\":{},\"input\":{input}}}", record.now);
        lines.push(line);
    }
    Ok((lines, false))
}

/// Whether an input names a number.
fn names(input: &Input, wanted: &str) -> bool {
    let is = |line: &LineRef| matches!(line, LineRef::Number(number) if number == wanted);
    match input {
        Input::Timers | Input::Started(_) => false,
        Input::Lines(numbers) => numbers.iter().any(|number| number == wanted),
        Input::Events(events) => events.iter().any(|event| {
            let (one, other) = event.lines();
            one.is_some_and(is) || other.is_some_and(is)
        }),
    }
}
