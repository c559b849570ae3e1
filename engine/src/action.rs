//! What to do: the outputs of the engine.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::reason::{Denial, EndReason};
use crate::{Number, OrderId, RecallId};

/// A prompt that the caller hears in a recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Prompt {
    /// «Активирована услуга Автодозвон».
    Activated,
    /// The callee is busy again.
    BusyAgain,
    /// The callee does not answer, declined, or could not be reached.
    NoAnswer,
    /// The attempts are used up.
    AttemptsUsedUp,
}

/// Why the engine asks for a recall's legs to be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReleaseReason {
    /// The attempt did not complete the order.
    AttemptFailed,
    /// The order was cancelled, fulfilled otherwise, or its line or service went away.
    OrderEnded,
    /// The outside did not answer within its time.
    Overdue,
}

/// Why an attempt did not complete the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AttemptFailure {
    /// №2 did not lift the handset.
    CallerNoAnswer,
    /// №2's phone said busy.
    CallerBusy,
    /// №2 declined the call.
    CallerDeclined,
    /// №2 could not be called.
    CallerUnreachable,
    /// №2 hung up in the prompt or while №1 rang.
    CallerGone,
    /// №1 was busy.
    CalleeBusy,
    /// №1 did not answer.
    CalleeNoAnswer,
    /// №1 declined.
    CalleeDeclined,
    /// №1 could not be called.
    CalleeUnreachable,
    /// The switch failed, or did not answer in time.
    SwitchFailed,
    /// The switch could not even try to call №2: the attempt is not used.
    NotTried,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The order was accepted.
    Accepted {
        /// Its identity.
        order: OrderId,
        /// Whom it is for.
        callee: Number,
        /// Its place in the callee's queue, from 1.
        place: u32,
    },
    /// The same order stands already; nothing about it changed.
    Confirmed {
        /// Its identity.
        order: OrderId,
        /// Whom it is for.
        callee: Number,
        /// Its place in the callee's queue, from 1.
        place: u32,
    },
    /// The order was refused.
    Denied {
        /// Why.
        denial: Denial,
    },
    /// These orders were cancelled, oldest first; never empty.
    Cancelled {
        /// The orders that ended.
        orders: Vec<OrderId>,
    },
    /// There was nothing to cancel, or nothing is ordered.
    NothingOrdered,
    /// The caller's orders, oldest first; never empty.
    Ordered {
        /// The callees.
        callees: Vec<Number>,
    },
}

/// A step in the life of an order, for the log, the pages and the one who watches. Needs no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The order was accepted.
    Accepted {
        /// Its place in the callee's queue, from 1.
        place: u32,
        /// When the CB timer expires (Unix ms); `None` in profile `ccbs`, where the callee decides.
        due: Option<u64>,
        /// When its life is over (Unix ms).
        expires: u64,
    },
    /// Profile `ccbs`: the callee is not available (any more); the order keeps its place and waits.
    CalleeBusy,
    /// Profile `ccbs`: the callee is available, and its idle guard runs.
    CalleeFree {
        /// When the guard is over (Unix ms).
        due: u64,
    },
    /// Profile `ccbs`: the callee's state cannot be seen; the order is tried when the wait is over.
    Polling {
        /// When it is tried (Unix ms).
        due: u64,
    },
    /// Profile `ccbs`: the callee did not answer; the order is of kind NR from now on.
    TurnedNoReply {
        /// When its life is over (Unix ms).
        expires: u64,
    },
    /// The order would be recalled but its caller is busy.
    Suspended,
    /// Its caller was free for the guard time.
    Resumed,
    /// An attempt began: the call to the caller is sent.
    AttemptBegan {
        /// Which, from 1.
        attempt: u32,
        /// Out of how many; `None` where only the order's life bounds them.
        attempts: Option<u32>,
    },
    /// The caller lifted the handset.
    CallerAnswered,
    /// The call to the callee is sent.
    CalleeCalled,
    /// The attempt is over without completing the order.
    AttemptFailed {
        /// Which, from 1.
        attempt: u32,
        /// Out of how many; `None` where only the order's life bounds them.
        attempts: Option<u32>,
        /// Why.
        failure: AttemptFailure,
        /// When the CB timer expires next, or the order is tried again (Unix ms); `None` when it ends, or waits
        /// for its callee or caller.
        due: Option<u64>,
    },
    /// The order ended.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// One thing to do or to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Answer a request.
    Reply {
        /// The request.
        request: u64,
        /// The answer.
        reply: Reply,
    },
    /// Call the caller's phone, showing the callee's number. Answered by `RingOutcome`.
    Ring {
        /// The recall that begins.
        recall: RecallId,
        /// The order it serves.
        order: OrderId,
        /// Whom to ring.
        caller: Number,
        /// Whose number to show.
        callee: Number,
        /// How long to ring (ms).
        timeout_ms: u64,
    },
    /// Play prompts, one after the other, to the caller. Answered by `PlayOutcome`.
    Play {
        /// The recall.
        recall: RecallId,
        /// The order it serves.
        order: OrderId,
        /// Which `Play` of the recall, from 1; comes back in the outcome.
        play: u32,
        /// What to play, in this order.
        prompts: Cow<'static, [Prompt]>,
    },
    /// Call the callee, showing the caller's number, and join the two. Answered by `ConnectOutcome`.
    Connect {
        /// The recall.
        recall: RecallId,
        /// The order it serves.
        order: OrderId,
        /// Whose number to show.
        caller: Number,
        /// Whom to call.
        callee: Number,
        /// How long to ring (ms).
        timeout_ms: u64,
    },
    /// End whatever the recall has: a call that rings, a prompt, a leg. Answered by `Released`.
    Release {
        /// The recall.
        recall: RecallId,
        /// The order it serves.
        order: OrderId,
        /// Why.
        reason: ReleaseReason,
    },
    /// Tell of a step in the life of an order.
    Step {
        /// The order.
        order: OrderId,
        /// Who ordered.
        caller: Number,
        /// For whom.
        callee: Number,
        /// What happened.
        step: Step,
    },
}
