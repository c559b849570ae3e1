//! An office: its phones and trunks, what its people do, and that nothing of it is left in the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ccbs_engine::{Drive, Profile};
use ccbs_sip::api::{Command, Subscriber, Transport, Trunk};

use super::phone::{PASSWORD, Phone, Plan, State};
use super::service::Service;
use super::wire::{Wire, switch};

/// Subscribers, one in four of them with a second phone.
const LINES: usize = 240;
/// Trunks.
const TRUNKS: usize = 4;
/// Calls that are begun.
pub(crate) const CALLS: u64 = 2_200;
/// How long it may take after the last call until all is quiet (ms).
const PATIENCE: u64 = 900_000;

/// What a person is about to do.
#[derive(Debug)]
enum Deed {
    /// Anything.
    Next,
    HangUp(usize, usize),
    /// Orders a call back if this call was refused.
    Order(usize, usize, String),
    Dial(usize, String),
    Register(usize, u32),
    Restart(usize),
    /// Nothing came of a call for so long: its phone lets it be (timer B), whatever the switch has.
    GiveUp(usize, usize),
    /// What rings there may have been given up without the phone being reached: somebody makes it stop.
    Unreached(usize),
}

pub(crate) struct Office {
    pub(crate) wire: Wire,
    pub(crate) service: Service,
    agenda: BTreeMap<(u64, u64), Deed>,
    serial: u64,
    /// Calls that phones began, service codes among them.
    pub(crate) begun: u64,
    pub(crate) vanished: u64,
}

fn number(line: usize) -> String {
    format!("{}", 101 + line)
}

fn plan(wire: &mut Wire, trunk: bool) -> Plan {
    let refuse = match wire.random(12) {
        0 => Some((486, wire.random(500))),
        1 => Some((603, wire.random(2000))),
        2 => Some((480, wire.random(1000))),
        3 => Some((302, wire.random(500))),
        _ => None,
    };
    Plan {
        ring_after: wire.chance(900).then(|| wire.random(300)),
        answer_after: wire.chance(850).then(|| 100 + wire.random(4_000)),
        refuse,
        early_media: wire.chance(300),
        moves: wire.chance(200),
        glares: u32::from(wire.chance(100)),
        refuse_reinvite: wire.chance(30).then_some(488),
        no_ack: wire.chance(20),
        challenge: trunk && wire.chance(300),
        challenge_inside: trunk && wire.chance(100),
        late_offer: wire.chance(100),
        asks: if wire.chance(100) { &[("Require", "100rel")] } else { &[] },
        grants: if wire.chance(500) { &[("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")] } else { &[] },
        contact: if refuse.is_some_and(|(status, _)| status == 302) { Some("<sip:120@192.0.2.1>") } else { None },
        hang_up_after: Some(wire.random(12) * wire.random(1_500)),
        ..Plan::default()
    }
}

