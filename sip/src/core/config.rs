use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sipx_sip::Timers;

use super::connections::ConnectionLimits;
use crate::api::Transport;

/// An address that we listen on, as the far sides see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Goes into Via and Contact.
    pub address: SocketAddr,
    /// Where our media is received: goes into our session descriptions.
    pub media_address: IpAddr,
    /// Whether datagrams go from here.
    pub udp: bool,
    /// Whether connections are opened and accepted here.
    pub tcp: bool,
}

impl Listener {
    /// UDP and TCP at one address, which is also our media's.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, media_address: address.ip(), udp: true, tcp: true }
    }

    /// Whether it can reach an address over a transport.
    pub(super) fn reaches(&self, transport: Transport, remote: SocketAddr) -> bool {
        let carries = match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
        };
        carries && self.address.is_ipv4() == remote.is_ipv4()
    }
}

/// What the core is told at its start.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Our addresses, at least one; a far side is told the one it is reached from.
    pub listeners: Vec<Listener>,
    /// The digest realm, which is also the host part of the numbers we show when it is a host name.
    pub realm: String,
    /// The text of User-Agent and Server.
    pub product: String,
    /// RFC 3261 table 4: T1, T2 and T4.
    pub timers: Timers,
    /// How long the application may take to answer an `Incoming` (ms); then the caller gets 500.
    pub route_timeout_ms: u64,
    /// How often an answered leg's phone is asked by OPTIONS whether it is still in the call (ms); one that is
    /// not frees its line. 0: never.
    pub probe_ms: u64,
    /// How often a registered phone is asked by OPTIONS whether it can be reached (ms); one that does not answer is not
    /// called and counts as not registered until it is heard of again. 0: never.
    pub qualify_ms: u64,
    /// Most phones that are so asked in a second; more wait.
    pub qualifies_per_second: u64,
    /// The session timer that is asked for (RFC 4028, ms), at least 90 s; half of it is how often a leg is refreshed.
    /// 0: none is asked for or granted.
    pub session_ms: u64,
    /// How long a digest nonce is good (ms).
    pub nonce_life_ms: u64,
    /// Most digest nonces in use that are remembered.
    pub nonces: usize,
    /// Limits of connections.
    pub connections: ConnectionLimits,
    /// Limits of password guesses.
    pub guesses: super::GuessLimits,
    /// Limits of busy lamps.
    pub lamps: super::LampLimits,
    /// When new calls are refused.
    pub overload: super::OverloadLimits,
    /// How often a call may be diverted by 3xx before it fails.
    pub max_diversions: u8,
    /// Whether a recall rings its caller's phone without a description, so that the phone offers all it can
    /// (RFC 3725 4.3); else we offer G.711.
    pub late_offer: bool,
    /// Limits of registrations.
    pub registrar: crate::registrar::Limits,
    /// Most legs at once; an INVITE beyond gets 503.
    pub max_legs: usize,
    /// Most transactions at once; a request beyond is dropped and counted, its sender repeats it.
    pub max_transactions: usize,
    /// Most contacts of one subscriber that ring together.
    pub max_forks: usize,
    /// Whether every message is reported by [`crate::api::Event::Trace`].
    pub trace: bool,
}

impl CoreConfig {
    /// The defaults for a switch at `address` in `realm`.
    pub fn new(address: SocketAddr, realm: impl Into<String>) -> Self {
        Self {
            listeners: vec![Listener::new(address)],
            realm: realm.into(),
            product: concat!("ccbs/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: Timers::default(),
            route_timeout_ms: 10_000,
            probe_ms: 300_000,
            qualify_ms: 0,
            qualifies_per_second: 100,
            session_ms: 1_800_000,
            nonce_life_ms: crate::auth::NONCE_LIFETIME_MS,
            nonces: crate::auth::NONCES_REMEMBERED,
            connections: ConnectionLimits::default(),
            guesses: super::GuessLimits::default(),
            lamps: super::LampLimits::default(),
            overload: super::OverloadLimits::default(),
            max_diversions: 5,
            late_offer: false,
            registrar: crate::registrar::Limits::default(),
            max_legs: 20_000,
            max_transactions: 400_000,
            max_forks: 10,
            trace: false,
        }
    }

    /// Transactions beyond which no new call is taken: the last eighth is kept for those in progress.
    pub(super) fn transactions_for_new(&self) -> usize {
        self.max_transactions - self.max_transactions / 8
    }

    pub(super) fn t1(&self) -> u64 {
        millis(self.timers.t1)
    }

    pub(super) fn t2(&self) -> u64 {
        millis(self.timers.t2)
    }

    /// 64·T1, after which a silent far side is given up.
    pub(super) fn give_up(&self) -> u64 {
        self.t1().saturating_mul(64)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counters by name: everything refused, repeated or dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// The value of one counter, 0 when it never counted.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All counters that ever counted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    pub(super) fn count(&mut self, name: &'static str) {
        let value = self.0.entry(name).or_insert(0);
        *value = value.saturating_add(1);
    }
}
