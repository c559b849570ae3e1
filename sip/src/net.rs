//! The UDP socket: emptied fast into a bounded queue, because kernel buffers are small, and never given up.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// Largest UDP payload.
const LARGEST: usize = 65_535;
/// Datagrams read in one go; the rest waits for its turn in the kernel.
const READ_AT_ONCE: usize = 1_024;
/// Errors in a row after which reading pauses until the next turn.
const ERRORS_AT_ONCE: usize = 16;

/// Why the endpoint could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error("udp {0}: the port is in use; stop the program that has it, or choose another port")]
    InUse(SocketAddr),
    /// The system does not let us.
    #[error("udp {0}: no permission; ports below 1024 need CAP_NET_BIND_SERVICE")]
    NotPermitted(SocketAddr),
    /// The address is none of this machine.
    #[error("udp {0}: no interface of this machine has that address")]
    NotLocal(SocketAddr),
    /// Phones have to be told one address.
    #[error("listening on all interfaces ({0}): set the address to advertise, the one that phones reach")]
    NoAdvertise(SocketAddr),
    /// The RTP port range has no even port.
    #[error("RTP ports {0}-{1}: no even port in that range")]
    NoRtpPorts(u16, u16),
    /// The address to advertise is not one that can be reached.
    #[error("address to advertise {0}: must be a plain address of the same family as {1}")]
    BadAdvertise(IpAddr, SocketAddr),
    /// Anything else that the system says.
    #[error("udp {0}: {1}")]
    Io(SocketAddr, io::Error),
}

impl ListenError {
    fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(address),
            _ => Self::Io(address, error),
        }
    }
}

/// What the socket counts.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct UdpCounters {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Dropped because the queue was full.
    pub(crate) shed: u64,
    pub(crate) receive_failed: u64,
    pub(crate) send_failed: u64,
}

/// Binds a non-blocking socket with a receive buffer of that many octets, or what the system grants.
pub(crate) fn bind(address: SocketAddr, buffer: usize) -> Result<std::net::UdpSocket, ListenError> {
    let bind = || -> io::Result<std::net::UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // The kernel grants less than is asked for without an error.
        socket.set_recv_buffer_size(buffer)?;
        socket.set_send_buffer_size(buffer)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    bind().map_err(|error| ListenError::new(address, error))
}

/// The socket and the datagrams that wait for the core.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Tells when there is something to read.
    watched: UdpSocket,
    /// The same socket for reading and sending: asks the kernel, where the runtime would say "not now" until it
    /// has looked itself.
    socket: std::net::UdpSocket,
    inbox: VecDeque<(SocketAddr, Bytes)>,
    capacity: usize,
    buffer: Vec<u8>,
    pub(crate) counters: UdpCounters,
}

impl Udp {
    /// Takes over a bound socket; must be called within the runtime.
    pub(crate) fn new(socket: std::net::UdpSocket, capacity: usize) -> io::Result<Self> {
        Ok(Self {
            socket: socket.try_clone()?,
            watched: UdpSocket::from_std(socket)?,
            inbox: VecDeque::new(),
            capacity: capacity.max(1),
            buffer: vec![0; LARGEST],
            counters: UdpCounters::default(),
        })
    }

    /// Waits until there may be something to read. An error here counts and is no end.
    pub(crate) async fn readable(&self) {
        if self.watched.readable().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Empties the kernel's buffer into the queue.
    pub(crate) fn receive(&mut self) {
        let mut errors = 0;
        for _ in 0..READ_AT_ONCE {
            let mut received = self.socket.recv_from(&mut self.buffer);
            if received.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                // Once more by way of the runtime, so that it watches for the next one.
                received = self.watched.try_recv_from(&mut self.buffer);
            }
            match received {
                Ok((length, from)) => {
                    self.counters.received += 1;
                    if self.inbox.len() < self.capacity {
                        self.inbox.push_back((from, Bytes::copy_from_slice(&self.buffer[..length])));
                    } else {
                        self.counters.shed += 1;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.counters.receive_failed += 1;
                    errors += 1;
                    if errors == ERRORS_AT_ONCE {
                        return;
                    }
                }
            }
        }
    }

    /// The oldest datagram that waits.
    pub(crate) fn next(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.inbox.pop_front()
    }

    /// Whether datagrams wait.
    pub(crate) fn has_next(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Sends, or counts that it could not: SIP over UDP repeats what matters.
    pub(crate) fn send(&mut self, to: SocketAddr, octets: &[u8]) {
        match self.socket.send_to(octets, to) {
            Ok(_) => self.counters.sent += 1,
            Err(_) => self.counters.send_failed += 1,
        }
    }
}

#[cfg(test)]
mod tests;
