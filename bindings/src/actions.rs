//! What to do: the outputs of the engine, as Python matches them.

use ccbs_engine::{self as engine, AttemptFailure, Denial, EndReason, Prompt, ReleaseReason};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::record::{Many, Number, Word, record, union, words};

/// The kinds of [`engine::Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StepKind {
    Accepted,
    Suspended,
    Resumed,
    AttemptBegan,
    CallerAnswered,
    CalleeCalled,
    CalleeBusy,
    CalleeFree,
    Polling,
    TurnedNoReply,
    AttemptFailed,
    Ended,
}

words! {
    Denial {
        "not-allowed" => NotAllowed, "no-offer" => NoOffer, "own-number" => OwnNumber,
        "caller-limit" => CallerLimit, "callee-limit" => CalleeLimit, "overload" => Overload,
    }
    Prompt {
        "activated" => Activated, "callee-busy-again" => BusyAgain, "callee-no-answer" => NoAnswer,
        "attempts-used-up" => AttemptsUsedUp,
    }
    ReleaseReason { "attempt-failed" => AttemptFailed, "order-ended" => OrderEnded, "overdue" => Overdue }
    AttemptFailure {
        "caller-no-answer" => CallerNoAnswer, "caller-busy" => CallerBusy,
        "caller-declined" => CallerDeclined, "caller-unreachable" => CallerUnreachable,
        "caller-gone" => CallerGone, "callee-busy" => CalleeBusy, "callee-no-answer" => CalleeNoAnswer,
        "callee-declined" => CalleeDeclined, "callee-unreachable" => CalleeUnreachable,
        "switch-failed" => SwitchFailed, "not-tried" => NotTried,
    }
    EndReason {
        "completed" => Completed, "fulfilled-by-other-call" => FulfilledByOtherCall,
        "cancelled" => Cancelled, "cancelled-by-operator" => CancelledByOperator, "expired" => Expired,
        "attempts-exhausted" => AttemptsExhausted, "caller-no-answer" => CallerNoAnswer,
        "callee-no-answer" => CalleeNoAnswer, "callee-declined" => CalleeDeclined,
        "caller-gone" => CallerGone, "callee-gone" => CalleeGone, "service-off" => ServiceOff,
    }
    StepKind {
        "accepted" => Accepted, "suspended" => Suspended, "resumed" => Resumed,
        "attempt-began" => AttemptBegan, "caller-answered" => CallerAnswered,
        "callee-called" => CalleeCalled, "callee-busy" => CalleeBusy,
        "callee-free" => CalleeFree, "polling" => Polling, "turned-no-reply" => TurnedNoReply,
        "attempt-failed" => AttemptFailed, "ended" => Ended,
    }
}

record! {
    /// The order was accepted.
    Accepted { order: u64, callee: Number, place: u32 }
    /// The same order stands already; nothing about it changed.
    Confirmed { order: u64, callee: Number, place: u32 }
    /// The order was refused.
    Denied { denial: Word<Denial>, short_term: bool }
    /// These orders were cancelled, oldest first.
    Cancelled { orders: Many<u64> }
    /// There was nothing to cancel, or nothing is ordered.
    NothingOrdered {}
    /// The caller's orders, oldest first.
    Ordered { callees: Many<Number> }
    /// Answer a request.
    Reply { request: u64, reply: AnyReply }
    /// Call the caller's phone, showing the callee's number.
    Ring { recall: u64, order: u64, caller: Number, callee: Number, timeout_ms: u64 }
    /// Play prompts, one after the other, to the caller.
    Play { recall: u64, order: u64, play: u32, prompts: Many<Word<Prompt>> }
    /// Call the callee, showing the caller's number, and join the two.
    Connect { recall: u64, order: u64, caller: Number, callee: Number, timeout_ms: u64 }
    /// End whatever the recall has.
    Release { recall: u64, order: u64, reason: Word<ReleaseReason> }
    /// A step in the life of an order.
    Step {
        order: u64,
        caller: Number,
        callee: Number,
        kind: Word<StepKind>,
        place: Option<u32> = None,
        due: Option<u64> = None,
        expires: Option<u64> = None,
        attempt: Option<u32> = None,
        attempts: Option<u32> = None,
        failure: Option<Word<AttemptFailure>> = None,
        reason: Option<Word<EndReason>> = None,
    } "(order, caller, callee, kind, place=None, due=None, expires=None, attempt=None, attempts=None, failure=None, reason=None)"
}

/// The answer in a [`Reply`].
#[derive(Clone, PartialEq, Eq, Hash, FromPyObject, IntoPyObject)]
pub(crate) enum AnyReply {
    Accepted(Accepted),
    Confirmed(Confirmed),
    Denied(Denied),
    Cancelled(Cancelled),
    NothingOrdered(NothingOrdered),
    Ordered(Ordered),
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    union!(module, "AnyReply": Accepted | Confirmed | Denied | Cancelled | NothingOrdered | Ordered)?;
    union!(module, "Action": Reply | Ring | Play | Connect | Release | Step)
}

