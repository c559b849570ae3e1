//! Re-INVITEs of phones (RFC 3261 14.2): passed on to the peer, or answered with our own media.

use sipx_sip::{HeaderName, Method, Request, ResponseBuilder};

use super::Core;
use super::dialog::cseq;
use super::leg::{AckWanted, Joining, Stage, Why};
use super::message::{self, Body};
use super::reinvite::occupied;
use super::transactions::ServerId;
use crate::api::LegId;
use crate::media::Media;
use crate::sdp;

impl<M: Media> Core<M> {
    /// The far side's re-INVITE.
    pub(super) fn reinvited(&mut self, id: LegId, server: ServerId, request: &Request) {
        let Some(leg) = self.legs.get(&id) else { return };
        let peer = leg.peer.filter(|_| leg.bridged && !leg.waits());
        let peer_occupied = peer.and_then(|peer| self.legs.get(&peer)).is_some_and(occupied);
        let peer_moving =
            peer.and_then(|peer| self.legs.get(&peer)).is_some_and(|peer| peer.in_transfer() || peer.waits());
        let moving = leg.in_transfer() || peer_moving || leg.joining == Joining::Swapping;
        let busy = occupied(leg) || peer_occupied || moving;
        if busy || leg.stage != Stage::Up || (peer.is_none() && leg.port.is_none()) {
            self.io.count("reinvite.glare");
            self.respond_inside(server, 491, None);
            return;
        }
        if !self.takes_terms(id, server, request) {
            return;
        }
        let offer = Body::of(&request.headers, request.body());
        if let Some(dialog) = self.legs.get_mut(&id).and_then(|leg| leg.dialog.as_mut()) {
            dialog.retarget(&request.headers);
        }
        let Some(peer) = peer else {
            self.reinvited_ours(id, server, offer);
            return;
        };
        if offer.is_some()
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.remote_sdp.clone_from(&offer);
        }
        self.relay_offer(id, peer, server, offer);
    }

    /// What a leg's phone offers reaches the peer's phone as a re-INVITE.
    pub(super) fn relay_offer(&mut self, id: LegId, peer: LegId, server: ServerId, offer: Option<Body>) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.reinvite_in = Some(server);
        }
        self.transactions.belongs(server, id);
        if !self.send_reinvite(peer, offer, Why::Relay(server)) {
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.reinvite_in = None;
            }
            self.respond_inside(server, 500, None);
        }
    }

    /// The far side's re-INVITE while we play to it: hold, or a new address.
    fn reinvited_ours(&mut self, id: LegId, server: ServerId, offer: Option<Body>) {
        let Some(body) = self.own_answer(id, offer.as_ref()) else {
            // What was agreed on before stays (RFC 3261 14.2).
            self.respond_inside(server, 488, None);
            return;
        };
        if offer.is_some()
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.remote_sdp = offer;
        }
        self.answer_reinvite(id, server, Some(body));
    }

    /// Our description for an offer (or our offer, when there is none) on a leg that we play to.
    pub(super) fn own_answer(&mut self, id: LegId, offer: Option<&Body>) -> Option<Body> {
        let leg = self.legs.get(&id)?;
        let (port, session) = (leg.port?, leg.session?.id);
        let address = self.io.listener(leg.dialog.as_ref()?.flow).media_address;
        let Some(offer) = offer else { return Some(Body::sdp(sdp::offer(address, port, session))) };
        let (answer, negotiated) = sdp::answer(&offer.bytes, address, port, session).ok()?;
        self.media.connect(id, negotiated.remote, negotiated.codec);
        Some(Body::sdp(answer))
    }

    /// 200 to the far side's re-INVITE, or to the UPDATE that its peer got as a re-INVITE.
    pub(super) fn answer_reinvite(&mut self, id: LegId, server: ServerId, body: Option<Body>) {
        let agreed = self.session_agreed(id);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.reinvite_in = None;
        let body = leg.described(body);
        if body.is_some() {
            leg.local_sdp.clone_from(&body);
        }
        let Some(flow) = leg.dialog.as_ref().map(|dialog| dialog.flow) else { return };
        let Some(request) = self.transactions.server_request(server) else { return };
        if request.method == Method::Update {
            self.respond_with(server, 200, body.as_ref(), &agreed);
            return;
        }
        let sequence = cseq(&request.headers).unwrap_or(0);
        let response = message::response(request, 200, "").and_then(|builder| {
            let builder = builder.header(HeaderName::Contact, message::contact(&self.io, flow)).ok()?;
            let mut builder = builder.header(HeaderName::Allow, message::ALLOW).ok()?;
            for (name, value) in agreed {
                builder = builder.header(name, value).ok()?;
            }
            message::with_body(builder, body.as_ref())
        });
        self.transactions.belongs(server, id);
        self.transactions.respond(&mut self.io, server, response.map(ResponseBuilder::build));
        leg.ack_wanted = Some(AckWanted { server, cseq: sequence });
    }

    /// The caller of a relayed re-INVITE takes it back.
    pub(super) fn cancel_relayed(&mut self, id: LegId) {
        let Some(peer) = self.legs.get(&id).and_then(|leg| leg.peer) else { return };
        let Some(reinvite) = self.legs.get(&peer).and_then(|leg| leg.reinvite_out.as_ref()) else { return };
        let client = reinvite.client;
        self.transactions.cancel(&mut self.io, client, None);
    }
}
