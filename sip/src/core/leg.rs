use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::Uri;
use std::net::IpAddr;

use super::dialog::Dialog;
use super::io::Flow;
use super::message::Body;
use super::refer::Refer;
use super::refresh::Refreshing;
use super::reliable::{Early, Reliable};
use super::transactions::{ClientId, ServerId};
use super::transfer::Transfer;
use crate::api::{Cause, LegId};

/// One of the phones that a called leg rings.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) client: ClientId,
    pub(super) tag: Bytes,
    pub(super) rang: bool,
    /// How it failed.
    pub(super) failed: Option<Cause>,
    /// Where its 3xx says the call shall go.
    pub(super) diverted: Option<Arc<str>>,
    /// Its early dialog, when it sends provisional responses reliably.
    pub(super) early: Option<Box<Early>>,
}

/// Why a leg was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The far side called us.
    Caller,
    /// By `Ring`: first leg of a recall.
    Rung,
    /// By `Dial` on behalf of this caller's leg.
    Dialled(LegId),
    /// By `Connect` on behalf of this leg.
    Connected(LegId),
    /// By `Transfer` on behalf of this leg.
    Transferred(LegId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Incoming: the application is asked.
    Routing,
    /// Incoming: the callee is called.
    Dialling,
    /// Incoming: our 200 with our own media waits for its ACK.
    Answering,
    /// Outgoing: the phones ring.
    Calling,
    /// Answered.
    Up,
    /// The application heard `Ended`; the dialog still has to be ended on the wire.
    Closing,
}

/// How far a `Connect` is, on the leg that it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joining {
    No,
    /// The callee is called.
    Calling,
    /// The callee answered; the leg gets its media description.
    Swapping,
}

/// Why we sent a re-INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The callee's media description for the leg of a `Connect`.
    Swap,
    /// The caller's media description changed while it was joined: the callee has to know.
    Mend,
    /// The peer's phone sent one; its transaction is to be answered.
    Relay(ServerId),
    /// The media of the leg that is transferred to this one.
    Join(LegId),
    /// Our ringback, while the new callee of a transferred leg rings.
    Wait,
    /// The media of the transferor again, whose transfer failed.
    Back,
    /// Nothing new: the session goes on.
    Refresh,
    /// Whoever wanted it is gone.
    Lost,
}

#[derive(Debug, Clone)]
pub(super) struct Reinvite {
    pub(super) client: ClientId,
    pub(super) why: Why,
    /// What was offered; none when the far side shall make the offer.
    pub(super) offer: Option<Body>,
    /// The same as the far side reads it.
    pub(super) said: Option<Body>,
}

/// A re-INVITE that waits for its time.
#[derive(Debug)]
pub(super) struct Postponed {
    pub(super) why: Why,
    pub(super) offer: Body,
    pub(super) timer: Option<Handle>,
    pub(super) glares: u8,
}

/// A 2xx with an offer: its ACK waits for the answer of the peer's phone.
#[derive(Debug)]
pub(super) struct AckDue {
    pub(super) client: ClientId,
}

/// Our 2xx waits for its ACK.
#[derive(Debug, Clone, Copy)]
pub(super) struct AckWanted {
    pub(super) server: ServerId,
    pub(super) cseq: u32,
}

/// The session that our own media description began: its `o=` line stays ours (RFC 3264 8).
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) address: IpAddr,
}

