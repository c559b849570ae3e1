//! Phones and trunks that we call.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sipx_sip::headers::Address;
use sipx_sip::message::Headers;
use sipx_sip::session::Refresher;
use sipx_sip::{HeaderName, Method, Request, RequestBuilder, Response, Uri};

use super::Core;
use super::dialog::Dialog;
use super::io::Token;
use super::leg::{Branch, Destination, Leg, Role, Stage};
use super::message::{self, Body};
use super::refresh;
use super::transactions::{ClientId, Purpose};
use crate::api::{Cause, Identity, LegId, Target};
use crate::media::Media;
use crate::registrar::thousandths;

/// What a call needs beside its target.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) identity: Identity,
    pub(super) timeout_ms: u64,
    pub(super) offer: Option<Body>,
    pub(super) hops: u8,
    /// Who had the call transferred (RFC 3892).
    pub(super) referred_by: Option<Bytes>,
    /// Where our own media is received, when the offer describes it.
    pub(super) ours: Option<IpAddr>,
    /// Whether 100rel is offered.
    pub(super) reliable: bool,
}

/// Where a target's phones are.
struct Route {
    destinations: Vec<Destination>,
    line: Option<Arc<str>>,
    trunk: Option<Arc<str>>,
    /// The number called: the user part of To.
    number: Arc<str>,
}

impl<M: Media> Core<M> {
    fn route(&mut self, target: &Target) -> Result<Route, Cause> {
        match target {
            Target::Subscriber(number) => {
                if !self.subscribers.contains_key(number) {
                    return Err(Cause::Refused(404));
                }
                let destinations = self.destinations(number);
                if destinations.is_empty() {
                    return Err(Cause::Refused(480));
                }
                if !self.line_is_free(number) {
                    return Err(Cause::Refused(486));
                }
                Ok(Route { destinations, line: Some(number.clone()), trunk: None, number: number.clone() })
            }
            Target::Trunk { trunk, number } => {
                let trunk = self.trunks.iter().find(|known| known.name == *trunk).ok_or(Cause::Refused(503))?;
                let uri = format!("sip:{}@{}", message::escape_user(number), trunk.address);
                let uri = Uri::parse(Bytes::from(uri)).map_err(|_| Cause::Refused(404))?;
                let (name, transport, address) = (trunk.name.clone(), trunk.transport, trunk.address);
                let flow = self.io.flow_to(transport, address).ok_or(Cause::Refused(503))?;
                Ok(Route {
                    destinations: vec![Destination { uri, flow, routes: Vec::new() }],
                    line: None,
                    trunk: Some(name),
                    number: number.clone(),
                })
            }
        }
    }

    /// Where a subscriber's phones are.
    pub(super) fn destinations(&mut self, number: &str) -> Vec<Destination> {
        let io = &mut self.io;
        let most = io.config.max_forks;
        self.registrar.reachable(number).take(most).map(|contact| io.destination(contact)).collect()
    }

    /// Whether a target could be called now; the address of ours that its (most preferred) phone can send media to.
    pub(super) fn reached_from(&mut self, target: &Target) -> Result<IpAddr, Cause> {
        let route = self.route(target)?;
        let first = route.destinations.first().ok_or(Cause::Refused(480))?;
        Ok(self.io.listener(first.flow).media_address)
    }

    /// Calls all phones of a target at once.
    pub(super) fn call(&mut self, id: LegId, role: Role, target: &Target, call: &Call) -> Result<(), Cause> {
        let route = self.route(target)?;
        if self.legs.len() >= self.io.config.max_legs {
            self.io.count("leg.shed");
            return Err(Cause::Refused(503));
        }
        let mut leg = Leg::new(role, Stage::Calling, route.line.clone(), route.number.clone());
        leg.hops = call.hops;
        leg.local_sdp.clone_from(&call.offer);
        for destination in &route.destinations {
            let tag = self.io.token();
            let invite = self.invite(&route, destination, call, &tag);
            let client = invite.and_then(|invite| {
                self.transactions.request(
                    &mut self.io,
                    invite,
                    destination.flow,
                    Purpose::Invite(id),
                    route.trunk.clone(),
                )
            });
            let Some(client) = client else {
                self.io.count("request.unbuildable");
                continue;
            };
            let tag = Bytes::from(tag);
            self.tags.insert(tag.clone(), id);
            leg.branches.push(Branch { client, tag, rang: false, failed: None, diverted: None, early: None });
        }
        if leg.branches.is_empty() {
            return Err(Cause::Refused(500));
        }
        leg.timer = Some(self.io.after(call.timeout_ms, Token::Ring(id)));
        self.legs.insert(id, leg);
        if let Some(line) = &route.line {
            self.line_up(line, id);
        }
        Ok(())
    }

