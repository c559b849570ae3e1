//! Call back on busy as a pure state machine: lines, offers, orders, queues.
//!
//! Inputs are `(now, Event)`, outputs are [`Action`]s; nothing here reads a clock, a socket or a random
//! number, and the same inputs give the same outputs, byte for byte.
#![forbid(unsafe_code)]

mod action;
mod event;
mod profile;
mod reason;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use action::{Action, AttemptFailure, Prompt, ReleaseReason, Reply, Step};
pub use event::{ConnectOutcome, Event, FailCause, LineKind, LineRef, PlayOutcome, RingOutcome};
pub use profile::{Drive, Limits, OutOfRange, Profile};
pub use reason::{Denial, EndReason};

/// A subscriber's number as dialled.
pub type Number = Arc<str>;

/// Unix time in milliseconds.
pub type Millis = u64;

/// A line's handle, dense from 0, given at the first sight of its number and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineId(pub u32);

/// An order's identity, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderId(pub u64);

/// A recall's identity (one attempt of one order), never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecallId(pub u64);
