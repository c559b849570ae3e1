//! A transaction's machine while it has something to decide, and the little that is left of it afterwards.
//!
//! A finished transaction stays for up to 32 s only to know repetitions (RFC 3261 timers D, I, J, K; RFC 6026 L, M).
//! Its messages are parsed ones of some kilobytes, so what a repetition needs is kept as bytes instead.

use bytes::Bytes;
use sipx_sip::transaction::{ClientState, Output, ServerState, Timer};
use sipx_sip::{
    ClientTransaction, HeaderName, Limits, Message, Method, Request, RequestBuilder, Response, ServerTransaction,
    parse_datagram,
};

/// A client transaction.
#[derive(Debug)]
pub(super) enum Client {
    Live(Box<ClientTransaction>),
    /// An INVITE that got a 2xx: the ACKs are kept elsewhere; what a 2xx of another phone needs is here.
    Accepted(Box<[u8]>),
    /// An INVITE that was refused: the ACK.
    Refused(Box<[u8]>),
    /// Anything else that was answered.
    Answered,
}

/// A server transaction.
#[derive(Debug)]
pub(super) enum Server {
    Live(Box<ServerTransaction>),
    /// An INVITE that got a 2xx, which is repeated elsewhere.
    Accepted,
    /// An INVITE that was refused, and the refusal acknowledged.
    Confirmed,
    /// Anything else, with its response.
    Answered(Box<[u8]>),
}

/// What a finished client transaction does with a response.
pub(super) enum Repeated {
    /// It was answered; nothing happens.
    Absorbed,
    /// The ACK goes out again.
    Ack(Bytes),
    /// A 2xx of perhaps another phone.
    Accepted,
}

impl Client {
    pub(super) fn state(&self) -> ClientState {
        match self {
            Self::Live(machine) => machine.state(),
            Self::Accepted(_) => ClientState::Accepted,
            Self::Refused(_) | Self::Answered => ClientState::Completed,
        }
    }

    /// Its request; of an INVITE that got a 2xx the part that makes a dialog; else none once it is over.
    pub(super) fn request(&self) -> Option<std::borrow::Cow<'_, Request>> {
        match self {
            Self::Live(machine) => Some(std::borrow::Cow::Borrowed(machine.request())),
            Self::Accepted(head) => match parse_datagram(Bytes::copy_from_slice(head), &Limits::datagram()) {
                Ok(Message::Request(request)) => Some(std::borrow::Cow::Owned(request)),
                _ => None,
            },
            Self::Refused(_) | Self::Answered => None,
        }
    }

    /// What a timer does; `None` when it has nothing left to say and is over.
    pub(super) fn on_timer(&mut self, timer: Timer) -> Option<Vec<Output>> {
        match self {
            Self::Live(machine) => Some(machine.on_timer(timer)),
            Self::Accepted(_) | Self::Refused(_) | Self::Answered => None,
        }
    }

    /// What a response means to a transaction that is finished.
    pub(super) fn repeated(&self, response: &Response) -> Repeated {
        match self {
            Self::Refused(ack) if !response.status.is_provisional() && !response.status.is_success() => {
                Repeated::Ack(Bytes::copy_from_slice(ack))
            }
            Self::Accepted(_) if response.status.is_success() => Repeated::Accepted,
            _ => Repeated::Absorbed,
        }
    }

    /// Gives up the machine when it has nothing to decide any more. `ack` is what it sent last.
    pub(super) fn finish(&mut self, acknowledged: bool, ack: Option<&[u8]>) {
        let Self::Live(machine) = self else { return };
        let invite = machine.request().method == Method::Invite;
        match machine.state() {
            ClientState::Accepted if acknowledged => {
                if let Some(head) = head(machine.request()) {
                    *self = Self::Accepted(head);
                }
            }
            ClientState::Completed if !invite => *self = Self::Answered,
            ClientState::Completed => {
                if let Some(ack) = ack {
                    *self = Self::Refused(ack.into());
                }
            }
            _ => {}
        }
    }
}

impl Server {
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Live(machine) => Some(machine.request()),
            Self::Accepted | Self::Confirmed | Self::Answered(_) => None,
        }
    }

    /// What a timer does; `None` when it has nothing left to say and is over.
    pub(super) fn on_timer(&mut self, timer: Timer) -> Option<Vec<Output>> {
        match self {
            Self::Live(machine) => Some(machine.on_timer(timer)),
            Self::Accepted | Self::Confirmed | Self::Answered(_) => None,
        }
    }

    /// Gives up the machine when it has nothing to decide any more. `response` is what it sent last.
    pub(super) fn finish(&mut self, response: Option<&[u8]>) {
        let Self::Live(machine) = self else { return };
        match (machine.state(), response) {
            (ServerState::Accepted, _) => *self = Self::Accepted,
            (ServerState::Confirmed, _) => *self = Self::Confirmed,
            (ServerState::Completed, Some(response)) if machine.request().method != Method::Invite => {
                *self = Self::Answered(response.into());
            }
            _ => {}
        }
    }
}

/// Of an INVITE what a dialog and an ACK take from it.
fn head(invite: &Request) -> Option<Box<[u8]>> {
    const KEPT: [HeaderName; 8] = [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::Authorization,
        HeaderName::ProxyAuthorization,
    ];
    let mut builder = RequestBuilder::new(Method::Invite, invite.uri.clone());
    for header in invite.headers.iter().filter(|header| KEPT.contains(header.name())) {
        builder = builder.header(header.name().clone(), header.value().into_owned()).ok()?;
    }
    let mut out = Vec::with_capacity(512);
    builder.build().write_to(&mut out);
    Some(out.into_boxed_slice())
}
