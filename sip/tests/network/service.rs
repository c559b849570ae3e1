//! The service between core and engine, as an adapter joins them: facts go in, recalls come out, and each call leaves one
//! record.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use ccbs_engine::{self as engine, Action, Engine, FailCause, Limits, LineKind, LineRef, OrderId, Profile, RecallId};
use ccbs_sip::api::{Cause, Command, Event, Identity, LegId, Party, Played, Target};

use super::recalls::Recall;
use super::transfers::Move;
use super::wire::Wire;

/// What kind of call a leg began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ordinary,
    Code,
    Recall(RecallId),
    /// A talk that came of a transfer.
    Transferred,
}

/// A call in progress, by the leg that began it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) caller: String,
    pub(crate) callee: String,
    /// Whether it is a subscriber's.
    inside: bool,
    /// Its Call-ID, where a phone or trunk began it.
    named: Option<Arc<str>>,
    pub(crate) rang: bool,
    rejected: Option<u16>,
    pub(super) bridged: bool,
    pub(super) peer: Option<LegId>,
}

/// What was seen of calls and orders.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) talks: u64,
    pub(crate) transfers: u64,
    pub(crate) orders: u64,
    pub(crate) recalls: u64,
    pub(crate) connected: u64,
    pub(crate) ends: BTreeMap<&'static str, u64>,
}

pub(crate) struct Service {
    pub(crate) engine: Engine,
    actions: VecDeque<Action>,
    pub(crate) calls: BTreeMap<LegId, Call>,
    pub(super) by_peer: BTreeMap<LegId, LegId>,
    pub(super) moves: BTreeMap<LegId, Move>,
    pub(crate) recalls: BTreeMap<RecallId, Recall>,
    requests: BTreeMap<u64, LegId>,
    open: BTreeSet<OrderId>,
    legs: HashMap<Arc<str>, u16>,
    pub(crate) contacts: HashMap<Arc<str>, u16>,
    /// Records of the calls with this Call-ID.
    pub(crate) records: HashMap<Arc<str>, u32>,
    pub(crate) tally: Tally,
    serial: u64,
}

pub(crate) fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

pub(crate) fn identity(number: &str) -> Identity {
    Identity { number: Arc::from(number), display: None }
}

impl Service {
    pub(crate) fn new() -> Self {
        Self {
            engine: Engine::new(Limits::default()).unwrap(),
            actions: VecDeque::new(),
            calls: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            moves: BTreeMap::new(),
            recalls: BTreeMap::new(),
            requests: BTreeMap::new(),
            open: BTreeSet::new(),
            legs: HashMap::new(),
            contacts: HashMap::new(),
            records: HashMap::new(),
            tally: Tally::default(),
            serial: 0,
        }
    }

    pub(crate) fn subscriber(&mut self, wire: &Wire, number: &str, profile: &Profile) {
        self.tell(wire, &engine::Event::Line { line: line(number), kind: LineKind::Internal });
        self.tell(wire, &engine::Event::Service { line: line(number), profile: Some(Box::new(profile.clone())) });
        self.tell(wire, &engine::Event::LineFree { line: line(number) });
        self.tell(wire, &engine::Event::LineUnregistered { line: line(number) });
    }

    /// A fact or request for the engine.
    pub(crate) fn tell(&mut self, wire: &Wire, event: &engine::Event) {
        let mut actions = Vec::new();
        self.engine.apply(wire.now, event, &mut actions).unwrap_or_else(|error| panic!("{event:?}: {error}"));
        self.actions.extend(actions);
    }

    pub(crate) fn serial(&mut self) -> u64 {
        self.serial += 2;
        self.serial
    }

    /// Carries out what is due, until nothing more comes of it.
    pub(crate) fn settle(&mut self, wire: &mut Wire) {
        let mut actions = Vec::new();
        self.engine.advance(wire.now, &mut actions);
        self.actions.extend(actions);
        loop {
            if let Some(event) = wire.core.poll_event() {
                self.event(wire, event);
            } else if let Some(action) = self.actions.pop_front() {
                self.action(wire, action);
            } else {
                break;
            }
        }
        wire.flush();
    }