    fn invite(&mut self, route: &Route, to: &Destination, call: &Call, tag: &str) -> Option<Request> {
        let domain = self.io.domain.clone();
        let from = message::name_addr(&call.identity, &domain);
        let called = message::escape_user(&route.number);
        let call_id = format!("{}@{}", self.io.token(), message::host(self.io.listener(to.flow).address.ip()));
        let via = message::via(&mut self.io, to.flow);
        let mut builder = RequestBuilder::new(Method::Invite, to.uri.clone()).header(HeaderName::Via, via).ok()?;
        for path in &to.routes {
            builder = builder.header(HeaderName::Route, path.clone()).ok()?;
        }
        builder = builder
            .max_forwards(call.hops)
            .header(HeaderName::From, format!("{from};tag={tag}"))
            .ok()?
            .header(HeaderName::To, format!("<sip:{called}@{domain}>"))
            .ok()?
            .header(HeaderName::CallId, call_id)
            .ok()?
            .cseq(1, &Method::Invite)
            .ok()?
            .header(HeaderName::Contact, message::contact(&self.io, to.flow))
            .ok()?
            .header(HeaderName::Allow, message::ALLOW)
            .ok()?
            .header(HeaderName::UserAgent, self.io.config.product.clone())
            .ok()?
            .header(HeaderName::PAssertedIdentity, from)
            .ok()?;
        for (name, value) in refresh::proposal(self.session_interval(), Refresher::Uac) {
            let reliable = call.reliable && name == HeaderName::Supported;
            let value = if reliable { Bytes::from(format!("{}, 100rel", message::SUPPORTED)) } else { value };
            builder = builder.header(name, value).ok()?;
        }
        if let Some(by) = &call.referred_by {
            builder = builder.header(HeaderName::ReferredBy, by.clone()).ok()?;
        }
        // Our media is at an address of one family: a phone of the other makes the offer, and is answered in the ACK.
        let reaches = |ours: IpAddr| ours.is_ipv4() == self.io.listener(to.flow).media_address.is_ipv4();
        if let Some(body) = call.offer.as_ref().filter(|_| call.ours.is_none_or(reaches)) {
            builder = builder.header(HeaderName::ContentType, body.kind.clone()).ok()?.body(body.bytes.clone());
        }
        Some(builder.build())
    }

    /// A response to the first INVITE of a called leg.
    pub(super) fn invite_answered(&mut self, id: LegId, client: ClientId, response: &Response) {
        let status = response.status.code();
        let Some(leg) = self.legs.get_mut(&id) else {
            self.orphan_answered(client, response);
            return;
        };
        match status {
            100 => {}
            101..200 => {
                if !self.acknowledges(id, client, response) {
                    return;
                }
                let Some(leg) = self.legs.get_mut(&id) else { return };
                let early = !leg.branches.iter().any(|branch| branch.rang && branch.client != client);
                if let Some(branch) = leg.branches.iter_mut().find(|branch| branch.client == client) {
                    branch.rang = true;
                }
                // Two phones' early media can't both be the one answer that the caller's offer may have.
                let body = if early { Body::of(&response.headers, response.body()) } else { None };
                self.callee_rings(id, status, body);
            }
            200..300 => self.picked_up(id, client, response),
            _ => {
                let diverted = (300..400).contains(&status).then(|| preferred(&response.headers)).flatten();
                if let Some(branch) = leg.branches.iter_mut().find(|branch| branch.client == client) {
                    branch.diverted = diverted;
                }
                self.invite_failed(id, client, Cause::Status(status), status);
            }
        }
    }

    fn picked_up(&mut self, id: LegId, client: ClientId, response: &Response) {
        let target = self.transactions.client_target(client);
        let invite = self.transactions.client_request(client);
        let dialog = match (target, invite) {
            (Some((flow, trunk)), Some(invite)) => Dialog::calling(&invite, response, flow, trunk),
            _ => None,
        };
        let (Some(leg), Some(mut dialog)) = (self.legs.get_mut(&id), dialog) else {
            self.orphan_answered(client, response);
            return;
        };
        if leg.stage != Stage::Calling || !leg.branches.iter().any(|branch| branch.client == client) {
            if !self.awaits_its_ack(id, client, response) {
                self.orphan_answered(client, response);
            }
            return;
        }
        let mut said = leg.remote_sdp.take();
        for branch in std::mem::take(&mut leg.branches) {
            if branch.client == client {
                if let Some(early) = branch.early {
                    early.continued(&mut dialog);
                    said = said.or(early.described);
                }
                leg.tag = branch.tag;
            } else {
                self.tags.remove(&branch.tag);
                let elsewhere = message::reason(200, "Call completed elsewhere");
                self.transactions.abandon(&mut self.io, branch.client, Some(elsewhere));
            }
        }
        leg.dialog = Some(dialog);
        leg.stage = Stage::Up;
        // What was described reliably before need not be said again (RFC 3262 5).
        leg.remote_sdp = Body::of(&response.headers, response.body()).or(said);
        let role = leg.role;
        if let Some(timer) = leg.timer.take() {
            self.io.wheel.cancel(timer);
        }
        self.session_confirmed(id, &response.headers);
        self.probe_later(id);
        self.leg_changed(id);
        match role {
            Role::Rung => self.rung_answered(id, client),
            Role::Dialled(caller) => self.dialled_answered(id, caller, client),
            Role::Connected(first) => self.connected_answered(id, first, client),
            Role::Transferred(of) => self.transfer_answered(id, of, client),
            Role::Caller => {}
        }
    }

