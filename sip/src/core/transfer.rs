//! Transfers (RFC 3515, 3891, 5589), done here: no phone has to call anybody on another's word.
//!
//! The *transferor*'s leg sends REFER; its peer, the leg that is *transferred*, is joined with a new callee (blind) or
//! with the callee of another leg of the transferor (attended). Until that is done the two talk on.

use bytes::Bytes;
use ccbs_timers::Handle;

use super::Core;
use super::end::{Farewell, wire_status};
use super::io::Token;
use super::leg::{Leg, Role, Stage, Why};
use super::message::Body;
use super::replaces::undirected;
use super::transactions::ClientId;
use super::uac::Call;
use crate::api::{Cause, Event, Identity, LegId, Target};
use crate::media::Media;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The application is asked where to.
    Asking,
    /// The new callee is called.
    Calling(LegId),
    /// An answered callee is offered the transferred leg's media.
    Offering(LegId),
    /// The transferred leg is offered the callee's media.
    Swapping(LegId),
}

/// On the leg that is transferred.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The transferor, while it is there.
    pub(super) by: Option<LegId>,
    /// The other leg of the transferor, in an attended transfer.
    pub(super) consult: Option<LegId>,
    pub(super) step: Step,
    pub(super) timer: Option<Handle>,
    pub(super) referred_by: Option<Bytes>,
}

impl Transfer {
    /// The application is asked where to.
    pub(super) fn wanted(by: LegId, timer: Handle, referred_by: Option<Bytes>) -> Self {
        Self { by: Some(by), consult: None, step: Step::Asking, timer: Some(timer), referred_by }
    }

    pub(super) fn callee(&self) -> Option<LegId> {
        match self.step {
            Step::Asking => None,
            Step::Calling(callee) | Step::Offering(callee) | Step::Swapping(callee) => Some(callee),
        }
    }
}

impl Leg {
    /// Whether its media is being agreed on for a transfer, so that nobody else may change it.
    pub(super) fn in_transfer(&self) -> bool {
        let moving = |transfer: &Transfer| matches!(transfer.step, Step::Offering(_) | Step::Swapping(_));
        self.claimed.is_some() || self.transfer.as_deref().is_some_and(moving)
    }
}

impl<M: Media> Core<M> {
    pub(super) fn step(&mut self, id: LegId, step: Step) {
        if let Some(transfer) = self.legs.get_mut(&id).and_then(|leg| leg.transfer.as_mut()) {
            transfer.step = step;
            if let Some(timer) = transfer.timer.take() {
                self.io.wheel.cancel(timer);
            }
        }
    }

    /// `Transfer`.
    pub(super) fn transfer(&mut self, id: LegId, target: &Target, identity: Identity, timeout_ms: u64) {
        let asking = |leg: &&Leg| leg.transfer.as_ref().is_some_and(|transfer| transfer.step == Step::Asking);
        let Some(leg) = self.legs.get(&id).filter(asking) else {
            self.io.count("command.out_of_place");
            return;
        };
        let offer = leg.remote_sdp.as_ref().map(undirected);
        let referred_by = leg.transfer.as_ref().and_then(|transfer| transfer.referred_by.clone());
        let hops = leg.hops;
        let callee = self.begin_leg();
        let call = Call { identity, timeout_ms, offer: offer.clone(), hops, referred_by, ours: None, reliable: false };
        match self.call(callee, Role::Transferred(id), target, &call) {
            Ok(()) => {
                self.step(id, Step::Calling(callee));
                if let Some(leg) = self.legs.get_mut(&callee) {
                    leg.offered = offer;
                }
            }
            Err(cause) => self.transfer_failed(id, cause),
        }
    }

    /// The new callee diverts the call: the application is asked again.
    pub(super) fn ask_transfer_again(&mut self, id: LegId) {
        let timer = self.io.after(self.io.config.route_timeout_ms, Token::Transfer(id));
        match self.legs.get_mut(&id).and_then(|leg| leg.transfer.as_mut()) {
            Some(transfer) => {
                transfer.step = Step::Asking;
                transfer.timer = Some(timer);
            }
            None => {
                self.io.wheel.cancel(timer);
            }
        }
    }

