//! What a transferred party hears while its new callee rings: ringback from our player, once the transferor has left it
//! alone or holds it. Two that still talk are not disturbed.

use super::Core;
use super::leg::{Leg, Session, Stage, Why};
use super::message::Body;
use super::transfer::Step;
use crate::api::LegId;
use crate::media::Media;
use crate::sdp;

impl Leg {
    /// Whether it hears our ringback, or is about to, until its new callee answers.
    pub(super) fn waits(&self) -> bool {
        self.transfer.is_some() && self.port.is_some()
    }
}

impl<M: Media> Core<M> {
    /// The new callee of a transferred leg rings, or the transferor left: whoever waits alone hears ringback.
    pub(super) fn wait_for_callee(&mut self, id: LegId) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.stage == Stage::Up) else { return };
        let step = leg.transfer.as_ref().map(|transfer| transfer.step);
        let Some(Step::Calling(callee)) = step else { return };
        let rings = self.legs.get(&callee).is_some_and(|callee| callee.rang);
        let peer = leg.peer.filter(|_| leg.bridged).and_then(|peer| self.legs.get(&peer));
        let alone = peer.is_none_or(|peer| peer.remote_sdp.as_ref().is_some_and(holds));
        let Some(flow) = leg.dialog.as_ref().map(|dialog| dialog.flow).filter(|_| rings && alone) else { return };
        if leg.port.is_some() {
            self.media.ringback(id, true);
            return;
        }
        let address = self.io.listener(flow).media_address;
        let Some(port) = self.media.open(id, address) else {
            self.io.count("media.no_port");
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.keep_session();
        let session = *leg.session.get_or_insert(Session { id: self.io.random() >> 2, version: 1, address });
        leg.port = Some(port);
        self.reinvite(id, Body::sdp(sdp::offer(address, port, session.id)), Why::Wait);
    }

    /// The transferred leg took our media.
    pub(super) fn waiting(&mut self, id: LegId, answer: Option<&Body>) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.waits()) else { return };
        let rings = leg.transfer.as_ref().is_some_and(|transfer| matches!(transfer.step, Step::Calling(_)));
        if rings && self.hear(id, answer) {
            self.media.ringback(id, true);
        }
    }

    /// Its new callee does not ring any more.
    pub(super) fn wait_over(&mut self, id: LegId) {
        if self.legs.get(&id).is_some_and(|leg| leg.port.is_some()) {
            self.media.ringback(id, false);
        }
    }

    /// The transfer failed: the leg talks on with the transferor.
    pub(super) fn back_to_transferor(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let waits = leg.postponed.take_if(|postponed| postponed.why == Why::Wait);
        if let Some(timer) = waits.as_ref().and_then(|waits| waits.timer) {
            self.io.wheel.cancel(timer);
        }
        if leg.port.take().is_none() {
            return;
        }
        let peer = leg.peer;
        self.media.close(id);
        let before = peer.and_then(|peer| self.legs.get(&peer)).and_then(|peer| peer.remote_sdp.clone());
        if let Some(before) = before.filter(|_| waits.is_none()) {
            self.reinvite(id, before, Why::Back);
        }
    }
}

/// Whether a description puts its reader on hold (RFC 3264 8.4, and RFC 2543's way).
fn holds(body: &Body) -> bool {
    body.bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).any(|line| {
        matches!(line, b"a=sendonly" | b"a=inactive")
            || line.strip_prefix(b"c=IN IP4 ").is_some_and(|at| at == b"0.0.0.0")
    })
}
