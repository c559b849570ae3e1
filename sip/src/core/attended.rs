//! Attended transfers (RFC 3891, 5589): the peer of the transferor's other leg becomes the callee.

use super::Core;
use super::end::Farewell;
use super::leg::{Leg, Role, Stage, Why};
use super::message::Body;
use super::replaces::{Replaces, undirected};
use super::transfer::{Step, Transfer};
use crate::api::{Cause, LegId};
use crate::media::Media;

impl<M: Media> Core<M> {
    /// An attended transfer: the peer of the transferor's other leg becomes the callee.
    pub(super) fn attend(&mut self, id: LegId, by: LegId, replaces: &Replaces) {
        let consult = self.leg_of(replaces).filter(|consult| *consult != by && *consult != id);
        let found = consult.and_then(|consult| {
            let leg = self.legs.get(&consult)?;
            let callee = leg.peer.filter(|callee| *callee != id && *callee != by)?;
            let free = |leg: &Leg| leg.claimed.is_none() && leg.transfer.is_none() && leg.refer.is_none();
            (free(leg) && self.legs.get(&callee).is_some_and(free)).then_some((consult, callee))
        });
        let Some((consult, callee)) = found else {
            self.io.count("refer.no_dialog");
            self.transfer_failed(id, Cause::Refused(481));
            return;
        };
        let stage = |leg| self.legs.get(&leg).map(|leg: &Leg| (leg.stage, leg.bridged));
        match (stage(consult), stage(callee)) {
            (Some((Stage::Up, true)), Some((Stage::Up, true))) => {
                if let Some(leg) = self.legs.get_mut(&callee) {
                    leg.claimed = Some(id);
                }
                self.join_answered(id, consult, callee);
            }
            // The transferor does not wait for the answer of whom it called.
            (Some((Stage::Dialling, _)), Some((Stage::Calling, _))) => {
                let before = self.legs.get(&consult).and_then(|leg| leg.remote_sdp.clone());
                for leg in [consult, callee] {
                    if let Some(leg) = self.legs.get_mut(&leg) {
                        leg.peer = None;
                    }
                }
                let rang = self.legs.get_mut(&callee).is_some_and(|leg| {
                    leg.role = Role::Transferred(id);
                    leg.offered = before;
                    leg.rang
                });
                self.step(id, Step::Calling(callee));
                self.end(consult, Cause::Transferred, &Farewell::Final(487));
                if rang {
                    self.tell(by, 180, false);
                    self.wait_for_callee(id);
                }
            }
            _ => self.transfer_failed(id, Cause::Refused(481)),
        }
    }

    /// Offers an answered callee the media of the leg that is transferred to it.
    fn join_answered(&mut self, id: LegId, consult: LegId, callee: LegId) {
        self.step(id, Step::Offering(callee));
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let offer = leg.remote_sdp.as_ref().map(undirected);
        if let Some(transfer) = leg.transfer.as_mut() {
            transfer.consult = Some(consult);
        }
        let Some(offer) = offer else {
            self.transfer_failed(id, Cause::Refused(488));
            return;
        };
        if let Some(leg) = self.legs.get_mut(&callee) {
            leg.offered = Some(offer.clone());
        }
        self.reinvite(callee, offer, Why::Join(id));
    }

    /// The callee of an attended transfer took the transferred leg's media.
    pub(super) fn callee_took(&mut self, id: LegId, callee: LegId, answer: Option<Body>) {
        let offering = self.legs.get(&id).and_then(|leg| leg.transfer.as_ref()).map(|transfer| transfer.step)
            == Some(Step::Offering(callee));
        let Some(answer) = answer.filter(|_| offering) else {
            self.restore(callee);
            return;
        };
        self.step(id, Step::Swapping(callee));
        if self.legs.get(&id).is_some_and(|leg| leg.invite.is_some()) {
            self.taken_over(id, answer);
            self.transfer_swapped(id, None);
        } else {
            self.reinvite(id, answer, Why::Swap);
        }
    }

    /// A leg that calls us takes the place of another: a transfer on its own word.
    pub(super) fn transfer_itself(&mut self, id: LegId, replaced: LegId, callee: LegId) {
        let transfer = Transfer { by: None, consult: None, step: Step::Asking, timer: None, referred_by: None };
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.transfer = Some(Box::new(transfer));
        }
        if let Some(leg) = self.legs.get_mut(&callee) {
            leg.claimed = Some(id);
        }
        self.join_answered(id, replaced, callee);
    }

    /// Gives the callee of an attended transfer back to the leg that called it, with the media it had.
    pub(super) fn unclaim(&mut self, callee: LegId, step: Step) {
        let Some(leg) = self.legs.get_mut(&callee) else { return };
        leg.claimed = None;
        if let Some(join) = leg.postponed.take_if(|postponed| matches!(postponed.why, Why::Join(_)))
            && let Some(timer) = join.timer
        {
            self.io.wheel.cancel(timer);
        }
        if leg.peer.is_some() {
            if step == Step::Swapping(callee) {
                self.restore(callee);
            }
        } else {
            self.hang_up(callee, Cause::Peer, Farewell::Bye(None));
        }
    }
}
