//! Requests within a dialog.

use bytes::Bytes;
use sipx_sip::{HeaderName, Method, Request, Response, ResponseBuilder};

use super::Core;
use super::dialog::cseq;
use super::end::Farewell;
use super::io::Flow;
use super::leg::{Joining, Stage};
use super::message::{self, Body};
use super::transactions::{Purpose, ServerId};
use crate::api::{Cause, LegId};
use crate::media::Media;

impl<M: Media> Core<M> {
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
        if dialog.trunk.is_none() {
            // A phone behind a NAT may come from a new port after a pause.
            dialog.flow = from;
        }
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
            Method::Info => self.pass_on(id, server, request),
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
        let Some((request, flow)) = self.transactions.server_request_and_flow(server) else { return };
        let target = request.method == Method::Update && status < 300;
        let response = message::response(request, status, "").and_then(|mut builder| {
            if target {
                builder = builder.header(HeaderName::Contact, message::contact(&self.io, flow)).ok()?;
            }
            message::with_body(builder, body)
        });
        self.transactions.respond(&mut self.io, server, response.map(ResponseBuilder::build));
    }

    /// UPDATE (RFC 3311).
    fn updated(&mut self, id: LegId, server: ServerId, request: &Request) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let offer = Body::of(&request.headers, request.body());
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.retarget(&request.headers);
        }
        let free = leg.reinvite_in.is_none() && leg.reinvite_out.is_none() && leg.ack_due.is_none();
        let settled = leg.stage == Stage::Up && free && leg.joining != Joining::Swapping;
        match offer {
            None => self.respond_inside(server, 200, None),
            Some(_) if !settled => {
                self.io.count("reinvite.glare");
                self.respond_inside(server, 491, None);
            }
            Some(offer) if leg.bridged => {
                leg.remote_sdp = Some(offer);
                self.pass_on(id, server, request);
            }
            Some(offer) => {
                let body = self.own_answer(id, Some(&offer));
                let body = self.legs.get_mut(&id).and_then(|leg| leg.described(body));
                if let Some(leg) = self.legs.get_mut(&id)
                    && body.is_some()
                {
                    leg.remote_sdp = Some(offer);
                }
                let status = if body.is_some() { 200 } else { 488 };
                self.respond_inside(server, status, body.as_ref());
            }
        }
    }

    /// INFO and UPDATE reach the peer's phone; the response comes back.
    fn pass_on(&mut self, id: LegId, server: ServerId, request: &Request) {
        let peer = self.legs.get(&id).filter(|leg| leg.bridged).and_then(|leg| leg.peer);
        let Some(peer) = peer else {
            // A key pressed in a prompt: taken, and of no consequence.
            self.respond_inside(server, 200, None);
            return;
        };
        let sent = self.legs.get_mut(&peer).and_then(|leg| {
            let body = leg.described(Body::of(&request.headers, request.body()));
            let dialog = leg.dialog.as_mut()?;
            let request = dialog.request(&mut self.io, &request.method, body.as_ref(), &[])?;
            let (flow, trunk) = (dialog.flow, dialog.trunk.clone());
            self.transactions.request(&mut self.io, request, flow, Purpose::Relay(peer, server), trunk)
        });
        if sent.is_none() {
            self.respond_inside(server, 500, None);
        }
    }

    /// The response to what was passed on to a leg.
    pub(super) fn relay_answered(&mut self, id: LegId, server: ServerId, response: &Response) {
        let status = response.status.code();
        match status {
            0..200 => {}
            200..300 => {
                let mut body = Body::of(&response.headers, response.body());
                if let Some(leg) = self.legs.get_mut(&id) {
                    if let Some(dialog) = leg.dialog.as_mut() {
                        dialog.retarget(&response.headers);
                    }
                    if body.as_ref().is_some_and(|body| body.kind.eq_ignore_ascii_case(b"application/sdp")) {
                        leg.remote_sdp.clone_from(&body);
                    }
                    if let Some(peer) = leg.peer.and_then(|peer| self.legs.get_mut(&peer)) {
                        body = peer.described(body);
                    }
                }
                self.respond_inside(server, status, body.as_ref());
            }
            _ => self.relay_failed(id, server, status),
        }
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
