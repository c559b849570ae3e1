//! The sockets: one UDP socket and one TCP listener at each address, on one port.

mod handed;
mod tcp;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::api::Transport;

pub(crate) use handed::Handed;
pub(crate) use tcp::{Arrival, Tcp, TcpLimits};
pub(crate) use udp::{Udp, UdpCounters};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Free ports tried until one is free over UDP and TCP alike.
const TRIES: usize = 64;

/// Why the endpoint could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error("{0} {1}: the port is in use; stop the program that has it, or choose another port")]
    InUse(Transport, SocketAddr),
    /// The system does not let us.
    #[error("{0} {1}: no permission; ports below 1024 need CAP_NET_BIND_SERVICE")]
    NotPermitted(Transport, SocketAddr),
    /// The address is none of this machine.
    #[error("{0} {1}: no interface of this machine has that address")]
    NotLocal(Transport, SocketAddr),
    /// There is nothing to listen on.
    #[error("nothing to listen on: give one address at least, with UDP, TCP or both")]
    Nowhere,
    /// More addresses than the endpoint can tell apart.
    #[error("{0} addresses to listen on; at most 16 are supported")]
    TooMany(usize),
    /// Phones have to be told one address.
    #[error("listening on all interfaces ({0}): set the address to advertise, the one that phones reach")]
    NoAdvertise(SocketAddr),
    /// The RTP port range has no even port.
    #[error("RTP ports {0}-{1}: no even port in that range")]
    NoRtpPorts(u16, u16),
    /// The address to advertise is not one that can be reached.
    #[error("address to advertise {0}: must be a plain address of the same family as {1}")]
    BadAdvertise(IpAddr, SocketAddr),
    /// What was handed in is no socket of ours.
    #[error("descriptor {0} of those handed in: {1}; expected a bound UDP socket or TCP listener")]
    NotASocket(usize, String),
    /// A socket was handed in that none of the addresses wants.
    #[error(
        "{0} {1}: a socket of that address was handed in, but it is not listened on; listen on it, or hand in no \
         socket of it"
    )]
    NotListened(Transport, SocketAddr),
    /// Anything else that the system says.
    #[error("{0} {1}: {2}")]
    Io(Transport, SocketAddr, io::Error),
}

impl ListenError {
    fn new(transport: Transport, address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(transport, address),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(transport, address),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(transport, address),
            _ => Self::Io(transport, address, error),
        }
    }
}

/// Binds a UDP socket with a receive buffer of that many octets, or what the system grants, and, if wanted, a TCP
/// listener at the same address and port; but takes those that were handed in for it.
pub(crate) fn bind(
    address: SocketAddr,
    buffer: usize,
    udp: bool,
    tcp: bool,
    handed: &mut Handed,
) -> Result<Bound, ListenError> {
    // A free UDP port may be taken over TCP.
    let tries = if address.port() == 0 && udp && tcp { TRIES } else { 1 };
    let mut tried = 0;
    loop {
        tried += 1;
        match bind_both(address, buffer, udp, tcp, handed) {
            Err(ListenError::InUse(..)) if tried < tries => {}
            result => return result,
        }
    }
}

/// What is bound to one address.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) udp: Option<UdpSocket>,
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) address: SocketAddr,
}

fn bind_both(
    mut address: SocketAddr,
    buffer: usize,
    udp: bool,
    tcp: bool,
    handed: &mut Handed,
) -> Result<Bound, ListenError> {
    let mut bound = Bound { udp: None, tcp: None, address };
    if udp {
        let mut bind = || -> io::Result<UdpSocket> {
            let socket = if let Some(handed) = handed.take(Transport::Udp, address) {
                handed
            } else {
                let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
                socket.bind(&address.into())?;
                socket
            };
            // The kernel grants less than is asked for without an error.
            socket.set_recv_buffer_size(buffer)?;
            socket.set_send_buffer_size(buffer)?;
            Ok(socket.into())
        };
        let socket = bind().map_err(|error| ListenError::new(Transport::Udp, address, error))?;
        address = socket.local_addr().map_err(|error| ListenError::new(Transport::Udp, address, error))?;
        bound.udp = Some(socket);
    }
    if tcp {
        let mut bind = || -> io::Result<TcpListener> {
            let socket = if let Some(handed) = handed.take(Transport::Tcp, address) {
                handed
            } else {
                let socket = socket(address, Type::STREAM, Protocol::TCP)?;
                // Connections of a switch that has just ended must not keep its successor from listening.
                socket.set_reuse_address(true)?;
                socket.bind(&address.into())?;
                socket
            };
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        let listener = bind().map_err(|error| ListenError::new(Transport::Tcp, address, error))?;
        address = listener.local_addr().map_err(|error| ListenError::new(Transport::Tcp, address, error))?;
        bound.tcp = Some(listener);
    }
    bound.address = address;
    Ok(bound)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // So that all IPv4 and all IPv6 addresses can be listened on side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
