//! The endpoint: the core with its socket, its player and its clock, on a thread of its own.
//!
//! The application hands in commands and fetches events; neither side ever waits for the other.

mod events;
mod limits;
mod run;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as sync_mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::api::{Command, Event, LegId, Transport};
use crate::core::{CoreConfig, Listener};
pub use crate::net::ListenError;
use crate::net::{Bound, Handed};
use crate::rtp::PlayerConfig;
pub use limits::{Limits, OutOfRange, Range};

use events::{CounterBoard, Counts, EventQueue};

/// How long the thread may take to tell its counters.
const ANSWER: Duration = Duration::from_secs(1);
/// How many may wait for the counters.
const ASKERS: usize = 16;
/// Most addresses to listen on.
const MOST_LISTENERS: usize = 16;

/// What an endpoint is told at its start.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Where SIP is received: one address at least, at most 16; phones of any of them can call each other.
    pub listen: Vec<Listen>,
    /// The digest realm.
    pub realm: String,
    /// Local ports for prompts; even ones are used.
    pub rtp_ports: RangeInclusive<u16>,
    /// The text of User-Agent and Server.
    pub user_agent: String,
    /// Whether every message is reported by [`Event::Trace`].
    pub trace: bool,
    /// Whether registrations are told by [`Event::Bindings`], to be kept.
    pub keep_bindings: bool,
    /// Whether a recall rings its caller's phone without a description, so that the phone offers all it can: keeps
    /// wideband codecs (RFC 3725 4.3).
    pub late_offer: bool,
    /// What bounds it; see [`Limits::check`].
    pub limits: Limits,
    /// All random bits come from it; `None` takes the operating system's.
    pub seed: Option<[u8; 32]>,
}

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 takes any free port, the same over UDP and TCP.
    pub address: SocketAddr,
    /// The address that phones are told, for SIP and RTP; needed when listening on all interfaces.
    pub advertise: Option<IpAddr>,
    /// Whether over UDP.
    pub udp: bool,
    /// Whether over TCP.
    pub tcp: bool,
}

impl Listen {
    /// UDP and TCP at an address, which phones are told.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, advertise: None, udp: true, tcp: true }
    }

    fn advertised(&self) -> Result<IpAddr, ListenError> {
        let listen = self.address;
        match self.advertise {
            Some(address)
                if address.is_unspecified() || address.is_multicast() || address.is_ipv4() != listen.is_ipv4() =>
            {
                Err(ListenError::BadAdvertise(address, listen))
            }
            Some(address) => Ok(address),
            None if listen.ip().is_unspecified() => Err(ListenError::NoAdvertise(listen)),
            None => Ok(listen.ip()),
        }
    }
}

impl EndpointConfig {
    /// The defaults for an endpoint at an address, in a realm.
    pub fn new(listen: SocketAddr, realm: impl Into<String>) -> Self {
        Self {
            listen: vec![Listen::new(listen)],
            realm: realm.into(),
            rtp_ports: 16_384..=32_766,
            user_agent: concat!("ccbs/", env!("CARGO_PKG_VERSION")).to_owned(),
            trace: false,
            keep_bindings: false,
            late_offer: false,
            limits: Limits::default(),
            seed: None,
        }
    }
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Too many wait already; try again when events have come.
    #[error("the endpoint's command queue is full")]
    Overload,
    /// The endpoint was closed.
    #[error("the endpoint is closed")]
    Closed,
}

