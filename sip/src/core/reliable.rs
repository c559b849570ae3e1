//! Reliable provisional responses (RFC 3262): ours to a phone that requires them, and PRACK for those of phones.

use std::collections::VecDeque;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::rel::{self, Numbering, OPTION_TAG, Offered, RAck, RSeq, Received, Reliability, Sequence};
use sipx_sip::{HeaderName, Method, Request, Response};

use super::Core;
use super::dialog::{Dialog, cseq};
use super::end::Farewell;
use super::inside::Extra;
use super::io::Token;
use super::message::{self, Body};
use super::transactions::{ClientId, Purpose, ServerId};
use crate::api::{Cause, LegId};
use crate::media::Media;

/// Provisional responses that wait for the PRACK of the one before; more are dropped.
const MOST_WAITING: usize = 8;

/// A caller that requires reliable provisional responses.
#[derive(Debug)]
pub(super) struct Reliable {
    numbering: Numbering,
    /// `CSeq` of its INVITE.
    cseq: u32,
    /// The response that waits for its PRACK.
    sent: Option<Sent>,
    queue: VecDeque<(u16, Option<Body>)>,
    /// The 200 waits for the last PRACK (RFC 3262 3).
    answer: Option<Answer>,
    /// What was described in one of them and acknowledged: from then on either side may offer anew (RFC 3311 5.1).
    described: bool,
    /// An INVITE without an offer would have to get ours in the first of them: it gets none.
    silent: bool,
}

/// A 200 that waits.
#[derive(Debug)]
struct Answer(Option<Body>);

#[derive(Debug)]
struct Sent {
    response: Response,
    interval: u64,
    until: u64,
    timer: Handle,
}

/// What a phone of a called leg sent reliably.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    sequence: Sequence,
    /// What it said about its media.
    pub(super) described: Option<Body>,
    /// Whether it takes UPDATE.
    pub(super) updates: bool,
}

impl Reliable {
    /// Whether a description was sent and acknowledged before the answer.
    pub(super) fn is_described(&self) -> bool {
        self.described
    }
}

impl<M: Media> Core<M> {
    /// What a caller's INVITE says about 100rel: whether it requires it, whether it may be offered to its callee.
    pub(super) fn reliability(&mut self, request: &Request) -> (Option<Box<Reliable>>, bool) {
        let offered = Offered::in_request(request);
        let silent = request.body().is_empty();
        let reliable = (rel::reliability(offered, true) == Reliability::Required).then(|| {
            let first = u32::try_from(self.io.random() % 100_000).unwrap_or(0);
            Box::new(Reliable {
                numbering: Numbering::starting_at(first),
                cseq: cseq(&request.headers).unwrap_or(0),
                sent: None,
                queue: VecDeque::new(),
                answer: None,
                described: false,
                silent,
            })
        });
        (reliable, (offered.required || offered.supported) && !silent)
    }

