//! A small office that lives: calls, orders, outcomes good and bad.

use ccbs_engine::packed::{CONNECT_OUTCOMES, FAIL_CAUSES, PLAY_OUTCOMES, RING_OUTCOMES};
use ccbs_engine::{
    Action, ConnectOutcome, Drive, Engine, Event, Limits, LineId, LineKind, LineRef, OrderId, PlayOutcome, Profile,
    RecallId, RingOutcome,
};

use super::random::Random;

pub(crate) const NUMBERS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "20", "30", "+49 30 1"];

/// How many of the numbers have their handles given at the beginning; the rest stay mere numbers.
const WITH_HANDLE: usize = 7;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: u64,
    /// What waits for an outcome.
    pub(crate) open: Vec<Action>,
}

impl World {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut limits = Limits::default();
        if random.once_in(2) {
            let mut few = |most: usize| u32::try_from(1 + random.below(most)).expect("few");
            limits = Limits {
                orders_total: few(8),
                recalls_at_once: few(4),
                recalls_per_second: few(4),
                offers_per_caller: few(4),
                unconfigured_lines: few(9),
            };
        }
        let mut world =
            Self { engine: Engine::new(limits).expect("limits in range"), now: 1_700_000_000_000, open: Vec::new() };
        for (index, number) in NUMBERS[..WITH_HANDLE].iter().enumerate() {
            let line = world.engine.line(number).expect("a good number");
            assert_eq!(line.0 as usize, index, "handles are given in order from 0");
        }
        for number in &NUMBERS[..6] {
            let line = LineRef::Number((*number).into());
            let profile = Some(Box::new(profile(random)));
            world.apply(&Event::Line { line: line.clone(), kind: LineKind::Internal });
            world.apply(&Event::Service { line, profile });
        }
        world
    }

    /// Goes on for some steps.
    pub(crate) fn live(&mut self, random: &mut Random, steps: usize) {
        for _ in 0..steps {
            self.pass(random);
            for event in events(random, &mut self.open, self.now) {
                self.apply(&event);
            }
        }
    }

    /// Some time passes; mostly little.
    pub(crate) fn pass(&mut self, random: &mut Random) {
        let most = *random.pick(&[1, 1, 500, 3_000, 12_000, 60_000]);
        self.now += random.next() % most;
    }

    fn apply(&mut self, event: &Event) {
        let mut out = Vec::new();
        self.engine.apply(self.now, event, &mut out).expect("a good event");
        self.heard(out);
    }

    pub(crate) fn heard(&mut self, actions: Vec<Action>) {
        self.open.extend(actions.into_iter().filter(|action| recall_of(action).is_some()));
        if self.open.len() > 50 {
            self.open.remove(0);
        }
    }
}

pub(crate) fn profile(random: &mut Random) -> Profile {
    let mut profile = if random.once_in(2) { Profile::autodial() } else { Profile::ccbs() };
    match &mut profile.drive {
        Drive::Timer { attempts, .. } => *attempts = *random.pick(&[1, 2, 3, 20]),
        Drive::Release { retention, callee_no_answer_to_nr, .. } => {
            (*retention, *callee_no_answer_to_nr) = (random.once_in(2), random.once_in(2));
        }
    }
    profile.service_duration_s = *random.pick(&[60, 200, 2_700]);
    profile.caller_free_guard_s = *random.pick(&[0, 2, 60]);
    profile
}

fn recall_of(action: &Action) -> Option<RecallId> {
    match action {
        Action::Ring { recall, .. }
        | Action::Play { recall, .. }
        | Action::Connect { recall, .. }
        | Action::Release { recall, .. } => Some(*recall),
        _ => None,
    }
}

fn line(random: &mut Random) -> LineRef {
    let index = random.below(NUMBERS.len());
    if index < WITH_HANDLE && random.once_in(2) {
        return LineRef::Id(LineId(u32::try_from(index).expect("few")));
    }
    LineRef::Number(NUMBERS[index].into())
}

/// A line that has its handle, by it.
fn handle(random: &mut Random) -> LineRef {
    LineRef::Id(LineId(u32::try_from(random.below(WITH_HANDLE)).expect("few")))
}

