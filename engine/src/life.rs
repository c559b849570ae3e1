//! The life of an order: one table.
//!
//! [`TABLE`] is what the engine runs: an input that meets an order looks up its row by (state, input), the
//! first row whose condition holds gives the next state and what is done on the way. No row: the input means
//! nothing in that state.
//!
//! A line *in a recall* is one of the two lines of an attempt in progress. While it is, its own calls neither
//! suspend nor resume anything.

use serde::{Deserialize, Serialize};

use crate::action::ReleaseReason;
use crate::reason::EndReason;
pub(crate) use crate::state::Asked;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// The CB timer runs (profile `autodial`).
    Waiting,
    /// The callee is not available: it is busy, or has not had the new call that kind NR waits for, or has no
    /// registered phone (profile `ccbs`, as the next three).
    Watching,
    /// The callee is available and its idle guard runs.
    CalleeGuard,
    /// The callee's state cannot be seen: a wait runs, after which it is tried.
    Polling,
    /// The callee's phone said busy or could not be reached though its line is not seen so, or the switch failed
    /// or could not even try: a wait runs, after which it is tried again.
    Retrying,
    /// The same for the caller's phone; where its line turns out to be busy, its release is waited for instead.
    RetryingCaller,
    /// It may be recalled: the order waits for its turn, that is for lines that are in no recall and for the
    /// limits on recalls.
    Queued,
    /// It would be recalled, but its caller is busy.
    Suspended,
    /// Suspended; the caller is free again and the guard time runs.
    Guarding,
    /// Queued; the caller has just left another recall, or nothing is known of the lines yet after a restart,
    /// and the guard time runs.
    Pausing,
    /// The caller's phone rings.
    Ringing,
    /// The caller hears «Активирована услуга Автодозвон».
    Announcing,
    /// The callee's phone rings.
    Calling,
    /// The caller hears why the attempt failed.
    Telling,
    /// The attempt has failed; the recall's legs are being released.
    Releasing,
    /// The attempt is over. What becomes of the order is decided in the same moment: nobody sees it here.
    Failed,
    /// The order has ended in its recall, whose legs are being released. Nothing but its lines knows it.
    Clearing,
    /// Gone.
    Ended,
}

/// What may happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// The CB timer has expired.
    CbTimer,
    /// The callee is not available to this order.
    CalleeBusy,
    /// The callee is available to this order.
    CalleeFree,
    /// Nobody can say whether the callee is available to this order.
    CalleeUnseen,
    /// Another recall, in which the callee's line had a leg, is over.
    CalleeReturned,
    /// The wait for the next try is over.
    WaitOver,
    /// The caller's line became busy, or is found busy when a recall that held it is over.
    CallerBusy,
    /// The caller's line is no longer busy.
    CallerFree,
    /// A recall that held the caller's line is over, and the line is not busy.
    CallerReturned,
    /// The caller's line was taken by another recall.
    CallerTaken,
    /// The guard time, the callee's or the caller's, is over.
    GuardOver,
    /// The order is the next to be recalled.
    Turn,
    /// The caller lifted the handset.
    CallerAnswered,
    /// The call to the caller failed; there is no leg.
    CallerFailed,
    /// The call to the caller could not even be tried.
    NotTried,
    /// The prompt is over.
    Heard,
    /// The caller hung up.
    CallerGone,
    /// The callee answered and the two are joined.
    CalleeAnswered,
    /// The call to the callee failed; the caller's leg is up.
    CalleeFailed,
    /// The recall's legs are gone.
    Released,
    /// The outside did not answer within its time.
    Overdue,
    /// The attempt is over, and why it failed is known.
    Attempted,
    /// The attempt was cut off by a restart before it failed.
    CutOff,
    /// The order's life is over.
    LifeOver,
    /// Cancelled, fulfilled by another call, or a line or the service went away.
    End,
    /// The process that carried the recalls has started anew.
    Restarted,
}

