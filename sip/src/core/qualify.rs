//! Registered phones are asked by OPTIONS whether they can be reached (RFC 3261 11), which also keeps the way through a
//! NAT open. One that does not answer is not called and does not count as registered until it is heard of again; it is asked for
//! its calls as well.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::{HeaderName, Method, Request, RequestBuilder};

use super::io::{Flow, Token};
use super::leg::Destination;
use super::transactions::Purpose;
use super::{Core, message};
use crate::media::Media;

/// Phones are asked in groups, no more often than this (ms).
const APART: u64 = 100;

/// One contact of a subscriber; another URI or flow is another contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Asked {
    number: Arc<str>,
    uri: Bytes,
    flow: Flow,
}

/// Who is asked when.
#[derive(Debug, Default)]
pub(super) struct Qualifying {
    known: HashSet<Asked>,
    due: BTreeSet<(u64, Asked)>,
    under_way: HashMap<u64, Asked>,
    next: u64,
    timer: Option<Handle>,
}

impl<M: Media> Core<M> {
    /// A subscriber's phones registered: those that are new will be asked.
    pub(super) fn qualify_later(&mut self, number: &Arc<str>) {
        let interval = self.io.config.qualify_ms;
        if interval == 0 {
            return;
        }
        for contact in self.registrar.contacts(number) {
            let asked = Asked { number: number.clone(), uri: contact.uri.to_bytes(), flow: contact.flow };
            if self.qualifying.known.insert(asked.clone()) {
                // Not all at one moment although all registered at one.
                let wait = interval - self.io.random() % (interval / 4 + 1);
                self.qualifying.due.insert((self.io.now.saturating_add(wait), asked));
            }
        }
        self.watch_qualifying(0);
    }

    /// Sets the timer to the next that is due, not before `earliest` (Unix ms).
    fn watch_qualifying(&mut self, earliest: u64) {
        let Some((due, _)) = self.qualifying.due.first() else { return };
        let due = (*due).max(earliest);
        if let Some(before) = self.qualifying.timer.take() {
            self.io.wheel.cancel(before);
            self.io.standing -= 1;
        }
        self.qualifying.timer = Some(self.io.after(due.saturating_sub(self.io.now), Token::Qualify));
        self.io.standing += 1;
    }

    /// Some phones are to be asked.
    pub(super) fn qualify(&mut self) {
        let now = self.io.now;
        self.qualifying.timer = None;
        self.io.standing -= 1;
        let rate = self.io.config.qualifies_per_second.max(1);
        for _ in 0..(rate * APART).div_ceil(1_000) {
            let Some((due, asked)) = self.qualifying.due.pop_first() else { break };
            if due > now {
                self.qualifying.due.insert((due, asked));
                break;
            }
            self.ask(asked);
        }
        self.watch_qualifying(now + APART.max(1_000 / rate));
    }

    fn ask(&mut self, asked: Asked) {
        let contacts = self.registrar.contacts(&asked.number);
        let Some(contact) = contacts.iter().find(|known| known.is_at(&asked.uri, asked.flow)) else {
            self.qualifying.known.remove(&asked);
            return;
        };
        let to = self.io.destination(contact);
        let name = self.qualifying.next;
        self.qualifying.next += 1;
        let options = self.options_to(&asked.number, &to);
        let sent = options.and_then(|options| {
            self.transactions.request(&mut self.io, options, to.flow, Purpose::Qualify(name), None)
        });
        self.qualifying.under_way.insert(name, asked);
        if sent.is_none() {
            self.io.count("request.unbuildable");
            self.qualified(name, false);
        }
    }

    fn options_to(&mut self, number: &str, to: &Destination) -> Option<Request> {
        let domain = self.io.domain.clone();
        let (tag, id) = (self.io.token(), self.io.token());
        let via = message::via(&mut self.io, to.flow);
        let mut builder = RequestBuilder::new(Method::Options, to.uri.clone()).header(HeaderName::Via, via).ok()?;
        for path in &to.routes {
            builder = builder.header(HeaderName::Route, path.clone()).ok()?;
        }
        let builder = builder
            .max_forwards(70)
            .header(HeaderName::From, format!("<sip:{domain}>;tag={tag}"))
            .ok()?
            .header(HeaderName::To, format!("<sip:{}@{domain}>", message::escape_user(number)))
            .ok()?
            .header(HeaderName::CallId, id)
            .ok()?
            .cseq(1, &Method::Options)
            .ok()?
            .header(HeaderName::Contact, message::contact(&self.io, to.flow))
            .ok()?
            .header(HeaderName::Accept, "application/sdp")
            .ok()?
            .header(HeaderName::UserAgent, self.io.config.product.clone())
            .ok()?;
        Some(builder.build())
    }

    /// A phone answered, whatever it said, or did not.
    pub(super) fn qualified(&mut self, name: u64, answered: bool) {
        let Some(asked) = self.qualifying.under_way.remove(&name) else { return };
        match self.registrar.mark(&asked.number, &asked.uri, asked.flow, answered) {
            None => {
                self.qualifying.known.remove(&asked);
                return;
            }
            Some(true) => {
                self.io.count(if answered { "qualify.reached" } else { "qualify.unreachable" });
                self.tell_contacts(&asked.number);
                let contacts = self.registrar.contacts(&asked.number);
                let silent = contacts.iter().find(|known| !answered && known.is_at(&asked.uri, asked.flow)).cloned();
                if let Some(contact) = silent {
                    self.ask_for_calls(&asked.number, &contact);
                }
            }
            Some(false) => {}
        }
        let due = self.io.now.saturating_add(self.io.config.qualify_ms);
        self.qualifying.due.insert((due, asked));
        if self.qualifying.timer.is_none() {
            self.watch_qualifying(0);
        }
    }
}