    fn action(&mut self, wire: &mut Wire, action: Action) {
        match action {
            Action::Reply { request, .. } => {
                let Some(leg) = self.requests.remove(&request) else { return };
                let token = self.serial();
                let prompts = vec![Arc::from("reply")];
                wire.core.command(wire.now, Command::Play { leg, token, prompts });
            }
            Action::Step { order, step, .. } => self.step(order, &step),
            action => self.recall_action(wire, action),
        }
    }

    /// Each accepted order ends once.
    fn step(&mut self, order: OrderId, step: &engine::Step) {
        match step {
            engine::Step::Accepted { .. } => {
                self.tally.orders += 1;
                assert!(self.open.insert(order), "{order:?} was accepted twice");
            }
            engine::Step::Ended { reason } => {
                *self.tally.ends.entry(reason.as_str()).or_default() += 1;
                assert!(self.open.remove(&order), "{order:?} ended twice, or never was");
            }
            _ => assert!(self.open.contains(&order), "{step:?} of {order:?} that does not stand"),
        }
    }

    fn event(&mut self, wire: &mut Wire, event: Event) {
        match event {
            Event::Incoming { leg, from, number, dialled, call_id, .. } => {
                self.incoming(wire, leg, &from, &number, &dialled, call_id);
            }
            Event::Ringing { leg } => {
                if let Some(call) = self.calls.get_mut(&leg) {
                    call.rang = true;
                }
            }
            Event::Answered { leg } => self.answered(wire, leg),
            Event::Bridged { leg, peer } => self.bridged(wire, leg, peer),
            Event::Played { leg, token, outcome } => self.played(wire, leg, token, outcome),
            Event::ConnectFailed { leg, cause } => self.connect_failed(wire, leg, cause),
            Event::Diverted { leg, dialled } => self.diverted(wire, leg, &dialled),
            Event::Transfer { leg, by, dialled } => self.transfer(wire, leg, by, &dialled),
            Event::Transferred { leg, peer, number, peer_number, .. } => {
                self.transferred(wire, leg, peer, [&number, &peer_number]);
            }
            Event::TransferFailed { leg, alone, cause } => self.transfer_failed(wire, leg, alone, cause),
            Event::Ended { leg, cause } => self.ended(wire, leg, cause),
            Event::Line { number, legs } => {
                let before = self.legs.insert(number.clone(), legs).unwrap_or(0);
                if (before > 0) != (legs > 0) {
                    let line = line(&number);
                    let busy = legs > 0;
                    let fact = if busy { engine::Event::LineBusy { line } } else { engine::Event::LineFree { line } };
                    self.tell(wire, &fact);
                }
            }
            Event::Registration { number, contacts } => {
                let before = self.contacts.insert(number.clone(), contacts).unwrap_or(0);
                if (before > 0) != (contacts > 0) {
                    let line = line(&number);
                    let fact = if contacts > 0 {
                        engine::Event::LineRegistered { line }
                    } else {
                        engine::Event::LineUnregistered { line }
                    };
                    self.tell(wire, &fact);
                }
            }
            Event::TrunkRegistration { .. } | Event::Trace { .. } => {}
        }
    }

    /// Where a number leads: `9`, the trunk's digit, the number there; or a subscriber.
    pub(crate) fn way(&self, number: &str) -> Option<Target> {
        if let Some(rest) = number.strip_prefix('9') {
            let (trunk, number) = rest.split_at_checked(1)?;
            return Some(Target::Trunk { trunk: Arc::from(trunk), number: Arc::from(number) });
        }
        self.contacts.contains_key(number).then(|| Target::Subscriber(Arc::from(number)))
    }

