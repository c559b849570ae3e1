//! Requests within a dialog.

use bytes::Bytes;
use sipx_sip::{HeaderName, Method, Request, Response, ResponseBuilder};

use super::Core;
use super::dialog::cseq;
use super::end::Farewell;
use super::io::Flow;
use super::leg::{Joining, Leg, Stage};
use super::message::{self, Body};
use super::refer::needs_contact;
use super::reinvite::occupied;
use super::transactions::{ClientId, Purpose, ServerId};
use crate::api::{Cause, LegId};
use crate::media::Media;

/// A header of a message of ours beside those that every one has.
pub(super) type Extra = (HeaderName, Bytes);

impl<M: Media> Core<M> {
    /// Sends a request within a leg's dialog.
    pub(super) fn send_inside(
        &mut self,
        id: LegId,
        method: &Method,
        body: Option<&Body>,
        extra: &[Extra],
        purpose: Purpose,
    ) -> Option<ClientId> {
        let dialog = self.legs.get_mut(&id)?.dialog.as_mut()?;
        let request = dialog.request(&mut self.io, method, body, extra)?;
        let (flow, trunk) = (dialog.flow, dialog.trunk.clone());
        self.transactions.request(&mut self.io, request, flow, purpose, trunk)
    }

    /// A request with a To tag, other than ACK and CANCEL.
    pub(super) fn inside(&mut self, server: ServerId, request: &Request, from: Flow) {
        let found = message::to_tag(&request.headers).and_then(|tag| Some((self.tags.get(&tag).copied()?, tag)));
        let Some((id, tag)) = found else {
            self.io.count("request.no_dialog");
            self.refuse(server, request, 481);
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(dialog) = leg.dialog.as_mut() else {
            self.inside_early(id, &tag, server, request);
            return;
        };
        if !dialog.is_from(&request.headers) {
            self.io.count("request.no_dialog");
            self.refuse(server, request, 481);
            return;
        }
        let sequence = cseq(&request.headers).unwrap_or(0);
        if sequence < dialog.remote_cseq {
            self.io.count("request.out_of_order");
            self.respond_inside(server, 500, None);
            return;
        }
        dialog.remote_cseq = sequence;
        dialog.moved_to(from);
        let stage = leg.stage;
        match &request.method {
            Method::Bye => {
                self.respond_inside(server, 200, None);
                if stage == Stage::Closing {
                    self.bye_crossed(id);
                } else {
                    let early = self.legs.get(&id).is_some_and(|leg| leg.invite.is_some());
                    let farewell = if early { Farewell::Final(487) } else { Farewell::None };
                    self.hang_up(id, Cause::Remote, farewell);
                }
            }
            Method::Options => self.options(server, request),
            _ if stage == Stage::Closing => self.respond_inside(server, 481, None),
            Method::Invite => self.reinvited(id, server, request),
            Method::Update => self.updated(id, server, request),
            Method::Prack => self.acknowledged_early(id, server, request),
            Method::Info | Method::Message => self.pass_on(id, server, request),
            Method::Refer => self.referred(id, server, request),
            Method::Notify => {
                self.io.count("request.no_subscription");
                self.respond_inside(server, 481, None);
            }
            Method::Other(_) => {
                self.io.count("request.unknown_method");
                self.refuse(server, request, 501);
            }
            _ => {
                self.io.count("request.method");
                self.refuse(server, request, 405);
            }
        }
    }

    /// A phone that answered and hangs up at once: its BYE may overtake its 200.
    fn inside_early(&mut self, id: LegId, tag: &Bytes, server: ServerId, request: &Request) {
        let branch = self
            .legs
            .get(&id)
            .and_then(|leg| leg.branches.iter().find(|branch| branch.tag == *tag))
            .map(|branch| branch.client);
        let same_call = branch.and_then(|client| self.transactions.client_request(client)).is_some_and(|invite| {
            invite.headers.value(&HeaderName::CallId) == request.headers.value(&HeaderName::CallId)
        });
        if let Some(client) = branch.filter(|_| same_call && request.method == Method::Update) {
            self.updated_early(id, client, server, request);
            return;
        }
        let Some(client) = branch.filter(|_| same_call && request.method == Method::Bye) else {
            self.io.count("request.no_dialog");
            self.refuse(server, request, 481);
            return;
        };
        self.respond_inside(server, 200, None);
        self.transactions.abandon(&mut self.io, client, None);
        self.invite_failed(id, client, Cause::Remote, 480);
    }

    /// A BYE that crossed ours: both ends agree that it is over.
    fn bye_crossed(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.parted = true;
        }
    }

    /// A response within a dialog: the request's To already has our tag.
    pub(super) fn respond_inside(&mut self, server: ServerId, status: u16, body: Option<&Body>) {
        self.respond_with(server, status, body, &[]);
    }

    /// The same with more headers.
    pub(super) fn respond_with(&mut self, server: ServerId, status: u16, body: Option<&Body>, extra: &[Extra]) {
        let Some((request, flow)) = self.transactions.server_request_and_flow(server) else { return };
        let target = needs_contact(&request.method) && status < 300;
        let response = message::response(request, status, "").and_then(|mut builder| {
            if target {
                builder = builder.header(HeaderName::Contact, message::contact(&self.io, flow)).ok()?;
            }
            for (name, value) in extra {
                builder = builder.header(name.clone(), value.clone()).ok()?;
            }
            message::with_body(builder, body)
        });
        self.transactions.respond(&mut self.io, server, response.map(ResponseBuilder::build));
    }