/// A running endpoint. Dropping it closes it.
#[derive(Debug)]
pub struct Endpoint {
    commands: mpsc::Sender<Command>,
    closing: mpsc::Sender<()>,
    ask: mpsc::Sender<sync_mpsc::Sender<Counts>>,
    events: Arc<EventQueue>,
    counters: Arc<CounterBoard>,
    next_leg: AtomicU64,
    locals: Vec<SocketAddr>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Endpoint {
    /// Binds the sockets and starts the thread. `wake` is called, from that thread, each time the events that wait
    /// become some from none, and at the thread's end; it must not wait.
    pub fn start(config: EndpointConfig, wake: impl Fn() + Send + 'static) -> Result<Self, ListenError> {
        Self::start_with(config, Vec::new(), wake)
    }

    /// The same with sockets that are bound already, UDP sockets and TCP listeners in any order: each takes the place
    /// of the one that would have been bound to its address. One that belongs to no address of `config` is an error.
    pub fn start_with(
        config: EndpointConfig,
        sockets: Vec<OwnedFd>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, ListenError> {
        if config.listen.len() > MOST_LISTENERS {
            return Err(ListenError::TooMany(config.listen.len()));
        }
        let Some(first) = config.listen.first().filter(|_| config.listen.iter().all(|listen| listen.udp || listen.tcp))
        else {
            return Err(ListenError::Nowhere);
        };
        let first = first.address;
        let io = |error| ListenError::Io(Transport::Udp, first, error);
        let told = config.listen.iter().map(Listen::advertised).collect::<Result<Vec<IpAddr>, _>>()?;
        if config.rtp_ports.clone().all(|port| port % 2 == 1) {
            return Err(ListenError::NoRtpPorts(*config.rtp_ports.start(), *config.rtp_ports.end()));
        }
        let buffer = limits::size(config.limits.receive_buffer_kib) * 1_024;
        let mut handed = Handed::new(sockets)?;
        let bind = |listen: &Listen| crate::net::bind(listen.address, buffer, listen.udp, listen.tcp, &mut handed);
        let bound = config.listen.iter().map(bind).collect::<Result<Vec<Bound>, _>>()?;
        handed.all_taken()?;
        let locals: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
        let seed = match config.seed {
            Some(seed) => seed,
            None => os_seed().map_err(io)?,
        };

        let listeners = config.listen.iter().zip(&told).zip(&locals).map(|((listen, told), local)| {
            let address = SocketAddr::new(*told, local.port());
            Listener { address, media_address: *told, udp: listen.udp, tcp: listen.tcp }
        });
        let mut core = CoreConfig::new(first, config.realm);
        core.listeners = listeners.collect();
        core.product = config.user_agent;
        core.trace = config.trace;
        core.keep_bindings = config.keep_bindings;
        core.late_offer = config.late_offer;
        let [s0, s1, s2, s3, s4, s5, s6, s7, ..] = seed;
        let player_seed = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]).rotate_left(17);
        let mut player = PlayerConfig::new(first.ip(), config.rtp_ports, player_seed);
        player.addresses = told.into_iter().zip(locals.iter().map(SocketAddr::ip)).collect();
        config.limits.apply(&mut core, &mut player);

        let (commands, command_inbox) = mpsc::channel(limits::size(config.limits.commands).max(1));
        let (closing, closed) = mpsc::channel(1);
        let (ask, asked) = mpsc::channel(ASKERS);
        let events = Arc::new(EventQueue::new(limits::size(config.limits.events), wake));
        let counters = Arc::new(CounterBoard::default());
        let parts = run::Parts {
            bound,
            core,
            seed,
            player,
            datagrams: limits::size(config.limits.datagrams),
            tcp: config.limits.tcp(),
            close: Duration::from_millis(config.limits.close_ms.into()),
            commands: command_inbox,
            closed,
            asked,
            events: Arc::clone(&events),
            counters: Arc::clone(&counters),
        };
        let thread = run::spawn(parts).map_err(io)?;
        Ok(Self {
            commands,
            closing,
            ask,
            events,
            counters,
            next_leg: AtomicU64::new(2),
            locals,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands in a command; it is answered by an event.
    pub fn command(&self, command: Command) -> Result<(), CommandError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.counters.refused_command();
                CommandError::Overload
            }
            mpsc::error::TrySendError::Closed(_) => CommandError::Closed,
        })
    }

    /// All events that wait, oldest first.
    pub fn drain(&self) -> Vec<Event> {
        self.events.drain()
    }

    /// A name for a leg that the application is about to begin.
    pub fn next_leg(&self) -> LegId {
        LegId(self.next_leg.fetch_add(2, Ordering::Relaxed))
    }

    /// Where SIP is received, at the first of its addresses.
    pub fn local_address(&self) -> SocketAddr {
        self.locals[0]
    }

    /// Where SIP is received, in the order of [`EndpointConfig::listen`].
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.locals
    }

    /// What has been counted, by name; after the end, what had been.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let (answer, answered) = sync_mpsc::channel();
        let asked = self.ask.try_send(answer).is_ok();
        // The thread answers within its turn; when it has ended, the channel breaks at once.
        asked.then(|| answered.recv_timeout(ANSWER).ok()).flatten().unwrap_or_else(|| self.counters.last())
    }

    /// Whether the thread has ended: by [`Self::close`], or by a fault of ours. There will be no further events
    /// than those that wait, and `wake` is called for this too.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Ends all calls (BYE, CANCEL), gives phones a moment to answer, and ends the thread. Further commands are
    /// refused; events that wait can still be drained. A second call does nothing.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.closing.try_send(());
            let _ = thread.join();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.close();
    }
}

fn os_seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