fn md5_hex(text: &str) -> String {
    use md5::{Digest, Md5};
    use std::fmt::Write as _;
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

impl Office {
    pub(crate) fn new(seed: u64) -> Self {
        let mut office = Self {
            wire: Wire::new(seed),
            service: Service::new(),
            agenda: BTreeMap::new(),
            serial: 0,
            begun: 0,
            vanished: 0,
        };
        for line in 0..LINES {
            office.subscribe(line);
        }
        for index in 0..LINES + LINES / 4 {
            let phone = office.phone(&number(index % LINES), index, false);
            let at = office.wire.random(2_000);
            office.later(at, Deed::Register(phone, 7200));
        }
        for trunk in 0..TRUNKS {
            office.trunk(trunk);
        }
        office.later(3_000, Deed::Next);
        office
    }

    fn subscribe(&mut self, line: usize) {
        let number = number(line);
        let ha1 = md5_hex(&format!("{number}:test:{PASSWORD}"));
        let capacity = u16::from(line.is_multiple_of(10)) + 1;
        let ha1_md5 = Some(Arc::from(ha1));
        let subscriber = Subscriber { number: Arc::from(&*number), ha1_md5, ha1_sha256: None, capacity };
        self.wire.core.command(self.wire.now, Command::SetSubscriber(subscriber));
        let mut profile = if line.is_multiple_of(2) { Profile::autodial() } else { Profile::ccbs() };
        profile.service_duration_s = 120;
        if let Drive::Release { service_duration_nr_s, service_duration_nl_s, .. } = &mut profile.drive {
            (*service_duration_nr_s, *service_duration_nl_s) = (120, 120);
        }
        self.service.contacts.insert(Arc::from(&*number), 0);
        self.service.subscriber(&self.wire, &number, &profile);
    }

    /// One phone in four is on IPv6, one in three on TCP.
    fn phone(&mut self, number: &str, index: usize, trunk: bool) -> usize {
        let (high, low) = (u8::try_from(index / 200).unwrap(), u8::try_from(index % 200 + 1).unwrap());
        let second = 18 + u8::from(trunk);
        let address: SocketAddr = if index.is_multiple_of(4) {
            format!("[2001:db8:{second}:{index}::1]:5060").parse().unwrap()
        } else {
            SocketAddr::from(([198, second, high, low], 5060))
        };
        let plan = plan(&mut self.wire, trunk);
        let mut phone = Phone::new(number, address, switch(address.is_ipv6()), plan);
        if index.is_multiple_of(3) {
            phone.transport = Transport::Tcp;
        }
        self.wire.plug(phone)
    }

    fn trunk(&mut self, trunk: usize) {
        let peer = self.phone("5550", trunk, true);
        let name = Arc::from(trunk.to_string());
        let (address, transport) = (self.wire.phones[peer].address, self.wire.phones[peer].transport);
        let credentials = Some((Arc::from("us"), Arc::from("pw")));
        let trunk = Trunk { name, address, transport, credentials, trusted: true, register: None };
        self.wire.core.command(self.wire.now, Command::SetTrunk(trunk));
    }

    fn later(&mut self, after: u64, deed: Deed) {
        self.serial += 1;
        self.agenda.insert((self.wire.now + after, self.serial), deed);
    }

    /// Lets all happen, until nothing is left to happen but the refreshing of registrations.
    pub(crate) fn run(&mut self) {
        self.service.settle(&mut self.wire);
        let mut end = u64::MAX;
        loop {
            let deed = self.agenda.keys().next().map(|key| key.0);
            let next = [deed, self.wire.next(), self.service.engine.next_deadline()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.wire.now = self.wire.now.max(next);
            if deed.is_some_and(|at| at <= self.wire.now) {
                let (_, deed) = self.agenda.pop_first().unwrap();
                self.act(deed);
            } else if self.wire.next().is_some_and(|at| at <= self.wire.now) {
                self.wire.step();
            }
            self.service.settle(&mut self.wire);
            if self.agenda.is_empty() {
                end = end.min(self.wire.now + PATIENCE);
                let quiet = self.wire.core.is_idle() && self.service.engine.next_deadline().is_none();
                if quiet && (0..self.wire.phones.len()).all(|phone| self.is_at_rest(phone)) {
                    break;
                }
            }
        }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Next => {
                self.next();
                if self.begun < CALLS {
                    let pause = self.wire.random(250);
                    self.later(pause, Deed::Next);
                }
            }
            Deed::HangUp(phone, call) => {
                if call < self.wire.phones[phone].calls.len() {
                    self.wire.at(phone, |phone, now| phone.hang_up(now, call));
                }
            }
            Deed::Order(phone, call, callee) => {
                let refused = self.wire.phones[phone].calls.get(call);
                if refused.is_some_and(|call| matches!(call.state, State::Over(408 | 480 | 486 | 600))) {
                    let last = self.wire.chance(200);
                    let code = if last { "*37%23".to_owned() } else { format!("*37*{callee}%23") };
                    self.dial(phone, &code);
                }
            }
            Deed::Dial(phone, number) => {
                self.dial(phone, &number);
            }
            Deed::Register(phone, expires) => self.wire.at(phone, |phone, now| phone.register(now, expires)),
            Deed::Restart(phone) => {
                self.wire.at(phone, |phone, now| {
                    phone.restart(now);
                    phone.plan.dead = false;
                });
                if phone < LINES + LINES / 4 {
                    self.later(10, Deed::Register(phone, 7200));
                }
                // An INVITE may be repeated for so long before it is given up (timer B).
                self.later(33_000, Deed::Unreached(phone));
            }
            Deed::Unreached(phone) => {
                for call in 0..self.wire.phones[phone].calls.len() {
                    if matches!(self.wire.phones[phone].calls[call].state, State::Trying | State::Ringing) {
                        self.later(40_000, Deed::HangUp(phone, call));
                        self.later(80_000, Deed::GiveUp(phone, call));
                    }
                }
            }
            Deed::GiveUp(phone, call) => {
                let calls = &mut self.wire.phones[phone].calls;
                if let Some(call) = calls.get_mut(call).filter(|call| call.state == State::Trying) {
                    call.state = State::Over(408);
                }
            }
        }
    }

    fn dial(&mut self, phone: usize, number: &str) -> usize {
        self.begun += 1;
        self.wire.at(phone, |phone, now| phone.call(now, number))
    }

    /// Somebody's number: often that of one of a few whom everybody calls.
    fn somebody(&mut self) -> String {
        let lines = u64::try_from(LINES).unwrap();
        let line = match self.wire.random(10) {
            0 => return format!("9{}555{}", self.wire.random(4), self.wire.random(10)),
            1..=3 => self.wire.random(8),
            _ => self.wire.random(lines + 2),
        };
        number(usize::try_from(line).unwrap())
    }

    /// A phone picked at random.
    fn any(&mut self) -> usize {
        let phones = u64::try_from(self.wire.phones.len()).unwrap();
        usize::try_from(self.wire.random(phones)).unwrap()
    }

    /// A phone that is in a talk, and the talk.
    fn talking(&mut self) -> Option<(usize, usize)> {
        let from = self.any();
        let phones = self.wire.phones.len();
        (0..phones).map(|i| (from + i) % phones).find_map(|phone| {
            let calls = &self.wire.phones[phone].calls;
            calls.iter().rposition(|call| call.state == State::Up).map(|call| (phone, call))
        })
    }

    fn next(&mut self) {
        let phone = self.any();
        if self.wire.phones[phone].plan.dead {
            return;
        }
        let in_call = self.wire.phones[phone].calls.iter().any(|call| !matches!(call.state, State::Over(_)));
        if !in_call {
            let trunk = phone >= LINES + LINES / 4;
            self.wire.phones[phone].plan = plan(&mut self.wire, trunk);
        }
        let callee = self.somebody();
        match self.wire.random(100) {
            0..80 if !in_call || self.wire.chance(200) => {
                let call = self.dial(phone, &callee);
                if self.wire.chance(250) {
                    let after = self.wire.random(4_000);
                    self.later(after, Deed::HangUp(phone, call));
                }
                if self.wire.chance(700) {
                    let after = 1_000 + self.wire.random(20_000);
                    self.later(after, Deed::Order(phone, call, callee));
                }
            }
            80..83 => {
                let code = match self.wire.random(4) {
                    0 => "%2337%23".to_owned(),
                    1 => "*%2337%23".to_owned(),
                    _ => format!("%2337*{callee}%23"),
                };
                self.later(1, Deed::Dial(phone, code));
            }
            83..86 => {
                if let Some((phone, call)) = self.talking()
                    && self.wire.phones[phone].may_reinvite(call)
                {
                    let direction = ["", "a=sendonly\r\n", "a=inactive\r\n"];
                    let direction = direction[usize::try_from(self.wire.random(3)).unwrap()];
                    self.wire.phones[phone].plan.direction = direction;
                    self.wire.at(phone, |phone, now| phone.reinvite(now, call, 30_000));
                }
            }
            86..92 => self.transfer(&callee),
            92..94 => {
                if let Some((phone, call)) = self.talking() {
                    self.wire.at(phone, |phone, now| phone.hang_up(now, call));
                }
            }
            94 if phone < LINES => {
                self.wire.at(phone, |phone, now| phone.register(now, 0));
                let back = self.wire.random(20_000);
                self.later(back, Deed::Register(phone, 7200));
            }
            95 => {
                self.vanished += 1;
                self.wire.phones[phone].plan.dead = true;
                let back = 1_000 + self.wire.random(150_000);
                self.later(back, Deed::Restart(phone));
            }
            96 if self.wire.phones[phone].transport == Transport::Tcp => {
                self.wire.cut(phone);
                self.later(0, Deed::Unreached(phone));
                if phone < LINES + LINES / 4 {
                    let back = self.wire.random(2_000);
                    self.later(back, Deed::Register(phone, 7200));
                }
            }
            _ => {}
        }
    }

    /// Blind to a number, or attended where a phone has two talks.
    fn transfer(&mut self, to: &str) {
        let Some((phone, call)) = self.talking() else { return };
        let calls = &self.wire.phones[phone].calls;
        let other = calls.iter().take(call).rposition(|call| call.state == State::Up);
        match other {
            Some(other) => {
                let replaces = self.wire.phones[phone].replaces(other, true);
                let to = format!("<sip:x@{}?Replaces={replaces}>", switch(false));
                self.wire.at(phone, |phone, now| phone.refer(now, call, &to, &[]));
            }
            None => self.wire.at(phone, |phone, now| phone.refer(now, call, to, &[])),
        }
    }

    /// Whether a phone is in no call, and waits for nothing; what its connection swallowed it may wait for.
    fn is_at_rest(&self, phone: usize) -> bool {
        let over = |phone: &Phone| phone.calls.iter().all(|call| matches!(call.state, State::Over(_)));
        let was_cut = self.wire.was_cut(phone);
        let phone = &self.wire.phones[phone];
        if was_cut { over(phone) } else { phone.at_rest() }
    }

    /// No leg, transaction, timer, busy line, call or order is left; every call has one record, every order one end.
    pub(crate) fn assert_rest(&mut self) {
        assert_eq!(self.wire.core.load(), (0, 0, 0), "legs, transactions, timers left");
        assert!(self.wire.core.is_idle(), "tags or lines left");
        for line in 0..LINES {
            assert_eq!(self.wire.core.line(&number(line)), 0, "line {} left busy", number(line));
        }
        let media = self.wire.core.media_mut();
        assert!(media.open.is_empty() && media.ringback.is_empty(), "ports left open: {:?}", media.open);
        for (index, phone) in self.wire.phones.iter().enumerate() {
            let open: Vec<_> = phone.calls.iter().filter(|call| !matches!(call.state, State::Over(_))).collect();
            assert!(self.is_at_rest(index), "{} is still in a call: {open:?}", phone.number);
            for call in phone.calls.iter().filter(|call| !call.incoming && call.state == State::Over(200)) {
                assert_eq!(self.service.records.get(&*call.id), Some(&1), "records of {}", call.id);
            }
        }
        self.service.assert_rest();
    }
}
