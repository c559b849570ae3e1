//! What the machines ask for is done here: sending, timers, and the CANCEL that goes with an INVITE.

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::transaction::{Output, Timer, TuEvent};
use sipx_sip::{HeaderName, Message, Method, Request, RequestBuilder};

use crate::core::config::millis;
use crate::core::io::{Flow, Io, Token};
use crate::core::message::{bytes_of_request, bytes_of_response};

#[derive(Debug, Default)]
pub(super) struct Timers(pub(super) Vec<(Timer, Handle)>);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What the machine says to its user.
    pub(super) events: Vec<TuEvent>,
    /// The last message it sent.
    pub(super) sent: Option<Bytes>,
    pub(super) over: bool,
}

/// Does what a machine asks for.
pub(super) fn apply(
    io: &mut Io,
    outputs: Vec<Output>,
    flow: Flow,
    timers: &mut Timers,
    token: impl Fn(Timer) -> Token,
) -> Done {
    let mut done = Done::default();
    for output in outputs {
        match output {
            Output::Send(message) => {
                let bytes = match message.as_ref() {
                    Message::Request(request) => bytes_of_request(request),
                    Message::Response(response) => bytes_of_response(response),
                };
                io.send(flow, bytes.clone());
                done.sent = Some(bytes);
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
            Output::ToTu(event) => done.events.push(*event),
            Output::Terminated(_) => done.over = true,
            _ => {}
        }
    }
    done
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
