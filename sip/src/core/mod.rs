//! The sans-IO core: datagrams and commands go in, datagrams and events come out.
//!
//! It reads no clock and draws its random bits from a seeded generator, so the same inputs give the same
//! outputs. Each of its files has one part of a call's life:
//!
//! - `requests`, `responses`: what arrives, and who deals with it
//! - `uas`: a call that comes in, up to its final response; CANCEL
//! - `uac`: phones and trunks that we call; forks, provisionals, final responses
//! - `repeat`: requests sent once more with what they lacked
//! - `dial`: two legs joined: what one side does reaches the other
//! - `connect`: third-party call control for a leg with our own media
//! - `inside`: requests within a dialog
//! - `reinvite`, `reinvited`: re-INVITEs, ours and theirs
//! - `refresh`: session timers
//! - `reliable`, `early`: reliable provisional responses, and what is offered before the answer
//! - `refer`, `transfer`, `attended`, `replaces`, `waiting`: who talks to whom changes
//! - `registering`: phones come, move and go
//! - `qualify`: whether registered phones can be reached
//! - `registration`: ours at trunks
//! - `end`: how a leg ends, from any state
//! - `streams`: connections, and the messages that arrive over them
mod attended;
mod command;
mod config;
mod connect;
mod connections;
mod dial;
mod dialog;
mod early;
mod end;
mod framing;
mod guesses;
mod inside;
mod io;
mod lamp_document;
mod lamps;
mod leg;
mod line;
mod mended;
mod message;
mod overload;
mod page;
mod qualify;
mod refer;
mod refresh;
mod registering;
mod registration;
mod reinvite;
mod reinvited;
mod reliable;
mod repeat;
mod replaces;
mod requests;
mod responses;
mod streams;
mod transactions;
mod transfer;
mod uac;
mod uas;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::Wheel;
use sipx_sip::{Limits, Message, parse_datagram};

pub use self::config::{CoreConfig, Counters, Listener};
pub use self::connections::ConnectionLimits;
pub use self::guesses::GuessLimits;
pub use self::io::{Flow, Transmit};
pub use self::lamps::LampLimits;
pub use self::overload::OverloadLimits;

use self::guesses::Guesses;
use self::io::{Io, Token};
use self::lamps::Lamps;
use self::leg::Leg;
use self::page::Pages;
use self::qualify::Qualifying;
use self::registration::Registration;
use self::transactions::Transactions;
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
    qualifying: Qualifying,
    trunks: Vec<Trunk>,
    /// Ours at trunks.
    registrations: BTreeMap<u32, Registration>,
    next_registration: u32,
    legs: HashMap<LegId, Leg>,
    /// Our tags, each naming one dialog or the attempt to have one.
    tags: HashMap<Bytes, LegId>,
    /// Call-ID and From tag of callers' first INVITEs in progress (RFC 3261 8.2.2.2).
    pending: HashMap<(Bytes, Bytes), LegId>,
    /// New calls are refused.
    overloaded: bool,
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
            qualifying: Qualifying::default(),
            trunks: Vec::new(),
            registrations: BTreeMap::new(),
            next_registration: 0,
            legs: HashMap::new(),
            tags: HashMap::new(),
            pending: HashMap::new(),
            overloaded: false,
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
        match parse_datagram(mended::hash_escaped(bytes), &Limits::datagram()) {
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
                Token::Qualify => self.qualify(),
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

    fn begin_leg(&mut self) -> LegId {
        let id = LegId(self.next_leg);
        self.next_leg += 2;
        id
    }
}
