//! How a leg ends, from any state.

use bytes::Bytes;
use sipx_sip::{HeaderName, Method};

use super::Core;
use super::io::Token;
use super::leg::{Joining, Stage};
use super::message;
use super::transactions::{Purpose, ServerId};
use crate::api::{Cause, Event, LegId, Played};
use crate::media::Media;

/// What the far side of an ending leg still hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Nothing: it ended the leg itself, or is gone.
    None,
    /// BYE, or CANCEL before the answer, with this Reason; 480 to a caller not yet answered.
    Bye(Option<String>),
    /// This final response to a caller not yet answered; BYE to one that is.
    Final(u16),
}

impl<M: Media> Core<M> {
    /// Ends a leg and what is joined to it.
    pub(super) fn hang_up(&mut self, id: LegId, cause: Cause, farewell: Farewell) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        let peer = leg.peer;
        if self.leaves_transfer(id, cause) {
            self.end(id, cause, &farewell);
            return;
        }
        let joining = peer
            .and_then(|peer| self.legs.get(&peer))
            .is_some_and(|peer| peer.joining == Joining::Swapping && peer.peer == Some(id));
        if joining && let Some(first) = peer {
            // The callee answered and hangs up before the leg got its media description: they were joined.
            self.joined(first, id);
        }
        self.end(id, cause, &farewell);
        if let Some(peer) = peer {
            let farewell = match farewell {
                Farewell::Bye(reason) => Farewell::Bye(reason),
                Farewell::None | Farewell::Final(_) => Farewell::Bye(None),
            };
            self.end(peer, Cause::Peer, &farewell);
        }
    }

    /// Ends one leg: the application hears it now, the wire may take a while.
    pub(super) fn end(&mut self, id: LegId, cause: Cause, farewell: &Farewell) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        leg.stage = Stage::Closing;
        leg.joining = Joining::No;
        leg.peer = None;
        leg.bridged = false;
        let transferring = leg.transfer.take().and_then(|mut transfer| transfer.timer.take());
        let postponed = leg.postponed.take().and_then(|postponed| postponed.timer);
        let timers = [leg.timer.take(), leg.probe.take(), leg.refreshing.timer.take(), postponed, transferring];
        for timer in timers.into_iter().flatten() {
            self.io.wheel.cancel(timer);
        }
        let playing = leg.playing.take();
        let port = leg.port.take();
        let line = leg.line.take();
        let announced = leg.announced;
        if let Some(token) = playing {
            self.io.emit(Event::Played { leg: id, token, outcome: Played::Stopped });
        }
        if port.is_some() {
            self.media.close(id);
        }
        if announced {
            self.io.emit(Event::Ended { leg: id, cause });
        }
        self.part(id, farewell);
        if let Some(line) = line {
            self.line_down(&line, id);
        }
    }

    /// Says good-bye on the wire; the leg stays as long as that takes.
    fn part(&mut self, id: LegId, farewell: &Farewell) {
        self.abort_reinvites(id);
        let reason = match farewell {
            Farewell::Bye(reason) => reason.clone(),
            Farewell::None | Farewell::Final(_) => None,
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.invite.is_some() {
            let status = if let Farewell::Final(status) = farewell { *status } else { 480 };
            self.refuse_caller(id, status);
            self.forget(id);
            return;
        }
        let branches = std::mem::take(&mut leg.branches);
        for branch in branches {
            self.tags.remove(&branch.tag);
            self.transactions.abandon(&mut self.io, branch.client, reason.clone());
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(due) = leg.ack_due.take() {
            self.send_ack(id, due.client, None);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.parted = *farewell == Farewell::None;
        if leg.ack_wanted.is_some() {
            // A callee must not send BYE before the ACK (RFC 3261 15), and repeats its 200 until then.
            leg.farewell = reason;
        } else if leg.dialog.is_none() || leg.parted {
            self.forget(id);
        } else {
            self.bye(id, reason);
        }
    }

    /// Sends the BYE of a closing leg.
    fn bye(&mut self, id: LegId, reason: Option<String>) {
        let sent = self.legs.get_mut(&id).and_then(|leg| leg.dialog.as_mut()).and_then(|dialog| {
            let extra: Vec<_> = reason.into_iter().map(|reason| (HeaderName::Reason, Bytes::from(reason))).collect();
            let bye = dialog.request(&mut self.io, &Method::Bye, None, &extra)?;
            let (flow, trunk) = (dialog.flow, dialog.trunk.clone());
            self.transactions.request(&mut self.io, bye, flow, Purpose::Bye(id), trunk)
        });
        if sent.is_none() {
            self.forget(id);
        }
    }

    /// The ACK that a closing leg waited for came, or never will.
    pub(super) fn bye_at_last(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.parted {
            self.forget(id);
        } else {
            let reason = leg.farewell.take();
            self.bye(id, reason);
        }
    }

    /// Nobody acknowledged our 2xx: the far side is gone (RFC 3261 13.3.1.4).
    pub(super) fn no_ack(&mut self, server: ServerId, id: LegId) {
        self.io.count("response.unacknowledged");
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.ack_wanted.is_none_or(|wanted| wanted.server != server) {
            return;
        }
        leg.ack_wanted = None;
        if leg.stage == Stage::Closing {
            self.bye_at_last(id);
        } else {
            self.hang_up(id, Cause::Timeout, Farewell::Bye(None));
        }
    }

    /// Asks an answered leg's phone after a while whether it is still in the call.
    pub(super) fn probe_later(&mut self, id: LegId) {
        let wait = self.io.config.probe_ms;
        if wait > 0
            && let Some(leg) = self.legs.get_mut(&id)
        {
            leg.probe = Some(self.io.after(wait, Token::Probe(id)));
        }
    }

    /// Sends OPTIONS within the dialog.
    pub(super) fn probe(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        leg.probe = None;
        if let Some(dialog) = leg.dialog.as_mut()
            && let Some(options) = dialog.request(&mut self.io, &Method::Options, None, &[])
        {
            let (flow, trunk) = (dialog.flow, dialog.trunk.clone());
            self.transactions.request(&mut self.io, options, flow, Purpose::Probe(id), trunk);
        }
        self.probe_later(id);
    }

    /// What a phone said to a probe: anything but 481 and silence means that it is there (RFC 3261 12.2.1.2).
    pub(super) fn probed(&mut self, id: LegId, status: u16) {
        if matches!(status, 408 | 481) {
            self.vanished(id);
        }
    }

    /// Nothing of the leg is left on the wire.
    pub(super) fn forget(&mut self, id: LegId) {
        let Some(leg) = self.legs.remove(&id) else { return };
        self.tags.remove(&leg.tag);
        for branch in leg.branches {
            self.tags.remove(&branch.tag);
        }
    }
}

/// What a caller is answered when its callee failed like this.
pub(super) fn wire_status(cause: Cause) -> u16 {
    match cause {
        // A challenge was for us, a redirection is followed by nobody, and "rung out" is no 408 of ours.
        Cause::Status(401 | 407) => 403,
        Cause::Status(300..=399 | 408 | 481 | 487)
        | Cause::Refused(408)
        | Cause::Timeout
        | Cause::Remote
        | Cause::Local
        | Cause::Transferred
        | Cause::Peer => 480,
        Cause::Status(status) | Cause::Refused(status) => status,
    }
}

/// The Reason header for a cause the application gave.
pub(super) fn reason_of(cause: Option<u16>) -> Option<String> {
    cause.map(|cause| message::reason(cause, message::phrase(cause)))
}
