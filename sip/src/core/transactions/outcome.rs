//! Names of transactions, and what came of a message or a silence.

use sipx_sip::{Request, Response};

use crate::api::LegId;
use crate::core::lamps::LampId;

/// A client transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::core) struct ClientId(pub(super) u64);

/// A server transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::core) struct ServerId(pub(super) u64);

/// Whose business the outcome of a client transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Purpose {
    /// The first INVITE to one of the phones of a leg.
    Invite(LegId),
    /// A re-INVITE of a leg.
    Reinvite(LegId),
    /// The BYE that ends a leg.
    Bye(LegId),
    /// OPTIONS that asks whether the far side is still in the call.
    Probe(LegId),
    /// UPDATE that refreshes a leg's session.
    Refresh(LegId),
    /// NOTIFY that tells a transferor how far its REFER is.
    Told(LegId),
    /// PRACK for a provisional response to the INVITE of a leg.
    Prack(LegId),
    /// A request passed on from the leg's peer; the response goes back.
    Relay(LegId, ServerId),
    /// MESSAGE to one of the phones of a subscriber.
    Page(u64),
    /// NOTIFY to a busy lamp.
    Lamp(LampId),
    /// OPTIONS that asks whether a registered phone can be reached.
    Qualify(u64),
    /// REGISTER at a trunk.
    Register(u32),
    /// An INVITE nobody waits for any more: a late 2xx gets ACK and BYE.
    Orphan,
    /// CANCEL: nobody asks.
    Nothing,
}

impl Purpose {
    /// The leg whose business it is.
    pub(in crate::core) fn leg(self) -> Option<LegId> {
        match self {
            Self::Invite(leg)
            | Self::Reinvite(leg)
            | Self::Bye(leg)
            | Self::Probe(leg)
            | Self::Refresh(leg)
            | Self::Told(leg)
            | Self::Prack(leg)
            | Self::Relay(leg, _) => Some(leg),
            Self::Page(_) | Self::Lamp(_) | Self::Qualify(_) | Self::Register(_) | Self::Orphan | Self::Nothing => None,
        }
    }
}

/// What a received request turned out to be.
#[derive(Debug)]
pub(in crate::core) enum Arrival {
    /// New: to be handled and answered.
    New(ServerId, Box<Request>),
    /// The ACK for a 2xx.
    Ack(Box<Request>),
    /// A repetition or an ACK for another final response, dealt with; or a request that can't be handled.
    Absorbed,
}

/// What a received response turned out to be.
#[derive(Debug)]
pub(in crate::core) struct Answer {
    pub(in crate::core) client: ClientId,
    pub(in crate::core) purpose: Purpose,
    pub(in crate::core) response: Box<Response>,
}

/// Who is told that nobody answered or acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Silence {
    /// No response to a request within 64·T1.
    NoAnswer(ClientId, Purpose),
    /// No ACK for our 2xx within 64·T1.
    NoAck(ServerId, LegId),
}