    fn incoming(&mut self, wire: &mut Wire, leg: LegId, from: &Party, number: &str, dialled: &str, id: Arc<str>) {
        self.tally.calls += 1;
        let (caller, inside) = match from {
            Party::Subscriber(number) => (number.to_string(), true),
            Party::Trunk(trunk) => (format!("9{trunk}{number}"), false),
        };
        let code = dialled.starts_with(['*', '#']) && inside;
        let kind = if code { Kind::Code } else { Kind::Ordinary };
        self.enter(leg, kind, &caller, dialled, Some(id));
        let now = wire.now;
        match wire.random(200) {
            // Neither is told anything: the core refuses it by itself.
            0 => {}
            1 => wire.core.command(now, Command::Release { leg, cause: None }),
            _ if code => wire.core.command(now, Command::Answer { leg }),
            _ => self.dial(wire, leg, dialled),
        }
    }

    pub(super) fn enter(&mut self, leg: LegId, kind: Kind, caller: &str, callee: &str, named: Option<Arc<str>>) {
        let inside = !caller.starts_with('9');
        let (caller, callee) = (caller.to_owned(), callee.to_owned());
        let call =
            Call { kind, caller, callee, inside, named, rang: false, rejected: None, bridged: false, peer: None };
        assert!(self.calls.insert(leg, call).is_none(), "{leg:?} began twice");
    }

    /// A recall's leg: a call like any other, with a record of its own.
    pub(crate) fn enter_recall(&mut self, leg: LegId, recall: RecallId, caller: &str, callee: &str) {
        self.enter(leg, Kind::Recall(recall), caller, callee, None);
    }

    fn dial(&mut self, wire: &mut Wire, leg: LegId, dialled: &str) {
        let way = self.way(dialled);
        let Some(call) = self.calls.get_mut(&leg) else { return };
        let command = if let Some(target) = way {
            dialled.clone_into(&mut call.callee);
            let timeout_ms = 5_000 + wire.random(10_000);
            Command::Dial { leg, target, identity: identity(&call.caller), timeout_ms }
        } else {
            call.rejected = Some(404);
            Command::Reject { leg, status: 404 }
        };
        wire.core.command(wire.now, command);
    }

    /// A service code was answered and acknowledged: it is carried out.
    fn answered(&mut self, wire: &mut Wire, leg: LegId) {
        let Some(call) = self.calls.get_mut(&leg) else { return };
        if let Kind::Recall(recall) = call.kind {
            self.caller_lifted(wire, recall);
            return;
        }
        let request = self.serial();
        let Some(call) = self.calls.get_mut(&leg) else { return };
        call.bridged = true;
        let caller = line(&call.caller);
        let callee = call.callee.split(['*', '#']).nth(2).filter(|callee| !callee.is_empty() && *callee != "37");
        let callee = callee.map(line);
        let asked = match &call.callee {
            code if code.starts_with("*#") => engine::Event::Query { request, caller },
            code if code.starts_with('*') => engine::Event::Order { request, caller, callee },
            _ => engine::Event::Cancel { request, caller, callee },
        };
        self.requests.insert(request, leg);
        self.tell(wire, &asked);
    }

    fn bridged(&mut self, wire: &mut Wire, leg: LegId, peer: LegId) {
        let call = self.calls.get_mut(&leg).expect("a call whose ends talk is known");
        call.bridged = true;
        call.peer = Some(peer);
        self.tally.talks += 1;
        let (caller, callee) = (line(&call.caller), line(&call.callee));
        let kind = call.kind;
        self.by_peer.insert(peer, leg);
        match kind {
            Kind::Recall(recall) => self.callee_lifted(wire, recall),
            _ => self.tell(wire, &engine::Event::CallAnswered { caller, callee }),
        }
    }

    fn played(&mut self, wire: &mut Wire, leg: LegId, token: u64, outcome: Played) {
        let Some(call) = self.calls.get(&leg) else { return };
        if let Kind::Recall(recall) = call.kind {
            self.prompt_over(wire, recall, token, outcome);
        } else if outcome != Played::Stopped {
            wire.core.command(wire.now, Command::Release { leg, cause: None });
        }
    }

