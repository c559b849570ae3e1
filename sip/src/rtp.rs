//! The prompt player: RTP over UDP for all legs, from one thread with absolute 20 ms deadlines.

mod sound;
mod streams;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::api::LegId;
use crate::media::{Codec, Media, Outcome};
use sound::Sound;
use streams::{Packet, Streams};

/// A tick: one packet of each sounding stream.
pub const TICK: Duration = Duration::from_millis(20);

/// Ticks that are made up for when the thread was late; beyond, they are left out.
const CATCH_UP: u64 = 5;
/// Packets read and thrown away per stream and tick: twice what a phone sends.
const DISCARDED_PER_TICK: usize = 8;

/// What the player is told at its start.
#[derive(Debug, Clone)]
pub struct PlayerConfig {
    /// The local addresses of the RTP sockets, by the address that phones are told; for any other, the first.
    pub addresses: BTreeMap<IpAddr, IpAddr>,
    /// Their ports; only even ones are used (RFC 3550 §11).
    pub ports: RangeInclusive<u16>,
    /// Most streams at once.
    pub streams: usize,
    /// Silence before each play (ms).
    pub lead_ms: u32,
    /// Silence after each play, before it counts as finished (ms).
    pub tail_ms: u32,
    /// For SSRCs, first sequence numbers and timestamps.
    pub seed: u64,
}

impl PlayerConfig {
    /// The defaults at an address, which is also what phones are told.
    pub fn new(address: IpAddr, ports: RangeInclusive<u16>, seed: u64) -> Self {
        Self {
            addresses: BTreeMap::from([(address, address)]),
            ports,
            streams: 2_000,
            lead_ms: 200,
            tail_ms: 120,
            seed,
        }
    }
}

/// What the player counts.
#[derive(Debug, Default)]
pub struct PlayerCounters {
    sent: AtomicU64,
    unsent: AtomicU64,
    discarded: AtomicU64,
    ticks_left_out: AtomicU64,
    no_port: AtomicU64,
}

impl PlayerCounters {
    /// All counters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        [
            ("rtp.sent", &self.sent),
            ("rtp.send_failed", &self.unsent),
            ("rtp.received", &self.discarded),
            ("rtp.ticks_left_out", &self.ticks_left_out),
            ("rtp.no_port", &self.no_port),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

/// What the core's thread and the player's thread share.
#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    /// Signalled when the first stream opens and at the end.
    wake: Condvar,
    counters: PlayerCounters,
}

#[derive(Debug)]
struct Desk {
    streams: Streams,
    sockets: BTreeMap<LegId, Arc<UdpSocket>>,
    running: bool,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing under the lock leaves the streams half-changed, so a panic elsewhere is no reason to stop.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The player: give it to the core as its [`Media`]. Dropping it ends its thread.
pub struct Player {
    shared: Arc<Shared>,
    config: PlayerConfig,
    ports: BTreeMap<LegId, u16>,
    next_port: u16,
    outcomes: Arc<dyn Fn(Outcome) + Send + Sync>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player")
            .field("config", &self.config)
            .field("streams", &self.ports.len())
            .finish_non_exhaustive()
    }
}

impl Player {
    /// Starts the thread. `outcomes` is called once for each play, from either thread, and must not wait.
    pub fn start(config: PlayerConfig, outcomes: impl Fn(Outcome) + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            desk: Mutex::new(Desk {
                streams: Streams::new(config.lead_ms, config.tail_ms, config.seed),
                sockets: BTreeMap::new(),
                running: true,
            }),
            wake: Condvar::new(),
            counters: PlayerCounters::default(),
        });
        let outcomes: Arc<dyn Fn(Outcome) + Send + Sync> = Arc::new(outcomes);
        let thread = {
            let shared = Arc::clone(&shared);
            let outcomes = Arc::clone(&outcomes);
            std::thread::Builder::new().name("ccbs-rtp".to_owned()).spawn(move || run(&shared, &*outcomes))?
        };
        let next_port = config.ports.start().next_multiple_of(2);
        Ok(Self { shared, config, ports: BTreeMap::new(), next_port, outcomes, thread: Some(thread) })
    }

    /// A view of the counters that outlives the player.
    pub fn counters(&self) -> impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.counters.iter().collect()
    }

    /// Binds the next free even port for an address that a phone is told; each is tried once.
    fn bind(&mut self, told: IpAddr) -> Option<(u16, UdpSocket)> {
        let local = *self.config.addresses.get(&told).or(self.config.addresses.values().next())?;
        let (first, last) = (self.config.ports.start().next_multiple_of(2), *self.config.ports.end());
        let pairs = (usize::from(last) + 2).saturating_sub(usize::from(first)) / 2;
        for _ in 0..pairs {
            let port = self.next_port;
            self.next_port = match port.checked_add(2) {
                Some(next) if next <= last => next,
                _ => first,
            };
            // In use by ourselves or by another program: the next one, then.
            if let Ok(socket) = UdpSocket::bind(SocketAddr::new(local, port))
                && socket.set_nonblocking(true).is_ok()
            {
                return Some((port, socket));
            }
        }
        None
    }

    fn with(&self, change: impl FnOnce(&mut Streams)) {
        let outcomes = {
            let mut desk = self.shared.desk();
            change(&mut desk.streams);
            desk.streams.take_outcomes()
        };
        outcomes.into_iter().for_each(&*self.outcomes);
    }
}

