//! Small worlds: a few subscribers, and what may happen to them.

use ccbs_engine::packed::{CONNECT_OUTCOMES, PLAY_OUTCOMES, RING_OUTCOMES};
use ccbs_engine::watch::Watch;
use ccbs_engine::{
    ConnectOutcome, Engine, Event, FailCause, Limits, LineKind, LineRef, Number, OrderId, PlayOutcome, Profile,
    RecallId, RingOutcome,
};

/// One thing that happens to an engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// An event, now: between two events the clock stands still.
    Event(Event),
    /// Time passes to the engine's next deadline, or for the world's tick if that is less.
    Time,
    /// Sixty days pass in one step.
    SixtyDays,
    /// The clock goes back by a second.
    Back,
}

/// What may happen in a world, at any moment and in any order, besides outcomes and time.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
pub struct May {
    /// Which lines become busy and free, by their places.
    pub presence: &'static [usize],
    /// Nobody can say any more whether one of these is busy.
    pub unknown: bool,
    /// Of which lines phones register and are gone.
    pub registration: &'static [usize],
    /// Why calls fail.
    pub causes: &'static [FailCause],
    /// Calls are answered.
    pub answered: bool,
    /// Orders are cancelled, one by one, all of a caller, by the operator.
    pub cancel: bool,
    /// The last number is ordered, one's own, and one asks what is ordered.
    pub requests: bool,
    /// Services are switched off, and set to each of the world's profiles.
    pub services: bool,
    /// Lines leave the configuration and come back, internal and external.
    pub configuration: bool,
    /// The process that reports the lines starts anew.
    pub restart: bool,
}

/// A small world.
#[derive(Debug, Clone)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Numbers, where they are, and which of the profiles they begin with as orderers.
    pub lines: Vec<(&'static str, LineKind, Option<usize>)>,
    /// The profiles of the world.
    pub profiles: Vec<Profile>,
    /// Who may call and order whom.
    pub calls: Vec<(usize, usize)>,
    /// The limits of the engine.
    pub limits: Limits,
    /// What may happen.
    pub may: May,
    /// The longest that time passes in one step (ms).
    pub tick: Option<u64>,
    /// Whether it belongs to the short form.
    pub short: bool,
}

/// When the worlds begin (Unix ms).
const START: u64 = 1_700_000_000_000;

/// A number that is no subscriber of any world.
const STRANGER: &str = "9";

fn by(number: &str) -> LineRef {
    LineRef::Number(Number::from(number))
}

impl World {
    /// The engine and its watch as the world begins.
    ///
    /// # Panics
    ///
    /// When the world's own numbers are out of range.
    pub fn begin(&self) -> (Engine, Watch) {
        let mut engine = Engine::new(self.limits.clone()).expect("limits in range");
        let mut watch = Watch::default();
        let mut out = Vec::new();
        engine.advance(START, &mut out);
        for &(number, kind, profile) in &self.lines {
            let mut events = vec![Event::Line { line: by(number), kind }];
            events.extend(profile.map(|profile| self.service(number, Some(profile))));
            for event in events {
                watch.hear(START, &event, &engine);
                engine.apply(START, &event, &mut out).expect("a good event");
            }
        }
        let before = engine.clone();
        watch.see(START, &out, &before, &engine).expect("nothing has happened yet");
        (engine, watch)
    }

    fn service(&self, number: &str, profile: Option<usize>) -> Event {
        let profile = profile.map(|profile| Box::new(self.profiles[profile].clone()));
        Event::Service { line: by(number), profile }
    }

    /// All that may happen next, always in the same order.
    pub fn moves(&self, engine: &Engine, watch: &Watch, moves: &mut Vec<Move>) {
        moves.clear();
        if engine.next_deadline().is_some() {
            moves.extend([Move::Time, Move::SixtyDays]);
        }
        outcomes(watch, moves);
        strays(watch, moves);
        moves.push(Move::Back);
        let mut may = |event: Event| moves.push(Move::Event(event));
        for (place, &(number, ..)) in self.lines.iter().enumerate() {
            let line = || by(number);
            if self.may.presence.contains(&place) {
                may(Event::LineBusy { line: line() });
                may(Event::LineFree { line: line() });
                if self.may.unknown {
                    may(Event::LineUnknown { line: line() });
                }
            }
            if self.may.registration.contains(&place) {
                may(Event::LineRegistered { line: line() });
                may(Event::LineUnregistered { line: line() });
            }
            if self.may.services {
                may(self.service(number, None));
                (0..self.profiles.len()).for_each(|profile| may(self.service(number, Some(profile))));
            }
            if self.may.configuration {
                may(Event::LineRemoved { line: line() });
                may(Event::Line { line: line(), kind: LineKind::Internal });
                may(Event::Line { line: line(), kind: LineKind::External });
            }
            if self.may.answered {
                may(Event::CallAnswered { caller: by(STRANGER), callee: line() });
            }
            if self.may.cancel {
                may(Event::Cancel { request: 0, caller: line(), callee: None });
            }
            if self.may.requests {
                may(Event::Order { request: 0, caller: line(), callee: None });
                may(Event::Order { request: 0, caller: line(), callee: Some(line()) });
                may(Event::Query { request: 0, caller: line() });
            }
        }
        for &(caller, callee) in &self.calls {
            let pair = || (by(self.lines[caller].0), by(self.lines[callee].0));
            for &cause in self.may.causes {
                let (caller, callee) = pair();
                may(Event::CallFailed { caller, callee, cause });
            }
            let (caller, callee) = pair();
            may(Event::Order { request: 0, caller, callee: Some(callee) });
            if self.may.answered {
                let (caller, callee) = pair();
                may(Event::CallAnswered { caller, callee });
            }
            if self.may.cancel {
                let (caller, callee) = pair();
                may(Event::Cancel { request: 0, caller, callee: Some(callee) });
            }
        }
        if self.may.cancel {
            watch.orders().for_each(|order| may(Event::OperatorCancel { request: 0, order }));
            may(Event::OperatorCancel { request: 0, order: OrderId(u64::MAX) });
        }
        if self.may.restart {
            may(Event::Restarted);
        }
    }
}

/// The outcomes of the recalls in progress: those that are waited for, and the others too.
fn outcomes(watch: &Watch, moves: &mut Vec<Move>) {
    for found in watch.recalls() {
        let recall = found.recall;
        let mut may = |event: Event| moves.push(Move::Event(event));
        for outcome in RING_OUTCOMES {
            may(Event::RingOutcome { recall, outcome });
        }
        for play in 1..=2 {
            for outcome in PLAY_OUTCOMES {
                may(Event::PlayOutcome { recall, play, outcome });
            }
        }
        for outcome in CONNECT_OUTCOMES {
            may(Event::ConnectOutcome { recall, outcome });
        }
        may(Event::Released { recall });
    }
}

/// Outcomes of a prompt that no recall has, of the recall that was over last, and of one that never was.
fn strays(watch: &Watch, moves: &mut Vec<Move>) {
    let mut may = |event: Event| moves.push(Move::Event(event));
    if let Some(found) = watch.recalls().first() {
        may(Event::PlayOutcome { recall: found.recall, play: 3, outcome: PlayOutcome::CallerGone });
    }
    for recall in [watch.last_over(), Some(RecallId(u64::MAX))].into_iter().flatten() {
        may(Event::RingOutcome { recall, outcome: RingOutcome::Answered });
        may(Event::RingOutcome { recall, outcome: RingOutcome::Busy });
        may(Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played });
        may(Event::ConnectOutcome { recall, outcome: ConnectOutcome::Answered });
        may(Event::Released { recall });
    }
}