/// The condition of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// None.
    Always,
    /// The caller's line is busy and in no recall.
    CallerBusy,
    /// The order's profile is `ccbs`: the release of the callee drives it.
    ReleaseDriven,
    /// The attempt was the last one.
    LastAttempt,
    /// The order's life is over.
    LifeOver,
    /// `ccbs`: the caller did not answer, or declined.
    CallerSilent,
    /// `ccbs`: the caller hung up.
    CallerGaveUp,
    /// `ccbs`: the callee declined.
    CalleeDeclined,
    /// `ccbs`: the callee did not answer, and that ends the order.
    CalleeSilent,
    /// `ccbs` without retention: the callee was busy again.
    NotRetained,
    /// `ccbs`: the callee did not answer, and that turns the order into kind NR, which has life left.
    TurnsNoReply,
    /// `ccbs`: the callee's phone said busy or could not be reached though its line is not seen so, or the switch
    /// failed, or could not even try though the callee is available.
    NotReached,
    /// `ccbs`: the caller's phone said busy or could not be reached, and nothing is known that keeps the order from
    /// being tried again but this.
    CallerNotReached,
    /// The same, and the caller's line is seen busy.
    CallerSeenBusy,
}

/// What is done on the way, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Step `Suspended`.
    Suspend,
    /// Step `Resumed`.
    Resume,
    /// Start the caller's guard time.
    StartGuard,
    /// Step `CalleeBusy`.
    AwaitCallee,
    /// Start the callee's idle guard; step `CalleeFree`.
    StartCalleeGuard,
    /// Start the wait for the next try, twice as long as the last; step `Polling`.
    StartWait,
    /// Wait for the lines' states after a restart; step `Polling`.
    AwaitLines,
    /// Tell the order whether its callee is available.
    LookAtCallee,
    /// The order is of kind NR from now on; step `TurnedNoReply`.
    TurnNoReply,
    /// Go on at once with another input.
    Then(Input),
    /// Use an attempt, take the two lines, ring the caller.
    Ring,
    /// Play «Активирована услуга Автодозвон».
    Announce,
    /// Call the callee.
    Connect,
    /// Play why the attempt failed.
    TellFailure,
    /// Release the recall's legs.
    Release(ReleaseReason),
    /// The timer of the state before goes on.
    KeepTimer,
    /// The attempt is over: step `AttemptFailed`; the CB timer, or the wait for the next try, starts if the
    /// order goes on with it.
    FailAttempt,
    /// The attempt does not count.
    ReturnAttempt,
    /// The order ends for this reason.
    End(EndReason),
    /// The order ends for the reason that came with the input.
    EndAsTold,
    /// An order of the callee for the caller is fulfilled as well.
    FulfilReverse,
    /// The recall is over: its two lines are free for others.
    FreeLines,
}

/// One transition.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The state before.
    pub from: State,
    /// What happens.
    pub on: Input,
    /// Under which condition.
    pub when: When,
    /// The state after.
    pub to: State,
    /// What is done.
    pub effects: &'static [Effect],
}

pub(crate) const fn row(from: State, on: Input, when: When, to: State, effects: &'static [Effect]) -> Row {
    Row { from, on, when, to, effects }
}

use Effect as E;
use Input as I;
use State as S;
use When::{Always, CallerBusy, LastAttempt, LifeOver, ReleaseDriven};

const EXPIRE: &[Effect] = &[E::End(EndReason::Expired)];
const END: &[Effect] = &[E::EndAsTold];
const END_IN_RECALL: &[Effect] = &[E::Release(ReleaseReason::OrderEnded), E::EndAsTold];
const FAIL_AND_WAIT: &[Effect] = &[E::FailAttempt, E::FreeLines];
const FAIL_AND_SUSPEND: &[Effect] = &[E::FailAttempt, E::Suspend, E::FreeLines];
const FAIL_AND_EXPIRE: &[Effect] = &[E::FailAttempt, E::End(EndReason::Expired), E::FreeLines];
const FAIL_AND_EXHAUST: &[Effect] = &[E::FailAttempt, E::End(EndReason::AttemptsExhausted), E::FreeLines];
const FAIL_AND_CALLER_SILENT: &[Effect] = &[E::FailAttempt, E::End(EndReason::CallerNoAnswer), E::FreeLines];
const FAIL_AND_CALLEE_SILENT: &[Effect] = &[E::FailAttempt, E::End(EndReason::CalleeNoAnswer), E::FreeLines];
const FAIL_AND_DECLINE: &[Effect] = &[E::FailAttempt, E::End(EndReason::CalleeDeclined), E::FreeLines];
const FAIL_AND_CANCEL: &[Effect] = &[E::FailAttempt, E::End(EndReason::Cancelled), E::FreeLines];
const VOID_AND_WAIT: &[Effect] = &[E::FailAttempt, E::ReturnAttempt, E::FreeLines];
const VOID_AND_EXPIRE: &[Effect] = &[E::FailAttempt, E::ReturnAttempt, E::End(EndReason::Expired), E::FreeLines];
const VOID_AND_AWAIT: &[Effect] = &[E::FailAttempt, E::ReturnAttempt, E::FreeLines, E::AwaitLines];
const VOID_AND_LOOK: &[Effect] = &[E::FailAttempt, E::ReturnAttempt, E::FreeLines, E::LookAtCallee];
const FAIL_AND_LOOK: &[Effect] = &[E::FailAttempt, E::FreeLines, E::LookAtCallee];
const FAIL_AND_TURN: &[Effect] = &[E::FailAttempt, E::TurnNoReply, E::FreeLines, E::LookAtCallee];
const ATTEMPTED: &[Effect] = &[E::Then(I::Attempted)];
const CUT_OFF: &[Effect] = &[E::Then(I::CutOff)];
const NOT_TRIED: &[Effect] = &[E::Then(I::NotTried)];
const COMPLETE: &[Effect] = &[E::End(EndReason::Completed), E::FulfilReverse, E::FreeLines];
const GIVE_UP: &[Effect] = &[E::Release(ReleaseReason::AttemptFailed)];
const OVERDUE: &[Effect] = &[E::Release(ReleaseReason::Overdue)];

