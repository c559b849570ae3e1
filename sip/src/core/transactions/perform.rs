//! What the machines ask for is done here: sending, timers, and the CANCEL that goes with an INVITE.

use ccbs_timers::Handle;
use sipx_sip::transaction::{Output, Timer, TuEvent};
use sipx_sip::{HeaderName, Message, Method, Request, RequestBuilder};

use crate::core::config::millis;
use crate::core::io::{Flow, Io, Token};
use crate::core::message::{bytes_of_request, bytes_of_response};

#[derive(Debug, Default)]
pub(super) struct Timers(pub(super) Vec<(Timer, Handle)>);

/// Does what a machine asks for; gives back what it says to its user and whether it is over.
pub(super) fn apply(
    io: &mut Io,
    outputs: Vec<Output>,
    flow: Flow,
    timers: &mut Timers,
    token: impl Fn(Timer) -> Token,
) -> (Vec<TuEvent>, bool) {
    let mut events = Vec::new();
    let mut over = false;
    for output in outputs {
        match output {
            Output::Send(message) => {
                let bytes = match message.as_ref() {
                    Message::Request(request) => bytes_of_request(request),
                    Message::Response(response) => bytes_of_response(response),
                };
                io.send(flow, bytes);
            }
            Output::SetTimer { timer, after } => {
                let handle = io.after(millis(after), token(timer));
                timers.0.push((timer, handle));
            }
            Output::ClearTimer(timer) => {
                timers.0.retain(|(name, handle)| {
                    if *name == timer {
                        io.wheel.cancel(*handle);
                    }
                    *name != timer
                });
            }
            Output::ToTu(event) => events.push(*event),
            Output::Terminated(_) => over = true,
            _ => {}
        }
    }
    (events, over)
}

/// The CANCEL of an INVITE (RFC 3261 9.1).
pub(super) fn cancel_for(invite: &Request, reason: Option<String>) -> Option<Request> {
    let mut builder = RequestBuilder::new(Method::Cancel, invite.uri.clone());
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
        let value = invite.headers.value(&name)?.into_owned();
        builder = builder.header(name, value).ok()?;
    }
    for route in invite.headers.get_all(&HeaderName::Route) {
        builder = builder.header(HeaderName::Route, route.value().into_owned()).ok()?;
    }
    let cseq = invite.headers.typed::<sipx_sip::CSeq>()?.ok()?;
    builder = builder.cseq(cseq.sequence, &Method::Cancel).ok()?.max_forwards(70);
    if let Some(reason) = reason {
        builder = builder.header(HeaderName::Reason, reason).ok()?;
    }
    Some(builder.build())
}
