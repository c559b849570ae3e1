//! Names of transactions, and what came of a message or a silence.

use sipx_sip::{Request, Response};

use crate::api::LegId;

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
    /// A request passed on from the leg's peer; the response goes back.
    Relay(LegId, ServerId),
    /// An INVITE nobody waits for any more: a late 2xx gets ACK and BYE.
    Orphan,
    /// CANCEL: nobody asks.
    Nothing,
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
