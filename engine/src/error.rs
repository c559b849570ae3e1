//! What the engine refuses.

use std::io::ErrorKind;

use thiserror::Error;

use crate::{LineId, OutOfRange};

/// An event that was refused; it changed nothing but the counter `events_refused`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A handle that `Engine::line` did not give.
    #[error("line handle {} is unknown: use the number, or a handle given by Engine::line", .0.0)]
    UnknownLine(LineId),
    /// A number that cannot be a line's.
    #[error("number of {length} bytes: a line's number has 1–{max}")]
    InvalidNumber {
        /// Its length in bytes.
        length: usize,
        /// The most allowed.
        max: usize,
    },
    /// A profile with a setting outside its range.
    #[error("profile: {0}")]
    Profile(#[from] OutOfRange),
}

/// A rule of the engine's own that its state breaks; see `Engine::check`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Inconsistent(pub String);

/// A snapshot that cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Not a snapshot, or cut short.
    #[error("not a snapshot of the engine, or damaged: {0}")]
    Malformed(String),
    /// Written by a version whose format is not known here.
    #[error("snapshot of format {found}, expected {oldest} to {newest}: restore it with the version that wrote it")]
    Version {
        /// The format found.
        found: u32,
        /// The oldest format known.
        oldest: u32,
        /// The newest format known, which is the one that is written.
        newest: u32,
    },
    /// Readable, but it contradicts itself.
    #[error("snapshot contradicts itself: {0}")]
    Inconsistent(#[from] Inconsistent),
}

impl SnapshotError {
    /// Why reading stopped at byte `at` of `length`, in the head or after it.
    pub(crate) fn of_reading(error: &rmp_serde::decode::Error, at: u64, length: usize, in_head: bool) -> Self {
        use rmp_serde::decode::Error::{InvalidDataRead, InvalidMarkerRead};
        Self::Malformed(match error {
            InvalidMarkerRead(found) | InvalidDataRead(found) if found.kind() == ErrorKind::UnexpectedEof => {
                format!("it ends after {length} bytes, cut short")
            }
            _ if in_head => "it does not begin as one".to_owned(),
            _ => format!("what stands before byte {at} of {length} is not what the engine writes"),
        })
    }
}
