//! A call that comes in, up to its final response.

use std::sync::Arc;

use bytes::Bytes;
use sipx_sip::{HeaderName, Request, Response, ResponseBuilder};

use super::Core;
use super::dialog::{Dialog, cseq};
use super::end::Farewell;
use super::inside::Extra;
use super::io::{Flow, Token};
use super::leg::{AckWanted, Leg, Role, Stage};
use super::message::{self, Body};
use super::refresh::{self, Refreshing};
use super::transactions::ServerId;
use crate::api::{Cause, Event, LegId, Party};
use crate::media::Media;

impl<M: Media> Core<M> {
    /// A first INVITE.
    pub(super) fn incoming(&mut self, server: ServerId, request: &Request, from: Flow) {
        if self.no_room(server, request) {
            return;
        }
        let Some(dialled) = message::number_of(&request.uri) else {
            self.refuse(server, request, 404);
            return;
        };
        let trunk = self.trunk_at(request, from).map(|trunk| (trunk.name.clone(), trunk.trusted));
        let (party, number, display, line) = if let Some((name, trusted)) = &trunk {
            let (number, display) = message::caller_of(request, *trusted);
            (Party::Trunk(name.clone()), number, display, None)
        } else {
            let Some(number) = self.authenticated(server, request, true) else { return };
            let display = message::from_display(request);
            (Party::Subscriber(number.clone()), number.clone(), display, Some(number))
        };
        let Some(hops) = message::hops_left(request) else {
            self.io.count("request.hops");
            self.refuse(server, request, 483);
            return;
        };
        let replaced = match self.replaced(request) {
            Ok(replaced) => replaced,
            Err(status) => {
                self.io.count("replaces.refused");
                self.refuse(server, request, status);
                return;
            }
        };
        let key = pending_key(request);
        if self.pending.contains_key(&key) {
            self.io.count("request.merged");
            self.refuse(server, request, 482);
            return;
        }
        let accepted = match self.session_terms(request) {
            Ok(accepted) => accepted,
            Err(least) => {
                self.io.count("session.too_brief");
                self.refuse_with(server, request, 422, &[refresh::too_brief(least)]);
                return;
            }
        };
        let tag = self.io.token();
        let Some(dialog) = Dialog::called(request, &tag, from, trunk.map(|(name, _)| name)) else {
            self.io.count("request.malformed");
            self.refuse(server, request, 400);
            return;
        };
        let call_id: Arc<str> = Arc::from(String::from_utf8_lossy(&dialog.call_id).as_ref());
        let id = self.begin_leg();
        let mut leg = Leg::new(Role::Caller, Stage::Routing, line.clone(), number.clone());
        leg.tag = dialog.local_tag.clone();
        leg.dialog = Some(dialog);
        leg.invite = Some(server);
        leg.hops = hops;
        leg.refreshing = Refreshing::of(accepted, &request.headers);
        leg.remote_sdp = Body::of(&request.headers, request.body());
        (leg.reliable, leg.offers_reliable) = self.reliability(request);
        leg.announced = replaced.is_none();
        if replaced.is_none() {
            leg.timer = Some(self.io.after(self.io.config.route_timeout_ms, Token::Route(id)));
        }
        self.tags.insert(leg.tag.clone(), id);
        self.pending.insert(key, id);
        self.legs.insert(id, leg);
        self.transactions.belongs(server, id);
        if replaced.is_none() {
            self.io.emit(Event::Incoming { leg: id, from: party, number, display, dialled, call_id });
        }
        if let Some(line) = line {
            self.line_up(&line, id);
        }
        if let Some(replaced) = replaced {
            self.take_over(id, replaced);
        }
    }

    /// Forgets that a caller's first INVITE is in progress.
    pub(super) fn settled(&mut self, server: ServerId) {
        if let Some(request) = self.transactions.server_request(server) {
            let key = pending_key(request);
            self.pending.remove(&key);
        }
    }

