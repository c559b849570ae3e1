//! Legs with our own media, and third-party call control for them (RFC 3725, early offer).

use std::net::IpAddr;

use bytes::Bytes;

use super::Core;
use super::end::Farewell;
use super::leg::{Joining, Leg, Role, Session, Stage, Why};
use super::message::Body;
use super::transactions::ClientId;
use super::uac::Call;
use crate::api::{Cause, Event, Identity, LegId, Played, Target};
use crate::media::Media;
use crate::sdp;

impl<M: Media> Core<M> {
    /// A description of our own media at this address and port, with a new session.
    fn own_offer(&mut self, address: IpAddr, port: u16) -> (Session, Body) {
        // RFC 4566 5.2 wants a session id that fits into 63 bits for phones that count with signs.
        let session = Session { id: self.io.random() >> 2, version: 1, address };
        (session, Body::sdp(sdp::offer(address, port, session.id)))
    }

    /// `Ring`.
    pub(super) fn ring(&mut self, id: LegId, target: &Target, identity: Identity, timeout_ms: u64) {
        if self.legs.contains_key(&id) {
            self.io.count("command.out_of_place");
            return;
        }
        let media = self.reached_from(target).and_then(|address| {
            let port = self.media.open(id, address).ok_or(Cause::Refused(503))?;
            Ok((address, port))
        });
        let result = media.and_then(|(address, port)| {
            let (session, offer) = self.own_offer(address, port);
            let offer = (!self.io.config.late_offer).then_some(offer);
            let call =
                Call { identity, timeout_ms, offer, hops: 70, referred_by: None, ours: Some(address), reliable: false };
            let result = self.call(id, Role::Rung, target, &call);
            if result.is_err() {
                self.media.close(id);
            } else if let Some(leg) = self.legs.get_mut(&id) {
                leg.port = Some(port);
                leg.session = Some(session);
            }
            result
        });
        if let Err(cause) = result {
            self.io.emit(Event::Ended { leg: id, cause });
        }
    }

