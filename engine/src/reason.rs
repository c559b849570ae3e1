//! Why an order ended, and why a request was refused (standards.md, "Rules").

use serde::{Deserialize, Serialize};

/// Every accepted order ends once, with one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndReason {
    /// The callee answered the recall.
    Completed,
    /// The two talked by a call of their own.
    FulfilledByOtherCall,
    /// The orderer cancelled it.
    Cancelled,
    /// The operator cancelled it.
    CancelledByOperator,
    /// Its life was over.
    Expired,
    /// The last attempt failed (profile `autodial`).
    AttemptsExhausted,
    /// The caller did not answer the recall (profile `ccbs`).
    CallerNoAnswer,
    /// The callee rang at the recall and did not answer (profile `ccbs`).
    CalleeNoAnswer,
    /// The callee declined the recall (profile `ccbs`).
    CalleeDeclined,
    /// The caller left the configuration.
    CallerGone,
    /// The callee left the configuration.
    CalleeGone,
    /// The caller's service was switched off.
    ServiceOff,
}

impl EndReason {
    /// The word used in logs, on the command line and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::FulfilledByOtherCall => "fulfilled-by-other-call",
            Self::Cancelled => "cancelled",
            Self::CancelledByOperator => "cancelled-by-operator",
            Self::Expired => "expired",
            Self::AttemptsExhausted => "attempts-exhausted",
            Self::CallerNoAnswer => "caller-no-answer",
            Self::CalleeNoAnswer => "callee-no-answer",
            Self::CalleeDeclined => "callee-declined",
            Self::CallerGone => "caller-gone",
            Self::CalleeGone => "callee-gone",
            Self::ServiceOff => "service-off",
        }
    }
}

/// Why an order was refused. A refusal is not an end: no order was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Denial {
    /// Long-term: the service is not allowed to this subscriber.
    NotAllowed,
    /// Long-term: the number was not refused to this subscriber within the offer window.
    NoOffer,
    /// Long-term: one's own number.
    OwnNumber,
    /// Short-term: the caller has as many orders as it may.
    CallerLimit,
    /// Short-term: as many orders wait for the callee as may.
    CalleeLimit,
    /// Short-term: the engine holds as many orders as it may.
    Overload,
}

impl Denial {
    /// The word used in logs, on the command line and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not-allowed",
            Self::NoOffer => "no-offer",
            Self::OwnNumber => "own-number",
            Self::CallerLimit => "caller-limit",
            Self::CalleeLimit => "callee-limit",
            Self::Overload => "overload",
        }
    }

    /// Whether trying again later may succeed (`denied-short`); otherwise the denial is `denied-long`.
    pub fn is_short_term(self) -> bool {
        matches!(self, Self::CallerLimit | Self::CalleeLimit | Self::Overload)
    }
}