/// Every transition. Rows of one (state, input) stand together; the first whose condition holds is taken.
#[rustfmt::skip]
pub static TABLE: &[Row] = &[
    // Profile `autodial`: the CB timer runs.
    row(S::Waiting,     I::CbTimer,        CallerBusy,    S::Suspended,   &[E::Suspend]),
    row(S::Waiting,     I::CbTimer,        Always,        S::Queued,      &[]),
    row(S::Waiting,     I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Waiting,     I::End,            Always,        S::Ended,       END),

    // Profile `ccbs`: the callee decides.
    row(S::Watching,    I::CalleeFree,     Always,        S::CalleeGuard, &[E::StartCalleeGuard]),
    row(S::Watching,    I::CalleeUnseen,   Always,        S::Polling,     &[E::StartWait]),
    row(S::Watching,    I::Restarted,      Always,        S::Polling,     &[E::AwaitLines]),
    row(S::Watching,    I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Watching,    I::End,            Always,        S::Ended,       END),

    row(S::CalleeGuard, I::GuardOver,      CallerBusy,    S::Suspended,   &[E::Suspend]),
    row(S::CalleeGuard, I::GuardOver,      Always,        S::Queued,      &[]),
    row(S::CalleeGuard, I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::CalleeGuard, I::CalleeUnseen,   Always,        S::Polling,     &[E::StartWait]),
    row(S::CalleeGuard, I::CalleeReturned, Always,        S::Watching,    &[E::LookAtCallee]),
    row(S::CalleeGuard, I::Restarted,      Always,        S::Polling,     &[E::AwaitLines]),
    row(S::CalleeGuard, I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::CalleeGuard, I::End,            Always,        S::Ended,       END),

    row(S::Polling,     I::WaitOver,       CallerBusy,    S::Suspended,   &[E::Suspend]),
    row(S::Polling,     I::WaitOver,       Always,        S::Queued,      &[]),
    row(S::Polling,     I::CalleeFree,     Always,        S::CalleeGuard, &[E::StartCalleeGuard]),
    row(S::Polling,     I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Polling,     I::Restarted,      Always,        S::Polling,     &[E::AwaitLines]),
    row(S::Polling,     I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Polling,     I::End,            Always,        S::Ended,       END),

    // That the line is seen free is no news here: its phone said otherwise.
    row(S::Retrying,    I::WaitOver,       CallerBusy,    S::Suspended,   &[E::Suspend]),
    row(S::Retrying,    I::WaitOver,       Always,        S::Queued,      &[]),
    row(S::Retrying,    I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Retrying,    I::Restarted,      Always,        S::Polling,     &[E::AwaitLines]),
    row(S::Retrying,    I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Retrying,    I::End,            Always,        S::Ended,       END),

    // Whether the 486 of its phone or the report of its line comes first: a busy caller is waited for.
    row(S::RetryingCaller, I::CallerBusy,  Always,        S::Suspended,   &[E::Suspend]),
    row(S::RetryingCaller, I::WaitOver,    Always,        S::Queued,      &[]),
    row(S::RetryingCaller, I::CalleeBusy,  Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::RetryingCaller, I::Restarted,   Always,        S::Polling,     &[E::AwaitLines]),
    row(S::RetryingCaller, I::LifeOver,    Always,        S::Ended,       EXPIRE),
    row(S::RetryingCaller, I::End,         Always,        S::Ended,       END),

    // Waiting for its turn.
    row(S::Queued,      I::Turn,           Always,        S::Ringing,     &[E::Ring]),
    row(S::Queued,      I::CallerBusy,     Always,        S::Suspended,   &[E::Suspend]),
    row(S::Queued,      I::CallerReturned, Always,        S::Pausing,     &[E::StartGuard]),
    row(S::Queued,      I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Queued,      I::CalleeReturned, Always,        S::Watching,    &[E::LookAtCallee]),
    row(S::Queued,      I::Restarted,      ReleaseDriven, S::Polling,     &[E::AwaitLines]),
    row(S::Queued,      I::Restarted,      Always,        S::Pausing,     &[E::StartGuard]),
    row(S::Queued,      I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Queued,      I::End,            Always,        S::Ended,       END),

    // The caller is busy: no call, no attempt used.
    row(S::Suspended,   I::CallerFree,     Always,        S::Guarding,    &[E::StartGuard]),
    row(S::Suspended,   I::CallerReturned, Always,        S::Guarding,    &[E::StartGuard]),
    row(S::Suspended,   I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Suspended,   I::CalleeReturned, Always,        S::Watching,    &[E::LookAtCallee]),
    row(S::Suspended,   I::Restarted,      ReleaseDriven, S::Polling,     &[E::AwaitLines]),
    row(S::Suspended,   I::Restarted,      Always,        S::Guarding,    &[E::StartGuard]),
    row(S::Suspended,   I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Suspended,   I::End,            Always,        S::Ended,       END),

    row(S::Guarding,    I::GuardOver,      Always,        S::Queued,      &[E::Resume]),
    row(S::Guarding,    I::CallerBusy,     Always,        S::Suspended,   &[]),
    row(S::Guarding,    I::CallerTaken,    Always,        S::Suspended,   &[]),
    row(S::Guarding,    I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Guarding,    I::CalleeReturned, Always,        S::Watching,    &[E::LookAtCallee]),
    row(S::Guarding,    I::Restarted,      ReleaseDriven, S::Polling,     &[E::AwaitLines]),
    row(S::Guarding,    I::Restarted,      Always,        S::Guarding,    &[E::StartGuard]),
    row(S::Guarding,    I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Guarding,    I::End,            Always,        S::Ended,       END),

    // The caller may have just hung up: not rung in the same instant.
    row(S::Pausing,     I::GuardOver,      Always,        S::Queued,      &[]),
    row(S::Pausing,     I::CallerBusy,     Always,        S::Suspended,   &[E::Suspend]),
    row(S::Pausing,     I::CallerTaken,    Always,        S::Queued,      &[]),
    row(S::Pausing,     I::CalleeBusy,     Always,        S::Watching,    &[E::AwaitCallee]),
    row(S::Pausing,     I::CalleeReturned, Always,        S::Watching,    &[E::LookAtCallee]),
    row(S::Pausing,     I::Restarted,      ReleaseDriven, S::Polling,     &[E::AwaitLines]),
    row(S::Pausing,     I::Restarted,      Always,        S::Pausing,     &[E::StartGuard]),
    row(S::Pausing,     I::LifeOver,       Always,        S::Ended,       EXPIRE),
    row(S::Pausing,     I::End,            Always,        S::Ended,       END),

    // The attempt. Its end decides, never the clock: an attempt in progress outlives the order's life.
    row(S::Ringing,     I::CallerAnswered, Always,        S::Announcing,  &[E::Announce]),
    row(S::Ringing,     I::CallerFailed,   Always,        S::Failed,      ATTEMPTED),
    row(S::Ringing,     I::NotTried,       Always,        S::Failed,      NOT_TRIED),
    row(S::Ringing,     I::Overdue,        Always,        S::Releasing,   OVERDUE),
    row(S::Ringing,     I::End,            Always,        S::Clearing,    END_IN_RECALL),
    row(S::Ringing,     I::Restarted,      Always,        S::Failed,      CUT_OFF),

    row(S::Announcing,  I::Heard,          Always,        S::Calling,     &[E::Connect]),
    row(S::Announcing,  I::CallerGone,     Always,        S::Releasing,   GIVE_UP),
    row(S::Announcing,  I::Overdue,        Always,        S::Releasing,   OVERDUE),
    row(S::Announcing,  I::End,            Always,        S::Clearing,    END_IN_RECALL),
    row(S::Announcing,  I::Restarted,      Always,        S::Failed,      CUT_OFF),

    row(S::Calling,     I::CalleeAnswered, Always,        S::Ended,       COMPLETE),
    row(S::Calling,     I::CalleeFailed,   Always,        S::Telling,     &[E::TellFailure]),
    row(S::Calling,     I::CallerGone,     Always,        S::Releasing,   GIVE_UP),
    row(S::Calling,     I::Overdue,        Always,        S::Releasing,   OVERDUE),
    row(S::Calling,     I::End,            Always,        S::Clearing,    END_IN_RECALL),
    row(S::Calling,     I::Restarted,      Always,        S::Failed,      CUT_OFF),

    row(S::Telling,     I::Heard,          Always,        S::Releasing,   GIVE_UP),
    row(S::Telling,     I::CallerGone,     Always,        S::Releasing,   GIVE_UP),
    row(S::Telling,     I::Overdue,        Always,        S::Releasing,   OVERDUE),
    row(S::Telling,     I::End,            Always,        S::Clearing,    END_IN_RECALL),
    row(S::Telling,     I::Restarted,      Always,        S::Failed,      ATTEMPTED),

    row(S::Releasing,   I::Released,       Always,        S::Failed,      ATTEMPTED),
    row(S::Releasing,   I::Overdue,        Always,        S::Failed,      ATTEMPTED),
    row(S::Releasing,   I::End,            Always,        S::Clearing,    &[E::EndAsTold, E::KeepTimer]),
    row(S::Releasing,   I::Restarted,      Always,        S::Failed,      ATTEMPTED),

    // The attempt is over, its legs are gone.
    row(S::Failed,      I::Attempted,      LastAttempt,   S::Ended,       FAIL_AND_EXHAUST),
    row(S::Failed,      I::Attempted,      When::CallerSilent,   S::Ended, FAIL_AND_CALLER_SILENT),
    row(S::Failed,      I::Attempted,      When::CallerGaveUp,   S::Ended, FAIL_AND_CANCEL),
    row(S::Failed,      I::Attempted,      When::CalleeDeclined, S::Ended, FAIL_AND_DECLINE),
    row(S::Failed,      I::Attempted,      When::CalleeSilent,   S::Ended, FAIL_AND_CALLEE_SILENT),
    row(S::Failed,      I::Attempted,      When::NotRetained,    S::Ended, FAIL_AND_EXHAUST),
    row(S::Failed,      I::Attempted,      When::TurnsNoReply, S::Watching, FAIL_AND_TURN),
    row(S::Failed,      I::Attempted,      LifeOver,      S::Ended,       FAIL_AND_EXPIRE),
    row(S::Failed,      I::Attempted,      When::CallerSeenBusy,   S::Suspended, FAIL_AND_SUSPEND),
    row(S::Failed,      I::Attempted,      When::CallerNotReached, S::RetryingCaller, FAIL_AND_WAIT),
    row(S::Failed,      I::Attempted,      When::NotReached, S::Retrying, FAIL_AND_WAIT),
    row(S::Failed,      I::Attempted,      ReleaseDriven, S::Watching,    FAIL_AND_LOOK),
    row(S::Failed,      I::Attempted,      Always,        S::Waiting,     FAIL_AND_WAIT),

    row(S::Failed,      I::CutOff,         LifeOver,      S::Ended,       VOID_AND_EXPIRE),
    row(S::Failed,      I::CutOff,         ReleaseDriven, S::Polling,     VOID_AND_AWAIT),
    row(S::Failed,      I::CutOff,         Always,        S::Waiting,     VOID_AND_WAIT),

    // Nothing was sent, so nothing is used: the order waits as after an attempt, that it may not spin.
    row(S::Failed,      I::NotTried,       LifeOver,      S::Ended,       VOID_AND_EXPIRE),
    row(S::Failed,      I::NotTried,       When::NotReached, S::Retrying, VOID_AND_WAIT),
    row(S::Failed,      I::NotTried,       ReleaseDriven, S::Watching,    VOID_AND_LOOK),
    row(S::Failed,      I::NotTried,       Always,        S::Waiting,     VOID_AND_WAIT),

    // Ended in its recall: the lines are held until the legs are gone.
    row(S::Clearing,    I::Released,       Always,        S::Ended,       &[E::FreeLines]),
    row(S::Clearing,    I::Overdue,        Always,        S::Ended,       &[E::FreeLines]),
    row(S::Clearing,    I::Restarted,      Always,        S::Ended,       &[E::FreeLines]),
];
