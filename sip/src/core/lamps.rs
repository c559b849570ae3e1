//! Busy lamps: subscriptions to `Event: dialog` (RFC 4235) of a line.
//!
//! A lamp is told of the calls of a line, not with whom they are, and nothing with which one could take them over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::event::{self, Packages, Reason, Subscription};
use sipx_sip::{HeaderName, Method, Request, ResponseBuilder};

use super::Core;
use super::dialog::{Dialog, cseq};
use super::inside::Extra;
use super::io::{Flow, Token};
use super::lamp_document::state_of;
use super::message::{self, Body};
use super::transactions::{Purpose, ServerId};
use crate::api::LegId;
use crate::media::Media;

const PACKAGE: &str = "dialog";
const KIND: &str = "application/dialog-info+xml";

/// A subscription that asks for no time gets this (RFC 4235 3.3, s).
const DEFAULT_EXPIRES: u64 = 3_600;

/// The shortest and the longest (s).
const LEAST_EXPIRES: u64 = 60;
const MOST_EXPIRES: u64 = 3_600;

/// Names a lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LampId(u64);

/// Limits of busy lamps.
#[derive(Debug, Clone, Copy)]
pub struct LampLimits {
    /// Most at once.
    pub all: usize,
    /// Most of one subscriber.
    pub each: usize,
    /// Shortest time between two NOTIFYs of one (ms).
    pub apart_ms: u64,
}

impl Default for LampLimits {
    fn default() -> Self {
        Self { all: 10_000, each: 200, apart_ms: 500 }
    }
}

#[derive(Debug)]
pub(super) struct Lamp {
    /// Who watches.
    watcher: Arc<str>,
    /// Which line.
    pub(super) line: Arc<str>,
    dialog: Dialog,
    /// `id` of the Event header.
    id: Option<Bytes>,
    pub(super) version: u32,
    until: u64,
    expiry: Option<Handle>,
    /// What it was told of: the state of each call.
    pub(super) told: BTreeMap<LegId, &'static str>,
    /// All calls are to be told, not only what changed.
    pub(super) full: bool,
    dirty: bool,
    in_flight: bool,
    earliest: u64,
    waiting: Option<Handle>,
    over: Option<Reason>,
}

/// All lamps.
#[derive(Debug, Default)]
pub(super) struct Lamps {
    by_id: HashMap<LampId, Lamp>,
    by_tag: HashMap<Bytes, LampId>,
    by_line: HashMap<Arc<str>, Vec<LampId>>,
    by_watcher: HashMap<Arc<str>, usize>,
    next: u64,
}

impl Lamps {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn insert(&mut self, lamp: Lamp) -> LampId {
        let id = LampId(self.next);
        self.next += 1;
        self.by_tag.insert(lamp.dialog.local_tag.clone(), id);
        self.by_line.entry(lamp.line.clone()).or_default().push(id);
        *self.by_watcher.entry(lamp.watcher.clone()).or_insert(0) += 1;
        self.by_id.insert(id, lamp);
        id
    }

    fn remove(&mut self, id: LampId) -> Option<Lamp> {
        let lamp = self.by_id.remove(&id)?;
        self.by_tag.remove(&lamp.dialog.local_tag);
        if let Some(lamps) = self.by_line.get_mut(&lamp.line) {
            lamps.retain(|other| *other != id);
            if lamps.is_empty() {
                self.by_line.remove(&lamp.line);
            }
        }
        if let Some(count) = self.by_watcher.get_mut(&lamp.watcher) {
            *count -= 1;
            if *count == 0 {
                self.by_watcher.remove(&lamp.watcher);
            }
        }
        Some(lamp)
    }
}