/// The outcome of the oldest action that waits, or of one that never was.
fn outcome(random: &mut Random, open: &mut Vec<Action>) -> Event {
    let stray = RecallId(random.number());
    if open.is_empty() || random.once_in(12) {
        return match random.below(4) {
            0 => Event::RingOutcome { recall: stray, outcome: *random.pick(&RING_OUTCOMES) },
            1 => Event::PlayOutcome { recall: stray, play: 1, outcome: *random.pick(&PLAY_OUTCOMES) },
            2 => Event::ConnectOutcome { recall: stray, outcome: *random.pick(&CONNECT_OUTCOMES) },
            _ => Event::Released { recall: stray },
        };
    }
    let action = if random.once_in(10) { open[0].clone() } else { open.remove(0) };
    let recall = recall_of(&action).unwrap_or(stray);
    let good = random.once_in(2);
    match action {
        Action::Ring { .. } => {
            let outcome = if good { RingOutcome::Answered } else { *random.pick(&RING_OUTCOMES) };
            Event::RingOutcome { recall, outcome }
        }
        Action::Play { play, .. } => {
            let outcome = if good { PlayOutcome::Played } else { *random.pick(&PLAY_OUTCOMES) };
            Event::PlayOutcome { recall, play, outcome }
        }
        Action::Connect { .. } => {
            let outcome = if good { ConnectOutcome::Busy } else { *random.pick(&CONNECT_OUTCOMES) };
            Event::ConnectOutcome { recall, outcome }
        }
        _ => Event::Released { recall },
    }
}

/// What happens next.
pub(crate) fn events(random: &mut Random, open: &mut Vec<Action>, request: u64) -> Vec<Event> {
    let (caller, callee) = (line(random), line(random));
    vec![match random.below(24) {
        0..3 => Event::LineBusy { line: caller },
        3..6 => Event::LineFree { line: caller },
        6 => match random.below(5) {
            0 => Event::LineUnknown { line: caller },
            1 => Event::LineRegistered { line: caller },
            2 => Event::LineUnregistered { line: caller },
            3 => Event::CallAnswered { caller, callee },
            _ => Event::Query { request, caller },
        },
        7..12 => {
            let failed = Event::CallFailed { caller: caller.clone(), callee, cause: *random.pick(&FAIL_CAUSES) };
            return vec![failed, Event::Order { request, caller, callee: None }];
        }
        12 => Event::Order { request, caller, callee: Some(callee) },
        13 => Event::Cancel { request, caller, callee: random.once_in(2).then_some(callee) },
        14 => Event::OperatorCancel { request, order: OrderId(random.number()) },
        15 => match random.below(4) {
            0 => Event::LineRemoved { line: caller },
            1 => Event::Service { line: caller, profile: None },
            2 => Event::Restarted,
            _ => Event::Line { line: caller, kind: *random.pick(&ccbs_engine::packed::LINE_KINDS) },
        },
        16 => Event::Service { line: caller, profile: Some(Box::new(profile(random))) },
        _ => outcome(random, open),
    }]
}

/// What happens next, all of it with a packed form.
pub(crate) fn packable(random: &mut Random, open: &mut Vec<Action>, request: u64) -> Vec<Event> {
    let mut all = events(random, open, request);
    for event in &mut all {
        match event {
            Event::Line { line, .. }
            | Event::LineRemoved { line }
            | Event::LineBusy { line }
            | Event::LineFree { line }
            | Event::LineUnknown { line }
            | Event::LineRegistered { line }
            | Event::LineUnregistered { line } => *line = handle(random),
            Event::Service { .. } => *event = Event::Service { line: handle(random), profile: None },
            Event::CallFailed { callee, .. } => *callee = handle(random),
            Event::CallAnswered { caller, callee } => (*caller, *callee) = (handle(random), handle(random)),
            Event::Order { caller, callee, .. } | Event::Cancel { caller, callee, .. } => {
                *caller = handle(random);
                if let Some(callee) = callee {
                    *callee = handle(random);
                }
            }
            Event::Query { caller, .. } => *caller = handle(random),
            Event::OperatorCancel { .. } => *event = Event::Restarted,
            _ => {}
        }
    }
    // Whose call failed is who orders.
    if let [Event::CallFailed { caller, .. }, Event::Order { caller: orders, .. }] = &mut all[..] {
        *caller = orders.clone();
    }
    all
}
