//! The office: its lines, and what people do.

use std::collections::{BTreeMap, VecDeque};

use ccbs_engine::{Action, Engine, Event, FailCause, LineId, LineKind, LineRef, Number, OrderKind};

use crate::agenda::{Agenda, What};
use crate::random::{Random, millis};
use crate::report::Tally;
use crate::settings::Settings;
use crate::switch::Recall;
use crate::watch::Watch;

/// Monday 2026-01-05, 08:00 UTC (Unix ms): an office begins its week.
const BEGIN: u64 = 1_767_600_000_000;
const HOUR: u64 = 3_600_000;

/// Calls of each hour of the day, the busiest being 1.
const OFFICE_DAY: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.01, 0.02, 0.05, 0.15, 0.5, 0.9, 1.0, 0.95, 0.7, 0.75, 0.9, 0.95, 0.85, 0.6, 0.3, 0.15,
    0.1, 0.08, 0.05, 0.03,
];

/// How long an unanswered phone rings (ms).
const PATIENCE: u64 = 30_000;

/// A line of the office, or a number behind the trunk.
pub(crate) struct Line {
    pub(crate) id: LineId,
    pub(crate) internal: bool,
    pub(crate) registered: bool,
    /// Since when it has a call (ms).
    pub(crate) since: Option<u64>,
    /// Whether its user orders on busy.
    orders: bool,
}

/// The office with its engine and its switch.
pub(crate) struct Office<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) engine: Engine,
    pub(crate) lines: Vec<Line>,
    /// Draws the calls, and nothing else: so two settings of one seed get the same calls.
    traffic: Random,
    /// Draws what people do in them.
    pub(crate) people: Random,
    /// Draws the faults.
    pub(crate) chaos: Random,
    agenda: Agenda,
    pub(crate) now: u64,
    /// The clock jumped to here and stands until the world has caught up.
    pub(crate) jumped: u64,
    /// Facts of this moment on their way to the engine.
    pub(crate) facts: VecDeque<Event>,
    actions: Vec<Action>,
    pub(crate) recalls: BTreeMap<u64, Recall>,
    pub(crate) watch: Watch,
    pub(crate) tally: Tally,
    next_request: u64,
    popular: u32,
}

