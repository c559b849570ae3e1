//! What the engine refuses.

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
    #[error("snapshot of format {found}, expected {expected}: restore it with the version that wrote it")]
    Version {
        /// The format found.
        found: u32,
        /// The format known.
        expected: u32,
    },
    /// Readable, but it contradicts itself.
    #[error("snapshot contradicts itself: {0}")]
    Inconsistent(#[from] Inconsistent),
}