impl<M: Media> Core<M> {
    /// SUBSCRIBE outside of a dialog.
    pub(super) fn subscribed(&mut self, server: ServerId, request: &Request, from: Flow) {
        let Some(watcher) = self.authenticated(server, request, true) else { return };
        let packages = Packages::new().with(PACKAGE);
        let event = request.headers.value(&HeaderName::Event).map(|event| String::from_utf8_lossy(&event).into_owned());
        if event.as_deref().is_none_or(|event| event.split(';').next().map(str::trim) != Some(PACKAGE)) {
            self.io.count("subscribe.event");
            let allow = (HeaderName::AllowEvents, Bytes::from(packages.allow_events()));
            self.refuse_with(server, request, event::BAD_EVENT, &[allow]);
            return;
        }
        let mut kinds = request.headers.get_all(&HeaderName::Accept).peekable();
        let takes = |value: &[u8]| {
            let text = String::from_utf8_lossy(value).to_ascii_lowercase();
            text.split(',')
                .any(|kind| [KIND, "application/*", "*/*"].contains(&kind.split(';').next().unwrap_or("").trim()))
        };
        if kinds.peek().is_some() && !kinds.any(|kind| takes(&kind.value())) {
            self.refuse(server, request, 406);
            return;
        }
        let line = message::number_of(&request.uri).filter(|number| self.subscribers.contains_key(number));
        let Some(line) = line else {
            self.refuse(server, request, 404);
            return;
        };
        let Some(expires) = self.granted(server, request) else { return };
        let limits = self.io.config.lamps;
        let each = self.lamps.by_watcher.get(&watcher).copied().unwrap_or(0);
        if each >= limits.each || self.lamps.len() >= limits.all {
            self.io.count("subscribe.shed");
            let later = (HeaderName::RetryAfter, Bytes::from_static(b"60"));
            self.refuse_with(server, request, 503, &[later]);
            return;
        }
        let tag = self.io.token();
        let Some(dialog) = Dialog::called(request, &tag, from, None) else {
            self.refuse(server, request, 400);
            return;
        };
        let id = event.as_deref().and_then(|event| {
            let id = event.split(';').skip(1).find_map(|param| param.trim().strip_prefix("id="))?;
            Some(Bytes::copy_from_slice(id.as_bytes()))
        });
        let lamp = Lamp {
            watcher,
            line,
            dialog,
            id,
            version: 0,
            until: 0,
            expiry: None,
            told: BTreeMap::new(),
            full: true,
            dirty: true,
            in_flight: false,
            earliest: 0,
            waiting: None,
            over: None,
        };
        let lamp = self.lamps.insert(lamp);
        self.grant(lamp, server, &tag, expires);
    }

    /// SUBSCRIBE within a subscription; false when the tag names none.
    pub(super) fn resubscribed(&mut self, server: ServerId, request: &Request, from: Flow) -> bool {
        let tag = message::to_tag(&request.headers);
        let Some(id) = tag.and_then(|tag| self.lamps.by_tag.get(&tag).copied()) else { return false };
        let Some(watcher) = self.authenticated(server, request, true) else { return true };
        let Some(expires) = self.granted(server, request) else { return true };
        let sequence = cseq(&request.headers).unwrap_or(0);
        let Some(lamp) = self.lamps.by_id.get_mut(&id) else { return false };
        if lamp.watcher != watcher || !lamp.dialog.is_from(&request.headers) || lamp.over.is_some() {
            self.io.count("request.no_dialog");
            self.refuse(server, request, 481);
            return true;
        }
        if sequence <= lamp.dialog.remote_cseq {
            self.io.count("request.out_of_order");
            self.refuse(server, request, 500);
            return true;
        }
        lamp.dialog.remote_cseq = sequence;
        lamp.dialog.retarget(&request.headers);
        lamp.dialog.moved_to(from);
        lamp.full = true;
        lamp.dirty = true;
        self.grant(id, server, "", expires);
        true
    }

    /// How long a SUBSCRIBE may last; 423 when it asks for too little.
    fn granted(&mut self, server: ServerId, request: &Request) -> Option<Duration> {
        let asked = match request.headers.typed::<sipx_sip::headers::Expires>() {
            Some(Ok(expires)) => u64::from(expires.0),
            Some(Err(_)) => {
                self.refuse(server, request, 400);
                return None;
            }
            None => DEFAULT_EXPIRES,
        };
        if asked > 0 && asked < LEAST_EXPIRES {
            let least = (HeaderName::MinExpires, Bytes::from(LEAST_EXPIRES.to_string()));
            self.refuse_with(server, request, 423, &[least]);
            return None;
        }
        Some(event::granted_expiry(Duration::from_secs(asked), Duration::from_secs(MOST_EXPIRES)))
    }

    /// 200 and the first NOTIFY, or the last.
    fn grant(&mut self, id: LampId, server: ServerId, tag: &str, expires: Duration) {
        let (now, ms) = (self.io.now, super::config::millis(expires));
        let Some(lamp) = self.lamps.by_id.get_mut(&id) else { return };
        lamp.until = now.saturating_add(ms);
        if let Some(timer) = lamp.expiry.take() {
            self.io.wheel.cancel(timer);
        }
        if event::is_unsubscribe(expires) {
            lamp.over = Some(Reason::Timeout);
        } else {
            lamp.expiry = Some(self.io.after(ms, Token::LampExpiry(id)));
        }
        let response = self.transactions.server_request(server).and_then(|request| {
            let builder = message::response(request, 200, tag)?;
            let builder = builder.header(HeaderName::Expires, expires.as_secs().to_string()).ok()?;
            builder.header(HeaderName::Contact, lamp.dialog.contact(&self.io)).ok()
        });
        self.transactions.respond(&mut self.io, server, response.map(ResponseBuilder::build));
        self.notify(id);
    }

    /// A subscription's time is over.
    pub(super) fn lamp_expired(&mut self, id: LampId) {
        if let Some(lamp) = self.lamps.by_id.get_mut(&id) {
            lamp.expiry = None;
        }
        self.put_out(id, Reason::Timeout);
    }

