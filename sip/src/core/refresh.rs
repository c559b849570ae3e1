//! Session timers (RFC 4028): each leg is refreshed, by us unless its phone wants to, and one whose phone has
//! vanished ends and frees its line.

use std::time::Duration;

use bytes::Bytes;
use ccbs_timers::Handle;
use sipx_sip::headers::{Require, Supported};
use sipx_sip::message::Headers;
use sipx_sip::session::{self, Accepted, MinSe, OPTION_TAG, Refresher, SessionExpires};
use sipx_sip::{HeaderName, Method, Request, TypedHeader, update};

use super::Core;
use super::config::millis;
use super::end::Farewell;
use super::inside::Extra;
use super::io::Token;
use super::leg::{Stage, Why};
use super::message;
use super::reinvite::occupied;
use super::transactions::{Answer, Purpose};
use crate::api::{Cause, LegId};
use crate::media::Media;

/// Longest interval that a 422 may drive us to (s).
const LONGEST_INTERVAL: u64 = 86_400;

/// How long a refresh waits for what else is being agreed on (ms).
const OCCUPIED_WAIT: u64 = 10_000;

/// A leg's session timer.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    /// The interval; zero before the answer.
    interval: Duration,
    /// The far side refreshes, and is given up when it does not.
    theirs: bool,
    /// The far side's terms, as our 2xx repeats them.
    accepted: Option<Accepted>,
    pub(super) timer: Option<Handle>,
    /// Whether the far side's Allow lists UPDATE.
    updates: bool,
}

impl Refreshing {
    /// Of a leg whose far side called us.
    pub(super) fn of(accepted: Option<Accepted>, headers: &Headers) -> Self {
        Self { accepted, updates: update::peer_allows(headers), ..Self::default() }
    }

    /// Whether the far side takes UPDATE.
    pub(super) fn updates(&self) -> bool {
        self.updates
    }

    /// What our requests in a dialog propose.
    fn proposed(&self) -> Vec<Extra> {
        if self.interval.is_zero() {
            return Vec::new();
        }
        let refresher = if self.theirs { Refresher::Uas } else { Refresher::Uac };
        proposal(self.interval, refresher)
    }

    /// What our 2xx to the far side's INVITE or UPDATE says.
    fn agreed(&self) -> Vec<Extra> {
        let mut extra = vec![(HeaderName::Supported, Bytes::from_static(message::SUPPORTED.as_bytes()))];
        if let Some(accepted) = self.accepted {
            let expires = SessionExpires { interval: accepted.interval, refresher: Some(accepted.refresher) };
            extra.push((HeaderName::SessionExpires, Bytes::from(expires.to_string())));
            if accepted.require {
                extra.push((HeaderName::Require, Bytes::from_static(OPTION_TAG.as_bytes())));
            }
        }
        extra
    }
}

/// The headers with which an INVITE or UPDATE of ours asks for a session timer.
pub(super) fn proposal(interval: Duration, refresher: Refresher) -> Vec<Extra> {
    let supported = (HeaderName::Supported, Bytes::from_static(message::SUPPORTED.as_bytes()));
    if interval.is_zero() {
        return vec![supported];
    }
    let expires = SessionExpires { interval, refresher: Some(refresher) };
    vec![supported, (HeaderName::SessionExpires, Bytes::from(expires.to_string()))]
}

fn supports(headers: &Headers) -> bool {
    let lists = |name: &HeaderName| {
        headers.get_all(name).any(|header| {
            let value = header.value();
            Supported::decode(&value).is_ok_and(|tags| tags.contains(OPTION_TAG))
                || Require::decode(&value).is_ok_and(|tags| tags.contains(OPTION_TAG))
        })
    };
    lists(&HeaderName::Supported) || lists(&HeaderName::Require)
}

fn min_se(headers: &Headers) -> Option<Duration> {
    Some(headers.typed::<MinSe>()?.ok()?.0)
}

impl<M: Media> Core<M> {
    /// The interval we ask for; zero when session timers are off.
    pub(super) fn session_interval(&self) -> Duration {
        Duration::from_millis(self.io.config.session_ms)
    }

    /// What a request proposes for its session; the shortest interval we take when it is too brief.
    pub(super) fn session_terms(&self, request: &Request) -> Result<Option<Accepted>, Duration> {
        let ours = self.session_interval();
        if ours.is_zero() {
            return Ok(None);
        }
        let asked = request.headers.typed::<SessionExpires>().and_then(Result::ok);
        let least = min_se(&request.headers);
        match session::answer(supports(&request.headers), asked, least, session::ABSOLUTE_MIN_INTERVAL) {
            session::Answer::None => Ok(None),
            session::Answer::TooBrief(least) => Err(least),
            session::Answer::Accept(mut accepted) => {
                // RFC 4028 9: it may be reduced, not below the far side's Min-SE.
                accepted.interval = match asked {
                    Some(asked) => asked.interval.min(ours.max(least.unwrap_or_default())),
                    None => ours.max(least.unwrap_or_default()),
                };
                Ok(Some(accepted))
            }
        }
    }

