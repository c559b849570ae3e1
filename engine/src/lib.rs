//! Call back on busy as a pure state machine: lines, offers, orders, queues.
//!
//! Inputs are `(now, Event)`, outputs are [`Action`]s; nothing here reads a clock, a socket or a random
//! number, and the same inputs give the same outputs, byte for byte.
#![forbid(unsafe_code)]

mod action;
mod callee;
mod canonical;
mod check;
mod counters;
mod deadlines;
mod effects;
mod eligible;
mod engine;
mod error;
mod event;
mod facts;
mod known;
pub mod life;
mod line;
pub mod line_life;
mod look;
mod lookup;
mod offer;
mod order;
mod outcome;
pub mod packed;
mod profile;
mod profiles;
mod reason;
mod recall;
mod requests;
mod snapshot;
mod state;
mod ties;
mod token;
mod turn;
mod view;
#[cfg(any(test, feature = "watch"))]
pub mod watch;
mod written;

use serde::{Deserialize, Serialize};

pub use action::{Action, AttemptFailure, Prompt, ReleaseReason, Reply, Step};
pub use counters::COUNTERS;
pub use engine::Engine;
pub use error::{EngineError, Inconsistent, SnapshotError};
pub use event::{ConnectOutcome, Event, FailCause, LineKind, LineRef, PlayOutcome, RingOutcome};
pub use line::LONGEST_NUMBER;
pub use look::{LineLook, Look};
pub use profile::{Drive, Limits, OrderKind, OutOfRange, Profile};
pub use reason::{Denial, EndReason};
pub use view::{LineView, OrderView};

/// A subscriber's number as dialled: sixteen bytes, with up to fifteen characters among them, as many as
/// E.164 allows. A longer one is shared between its copies.
pub type Number = ecow::EcoString;

/// Unix time in milliseconds.
pub type Millis = u64;

/// A line's handle, given by [`Engine::line`]. A number whose handle was given keeps it for the life of the
/// engine, so a handle never comes to mean another line; numbers that were only ever named are forgotten
/// when nothing refers to them any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineId(pub u32);

/// An order's identity, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderId(pub u64);

/// A recall's identity (one attempt of one order), never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecallId(pub u64);

#[cfg(test)]
mod tests;