/// The actions as a Python list, in their order.
pub(crate) fn to_list<'py>(py: Python<'py>, actions: &[engine::Action]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for action in actions {
        list.append(to_object(py, action)?)?;
    }
    Ok(list)
}

fn to_object<'py>(py: Python<'py>, action: &engine::Action) -> PyResult<Bound<'py, PyAny>> {
    use engine::Action;
    Ok(match action {
        Action::Reply { request, reply } => {
            Bound::new(py, Reply { request: *request, reply: AnyReply::from(reply) })?.into_any()
        }
        Action::Ring { recall, order, caller, callee, timeout_ms } => Bound::new(
            py,
            Ring {
                recall: recall.0,
                order: order.0,
                caller: caller.into(),
                callee: callee.into(),
                timeout_ms: *timeout_ms,
            },
        )?
        .into_any(),
        Action::Play { recall, order, play, prompts } => {
            let prompts = Many(prompts.iter().copied().map(Word).collect());
            Bound::new(py, Play { recall: recall.0, order: order.0, play: *play, prompts })?.into_any()
        }
        Action::Connect { recall, order, caller, callee, timeout_ms } => Bound::new(
            py,
            Connect {
                recall: recall.0,
                order: order.0,
                caller: caller.into(),
                callee: callee.into(),
                timeout_ms: *timeout_ms,
            },
        )?
        .into_any(),
        Action::Release { recall, order, reason } => {
            Bound::new(py, Release { recall: recall.0, order: order.0, reason: Word(*reason) })?.into_any()
        }
        Action::Step { order, caller, callee, step } => {
            let blank = Step {
                order: order.0,
                caller: caller.into(),
                callee: callee.into(),
                kind: Word(StepKind::Suspended),
                place: None,
                due: None,
                expires: None,
                attempt: None,
                attempts: None,
                failure: None,
                reason: None,
            };
            Bound::new(py, filled(blank, step))?.into_any()
        }
    })
}

impl From<&engine::Reply> for AnyReply {
    fn from(reply: &engine::Reply) -> Self {
        use engine::Reply;
        match reply {
            Reply::Accepted { order, callee, place } => {
                Self::Accepted(Accepted { order: order.0, callee: callee.into(), place: *place })
            }
            Reply::Confirmed { order, callee, place } => {
                Self::Confirmed(Confirmed { order: order.0, callee: callee.into(), place: *place })
            }
            Reply::Denied { denial } => {
                Self::Denied(Denied { denial: Word(*denial), short_term: denial.is_short_term() })
            }
            Reply::Cancelled { orders } => {
                Self::Cancelled(Cancelled { orders: Many(orders.iter().map(|order| order.0).collect()) })
            }
            Reply::NothingOrdered => Self::NothingOrdered(NothingOrdered {}),
            Reply::Ordered { callees } => {
                Self::Ordered(Ordered { callees: Many(callees.iter().map(Number::from).collect()) })
            }
        }
    }
}

fn filled(blank: Step, step: &engine::Step) -> Step {
    match step {
        engine::Step::Accepted { place, due, expires } => {
            Step { kind: Word(StepKind::Accepted), place: Some(*place), due: *due, expires: Some(*expires), ..blank }
        }
        engine::Step::CalleeBusy => Step { kind: Word(StepKind::CalleeBusy), ..blank },
        engine::Step::CalleeFree { due } => Step { kind: Word(StepKind::CalleeFree), due: Some(*due), ..blank },
        engine::Step::Polling { due } => Step { kind: Word(StepKind::Polling), due: Some(*due), ..blank },
        engine::Step::TurnedNoReply { expires } => {
            Step { kind: Word(StepKind::TurnedNoReply), expires: Some(*expires), ..blank }
        }
        engine::Step::Suspended => Step { kind: Word(StepKind::Suspended), ..blank },
        engine::Step::Resumed => Step { kind: Word(StepKind::Resumed), ..blank },
        engine::Step::AttemptBegan { attempt, attempts } => {
            Step { kind: Word(StepKind::AttemptBegan), attempt: Some(*attempt), attempts: *attempts, ..blank }
        }
        engine::Step::CallerAnswered => Step { kind: Word(StepKind::CallerAnswered), ..blank },
        engine::Step::CalleeCalled => Step { kind: Word(StepKind::CalleeCalled), ..blank },
        engine::Step::AttemptFailed { attempt, attempts, failure, due } => Step {
            kind: Word(StepKind::AttemptFailed),
            attempt: Some(*attempt),
            attempts: *attempts,
            failure: Some(Word(*failure)),
            due: *due,
            ..blank
        },
        engine::Step::Ended { reason } => Step { kind: Word(StepKind::Ended), reason: Some(Word(*reason)), ..blank },
    }
}