    /// `RejectTransfer`, or the application did not say where to.
    pub(super) fn reject_transfer(&mut self, id: LegId, status: u16) {
        let transfer = self.legs.get(&id).and_then(|leg| leg.transfer.as_ref());
        match transfer.filter(|transfer| transfer.step == Step::Asking).map(|transfer| transfer.by) {
            Some(Some(_)) => self.transfer_failed(id, Cause::Refused(status)),
            // The transferor has hung up and nobody else is there to talk to.
            Some(None) => self.hang_up(id, Cause::Peer, Farewell::Bye(None)),
            None => self.io.count("command.out_of_place"),
        }
    }

    /// The application took too long.
    pub(super) fn transfer_timeout(&mut self, id: LegId) {
        self.io.count("leg.not_routed");
        if let Some(transfer) = self.legs.get_mut(&id).and_then(|leg| leg.transfer.as_mut()) {
            transfer.timer = None;
        }
        self.reject_transfer(id, 500);
    }

    /// The new callee's phone rings.
    pub(super) fn transfer_rings(&mut self, id: LegId) {
        if let Some(by) = self.legs.get(&id).and_then(|leg| leg.transfer.as_ref()).and_then(|transfer| transfer.by) {
            self.tell(by, 180, false);
        }
        self.wait_for_callee(id);
    }

    /// The new callee answered: the transferred leg gets its media.
    pub(super) fn transfer_answered(&mut self, callee: LegId, id: LegId, client: ClientId) {
        self.send_ack(callee, client, None);
        let answer = self.legs.get(&callee).and_then(|leg| leg.remote_sdp.clone());
        let Some(answer) = answer.filter(|_| self.legs.contains_key(&id)) else {
            self.io.count("media.no_answer");
            self.callee_failed(callee, Cause::Refused(488));
            return;
        };
        self.step(id, Step::Swapping(callee));
        self.wait_over(id);
        self.reinvite(id, answer, Why::Swap);
    }