    /// Sends the ACK for the 2xx that a leg's INVITE or re-INVITE got.
    pub(super) fn send_ack(&mut self, id: LegId, client: ClientId, body: Option<&Body>) {
        let Some(dialog) = self.legs.get(&id).and_then(|leg| leg.dialog.as_ref()) else { return };
        let Some(invite) = self.transactions.client_request(client) else {
            self.io.count("ack.too_late");
            return;
        };
        let (tag, flow) = (dialog.remote_tag.clone(), dialog.flow);
        if let Some(ack) = dialog.ack(&mut self.io, &invite, body) {
            self.transactions.acknowledge(&mut self.io, client, tag, flow, &ack);
        }
        if body.is_some() {
            // It comes long after the 2xx.
            self.transactions.settle(client);
        }
    }

    /// One phone of a called leg failed; when all have, the leg has.
    pub(super) fn invite_failed(&mut self, id: LegId, client: ClientId, cause: Cause, status: u16) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(branch) = leg.branches.iter_mut().find(|branch| branch.client == client) else { return };
        branch.failed = Some(cause);
        if status >= 600 {
            // "Everywhere" speaks for the other phones too (RFC 3261 16.7).
            for other in leg.branches.iter_mut().filter(|branch| branch.failed.is_none()) {
                other.failed = Some(cause);
                self.transactions.abandon(&mut self.io, other.client, None);
            }
        }
        let causes: Option<Vec<Cause>> = leg.branches.iter().map(|branch| branch.failed).collect();
        let best = causes.and_then(|causes| causes.into_iter().max_by_key(|cause| weight(*cause)));
        if let Some(cause) = best {
            let redirects = matches!(cause, Cause::Status(300..=399));
            let diverted = leg.branches.iter().find_map(|branch| branch.diverted.clone());
            if let Some(number) = diverted.filter(|_| redirects)
                && self.diverted(id, cause, number)
            {
                return;
            }
            self.callee_failed(id, cause);
        }
    }

    /// Whether this is a repetition of a 2xx whose ACK waits for the answer of the peer's phone.
    pub(super) fn awaits_its_ack(&mut self, id: LegId, client: ClientId, response: &Response) -> bool {
        let Some(leg) = self.legs.get(&id) else { return false };
        let due = leg.ack_due.as_ref().is_some_and(|due| due.client == client);
        let same = leg.dialog.as_ref().map(|dialog| &dialog.remote_tag) == message::to_tag(&response.headers).as_ref();
        if due && same {
            self.io.count("response.repeated_2xx");
        }
        due && same
    }

    /// A response to an INVITE nobody waits for: a 2xx that came too late is ended as RFC 3261 15 wants.
    pub(super) fn orphan_answered(&mut self, client: ClientId, response: &Response) {
        if !response.status.is_success() {
            return;
        }
        self.io.count("response.late_2xx");
        let Some((flow, trunk)) = self.transactions.client_target(client) else { return };
        let Some(invite) = self.transactions.client_request(client) else { return };
        let inside = message::to_tag(&invite.headers).is_some();
        let Some(mut dialog) = Dialog::calling(&invite, response, flow, trunk.clone()) else { return };
        let flow = dialog.flow;
        if let Some(ack) = dialog.ack(&mut self.io, &invite, None) {
            self.transactions.acknowledge(&mut self.io, client, dialog.remote_tag.clone(), flow, &ack);
        }
        if inside {
            return;
        }
        if let Some(bye) = dialog.request(&mut self.io, &Method::Bye, None, &[]) {
            self.transactions.request(&mut self.io, bye, flow, Purpose::Nothing, trunk);
        }
    }

    /// A called leg rang too long.
    pub(super) fn ring_timeout(&mut self, id: LegId) {
        if self.legs.get(&id).is_some_and(|leg| leg.stage == Stage::Calling) {
            self.callee_failed(id, Cause::Refused(408));
        }
    }
}

/// The number that a 3xx prefers of those in its Contacts: the one with the highest q, of equal ones the first
/// (RFC 3261 8.1.3.4).
fn preferred(headers: &Headers) -> Option<Arc<str>> {
    let lines: Vec<_> = headers.get_all(&HeaderName::Contact).map(sipx_sip::Header::value).collect();
    let lists = lines.iter().filter_map(|line| Address::parse_list(line, "Contact").ok());
    let named = lists.flatten().filter(|address| address.uri.scheme().is_sip()).filter_map(|address| {
        let q = address.param("q").and_then(thousandths).unwrap_or(1_000);
        Some((std::cmp::Reverse(q), message::number_of(&address.uri)?))
    });
    named.min_by_key(|(q, _)| *q).map(|(_, number)| number)
}

/// Which of several phones' failures the caller hears: a refusal by a user before a technical failure, and
/// busy before both.
fn weight(cause: Cause) -> u8 {
    match cause {
        Cause::Status(600..) => 6,
        Cause::Status(486) => 5,
        Cause::Status(480 | 487 | 408) => 2,
        Cause::Status(401 | 407 | 500..) => 1,
        Cause::Status(_) => 3,
        _ => 0,
    }
}
