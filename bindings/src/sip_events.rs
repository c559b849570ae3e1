//! What the SIP endpoint tells, as Python matches it.

use std::net::SocketAddr;

use ccbs_sip::api::{self, Party};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::record::{Bytes, Text, Word, record, union, words};

/// The words of [`api::Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CauseKind {
    Status,
    Refused,
    Remote,
    Local,
    Peer,
    Timeout,
    Transferred,
}

/// The words of [`api::Played`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PlayedKind {
    Finished,
    Stopped,
    Failed,
}

words! {
    CauseKind {
        "status" => Status, "refused" => Refused, "remote" => Remote, "local" => Local, "peer" => Peer,
        "timeout" => Timeout, "transferred" => Transferred,
    }
    PlayedKind { "finished" => Finished, "stopped" => Stopped, "failed" => Failed }
}

type Cause = (Word<CauseKind>, Option<u16>);
type Address = (String, u16);

record! {
    /// A phone or trunk begins a call.
    Incoming {
        leg: u64,
        from_trunk: Option<Text>,
        number: Text,
        display: Option<Text>,
        dialled: Text,
        call_id: Text,
    }
    /// The far side rings.
    Ringing { leg: u64 }
    /// A ring was answered by the phone, or an answer was acknowledged.
    Answered { leg: u64 }
    /// A dial or connect succeeded: the two talk.
    Bridged { leg: u64, peer: u64 }
    /// A connect failed; the leg is up, with our media.
    ConnectFailed { leg: u64, cause: Cause }
    /// The phone of a callee diverts the call.
    Diverted { leg: u64, dialled: Text }
    /// A play ended.
    Played { leg: u64, token: u64, outcome: Word<PlayedKind> }
    /// A phone wants its peer transferred.
    Transfer { leg: u64, by: u64, dialled: Text }
    /// A transfer succeeded: the leg and its new peer talk.
    Transferred { leg: u64, by: Option<u64>, peer: u64, number: Text, peer_number: Text }
    /// A transfer failed.
    TransferFailed { leg: u64, cause: Cause, alone: bool }
    /// A leg is gone.
    Ended { leg: u64, cause: Cause }
    /// A subscriber's number of calls changed.
    LineLegs { number: Text, legs: u16 }
    /// A subscriber's phones changed.
    Registration { number: Text, contacts: u16 }
    /// What is to be kept of a subscriber's registrations.
    Bindings { number: Text, bindings: Text }
    /// A REGISTER of ours at a trunk had an outcome.
    TrunkRegistration { trunk: Text, registered: bool, status: u16, again_ms: u64 }
    /// A SIP message as it went over the wire.
    Trace { at_us: u64, sent: bool, local: Address, remote: Address, message: Bytes }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Cause", module.py().eval(c"tuple[str, int | None]", None, None)?)?;
    union!(module, "SipEvent": Incoming | Ringing | Answered | Bridged | ConnectFailed | Diverted | Played | Transfer | Transferred | TransferFailed | Ended | LineLegs | Registration | Bindings | TrunkRegistration | Trace)
}

/// The events as a Python list, in their order.
pub(crate) fn to_list<'py>(py: Python<'py>, events: &[api::Event]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for event in events {
        list.append(to_object(py, event)?)?;
    }
    Ok(list)
}

fn to_object<'py>(py: Python<'py>, event: &api::Event) -> PyResult<Bound<'py, PyAny>> {
    use api::Event;
    Ok(match event {
        Event::Incoming { leg, from, number, display, dialled, call_id } => {
            let from_trunk = match from {
                Party::Trunk(name) => Some(name.into()),
                Party::Subscriber(_) => None,
            };
            let incoming = Incoming {
                leg: leg.0,
                from_trunk,
                number: number.into(),
                display: display.as_ref().map(Text::from),
                dialled: dialled.into(),
                call_id: call_id.into(),
            };
            Bound::new(py, incoming)?.into_any()
        }
        Event::Ringing { leg } => Bound::new(py, Ringing { leg: leg.0 })?.into_any(),
        Event::Answered { leg } => Bound::new(py, Answered { leg: leg.0 })?.into_any(),
        Event::Bridged { leg, peer } => Bound::new(py, Bridged { leg: leg.0, peer: peer.0 })?.into_any(),
        Event::ConnectFailed { leg, cause } => {
            Bound::new(py, ConnectFailed { leg: leg.0, cause: pair(*cause) })?.into_any()
        }
        Event::Played { leg, token, outcome } => {
            let outcome = Word(match outcome {
                api::Played::Finished => PlayedKind::Finished,
                api::Played::Stopped => PlayedKind::Stopped,
                api::Played::Failed => PlayedKind::Failed,
            });
            Bound::new(py, Played { leg: leg.0, token: *token, outcome })?.into_any()
        }
        Event::Diverted { leg, dialled } => {
            Bound::new(py, Diverted { leg: leg.0, dialled: dialled.into() })?.into_any()
        }
        Event::Transfer { leg, by, dialled } => {
            Bound::new(py, Transfer { leg: leg.0, by: by.0, dialled: dialled.into() })?.into_any()
        }
        Event::Transferred { leg, by, peer, number, peer_number } => {
            let (number, peer_number) = (number.into(), peer_number.into());
            let by = by.map(|by| by.0);
            Bound::new(py, Transferred { leg: leg.0, by, peer: peer.0, number, peer_number })?.into_any()
        }
        Event::TransferFailed { leg, cause, alone } => {
            Bound::new(py, TransferFailed { leg: leg.0, cause: pair(*cause), alone: *alone })?.into_any()
        }
        Event::Ended { leg, cause } => Bound::new(py, Ended { leg: leg.0, cause: pair(*cause) })?.into_any(),
        Event::Line { number, legs } => Bound::new(py, LineLegs { number: number.into(), legs: *legs })?.into_any(),
        Event::Registration { number, contacts } => {
            Bound::new(py, Registration { number: number.into(), contacts: *contacts })?.into_any()
        }
        Event::Bindings { number, bindings } => {
            Bound::new(py, Bindings { number: number.into(), bindings: bindings.into() })?.into_any()
        }
        Event::TrunkRegistration { trunk, registered, status, again_ms } => {
            let (registered, status, again_ms) = (*registered, *status, *again_ms);
            Bound::new(py, TrunkRegistration { trunk: trunk.into(), registered, status, again_ms })?.into_any()
        }
        Event::Trace { at_us, sent, local, remote, message } => {
            let trace = Trace {
                at_us: *at_us,
                sent: *sent,
                local: address(local),
                remote: address(remote),
                message: Bytes(message.clone()),
            };
            Bound::new(py, trace)?.into_any()
        }
    })
}

fn pair(cause: api::Cause) -> Cause {
    match cause {
        api::Cause::Status(status) => (Word(CauseKind::Status), Some(status)),
        api::Cause::Refused(status) => (Word(CauseKind::Refused), Some(status)),
        api::Cause::Remote => (Word(CauseKind::Remote), None),
        api::Cause::Local => (Word(CauseKind::Local), None),
        api::Cause::Peer => (Word(CauseKind::Peer), None),
        api::Cause::Timeout => (Word(CauseKind::Timeout), None),
        api::Cause::Transferred => (Word(CauseKind::Transferred), None),
    }
}

pub(crate) fn address(address: &SocketAddr) -> Address {
    (address.ip().to_string(), address.port())
}
