//! What happened: the inputs of the engine.

use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::{LineId, Number, OrderId, RecallId};

/// A line, named by its number or by the handle that [`crate::Engine::line`] gave for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LineRef {
    /// By number; a number not seen before becomes an external line.
    Number(Number),
    /// By handle; one that [`crate::Engine::line`] did not give is refused.
    Id(LineId),
}

/// Where a line is, which decides the CB timer of orders for it (service.md, "Set-up" 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LineKind {
    /// A subscriber of this switch.
    Internal,
    /// Behind a trunk.
    External,
}

/// Why a call did not reach the callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailCause {
    /// 486, 600, or the switch's own refusal of a call to a line at capacity (kind BS).
    Busy,
    /// The callee rang and nobody answered (kind NR).
    NoReply,
    /// The callee has no registered phone (kind NL).
    NotLoggedIn,
    /// Declined, an unknown number, a fault: nothing to wait for.
    Other,
}

/// How the call to the caller (№2) ended its ringing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RingOutcome {
    /// The caller lifted the handset.
    Answered,
    /// The caller's phone said 486 or 600.
    Busy,
    /// Nobody lifted the handset within the time given.
    NoAnswer,
    /// The caller's phone said 603.
    Declined,
    /// The caller has no registered phone.
    Unreachable,
    /// The switch tried to place the call and failed: the phone may have been reached.
    Failed,
    /// The switch could not even try: nothing was sent, no phone can have been reached. The attempt is not used.
    NotTried,
}

/// How a prompt to the caller ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PlayOutcome {
    /// Heard to its end.
    Played,
    /// The caller hung up while it played.
    CallerGone,
    /// The switch could not play it; the recall goes on without.
    Failed,
}

/// How the call to the callee (№1) on the caller's behalf ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConnectOutcome {
    /// The callee answered and the two were joined.
    Answered,
    /// 486, 600, or at capacity.
    Busy,
    /// Nobody answered within the time given.
    NoAnswer,
    /// 603.
    Declined,
    /// The callee has no registered phone, or the trunk does not know the number.
    Unreachable,
    /// The caller hung up while the callee rang.
    CallerGone,
    /// The switch could not place the call.
    Failed,
}

/// One fact, request or outcome. Requests carry a number of the asker's choice that comes back in the
/// [`crate::Action::Reply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A line is configured, or its kind changed.
    Line {
        /// The line.
        line: LineRef,
        /// Where it is.
        kind: LineKind,
    },
    /// A line left the configuration: its orders end `caller-gone` or `callee-gone`.
    LineRemoved {
        /// The line.
        line: LineRef,
    },
    /// The service of a line as orderer: its profile, or `None` to switch the service off, which ends the
    /// orders it placed with `service-off`. Changed numbers hold for orders accepted from then on.
    Service {
        /// The orderer.
        line: LineRef,
        /// The numbers of its service.
        profile: Option<Box<Profile>>,
    },
    /// The line has a call (of any kind, a recall's own leg included).
    LineBusy {
        /// The line.
        line: LineRef,
    },
    /// The line has no call.
    LineFree {
        /// The line.
        line: LineRef,
    },
    /// Nobody can say whether the line has a call.
    LineUnknown {
        /// The line.
        line: LineRef,
    },
    /// A phone of the line registered: orders of kind NL for it are looked at.
    LineRegistered {
        /// The line.
        line: LineRef,
    },
    /// The line has no registered phone any more: orders of profile `ccbs` for it wait until it has.
    LineUnregistered {
        /// The line.
        line: LineRef,
    },
    /// A call failed: opens the offer window of the caller for this callee. Recalls are not reported here.
    CallFailed {
        /// Who called.
        caller: LineRef,
        /// Whom.
        callee: LineRef,
        /// Why it failed.
        cause: FailCause,
    },
    /// A call that is no recall was answered: orders between the two, in either direction, are fulfilled, and
    /// orders of kind NR for either have had the new call that they wait for.
    CallAnswered {
        /// Who called.
        caller: LineRef,
        /// Who answered.
        callee: LineRef,
    },
    /// `*37*B#`, or `*37#` when no callee is named: the last number that failed.
    Order {
        /// Comes back in the reply.
        request: u64,
        /// The authenticated subscriber who orders.
        caller: LineRef,
        /// Whom to be connected with.
        callee: Option<LineRef>,
    },
    /// `#37*B#`, or `#37#` when no callee is named: all orders of the caller.
    Cancel {
        /// Comes back in the reply.
        request: u64,
        /// The authenticated subscriber who cancels.
        caller: LineRef,
        /// Which of his orders.
        callee: Option<LineRef>,
    },
    /// `*#37#`: what is ordered.
    Query {
        /// Comes back in the reply.
        request: u64,
        /// The authenticated subscriber who asks.
        caller: LineRef,
    },
    /// The operator ends one order (`cancelled-by-operator`).
    OperatorCancel {
        /// Comes back in the reply.
        request: u64,
        /// The order.
        order: OrderId,
    },
    /// Answer to [`crate::Action::Ring`].
    RingOutcome {
        /// The recall.
        recall: RecallId,
        /// What became of it.
        outcome: RingOutcome,
    },
    /// Answer to [`crate::Action::Play`].
    PlayOutcome {
        /// The recall.
        recall: RecallId,
        /// Which `Play` of the recall, as the action said.
        play: u32,
        /// What became of it.
        outcome: PlayOutcome,
    },
    /// Answer to [`crate::Action::Connect`].
    ConnectOutcome {
        /// The recall.
        recall: RecallId,
        /// What became of it.
        outcome: ConnectOutcome,
    },
    /// Answer to [`crate::Action::Release`]: both legs of the recall are gone.
    Released {
        /// The recall.
        recall: RecallId,
    },
    /// The process that carried the recalls has started anew: every recall in progress is void, an attempt
    /// that was cut off before it failed counts as not used, and all line states are unknown. Timers that ran
    /// out meanwhile are handled after it.
    Restarted,
}

impl Event {
    /// The lines that it names: whose fact or request it is, and the other, if there is one.
    pub fn lines(&self) -> (Option<&LineRef>, Option<&LineRef>) {
        match self {
            Self::Line { line, .. }
            | Self::LineRemoved { line }
            | Self::Service { line, .. }
            | Self::LineBusy { line }
            | Self::LineFree { line }
            | Self::LineUnknown { line }
            | Self::LineRegistered { line }
            | Self::LineUnregistered { line } => (Some(line), None),
            Self::CallFailed { caller, callee, .. } | Self::CallAnswered { caller, callee } => {
                (Some(caller), Some(callee))
            }
            Self::Order { caller, callee, .. } | Self::Cancel { caller, callee, .. } => (Some(caller), callee.as_ref()),
            Self::Query { caller, .. } => (Some(caller), None),
            Self::OperatorCancel { .. }
            | Self::RingOutcome { .. }
            | Self::PlayOutcome { .. }
            | Self::ConnectOutcome { .. }
            | Self::Released { .. }
            | Self::Restarted => (None, None),
        }
    }
}
