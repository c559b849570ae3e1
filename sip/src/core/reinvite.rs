//! Re-INVITEs, ours and theirs (RFC 3261 14).

use sipx_sip::{Method, Request, Response};

use super::Core;
use super::connect::same_media;
use super::dialog::cseq;
use super::end::Farewell;
use super::io::Token;
use super::leg::{AckDue, Joining, Leg, Postponed, Reinvite, Role, Stage, Why};
use super::message::{self, Body};
use super::transactions::{ClientId, Purpose};
use crate::api::{Cause, LegId};
use crate::media::Media;

/// How often a re-INVITE that meets another one is tried again.
const MAX_GLARES: u8 = 5;

/// The status with which one phone's refusal within a dialog reaches the other: its dialog with us lives even
/// if the other's is gone, and a challenge was for us.
pub(super) fn passed_on(status: u16) -> u16 {
    match status {
        401 | 407 => 403,
        300..=399 | 408 | 481 => 480,
        _ => status,
    }
}

pub(super) fn occupied(leg: &Leg) -> bool {
    let answering = leg.stage == Stage::Up && leg.invite.is_some();
    answering
        || leg.reinvite_out.is_some()
        || leg.reinvite_in.is_some()
        || leg.ack_wanted.is_some()
        || leg.ack_due.is_some()
}

