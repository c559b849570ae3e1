//! Two legs joined by `Dial`: what the callee's phone does reaches the caller.

use super::Core;
use super::end::{Farewell, wire_status};
use super::io::Token;
use super::leg::{AckDue, Joining, Role, Stage};
use super::message::Body;
use super::transactions::ClientId;
use super::uac::Call;
use crate::api::{Cause, Event, Identity, LegId, Target};
use crate::media::Media;

impl<M: Media> Core<M> {
    /// `Dial`.
    pub(super) fn dial(&mut self, id: LegId, target: &Target, identity: Identity, timeout_ms: u64) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage == Stage::Routing) else {
            self.io.count("command.out_of_place");
            return;
        };
        if let Some(timer) = leg.timer.take() {
            self.io.wheel.cancel(timer);
        }
        let call = Call {
            identity,
            timeout_ms,
            offer: leg.remote_sdp.clone(),
            hops: leg.hops,
            referred_by: None,
            ours: None,
            reliable: leg.offers_reliable,
        };
        let callee = self.begin_leg();
        match self.call(callee, Role::Dialled(id), target, &call) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.stage = Stage::Dialling;
                    leg.peer = Some(callee);
                }
                if let Some(leg) = self.legs.get_mut(&callee) {
                    leg.peer = Some(id);
                }
            }
            Err(cause) => self.hang_up(id, cause, Farewell::Final(wire_status(cause))),
        }
    }

    /// A phone of a called leg rings, or sends early media.
    pub(super) fn callee_rings(&mut self, id: LegId, status: u16, body: Option<Body>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let first = !std::mem::replace(&mut leg.rang, true);
        let peer = leg.peer.filter(|_| first);
        if first {
            self.leg_changed(id);
        }
        if let Some(peer) = peer
            && let Some(leg) = self.legs.get_mut(&peer)
        {
            leg.rang = true;
            self.leg_changed(peer);
        }
        let Some(leg) = self.legs.get(&id) else { return };
        let named = match leg.role {
            Role::Dialled(caller) => {
                self.ring_caller(caller, status, body);
                caller
            }
            Role::Connected(joined) => {
                if first {
                    self.media.ringback(joined, true);
                }
                joined
            }
            Role::Transferred(of) => {
                if first {
                    self.transfer_rings(of);
                }
                of
            }
            Role::Rung | Role::Caller => id,
        };
        if first {
            self.io.emit(Event::Ringing { leg: named });
        }
    }

    /// The callee of a `Dial` answered.
    pub(super) fn dialled_answered(&mut self, id: LegId, caller: LegId, client: ClientId) {
        let answer = self.legs.get(&id).and_then(|leg| leg.remote_sdp.clone());
        let offered = self.transactions.client_request(client).is_some_and(|invite| !invite.body().is_empty());
        if offered {
            self.send_ack(id, client, None);
        } else if let Some(leg) = self.legs.get_mut(&id) {
            // The 200 carries the callee's offer: its ACK will carry the caller's answer.
            leg.ack_due = Some(AckDue { client });
        }
        self.answer_caller(caller, answer);
        if let Some(leg) = self.legs.get_mut(&caller) {
            leg.stage = Stage::Up;
        }
        self.joined(caller, id);
        self.mend_early(caller, id);
    }

    /// From now on what one of the two does reaches the other.
    pub(super) fn joined(&mut self, id: LegId, callee: LegId) {
        for (leg, peer) in [(id, callee), (callee, id)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.peer = Some(peer);
                leg.bridged = true;
                leg.announced = true;
                leg.joining = Joining::No;
            }
        }
        self.io.emit(Event::Bridged { leg: id, peer: callee });
    }

    /// A callee's phone diverts the call (3xx): the application says where to. False when that is no use any more.
    pub(super) fn diverted(&mut self, id: LegId, cause: Cause, number: std::sync::Arc<str>) -> bool {
        let most = self.io.config.max_diversions;
        let Some(role) = self.legs.get(&id).map(|leg| leg.role) else { return false };
        let (Role::Dialled(named) | Role::Connected(named) | Role::Transferred(named)) = role else { return false };
        let Some(leg) = self.legs.get_mut(&named).filter(|leg| leg.stage != Stage::Closing) else { return false };
        if leg.diversions >= most {
            self.io.count("leg.diverted_too_often");
            return false;
        }
        leg.diversions += 1;
        match role {
            Role::Dialled(_) => {
                leg.peer = None;
                leg.stage = Stage::Routing;
                leg.timer = Some(self.io.after(self.io.config.route_timeout_ms, Token::Route(named)));
                self.end(id, cause, &Farewell::None);
                self.ring_caller(named, 181, None);
            }
            Role::Connected(_) => {
                leg.peer = None;
                leg.joining = Joining::No;
                self.media.ringback(named, false);
                self.end(id, cause, &Farewell::None);
            }
            _ => {
                self.end(id, cause, &Farewell::None);
                self.ask_transfer_again(named);
            }
        }
        self.io.emit(Event::Diverted { leg: named, dialled: number });
        true
    }

    /// A called leg came to nothing before it was answered, or was given up.
    pub(super) fn callee_failed(&mut self, id: LegId, cause: Cause) {
        let Some(role) = self.legs.get(&id).map(|leg| leg.role) else { return };
        self.end(id, cause, &Farewell::Bye(None));
        match role {
            Role::Dialled(caller) => self.hang_up(caller, cause, Farewell::Final(wire_status(cause))),
            Role::Connected(first) => self.connect_failed(first, cause),
            Role::Transferred(of) => self.transfer_failed(of, cause),
            Role::Rung | Role::Caller => {}
        }
    }
}