    /// A provisional response to a caller that requires it to be reliable; false when this one does not.
    pub(super) fn rings_reliably(&mut self, id: LegId, status: u16, body: Option<&Body>) -> bool {
        let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) else { return false };
        if reliable.silent {
            return true;
        }
        if reliable.sent.is_some() {
            if reliable.queue.len() < MOST_WAITING {
                reliable.queue.push_back((status, body.cloned()));
            } else {
                self.io.count("response.reliable_shed");
            }
            return true;
        }
        let Some(number) = reliable.numbering.allocate() else { return true };
        let extra: [Extra; 2] = [
            (HeaderName::Require, Bytes::from_static(OPTION_TAG.as_bytes())),
            (HeaderName::RSeq, Bytes::from(number.to_string())),
        ];
        let Some((server, response)) = self.caller_response(id, status, body.cloned(), &extra) else { return true };
        self.transactions.respond(&mut self.io, server, Some(response.clone()));
        let interval = self.io.config.t1();
        let until = self.io.now.saturating_add(self.io.config.give_up());
        let timer = self.io.after(interval, Token::Reliable(id));
        if let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) {
            reliable.sent = Some(Sent { response, interval, until, timer });
        }
        true
    }

    /// Whether the 200 to a caller has to wait for a PRACK.
    pub(super) fn answers_later(&mut self, id: LegId, body: Option<&Body>) -> bool {
        let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) else { return false };
        if reliable.sent.is_none() {
            return false;
        }
        reliable.answer = Some(Answer(body.cloned()));
        true
    }

    /// No PRACK yet.
    pub(super) fn reliable_again(&mut self, id: LegId) {
        let now = self.io.now;
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (Some(server), Some(sent)) =
            (leg.invite, leg.reliable.as_mut().and_then(|reliable| reliable.sent.as_mut()))
        else {
            return;
        };
        if now >= sent.until {
            self.io.count("response.unacknowledged");
            if let Some(reliable) = leg.reliable.as_mut() {
                reliable.sent = None;
            }
            self.hang_up(id, Cause::Timeout, Farewell::Final(504));
            return;
        }
        sent.interval = sent.interval.saturating_mul(2);
        sent.timer = self.io.after(sent.interval.min(sent.until - now), Token::Reliable(id));
        let response = sent.response.clone();
        self.io.count("response.resent_reliable");
        self.transactions.respond(&mut self.io, server, Some(response));
    }

    /// PRACK.
    pub(super) fn acknowledged_early(&mut self, id: LegId, server: ServerId, request: &Request) {
        let ack = request.headers.typed::<RAck>().and_then(Result::ok);
        let reliable = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut());
        let matched = match (reliable, ack) {
            (Some(reliable), Some(ack)) => {
                reliable.numbering.acknowledge(&ack, reliable.cseq, b"INVITE").then(|| reliable.sent.take())
            }
            _ => None,
        };
        let Some(sent) = matched else {
            self.io.count("prack.unmatched");
            self.respond_inside(server, 481, None);
            return;
        };
        if let Some(sent) = sent {
            self.io.wheel.cancel(sent.timer);
            let described = !sent.response.body().is_empty();
            if let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) {
                reliable.described |= described;
            }
        }
        match Body::of(&request.headers, request.body()) {
            None => self.respond_inside(server, 200, None),
            Some(offer) => self.offered_with_prack(id, server, offer),
        }
        self.next_reliable(id);
    }

    fn next_reliable(&mut self, id: LegId) {
        let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) else { return };
        if let Some((status, body)) = reliable.queue.pop_front() {
            self.rings_reliably(id, status, body.as_ref());
        } else if let Some(Answer(answer)) = reliable.answer.take() {
            self.answer_caller(id, answer);
        }
    }

    /// A caller's INVITE has its final response.
    pub(super) fn reliable_over(&mut self, id: LegId) {
        let reliable = self.legs.get_mut(&id).and_then(|leg| leg.reliable.take());
        if let Some(sent) = reliable.and_then(|reliable| reliable.sent) {
            self.io.wheel.cancel(sent.timer);
        }
    }

    /// PRACK for a phone's reliable provisional response; false when the response is to be ignored.
    pub(super) fn acknowledges(&mut self, id: LegId, client: ClientId, response: &Response) -> bool {
        let required = response.headers.get_all(&HeaderName::Require).any(|header| {
            header
                .value()
                .split(|&byte| byte == b',')
                .any(|tag| tag.trim_ascii().eq_ignore_ascii_case(OPTION_TAG.as_bytes()))
        });
        let number = response.headers.typed::<RSeq>().and_then(Result::ok).filter(|_| required);
        let Some(RSeq(number)) = number else { return true };
        let Some(invite) = self.transactions.client_request(client) else { return true };
        let of = cseq(&invite.headers).unwrap_or(0);
        let dialog = self
            .transactions
            .client_target(client)
            .and_then(|(flow, trunk)| Dialog::calling(&invite, response, flow, trunk));
        let branch =
            self.legs.get_mut(&id).and_then(|leg| leg.branches.iter_mut().find(|branch| branch.client == client));
        let (Some(branch), Some(dialog)) = (branch, dialog) else { return true };
        if branch.early.as_ref().is_none_or(|early| early.dialog.remote_tag != dialog.remote_tag) {
            branch.early =
                Some(Box::new(Early { dialog, sequence: Sequence::default(), described: None, updates: false }));
        }
        let Some(early) = branch.early.as_mut() else { return true };
        match early.sequence.accept(number) {
            Received::Acknowledge => {}
            Received::Duplicate => return false,
            Received::OutOfOrder => {
                self.io.count("response.reliable_gap");
                return false;
            }
        }
        early.updates |= sipx_sip::update::peer_allows(&response.headers);
        if let Some(body) = Body::of(&response.headers, response.body()) {
            early.described = Some(body);
        }
        let ack = RAck { rseq: number, cseq: of, method: b"INVITE".to_vec() };
        let extra: [Extra; 1] = [(HeaderName::RAck, Bytes::from(ack.to_string()))];
        if let Some(prack) = early.dialog.request(&mut self.io, &Method::Prack, None, &extra) {
            let (flow, trunk) = (early.dialog.flow, early.dialog.trunk.clone());
            self.transactions.request(&mut self.io, prack, flow, Purpose::Prack(id), trunk);
        }
        true
    }

    /// 421: the phone requires what we did not offer it; the same once more with 100rel (RFC 3262 4).
    pub(super) fn extended(&mut self, answer: &super::transactions::Answer) -> bool {
        let requires = answer.response.headers.get_all(&HeaderName::Require).all(|header| {
            let value = header.value();
            let mut tags = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            tags.all(|tag| tag.eq_ignore_ascii_case(OPTION_TAG.as_bytes()) || message::has_extension(tag))
        });
        let request = self.transactions.client_request(answer.client);
        let useful = request.is_some_and(|request| {
            request.method == Method::Invite && !request.body().is_empty() && !Offered::in_request(&request).supported
        });
        let supported = format!("{}, {OPTION_TAG}", message::SUPPORTED);
        requires && useful && self.repeat(answer, &[(HeaderName::Supported, Bytes::from(supported))]).is_some()
    }
}

impl Early {
    /// The next number of a dialog that began with these responses.
    pub(super) fn continued(&self, dialog: &mut Dialog) {
        if dialog.remote_tag == self.dialog.remote_tag {
            dialog.local_cseq = dialog.local_cseq.max(self.dialog.local_cseq);
        }
    }
}
