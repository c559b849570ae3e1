//! One order's story, moment by moment.

use std::collections::BTreeMap;

use ccbs_engine::life::State;
use ccbs_engine::{Action, Engine, Event, LineRef, Look, Millis, Number, OrderId, RecallId, Reply, Step};

use crate::words::{self, Names, duration, outcome};
use crate::{Sentence, Story};

/// One input and what came of it.
pub(crate) struct Moment<'a> {
    pub(crate) now: Millis,
    /// `None`: timers.
    pub(crate) event: Option<&'a Event>,
    pub(crate) actions: &'a [Action],
    /// After it.
    pub(crate) engine: &'a Engine,
}

/// Tells the life of one order.
pub(crate) struct Narrator {
    order: OrderId,
    names: Names,
    /// After the last moment; `None` while it does not stand.
    last: Option<Look>,
    accepted: Option<Millis>,
    /// When the order came into its present state.
    since: Millis,
    /// Why it does not move, as told last.
    why: Option<String>,
    callee_was_free: bool,
    /// The last prompt of each recall.
    played: BTreeMap<RecallId, u32>,
    ended: Option<Millis>,
    /// The moment that ended it is not told twice.
    end_told_at: Option<Millis>,
    sentences: Vec<Sentence>,
}

impl Narrator {
    pub(crate) fn new(order: OrderId, caller: Number, callee: Number, engine: &Engine) -> Self {
        let last = engine.look(order);
        let mut narrator = Self {
            order,
            names: Names { caller, callee },
            accepted: last.is_some().then(|| engine.now()),
            since: engine.now(),
            why: None,
            callee_was_free: false,
            played: BTreeMap::new(),
            ended: None,
            end_told_at: None,
            sentences: Vec::new(),
            last: None,
        };
        if let Some(look) = last {
            let text = format!("the recording begins; the order stands, {}", words::stand(&look, &narrator.names));
            narrator.say(engine.now(), text);
            narrator.last = Some(look);
        }
        narrator
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    pub(crate) fn end(mut self, until: Millis) -> Story {
        if self.ended.is_none()
            && let Some(look) = self.last.take()
        {
            let text = format!(
                "the recording ends; the order stands, {}, for {} now; its life ends in {}",
                words::stand(&look, &self.names),
                duration(until.saturating_sub(self.since)),
                duration(look.expires.saturating_sub(until)),
            );
            self.say(until, text);
        }
        Story { order: self.order, caller: self.names.caller, callee: self.names.callee, sentences: self.sentences }
    }

    fn say(&mut self, at: Millis, text: String) {
        self.sentences.push(Sentence { at, text });
    }

    /// Takes one moment in; `own_outcome`: its event is an outcome of a recall of this order.
    pub(crate) fn moment(&mut self, moment: &Moment<'_>, own_outcome: bool) {
        let after = moment.engine.look(self.order);
        let mine: Vec<&Action> = moment.actions.iter().filter(|action| self.is_mine(action)).collect();
        if self.last.is_none() && after.is_none() && mine.is_empty() {
            if self.accepted.is_none() {
                self.before(moment);
            }
            return;
        }
        let fact = self.fact(moment, after.as_ref(), &mine, own_outcome);
        let mut told: Vec<String> =
            mine.iter().filter_map(|action| self.told(moment, action, after.as_ref())).collect();
        self.changed(moment.now, after.as_ref(), &mut told, fact.is_some());
        if own_outcome && told.is_empty() && after == self.last && mine.is_empty() {
            told.push("nothing waited for this: late, double or out of order; it changes nothing".to_owned());
        }
        let mut parts: Vec<String> = fact.into_iter().collect();
        parts.extend(told);
        if !parts.is_empty() {
            self.say(moment.now, parts.join("; "));
        }
        self.last = after;
    }

    /// An outcome of a recall of this order, which has ended.
    pub(crate) fn outcome_after_the_end(&mut self, moment: &Moment<'_>) {
        if self.end_told_at.take_if(|at| *at == moment.now).is_some() {
            return;
        }
        if let Some(words) = moment.event.and_then(|event| self.outcome(event)) {
            let text = match moment.event {
                Some(Event::Released { .. }) => format!("{words}; the order had ended, its lines are free for others"),
                _ => format!("{words}; the order has ended, this changes nothing"),
            };
            self.say(moment.now, text);
        }
    }

    fn is_mine(&self, action: &Action) -> bool {
        match action {
            Action::Ring { order, .. }
            | Action::Play { order, .. }
            | Action::Connect { order, .. }
            | Action::Release { order, .. }
            | Action::Step { order, .. } => *order == self.order,
            Action::Reply { reply, .. } => match reply {
                Reply::Confirmed { order, .. } => *order == self.order,
                Reply::Cancelled { orders } => orders.contains(&self.order),
                _ => false,
            },
        }
    }

    /// Calls and refusals that led to the order.
    fn before(&mut self, moment: &Moment<'_>) {
        let text = match moment.event {
            Some(Event::CallFailed { caller, callee, cause })
                if self.is(moment, caller, true) && self.is(moment, callee, false) =>
            {
                words::call_failed(*cause, &self.names)
            }
            Some(Event::Order { caller, callee: Some(callee), .. })
                if self.is(moment, caller, true) && self.is(moment, callee, false) =>
            {
                let denial = moment.actions.iter().find_map(|action| match action {
                    Action::Reply { reply: Reply::Denied { denial }, .. } => Some(*denial),
                    _ => None,
                });
                let Some(denial) = denial else { return };
                format!("{} orders {}: refused ({})", self.names.caller, self.names.callee, denial.as_str())
            }
            _ => return,
        };
        // Only what is near to the order belongs to its story: the last few.
        self.say(moment.now, text);
        if self.sentences.len() > 8 {
            self.sentences.remove(0);
        }
    }

    fn is(&self, moment: &Moment<'_>, line: &LineRef, caller: bool) -> bool {
        let number = if caller { &self.names.caller } else { &self.names.callee };
        match line {
            LineRef::Number(given) => given == number,
            LineRef::Id(id) => moment.engine.number(*id).as_ref() == Some(number),
        }
    }

    /// Whether this moment gives the attempt back, because nobody knows what became of it.
    fn was_cut_off(&self, moment: &Moment<'_>) -> bool {
        let cut = |look: &Look| matches!(look.state, State::Ringing | State::Announcing | State::Calling);
        matches!(moment.event, Some(Event::Restarted)) && self.last.as_ref().is_some_and(cut)
    }

    /// An outcome of a recall of this order, in words.
    fn outcome(&self, event: &Event) -> Option<String> {
        match event {
            Event::PlayOutcome { recall, play, .. } if *play > self.played.get(recall).copied().unwrap_or(0) => {
                Some(words::outcome_of_no_prompt(*play))
            }
            _ => outcome(event, &self.names),
        }
    }

    /// What the event means to this order's lines, in words; `None` when nothing.
    fn fact(&mut self, moment: &Moment<'_>, after: Option<&Look>, mine: &[&Action], own: bool) -> Option<String> {
        let event = moment.event?;
        if own {
            return self.outcome(event);
        }
        let (line, which) = match event {
            Event::LineBusy { line }
            | Event::LineFree { line }
            | Event::LineUnknown { line }
            | Event::LineRegistered { line }
            | Event::LineUnregistered { line }
            | Event::Line { line, .. }
            | Event::LineRemoved { line }
            | Event::Service { line, .. } => {
                if self.is(moment, line, true) {
                    (line, true)
                } else if self.is(moment, line, false) {
                    (line, false)
                } else {
                    return None;
                }
            }
            _ => return words::request(event, mine, &self.names, |line, caller| self.is(moment, line, caller)),
        };
        let _ = line;
        let seen = |look: &Look| if which { look.caller.clone() } else { look.callee.clone() };
        let before = self.last.as_ref().map(seen);
        if let Some(own) = before.as_ref().and_then(|line| line.recall)
            && own == self.order
            && (which
                || !self.last.as_ref().is_some_and(|look| matches!(look.state, State::Ringing | State::Announcing)))
            && matches!(event, Event::LineBusy { .. } | Event::LineFree { .. })
        {
            // The recall's own legs never count; the callee has none before it is called.
            return None;
        }
        let again = !which && self.callee_was_free;
        if matches!(event, Event::LineFree { .. }) && !which {
            self.callee_was_free = true;
        }
        let unchanged = before.is_some() && before == after.map(seen);
        if unchanged && !matches!(event, Event::Service { .. } | Event::Line { .. }) {
            return None;
        }
        words::line_fact(event, which, again, &self.names)
    }

    /// An action in words.
    fn told(&mut self, moment: &Moment<'_>, action: &Action, after: Option<&Look>) -> Option<String> {
        match action {
            Action::Step { step, .. } => {
                match step {
                    Step::Accepted { .. } => self.accepted = Some(moment.now),
                    Step::Ended { .. } => {
                        self.ended = Some(moment.now);
                        self.end_told_at = Some(moment.now);
                    }
                    // What the caller hears then is told by the prompt.
                    Step::CallerAnswered => return None,
                    _ => {}
                }
                let text = match step {
                    Step::AttemptFailed { attempt, attempts, due, .. } if self.was_cut_off(moment) => {
                        words::cut_off(*attempt, *attempts, *due, moment.now)
                    }
                    _ => words::step(step, moment.now, after, &self.names),
                };
                Some(match (step, self.accepted) {
                    (Step::Ended { .. }, Some(accepted)) => {
                        format!("{text}, {} after it was accepted", duration(moment.now - accepted))
                    }
                    _ => text,
                })
            }
            Action::Play { recall, play, prompts, .. } => {
                self.played.insert(*recall, *play);
                Some(words::prompts(prompts, &self.names))
            }
            Action::Release { reason, .. } => Some(words::release(*reason, moment.event.is_none()).to_owned()),
            _ => None,
        }
    }

    /// What has changed besides: the place, and why the order does not move.
    fn changed(&mut self, now: Millis, after: Option<&Look>, told: &mut Vec<String>, fact: bool) {
        let Some(look) = after else { return };
        let before = self.last.as_ref();
        let state_changed = before.is_none_or(|before| before.state != look.state);
        if let Some(before) = before
            && state_changed
            && matches!(before.state, State::Suspended | State::Queued | State::Watching)
            && now > self.since
            && let Some(first) = told.first_mut()
        {
            *first = format!("{first} (it was {} for {})", before.state.as_str(), duration(now - self.since));
        }
        if before.is_some_and(|before| before.place != look.place) {
            told.push(format!("the order moves up to place {} of {}", look.place, look.queue));
        }
        if state_changed {
            self.since = now;
        }
        let why = words::why(look, self.order);
        if why != self.why {
            // A step of this moment has said it already where the state is new and the step tells it.
            if let Some(why) = why.clone().filter(|_| told.is_empty() || words::not_told_by_a_step(look.state)) {
                told.push(why);
            }
            self.why = why;
        }
        if fact && told.is_empty() && !look.state.in_recall() {
            told.push(format!("the order keeps place {} of {}, {}", look.place, look.queue, words::state(look.state)));
        }
    }
}