    /// The transferred leg took the callee's media; false when this was no transfer.
    pub(super) fn transfer_swapped(&mut self, id: LegId, answer: Option<&Body>) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let Some(transfer) = leg.transfer.take_if(|transfer| matches!(transfer.step, Step::Swapping(_))) else {
            return false;
        };
        let Some(callee) = transfer.callee() else { return false };
        if answer.is_some() {
            leg.remote_sdp = answer.cloned();
        }
        for leg in [transfer.by, transfer.consult].into_iter().flatten() {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.peer = None;
                leg.bridged = false;
            }
        }
        for (leg, peer) in [(id, callee), (callee, id)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.peer = Some(peer);
                leg.bridged = true;
                leg.announced = true;
                leg.claimed = None;
            }
        }
        let number = |leg| self.legs.get(&leg).map_or_else(|| std::sync::Arc::from(""), |leg| leg.number.clone());
        let (number, peer_number) = (number(id), number(callee));
        self.io.emit(Event::Transferred { leg: id, by: transfer.by, peer: callee, number, peer_number });
        if let Some(consult) = transfer.consult {
            self.end(consult, Cause::Transferred, &Farewell::Bye(None));
        }
        if let Some(by) = transfer.by {
            self.tell(by, 200, true);
        }
        true
    }

    /// A transfer came to nothing: the two talk on, or, when the transferor has hung up, the application says what
    /// becomes of the one that is left.
    pub(super) fn transfer_failed(&mut self, id: LegId, cause: Cause) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        let Some(mut transfer) = leg.transfer.take() else { return };
        if leg.invite.is_some() {
            // It wanted another's place and never had one of its own.
            self.hang_up(id, cause, Farewell::Final(wire_status(cause)));
            return;
        }
        if let Some(timer) = transfer.timer.take() {
            self.io.wheel.cancel(timer);
        }
        if let Some(swap) = leg.postponed.take_if(|postponed| postponed.why == Why::Swap)
            && let Some(timer) = swap.timer
        {
            self.io.wheel.cancel(timer);
        }
        let alone = transfer.by.is_none();
        self.wait_over(id);
        if let Some(by) = transfer.by {
            self.back_to_transferor(id);
            self.tell(by, wire_status(cause), true);
        } else {
            let timer = self.io.after(self.io.config.route_timeout_ms, Token::Transfer(id));
            let alone = Transfer { consult: None, step: Step::Asking, timer: Some(timer), ..*transfer };
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.transfer = Some(Box::new(alone));
            }
        }
        self.io.emit(Event::TransferFailed { leg: id, cause, alone });
    }

    /// The callee refused the media of the leg that was to be transferred to it, or that leg refused the callee's.
    pub(super) fn transfer_refused(&mut self, id: LegId, cause: Cause) {
        let Some(step) = self.legs.get(&id).and_then(|leg| leg.transfer.as_ref()).map(|transfer| transfer.step) else {
            return;
        };
        let (Step::Calling(callee) | Step::Offering(callee) | Step::Swapping(callee)) = step else { return };
        if self.legs.get(&callee).is_some_and(|leg| leg.claimed.is_some()) {
            self.unclaim(callee, step);
        } else {
            self.end(callee, Cause::Local, &Farewell::Bye(None));
        }
        self.transfer_failed(id, cause);
    }

    /// Offers a leg the media of its peer again, after it was offered another's.
    pub(super) fn restore(&mut self, id: LegId) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.bridged) else { return };
        let before = leg.peer.and_then(|peer| self.legs.get(&peer)).and_then(|peer| peer.remote_sdp.clone());
        if let Some(before) = before {
            self.reinvite(id, before, Why::Mend);
        }
    }

    /// A leg ends that has a part in a transfer; true when its peer stays.
    pub(super) fn leaves_transfer(&mut self, id: LegId, cause: Cause) -> bool {
        let Some(leg) = self.legs.get(&id) else { return false };
        let (peer, claimed, role) = (leg.peer, leg.claimed, leg.role);
        let transferred = leg.refer.as_ref().map(|refer| refer.leg());
        if leg.transfer.is_some() {
            self.transferred_leaves(id);
        }
        // The callee of an attended transfer: its caller goes with it, the transferred leg does not.
        if let Some(by) = claimed {
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.claimed = None;
            }
            self.transfer_failed(by, cause);
            return false;
        }
        // The callee of a blind one.
        if let Role::Transferred(of) = role
            && self.legs.get(&of).and_then(|leg| leg.transfer.as_ref()).and_then(|transfer| transfer.callee())
                == Some(id)
        {
            self.transfer_failed(of, cause);
            return false;
        }
        // The transferor, or its other leg.
        let stays = peer.filter(|peer| {
            let Some(leg) = self.legs.get(peer) else { return false };
            let by = leg.transfer.as_ref().and_then(|transfer| transfer.by);
            (by == Some(id) && transferred == Some(*peer)) || leg.claimed.is_some()
        });
        let Some(stays) = stays else { return false };
        if let Some(transfer) = self.legs.get_mut(&stays).and_then(|leg| leg.transfer.as_mut()) {
            transfer.by = None;
        }
        for leg in [id, stays] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.peer = None;
                leg.bridged = false;
            }
        }
        self.separate(stays);
        self.wait_for_callee(stays);
        true
    }

    /// The leg that is transferred ends itself.
    fn transferred_leaves(&mut self, id: LegId) {
        let Some(transfer) = self.legs.get_mut(&id).and_then(|leg| leg.transfer.take()) else { return };
        if let Some(timer) = transfer.timer {
            self.io.wheel.cancel(timer);
        }
        if let Some(callee) = transfer.callee() {
            if self.legs.get(&callee).is_some_and(|leg| leg.claimed.is_some()) {
                self.unclaim(callee, transfer.step);
            } else {
                self.end(callee, Cause::Peer, &Farewell::Bye(None));
            }
        }
        if let Some(by) = transfer.by {
            self.tell(by, 487, true);
        }
    }
}
