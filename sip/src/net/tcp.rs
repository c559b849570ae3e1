//! Connections: each reads and writes on its own, so that a peer that does not read stops no other.
//!
//! What they bring goes through one bounded queue; while it is full nothing is read, and the far sides wait. What
//! is to be sent waits in a queue for each connection; one that is full, or does not get shorter, ends it.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::core::Flow;

/// What was brought and not yet taken.
const ARRIVALS: usize = 256;
/// Octets read in one go.
const READ_AT_ONCE: usize = 16 * 1_024;
/// Messages written in one go.
const WRITTEN_AT_ONCE: usize = 64;
/// Wait after an accept that failed: the reason, too many open files for instance, does not go away at once.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Bounds of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TcpLimits {
    /// Octets that may wait to be written.
    pub(crate) queue: usize,
    /// How long they may wait while nothing is written.
    pub(crate) stall: Duration,
    /// How long opening one may take.
    pub(crate) connect: Duration,
    /// How long it may be silent before the system asks whether the far side is still there.
    pub(crate) keepalive: Duration,
}

/// What connections bring.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A far side opened one, at our listener of that number.
    Accepted(TcpStream, SocketAddr, usize),
    /// Octets.
    Octets(Flow, Bytes),
    /// It is closed; whether it ever was open.
    Gone(Flow, bool),
}

/// What connections count.
#[derive(Debug, Default)]
pub(crate) struct TcpCounters {
    accept_failed: AtomicU64,
    connected: AtomicU64,
    connect_failed: AtomicU64,
    stalled: AtomicU64,
    overrun: AtomicU64,
}

