use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_timers::{Handle, Wheel};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sipx_sip::transaction::Timer;

use super::config::{CoreConfig, Counters, Listener};
use super::connections::{Connections, is_ours};
use super::lamps::LampId;
use super::leg::Destination;
use super::transactions::{ClientId, ServerId};
use crate::api::{Event, LegId, Transport};
use crate::registrar::Contact;

/// A flow (RFC 5626 3): over which transport, from which of our addresses and to which far address messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our address: its place in [`CoreConfig::listeners`].
    pub local: u8,
    /// The connection, never used again for another: even if we began it, odd if the far side did; 0 over UDP.
    pub connection: u64,
    /// The far address.
    pub remote: SocketAddr,
}

impl Flow {
    /// The flow of datagrams from one of our addresses to a far one.
    pub fn udp(local: u8, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, connection: 0, remote }
    }
}

/// A message to be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes. A connection that is not known yet is to be opened from our address.
    pub flow: Flow,
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
    /// A reliable provisional response has no PRACK yet.
    Reliable(LegId),
    /// A lamp may be told again.
    Lamp(LampId),
    /// A lamp's subscription is over.
    LampExpiry(LampId),
    /// The application did not say where a transferred leg goes.
    Transfer(LegId),
    /// A re-INVITE refused with 491 is due again (RFC 3261 14.1).
    Again(LegId),
    /// A client transaction's request could not be sent at all.
    Unsent(ClientId),
    /// A connection may have been silent for too long.
    Connection(u64),
    /// Registered phones are to be asked whether they can be reached.
    Qualify,
    /// We register at a trunk again.
    Register(u32),
}

/// What every part of the core shares: time, timers, outputs, random bits, counters.
#[derive(Debug)]
pub(super) struct Io {
    pub(super) now: u64,
    pub(super) wheel: Wheel<Token>,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) connections: Connections,
    /// Timers of registrations of ours.
    pub(super) standing: usize,
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
            super::message::host(config.listeners[0].address.ip())
        };
        Self {
            now: 0,
            wheel: Wheel::new(0),
            transmits: VecDeque::new(),
            connections: Connections::default(),
            standing: 0,
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

    /// Sends a message, or counts that its connection is gone.
    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) {
        if flow.transport == Transport::Tcp {
            let now = self.now;
            let Some(connection) = self.connections.get(flow.connection) else {
                self.count("tcp.gone");
                return;
            };
            connection.used = now;
        }
        self.trace(true, flow, &bytes);
        self.transmits.push_back(Transmit { flow, bytes });
    }

    /// Our address at the near end of a flow.
    pub(super) fn listener(&self, flow: Flow) -> &Listener {
        self.config.listeners.get(usize::from(flow.local)).unwrap_or(&self.config.listeners[0])
    }

    /// The flow to a far address that is not reached over one of its own; none when no listener of ours is of its
    /// family. Over TCP it is the connection that we have to there; a new one is opened when something is sent.
    pub(super) fn flow_to(&mut self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let local = self.config.listeners.iter().position(|ours| ours.reaches(transport, remote))?;
        let local = u8::try_from(local).ok()?;
        match transport {
            Transport::Udp => Some(Flow::udp(local, remote)),
            Transport::Tcp => Some(self.connection_to(local, remote)),
        }
    }

    fn connection_to(&mut self, local: u8, remote: SocketAddr) -> Flow {
        if let Some(flow) = self.connections.to(local, remote) {
            return flow;
        }
        let flow = self.connections.insert(self.now, local, remote, true);
        self.watch(flow);
        flow
    }

    /// The flow itself, or a new connection in place of one that we had begun and that is gone.
    pub(super) fn live(&mut self, flow: Flow) -> Option<Flow> {
        if flow.transport == Transport::Udp || self.connections.is_open(flow) {
            return Some(flow);
        }
        is_ours(flow).then(|| self.connection_to(flow.local, flow.remote))
    }

    /// Whether something can be sent over a flow without opening a connection.
    pub(super) fn connected(&self, flow: Flow) -> bool {
        flow.transport == Transport::Udp || self.connections.is_open(flow)
    }

    /// The flow while it lives; else a connection to the address that the far side names as its own, if that is the
    /// same host's: it is not behind a NAT then.
    pub(super) fn live_or_at(&mut self, flow: Flow, named: Option<SocketAddr>) -> Option<Flow> {
        let live = self.live(flow);
        if live.is_some() {
            return live;
        }
        let named = named.filter(|named| named.ip() == flow.remote.ip())?;
        Some(self.connection_to(flow.local, named))
    }

    /// Where a registered phone is called.
    pub(super) fn destination(&mut self, contact: &Contact) -> Destination {
        let flow = self.live_or_at(contact.flow, super::message::address_of(&contact.uri)).unwrap_or(contact.flow);
        Destination { uri: contact.uri.clone(), flow, routes: contact.path.clone() }
    }

    /// Looks at a connection again when something may be due.
    pub(super) fn watch(&mut self, flow: Flow) {
        let limits = self.config.connections;
        let Some(connection) = self.connections.get(flow.connection) else { return };
        let silent = (!connection.spoke && !is_ours(flow)).then_some(connection.begun + limits.message_ms);
        let within = connection.within.map(|since| since + limits.message_ms);
        let idle = connection.used.max(connection.begun) + limits.idle_ms;
        let due = [silent, within].into_iter().flatten().fold(idle, u64::min).max(self.now + 1);
        let timer = self.wheel.insert(due, Token::Connection(flow.connection));
        if let Some(before) = connection.timer.replace(timer) {
            self.wheel.cancel(before);
        }
    }

    /// Timers, without those that each connection and each registration of ours has.
    pub(super) fn call_timers(&self) -> usize {
        self.wheel.len() - self.connections.len() - self.standing
    }

    pub(super) fn trace(&mut self, sent: bool, flow: Flow, bytes: &[u8]) {
        if self.config.trace {
            let (local, remote) = (self.listener(flow).address, flow.remote);
            let at_us = self.now.saturating_mul(1000);
            let message: Arc<[u8]> = Arc::from(bytes);
            self.emit(Event::Trace { at_us, sent, local, remote, message });
        }
    }
}
