//! Offers between a reliable provisional response and the answer: by UPDATE (RFC 3311 5) or in a PRACK (RFC 3262 5).

use bytes::Bytes;
use sipx_sip::{HeaderName, Method, Request};

use super::Core;
use super::connect::same_media;
use super::dialog::cseq;
use super::inside::Extra;
use super::leg::{Branch, Leg, Role, Stage, Why};
use super::message::Body;
use super::transactions::{ClientId, Purpose, ServerId};
use crate::api::LegId;
use crate::media::Media;

impl<M: Media> Core<M> {
    /// An UPDATE of a caller not yet answered brings an offer.
    pub(super) fn offered_early(&mut self, id: LegId, server: ServerId, offer: Body) {
        if !self.legs.get(&id).is_some_and(described) {
            self.refuse_early(server);
        } else if !self.offer_callee(id, server, &offer) {
            // What its callee cannot be told before it answers.
            self.respond_inside(server, 488, None);
        } else if let Some(leg) = self.legs.get_mut(&id) {
            leg.remote_sdp = Some(offer);
        }
    }

    /// A PRACK brings an offer, and has to be answered with 200 (RFC 3262 3): a callee that cannot be told of it is told
    /// once it has answered.
    pub(super) fn offered_with_prack(&mut self, id: LegId, server: ServerId, offer: Body) {
        if !self.legs.get(&id).is_some_and(described) {
            // Its first offer has no answer yet.
            self.respond_inside(server, 488, None);
            return;
        }
        let told = self.offer_callee(id, server, &offer);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.remote_sdp = Some(offer);
        if !told {
            let before = leg.local_sdp.clone();
            leg.keep_session();
            let answer = leg.described(before);
            leg.local_sdp.clone_from(&answer);
            self.respond_inside(server, 200, answer.as_ref());
        }
    }

    /// RFC 3311 5.2: the offer before this one has no answer yet.
    fn refuse_early(&mut self, server: ServerId) {
        self.io.count("update.too_early");
        let later = self.io.random() % 11;
        self.respond_with(server, 500, None, &[(HeaderName::RetryAfter, Bytes::from(later.to_string()))]);
    }

    /// Passes a caller's offer on to the one phone that rings, if it takes one now; its answer comes back.
    fn offer_callee(&mut self, id: LegId, server: ServerId, offer: &Body) -> bool {
        let Some(callee) = self.legs.get(&id).and_then(|leg| leg.peer) else { return false };
        let Some(leg) = self.legs.get_mut(&callee).filter(|leg| leg.stage == Stage::Calling) else { return false };
        let Some(early) = ringing(leg).and_then(|branch| branch.early.as_mut()) else { return false };
        if early.described.is_none() || !early.updates {
            return false;
        }
        let update = early.dialog.request(&mut self.io, &Method::Update, Some(offer), &[]);
        let (flow, trunk) = (early.dialog.flow, early.dialog.trunk.clone());
        let purpose = Purpose::Relay(callee, server);
        update.and_then(|update| self.transactions.request(&mut self.io, update, flow, purpose, trunk)).is_some()
    }

    /// UPDATE of a phone that rings.
    pub(super) fn updated_early(&mut self, id: LegId, client: ClientId, server: ServerId, request: &Request) {
        let offer = Body::of(&request.headers, request.body());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let caller = if let Role::Dialled(caller) = leg.role { Some(caller) } else { None };
        let alone = ringing(leg).is_some_and(|branch| branch.client == client);
        let branch = leg.branches.iter_mut().find(|branch| branch.client == client);
        let early = branch.and_then(|branch| branch.early.as_mut());
        let Some(early) = early.filter(|early| early.dialog.is_from(&request.headers)) else {
            self.refuse_early(server);
            return;
        };
        let sequence = cseq(&request.headers).unwrap_or(0);
        if sequence <= early.dialog.remote_cseq {
            self.io.count("request.out_of_order");
            self.respond_inside(server, 500, None);
            return;
        }
        early.dialog.remote_cseq = sequence;
        early.dialog.retarget(&request.headers);
        let Some(offer) = offer else {
            self.respond_inside(server, 200, None);
            return;
        };
        if early.described.is_none() {
            self.refuse_early(server);
            return;
        }
        let takes = |leg: &Leg| described(leg) && leg.refreshing.updates();
        let caller = caller.filter(|caller| alone && self.legs.get(caller).is_some_and(takes));
        let told = caller.and_then(|caller| {
            let body = self.legs.get_mut(&caller)?.described(Some(offer.clone()));
            let extra: [Extra; 0] = [];
            self.send_inside(caller, &Method::Update, body.as_ref(), &extra, Purpose::Relay(caller, server))
        });
        if told.is_none() {
            self.respond_inside(server, 488, None);
            return;
        }
        let leg = self.legs.get_mut(&id);
        if let Some(early) = leg.and_then(ringing).and_then(|branch| branch.early.as_mut()) {
            early.described = Some(offer);
        }
    }

    /// A callee that answered is told what its caller offered meanwhile.
    pub(super) fn mend_early(&mut self, caller: LegId, callee: LegId) {
        let said = self.legs.get(&caller).and_then(|leg| leg.remote_sdp.clone());
        let known = self.legs.get(&callee).and_then(|leg| leg.local_sdp.as_ref());
        if let (Some(said), Some(known)) = (said, known)
            && !same_media(&said.bytes, &known.bytes)
        {
            self.reinvite(callee, said, Why::Mend);
        }
    }
}

/// Whether a caller was told of its callee's media reliably.
fn described(leg: &Leg) -> bool {
    leg.reliable.as_ref().is_some_and(|reliable| reliable.is_described())
}

/// The one phone of a called leg that may still answer.
fn ringing(leg: &mut Leg) -> Option<&mut Branch> {
    let mut left = leg.branches.iter_mut().filter(|branch| branch.failed.is_none());
    let branch = left.next()?;
    left.next().is_none().then_some(branch)
}
