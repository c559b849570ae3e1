//! Packed actions: 64 bytes each.

mod pack;
mod unpack;

use super::{Field, long, word};
use crate::Number;
use crate::action::{AttemptFailure, Prompt, ReleaseReason};
use crate::reason::{Denial, EndReason};

pub(super) use pack::Packer;
pub(super) use unpack::unpack;

/// The length of a packed action.
pub const ACTION_BYTES: usize = 64;

/// The kinds of packed actions, from 1.
pub const ACTION_KINDS: [&str; 6] = ["reply", "ring", "play", "connect", "release", "step"];

/// The codes of a reply.
pub const REPLIES: [&str; 6] = ["accepted", "confirmed", "denied", "cancelled", "nothing-ordered", "ordered"];

/// The codes of a step.
pub const STEPS: [&str; 12] = [
    "accepted",
    "suspended",
    "resumed",
    "attempt-began",
    "caller-answered",
    "callee-called",
    "callee-busy",
    "callee-free",
    "polling",
    "turned-no-reply",
    "attempt-failed",
    "ended",
];

/// The codes of a prompt.
pub const PROMPTS: [Prompt; 4] = [Prompt::Activated, Prompt::BusyAgain, Prompt::NoAnswer, Prompt::AttemptsUsedUp];

/// The codes of why a recall is released.
pub const RELEASE_REASONS: [ReleaseReason; 3] =
    [ReleaseReason::AttemptFailed, ReleaseReason::OrderEnded, ReleaseReason::Overdue];

/// The details of a reply `denied`.
pub const DENIALS: [Denial; 6] = [
    Denial::NotAllowed,
    Denial::NoOffer,
    Denial::OwnNumber,
    Denial::CallerLimit,
    Denial::CalleeLimit,
    Denial::Overload,
];

/// The details of a step `attempt-failed`.
pub const FAILURES: [AttemptFailure; 11] = [
    AttemptFailure::CallerNoAnswer,
    AttemptFailure::CallerBusy,
    AttemptFailure::CallerDeclined,
    AttemptFailure::CallerUnreachable,
    AttemptFailure::CallerGone,
    AttemptFailure::CalleeBusy,
    AttemptFailure::CalleeNoAnswer,
    AttemptFailure::CalleeDeclined,
    AttemptFailure::CalleeUnreachable,
    AttemptFailure::SwitchFailed,
    AttemptFailure::NotTried,
];

/// The details of a step `ended`.
pub const END_REASONS: [EndReason; 12] = [
    EndReason::Completed,
    EndReason::FulfilledByOtherCall,
    EndReason::Cancelled,
    EndReason::CancelledByOperator,
    EndReason::Expired,
    EndReason::AttemptsExhausted,
    EndReason::CallerNoAnswer,
    EndReason::CalleeNoAnswer,
    EndReason::CalleeDeclined,
    EndReason::CallerGone,
    EndReason::CalleeGone,
    EndReason::ServiceOff,
];

/// Actions as packed records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedActions {
    /// The records, [`ACTION_BYTES`] each. An action with a list is as many records as its list is long.
    pub records: Vec<u8>,
    /// The numbers of lines without a handle; a field names them by its place here and [`IN_NUMBERS`].
    pub numbers: Vec<Number>,
}

macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $offset:literal),+ $(,)?) => {
        /// The layout of a packed action. A field that its kind and code do not use is 0.
        pub const ACTION_FIELDS: [Field; 15] =
            [$(Field { name: stringify!($name), offset: $offset, bytes: size_of::<$type>() }),+];

        /// A packed action, field by field.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        struct Record {
            $($(#[$doc])* $name: $type,)+
        }

        impl Record {
            fn write(&self, into: &mut Vec<u8>) {
                $(into.extend_from_slice(&self.$name.to_le_bytes());)+
            }

            /// The first field in which another record differs, and its value there.
            fn difference(&self, other: &Self) -> Option<(&'static str, u64)> {
                $(if self.$name != other.$name {
                    return Some((stringify!($name), u64::from(other.$name)));
                })+
                None
            }
        }
    };
}

layout! {
    kind: u8 = 0,
    code: u8 = 1,
    /// Denial, failure or reason.
    detail: u8 = 2,
    /// How many records of the same action follow.
    more: u8 = 3,
    caller: u32 = 4,
    callee: u32 = 8,
    play: u32 = 12,
    place: u32 = 16,
    attempt: u32 = 20,
    /// 0: only the order's life bounds them.
    attempts: u32 = 24,
    timeout_ms: u32 = 28,
    order: u64 = 32,
    /// The request of a reply; else the recall.
    id: u64 = 40,
    due: u64 = 48,
    expires: u64 = 56,
}

impl Record {
    fn read(bytes: &[u8; ACTION_BYTES]) -> Self {
        let [kind, code, detail, more, ..] = *bytes;
        Self {
            kind,
            code,
            detail,
            more,
            caller: word(bytes, 4),
            callee: word(bytes, 8),
            play: word(bytes, 12),
            place: word(bytes, 16),
            attempt: word(bytes, 20),
            attempts: word(bytes, 24),
            timeout_ms: word(bytes, 28),
            order: long(bytes, 32),
            id: long(bytes, 40),
            due: long(bytes, 48),
            expires: long(bytes, 56),
        }
    }
}
