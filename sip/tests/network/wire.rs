//! The network: datagrams that are lost, doubled and reordered, and connections that keep their order and are cut.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use ccbs_sip::api::{LegId, Played, Transport};
use ccbs_sip::core::{Core, CoreConfig, Flow, Listener, Transmit};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::phone::Phone;
use super::player::Player;

/// Of a thousand datagrams, in either direction.
const LOST: u64 = 50;
const DOUBLED: u64 = 50;
/// How long one is under way (ms), at the least and at the most; so they overtake each other.
const DELAY: (u64, u64) = (1, 300);
/// How long prompts last (ms).
const PROMPT: u64 = 1_500;

pub(crate) const START: u64 = 1_790_000_000_000;

/// The switch's addresses, of either IP version.
pub(crate) fn switch(ipv6: bool) -> SocketAddr {
    if ipv6 { "[2001:db8::1]:5060" } else { "192.0.2.1:5060" }.parse().unwrap()
}

/// What is under way.
#[derive(Debug)]
enum Parcel {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
    },
    /// Octets of a connection, towards the switch.
    Up(Flow, Bytes),
    /// A message of a connection, towards its phone.
    Down(Flow, Bytes),
    /// The far end of a connection is closed; whether it ever was open.
    Gone(Flow, bool),
    Played(LegId, u64),
}

/// A phone's end of the network.
#[derive(Debug, Default)]
struct Socket {
    /// When the phone wants to do something.
    due: Option<u64>,
    /// The connection that it last heard from or opened.
    connection: Option<Flow>,
    opened: u16,
    was_cut: bool,
}

/// An open connection.
#[derive(Debug)]
struct Connection {
    flow: Flow,
    phone: usize,
    /// When the last octets arrive at the switch, and at the phone.
    latest: [u64; 2],
}

/// What became of datagrams and connections.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) datagrams: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    pub(crate) over_tcp: u64,
    pub(crate) cut: u64,
    pub(crate) cancels: u64,
}

/// The switch's SIP core, its phones, and what is between them.
pub(crate) struct Wire {
    pub(crate) now: u64,
    pub(crate) core: Core<Player>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) carried: Carried,
    sockets: Vec<Socket>,
    by_address: HashMap<SocketAddr, usize>,
    connections: BTreeMap<u64, Connection>,
    /// When each phone wants to do something.
    due: BTreeSet<(u64, usize)>,
    flight: BTreeMap<(u64, u64), Parcel>,
    /// When the last datagram to a phone, or from it, arrives.
    latest: HashMap<(SocketAddr, bool), u64>,
    serial: u64,
    rng: ChaCha8Rng,
    /// Messages in which this stands are told of.
    traced: Option<String>,
}

