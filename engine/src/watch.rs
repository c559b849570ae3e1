//! One who watches what goes into an engine and what comes out, and holds it to the rules of the service.
//!
//! What it knows of lines, orders and recalls it has from the events and actions alone. Of the engine it asks which
//! orders stand and which of them are queued, to see that the oldest eligible one goes first.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::life::State;
use crate::{
    Action, AttemptFailure, Drive, EndReason, Engine, Event, LineRef, Millis, Number, OrderId, OrderKind, PlayOutcome,
    Profile, RecallId, RingOutcome, Step,
};

/// What every order, line and recall is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A line is in at most one recall, in either role.
    OneRecallALine,
    /// The oldest of the eligible orders goes first.
    OldestFirst,
    /// No more attempts than the profile allows, each the next.
    AttemptsWithinNumber,
    /// Nothing is done or told for an order that has ended or never was.
    NothingAfterTheEnd,
    /// No attempt begins after its order's life.
    NoAttemptAfterLife,
    /// A caller that is known to be busy is not rung.
    NoBusyCaller,
    /// Profile `ccbs`: a callee that is known to be away is not tried.
    NoAwayCallee,
    /// No attempt begins before the timer that its order was told of, nor while it is suspended.
    NotBeforeItsTime,
    /// A suspended order is resumed after its caller was free for the guard time.
    CallerGuard,
    /// An accepted order ends exactly once, and by the reason that its failure calls for.
    EndsOnce,
    /// The limits hold.
    Limits,
    /// An outcome that nothing waits for changes nothing and is counted once.
    StrayOutcomes,
    /// A busy line, a suspended order: what is told agrees with what was heard.
    ToldAsHeard,
    /// Queues and indexes agree.
    Consistent,
}

impl Rule {
    /// The rule in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneRecallALine => "a line is in at most one recall, in either role",
            Self::OldestFirst => "FIFO among eligible",
            Self::AttemptsWithinNumber => "attempts within their number",
            Self::NothingAfterTheEnd => "no action for an ended order",
            Self::NoAttemptAfterLife => "no attempt begins after its order's life",
            Self::NoBusyCaller => "a caller is never rung while known busy",
            Self::NoAwayCallee => "a callee known to be away is not tried",
            Self::NotBeforeItsTime => "no attempt begins before its time",
            Self::CallerGuard => "a suspended order waits for its caller's guard",
            Self::EndsOnce => "an accepted order ends exactly once",
            Self::Limits => "limits hold",
            Self::StrayOutcomes => "an outcome that nothing waits for changes nothing",
            Self::ToldAsHeard => "what is told agrees with what was heard",
            Self::Consistent => "queues and indexes agree",
        }
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub rule: Rule,
    /// How.
    pub what: String,
}

macro_rules! hold {
    ($holds:expr, $rule:ident, $($what:tt)+) => {
        if !$holds {
            return Err(Breach { rule: Rule::$rule, what: format!($($what)+) });
        }
    };
}

/// An action of a recall whose outcome is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Open {
    /// `Ring`.
    Ring,
    /// `Play`, with its number.
    Play(u32),
    /// `Connect`.
    Connect,
    /// `Release`.
    Release,
}

/// A recall from its `Ring` until its legs are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// Its identity.
    pub recall: RecallId,
    /// The order it serves.
    pub order: OrderId,
    /// Who is rung.
    pub caller: Number,
    /// Who is called then.
    pub callee: Number,
    /// What it waits for.
    pub open: Open,
    /// Whether its attempt has failed.
    failed: bool,
    /// When its release is given up (Unix ms).
    given_up: Option<Millis>,
}

/// What was heard of a line.
#[derive(Debug, Clone)]
struct Line {
    number: Number,
    service: Option<Arc<Profile>>,
    busy: Option<bool>,
    registered: Option<bool>,
}