impl Media for Player {
    fn open(&mut self, leg: LegId, address: IpAddr) -> Option<u16> {
        if let Some(&port) = self.ports.get(&leg) {
            return Some(port);
        }
        let bound = if self.ports.len() < self.config.streams { self.bind(address) } else { None };
        let Some((port, socket)) = bound else {
            self.shared.counters.no_port.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.ports.insert(leg, port);
        let mut desk = self.shared.desk();
        desk.streams.open(leg);
        desk.sockets.insert(leg, Arc::new(socket));
        drop(desk);
        self.shared.wake.notify_one();
        Some(port)
    }

    fn connect(&mut self, leg: LegId, remote: SocketAddr, codec: Codec) {
        self.with(|streams| streams.connect(leg, remote, codec));
    }

    fn play(&mut self, leg: LegId, token: u64, prompts: &[Arc<str>]) {
        self.with(|streams| streams.play(leg, token, prompts));
    }

    fn ringback(&mut self, leg: LegId, on: bool) {
        self.with(|streams| streams.ringback(leg, on));
    }

    fn stop(&mut self, leg: LegId) {
        self.with(|streams| streams.stop(leg));
    }

    fn close(&mut self, leg: LegId) {
        self.ports.remove(&leg);
        self.shared.desk().sockets.remove(&leg);
        self.with(|streams| streams.close(leg));
    }

    fn load(&mut self, name: Arc<str>, samples: Arc<[i16]>) {
        // Encoded before the lock is taken: a long prompt must not delay a tick.
        let sound = Sound::new(&samples);
        self.with(|streams| streams.load(name, sound));
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.shared.desk().running = false;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The player's thread: sleeps until each tick's own time, so that no error adds up.
fn run(shared: &Shared, outcomes: &(dyn Fn(Outcome) + Send + Sync)) {
    ahead_of_others();
    let start = Instant::now();
    let mut next: u64 = 0;
    let mut packets = Vec::new();
    let mut sockets = Vec::new();
    loop {
        let mut desk = shared.desk();
        if desk.running && desk.streams.is_empty() {
            desk = shared
                .wake
                .wait_while(desk, |desk| desk.running && desk.streams.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            next = ticks(start) + 1;
        }
        if !desk.running {
            return;
        }
        drop(desk);
        std::thread::sleep((start + at(next)).saturating_duration_since(Instant::now()));
        let late = ticks(start).saturating_sub(next);
        if late > CATCH_UP {
            shared.counters.ticks_left_out.fetch_add(late, Ordering::Relaxed);
            next += late;
        }
        let ended = {
            let mut desk = shared.desk();
            desk.streams.tick(next, &mut packets);
            sockets.extend(desk.sockets.iter().map(|(&leg, socket)| (leg, Arc::clone(socket))));
            desk.streams.take_outcomes()
        };
        send(&packets, &sockets, &shared.counters);
        ended.into_iter().for_each(outcomes);
        discard(&sockets, &shared.counters);
        packets.clear();
        sockets.clear();
        next += 1;
    }
}

/// Real-time scheduling for the calling thread, where the system permits it (`CAP_SYS_NICE`). Without it, pacing
/// is as good as the machine is idle; the thread sleeps most of each tick, so it starves nobody.
pub fn ahead_of_others() -> bool {
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).is_ok()
}

fn at(tick: u64) -> Duration {
    Duration::from_millis(tick.saturating_mul(20))
}

fn ticks(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

/// Packets and sockets are both in order of legs.
fn send(packets: &[Packet], sockets: &[(LegId, Arc<UdpSocket>)], counters: &PlayerCounters) {
    let mut sockets = sockets.iter();
    for packet in packets {
        let sent = sockets
            .find(|(leg, _)| *leg == packet.leg)
            .is_some_and(|(_, socket)| socket.send_to(&packet.octets, packet.to).is_ok());
        let counter = if sent { &counters.sent } else { &counters.unsent };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads what phones send and forgets it: we only play.
fn discard(sockets: &[(LegId, Arc<UdpSocket>)], counters: &PlayerCounters) {
    let mut octets = [0; 64];
    for (_, socket) in sockets {
        let read = (0..DISCARDED_PER_TICK).take_while(|_| socket.recv(&mut octets).is_ok()).count();
        counters.discarded.fetch_add(read as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