impl Wire {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        let mut config = CoreConfig::new(switch(false), "test");
        config.listeners.push(Listener::new(switch(true)));
        config.session_ms = 90_000;
        Self {
            now: START,
            core: Core::new(config, Player::default(), bytes),
            phones: Vec::new(),
            carried: Carried::default(),
            sockets: Vec::new(),
            by_address: HashMap::new(),
            connections: BTreeMap::new(),
            due: BTreeSet::new(),
            flight: BTreeMap::new(),
            latest: HashMap::new(),
            serial: 0,
            rng,
            traced: std::env::var("CCBS_TRACE").ok(),
        }
    }

    /// A random number below a bound.
    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    /// Whether something happens that does so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.random(1000) < per_mille
    }

    /// Puts a phone into the network.
    pub(crate) fn plug(&mut self, mut phone: Phone) -> usize {
        let index = self.phones.len();
        (phone.remembers, phone.mark) = (false, index);
        assert!(self.by_address.insert(phone.address, index).is_none(), "an address of its own");
        self.phones.push(phone);
        self.sockets.push(Socket::default());
        index
    }

    /// Lets a phone do something, and sends what comes of it.
    pub(crate) fn at<T>(&mut self, phone: usize, act: impl FnOnce(&mut Phone, u64) -> T) -> T {
        let done = act(&mut self.phones[phone], self.now);
        for bytes in std::mem::take(&mut self.phones[phone].out) {
            self.carried.cancels += u64::from(bytes.starts_with(b"CANCEL "));
            match self.phones[phone].transport {
                Transport::Udp => {
                    let (from, to) = (self.phones[phone].address, self.listener(phone));
                    self.post(from, to, &bytes);
                }
                Transport::Tcp => self.stream(phone, &bytes),
            }
        }
        let (next, before) = (self.phones[phone].next_deadline(), self.sockets[phone].due);
        if next != before {
            if let Some(before) = before {
                self.due.remove(&(before, phone));
            }
            if let Some(next) = next {
                self.due.insert((next, phone));
            }
            self.sockets[phone].due = next;
        }
        done
    }

    fn listener(&self, phone: usize) -> SocketAddr {
        switch(self.phones[phone].address.is_ipv6())
    }

    fn under_way(&mut self, at: u64, parcel: Parcel) {
        self.serial += 1;
        self.flight.insert((at, self.serial), parcel);
    }

    fn trace(&self, what: &str, far: SocketAddr, bytes: &Bytes) {
        let Some(traced) = &self.traced else { return };
        let text = String::from_utf8_lossy(bytes);
        if text.contains(traced.as_str()) {
            eprintln!("{} {what} {far}\n{text}", self.now - START);
        }
    }

    fn delay(&mut self) -> u64 {
        DELAY.0 + self.random(DELAY.1 - DELAY.0 + 1)
    }

    /// Sends a datagram through the weather.
    fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        self.carried.datagrams += 1;
        let copies = if self.chance(DOUBLED) { 2 } else { 1 };
        self.carried.doubled += copies - 1;
        for _ in 0..copies {
            if self.chance(LOST) {
                self.carried.lost += 1;
                self.trace("lost", to, bytes);
                continue;
            }
            let at = self.now + self.delay();
            let ours = from == switch(from.is_ipv6());
            let latest = self.latest.entry((if ours { to } else { from }, ours)).or_default();
            self.carried.reordered += u64::from(at < *latest);
            *latest = at.max(*latest);
            self.under_way(at, Parcel::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    /// When octets arrive at an end of a connection: not before those that were sent earlier.
    fn in_order(&mut self, flow: Flow, end: usize) -> Option<u64> {
        let at = self.now + self.delay();
        let latest = &mut self.connections.get_mut(&flow.connection)?.latest;
        latest[end] = latest[end].max(at);
        Some(latest[end])
    }

    /// A phone sends a message over its connection, cut into two pieces at any octet.
    fn stream(&mut self, phone: usize, bytes: &Bytes) {
        let Some(flow) = self.connection(phone) else { return };
        self.carried.over_tcp += 1;
        self.trace("sent from", flow.remote, bytes);
        let cut = usize::try_from(self.random(u64::try_from(bytes.len()).unwrap())).unwrap();
        for piece in [bytes.slice(..cut), bytes.slice(cut..)] {
            if let Some(at) = self.in_order(flow, 0) {
                self.under_way(at, Parcel::Up(flow, piece));
            }
        }
    }

    /// The connection of a phone, opened where it has none.
    fn connection(&mut self, phone: usize) -> Option<Flow> {
        if let Some(flow) = self.sockets[phone].connection {
            return Some(flow);
        }
        self.sockets[phone].opened += 1;
        let port = 40_000 + self.sockets[phone].opened % 20_000;
        let remote = SocketAddr::new(self.phones[phone].address.ip(), port);
        let flow = self.core.accept(self.now, remote, self.listener(phone))?;
        self.opened(flow, phone);
        self.sockets[phone].connection = Some(flow);
        Some(flow)
    }

    fn opened(&mut self, flow: Flow, phone: usize) {
        self.connections.insert(flow.connection, Connection { flow, phone, latest: [self.now; 2] });
    }

    /// All connections of a phone are cut; what was under way is lost.
    pub(crate) fn cut(&mut self, phone: usize) {
        self.sockets[phone].connection = None;
        let of_phone = self.connections.values().filter(|open| open.phone == phone);
        let cut: Vec<Flow> = of_phone.map(|open| open.flow).collect();
        for flow in cut {
            self.carried.cut += 1;
            self.sockets[phone].was_cut = true;
            self.connections.remove(&flow.connection);
            let at = self.now + self.delay();
            self.under_way(at, Parcel::Gone(flow, true));
        }
    }

    /// Whether a connection of a phone was ever cut.
    pub(crate) fn was_cut(&self, phone: usize) -> bool {
        self.sockets[phone].was_cut
    }

    /// The switch sends.
    fn transmit(&mut self, Transmit { flow, bytes }: Transmit) {
        if flow.transport == Transport::Udp {
            self.post(switch(flow.remote.is_ipv6()), flow.remote, &bytes);
            return;
        }
        if !self.connections.contains_key(&flow.connection) && flow.connection.is_multiple_of(2) {
            let listens = |index: &&usize| self.phones[**index].transport == Transport::Tcp;
            let Some(phone) = self.by_address.get(&flow.remote).filter(listens).copied() else {
                let at = self.now + self.delay();
                self.under_way(at, Parcel::Gone(flow, false));
                return;
            };
            self.opened(flow, phone);
        }
        self.carried.over_tcp += 1;
        if let Some(at) = self.in_order(flow, 1) {
            self.under_way(at, Parcel::Down(flow, bytes));
        }
    }

    /// Takes from the core what it has to send.
    pub(crate) fn flush(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            self.transmit(transmit);
        }
        while let Some(flow) = self.core.poll_close() {
            if let Some(closed) = self.connections.remove(&flow.connection) {
                let socket = &mut self.sockets[closed.phone];
                socket.connection = socket.connection.filter(|open| open.connection != flow.connection);
            }
        }
        for (leg, token) in std::mem::take(&mut self.core.media_mut().started) {
            self.under_way(self.now + PROMPT, Parcel::Played(leg, token));
        }
        self.core.media_mut().plays.clear();
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<u64> {
        let flight = self.flight.keys().next().map(|key| key.0);
        let phone = self.due.first().map(|due| due.0);
        [flight, phone, self.core.next_deadline()].into_iter().flatten().min()
    }

    /// One thing happens that is due.
    pub(crate) fn step(&mut self) {
        let now = self.now;
        if let Some(entry) = self.flight.first_entry().filter(|entry| entry.key().0 <= now) {
            let parcel = entry.remove();
            self.arrive(parcel);
        } else if let Some((_, phone)) = self.due.first().copied().filter(|due| due.0 <= now) {
            self.at(phone, Phone::expire);
        } else {
            self.core.expire(now);
        }
        self.flush();
    }

    fn arrive(&mut self, parcel: Parcel) {
        let now = self.now;
        match parcel {
            Parcel::Datagram { from, to, bytes } => {
                self.trace("arrived from", from, &bytes);
                if to == switch(to.is_ipv6()) {
                    self.core.datagram(now, from, to, bytes);
                } else if let Some(phone) = self.by_address.get(&to).copied() {
                    self.at(phone, |phone, now| phone.datagram(now, bytes));
                }
            }
            Parcel::Up(flow, octets) => {
                if self.connections.contains_key(&flow.connection) {
                    self.core.stream(now, flow, &octets);
                }
            }
            Parcel::Down(flow, bytes) => {
                self.trace("arrived at", flow.remote, &bytes);
                if let Some(phone) = self.connections.get(&flow.connection).map(|open| open.phone) {
                    self.sockets[phone].connection = Some(flow);
                    self.at(phone, |phone, now| {
                        // Pongs are no messages.
                        if bytes.len() > 4 {
                            phone.datagram(now, bytes);
                        }
                    });
                }
            }
            Parcel::Gone(flow, was_open) => self.core.disconnected(now, flow, was_open),
            Parcel::Played(leg, token) => self.core.played(now, leg, token, Played::Finished),
        }
    }
}