/// What an order has shown of itself.
#[derive(Debug, Clone)]
struct Standing {
    order: OrderId,
    caller: Number,
    callee: Number,
    profile: Arc<Profile>,
    kind: OrderKind,
    attempts: u32,
    expires: Millis,
    /// Not before the timer that it was told of last; `None` while it was told to wait for its callee.
    earliest: Option<Millis>,
    suspended: bool,
    /// Suspended: not before its caller was free for the guard time.
    resumed_from: Millis,
    /// Kind NR: whether the callee had a new call.
    new_call: bool,
    /// Whether its callee's line was known when it was called.
    known_when_called: bool,
    /// How its next step must end it.
    must_end: Option<EndReason>,
}

impl Standing {
    fn is_ccbs(&self) -> bool {
        matches!(self.profile.drive, Drive::Release { .. })
    }

    fn guard(&self) -> Millis {
        Millis::from(self.profile.caller_free_guard_s) * 1_000
    }

    /// How the failure of its attempt ends it.
    fn ends_by(&self, failure: AttemptFailure) -> Option<EndReason> {
        let Drive::Release { retention, callee_no_answer_to_nr, .. } = self.profile.drive else {
            return (self.profile.attempts() == Some(self.attempts)).then_some(EndReason::AttemptsExhausted);
        };
        match failure {
            AttemptFailure::CallerNoAnswer | AttemptFailure::CallerDeclined => Some(EndReason::CallerNoAnswer),
            AttemptFailure::CallerGone => Some(EndReason::Cancelled),
            AttemptFailure::CalleeDeclined => Some(EndReason::CalleeDeclined),
            AttemptFailure::CalleeNoAnswer if !callee_no_answer_to_nr => Some(EndReason::CalleeNoAnswer),
            AttemptFailure::CalleeBusy if !retention && self.known_when_called => Some(EndReason::AttemptsExhausted),
            _ => None,
        }
    }
}

/// The one who watches.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    lines: Vec<Line>,
    orders: Vec<Standing>,
    recalls: Vec<Recall>,
    /// When recalls began, those of the last second.
    rings: Vec<Millis>,
    /// The recall that was over last.
    over: Option<RecallId>,
    last_order: u64,
    /// The attempt of an order that a restart cut off does not count.
    cut_off: Vec<OrderId>,
}

impl Watch {
    /// The recalls in progress, oldest first.
    pub fn recalls(&self) -> &[Recall] {
        &self.recalls
    }

    /// The recall that was over last.
    pub fn last_over(&self) -> Option<RecallId> {
        self.over
    }

