//! What happened: the inputs of the engine, as Python makes them.

use ccbs_engine::{ConnectOutcome, Event, FailCause, LineKind, LineRef, OrderId, PlayOutcome, RecallId, RingOutcome};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Error;
use crate::profile::Profile;
use crate::record::{Number, Word, record, union, words};

words! {
    FailCause { "busy" => Busy, "no-reply" => NoReply, "not-logged-in" => NotLoggedIn, "other" => Other }
    RingOutcome {
        "answered" => Answered, "busy" => Busy, "no-answer" => NoAnswer, "declined" => Declined,
        "unreachable" => Unreachable, "failed" => Failed, "not-tried" => NotTried,
    }
    PlayOutcome { "played" => Played, "caller-gone" => CallerGone, "failed" => Failed }
    ConnectOutcome {
        "answered" => Answered, "busy" => Busy, "no-answer" => NoAnswer, "declined" => Declined,
        "unreachable" => Unreachable, "caller-gone" => CallerGone, "failed" => Failed,
    }
}

record! {
    /// A line is configured, or its kind changed.
    Line { line: Number, external: bool = false } "(line, external=False)"
    /// A line left the configuration; its orders end.
    LineRemoved { line: Number }
    /// The service of a line as orderer; no profile switches it off and ends its orders.
    Service { line: Number, profile: Option<Profile> }
    /// The line has a call.
    LineBusy { line: Number }
    /// The line has no call.
    LineFree { line: Number }
    /// Nobody can say whether the line has a call.
    LineUnknown { line: Number }
    /// A phone of the line registered: orders of kind NL for it are looked at.
    LineRegistered { line: Number }
    /// The line has no registered phone any more.
    LineUnregistered { line: Number }
    /// A call failed: the caller may order the callee within the offer window.
    CallFailed { caller: Number, callee: Number, cause: Word<FailCause> = Word(FailCause::Busy) } "(caller, callee, cause='busy')"
    /// A call that is no recall was answered: orders between the two are fulfilled.
    CallAnswered { caller: Number, callee: Number }
    /// Order the callee, or the last number that failed.
    Order { request: u64, caller: Number, callee: Option<Number> = None } "(request, caller, callee=None)"
    /// Cancel the order for the callee, or all orders of the caller.
    Cancel { request: u64, caller: Number, callee: Option<Number> = None } "(request, caller, callee=None)"
    /// Ask what the caller has ordered.
    Query { request: u64, caller: Number }
    /// The operator ends one order.
    OperatorCancel { request: u64, order: u64 }
    /// Answer to a Ring.
    RingResult { recall: u64, outcome: Word<RingOutcome> }
    /// Answer to a Play.
    PlayResult { recall: u64, play: u32, outcome: Word<PlayOutcome> }
    /// Answer to a Connect.
    ConnectResult { recall: u64, outcome: Word<ConnectOutcome> }
    /// Answer to a Release: both legs of the recall are gone.
    Released { recall: u64 }
    /// The process that carried the recalls has started anew.
    Restarted {}
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    union!(module, "Event": Line | LineRemoved | Service | LineBusy | LineFree | LineUnknown | LineRegistered | LineUnregistered | CallFailed | CallAnswered | Order | Cancel | Query | OperatorCancel | RingResult | PlayResult | ConnectResult | Released | Restarted)
}

/// Makes the engine's events of a Python sequence; an error names the place.
pub(crate) fn from_sequence(events: &Bound<'_, PyAny>) -> Result<Vec<Event>, Error> {
    let kind = |object: &Bound<'_, PyAny>| -> Result<String, Error> { Ok(object.get_type().name()?.to_string()) };
    if events.is_instance_of::<PyString>() || from_object(events).is_some() {
        return Err(Error::Type(format!("events: expected a sequence of events, got one {}", kind(events)?)));
    }
    let Ok(items) = events.try_iter() else {
        return Err(Error::Type(format!("events: expected a sequence of events, got {}", kind(events)?)));
    };
    let mut converted = Vec::with_capacity(events.len().unwrap_or(0));
    for (place, item) in items.enumerate() {
        let item = item?;
        match from_object(&item) {
            Some(event) => converted.push(event),
            None => {
                return Err(Error::Type(format!("events[{place}]: expected an event, got {}", kind(&item)?)));
            }
        }
    }
    Ok(converted)
}

fn line(number: &Number) -> LineRef {
    LineRef::Number(number.0.clone())
}

/// The event that an object is, if it is one.
fn from_object(object: &Bound<'_, PyAny>) -> Option<Event> {
    macro_rules! as_a {
        ($class:ident, |$of:ident| $event:expr) => {
            if let Ok(object) = object.cast_exact::<$class>() {
                let $of = object.get();
                return Some($event);
            }
        };
    }
    as_a!(LineBusy, |of| Event::LineBusy { line: line(&of.line) });
    as_a!(LineFree, |of| Event::LineFree { line: line(&of.line) });
    as_a!(CallFailed, |of| Event::CallFailed { caller: line(&of.caller), callee: line(&of.callee), cause: of.cause.0 });
    as_a!(CallAnswered, |of| Event::CallAnswered { caller: line(&of.caller), callee: line(&of.callee) });
    as_a!(Order, |of| Event::Order {
        request: of.request,
        caller: line(&of.caller),
        callee: of.callee.as_ref().map(line)
    });
    as_a!(Cancel, |of| Event::Cancel {
        request: of.request,
        caller: line(&of.caller),
        callee: of.callee.as_ref().map(line)
    });
    as_a!(Query, |of| Event::Query { request: of.request, caller: line(&of.caller) });
    as_a!(RingResult, |of| Event::RingOutcome { recall: RecallId(of.recall), outcome: of.outcome.0 });
    as_a!(PlayResult, |of| Event::PlayOutcome { recall: RecallId(of.recall), play: of.play, outcome: of.outcome.0 });
    as_a!(ConnectResult, |of| Event::ConnectOutcome { recall: RecallId(of.recall), outcome: of.outcome.0 });
    as_a!(Released, |of| Event::Released { recall: RecallId(of.recall) });
    as_a!(OperatorCancel, |of| Event::OperatorCancel { request: of.request, order: OrderId(of.order) });
    as_a!(Line, |of| Event::Line {
        line: line(&of.line),
        kind: if of.external { LineKind::External } else { LineKind::Internal }
    });
    as_a!(LineRemoved, |of| Event::LineRemoved { line: line(&of.line) });
    as_a!(LineUnknown, |of| Event::LineUnknown { line: line(&of.line) });
    as_a!(LineRegistered, |of| Event::LineRegistered { line: line(&of.line) });
    as_a!(LineUnregistered, |of| Event::LineUnregistered { line: line(&of.line) });
    as_a!(Service, |of| Event::Service {
        line: line(&of.line),
        profile: of.profile.as_ref().map(|profile| Box::new(profile.to_engine()))
    });
    as_a!(Restarted, |_of| Event::Restarted);
    None
}