impl<'a> Office<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Result<Self, String> {
        let mut engine = Engine::new(settings.limits.clone()).map_err(|error| error.to_string())?;
        let mut people = Random::new(settings.seed, 1);
        let internal = settings.subscribers;
        let mut lines = Vec::new();
        for index in 0..internal + settings.external_numbers {
            let id = engine.line(&number_of(index)).map_err(|error| error.to_string())?;
            let internal = index < internal;
            let orders = people.chance(settings.order_share);
            lines.push(Line { id, internal, registered: true, since: None, orders });
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most as many as subscribers
        let popular = (f64::from(internal) * settings.popular_lines) as u32;
        let mut office = Self {
            settings,
            engine,
            lines,
            traffic: Random::new(settings.seed, 0),
            people,
            chaos: Random::new(settings.seed, 2),
            agenda: Agenda::default(),
            now: BEGIN,
            jumped: 0,
            facts: VecDeque::new(),
            actions: Vec::new(),
            recalls: BTreeMap::new(),
            watch: Watch::new(settings, internal + settings.external_numbers),
            tally: Tally::new(BEGIN),
            next_request: 0,
            popular,
        };
        office.configure();
        Ok(office)
    }

    fn configure(&mut self) {
        for index in 0..self.lines.len() {
            let (line, internal) = (LineRef::Id(self.lines[index].id), self.lines[index].internal);
            let kind = if internal { LineKind::Internal } else { LineKind::External };
            self.facts.push_back(Event::Line { line: line.clone(), kind });
            if internal {
                let profile = Some(Box::new(self.settings.profile.clone()));
                self.facts.push_back(Event::Service { line: line.clone(), profile });
                self.facts.push_back(Event::LineRegistered { line: line.clone() });
                self.facts.push_back(Event::LineFree { line });
                self.plan_log_off(u32_of(index));
            }
        }
        self.plan(0, What::NextCall);
    }

    /// One step of the world or of the engine's timers; false when nothing is left to happen.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        self.tell_engine()?;
        let next = self.agenda.next();
        let due = self.engine.next_deadline();
        match (next, due) {
            (None, None) => return Ok(false),
            (next, Some(due)) if next.is_none_or(|next| due <= next) => {
                self.now = self.now.max(due);
                self.engine.advance(self.clock(), &mut self.actions);
                self.take_actions()?;
            }
            _ => {
                if let Some((at, what)) = self.agenda.take() {
                    self.now = at;
                    self.happen(what);
                }
            }
        }
        self.tell_engine()?;
        Ok(true)
    }

    /// The time that the engine is told.
    pub(crate) fn clock(&self) -> u64 {
        self.now.max(self.jumped)
    }

    fn tell_engine(&mut self) -> Result<(), String> {
        while let Some(event) = self.facts.pop_front() {
            // What is due by now comes before what happens now, in the engine as for who watches it.
            self.engine.advance(self.clock(), &mut self.actions);
            self.take_actions()?;
            self.watch.fact(&event);
            let refused = self.engine.apply(self.clock(), &event, &mut self.actions).err();
            if let Some(error) = refused {
                return Err(format!("the engine refused {event:?}: {error}"));
            }
            self.take_actions()?;
        }
        Ok(())
    }

    fn take_actions(&mut self) -> Result<(), String> {
        let clock = self.clock();
        let actions = std::mem::take(&mut self.actions);
        self.watch.actions(clock, &actions, &self.engine)?;
        for action in &actions {
            self.tally.action(clock, action);
            self.carry_out(action);
        }
        self.actions = actions;
        self.actions.clear();
        Ok(())
    }

    pub(crate) fn plan(&mut self, after: u64, what: What) {
        self.agenda.plan(self.now + after, what);
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.facts.push_back(event);
    }

    pub(crate) fn line(&self, index: u32) -> LineRef {
        LineRef::Id(self.lines[index as usize].id)
    }

    pub(crate) fn is_busy(&self, index: u32) -> bool {
        self.lines[index as usize].since.is_some()
    }

    pub(crate) fn occupy(&mut self, index: u32) {
        self.lines[index as usize].since = Some(self.now);
        if self.lines[index as usize].internal {
            self.tell(Event::LineBusy { line: self.line(index) });
        }
    }

    pub(crate) fn vacate(&mut self, index: u32) {
        let line = &mut self.lines[index as usize];
        let Some(since) = line.since.take() else { return };
        if line.internal {
            self.tally.traffic(since, self.now);
            self.tell(Event::LineFree { line: self.line(index) });
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::NextCall => self.next_call(),
            What::Redial(caller, callee) => {
                self.tally.redials += 1;
                let answers = self.people.chance(self.settings.answer_share);
                let delay = millis(self.people.exponential(self.settings.answer_mean_s));
                let hold = self.people.log_normal(self.settings.hold_mean_s, self.settings.hold_sigma);
                self.call(caller, callee, answers, delay, millis(hold));
            }
            What::Answer(caller, callee, hold) => {
                self.tally.answered += 1;
                self.tell(Event::CallAnswered { caller: self.line(caller), callee: self.line(callee) });
                self.plan(hold, What::HangUp(caller, callee));
            }
            What::Fail(caller, callee, cause) => self.call_failed(caller, callee, cause),
            What::HangUp(caller, callee) => {
                self.vacate(caller);
                self.vacate(callee);
            }
            What::PutDown(caller) => self.vacate(caller),
            What::Order(caller, callee) => {
                let (request, callee) = (self.request(), callee.map(|callee| self.line(callee)));
                self.tell(Event::Order { request, caller: self.line(caller), callee });
            }
            What::Cancel(caller, callee) => {
                let (request, callee) = (self.request(), Some(self.line(callee)));
                self.tell(Event::Cancel { request, caller: self.line(caller), callee });
            }
            What::LogOff(line) => self.log_off(line),
            What::LogOn(line) => {
                self.lines[line as usize].registered = true;
                self.tell(Event::LineRegistered { line: self.line(line) });
                self.plan_log_off(line);
            }
            What::Recall(recall, phase, step) => self.recall_goes_on(recall, phase, step),
            What::Late(event) => self.tell(*event),
        }
    }

    pub(crate) fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    /// Draws a call; always the same draws, whatever the lines do, so that the calls depend on the seed alone.
    fn next_call(&mut self) {
        if self.over() {
            return;
        }
        let settings = self.settings;
        let (internal, external) = (settings.subscribers, settings.external_numbers);
        let from_outside = self.traffic.chance(settings.external_share) && external > 0;
        let to_outside = self.traffic.chance(settings.external_share) && external > 0 && !from_outside;
        let popular = self.traffic.chance(settings.popular_calls) && self.popular > 0;
        let (one, other) = (self.traffic.unit(), self.traffic.unit());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below the bound
        let pick = |unit: f64, bound: u32| ((unit * f64::from(bound)) as u32).min(bound.saturating_sub(1));
        let caller = if from_outside { internal + pick(one, external) } else { pick(one, internal) };
        let callee = match (to_outside, popular) {
            (true, _) => internal + pick(other, external),
            (false, true) => pick(other, self.popular),
            (false, false) => pick(other, internal),
        };
        let hold = millis(self.traffic.log_normal(settings.hold_mean_s, settings.hold_sigma));
        let answers = self.traffic.chance(settings.answer_share);
        let delay = millis(self.traffic.exponential(settings.answer_mean_s));
        let mut wait = 0.0;
        let peak = HOUR_S / (settings.calls_per_hour * f64::from(internal));
        loop {
            wait += self.traffic.exponential(peak);
            let accepted = self.traffic.unit();
            let hour = (self.now + millis(wait)) / HOUR % 24;
            if !settings.office_day || accepted < OFFICE_DAY[usize::try_from(hour).unwrap_or(0)] {
                break;
            }
        }
        self.plan(millis(wait), What::NextCall);
        if caller != callee {
            self.call(caller, callee, answers, delay, hold);
        }
        self.faults_of_the_world();
    }

    /// Whether all calls have been placed.
    pub(crate) fn over(&self) -> bool {
        self.tally.placed >= self.settings.calls
    }

    fn call(&mut self, caller: u32, callee: u32, answers: bool, delay: u64, hold: u64) {
        if self.over() {
            return;
        }
        if self.is_busy(caller) || !self.lines[caller as usize].registered {
            self.tally.not_placed += 1;
            return;
        }
        self.tally.placed += 1;
        self.occupy(caller);
        if !self.lines[callee as usize].registered {
            self.plan(500, What::Fail(caller, callee, FailCause::NotLoggedIn));
        } else if self.is_busy(callee) {
            self.plan(300, What::Fail(caller, callee, FailCause::Busy));
        } else {
            self.occupy(callee);
            let delay = delay.max(1_000);
            if answers && delay < PATIENCE {
                self.plan(delay, What::Answer(caller, callee, hold.max(1_000)));
            } else {
                self.plan(PATIENCE, What::Fail(caller, callee, FailCause::NoReply));
            }
        }
    }

    fn call_failed(&mut self, caller: u32, callee: u32, cause: FailCause) {
        self.tally.failed(cause);
        self.tell(Event::CallFailed { caller: self.line(caller), callee: self.line(callee), cause });
        if cause == FailCause::NoReply {
            self.vacate(callee);
        }
        let orders = self.lines[caller as usize].internal
            && OrderKind::of(cause).is_some_and(|kind| self.settings.profile.offers(kind))
            && match cause {
                FailCause::Busy => self.lines[caller as usize].orders,
                FailCause::NoReply | FailCause::NotLoggedIn => self.people.chance(self.settings.order_no_reply_share),
                FailCause::Other => false,
            };
        if !orders {
            let after = self.people.between(1_000, 4_000);
            self.plan(after, What::PutDown(caller));
            if self.people.chance(self.settings.redial_share) {
                let after = millis(self.people.exponential(self.settings.redial_mean_s));
                self.plan(after + 5_000, What::Redial(caller, callee));
            }
            return;
        }
        self.tally.asked += 1;
        let after = self.people.between(1_000, 5_000);
        let named = self.people.chance(0.5).then_some(callee);
        self.plan(after, What::Order(caller, named));
        if self.people.chance(0.05) {
            self.plan(after + 2_000, What::Order(caller, Some(callee)));
        }
        self.plan(after + 4_000, What::PutDown(caller));
        if self.people.chance(self.settings.redial_share / 4.0) {
            let after = millis(self.people.exponential(self.settings.redial_mean_s));
            self.plan(after + 15_000, What::Redial(caller, callee));
        }
        if self.people.chance(self.settings.cancel_share) {
            let after = self.people.between(10_000, 600_000);
            self.plan(after, What::Cancel(caller, callee));
        }
    }

    fn plan_log_off(&mut self, line: u32) {
        if self.settings.log_offs_per_day > 0.0 && !self.over() {
            let after = millis(self.people.exponential(24.0 * HOUR_S / self.settings.log_offs_per_day));
            self.plan(after, What::LogOff(line));
        }
    }

    fn log_off(&mut self, line: u32) {
        if self.over() {
            return;
        }
        if self.is_busy(line) {
            self.plan(60_000, What::LogOff(line));
            return;
        }
        self.lines[line as usize].registered = false;
        self.tell(Event::LineUnregistered { line: self.line(line) });
        let after = millis(self.people.exponential(self.settings.log_off_mean_s));
        self.plan(after, What::LogOn(line));
    }
}

const HOUR_S: f64 = 3_600.0;

/// The number of a line.
pub(crate) fn number_of(index: u32) -> Number {
    Number::from(format!("{}", 1_000_000 + index))
}

/// The line of a number.
pub(crate) fn index_of(number: &str) -> u32 {
    number.parse::<u32>().map_or(0, |number| number.saturating_sub(1_000_000))
}

pub(crate) fn u32_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
