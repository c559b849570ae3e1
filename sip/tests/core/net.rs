//! A network in virtual time: it loses, doubles, delays and reorders, all from a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccbs_sip::api::{Command, Event, Identity, LegId, Played, Subscriber, Target, Transport, Trunk};
use ccbs_sip::core::{Core, CoreConfig};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::phone::{PASSWORD, Phone, Plan, State};
pub(crate) use super::player::Player;

/// How bad the network is: probabilities in per mille, delays in ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) delay: (u64, u64),
}

pub(crate) const FINE: Weather = Weather { lost: 0, doubled: 0, delay: (1, 1) };
pub(crate) const FOUL: Weather = Weather { lost: 50, doubled: 20, delay: (1, 300) };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Switch,
    Phone(usize),
    Nowhere,
}

/// A filter on datagrams: false loses one.
type Filter = Box<dyn FnMut(u64, &[u8], SocketAddr, SocketAddr) -> bool>;

pub(crate) struct Net {
    pub(crate) now: u64,
    pub(crate) core: Core<Player>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) events: Vec<(u64, Event)>,
    pub(crate) weather: Weather,
    pub(crate) filter: Option<Filter>,
    /// How long prompts last (ms).
    pub(crate) lasts: u64,
    pub(crate) wire: Vec<(u64, SocketAddr, SocketAddr, Bytes)>,
    plays: BTreeMap<(u64, u64), (LegId, u64)>,
    flight: BTreeMap<(u64, u64), (SocketAddr, SocketAddr, Bytes)>,
    serial: u64,
    pub(crate) rng: ChaCha8Rng,
    next_leg: u64,
    seen: usize,
}

pub(crate) const START: u64 = 1_790_000_000_000;

