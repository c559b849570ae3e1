//! The sans-IO core: datagrams and commands go in, datagrams and events come out.
//!
//! It reads no clock and draws its random bits from a seeded generator, so the same inputs give the same
//! outputs. Each of its files has one part of a call's life:
//!
//! - `uas`: a call that comes in, up to its final response; CANCEL
//! - `uac`: phones and trunks that we call; forks, provisionals, final responses
//! - `dial`: two legs joined: what one side does reaches the other
//! - `connect`: third-party call control for a leg with our own media
//! - `inside`: requests within a dialog
//! - `reinvite`: re-INVITEs, ours and theirs
//! - `refresh`: session timers
//! - `reliable`: reliable provisional responses
//! - `refer`, `transfer`, `replaces`: who talks to whom changes
//! - `registration`: ours at trunks
//! - `end`: how a leg ends, from any state
//! - `streams`: connections, and the messages that arrive over them
mod command;
mod config;
mod connect;
mod connections;
mod dial;
mod dialog;
mod end;
mod framing;
mod guesses;
mod inside;
mod io;
mod lamps;
mod leg;
mod line;
mod message;
mod page;
mod refer;
mod refresh;
mod registration;
mod reinvite;
mod reliable;
mod replaces;
mod streams;
mod transactions;
mod transfer;
mod uac;
mod uas;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Wheel;
use sipx_sip::{
    Limits, Message, Method, Request, Response, ResponseBuilder, Scheme, parse_datagram, validate_request,
    validate_response,
};

pub use self::config::{CoreConfig, Counters, Listener};
pub use self::connections::ConnectionLimits;
pub use self::guesses::GuessLimits;
pub use self::io::{Flow, Transmit};
pub use self::lamps::LampLimits;

use self::guesses::Guesses;
use self::io::{Io, Token};
use self::lamps::Lamps;
use self::leg::Leg;
use self::page::Pages;
use self::registration::Registration;
use self::transactions::{Answer, Arrival, Purpose, ServerId, Silence, Transactions};
use crate::api::{Event, LegId, Played, Subscriber, Trunk};
use crate::auth::Authenticator;
use crate::media::Media;
use crate::registrar::Registrar;

/// The SIP side of a switch, without its sockets.
#[derive(Debug)]
pub struct Core<M> {
    io: Io,
    transactions: Transactions,
    media: M,
    authenticator: Authenticator,
    guesses: Guesses,
    registrar: Registrar,
    subscribers: HashMap<Arc<str>, Subscriber>,
    /// How many subscribers are offered which algorithms: MD5, SHA-256.
    offers: BTreeMap<(bool, bool), u64>,
    /// Legs of each line that has any.
    lines: HashMap<Arc<str>, Vec<LegId>>,
    lamps: Lamps,
    pages: Pages,
    trunks: Vec<Trunk>,
    /// Ours at trunks.
    registrations: BTreeMap<u32, Registration>,
    next_registration: u32,
    legs: HashMap<LegId, Leg>,
    /// Our tags, each naming one dialog or the attempt to have one.
    tags: HashMap<Bytes, LegId>,
    /// Call-ID and From tag of callers' first INVITEs in progress (RFC 3261 8.2.2.2).
    pending: HashMap<(Bytes, Bytes), LegId>,
    /// The next leg that the core begins.
    next_leg: u64,
}

impl<M: Media> Core<M> {
    /// A core with no subscribers and no trunks. All its random bits come from `seed`.
    pub fn new(config: CoreConfig, media: M, seed: [u8; 32]) -> Self {
        let realm = config.realm.clone();
        let limits = config.registrar;
        let (nonce_life_ms, nonces) = (config.nonce_life_ms, config.nonces);
        let mut io = Io::new(config, seed);
        let mut secret = [0; 32];
        for chunk in secret.chunks_exact_mut(8) {
            chunk.copy_from_slice(&io.random().to_le_bytes());
        }
        Self {
            io,
            transactions: Transactions::default(),
            media,
            authenticator: Authenticator::new(&realm, secret).with_limits(nonce_life_ms, nonces),
            guesses: Guesses::default(),
            registrar: Registrar::new(limits),
            subscribers: HashMap::new(),
            offers: BTreeMap::new(),
            lines: HashMap::new(),
            lamps: Lamps::default(),
            pages: Pages::default(),
            trunks: Vec::new(),
            registrations: BTreeMap::new(),
            next_registration: 0,
            legs: HashMap::new(),
            tags: HashMap::new(),
            pending: HashMap::new(),
            next_leg: 1,
        }
    }