    /// The phone of a `Ring` answered.
    pub(super) fn rung_answered(&mut self, id: LegId, client: ClientId) {
        let theirs = self.legs.get(&id).and_then(|leg| leg.remote_sdp.clone());
        let offered = self.transactions.client_request(client).is_some_and(|invite| !invite.body().is_empty());
        if !self.receives_where_it_answered(id) {
            self.io.count("media.no_port");
            self.send_ack(id, client, None);
            // Not 503: of a `Ring` that says that nothing was sent.
            self.hang_up(id, Cause::Refused(500), Farewell::Bye(super::end::reason_of(Some(503))));
            return;
        }
        let heard = if offered {
            self.send_ack(id, client, None);
            self.hear(id, theirs.as_ref())
        } else {
            // The 200 has the phone's offer: our answer goes into the ACK.
            let ours = theirs.and_then(|offer| self.own_answer(id, Some(&offer)));
            self.send_ack(id, client, ours.as_ref());
            let answered = ours.is_some();
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.local_sdp = ours;
            }
            answered
        };
        if heard {
            self.io.emit(Event::Answered { leg: id });
        } else {
            self.io.count("media.no_common_codec");
            self.hang_up(id, Cause::Refused(488), Farewell::Bye(super::end::reason_of(Some(488))));
        }
    }

    /// The phone that answered may be of the other IP version than the one our media was opened for.
    fn receives_where_it_answered(&mut self, id: LegId) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let (Some(dialog), Some(session)) = (&leg.dialog, leg.session) else { return false };
        let address = self.io.listener(dialog.flow).media_address;
        if address.is_ipv4() == session.address.is_ipv4() {
            return true;
        }
        self.media.close(id);
        leg.port = self.media.open(id, address);
        leg.session = Some(Session { address, ..session });
        leg.port.is_some()
    }

    /// Points our player to what the phone says in its answer; false when it can't be used.
    pub(super) fn hear(&mut self, id: LegId, answer: Option<&Body>) -> bool {
        let Some(negotiated) = answer.and_then(|body| sdp::negotiated(&body.bytes).ok()) else { return false };
        self.media.connect(id, negotiated.remote, negotiated.codec);
        true
    }

    /// `Answer`.
    pub(super) fn answer(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage == Stage::Routing) else {
            self.io.count("command.out_of_place");
            return;
        };
        if let Some(timer) = leg.timer.take() {
            self.io.wheel.cancel(timer);
        }
        let offer = leg.remote_sdp.clone();
        let Some(flow) = leg.dialog.as_ref().map(|dialog| dialog.flow) else { return };
        let address = self.io.listener(flow).media_address;
        let Some(port) = self.media.open(id, address) else {
            self.io.count("media.no_port");
            self.hang_up(id, Cause::Refused(503), Farewell::Final(503));
            return;
        };
        let (session, mut ours) = self.own_offer(address, port);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.port = Some(port);
        }
        if let Some(offer) = offer {
            let answer = sdp::answer(&offer.bytes, address, port, session.id);
            let Ok((answer, negotiated)) = answer else {
                self.io.count("media.no_common_codec");
                self.hang_up(id, Cause::Refused(488), Farewell::Final(488));
                return;
            };
            self.media.connect(id, negotiated.remote, negotiated.codec);
            ours = Body::sdp(answer);
        }
        self.answer_caller(id, Some(ours));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.session = Some(session);
            leg.stage = Stage::Answering;
        }
    }

    /// The ACK for an `Answer`; it carries the phone's answer when the offer was ours.
    pub(super) fn answer_acknowledged(&mut self, id: LegId, body: Option<&Body>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.stage = Stage::Up;
        if leg.remote_sdp.is_none() {
            leg.remote_sdp = body.cloned();
            if !self.hear(id, body) {
                self.io.count("media.no_common_codec");
                self.hang_up(id, Cause::Refused(488), Farewell::Bye(super::end::reason_of(Some(488))));
                return;
            }
        }
        self.io.emit(Event::Answered { leg: id });
    }

    /// `Play`.
    pub(super) fn play(&mut self, id: LegId, token: u64, prompts: &[std::sync::Arc<str>]) {
        self.stop_play(id);
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.is_ours() && leg.joining == Joining::No) else {
            self.io.emit(Event::Played { leg: id, token, outcome: Played::Failed });
            return;
        };
        leg.playing = Some(token);
        self.media.play(id, token, prompts);
    }

    /// `StopPlay`; also before anything that ends a play.
    pub(super) fn stop_play(&mut self, id: LegId) {
        if let Some(token) = self.legs.get_mut(&id).and_then(|leg| leg.playing.take()) {
            self.media.stop(id);
            self.io.emit(Event::Played { leg: id, token, outcome: Played::Stopped });
        }
    }

    /// `Connect`.
    pub(super) fn connect(&mut self, id: LegId, target: &Target, identity: Identity, timeout_ms: u64) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.stage != Stage::Closing) else {
            // Its `Ended` says it all.
            self.io.count("command.out_of_place");
            return;
        };
        if !leg.is_ours() || leg.joining != Joining::No || leg.remote_sdp.is_none() {
            self.io.count("command.out_of_place");
            self.io.emit(Event::ConnectFailed { leg: id, cause: Cause::Refused(500) });
            return;
        }
        let offer = leg.remote_sdp.clone();
        self.stop_play(id);
        let callee = self.begin_leg();
        let call = Call {
            identity,
            timeout_ms,
            offer: offer.clone(),
            hops: 70,
            referred_by: None,
            ours: None,
            reliable: false,
        };
        match self.call(callee, Role::Connected(id), target, &call) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.joining = Joining::Calling;
                    leg.peer = Some(callee);
                }
                if let Some(leg) = self.legs.get_mut(&callee) {
                    leg.peer = Some(id);
                    leg.offered = offer;
                }
            }
            Err(cause) => self.io.emit(Event::ConnectFailed { leg: id, cause }),
        }
    }

    /// `StopConnect`.
    pub(super) fn stop_connect(&mut self, id: LegId) {
        let calling = |leg: &&Leg| leg.joining == Joining::Calling;
        match self.legs.get(&id).filter(calling).and_then(|leg| leg.peer) {
            Some(callee) => self.callee_failed(callee, Cause::Local),
            None => self.io.count("command.out_of_place"),
        }
    }

    /// The leg of a `Connect` stays with us.
    pub(super) fn connect_failed(&mut self, id: LegId, cause: Cause) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        leg.joining = Joining::No;
        leg.peer = None;
        self.media.ringback(id, false);
        self.io.emit(Event::ConnectFailed { leg: id, cause });
    }

    /// The callee of a `Connect` answered: the leg gets its media description.
    pub(super) fn connected_answered(&mut self, id: LegId, first: LegId, client: ClientId) {
        self.send_ack(id, client, None);
        let Some(answer) = self.legs.get(&id).and_then(|leg| leg.remote_sdp.clone()) else {
            self.io.count("media.no_answer");
            self.callee_failed(id, Cause::Refused(488));
            return;
        };
        self.media.ringback(first, false);
        if let Some(leg) = self.legs.get_mut(&first) {
            leg.joining = Joining::Swapping;
        }
        self.reinvite(first, answer, Why::Swap);
    }

    /// The leg of a `Connect` took the callee's description (RFC 3725 4.4 with an early offer).
    pub(super) fn swapped(&mut self, id: LegId, answer: Option<Body>) {
        let transferred = self.transfer_swapped(id, answer.as_ref());
        let joining = self.legs.get(&id).is_some_and(|leg| leg.joining == Joining::Swapping);
        if !transferred && !joining {
            // Whose media it was is gone meanwhile.
            self.restore(id);
            return;
        }
        let Some(callee) = self.legs.get(&id).and_then(|leg| leg.peer) else { return };
        // Not what the leg said last: it may have moved its media while the callee rang.
        let offered = self.legs.get_mut(&callee).and_then(|leg| leg.offered.take());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let moved = match (&offered, &answer) {
            (Some(before), Some(after)) => !same_media(&before.bytes, &after.bytes),
            _ => false,
        };
        if answer.is_some() {
            leg.remote_sdp.clone_from(&answer);
        }
        if leg.port.take().is_some() {
            self.media.close(id);
        }
        if !transferred {
            self.joined(id, callee);
        }
        if moved && let Some(answer) = answer {
            self.reinvite(callee, answer, Why::Mend);
        }
    }
}

/// Whether two descriptions of one phone name the same addresses, ports, codecs and directions.
pub(super) fn same_media(a: &Bytes, b: &Bytes) -> bool {
    let essence = |sdp: &Bytes| -> Vec<Vec<u8>> {
        sdp.split(|&byte| byte == b'\n')
            .map(|line| line.trim_ascii().to_vec())
            .filter(|line| {
                line.starts_with(b"c=")
                    || line.starts_with(b"m=")
                    || [&b"a=sendonly"[..], b"a=recvonly", b"a=inactive"].contains(&line.as_slice())
            })
            .collect()
    };
    essence(a) == essence(b)
}