impl<M: Media> Core<M> {
    /// Offers a new description to a leg, as soon as nothing else is being agreed on with it.
    pub(super) fn reinvite(&mut self, id: LegId, offer: Body, why: Why) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage == Stage::Up) else { return };
        let waiting = leg.postponed.take();
        if let Some(timer) = waiting.as_ref().and_then(|waiting| waiting.timer) {
            self.io.wheel.cancel(timer);
        }
        if occupied(leg) {
            let glares = waiting.map_or(0, |postponed| postponed.glares);
            leg.postponed = Some(Postponed { why, offer, timer: None, glares });
        } else if !self.send_reinvite(id, Some(offer), why) {
            self.io.count("request.unbuildable");
            self.hang_up(id, Cause::Refused(500), Farewell::Bye(None));
        }
    }

    pub(super) fn send_reinvite(&mut self, id: LegId, offer: Option<Body>, why: Why) -> bool {
        let proposed = self.session_proposed(id);
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        if matches!(why, Why::Join(_)) || leg.transfer.is_some() {
            leg.keep_session();
        }
        // A session that only goes on is described as before, to the version (RFC 4028 7.4).
        let said = if why == Why::Refresh { offer.clone() } else { leg.described(offer.clone()) };
        let client = self.send_inside(id, &Method::Invite, said.as_ref(), &proposed, Purpose::Reinvite(id));
        let Some(client) = client else { return false };
        // A far side that says 100 and then nothing must not hold the leg for ever.
        self.io.after(self.io.config.give_up(), Token::Cancelled(client));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.reinvite_out = Some(Reinvite { client, why, offer, said });
        }
        true
    }

    /// The time of a postponed re-INVITE may have come.
    pub(super) fn reinvite_again(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(postponed) = leg.postponed.as_mut() {
            postponed.timer = None;
        }
        self.next_reinvite(id);
    }

    /// Sends the postponed re-INVITE unless its timer runs or the leg is still occupied.
    fn next_reinvite(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if occupied(leg) || leg.postponed.as_ref().is_none_or(|postponed| postponed.timer.is_some()) {
            return;
        }
        let Some(postponed) = leg.postponed.take() else { return };
        leg.glares = postponed.glares;
        self.reinvite(id, postponed.offer, postponed.why);
    }

    /// A response to our re-INVITE.
    pub(super) fn reinvite_answered(&mut self, id: LegId, client: ClientId, response: &Response) {
        let status = response.status.code();
        let current = self
            .legs
            .get(&id)
            .and_then(|leg| leg.reinvite_out.as_ref())
            .is_some_and(|reinvite| reinvite.client == client);
        if !current {
            if !self.awaits_its_ack(id, client, response) {
                self.orphan_answered(client, response);
            }
            return;
        }
        if status >= 300 {
            self.reinvite_failed(id, client, status);
            return;
        }
        if status < 200 {
            return;
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(reinvite) = leg.reinvite_out.take() else { return };
        leg.glares = 0;
        let body = Body::of(&response.headers, response.body());
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.retarget(&response.headers);
        }
        if reinvite.said.is_some() {
            leg.local_sdp = reinvite.said;
        }
        self.session_confirmed(id, &response.headers);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match reinvite.why {
            Why::Swap => {
                self.send_ack(id, client, None);
                self.swapped(id, body);
            }
            Why::Mend => {
                if body.is_some() {
                    leg.remote_sdp = body;
                }
                self.send_ack(id, client, None);
            }
            Why::Join(of) => {
                if body.is_some() {
                    leg.remote_sdp.clone_from(&body);
                }
                self.send_ack(id, client, None);
                self.callee_took(of, id, body);
            }
            Why::Wait => {
                self.send_ack(id, client, None);
                self.waiting(id, body.as_ref());
            }
            Why::Refresh | Why::Back => {
                let before = std::mem::replace(&mut leg.remote_sdp, body.clone());
                self.send_ack(id, client, None);
                self.refreshed(id, before, body);
            }
            Why::Lost => {
                let answer = leg.local_sdp.clone().filter(|_| reinvite.offer.is_none());
                self.send_ack(id, client, answer.as_ref());
            }
            Why::Relay(server) => {
                if body.is_some() {
                    leg.remote_sdp.clone_from(&body);
                }
                // The phone now knows of its peer's media what is newer than any description that waits.
                let outdated = leg.postponed.take_if(|postponed| postponed.why == Why::Mend);
                if let Some(timer) = outdated.and_then(|postponed| postponed.timer) {
                    self.io.wheel.cancel(timer);
                }
                let peer = leg.peer;
                if reinvite.offer.is_some() {
                    self.send_ack(id, client, None);
                } else {
                    leg.ack_due = Some(AckDue { client });
                }
                if let Some(peer) = peer {
                    self.answer_reinvite(peer, server, body);
                }
            }
        }
        self.next_reinvite(id);
    }

    /// The phone of a refreshed leg may have said something new all the same.
    fn refreshed(&mut self, id: LegId, before: Option<Body>, now: Option<Body>) {
        let moved = match (&before, &now) {
            (Some(before), Some(now)) => !same_media(&before.bytes, &now.bytes),
            _ => false,
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if now.is_none() {
            leg.remote_sdp = before;
        }
        let (playing, peer) = (leg.port.is_some(), leg.peer.filter(|_| leg.bridged));
        match (moved.then_some(now).flatten(), peer) {
            (Some(now), Some(peer)) => self.reinvite(peer, now, Why::Mend),
            (Some(now), None) if playing => {
                self.hear(id, Some(&now));
            }
            _ => {}
        }
    }

    /// Our re-INVITE was refused, or nobody answered it (`status` 408).
    pub(super) fn reinvite_failed(&mut self, id: LegId, client: ClientId, status: u16) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.reinvite_out.as_ref().is_none_or(|reinvite| reinvite.client != client) {
            return;
        }
        let Some(reinvite) = leg.reinvite_out.take() else { return };
        let (role, joining, peer) = (leg.role, leg.joining, leg.peer);
        let gone = matches!(status, 408 | 481);
        let cause = if status == 408 { Cause::Timeout } else { Cause::Status(status) };
        if let Why::Relay(server) = reinvite.why {
            if let Some(peer) = peer.and_then(|peer| self.legs.get_mut(&peer)) {
                peer.reinvite_in = None;
            }
            self.respond_inside(server, passed_on(status), None);
            if gone {
                self.hang_up(id, cause, Farewell::Bye(None));
                return;
            }
            self.next_reinvite(id);
            if let Some(peer) = peer {
                self.next_reinvite(peer);
            }
            return;
        }
        if status == 491 && leg.glares < MAX_GLARES {
            let Some(offer) = reinvite.offer else { return };
            self.io.count("reinvite.glare");
            // RFC 3261 14.1: the owner of the Call-ID waits longer.
            let wait =
                if role == Role::Caller { self.io.random_tens(0, 2000) } else { self.io.random_tens(2100, 4000) };
            let timer = Some(self.io.after(wait, Token::Again(id)));
            if let Some(leg) = self.legs.get_mut(&id) {
                let glares = leg.glares + 1;
                leg.postponed = Some(Postponed { why: reinvite.why, offer, timer, glares });
            }
            return;
        }
        if !gone {
            match reinvite.why {
                Why::Join(of) => return self.transfer_refused(of, cause),
                Why::Swap if self.legs.get(&id).is_some_and(|leg| leg.transfer.is_some()) => {
                    return self.transfer_refused(id, cause);
                }
                Why::Refresh => {
                    self.io.count("session.refresh_refused");
                    return self.next_reinvite(id);
                }
                Why::Wait => {
                    // It hears nothing then; what was agreed on before stays (RFC 3261 14.1).
                    self.io.count("media.no_ringback");
                    return self.next_reinvite(id);
                }
                Why::Lost | Why::Back => return self.next_reinvite(id),
                _ => {}
            }
        } else if reinvite.why == Why::Refresh {
            self.vanished(id);
            return;
        }
        match (joining, peer) {
            (Joining::Swapping, Some(callee)) if !gone => {
                self.end(callee, Cause::Local, &Farewell::Bye(None));
                self.connect_failed(id, cause);
            }
            _ => self.hang_up(id, cause, Farewell::Bye(None)),
        }
    }

    /// What was being agreed on with a leg's peer, which is gone while the leg stays.
    pub(super) fn separate(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.reinvite_in = None;
        if let Some(reinvite) = leg.reinvite_out.as_mut()
            && matches!(reinvite.why, Why::Relay(_))
        {
            reinvite.why = Why::Lost;
        }
        let said = leg.local_sdp.clone();
        if let Some(due) = leg.ack_due.take() {
            self.send_ack(id, due.client, said.as_ref());
        }
    }

    /// What was being agreed on with a leg that ends, comes to nothing.
    pub(super) fn abort_reinvites(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (theirs, ours) = (leg.reinvite_in.take(), leg.reinvite_out.take());
        if let Some(server) = theirs {
            self.respond_inside(server, 487, None);
        }
        if let Some(reinvite) = ours {
            self.transactions.abandon(&mut self.io, reinvite.client, None);
            if let Why::Relay(server) = reinvite.why {
                self.respond_inside(server, 487, None);
            }
        }
    }

    /// ACK for a 2xx of ours (RFC 3261 13.3.1.4).
    pub(super) fn ack(&mut self, request: &Request) {
        let tag = message::to_tag(&request.headers);
        let found = tag.as_ref().and_then(|tag| self.tags.get(tag).copied());
        let Some((id, leg)) = found.and_then(|id| Some((id, self.legs.get_mut(&id)?))) else {
            let refused = tag.is_some_and(|tag| *tag == *message::stateless_tag(&request.headers).as_bytes());
            self.io.count(if refused { "ack.refusal" } else { "ack.stray" });
            return;
        };
        let ours = leg.dialog.as_ref().is_some_and(|dialog| dialog.is_from(&request.headers));
        let Some(wanted) = leg.ack_wanted.filter(|wanted| ours && Some(wanted.cseq) == cseq(&request.headers)) else {
            self.io.count("ack.repeated");
            return;
        };
        leg.ack_wanted = None;
        self.transactions.acknowledged(&mut self.io, wanted.server);
        let body = Body::of(&request.headers, request.body());
        let (stage, peer, playing) = (leg.stage, leg.peer, leg.port.is_some());
        match stage {
            Stage::Closing => self.bye_at_last(id),
            Stage::Answering => self.answer_acknowledged(id, body.as_ref()),
            _ => {
                if body.is_some() {
                    leg.remote_sdp.clone_from(&body);
                }
                if playing && body.is_some() {
                    self.hear(id, body.as_ref());
                }
                let due = peer.and_then(|peer| self.legs.get_mut(&peer)).and_then(|peer| peer.ack_due.take());
                if let (Some(peer), Some(due)) = (peer, due) {
                    let body = self.legs.get_mut(&peer).and_then(|leg| {
                        let body = leg.described(body);
                        if body.is_some() {
                            leg.local_sdp.clone_from(&body);
                        }
                        body
                    });
                    self.send_ack(peer, due.client, body.as_ref());
                    self.next_reinvite(peer);
                }
            }
        }
        self.next_reinvite(id);
        if let Some(peer) = peer {
            self.next_reinvite(peer);
        }
    }
}