/// One leg: a dialog with one phone or trunk, or the attempt to have one.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
pub(super) struct Leg {
    pub(super) role: Role,
    pub(super) stage: Stage,
    /// The subscriber whose line it uses.
    pub(super) line: Option<Arc<str>>,
    /// The calling number of a leg that called us, else the called one.
    pub(super) number: Arc<str>,
    /// Whether the application knows the leg and so hears its end.
    pub(super) announced: bool,
    /// Our tag, once a dialog may exist.
    pub(super) tag: Bytes,
    pub(super) dialog: Option<Dialog>,
    /// The first INVITE of a caller, until it has its final response.
    pub(super) invite: Option<ServerId>,
    pub(super) branches: Vec<Branch>,
    pub(super) rang: bool,
    pub(super) peer: Option<LegId>,
    /// Whether requests of the far side are passed on to the peer.
    pub(super) bridged: bool,
    pub(super) joining: Joining,
    /// The local port while we play to it.
    pub(super) port: Option<u16>,
    /// What our `o=` line says in a dialog where we described media ourselves.
    pub(super) session: Option<Session>,
    pub(super) playing: Option<u64>,
    /// What the far side last said about its media.
    pub(super) remote_sdp: Option<Body>,
    /// What the far side was last told of its peer's media, or of ours.
    pub(super) local_sdp: Option<Body>,
    /// What a callee of `Connect` or `Transfer` was told about the media of the leg that it is called for.
    pub(super) offered: Option<Body>,
    pub(super) ack_wanted: Option<AckWanted>,
    pub(super) ack_due: Option<AckDue>,
    pub(super) reinvite_out: Option<Reinvite>,
    pub(super) reinvite_in: Option<ServerId>,
    pub(super) postponed: Option<Postponed>,
    /// Route or ring timer.
    pub(super) timer: Option<Handle>,
    /// When its phone is next asked whether it is still there.
    pub(super) probe: Option<Handle>,
    /// Reason of the BYE that is sent as soon as it may be.
    pub(super) farewell: Option<String>,
    /// The far side sent BYE: ours is not needed.
    pub(super) parted: bool,
    pub(super) hops: u8,
    /// How often our re-INVITE met one of theirs.
    pub(super) glares: u8,
    /// It requires reliable provisional responses.
    pub(super) reliable: Option<Box<Reliable>>,
    /// Whether its callee may send provisional responses reliably.
    pub(super) offers_reliable: bool,
    /// How often the call of this leg was diverted.
    pub(super) diversions: u8,
    pub(super) refreshing: Refreshing,
    /// Its phone's REFER.
    pub(super) refer: Option<Box<Refer>>,
    /// It is being transferred.
    pub(super) transfer: Option<Box<Transfer>>,
    /// It is the callee of an attended transfer of this leg.
    pub(super) claimed: Option<LegId>,
}

impl Leg {
    pub(super) fn new(role: Role, stage: Stage, line: Option<Arc<str>>, number: Arc<str>) -> Self {
        Self {
            role,
            stage,
            line,
            number,
            announced: matches!(role, Role::Caller | Role::Rung),
            tag: Bytes::new(),
            dialog: None,
            invite: None,
            branches: Vec::new(),
            rang: false,
            peer: None,
            bridged: false,
            joining: Joining::No,
            port: None,
            session: None,
            playing: None,
            remote_sdp: None,
            local_sdp: None,
            offered: None,
            ack_wanted: None,
            ack_due: None,
            reinvite_out: None,
            reinvite_in: None,
            postponed: None,
            timer: None,
            probe: None,
            farewell: None,
            parted: false,
            hops: 70,
            glares: 0,
            reliable: None,
            offers_reliable: false,
            diversions: 0,
            refreshing: Refreshing::default(),
            refer: None,
            transfer: None,
            claimed: None,
        }
    }

    /// Answered, with our own media and nothing else going on: what `Play` and `Connect` need.
    pub(super) fn is_ours(&self) -> bool {
        self.stage == Stage::Up && !self.bridged && self.port.is_some()
    }

    /// From now on the session stays that of the description last sent, whoever's media it describes
    /// (RFC 3264 8).
    pub(super) fn keep_session(&mut self) {
        if self.session.is_none() {
            self.session = self.local_sdp.as_ref().and_then(|body| {
                let (id, version, address) = crate::sdp::origin(&body.bytes)?;
                Some(Session { id, version, address })
            });
        }
    }

    /// A media description for the far side: in a dialog where we described media before, the session
    /// stays ours and its version grows (RFC 3264 8).
    pub(super) fn described(&mut self, body: Option<Body>) -> Option<Body> {
        let mut body = body?;
        if let Some(session) = self.session.as_mut()
            && body.kind.eq_ignore_ascii_case(b"application/sdp")
        {
            session.version += 1;
            body.bytes = crate::sdp::readdressed(&body.bytes, session.address, session.id, session.version);
        }
        Some(body)
    }
}

/// A phone or trunk to send an INVITE to.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) uri: Uri,
    pub(super) flow: Flow,
    pub(super) routes: Vec<Bytes>,
}