    /// A datagram of `from` that reached the listener with the address `local`. `now` is Unix time (ms) that never
    /// goes back.
    pub fn datagram(&mut self, now: u64, from: SocketAddr, local: SocketAddr, bytes: Bytes) {
        self.advance(now);
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            self.io.count("datagram.keepalive");
            return;
        }
        let at = self.io.config.listeners.iter().position(|listener| listener.address == local).unwrap_or(0);
        let flow = Flow::udp(u8::try_from(at).unwrap_or(0), from);
        self.io.trace(false, flow, &bytes);
        match parse_datagram(message::hash_escaped(bytes), &Limits::datagram()) {
            Ok(message) => self.message(message, flow),
            Err(_) => self.io.count("datagram.unparsable"),
        }
    }

    fn message(&mut self, message: Message, from: Flow) {
        match message {
            Message::Request(request) => self.request(request, from),
            Message::Response(response) => self.response(response),
        }
    }

    /// The media player says how a play ended.
    pub fn played(&mut self, now: u64, leg: LegId, token: u64, outcome: Played) {
        self.advance(now);
        if let Some(entry) = self.legs.get_mut(&leg)
            && entry.playing == Some(token)
        {
            entry.playing = None;
            self.io.emit(Event::Played { leg, token, outcome });
        }
    }

    /// Lets the timers that are due at `now` (Unix ms) expire.
    pub fn expire(&mut self, now: u64) {
        self.advance(now);
        let mut due = Vec::new();
        self.io.wheel.expire(self.io.now, &mut due);
        for (_, token) in due {
            match token {
                Token::Route(leg) => self.route_timeout(leg),
                Token::Ring(leg) => self.ring_timeout(leg),
                Token::Probe(leg) => self.probe(leg),
                Token::Again(leg) => self.reinvite_again(leg),
                Token::Connection(connection) => self.connection_due(connection),
                Token::Register(registration) => self.registration_due(registration),
                Token::Refresh(leg) => self.refresh(leg),
                Token::Transfer(leg) => self.transfer_timeout(leg),
                Token::Reliable(leg) => self.reliable_again(leg),
                Token::Lamp(lamp) => self.lamp_due(lamp),
                Token::LampExpiry(lamp) => self.lamp_expired(lamp),
                _ => {
                    if let Some(silence) = self.transactions.expired(&mut self.io, token) {
                        self.silent(silence);
                    }
                }
            }
        }
        self.expire_registrations();
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.io.transmits.pop_front()
    }

    /// The next connection to close, after all that [`Self::poll_transmit`] gives. Nothing more comes from it.
    pub fn poll_close(&mut self) -> Option<Flow> {
        self.io.connections.closing.pop_front()
    }

    /// The next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.io.events.pop_front()
    }

    /// When [`Self::expire`] has to be called next (Unix ms).
    pub fn next_deadline(&self) -> Option<u64> {
        match (self.io.wheel.next_deadline(), self.registrar.next_deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What was refused, repeated or dropped, by name.
    pub fn counters(&self) -> &Counters {
        &self.io.counters
    }

    /// The media player.
    pub fn media_mut(&mut self) -> &mut M {
        &mut self.media
    }

    /// How many legs, transactions and timers of calls there are: all 0 in a core at rest.
    pub fn load(&self) -> (usize, usize, usize) {
        (self.legs.len(), self.transactions.len(), self.io.call_timers())
    }

    /// Whether nothing of any call is left.
    pub fn is_idle(&self) -> bool {
        let left = self.legs.len() + self.tags.len() + self.pending.len() + self.lines.len();
        let left = left + self.lamps.len() + self.pages.len();
        left + self.transactions.len() + self.io.call_timers() == 0
    }

    /// Legs of a subscriber's line now.
    pub fn line(&self, number: &str) -> u16 {
        self.lines.get(number).map_or(0, |legs| u16::try_from(legs.len()).unwrap_or(u16::MAX))
    }

    fn advance(&mut self, now: u64) {
        if self.io.now == 0 && self.io.wheel.is_empty() {
            self.io.wheel = Wheel::new(now);
        }
        self.io.now = self.io.now.max(now);
    }

    fn request(&mut self, mut request: Request, from: Flow) {
        let findings = validate_request(&request);
        if let Some(finding) = findings.iter().find(|finding| !finding.is_repairable()) {
            self.io.count("request.malformed");
            self.refuse_unseen(&request, finding.status(), from);
            return;
        }
        if !matches!(request.uri.scheme(), Scheme::Sip) {
            self.io.count("request.scheme");
            self.refuse_unseen(&request, 416, from);
            return;
        }
        message::stamp_via(&mut request, from.remote);
        match self.transactions.arrived(&mut self.io, request, from) {
            Arrival::New(server, request) => self.new_request(server, &request, from),
            Arrival::Ack(ack) => self.ack(&ack),
            Arrival::Absorbed => {}
        }
    }

    /// Answers without a transaction what is too broken to have one (RFC 3261 8.2.7).
    fn refuse_unseen(&mut self, request: &Request, status: u16, from: Flow) {
        if request.method == Method::Ack {
            return;
        }
        let tag = message::stateless_tag(&request.headers);
        let mut request = request.clone();
        message::stamp_via(&mut request, from.remote);
        if let Some(response) = message::plain(&request, status, &tag) {
            self.io.send(from, message::bytes_of_response(&response));
        }
    }

    fn new_request(&mut self, server: ServerId, request: &Request, from: Flow) {
        if request.method == Method::Cancel {
            self.cancel(server, request);
            return;
        }
        if let Some(builder) = unsupported(request) {
            self.io.count("request.extension");
            self.transactions.dismiss(&mut self.io, server, Some(&builder.build()));
            return;
        }
        if message::to_tag(&request.headers).is_some() {
            if request.method == Method::Subscribe && self.resubscribed(server, request, from) {
                return;
            }
            self.inside(server, request, from);
            return;
        }
        match &request.method {
            Method::Invite => self.incoming(server, request, from),
            Method::Register => self.register(server, request, from),
            Method::Options => self.options(server, request),
            Method::Message => self.paged(server, request, from),
            Method::Subscribe => self.subscribed(server, request, from),
            Method::Refer => {
                // Nobody is called on the word of one who is in no call.
                self.io.count("refer.out_of_place");
                self.refuse(server, request, 403);
            }
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.io.count("request.no_dialog");
                self.refuse(server, request, 481);
            }
            Method::Other(_) => {
                self.io.count("request.unknown_method");
                self.refuse(server, request, 501);
            }
            _ => {
                self.io.count("request.method");
                self.refuse(server, request, 405);
            }
        }
    }

    /// Answers a request that has no leg, and keeps nothing of it.
    fn refuse(&mut self, server: ServerId, request: &Request, status: u16) {
        self.refuse_with(server, request, status, &[]);
    }

    /// The same with more headers.
    fn refuse_with(&mut self, server: ServerId, request: &Request, status: u16, extra: &[inside::Extra]) {
        let tag = message::stateless_tag(&request.headers);
        let response = message::response(request, status, &tag).and_then(|mut builder| {
            if matches!(status, 405 | 501) {
                builder = builder.header(sipx_sip::HeaderName::Allow, message::ALLOW).ok()?;
            }
            for (name, value) in extra {
                builder = builder.header(name.clone(), value.clone()).ok()?;
            }
            Some(builder)
        });
        self.transactions.dismiss(&mut self.io, server, response.map(ResponseBuilder::build).as_ref());
    }

    /// 200 to OPTIONS, in a dialog or out (RFC 3261 11.2).
    fn options(&mut self, server: ServerId, request: &Request) {
        let tag = message::stateless_tag(&request.headers);
        let response = message::response(request, 200, &tag).and_then(|builder| {
            builder
                .header(sipx_sip::HeaderName::Allow, message::ALLOW)
                .ok()?
                .header(sipx_sip::HeaderName::Accept, "application/sdp")
                .ok()?
                .header(sipx_sip::HeaderName::AllowEvents, "dialog")
                .ok()?
                .header(sipx_sip::HeaderName::Supported, message::SUPPORTED)
                .ok()?
                .header(sipx_sip::HeaderName::Server, self.io.config.product.clone())
                .ok()
        });
        self.transactions.dismiss(&mut self.io, server, response.map(ResponseBuilder::build).as_ref());
    }

    fn response(&mut self, response: Response) {
        if validate_response(&response).iter().any(|finding| !finding.is_repairable()) {
            self.io.count("response.malformed");
            return;
        }
        let Some(answer) = self.transactions.answered(&mut self.io, response) else { return };
        self.answered(&answer);
        self.transactions.settle(answer.client);
    }

    fn answered(&mut self, answer: &Answer) {
        let status = answer.response.status.code();
        if matches!(status, 401 | 407) && self.authorize(answer) {
            return;
        }
        if status == 422 && self.lengthened(answer) {
            return;
        }
        if status == 421 && self.extended(answer) {
            return;
        }
        match answer.purpose {
            Purpose::Invite(leg) => self.invite_answered(leg, answer.client, &answer.response),
            Purpose::Reinvite(leg) => self.reinvite_answered(leg, answer.client, &answer.response),
            Purpose::Relay(leg, server) => self.relay_answered(leg, server, answer.client, &answer.response),
            Purpose::Bye(leg) if status >= 200 => self.forget(leg),
            Purpose::Probe(leg) => self.probed(leg, status),
            Purpose::Refresh(leg) => self.refresh_answered(leg, status, Some(&answer.response.headers)),
            Purpose::Page(page) => self.page_answered(page, status),
            Purpose::Lamp(lamp) => self.lamp_answered(lamp, status),
            Purpose::Told(leg) if status >= 200 => self.told(leg, status < 300),
            Purpose::Register(id) => {
                let request = self.transactions.client_request(answer.client).map(std::borrow::Cow::into_owned);
                self.registration_answered(id, request.as_ref(), &answer.response);
            }
            Purpose::Orphan => self.orphan_answered(answer.client, &answer.response),
            Purpose::Bye(_) | Purpose::Told(_) | Purpose::Nothing => {}
        }
    }

    fn silent(&mut self, silence: Silence) {
        match silence {
            Silence::NoAnswer(client, purpose) => self.no_answer(client, purpose),
            Silence::NoAck(server, leg) => self.no_ack(server, leg),
        }
    }

    fn no_answer(&mut self, client: transactions::ClientId, purpose: Purpose) {
        self.io.count("request.unanswered");
        match purpose {
            Purpose::Invite(leg) => self.invite_failed(leg, client, crate::api::Cause::Timeout, 408),
            Purpose::Reinvite(leg) => self.reinvite_failed(leg, client, 408),
            Purpose::Relay(leg, server) => self.relay_failed(leg, server, 408),
            Purpose::Bye(leg) => self.forget(leg),
            Purpose::Probe(leg) => self.probed(leg, 408),
            Purpose::Refresh(leg) => self.refresh_answered(leg, 408, None),
            Purpose::Told(leg) => self.told(leg, false),
            Purpose::Page(page) => self.page_answered(page, 408),
            Purpose::Lamp(lamp) => self.lamp_answered(lamp, 408),
            Purpose::Register(id) => self.registration_failed(id, 408, None),
            Purpose::Orphan | Purpose::Nothing => {}
        }
    }

    fn begin_leg(&mut self) -> LegId {
        let id = LegId(self.next_leg);
        self.next_leg += 2;
        id
    }
}

/// 420 for a request that needs an extension we don't have (RFC 3261 8.2.2.3).
fn unsupported(request: &Request) -> Option<ResponseBuilder> {
    let mut wanted = Vec::new();
    for header in request.headers.get_all(&sipx_sip::HeaderName::Require) {
        for tag in header.value().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if tag.is_empty() || message::has_extension(tag) {
                continue;
            }
            if !wanted.is_empty() {
                wanted.extend_from_slice(b", ");
            }
            wanted.extend_from_slice(tag);
        }
    }
    if wanted.is_empty() {
        return None;
    }
    let tag = message::stateless_tag(&request.headers);
    message::response(request, 420, &tag)?.header(sipx_sip::HeaderName::Unsupported, wanted).ok()
}