impl TcpCounters {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        [
            ("tcp.accept_failed", &self.accept_failed),
            ("tcp.connected", &self.connected),
            ("tcp.connect_failed", &self.connect_failed),
            ("tcp.stalled", &self.stalled),
            ("tcp.overrun", &self.overrun),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Peer {
    outgoing: mpsc::UnboundedSender<Bytes>,
    /// Octets in `outgoing` and with the task that writes.
    waiting: Arc<AtomicUsize>,
    task: AbortHandle,
}

/// All connections of an endpoint.
#[derive(Debug)]
pub(crate) struct Tcp {
    limits: TcpLimits,
    /// Our own address for connections that we open, by listener.
    locals: Vec<SocketAddr>,
    peers: HashMap<u64, Peer>,
    arrived: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
    pub(crate) counters: Arc<TcpCounters>,
}

impl Tcp {
    /// Begins to accept; must be called within the runtime. `locals` are the addresses of all listeners.
    pub(crate) fn new(
        listeners: Vec<(usize, std::net::TcpListener)>,
        locals: Vec<SocketAddr>,
        limits: TcpLimits,
    ) -> io::Result<Self> {
        let (arrived, arrivals) = mpsc::channel(ARRIVALS);
        let counters = Arc::new(TcpCounters::default());
        for (number, listener) in listeners {
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(accept(listener, number, arrived.clone(), Arc::clone(&counters)));
        }
        Ok(Self { limits, locals, peers: HashMap::new(), arrived, arrivals, counters })
    }

    /// The next that a connection brings; never none.
    pub(crate) async fn arrival(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// The next that a connection has brought, if any.
    pub(crate) fn try_arrival(&mut self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }

    /// Whether this flow is still the driver's business: what a closed one brought is not.
    pub(crate) fn knows(&self, flow: Flow) -> bool {
        self.peers.contains_key(&flow.connection)
    }

    /// Serves a connection that was accepted.
    pub(crate) fn serve(&mut self, stream: TcpStream, flow: Flow) {
        let (limits, arrived, counters) = (self.limits, self.arrived.clone(), Arc::clone(&self.counters));
        self.enter(flow, |incoming| run(stream, flow, incoming, limits, arrived, counters));
    }

    fn open(&mut self, flow: Flow) {
        let (limits, arrived, counters) = (self.limits, self.arrived.clone(), Arc::clone(&self.counters));
        let local = self.locals.get(usize::from(flow.local)).copied();
        self.enter(flow, |incoming| async move {
            if let Ok(Ok(stream)) = tokio::time::timeout(limits.connect, connect(flow.remote, local)).await {
                count(&counters.connected);
                run(stream, flow, incoming, limits, arrived, counters).await;
            } else {
                count(&counters.connect_failed);
                let _ = arrived.send(Arrival::Gone(flow, false)).await;
            }
        });
    }

    fn enter<F>(&mut self, flow: Flow, serve: impl FnOnce(Outgoing) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (outgoing, messages) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(Outgoing { messages, waiting: Arc::clone(&waiting) })).abort_handle();
        self.peers.insert(flow.connection, Peer { outgoing, waiting, task });
    }

    /// Sends over a connection, which is opened if it is not known. False when too much waits already: the
    /// connection is closed.
    pub(crate) fn send(&mut self, flow: Flow, octets: Bytes) -> bool {
        if !self.knows(flow) {
            self.open(flow);
        }
        let Some(peer) = self.peers.get(&flow.connection) else { return false };
        let before = peer.waiting.fetch_add(octets.len(), Ordering::Relaxed);
        if before + octets.len() <= self.limits.queue {
            // The other end goes only after it has said `Gone`, which is dealt with soon.
            let _ = peer.outgoing.send(octets);
            return true;
        }
        count(&self.counters.overrun);
        if let Some(peer) = self.peers.remove(&flow.connection) {
            peer.task.abort();
        }
        false
    }

    /// Closes a connection after what waits has been written.
    pub(crate) fn close(&mut self, flow: Flow) {
        self.peers.remove(&flow.connection);
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        for peer in self.peers.values() {
            peer.task.abort();
        }
    }
}

/// What is to be written to one connection.
#[derive(Debug)]
struct Outgoing {
    messages: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// Takes connections as they come, for ever.
async fn accept(listener: TcpListener, number: usize, arrived: mpsc::Sender<Arrival>, counters: Arc<TcpCounters>) {
    loop {
        let Ok(room) = arrived.reserve().await else { return };
        if let Ok((stream, remote)) = listener.accept().await {
            room.send(Arrival::Accepted(stream, remote, number));
        } else {
            count(&counters.accept_failed);
            drop(room);
            tokio::time::sleep(ACCEPT_AGAIN).await;
        }
    }
}

async fn connect(remote: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(local) = local.filter(|local| !local.ip().is_unspecified()) {
        // Trunks know us by our address.
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    socket.connect(remote).await
}

/// Reads and writes until either ends; what waits when the core closes it is still written.
async fn run(
    stream: TcpStream,
    flow: Flow,
    outgoing: Outgoing,
    limits: TcpLimits,
    arrived: mpsc::Sender<Arrival>,
    counters: Arc<TcpCounters>,
) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(limits.keepalive).with_interval(Duration::from_secs(10));
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let (reading, writing) = stream.into_split();
    tokio::select! {
        () = read(reading, flow, &arrived) => {}
        closed = write(writing, outgoing, limits.stall, &counters) => {
            if closed {
                return;
            }
        }
    }
    let _ = arrived.send(Arrival::Gone(flow, true)).await;
}

async fn read(stream: OwnedReadHalf, flow: Flow, arrived: &mpsc::Sender<Arrival>) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        let Ok(room) = arrived.reserve().await else { return };
        match read_now(&stream) {
            Ok(octets) if octets.is_empty() => return,
            Ok(octets) => room.send(Arrival::Octets(flow, octets)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// What has come; nothing at the end of the stream. The buffer is no part of the task's state.
fn read_now(stream: &OwnedReadHalf) -> io::Result<Bytes> {
    let mut buffer = [0; READ_AT_ONCE];
    let length = stream.try_read(&mut buffer)?;
    Ok(Bytes::copy_from_slice(&buffer[..length]))
}

/// Writes until the core closes the connection (true) or it can't go on.
async fn write(stream: OwnedWriteHalf, mut outgoing: Outgoing, stall: Duration, counters: &TcpCounters) -> bool {
    let mut queue = VecDeque::new();
    let mut batch = Vec::with_capacity(WRITTEN_AT_ONCE);
    loop {
        if queue.is_empty() {
            if outgoing.messages.recv_many(&mut batch, WRITTEN_AT_ONCE).await == 0 {
                return true;
            }
            queue.extend(batch.drain(..));
        }
        match tokio::time::timeout(stall, stream.writable()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
            Err(_) => {
                count(&counters.stalled);
                return false;
            }
        }
        let slices: Vec<IoSlice<'_>> = queue.iter().map(|message: &Bytes| IoSlice::new(message)).collect();
        match stream.try_write_vectored(&slices) {
            Ok(written) => {
                outgoing.waiting.fetch_sub(written, Ordering::Relaxed);
                advance(&mut queue, written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
}

/// Takes what was written off the front of the queue.
fn advance(queue: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = queue.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        queue.pop_front();
    }
}
