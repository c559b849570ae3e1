//! The endpoint's thread: one loop that feeds the core and sends what it says.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc as sync_mpsc};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::events::{CounterBoard, Counts, EventQueue};
use crate::api::{Command, Transport};
use crate::core::{Core, CoreConfig, Transmit};
use crate::media::Outcome;
use crate::net::{Arrival, Bound, Tcp, TcpLimits, Udp, UdpCounters};
use crate::rtp::{Player, PlayerConfig};

/// Datagrams that the core takes before the socket is emptied again.
const TURN: usize = 64;
/// Longest sleep: the clock is looked at again after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the thread is made of.
pub(super) struct Parts {
    pub(super) bound: Vec<Bound>,
    pub(super) core: CoreConfig,
    pub(super) seed: [u8; 32],
    pub(super) player: PlayerConfig,
    pub(super) datagrams: usize,
    pub(super) tcp: TcpLimits,
    pub(super) close: Duration,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) closed: mpsc::Receiver<()>,
    pub(super) asked: mpsc::Receiver<sync_mpsc::Sender<Counts>>,
    pub(super) events: Arc<EventQueue>,
    pub(super) counters: Arc<CounterBoard>,
}

/// Unix time that never goes back: read once, then counted on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    begun: Instant,
    unix: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { begun: Instant::now(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from((self.unix + self.begun.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }

    /// How long until a Unix time (ms).
    fn until(&self, deadline_ms: u64) -> Duration {
        Duration::from_millis(deadline_ms).saturating_sub(self.unix + self.begun.elapsed())
    }
}

/// Starts the thread; what can fail fails here.
pub(super) fn spawn(parts: Parts) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (outcomes, outcome_inbox) = mpsc::unbounded_channel();
    let player = Player::start(parts.player.clone(), move |outcome| {
        let _ = outcomes.send(outcome);
    })?;
    let (udp, tcp) = {
        let _inside = runtime.enter();
        sockets(parts.bound, parts.datagrams, parts.tcp)?
    };
    let player_counters = player.counters();
    let running = Loop {
        locals: parts.core.listeners.iter().map(|listener| listener.address).collect(),
        core: Core::new(parts.core, player, parts.seed),
        udp,
        next: 0,
        tcp,
        clock: Clock::start(),
        commands: parts.commands,
        closed: parts.closed,
        asked: parts.asked,
        outcomes: outcome_inbox,
        events: parts.events,
        counters: parts.counters,
        player_counters: Box::new(player_counters),
        events_full: 0,
        unsent: 0,
        close: parts.close,
    };
    let end = End(Arc::clone(&running.events));
    std::thread::Builder::new().name("ccbs-sip".to_owned()).spawn(move || {
        let _end = end;
        runtime.block_on(running.run());
    })
}

/// The sockets, in the runtime that they are watched by.
fn sockets(bound: Vec<Bound>, datagrams: usize, limits: TcpLimits) -> io::Result<(Vec<Option<Udp>>, Tcp)> {
    let locals = bound.iter().map(|bound| bound.address).collect();
    let mut listeners = Vec::new();
    let mut udp = Vec::new();
    for (number, bound) in bound.into_iter().enumerate() {
        udp.push(bound.udp.map(|socket| Udp::new(socket, datagrams)).transpose()?);
        listeners.extend(bound.tcp.map(|listener| (number, listener)));
    }
    Ok((udp, Tcp::new(listeners, locals, limits)?))
}

/// Waits until there may be something to read from a UDP socket.
async fn readable(sockets: &[Option<Udp>]) {
    std::future::poll_fn(|context| {
        let ready = sockets.iter().flatten().any(|udp| udp.poll_readable(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Wakes the application when the thread ends, however it ends, so that nobody waits for events for ever.
pub(super) struct End(pub(super) Arc<EventQueue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.wake();
    }
}

struct Loop {
    core: Core<Player>,
    /// Of each listener that has one.
    udp: Vec<Option<Udp>>,
    /// The listener whose datagrams are taken next.
    next: usize,
    tcp: Tcp,
    /// Our addresses as the far sides see them, by listener.
    locals: Vec<SocketAddr>,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    closed: mpsc::Receiver<()>,
    /// Who wants to know the counters.
    asked: mpsc::Receiver<sync_mpsc::Sender<Counts>>,
    /// At most one outcome for each play that was commanded.
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    events: Arc<EventQueue>,
    counters: Arc<CounterBoard>,
    player_counters: Box<dyn Fn() -> Counts + Send>,
    /// Datagrams shed because the application does not fetch its events.
    events_full: u64,
    /// Messages for which there is no socket any more.
    unsent: u64,
    close: Duration,
}

impl Loop {
    async fn run(mut self) {
        while self.turn().await {}
        // What was commanded before the end still counts: a cause given for a BYE, for instance.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.core.command(self.clock.now_ms(), command);
        }
        self.core.release_all(self.clock.now_ms());
        self.flush();
        let end = self.clock.now_ms().saturating_add(u64::try_from(self.close.as_millis()).unwrap_or(u64::MAX));
        while self.core.is_leaving() && self.clock.now_ms() < end {
            let left = self.clock.until(end);
            let _ = tokio::time::timeout(left, self.turn()).await;
        }
        self.flush();
        self.counters.leave(self.counts());
    }

    /// Waits for something to do and does some of it; false when the endpoint is to close.
    async fn turn(&mut self) -> bool {
        let sleep = self.core.next_deadline().map_or(LONGEST_SLEEP, |at| self.clock.until(at)).min(LONGEST_SLEEP);
        let mut open = true;
        if self.udp.iter().flatten().any(Udp::has_next) {
            tokio::task::yield_now().await;
        } else {
            let commands_open = !self.commands.is_closed();
            tokio::select! {
                biased;
                () = readable(&self.udp) => {}
                Some(command) = self.commands.recv(), if commands_open => {
                    self.core.command(self.clock.now_ms(), command);
                }
                Some(outcome) = self.outcomes.recv() => {
                    self.core.played(self.clock.now_ms(), outcome.leg, outcome.token, outcome.played);
                }
                _ = self.closed.recv(), if commands_open => open = false,
                Some(answer) = self.asked.recv() => {
                    let _ = answer.send(self.counts());
                }
                Some(arrival) = self.tcp.arrival(), if !self.events.is_full() => self.arrived(arrival),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // However many datagrams come, the end is not put off.
        open &= self.closed.try_recv().is_err();
        self.udp.iter_mut().flatten().for_each(Udp::receive);
        // All commands before any datagram: a subscriber that was set is known when its phone registers.
        for _ in 0..self.commands.len() {
            let Ok(command) = self.commands.try_recv() else { break };
            self.core.command(self.clock.now_ms(), command);
        }
        self.tell_lag();
        for _ in 0..TURN {
            let Some((local, from, bytes)) = self.next_datagram() else { break };
            if self.events.is_full() {
                self.events_full += 1;
            } else {
                self.core.datagram(self.clock.now_ms(), from, local, bytes);
            }
        }
        for _ in 0..TURN {
            if self.events.is_full() {
                // What waits in the connections is not read any more, so nothing is lost.
                break;
            }
            let Some(arrival) = self.tcp.try_arrival() else { break };
            self.arrived(arrival);
        }
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.core.played(self.clock.now_ms(), outcome.leg, outcome.token, outcome.played);
        }
        self.core.expire(self.clock.now_ms());
        self.flush();
        while let Ok(answer) = self.asked.try_recv() {
            let _ = answer.send(self.counts());
        }
        open
    }

    /// Tells the core how far it and the application lag behind.
    fn tell_lag(&mut self) {
        let lags = self.udp.iter().flatten().map(Udp::lag).chain([self.events.lag()]);
        let (lag, waiting) = lags.fold((Duration::ZERO, 0), |(lag, all), (one, many)| (lag.max(one), all + many));
        self.core.lags(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), waiting);
    }

    /// The next datagram, from the listeners in turn.
    fn next_datagram(&mut self) -> Option<(SocketAddr, SocketAddr, Bytes)> {
        let listeners = self.udp.len();
        for at in (self.next..listeners).chain(0..self.next) {
            if let Some((from, bytes)) = self.udp[at].as_mut().and_then(Udp::next) {
                self.next = (at + 1) % listeners;
                return Some((self.locals[at], from, bytes));
            }
        }
        None
    }

    /// What a connection brings.
    fn arrived(&mut self, arrival: Arrival) {
        let now = self.clock.now_ms();
        match arrival {
            Arrival::Accepted(stream, remote, listener) => {
                if let Some(flow) = self.core.accept(now, remote, self.locals[listener]) {
                    self.tcp.serve(stream, flow);
                }
            }
            Arrival::Octets(flow, octets) if self.tcp.knows(flow) => self.core.stream(now, flow, &octets),
            Arrival::Gone(flow, was_open) if self.tcp.knows(flow) => {
                self.tcp.close(flow);
                self.core.disconnected(now, flow, was_open);
            }
            Arrival::Octets(..) | Arrival::Gone(..) => {}
        }
    }

    fn transmit(&mut self, Transmit { flow, bytes }: Transmit) {
        match flow.transport {
            Transport::Udp => match self.udp.get_mut(usize::from(flow.local)) {
                Some(Some(udp)) => udp.send(flow.remote, &bytes),
                _ => self.unsent += 1,
            },
            Transport::Tcp if self.tcp.knows(flow) || self.core.is_open(flow) => {
                if !self.tcp.send(flow, bytes) {
                    self.core.disconnected(self.clock.now_ms(), flow, true);
                }
            }
            // Closed since the core said it.
            Transport::Tcp => self.unsent += 1,
        }
    }

    fn flush(&mut self) {
        // First, so that the application thinks while we send: what it says is sent after this.
        self.tell();
        while let Some(transmit) = self.core.poll_transmit() {
            self.transmit(transmit);
        }
        while let Some(flow) = self.core.poll_close() {
            self.tcp.close(flow);
        }
        self.tell();
    }

    fn tell(&mut self) {
        let core = &mut self.core;
        self.events.push(std::iter::from_fn(|| core.poll_event()));
    }

    fn counts(&self) -> Counts {
        let mut udp = UdpCounters::default();
        self.udp.iter().flatten().for_each(|socket| udp.add(&socket.counters));
        let own = [
            ("command.overload", self.counters.commands_refused()),
            ("udp.received", udp.received),
            ("udp.sent", udp.sent),
            ("udp.shed", udp.shed),
            ("udp.receive_failed", udp.receive_failed),
            ("udp.send_failed", udp.send_failed),
            ("transmit.no_socket", self.unsent),
            ("tcp.open", u64::try_from(self.core.connections()).unwrap_or(u64::MAX)),
            ("events.full", self.events_full),
            ("events.traces_shed", self.events.traces_shed()),
        ];
        let mut counts: Counts = self
            .core
            .counters()
            .iter()
            .chain(own)
            .chain(self.tcp.counters.iter())
            .chain((self.player_counters)())
            .collect();
        counts.sort_unstable();
        counts
    }
}