    fn put_out(&mut self, id: LampId, reason: Reason) {
        let Some(lamp) = self.lamps.by_id.get_mut(&id) else { return };
        if let Some(timer) = lamp.expiry.take() {
            self.io.wheel.cancel(timer);
        }
        lamp.over = Some(reason);
        lamp.dirty = true;
        self.notify(id);
    }

    /// A subscriber was removed: neither is its line watched nor does it watch.
    pub(super) fn lamps_of_removed(&mut self, number: &str) {
        let of = |lamp: &Lamp| *lamp.line == *number || *lamp.watcher == *number;
        self.put_out_all(Reason::NoResource, of);
    }

    /// The switch is about to stop.
    pub(super) fn lamps_out(&mut self) {
        self.put_out_all(Reason::Deactivated, |_| true);
    }

    fn put_out_all(&mut self, reason: Reason, which: impl Fn(&Lamp) -> bool) {
        let mut lamps: Vec<LampId> =
            self.lamps.by_id.iter().filter(|(_, lamp)| which(lamp)).map(|(id, _)| *id).collect();
        lamps.sort_unstable();
        for id in lamps {
            self.put_out(id, reason);
        }
    }

    /// Something about the calls of a line changed.
    pub(super) fn line_changed(&mut self, line: &Arc<str>) {
        let Some(lamps) = self.lamps.by_line.get(line) else { return };
        for id in lamps.clone() {
            if let Some(lamp) = self.lamps.by_id.get_mut(&id) {
                lamp.dirty = true;
            }
            self.notify(id);
        }
    }

    /// The state of a leg changed.
    pub(super) fn leg_changed(&mut self, id: LegId) {
        if self.lamps.len() > 0
            && let Some(line) = self.legs.get(&id).and_then(|leg| leg.line.clone())
        {
            self.line_changed(&line);
        }
    }

    /// The time of a NOTIFY that waited has come.
    pub(super) fn lamp_due(&mut self, id: LampId) {
        if let Some(lamp) = self.lamps.by_id.get_mut(&id) {
            lamp.waiting = None;
        }
        self.notify(id);
    }

    /// Sends what is to be told, when nothing is under way and the last is long enough ago.
    fn notify(&mut self, id: LampId) {
        let now = self.io.now;
        let Some(lamp) = self.lamps.by_id.get_mut(&id) else { return };
        if !lamp.dirty || lamp.in_flight || lamp.waiting.is_some() {
            return;
        }
        if now < lamp.earliest && lamp.over.is_none() {
            lamp.waiting = Some(self.io.after(lamp.earliest - now, Token::Lamp(id)));
            return;
        }
        let legs = self.lines.get(&lamp.line).map(Vec::as_slice).unwrap_or_default();
        let calls: BTreeMap<LegId, (&'static str, &'static str)> =
            legs.iter().filter_map(|id| Some((*id, state_of(self.legs.get(id)?)))).collect();
        let changed = lamp.changes(&calls);
        lamp.dirty = false;
        if changed.is_empty() && !lamp.full && lamp.over.is_none() {
            return;
        }
        let domain = &self.io.domain;
        let body = Body { kind: Bytes::from_static(KIND.as_bytes()), bytes: lamp.document(&changed, domain) };
        let state = match lamp.over {
            Some(reason) => Subscription::terminated(reason),
            None => Subscription::active(Duration::from_millis(lamp.until.saturating_sub(now))),
        };
        let event = match &lamp.id {
            Some(id) => format!("{PACKAGE};id={}", String::from_utf8_lossy(id)),
            None => PACKAGE.to_owned(),
        };
        let extra: [Extra; 2] =
            [(HeaderName::Event, Bytes::from(event)), (HeaderName::SubscriptionState, Bytes::from(state.to_value()))];
        lamp.full = false;
        lamp.version += 1;
        lamp.in_flight = true;
        lamp.earliest = now.saturating_add(self.io.config.lamps.apart_ms);
        let sent = lamp.dialog.request(&mut self.io, &Method::Notify, Some(&body), &extra).and_then(|notify| {
            self.transactions.request(&mut self.io, notify, lamp.dialog.flow, Purpose::Lamp(id), None)
        });
        if sent.is_none() {
            self.lamps.remove(id);
        }
    }

    /// The watcher answered a NOTIFY, or did not (408).
    pub(super) fn lamp_answered(&mut self, id: LampId, status: u16) {
        if status < 200 {
            return;
        }
        let Some(lamp) = self.lamps.by_id.get_mut(&id) else { return };
        lamp.in_flight = false;
        let last = lamp.over.is_some() && !lamp.dirty;
        if status < 300 && !last {
            self.notify(id);
            return;
        }
        // RFC 6665 4.2.2: who refuses a NOTIFY or does not answer it has no subscription any more.
        if status >= 300 {
            self.io.count("subscribe.lost");
        }
        if let Some(lamp) = self.lamps.remove(id) {
            for timer in [lamp.expiry, lamp.waiting].into_iter().flatten() {
                self.io.wheel.cancel(timer);
            }
        }
    }
}