    /// Notes the terms of a far side's INVITE or UPDATE; answers 422 and gives false when they are too brief.
    pub(super) fn takes_terms(&mut self, id: LegId, server: super::transactions::ServerId, request: &Request) -> bool {
        match self.session_terms(request) {
            Ok(accepted) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.refreshing.accepted = accepted;
                    leg.refreshing.updates |= update::peer_allows(&request.headers);
                }
                true
            }
            Err(least) => {
                self.io.count("session.too_brief");
                self.respond_with(server, 422, None, &[too_brief(least)]);
                false
            }
        }
    }

    /// What our 2xx to the far side's INVITE or UPDATE says about the session timer, which starts anew.
    pub(super) fn session_agreed(&mut self, id: LegId) -> Vec<Extra> {
        let ours = self.session_interval();
        let Some(leg) = self.legs.get_mut(&id) else { return Vec::new() };
        let accepted = leg.refreshing.accepted;
        leg.refreshing.interval = accepted.map_or(ours, |accepted| accepted.interval);
        leg.refreshing.theirs = accepted.is_some_and(|accepted| accepted.refresher == Refresher::Uac);
        let agreed = leg.refreshing.agreed();
        self.refresh_later(id);
        agreed
    }

    /// What an INVITE or UPDATE of ours within a leg's dialog proposes.
    pub(super) fn session_proposed(&self, id: LegId) -> Vec<Extra> {
        self.legs.get(&id).map_or_else(Vec::new, |leg| leg.refreshing.proposed())
    }

    /// A 2xx to our INVITE or UPDATE: the session goes on, on the far side's terms.
    pub(super) fn session_confirmed(&mut self, id: LegId, headers: &Headers) {
        let ours = self.session_interval();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.refreshing.updates |= update::peer_allows(headers);
        let asked = if leg.refreshing.interval.is_zero() { ours } else { leg.refreshing.interval };
        let agreed = headers.typed::<SessionExpires>().and_then(Result::ok);
        let asked = (!asked.is_zero()).then_some(asked);
        if let Some(session) = session::adopt(agreed, asked).filter(|_| asked.is_some()) {
            leg.refreshing.interval = session.interval;
            leg.refreshing.theirs = !session.we_refresh;
            self.refresh_later(id);
        }
    }

    fn refresh_later(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        let running = session::Session { interval: leg.refreshing.interval, we_refresh: !leg.refreshing.theirs };
        let wait = (!running.interval.is_zero()).then(|| millis(running.act_after()));
        self.refresh_after(id, wait);
    }

    fn refresh_after(&mut self, id: LegId, wait: Option<u64>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(timer) = leg.refreshing.timer.take() {
            self.io.wheel.cancel(timer);
        }
        leg.refreshing.timer = wait.map(|wait| self.io.after(wait, Token::Refresh(id)));
    }

    /// A session is to be refreshed by us, or was not by the far side.
    pub(super) fn refresh(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.stage != Stage::Closing) else { return };
        leg.refreshing.timer = None;
        if leg.refreshing.theirs {
            self.io.count("session.expired");
            self.hang_up(id, Cause::Timeout, Farewell::Bye(None));
            return;
        }
        if occupied(leg) || leg.stage != Stage::Up {
            self.refresh_after(id, Some(OCCUPIED_WAIT));
            return;
        }
        let (updates, said) = (leg.refreshing.updates, leg.local_sdp.clone());
        self.refresh_later(id);
        if updates {
            let proposed = self.session_proposed(id);
            self.send_inside(id, &Method::Update, None, &proposed, Purpose::Refresh(id));
        } else if let Some(said) = said {
            self.reinvite(id, said, Why::Refresh);
        }
    }

    /// A response to the UPDATE that refreshes a session, or none (408).
    pub(super) fn refresh_answered(&mut self, id: LegId, status: u16, headers: Option<&Headers>) {
        match status {
            0..200 => {}
            200..300 => {
                let Some(headers) = headers else { return };
                if let Some(dialog) = self.legs.get_mut(&id).and_then(|leg| leg.dialog.as_mut()) {
                    dialog.retarget(headers);
                }
                self.session_confirmed(id, headers);
            }
            408 | 481 => self.vanished(id),
            405 | 501 => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.refreshing.updates = false;
                }
                self.refresh(id);
            }
            491 | 500 => {
                let wait = self.io.random_tens(2100, 4000);
                self.refresh_after(id, Some(wait));
            }
            _ => self.io.count("session.refresh_refused"),
        }
    }

    /// The far side of a leg is gone without a word.
    pub(super) fn vanished(&mut self, id: LegId) {
        self.io.count("leg.vanished");
        self.hang_up(id, Cause::Timeout, Farewell::Bye(None));
    }

    /// 422: the same once more, with the interval that the far side asks for (RFC 4028 7.3).
    pub(super) fn lengthened(&mut self, answer: &Answer) -> bool {
        let asked = self
            .transactions
            .client_request(answer.client)
            .and_then(|request| request.headers.typed::<SessionExpires>()?.ok());
        let (Some(asked), Some(least)) = (asked, min_se(&answer.response.headers)) else { return false };
        if least <= asked.interval || least.as_secs() > LONGEST_INTERVAL {
            return false;
        }
        let expires = SessionExpires { interval: least, refresher: asked.refresher };
        let changed = [
            (HeaderName::SessionExpires, Bytes::from(expires.to_string())),
            (HeaderName::MinSe, Bytes::from(least.as_secs().to_string())),
        ];
        if let Some(leg) = answer.purpose.leg().and_then(|id| self.legs.get_mut(&id)) {
            leg.refreshing.interval = least;
        }
        self.repeat(answer, &changed).is_some()
    }
}

/// The header of a 422.
pub(super) fn too_brief(least: Duration) -> Extra {
    (HeaderName::MinSe, Bytes::from(least.as_secs().to_string()))
}