pub(crate) fn switch() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    pub(crate) fn with(seed: u64, change: impl FnOnce(&mut CoreConfig)) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        let mut config = CoreConfig::new(switch(), "test");
        change(&mut config);
        Self {
            now: START,
            core: Core::new(config, Player::default(), bytes),
            phones: Vec::new(),
            events: Vec::new(),
            weather: FINE,
            filter: None,
            lasts: 2000,
            wire: Vec::new(),
            plays: BTreeMap::new(),
            flight: BTreeMap::new(),
            serial: 0,
            rng,
            next_leg: 2,
            seen: 0,
        }
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    pub(crate) fn leg(&mut self) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 2;
        leg
    }

    pub(crate) fn subscribe(&mut self, number: &str, capacity: u16) {
        let ha1 = md5_hex(&format!("{number}:test:{PASSWORD}"));
        self.command(Command::SetSubscriber(Subscriber {
            number: Arc::from(number),
            ha1_md5: Some(Arc::from(ha1)),
            ha1_sha256: None,
            capacity,
        }));
    }

    /// A subscriber with a registered phone; the phone's index.
    pub(crate) fn phone(&mut self, number: &str, capacity: u16, plan: Plan) -> usize {
        self.subscribe(number, capacity);
        self.second_phone(number, plan)
    }

    /// One more phone of a subscriber.
    pub(crate) fn second_phone(&mut self, number: &str, plan: Plan) -> usize {
        let index = self.phones.len();
        let address = SocketAddr::from(([198, 51, 100, u8::try_from(index + 1).unwrap()], 5060));
        self.phones.push(Phone::new(number, address, switch(), plan));
        let now = self.now;
        self.phones[index].register(now, 7200);
        self.drain();
        self.run(100);
        self.phones[index].received.clear();
        index
    }

    /// A trunk, with the peer behind it; the peer's index.
    pub(crate) fn trunk(&mut self, name: &str, trusted: bool, credentials: bool, plan: Plan) -> usize {
        let index = self.phones.len();
        let address = SocketAddr::from(([203, 0, 113, u8::try_from(index + 1).unwrap()], 5060));
        self.phones.push(Phone::new("far", address, switch(), plan));
        self.command(Command::SetTrunk(Trunk {
            name: Arc::from(name),
            address,
            transport: Transport::Udp,
            credentials: credentials.then(|| (Arc::from("us"), Arc::from("pw"))),
            trusted,
            register: None,
        }));
        index
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.core.command(self.now, command);
        self.drain();
    }

    pub(crate) fn call(&mut self, phone: usize, dialled: &str) -> usize {
        let now = self.now;
        let call = self.phones[phone].call(now, dialled);
        self.drain();
        call
    }

    pub(crate) fn hang_up(&mut self, phone: usize, call: usize) {
        let now = self.now;
        self.phones[phone].hang_up(now, call);
        self.drain();
    }

    pub(crate) fn state(&self, phone: usize, call: usize) -> State {
        self.phones[phone].calls[call].state
    }

    fn at(&self, address: SocketAddr) -> End {
        if address == switch() {
            return End::Switch;
        }
        match self.phones.iter().position(|phone| phone.address == address) {
            Some(index) => End::Phone(index),
            None => End::Nowhere,
        }
    }

    pub(crate) fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        self.wire.push((self.now, from, to, bytes.clone()));
        if let Some(filter) = self.filter.as_mut()
            && !filter(self.now, bytes, from, to)
        {
            return;
        }
        let copies = if self.weather.doubled > 0 && self.random(1000) < self.weather.doubled { 2 } else { 1 };
        for _ in 0..copies {
            if self.weather.lost > 0 && self.random(1000) < self.weather.lost {
                continue;
            }
            let (low, high) = self.weather.delay;
            let delay = low + self.random(high - low + 1);
            self.serial += 1;
            self.flight.insert((self.now + delay, self.serial), (from, to, bytes.clone()));
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            self.post(switch(), transmit.flow.remote, &transmit.bytes);
        }
        for index in 0..self.phones.len() {
            let from = self.phones[index].address;
            for bytes in std::mem::take(&mut self.phones[index].out) {
                self.post(from, switch(), &bytes);
            }
        }
        while let Some(event) = self.core.poll_event() {
            self.events.push((self.now, event));
        }
        for (leg, token) in std::mem::take(&mut self.core.media_mut().started) {
            self.serial += 1;
            self.plays.insert((self.now + self.lasts, self.serial), (leg, token));
        }
    }

    /// One thing happens; false when nothing is left before `limit`.
    pub(crate) fn tick(&mut self, limit: u64) -> bool {
        let next = [
            self.flight.keys().next().map(|key| key.0),
            self.plays.keys().next().map(|key| key.0),
            self.core.next_deadline(),
            self.phones.iter().filter_map(Phone::next_deadline).min(),
        ]
        .into_iter()
        .flatten()
        .min();
        let Some(next) = next.filter(|next| *next <= limit) else {
            self.now = limit;
            return false;
        };
        self.now = self.now.max(next);
        let now = self.now;
        if let Some(entry) = self.flight.first_entry().filter(|entry| entry.key().0 <= now) {
            let (from, to, bytes) = entry.remove();
            match self.at(to) {
                End::Switch => self.core.datagram(now, from, to, bytes),
                End::Phone(index) => self.phones[index].datagram(now, bytes),
                End::Nowhere => {}
            }
        } else if let Some(entry) = self.plays.first_entry().filter(|entry| entry.key().0 <= now) {
            let (leg, token) = entry.remove();
            self.core.played(now, leg, token, Played::Finished);
        } else {
            for phone in &mut self.phones {
                phone.expire(now);
            }
            self.core.expire(now);
        }
        self.drain();
        true
    }

    /// Lets `ms` pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let limit = self.now + ms;
        while self.tick(limit) {}
    }

    /// The next event that `pick` takes, within `ms`.
    pub(crate) fn expect<T>(&mut self, ms: u64, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let limit = self.now + ms;
        loop {
            while self.seen < self.events.len() {
                self.seen += 1;
                if let Some(found) = pick(&self.events[self.seen - 1].1) {
                    return found;
                }
            }
            let more = self.tick(limit) || self.seen < self.events.len();
            assert!(more, "no {what} within {ms} ms; events: {:#?}", self.events);
        }
    }

    pub(crate) fn incoming(&mut self) -> LegId {
        self.expect(5000, "Incoming", |event| match event {
            Event::Incoming { leg, .. } => Some(*leg),
            _ => None,
        })
    }

    pub(crate) fn wait(&mut self, ms: u64, event: &Event) {
        let text = format!("{event:?}");
        self.expect(ms, &text, |seen| (seen == event).then_some(()));
    }

    /// How a leg ended; the run goes on until it does.
    pub(crate) fn ended(&mut self, ms: u64, leg: LegId) -> ccbs_sip::api::Cause {
        let found = |events: &[(u64, Event)]| {
            events.iter().find_map(|(_, event)| match event {
                Event::Ended { leg: ended, cause } if *ended == leg => Some(*cause),
                _ => None,
            })
        };
        let limit = self.now + ms;
        loop {
            if let Some(cause) = found(&self.events) {
                return cause;
            }
            assert!(self.tick(limit), "leg {leg:?} did not end within {ms} ms: {:#?}", self.events);
        }
    }

    pub(crate) fn saw(&self, pick: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| pick(event)).count()
    }

    /// Everything is over: no leg, transaction, timer, busy line or open port, one `Ended` for each leg.
    pub(crate) fn assert_rest(&mut self) {
        self.run(80_000);
        assert_eq!(self.core.load(), (0, 0, 0), "legs, transactions, timers left");
        assert!(self.core.is_idle(), "tags or lines left");
        assert!(self.core.media_mut().open.is_empty(), "ports left open");
        let mut lines: BTreeMap<Arc<str>, u16> = BTreeMap::new();
        let mut known: BTreeMap<LegId, u32> = BTreeMap::new();
        let mut plays: BTreeMap<(LegId, u64), u32> = BTreeMap::new();
        for (_, event) in &self.events {
            match event {
                Event::Line { number, legs } => {
                    lines.insert(number.clone(), *legs);
                }
                Event::Incoming { leg, .. } => {
                    known.entry(*leg).or_default();
                }
                Event::Bridged { leg, peer } => {
                    known.entry(*leg).or_default();
                    known.entry(*peer).or_default();
                }
                Event::Ended { leg, .. } => *known.entry(*leg).or_default() += 1,
                Event::Played { leg, token, .. } => *plays.entry((*leg, *token)).or_default() += 1,
                _ => {}
            }
        }
        assert!(lines.values().all(|legs| *legs == 0), "lines left busy: {lines:?}");
        let twice: Vec<_> = known.iter().filter(|(_, ends)| **ends != 1).collect();
        assert!(twice.is_empty(), "legs without exactly one Ended: {twice:?}");
        assert!(plays.values().all(|outcomes| *outcomes == 1), "plays without exactly one outcome: {plays:?}");
    }
}

pub(crate) fn subscriber(number: &str) -> Target {
    Target::Subscriber(Arc::from(number))
}

pub(crate) fn identity(number: &str, display: &str) -> Identity {
    let display = (!display.is_empty()).then(|| Arc::from(display));
    Identity { number: Arc::from(number), display }
}

pub(crate) fn dial(leg: LegId, target: Target, from: &str) -> Command {
    Command::Dial { leg, target, identity: identity(from, ""), timeout_ms: 30_000 }
}

fn md5_hex(text: &str) -> String {
    use md5::{Digest, Md5};
    use std::fmt::Write as _;
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
