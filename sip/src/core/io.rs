use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::{Handle, Wheel};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sipx_sip::transaction::Timer;

use super::config::{CoreConfig, Counters};
use super::lamps::LampId;
use super::transactions::{ClientId, ServerId};
use crate::api::{Event, LegId};

/// Over which of the endpoint's transports a datagram goes; there is one so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u32);

impl FlowId {
    /// The UDP socket.
    pub const UDP: Self = Self(0);
}

/// A message to be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The transport to use.
    pub flow: FlowId,
    /// The far address.
    pub to: SocketAddr,
    /// The whole message.
    pub bytes: Bytes,
}

/// What a timer of the core means when it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A timer of a client transaction.
    Client(ClientId, Timer),
    /// A timer of a server transaction.
    Server(ServerId, Timer),
    /// Our 2xx to an INVITE is repeated until its ACK comes.
    Repeat(ServerId),
    /// A cancelled INVITE that never got a final answer (RFC 3261 9.1).
    Cancelled(ClientId),
    /// The application did not say what to do with an incoming leg.
    Route(LegId),
    /// A called leg rang too long.
    Ring(LegId),
    /// The phone of an answered leg is asked whether it is still there.
    Probe(LegId),
    /// A session is to be refreshed, or was not (RFC 4028).
    Refresh(LegId),
    /// A lamp may be told again.
    Lamp(LampId),
    /// A lamp's subscription is over.
    LampExpiry(LampId),
    /// The application did not say where a transferred leg goes.
    Transfer(LegId),
    /// A re-INVITE refused with 491 is due again (RFC 3261 14.1).
    Again(LegId),
}

/// What every part of the core shares: time, timers, outputs, random bits, counters.
#[derive(Debug)]
pub(super) struct Io {
    pub(super) now: u64,
    pub(super) wheel: Wheel<Token>,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
    pub(super) config: CoreConfig,
    /// Host part of the URIs of our numbers.
    pub(super) domain: String,
    rng: ChaCha12Rng,
}

impl Io {
    pub(super) fn new(config: CoreConfig, seed: [u8; 32]) -> Self {
        let domain = if sipx_sip::HostName::new(config.realm.clone()).is_ok() {
            config.realm.clone()
        } else {
            super::message::host(config.address.ip())
        };
        Self {
            now: 0,
            wheel: Wheel::new(0),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            config,
            domain,
            rng: ChaCha12Rng::from_seed(seed),
        }
    }

    /// Sixty-four random bits.
    pub(super) fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A random whole number of steps of ten in `low..=high`.
    pub(super) fn random_tens(&mut self, low: u64, high: u64) -> u64 {
        let steps = (high - low) / 10 + 1;
        low + self.random() % steps * 10
    }

    /// A tag, branch or Call-ID: 64 random bits as text.
    pub(super) fn token(&mut self) -> String {
        let mut text = String::with_capacity(16);
        let _ = write!(text, "{:016x}", self.random());
        text
    }

    pub(super) fn count(&mut self, name: &'static str) {
        self.counters.count(name);
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn after(&mut self, ms: u64, token: Token) -> Handle {
        self.wheel.insert(self.now.saturating_add(ms), token)
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        self.trace(true, self.config.address, to, &bytes);
        self.transmits.push_back(Transmit { flow: FlowId::UDP, to, bytes });
    }

    pub(super) fn trace(&mut self, sent: bool, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        if self.config.trace {
            let at_us = self.now.saturating_mul(1000);
            let message: Arc<[u8]> = Arc::from(bytes);
            self.emit(Event::Trace { at_us, sent, local, remote, message });
        }
    }
}