    /// UPDATE (RFC 3311).
    fn updated(&mut self, id: LegId, server: ServerId, request: &Request) {
        if !self.takes_terms(id, server, request) {
            return;
        }
        let peer = self.legs.get(&id).and_then(|leg| leg.peer);
        let moving =
            [Some(id), peer].into_iter().flatten().any(|leg| self.legs.get(&leg).is_some_and(Leg::in_transfer))
                || peer.and_then(|peer| self.legs.get(&peer)).is_some_and(Leg::waits);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let offer = Body::of(&request.headers, request.body());
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.retarget(&request.headers);
        }
        let free = leg.reinvite_in.is_none() && leg.reinvite_out.is_none() && leg.ack_due.is_none();
        let settled = leg.stage == Stage::Up && free && !moving && leg.joining != Joining::Swapping;
        if leg.invite.is_some()
            && let Some(offer) = offer
        {
            self.offered_early(id, server, offer);
            return;
        }
        match offer {
            None => {
                let agreed = self.session_agreed(id);
                self.respond_with(server, 200, None, &agreed);
            }
            Some(_) if !settled => {
                self.io.count("reinvite.glare");
                self.respond_inside(server, 491, None);
            }
            Some(offer) if leg.bridged && !leg.waits() => {
                leg.remote_sdp = Some(offer.clone());
                self.pass_update(id, server, request, offer);
            }
            Some(offer) => {
                let body = self.own_answer(id, Some(&offer));
                let body = self.legs.get_mut(&id).and_then(|leg| leg.described(body));
                if let Some(leg) = self.legs.get_mut(&id)
                    && body.is_some()
                {
                    leg.remote_sdp = Some(offer);
                    leg.local_sdp.clone_from(&body);
                }
                let (status, agreed) = if body.is_some() { (200, self.session_agreed(id)) } else { (488, Vec::new()) };
                self.respond_with(server, status, body.as_ref(), &agreed);
            }
        }
    }

    /// An offer in an UPDATE reaches the peer's phone in what that phone takes.
    fn pass_update(&mut self, id: LegId, server: ServerId, request: &Request, offer: Body) {
        let peer = self.legs.get(&id).and_then(|leg| leg.peer);
        let Some(peer) = peer.filter(|peer| self.legs.get(peer).is_some_and(|leg| !leg.refreshing.updates())) else {
            self.pass_on(id, server, request);
            return;
        };
        if self.legs.get(&peer).is_some_and(occupied) {
            self.io.count("reinvite.glare");
            self.respond_inside(server, 491, None);
            return;
        }
        self.relay_offer(id, peer, server, Some(offer));
    }

    /// INFO, MESSAGE and UPDATE reach the peer's phone; the response comes back.
    fn pass_on(&mut self, id: LegId, server: ServerId, request: &Request) {
        let peer = self.legs.get(&id).filter(|leg| leg.bridged).and_then(|leg| leg.peer);
        let Some(peer) = peer else {
            // A key pressed in a prompt: taken, and of no consequence.
            self.respond_inside(server, 200, None);
            return;
        };
        let body = Body::of(&request.headers, request.body());
        let body = self.legs.get_mut(&peer).and_then(|leg| leg.described(body));
        let proposed = if request.method == Method::Update { self.session_proposed(peer) } else { Vec::new() };
        let purpose = Purpose::Relay(peer, server);
        if self.send_inside(peer, &request.method, body.as_ref(), &proposed, purpose).is_none() {
            self.respond_inside(server, 500, None);
        }
    }

    /// The response to what was passed on to a leg.
    pub(super) fn relay_answered(&mut self, id: LegId, server: ServerId, client: ClientId, response: &Response) {
        let status = response.status.code();
        match status {
            0..200 => {}
            200..300 => {
                let body = Body::of(&response.headers, response.body());
                let request = self.transactions.client_request(client);
                let update = request.filter(|request| request.method == Method::Update);
                let said = update.as_ref().and_then(|update| Body::of(&update.headers, update.body()));
                let update = update.is_some();
                let peer = self.legs.get_mut(&id).and_then(|leg| {
                    if let Some(dialog) = leg.dialog.as_mut().filter(|_| update) {
                        dialog.retarget(&response.headers);
                    }
                    if said.is_some() {
                        leg.local_sdp = said;
                        leg.remote_sdp.clone_from(&body);
                    }
                    leg.peer
                });
                self.relayed(peer, server, status, body, update);
                if update {
                    self.session_confirmed(id, &response.headers);
                }
            }
            _ => self.relay_failed(id, server, status),
        }
    }

    /// The 2xx to what was passed on reaches the one who sent it.
    fn relayed(&mut self, id: Option<LegId>, server: ServerId, status: u16, body: Option<Body>, update: bool) {
        // A PRACK may have been passed on as an UPDATE, and says nothing of the session's time.
        let asked = self.transactions.server_request(server).map(|request| request.method.clone());
        let agreed = id
            .filter(|_| update && asked == Some(Method::Update))
            .map(|id| self.session_agreed(id))
            .unwrap_or_default();
        let body = match id.and_then(|id| self.legs.get_mut(&id)) {
            Some(leg) => {
                let body = leg.described(body);
                if update && body.is_some() {
                    leg.local_sdp.clone_from(&body);
                }
                body
            }
            None => body,
        };
        self.respond_with(server, status, body.as_ref(), &agreed);
    }

    /// What was passed on to a leg failed; 481 and silence mean that its dialog is gone (RFC 3261 12.2.1.2).
    pub(super) fn relay_failed(&mut self, id: LegId, server: ServerId, status: u16) {
        let gone = matches!(status, 408 | 481);
        let cause = if status == 408 { Cause::Timeout } else { Cause::Status(status) };
        self.respond_inside(server, super::reinvite::passed_on(status), None);
        if gone {
            self.hang_up(id, cause, Farewell::Bye(None));
        }
    }
}