    /// The orders that stand, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> + '_ {
        self.orders.iter().map(|order| order.order)
    }

    /// Whether every order that was accepted has ended.
    pub fn all_ended(&self) -> bool {
        self.orders.is_empty()
    }

    /// Whether an event is an outcome.
    pub fn is_outcome(event: &Event) -> bool {
        matches!(
            event,
            Event::RingOutcome { .. }
                | Event::PlayOutcome { .. }
                | Event::ConnectOutcome { .. }
                | Event::Released { .. }
        )
    }

    /// Whether an outcome is what its recall waits for.
    pub fn awaits(&self, event: &Event) -> bool {
        let (recall, open) = match event {
            Event::RingOutcome { recall, .. } => (recall, Open::Ring),
            Event::PlayOutcome { recall, play, .. } => (recall, Open::Play(*play)),
            Event::ConnectOutcome { recall, .. } => (recall, Open::Connect),
            Event::Released { recall } => (recall, Open::Release),
            _ => return false,
        };
        self.recalls.iter().any(|found| found.recall == *recall && found.open == open)
    }

    fn line(&mut self, number: &Number) -> &mut Line {
        let index = self.lines.iter().position(|line| line.number == *number).unwrap_or_else(|| {
            self.lines.push(Line { number: number.clone(), service: None, busy: None, registered: None });
            self.lines.len() - 1
        });
        &mut self.lines[index]
    }

    fn seen(&self, number: &Number) -> Option<&Line> {
        self.lines.iter().find(|line| line.number == *number)
    }

    fn is_held(&self, number: &Number) -> bool {
        self.recalls.iter().any(|recall| recall.caller == *number || recall.callee == *number)
    }

    /// Hears of an event before the engine does; timers due by `now` were handled already.
    pub fn hear(&mut self, now: Millis, event: &Event, engine: &Engine) {
        let name = |line: &LineRef| match line {
            LineRef::Number(number) => Some(number.clone()),
            LineRef::Id(id) => engine.number(*id),
        };
        match event {
            Event::LineBusy { line } => self.presence(now, name(line), Some(true)),
            Event::LineFree { line } => self.presence(now, name(line), Some(false)),
            Event::LineUnknown { line } => self.presence(now, name(line), None),
            Event::LineRegistered { line } => self.registration(name(line), true),
            Event::LineUnregistered { line } => self.registration(name(line), false),
            Event::LineRemoved { line } => {
                if let Some(number) = name(line) {
                    self.lines.retain(|line| line.number != number);
                }
            }
            Event::Service { line, profile } => {
                if let Some(number) = name(line) {
                    self.line(&number).service = profile.as_deref().map(|profile| Arc::new(profile.clone()));
                }
            }
            Event::CallAnswered { caller, callee } => {
                let talk = [name(caller), name(callee)];
                for order in &mut self.orders {
                    order.new_call |=
                        order.kind == OrderKind::NoReply && talk.iter().flatten().any(|line| *line == order.callee);
                }
            }
            Event::RingOutcome { recall, outcome } if self.awaits(event) => {
                self.fails(*recall, *outcome != RingOutcome::Answered);
            }
            Event::PlayOutcome { recall, outcome, .. } if self.awaits(event) => {
                self.fails(*recall, *outcome == PlayOutcome::CallerGone);
            }
            Event::ConnectOutcome { recall, .. } if self.awaits(event) => self.fails(*recall, true),
            Event::Released { recall } if self.awaits(event) => self.over(now, *recall),
            Event::Restarted => self.restarted(now),
            _ => {}
        }
    }

    fn fails(&mut self, recall: RecallId, failed: bool) {
        if let Some(found) = self.recalls.iter_mut().find(|found| found.recall == recall) {
            found.failed |= failed;
        }
    }

    fn presence(&mut self, now: Millis, number: Option<Number>, busy: Option<bool>) {
        let Some(number) = number else { return };
        let was = std::mem::replace(&mut self.line(&number).busy, busy);
        if self.is_held(&number) {
            return;
        }
        for order in &mut self.orders {
            if order.callee == number && busy == Some(true) && order.is_ccbs() {
                order.earliest = None;
            }
            if order.caller == number && busy == Some(true) {
                order.resumed_from = 0;
            } else if order.caller == number && was == Some(true) {
                order.resumed_from = now + order.guard();
            }
        }
    }

    fn registration(&mut self, number: Option<Number>, registered: bool) {
        let Some(number) = number else { return };
        self.line(&number).registered = Some(registered);
        if !registered && !self.is_held(&number) {
            for order in &mut self.orders {
                if order.callee == number && order.is_ccbs() {
                    order.earliest = None;
                }
            }
        }
    }

    fn restarted(&mut self, now: Millis) {
        for line in &mut self.lines {
            (line.busy, line.registered) = (None, None);
        }
        for recall in std::mem::take(&mut self.recalls) {
            self.over = Some(recall.recall);
            if !recall.failed {
                self.cut_off.push(recall.order);
            }
        }
        for order in &mut self.orders {
            order.resumed_from = now + order.guard();
        }
    }

    /// A recall's legs are gone.
    fn over(&mut self, now: Millis, recall: RecallId) {
        let Some(index) = self.recalls.iter().position(|found| found.recall == recall) else { return };
        let recall = self.recalls.remove(index);
        self.over = Some(recall.recall);
        for number in [recall.caller, recall.callee] {
            let (busy, registered) = self.seen(&number).map_or((None, None), |line| (line.busy, line.registered));
            for order in &mut self.orders {
                if order.caller == number && busy != Some(true) {
                    order.resumed_from = now + order.guard();
                }
                if order.callee == number && order.is_ccbs() && (busy == Some(true) || registered == Some(false)) {
                    order.earliest = None;
                }
            }
        }
    }

    fn over_of(&mut self, now: Millis, order: OrderId) {
        if let Some(recall) = self.recalls.iter().find(|recall| recall.order == order) {
            self.over(now, recall.recall);
        }
    }

    /// Sees what the engine did about one input at `now`; `before` is the engine as it was.
    pub fn see(&mut self, now: Millis, actions: &[Action], before: &Engine, after: &Engine) -> Result<(), Breach> {
        // A release that nobody answers is given up without a word where the order had ended.
        while let Some(recall) = self.recalls.iter().find(|recall| recall.given_up.is_some_and(|until| until <= now)) {
            self.over(now, recall.recall);
        }
        for action in actions {
            self.action(now, action)?;
        }
        if actions.iter().any(|action| matches!(action, Action::Ring { .. })) {
            oldest_first(actions, before, after)?;
        }
        self.cut_off.clear();
        if let Some(order) = self.orders.iter().find(|order| order.must_end.is_some()) {
            hold!(false, EndsOnce, "order {} goes on, though its attempt failed so that it ends", order.order.0);
        }
        let stands = after.orders().map(|view| view.order);
        hold!(
            stands.eq(self.orders()),
            EndsOnce,
            "the orders that stand are not those that were accepted and have not ended"
        );
        hold!(
            self.recalls.len() <= after.limits().recalls_at_once as usize,
            Limits,
            "{} recalls at once",
            self.recalls.len()
        );
        self.rings.retain(|ring| ring + 1_000 > now);
        hold!(
            self.rings.len() <= after.limits().recalls_per_second as usize,
            Limits,
            "{} recalls begin in a second",
            self.rings.len()
        );
        if actions.iter().any(|action| matches!(action, Action::Step { step: Step::Accepted { .. }, .. })) {
            self.learn(after);
        }
        hold!(
            self.orders.len() <= after.limits().orders_total as usize,
            Limits,
            "{} orders stand in the engine",
            self.orders.len()
        );
        // What the engine has forgotten it may say nothing about, and need not remember.
        self.lines.retain(|line| {
            let heard = line.service.is_some() || line.busy.is_some() || line.registered.is_some();
            heard && after.knows(&line.number)
        });
        self.lines.sort_unstable_by(|one, other| one.number.cmp(&other.number));
        Ok(())
    }

    fn action(&mut self, now: Millis, action: &Action) -> Result<(), Breach> {
        if let Action::Step { order, caller, callee, step: Step::Accepted { due, expires, .. } } = action {
            return self.accepted(*order, caller, callee, *due, *expires);
        }
        let (recall, order, open) = match action {
            Action::Reply { .. } => return Ok(()),
            Action::Step { order, step, .. } => return self.told(now, *order, step),
            Action::Ring { recall, order, caller, callee, .. } => {
                return self.rung(now, *recall, *order, caller, callee);
            }
            Action::Play { recall, order, play, .. } => (*recall, *order, Open::Play(*play)),
            Action::Connect { recall, order, .. } => (*recall, *order, Open::Connect),
            Action::Release { recall, order, .. } => (*recall, *order, Open::Release),
        };
        hold!(self.orders().any(|stands| stands == order), NothingAfterTheEnd, "order {}: {action:?}", order.0);
        if open == Open::Connect {
            self.called(order);
        }
        let Some(found) = self.recalls.iter_mut().find(|found| found.recall == recall && found.order == order) else {
            return Err(Breach {
                rule: Rule::NothingAfterTheEnd,
                what: format!("recall {} is over: {action:?}", recall.0),
            });
        };
        found.open = open;
        // Why a call failed is told before it is released.
        found.failed |= matches!(open, Open::Release | Open::Play(2));
        if open == Open::Release {
            found.given_up = Some(now + 10_000);
        }
        Ok(())
    }

    fn called(&mut self, order: OrderId) {
        let Some(index) = self.orders.iter().position(|found| found.order == order) else { return };
        let known = self.seen(&self.orders[index].callee).is_some_and(|line| line.busy.is_some());
        self.orders[index].known_when_called = known;
    }

    fn accepted(
        &mut self,
        order: OrderId,
        caller: &Number,
        callee: &Number,
        due: Option<Millis>,
        expires: Millis,
    ) -> Result<(), Breach> {
        hold!(order.0 > self.last_order, EndsOnce, "order {}: an identity given twice", order.0);
        self.last_order = order.0;
        let Some(profile) = self.seen(caller).and_then(|line| line.service.clone()) else {
            return Err(Breach { rule: Rule::ToldAsHeard, what: format!("{caller} may not order") });
        };
        hold!(due.is_some() == profile.attempts().is_some(), ToldAsHeard, "order {}: its CB timer", order.0);
        let placed = self.orders.iter().filter(|order| order.caller == *caller).count();
        hold!(placed < profile.orders_per_caller as usize, Limits, "{caller} has {placed} orders already");
        let waiting = self.orders.iter().filter(|order| order.callee == *callee).count();
        hold!(waiting < profile.waiting_per_callee as usize, Limits, "{waiting} orders wait for {callee} already");
        let twice = self.orders.iter().any(|order| order.caller == *caller && order.callee == *callee);
        hold!(!twice, Limits, "{caller} has an order for {callee} already");
        hold!(caller != callee, Limits, "{caller} orders itself");
        self.orders.push(Standing {
            order,
            caller: caller.clone(),
            callee: callee.clone(),
            profile,
            kind: OrderKind::Busy,
            attempts: 0,
            expires,
            earliest: due,
            suspended: false,
            resumed_from: 0,
            new_call: false,
            known_when_called: false,
            must_end: None,
        });
        Ok(())
    }

    /// The rules about when an attempt may begin.
    fn rung(
        &mut self,
        now: Millis,
        recall: RecallId,
        order: OrderId,
        caller: &Number,
        callee: &Number,
    ) -> Result<(), Breach> {
        let id = order.0;
        let Some(index) = self.orders.iter().position(|found| found.order == order) else {
            return Err(Breach { rule: Rule::NothingAfterTheEnd, what: format!("order {id}: rung") });
        };
        let standing = &self.orders[index];
        hold!(standing.caller == *caller && standing.callee == *callee, ToldAsHeard, "order {id}: other lines");
        hold!(now < standing.expires, NoAttemptAfterLife, "order {id}: rung after its life");
        let busy = |number: &Number| self.seen(number).and_then(|line| line.busy);
        hold!(busy(caller) != Some(true), NoBusyCaller, "order {id}: {caller} is rung though known to be busy");
        hold!(
            !standing.suspended && standing.earliest.is_some_and(|earliest| earliest <= now),
            NotBeforeItsTime,
            "order {id}: rung before its timer, or while it is suspended or waits for its callee"
        );
        if standing.is_ccbs() {
            let phone = self.seen(callee).and_then(|line| line.registered);
            hold!(busy(callee) != Some(true), NoAwayCallee, "order {id}: rung though {callee} is known to be busy");
            hold!(phone != Some(false), NoAwayCallee, "order {id}: rung though {callee} has no phone");
            let new_call = standing.kind != OrderKind::NoReply || standing.new_call || busy(callee).is_none();
            hold!(new_call, NoAwayCallee, "order {id}: rung though {callee} had no new call");
        }
        for other in &self.recalls {
            let apart = [caller, callee].iter().all(|line| **line != other.caller && **line != other.callee);
            hold!(apart, OneRecallALine, "order {id}: a line is in the recall of order {}", other.order.0);
        }
        (self.orders[index].suspended, self.orders[index].known_when_called) = (false, false);
        self.recalls.push(Recall {
            recall,
            order,
            caller: caller.clone(),
            callee: callee.clone(),
            open: Open::Ring,
            failed: false,
            given_up: None,
        });
        self.rings.push(now);
        for order in &mut self.orders {
            if order.caller == *caller || order.caller == *callee {
                order.resumed_from = 0;
            }
        }
        Ok(())
    }

    /// The rules about the life of an order.
    fn told(&mut self, now: Millis, order: OrderId, step: &Step) -> Result<(), Breach> {
        let id = order.0;
        let Some(index) = self.orders.iter().position(|found| found.order == order) else {
            return Err(Breach { rule: Rule::NothingAfterTheEnd, what: format!("order {id}: {step:?}") });
        };
        let busy = |number: &Number| self.seen(number).and_then(|line| line.busy);
        let (of_caller, of_callee) = (busy(&self.orders[index].caller), busy(&self.orders[index].callee));
        let standing = &mut self.orders[index];
        let must_end = standing.must_end.take();
        if let Some(reason) = must_end {
            hold!(
                *step == Step::Ended { reason },
                EndsOnce,
                "order {id}: {step:?} where its attempt failed so that it ends {}",
                reason.as_str()
            );
        }
        match step {
            Step::Accepted { .. } | Step::CallerAnswered | Step::CalleeCalled => {}
            Step::AttemptBegan { attempt, attempts } => {
                standing.attempts += 1;
                hold!(*attempts == standing.profile.attempts(), AttemptsWithinNumber, "order {id}: of {attempts:?}");
                hold!(
                    *attempt == standing.attempts && attempts.is_none_or(|most| *attempt <= most),
                    AttemptsWithinNumber,
                    "order {id}: attempt {attempt} of {attempts:?} is its {}",
                    standing.attempts
                );
            }
            Step::AttemptFailed { due, failure, .. } => {
                (standing.earliest, standing.suspended) = (*due, false);
                if self.cut_off.contains(&order) {
                    standing.attempts -= 1;
                } else {
                    standing.must_end = standing.ends_by(*failure);
                }
                self.over_of(now, order);
            }
            Step::CalleeFree { due } => {
                let Drive::Release { callee_idle_guard_s, .. } = standing.profile.drive else {
                    return Err(Breach { rule: Rule::ToldAsHeard, what: format!("order {id}: autodial, {step:?}") });
                };
                let guard = Millis::from(callee_idle_guard_s) * 1_000;
                hold!(*due == now + guard, NotBeforeItsTime, "order {id}: the guard of its callee ends at {due}");
                hold!(of_callee != Some(true), ToldAsHeard, "order {id}: its callee is busy, not free");
                (standing.earliest, standing.suspended) = (Some(*due), false);
            }
            Step::Polling { due } => {
                hold!(standing.is_ccbs() && *due >= now, ToldAsHeard, "order {id}: polls until {due}");
                (standing.earliest, standing.suspended) = (Some(*due), false);
            }
            Step::CalleeBusy => {
                hold!(standing.is_ccbs(), ToldAsHeard, "order {id}: autodial waits for no callee");
                (standing.earliest, standing.suspended) = (None, false);
            }
            Step::Suspended => {
                hold!(of_caller == Some(true), ToldAsHeard, "order {id}: suspended though its caller is not busy");
                (standing.suspended, standing.resumed_from) = (true, 0);
            }
            Step::Resumed => {
                hold!(standing.suspended, ToldAsHeard, "order {id}: resumed though not suspended");
                hold!(now >= standing.resumed_from, CallerGuard, "order {id}: resumed within its caller's guard");
                standing.suspended = false;
            }
            Step::TurnedNoReply { expires } => {
                hold!(standing.is_ccbs() && *expires >= standing.expires, ToldAsHeard, "order {id}: turns into NR");
                (standing.kind, standing.new_call, standing.expires) = (OrderKind::NoReply, false, *expires);
            }
            Step::Ended { reason } => self.ended(now, index, *reason, must_end)?,
        }
        Ok(())
    }

    fn ended(
        &mut self,
        now: Millis,
        index: usize,
        reason: EndReason,
        must_end: Option<EndReason>,
    ) -> Result<(), Breach> {
        let standing = self.orders.remove(index);
        let id = standing.order.0;
        let by_failure = matches!(
            reason,
            EndReason::CallerNoAnswer
                | EndReason::CalleeNoAnswer
                | EndReason::CalleeDeclined
                | EndReason::AttemptsExhausted
        );
        hold!(!by_failure || must_end.is_some(), EndsOnce, "order {id}: ended {} for no failure", reason.as_str());
        hold!(
            reason != EndReason::Expired || now >= standing.expires,
            EndsOnce,
            "order {id}: expired before its life was over"
        );
        // Other ends in a recall leave its lines in it until its legs are gone.
        if reason == EndReason::Completed {
            self.over_of(now, standing.order);
        }
        Ok(())
    }

    /// Learns the kind of the orders that are new.
    fn learn(&mut self, engine: &Engine) {
        for order in &mut self.orders {
            if let Some(look) = engine.look(order.order) {
                order.kind = look.kind;
            }
        }
    }

    /// Appends what decides what will be a breach, in the form of [`Engine::canonical`].
    pub fn canonical(&self, now: Millis, out: &mut Vec<u8>) {
        let form = &mut crate::canonical::Bytes(out);
        let left = |until: Millis| until.saturating_sub(now);
        self.lines.len().hash(form);
        for line in &self.lines {
            (&line.number, &line.service, line.busy, line.registered).hash(form);
        }
        self.orders.len().hash(form);
        for order in &self.orders {
            (&order.caller, &order.callee, &order.profile, order.kind).hash(form);
            order.profile.attempts().map(|_| order.attempts).hash(form);
            (left(order.expires), order.earliest.map(left)).hash(form);
            (order.suspended, order.suspended.then(|| left(order.resumed_from))).hash(form);
            order.new_call.hash(form);
        }
        for recall in &self.recalls {
            let order = self.orders.iter().position(|order| order.order == recall.order);
            (order, &recall.caller, &recall.callee, recall.open, recall.failed).hash(form);
            order.map(|index| self.orders[index].known_when_called).hash(form);
            recall.given_up.map(left).hash(form);
        }
        self.recalls.len().hash(form);
        self.over.is_some().hash(form);
        for &ring in &self.rings {
            form.write_u64(now - ring);
        }
    }
}

/// Of eligible orders that exclude each other the oldest goes first: none that is older than a rung one, for the same
/// callee or of its callee for its caller, was eligible and still waits.
fn oldest_first(actions: &[Action], before: &Engine, after: &Engine) -> Result<(), Breach> {
    for action in actions {
        let Action::Ring { order, caller, callee, .. } = action else { continue };
        for older in after.orders().take_while(|older| older.order < *order) {
            let same = older.callee == *callee;
            let reverse = older.callee == *caller && older.caller == *callee;
            let Some(look) = after.look(older.order).filter(|look| look.state == State::Queued && (same || reverse))
            else {
                continue;
            };
            let was_eligible = before.look(older.order).is_some_and(|look| look.eligible);
            hold!(
                !(was_eligible || same && look.caller.recall.is_none()),
                OldestFirst,
                "order {} is rung before order {}, which is older and eligible",
                order.0,
                older.order.0
            );
        }
    }
    Ok(())
}
