//! Connections: who is at their other end, what of a message has arrived, and how long nothing has.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ccbs_timers::Handle;

use super::framing::Framer;
use super::io::Flow;
use crate::api::Transport;

/// Bounds of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Most that others began, at once; more are refused.
    pub total: usize,
    /// Most at once of one address (IPv6: of one /64).
    pub per_address: usize,
    /// Longest message (octets); a longer one ends its connection.
    pub message: usize,
    /// How long a message may take to arrive, and a new connection to bring its first (ms).
    pub message_ms: u64,
    /// How long one that no phone is registered over and no call needs may be silent (ms).
    pub idle_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total: 8_192, per_address: 1_024, message: 65_536, message_ms: 10_000, idle_ms: 600_000 }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) framer: Framer,
    /// When it began.
    pub(super) begun: u64,
    /// When a message, or a keepalive, came or went.
    pub(super) used: u64,
    /// Since when the message has been arriving that is not complete.
    pub(super) within: Option<u64>,
    /// Whether a whole message ever came.
    pub(super) spoke: bool,
    /// Looks at all this again.
    pub(super) timer: Option<Handle>,
}

/// Those that are open, or being opened.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<u64, Connection>,
    /// Those that we began, by our listener and the far address.
    ours: HashMap<(u8, SocketAddr), u64>,
    addresses: HashMap<IpAddr, usize>,
    /// To be closed by the driver, once all is sent.
    pub(super) closing: VecDeque<Flow>,
    accepted: usize,
    next: u64,
}

/// Whether we began a connection: those have even numbers.
pub(super) fn is_ours(flow: Flow) -> bool {
    flow.connection.is_multiple_of(2)
}

/// Who is behind an address: one host, or what one IPv6 subscriber line has.
pub(super) fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        ip @ IpAddr::V4(_) => ip,
    }
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&mut self, connection: u64) -> Option<&mut Connection> {
        self.open.get_mut(&connection)
    }

    pub(super) fn is_open(&self, flow: Flow) -> bool {
        self.open.contains_key(&flow.connection)
    }

    /// Whether one more of that address may be taken.
    pub(super) fn has_room(&self, remote: SocketAddr, limits: &ConnectionLimits) -> Result<(), &'static str> {
        if self.accepted >= limits.total {
            return Err("tcp.refused");
        }
        let of_address = self.addresses.get(&household(remote.ip())).copied().unwrap_or(0);
        if of_address >= limits.per_address { Err("tcp.refused_address") } else { Ok(()) }
    }

    /// The one that we began to this address, if it is still open.
    pub(super) fn to(&self, local: u8, remote: SocketAddr) -> Option<Flow> {
        self.ours.get(&(local, remote)).and_then(|connection| Some(self.open.get(connection)?.flow))
    }

    /// Enters a new one.
    pub(super) fn insert(&mut self, now: u64, local: u8, remote: SocketAddr, ours: bool) -> Flow {
        self.next += 2;
        let connection = if ours { self.next } else { self.next + 1 };
        let flow = Flow { transport: Transport::Tcp, local, connection, remote };
        if ours {
            self.ours.insert((local, remote), connection);
        } else {
            self.accepted += 1;
            *self.addresses.entry(household(remote.ip())).or_insert(0) += 1;
        }
        let framer = Framer::default();
        let entry = Connection { flow, framer, begun: now, used: now, within: None, spoke: false, timer: None };
        self.open.insert(connection, entry);
        flow
    }

    /// Takes one out that is closed, or to be closed.
    pub(super) fn remove(&mut self, connection: u64) -> Option<Connection> {
        let gone = self.open.remove(&connection)?;
        let Flow { local, remote, .. } = gone.flow;
        if is_ours(gone.flow) {
            if self.ours.get(&(local, remote)) == Some(&connection) {
                self.ours.remove(&(local, remote));
            }
            return Some(gone);
        }
        self.accepted -= 1;
        let household = household(remote.ip());
        if let Some(count) = self.addresses.get_mut(&household) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&household);
            }
        }
        Some(gone)
    }
}
