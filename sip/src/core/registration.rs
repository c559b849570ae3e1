//! Our own registrations at trunks (RFC 3261 10.2, RFC 5626 4.5): refreshed in time, tried again with growing waits.

use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::auth::{Credentials, respond};
use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Method, Request, RequestBuilder, Response, Uri};

use super::io::{Flow, Token};
use super::repeat::challenge_of;
use super::transactions::Purpose;
use super::{Core, message};
use crate::api::{Event, Trunk};
use crate::media::Media;

/// Waits after a failure (ms): the first, which doubles, and the longest.
const FIRST_WAIT: u64 = 30_000;
const LONGEST_WAIT: u64 = 1_800_000;
/// Credentials sent for one refresh: once, and once more for a nonce that is stale.
const MAX_TRIES: u8 = 2;
/// Longest registration that a trunk may ask for (s).
const LONGEST_EXPIRES: u32 = 604_800;

/// One registration of ours.
#[derive(Debug)]
pub(super) struct Registration {
    trunk: Trunk,
    call_id: String,
    tag: String,
    cseq: u32,
    /// What we ask for (s).
    expires_s: u32,
    flow: Option<Flow>,
    registered: bool,
    /// Tries that failed in a row.
    failures: u32,
    /// Credentials sent since the last outcome.
    tries: u8,
    /// It is being taken back.
    leaving: bool,
    timer: Option<Handle>,
}

impl<M: Media> Core<M> {
    /// A trunk was added or changed.
    pub(super) fn trunk_set(&mut self, trunk: &Trunk) {
        let kept = self.registrations.values().any(|known| !known.leaving && known.trunk == *trunk);
        if kept {
            return;
        }
        self.trunk_gone(&trunk.name);
        let Some(asked) = &trunk.register else { return };
        let id = self.next_registration;
        self.next_registration += 1;
        let registration = Registration {
            trunk: trunk.clone(),
            call_id: self.io.token(),
            tag: self.io.token(),
            cseq: 0,
            expires_s: asked.expires_s.max(1),
            flow: None,
            registered: false,
            failures: 0,
            tries: 0,
            leaving: false,
            timer: None,
        };
        self.registrations.insert(id, registration);
        self.register_at(id);
    }

    /// A trunk was removed, or is about to be changed: its registration is taken back.
    pub(super) fn trunk_gone(&mut self, name: &Arc<str>) {
        let found = self.registrations.iter().find(|(_, known)| known.trunk.name == *name && !known.leaving);
        if let Some(id) = found.map(|(id, _)| *id) {
            self.unregister(id);
        }
    }

    /// Takes all registrations back.
    pub(super) fn unregister_all(&mut self) {
        let ids: Vec<u32> = self.registrations.keys().copied().collect();
        for id in ids {
            self.unregister(id);
        }
    }

    fn unregister(&mut self, id: u32) {
        self.registration_timer(id, None);
        let Some(registration) = self.registrations.get_mut(&id).filter(|known| !known.leaving) else { return };
        if !registration.registered {
            self.registrations.remove(&id);
            return;
        }
        registration.leaving = true;
        registration.tries = 0;
        self.register_at(id);
    }

