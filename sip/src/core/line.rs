//! Subscribers' lines: how many legs each has, who is registered, who may call.

use std::sync::Arc;

use sipx_sip::{HeaderName, Request};

use super::io::Flow;
use super::transactions::ServerId;
use super::{Core, message};
use crate::api::{Event, LegId, Subscriber, Trunk};
use crate::auth::Verdict;
use crate::media::Media;

/// What the digest of a request proved.
#[derive(Debug)]
enum Proof {
    Number(Arc<str>),
    Challenge { stale: bool },
    Refused(u16),
}

impl<M: Media> Core<M> {
    /// Whether one more leg fits on the line.
    pub(super) fn line_is_free(&self, number: &str) -> bool {
        let capacity = self.subscribers.get(number).map_or(0, |subscriber| subscriber.capacity);
        self.line(number) < capacity
    }

    pub(super) fn line_up(&mut self, number: &Arc<str>, leg: LegId) {
        self.lines.entry(number.clone()).or_default().push(leg);
        self.io.emit(Event::Line { number: number.clone(), legs: self.line(number) });
        self.line_changed(number);
    }

    pub(super) fn line_down(&mut self, number: &Arc<str>, leg: LegId) {
        let Some(legs) = self.lines.get_mut(number) else { return };
        legs.retain(|other| *other != leg);
        if legs.is_empty() {
            self.lines.remove(number);
        }
        self.io.emit(Event::Line { number: number.clone(), legs: self.line(number) });
        self.line_changed(number);
    }

    /// The trunk a request came from: the one whose address it is, else one at that IP address, unless a phone
    /// of the caller it names registered from that very port.
    pub(super) fn trunk_at(&self, request: &Request, from: Flow) -> Option<&Trunk> {
        if let Some(trunk) = self.trunks.iter().find(|trunk| trunk.address == from.remote) {
            return Some(trunk);
        }
        let trunk = self.trunks.iter().find(|trunk| trunk.address.ip() == from.remote.ip())?;
        let (caller, _) = message::caller_of(request, false);
        let registered = self.registrar.contacts(&caller).iter().any(|contact| contact.flow == from);
        (!registered).then_some(trunk)
    }

    fn prove(&mut self, request: &Request, header: &HeaderName, from: Flow) -> Proof {
        if request.headers.get(header).is_some() && self.guesses_too_much(request, from) {
            self.io.count("digest.too_many_guesses");
            return Proof::Refused(403);
        }
        let (now, subscribers) = (self.io.now, &self.subscribers);
        let asked = request.uri.to_bytes();
        let mut verdicts = request.headers.get_all(header).map(|authorization| {
            let resource = (request.method.as_bytes(), &asked[..]);
            self.authenticator.verify(now, resource, &authorization.value(), |number| subscribers.get(number).cloned())
        });
        // A phone may add what it knows for the realms of other servers on the way.
        match verdicts.find(|verdict| *verdict != Verdict::OtherRealm) {
            None => Proof::Challenge { stale: false },
            Some(verdict) => {
                if matches!(verdict, Verdict::Refused(_)) {
                    self.guesses.made(self.io.now, from.remote.ip(), &self.io.config.guesses);
                }
                self.proof(verdict)
            }
        }
    }

    /// Whether credentials from there are refused unread: it sent too many wrong ones. A phone that is registered
    /// over this very flow is heard all the same, whoever else is behind its address.
    fn guesses_too_much(&self, request: &Request, from: Flow) -> bool {
        if !self.guesses.too_many(self.io.now, from.remote.ip(), &self.io.config.guesses) {
            return false;
        }
        let (caller, _) = message::caller_of(request, false);
        !self.registrar.contacts(&caller).iter().any(|contact| contact.flow == from)
    }

    fn proof(&mut self, verdict: Verdict) -> Proof {
        match verdict {
            Verdict::Accepted(number) => Proof::Number(number),
            Verdict::OtherRealm => Proof::Challenge { stale: false },
            Verdict::Stale => {
                self.io.count("digest.stale");
                Proof::Challenge { stale: true }
            }
            Verdict::Refused(_) => {
                self.io.count("digest.refused");
                Proof::Refused(403)
            }
            Verdict::OtherResource => {
                self.io.count("digest.other_resource");
                Proof::Refused(400)
            }
            Verdict::Malformed => {
                self.io.count("digest.malformed");
                Proof::Refused(400)
            }
        }
    }

    /// A subscriber who does not exist, with the algorithms of one who does, so that the challenge does not tell.
    fn stranger(&self, name: &str) -> Subscriber {
        let mut at = self.authenticator.stand_in(name, self.offers.values().sum());
        let resembled = self.offers.iter().find(|(_, count)| {
            let found = at < **count;
            at = at.saturating_sub(**count);
            found
        });
        let (md5, sha256) = resembled.map_or((true, true), |(offer, _)| *offer);
        let ha1 = |offered: bool| offered.then(|| Arc::from(""));
        Subscriber { number: Arc::from(name), ha1_md5: ha1(md5), ha1_sha256: ha1(sha256), capacity: 0 }
    }

    pub(super) fn offer_gone(&mut self, before: &Subscriber) {
        if let Some(count) = self.offers.get_mut(&offer(before)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The subscriber who sent a request; otherwise it is challenged (401 or 407) or refused (403).
    pub(super) fn authenticated(&mut self, server: ServerId, request: &Request, proxy: bool) -> Option<Arc<str>> {
        let (ask, answer, status) = if proxy {
            (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization, 407)
        } else {
            (HeaderName::WwwAuthenticate, HeaderName::Authorization, 401)
        };
        let (_, from) = self.transactions.server_request_and_flow(server)?;
        let stale = match self.prove(request, &answer, from) {
            Proof::Number(number) => return Some(number),
            Proof::Refused(status) => {
                self.refuse(server, request, status);
                return None;
            }
            Proof::Challenge { stale } => stale,
        };
        let random = self.io.random();
        let (known, _) = message::caller_of(request, false);
        let stranger = self.stranger(&known);
        let resembled = self.subscribers.get(&known).unwrap_or(&stranger);
        let challenges = self.authenticator.challenges_for(resembled, self.io.now, random, stale);
        let tag = message::stateless_tag(&request.headers);
        let response = message::response(request, status, &tag).and_then(|mut builder| {
            for challenge in challenges {
                builder = builder.header(ask.clone(), challenge).ok()?;
            }
            Some(builder.build())
        });
        self.transactions.dismiss(&mut self.io, server, response.as_ref());
        None
    }
}

/// Which algorithms a subscriber is challenged with: MD5, SHA-256.
pub(super) fn offer(subscriber: &Subscriber) -> (bool, bool) {
    (subscriber.ha1_md5.is_some(), subscriber.ha1_sha256.is_some())
}