    /// A response to a caller's INVITE, from its leg.
    pub(super) fn caller_response(
        &mut self,
        id: LegId,
        status: u16,
        body: Option<Body>,
        extra: &[Extra],
    ) -> Option<(ServerId, Response)> {
        let agreed = if status == 200 { self.session_agreed(id) } else { Vec::new() };
        let leg = self.legs.get_mut(&id)?;
        let server = leg.invite?;
        let body = leg.described(body);
        if body.is_some() {
            leg.local_sdp.clone_from(&body);
        }
        let tag = String::from_utf8_lossy(&leg.tag).into_owned();
        let (request, flow) = self.transactions.server_request_and_flow(server)?;
        let mut builder = message::response(request, status, &tag)?;
        if status < 300 && status > 100 {
            // The caller's later requests take the way its INVITE took (RFC 3261 12.1.1).
            for route in request.headers.get_all(&HeaderName::RecordRoute) {
                builder = builder.header(HeaderName::RecordRoute, route.value().into_owned()).ok()?;
            }
            builder = builder.header(HeaderName::Contact, message::contact(&self.io, flow)).ok()?;
            builder = builder.header(HeaderName::Allow, message::ALLOW).ok()?;
        }
        for (name, value) in agreed.iter().chain(extra) {
            builder = builder.header(name.clone(), value.clone()).ok()?;
        }
        let builder = message::with_body(builder, body.as_ref())?;
        Some((server, ResponseBuilder::build(builder)))
    }

    /// A provisional response to a caller.
    pub(super) fn ring_caller(&mut self, id: LegId, status: u16, body: Option<Body>) {
        if self.rings_reliably(id, status, body.as_ref()) {
            return;
        }
        if let Some((server, response)) = self.caller_response(id, status, body, &[]) {
            self.transactions.respond(&mut self.io, server, Some(response));
        }
    }

    /// The 200 to a caller: repeated until its ACK comes.
    pub(super) fn answer_caller(&mut self, id: LegId, body: Option<Body>) {
        if self.answers_later(id, body.as_ref()) {
            return;
        }
        self.reliable_over(id);
        let Some((server, response)) = self.caller_response(id, 200, body, &[]) else { return };
        let cseq = cseq(&response.headers).unwrap_or(0);
        self.settled(server);
        self.transactions.respond(&mut self.io, server, Some(response));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.invite = None;
            leg.ack_wanted = Some(AckWanted { server, cseq });
        }
        self.leg_changed(id);
        self.probe_later(id);
    }

    /// The final refusal to a caller.
    pub(super) fn refuse_caller(&mut self, id: LegId, status: u16) {
        self.reliable_over(id);
        let Some((server, response)) = self.caller_response(id, status, None, &[]) else { return };
        self.settled(server);
        self.transactions.respond(&mut self.io, server, Some(response));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.invite = None;
        }
    }

    /// CANCEL (RFC 3261 9.2).
    pub(super) fn cancel(&mut self, server: ServerId, request: &Request) {
        let Some((invite, leg)) = self.transactions.cancelled(request) else {
            self.io.count("cancel.unmatched");
            self.refuse(server, request, 481);
            return;
        };
        let tag = match leg.and_then(|id| self.legs.get(&id)) {
            Some(leg) => String::from_utf8_lossy(&leg.tag).into_owned(),
            None => self.io.token(),
        };
        let response = message::plain(request, 200, &tag);
        self.transactions.respond(&mut self.io, server, response);
        let Some(id) = leg else { return };
        let Some(leg) = self.legs.get(&id) else { return };
        if leg.invite == Some(invite) {
            self.hang_up(id, Cause::Remote, Farewell::Final(487));
        } else if leg.reinvite_in == Some(invite) {
            self.cancel_relayed(id);
        }
    }

    /// The application did not say what to do with a call.
    pub(super) fn route_timeout(&mut self, id: LegId) {
        if self.legs.get(&id).is_some_and(|leg| leg.stage == Stage::Routing) {
            self.io.count("leg.not_routed");
            self.hang_up(id, Cause::Refused(500), Farewell::Final(500));
        }
    }
}

fn pending_key(request: &Request) -> (Bytes, Bytes) {
    let call_id = request.headers.value(&HeaderName::CallId).map(|id| Bytes::copy_from_slice(&id));
    (call_id.unwrap_or_default(), message::from_tag(&request.headers).unwrap_or_default())
}
