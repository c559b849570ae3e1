//! One who watches what goes into an engine and what comes out, and holds it to the rules of the service.
//!
//! What it knows of lines, orders and recalls it has from the events and actions alone. Of the engine it asks which
//! orders stand and which of them are queued, to see that the oldest eligible one goes first.

mod hear;
mod see;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::canonical::Bytes;
use crate::{AttemptFailure, Drive, EndReason, Engine, Event, Millis, Number, OrderId, OrderKind, Profile, RecallId};

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
#[allow(clippy::struct_excessive_bools)] // What is known of an order are facts that do not exclude each other.
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
    /// Profile `ccbs`: whether its caller's phone was not reached by the last attempt, and no more is known since.
    caller_not_reached: bool,
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
    /// The attempt of an order does not count that a restart cut off, or that was not even tried.
    void: Vec<OrderId>,
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
        let form = &mut Bytes(out);
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
            (order.new_call, order.caller_not_reached).hash(form);
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
