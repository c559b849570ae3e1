//! Recordings: the committed inputs of a run in one file, from which the run can be repeated.
//!
//! # Layout
//!
//! A file is a row of frames. A frame is a head of twelve bytes and a body:
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | length of the body, little-endian, 1 to [`LONGEST_BODY`] |
//! | 4–7 | CRC-32 (IEEE) of the body, little-endian |
//! | 8–11 | CRC-32 of bytes 0–7, little-endian |
//! | 12– | the body: one byte that says what it is, then its content |
//!
//! | first byte | content |
//! |---|---|
//! | `H` | head of the file, the first frame: `MessagePack` array `["ccbs-recording", VERSION]` |
//! | `S` | a snapshot of the engine, as [`ccbs_engine::Engine::snapshot`] writes it: the state before the records that follow. The second frame is one; others may follow where a store keeps them |
//! | `R` | a [`Record`]: `MessagePack` with named fields, `{"now": Unix ms, "input": "Timers"}` or `{"now": …, "input": {"Events": [{"LineBusy": {"line": {"Number": "101"}}}, …]}}` or `{"now": …, "input": {"Lines": ["101", …]}}` or `{"now": …, "input": {"Started": {"orders_total": …, …}}}` |
//!
//! A file may end within a frame: whoever wrote it was stopped. Anything else that does not fit is damage.

mod read;
mod write;

use std::io::{self, ErrorKind};
use std::path::Path;

use thiserror::Error;

use crate::store::{Record, StoreError};

pub use read::{Entry, Recording};
pub use write::{Recorded, Recorder, RecorderSettings};

/// The longest body of a frame (bytes).
pub const LONGEST_BODY: u32 = 1 << 30;

/// The layout's version; one more with each change of what is written. Version 1 had no `Lines`, version 2 no
/// `Started`, version 3 no outcome `NotTried`; they are read too.
pub const VERSION: u32 = 4;

const OLDEST: u32 = 1;

const NAME: &str = "ccbs-recording";
const HEAD: usize = 12;

const FILE_HEAD: u8 = b'H';
const SNAPSHOT: u8 = b'S';
const RECORD: u8 = b'R';

/// Why a recording cannot be made or read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// There is no path.
    #[error("the path is empty; expected that of a file")]
    NoPath,
    /// The system refused to have it read.
    #[error("{path}: {error}; expected a file that `ccbs serve --record` wrote, or a store; check the path")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The system refused to have it written.
    #[error("{path}: {error}; {}", way_out(error))]
    Unwritable {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The state or an input that it would begin with has no form in it.
    #[error("{path}: {why}, so there is no recording of this run")]
    NoForm {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A directory, a pipe, a device: some would hold up whoever opens them, others have no end.
    #[error("{path} is no regular file; expected {expected}")]
    Irregular {
        /// Which file.
        path: String,
        /// What was expected there.
        expected: &'static str,
    },
    /// Something else is there, which would be lost.
    #[error("{path} is no recording and would be replaced; expected {FREE}")]
    Occupied {
        /// Which file.
        path: String,
    },
    /// It is one of the files that the store writes.
    #[error("{path} is a file of the store; expected a path of the recording's own")]
    OfStore {
        /// Which file.
        path: String,
    },
    /// It is no recording.
    #[error("{path} is no recording: {why}; expected a file that `ccbs serve --record` wrote")]
    Foreign {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It is a store that cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its layout is of another version.
    #[error(
        "{path} is a recording of version {found}, expected {OLDEST} to {VERSION}: read it with the ccbs that wrote it"
    )]
    Version {
        /// Which file.
        path: String,
        /// The version found.
        found: u32,
    },
    /// A frame is not as it was written.
    #[error("{path} is damaged at byte {at}: {why}; what follows cannot be trusted, restore the file from a copy")]
    Damaged {
        /// Which file.
        path: String,
        /// Where the frame begins.
        at: u64,
        /// What is wrong.
        why: String,
    },
}

impl RecordingError {
    fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), error }
    }

    fn unwritable(path: &Path, error: io::Error) -> Self {
        Self::Unwritable { path: path.display().to_string(), error }
    }
}

/// Where a recording may begin.
const FREE: &str = "a path where nothing is, or an older recording";

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "make room for it",
        _ => "its directory must be there, and ccbs be allowed to write in it",
    }
}

/// A frame with this body; `None` when it is too long.
fn frame(kind: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(content.len() + 1).ok().filter(|&length| length <= LONGEST_BODY)?;
    let mut bytes = Vec::with_capacity(HEAD + content.len() + 1);
    bytes.extend_from_slice(&length.to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    sum.update(content);
    bytes.extend_from_slice(&sum.finalize().to_le_bytes());
    let head_sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&head_sum.to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(content);
    Some(bytes)
}

fn record_frame(record: &Record) -> Option<Vec<u8>> {
    frame(RECORD, &rmp_serde::to_vec_named(record).ok()?)
}