    fn diverted(&mut self, wire: &mut Wire, leg: LegId, dialled: &str) {
        if self.moves.contains_key(&leg) {
            self.go(wire, leg, dialled);
            return;
        }
        match self.calls.get(&leg).map(|call| call.kind) {
            Some(Kind::Recall(recall)) => self.recall_diverted(wire, recall, dialled),
            Some(_) => self.dial(wire, leg, dialled),
            None => {}
        }
    }

    /// Why a call was not answered, as the engine is told.
    pub(crate) fn why(&self, call: &Call, cause: Cause, called: &str) -> Option<FailCause> {
        let reachable = call.rang || self.contacts.get(called).is_some_and(|contacts| *contacts > 0);
        match cause {
            Cause::Remote | Cause::Transferred | Cause::Local => None,
            Cause::Timeout => Some(FailCause::NotLoggedIn),
            Cause::Refused(480) if !reachable => Some(FailCause::NotLoggedIn),
            Cause::Status(486 | 600) | Cause::Refused(486 | 600) => Some(FailCause::Busy),
            Cause::Status(408 | 480 | 487) | Cause::Refused(408 | 480 | 487) => Some(FailCause::NoReply),
            Cause::Status(_) | Cause::Refused(_) | Cause::Peer => Some(FailCause::Other),
        }
    }

    fn ended(&mut self, wire: &mut Wire, leg: LegId, cause: Cause) {
        if let Some(moved) = self.moves.remove(&leg) {
            let fact = engine::Event::CallFailed {
                caller: line(&moved.goes),
                callee: line(&moved.to),
                cause: FailCause::Other,
            };
            self.tell(wire, &fact);
        }
        self.requests.retain(|_, waits| *waits != leg);
        let Some(call) = self.over(leg) else { return };
        match call.kind {
            Kind::Recall(recall) => self.caller_gone(wire, recall, &call, cause),
            Kind::Ordinary if call.inside && !call.bridged => {
                let cause = call.rejected.map_or(cause, Cause::Refused);
                if let Some(cause) = self.why(&call, cause, &call.callee) {
                    let (caller, callee) = (line(&call.caller), line(&call.callee));
                    self.tell(wire, &engine::Event::CallFailed { caller, callee, cause });
                }
            }
            _ => {}
        }
    }

    /// A call is over and leaves its record.
    pub(super) fn over(&mut self, leg: LegId) -> Option<Call> {
        let begun = if self.calls.contains_key(&leg) {
            leg
        } else {
            // Of a talk that came of a transfer, either end may be the last that is told of.
            let begun = *self.by_peer.get(&leg)?;
            if self.calls.get(&begun)?.kind != Kind::Transferred {
                return None;
            }
            begun
        };
        let call = self.calls.remove(&begun)?;
        if let Some(peer) = call.peer {
            self.by_peer.remove(&peer);
        }
        if let Some(call_id) = &call.named {
            *self.records.entry(call_id.clone()).or_default() += 1;
        }
        Some(call)
    }

    /// Nothing of any call or order is left.
    pub(crate) fn assert_rest(&self) {
        assert!(self.calls.is_empty(), "calls without a record: {:?}", self.calls);
        assert!(self.by_peer.is_empty() && self.moves.is_empty() && self.requests.is_empty());
        assert!(self.recalls.is_empty(), "recalls left: {:?}", self.recalls);
        assert!(self.open.is_empty(), "orders without an end: {:?}", self.open);
        assert_eq!(self.engine.orders().count(), 0, "orders of the engine");
        assert_eq!(self.engine.next_deadline(), None, "timers of the engine");
        for line in self.engine.lines() {
            let at_rest = !line.in_recall && (line.orders, line.waiting) == (0, 0);
            assert!(at_rest && (line.external || line.state == "free"), "a line is left: {line:?}");
        }
        let twice: Vec<_> = self.records.iter().filter(|(_, records)| **records != 1).collect();
        assert!(twice.is_empty(), "calls with more than one record: {twice:?}");
        let ends: u64 = self.tally.ends.values().sum();
        assert_eq!(ends, self.tally.orders, "orders and their ends");
    }
}