    /// Sets the time of the next REGISTER in place of any other.
    fn registration_timer(&mut self, id: u32, wait: Option<u64>) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        if let Some(before) = registration.timer.take() {
            self.io.wheel.cancel(before);
            self.io.standing -= 1;
        }
        if let Some(wait) = wait {
            registration.timer = Some(self.io.after(wait, Token::Register(id)));
            self.io.standing += 1;
        }
    }

    /// The time of a REGISTER has come.
    pub(super) fn registration_due(&mut self, id: u32) {
        self.io.standing -= 1;
        if let Some(registration) = self.registrations.get_mut(&id) {
            registration.timer = None;
            registration.tries = 0;
        }
        self.register_at(id);
    }

    fn register_at(&mut self, id: u32) {
        if self.register_with(id, None).is_none() {
            self.io.count("trunk.unreachable");
            self.registration_failed(id, 503, None);
        }
    }

    fn register_with(&mut self, id: u32, authorization: Option<(HeaderName, String)>) -> Option<()> {
        let registration = self.registrations.get_mut(&id)?;
        let flow = self.io.flow_to(registration.trunk.transport, registration.trunk.address)?;
        registration.flow = Some(flow);
        registration.cseq = registration.cseq.wrapping_add(1).max(1);
        let via = message::via(&mut self.io, flow);
        let mut request = registration.request(&via, &self.io.listener(flow).address.to_string(), flow)?;
        request = request.header(HeaderName::UserAgent, self.io.config.product.clone()).ok()?;
        if let Some((name, value)) = authorization {
            request = request.header(name, value).ok()?;
        }
        let name = registration.trunk.name.clone();
        self.transactions.request(&mut self.io, request.build(), flow, Purpose::Register(id), Some(name))?;
        Some(())
    }

    /// A final response to our REGISTER.
    pub(super) fn registration_answered(&mut self, id: u32, request: Option<&Request>, response: &Response) {
        let status = response.status.code();
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        match status {
            0..200 => {}
            200..300 if registration.leaving => {
                self.registrations.remove(&id);
            }
            200..300 => {
                let granted = granted(request, response).unwrap_or(registration.expires_s).max(1);
                registration.registered = true;
                registration.failures = 0;
                let trunk = registration.trunk.name.clone();
                // Early enough for a few tries before the binding ends, and not all trunks at one moment.
                let share = 750 + self.io.random() % 150;
                let wait = (u64::from(granted) * share).max(1_000);
                self.registration_timer(id, Some(wait));
                self.io.emit(Event::TrunkRegistration { trunk, registered: true, status, again_ms: wait });
            }
            401 | 407 if registration.tries < MAX_TRIES => {
                registration.tries += 1;
                let credentials = registration.trunk.credentials.clone();
                let authorization = credentials.and_then(|(user, password)| {
                    let challenge = challenge_of(response)?;
                    let uri = String::from_utf8_lossy(&request?.uri.to_bytes()).into_owned();
                    let cnonce = self.io.token();
                    let credentials = Credentials::new(user.as_ref(), password.as_ref());
                    let value = respond(&challenge, &credentials, "REGISTER", &uri, 1, &cnonce);
                    Some((challenge.response_header(), value))
                });
                if authorization.is_none() || self.register_with(id, authorization).is_none() {
                    self.registration_failed(id, status, None);
                }
            }
            423 if least(response).is_some_and(|least| least > registration.expires_s) => {
                registration.expires_s = least(response).unwrap_or(registration.expires_s);
                registration.tries = 0;
                self.register_at(id);
            }
            _ => {
                let after = response.headers.value(&HeaderName::RetryAfter).and_then(|value| number(&value));
                self.registration_failed(id, status, after);
            }
        }
    }

    /// A REGISTER failed, or nobody answered it (`status` 408).
    pub(super) fn registration_failed(&mut self, id: u32, status: u16, retry_after_s: Option<u32>) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        if registration.leaving {
            self.registrations.remove(&id);
            return;
        }
        self.io.count("trunk.register_failed");
        registration.registered = false;
        registration.failures = registration.failures.saturating_add(1);
        let trunk = registration.trunk.name.clone();
        let longest = FIRST_WAIT.checked_shl(registration.failures - 1).unwrap_or(u64::MAX).min(LONGEST_WAIT);
        // RFC 5626 4.5: between half of it and all, so that not all come back at once.
        let wait = longest / 2 + self.io.random() % (longest / 2 + 1);
        let wait = wait.max(u64::from(retry_after_s.unwrap_or(0)) * 1_000).min(2 * LONGEST_WAIT);
        self.registration_timer(id, Some(wait));
        self.io.emit(Event::TrunkRegistration { trunk, registered: false, status, again_ms: wait });
    }

    /// A connection is gone over which we were registered: calls would not reach us any more.
    pub(super) fn registrations_lost(&mut self, flow: Flow) {
        let over = |known: &Registration| known.registered && !known.leaving && known.flow == Some(flow);
        let lost: Vec<u32> = self.registrations.iter().filter(|(_, known)| over(known)).map(|(id, _)| *id).collect();
        for id in lost {
            let wait = 500 + self.io.random() % 1_000;
            self.registration_timer(id, Some(wait));
        }
    }

    /// Whether a connection carries a registration of ours.
    pub(super) fn registered_over(&self, flow: Flow) -> bool {
        self.registrations.values().any(|known| known.flow == Some(flow))
    }

    /// Whether a call or a registration of ours is still being ended.
    pub fn is_leaving(&self) -> bool {
        !self.legs.is_empty() || self.registrations.values().any(|known| known.leaving)
    }
}

impl Registration {
    fn request(&self, via: &str, ours: &str, flow: Flow) -> Option<RequestBuilder> {
        let asked = self.trunk.register.as_ref()?;
        let (user, _) = self.trunk.credentials.as_ref()?;
        let (user, domain) = (message::escape_user(user), &asked.domain);
        let transport = match flow.transport {
            crate::api::Transport::Udp => "",
            crate::api::Transport::Tcp => ";transport=tcp",
        };
        let uri = Uri::parse(Bytes::from(format!("sip:{domain}"))).ok()?;
        let expires = if self.leaving { 0 } else { self.expires_s };
        RequestBuilder::new(Method::Register, uri)
            .header(HeaderName::Via, via.to_owned())
            .ok()?
            .max_forwards(70)
            .header(HeaderName::From, format!("<sip:{user}@{domain}>;tag={}", self.tag))
            .ok()?
            .header(HeaderName::To, format!("<sip:{user}@{domain}>"))
            .ok()?
            .header(HeaderName::CallId, self.call_id.clone())
            .ok()?
            .cseq(self.cseq, &Method::Register)
            .ok()?
            .header(HeaderName::Contact, format!("<sip:{user}@{ours}{transport}>;expires={expires}"))
            .ok()?
            .header(HeaderName::Expires, expires.to_string())
            .ok()
    }
}

/// How long our binding lives (s): as its Contact says, else Expires.
fn granted(request: Option<&Request>, response: &Response) -> Option<u32> {
    let ours = request?.headers.value(&HeaderName::Contact)?;
    let ours = Address::parse_list(&ours, "Contact").ok()?.into_iter().next()?.uri;
    let ends = response
        .headers
        .get_all(&HeaderName::Contact)
        .filter_map(|header| Address::parse_list(&header.value(), "Contact").ok())
        .flatten()
        .find(|contact| contact.uri.equivalent(&ours))
        .and_then(|contact| contact.param("expires").and_then(number));
    ends.or_else(|| response.headers.value(&HeaderName::Expires).and_then(|value| number(&value)))
}

fn least(response: &Response) -> Option<u32> {
    let least = response.headers.value(&HeaderName::MinExpires).and_then(|value| number(&value));
    least.filter(|least| *least <= LONGEST_EXPIRES)
}

/// The whole seconds that a value begins with (Retry-After may go on with a comment).
fn number(value: &[u8]) -> Option<u32> {
    let digits: &[u8] = value.trim_ascii();
    let end = digits.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}
