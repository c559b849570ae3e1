//! The UDP socket: emptied fast into a bounded queue, because kernel buffers are small, and never given up.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::UdpSocket;

/// Largest UDP payload.
const LARGEST: usize = 65_535;
/// Datagrams read in one go; the rest waits for its turn in the kernel.
const READ_AT_ONCE: usize = 1_024;
/// Errors in a row after which reading pauses until the next turn.
const ERRORS_AT_ONCE: usize = 16;

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

impl UdpCounters {
    pub(crate) fn add(&mut self, more: &Self) {
        self.received += more.received;
        self.sent += more.sent;
        self.shed += more.shed;
        self.receive_failed += more.receive_failed;
        self.send_failed += more.send_failed;
    }
}

/// The socket and the datagrams that wait for the core.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Tells when there is something to read.
    watched: UdpSocket,
    /// The same socket for reading and sending: asks the kernel, where the runtime would say "not now" until it
    /// has looked itself.
    socket: std::net::UdpSocket,
    inbox: VecDeque<(Instant, SocketAddr, Bytes)>,
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

    /// Ready when there may be something to read. An error is found again, and counted, when reading.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.watched.poll_recv_ready(context).map(drop)
    }

    /// Empties the kernel's buffer into the queue.
    pub(crate) fn receive(&mut self) {
        let mut errors = 0;
        let now = Instant::now();
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
                        self.inbox.push_back((now, from, Bytes::copy_from_slice(&self.buffer[..length])));
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
        self.inbox.pop_front().map(|(_, from, octets)| (from, octets))
    }

    /// How long the oldest datagram has waited, and how many do.
    pub(crate) fn lag(&self) -> (Duration, usize) {
        (self.inbox.front().map_or(Duration::ZERO, |(since, ..)| since.elapsed()), self.inbox.len())
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
