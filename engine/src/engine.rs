//! The engine: time, timers, and the way of an event through them.

use std::collections::VecDeque;
use std::mem;

use ccbs_timers::{Handle, Wheel};

use crate::action::{Action, AttemptFailure};
use crate::counters::{Counter, Counters};
use crate::effects::Told;
use crate::eligible::Eligible;
use crate::error::EngineError;
use crate::event::Event;
use crate::life::{Input, State};
use crate::line::Lines;
use crate::offer::Offers;
use crate::order::{List, Order, Orders, Walk};
use crate::profile::{Limits, OutOfRange, Profile};
use crate::profiles::Profiles;
use crate::recall::{Recall, Recalls};
use crate::token::{Timer, Token};
use crate::{LineId, Millis, Number};

/// The latest time that the engine counts to (Unix ms): beyond it there is still room for every timer.
pub(crate) const LATEST: Millis = 1 << 62;

/// Call back on busy as a state machine: events and time in, actions out.
///
/// It reads no clock: time is what it is told, in Unix milliseconds, and it never runs backwards.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) limits: Limits,
    pub(crate) now: Millis,
    pub(crate) lines: Lines,
    pub(crate) offers: Offers,
    pub(crate) profiles: Profiles,
    pub(crate) orders: Orders,
    pub(crate) recalls: Recalls,
    pub(crate) eligible: Eligible,
    /// When recalls began, those of the last second at least.
    pub(crate) begun: VecDeque<Millis>,
    pub(crate) wheel: Wheel<Token>,
    pub(crate) pace: Option<Handle>,
    pub(crate) next_order: u64,
    pub(crate) next_recall: u64,
    pub(crate) counters: Counters,
    /// While the orders are told of a restart, one after the other.
    pub(crate) restarting: bool,
    due: Vec<(Millis, Token)>,
}

impl Engine {
    /// An engine without lines and orders.
    ///
    /// Returns `OutOfRange` for a limit outside its range (standards.md, "Settings").
    pub fn new(limits: Limits) -> Result<Self, OutOfRange> {
        limits.check()?;
        Ok(Self {
            limits,
            now: 0,
            lines: Lines::default(),
            offers: Offers::default(),
            profiles: Profiles::default(),
            orders: Orders::default(),
            recalls: Recalls::default(),
            eligible: Eligible::default(),
            begun: VecDeque::new(),
            wheel: Wheel::new(0),
            pace: None,
            next_order: 1,
            next_recall: 1,
            counters: Counters::default(),
            restarting: false,
            due: Vec::new(),
        })
    }

    /// Takes an event that happened at `now` (Unix ms) and appends what is to be done to `out`.
    ///
    /// Timers due by `now` are handled first, but after [`Event::Restarted`]: nobody was there when they ran out, so
    /// what they say of a recall is no outcome of it. A `now` earlier than the engine's own time is taken as the
    /// engine's own time and counted. An event that is refused changes nothing, but `out` may have got
    /// actions of timers that were due.
    pub fn apply(&mut self, now: Millis, event: &Event, out: &mut Vec<Action>) -> Result<(), EngineError> {
        if *event == Event::Restarted {
            self.pass(now);
        } else {
            self.advance(now, out);
        }
        let result = self.handle(event, out);
        if result.is_err() {
            self.counters.add(Counter::EventsRefused);
        }
        self.settle(out);
        result
    }

    /// Goes on at `now` (Unix ms) after the process has started anew, as after [`Event::Restarted`], with `limits`
    /// instead of those before.
    ///
    /// What there is already stays: where a limit is lower than the orders that stand or the offers of one
    /// caller, it is as high as they are.
    ///
    /// Returns `OutOfRange` for a limit outside its range; then nothing has changed.
    pub fn restart(&mut self, now: Millis, limits: &Limits, out: &mut Vec<Action>) -> Result<(), OutOfRange> {
        limits.check()?;
        self.pass(now);
        self.restarted(out);
        let standing = u32::try_from(self.orders.len()).unwrap_or(u32::MAX);
        self.limits = Limits {
            orders_total: limits.orders_total.max(standing),
            offers_per_caller: limits.offers_per_caller.max(self.most_offers()),
            ..limits.clone()
        };
        let surplus = self.begun.len().saturating_sub(self.limits.recalls_per_second as usize);
        self.begun.drain(..surplus);
        self.settle(out);
        Ok(())
    }

    /// Moves time to `now` (Unix ms): handles the timers due by then and appends what is to be done to `out`.
    pub fn advance(&mut self, now: Millis, out: &mut Vec<Action>) {
        self.pass(now);
        self.settle(out);
    }

    /// Moves time, and lets the timers be.
    fn pass(&mut self, now: Millis) {
        if now < self.now {
            self.counters.add(Counter::TimeWentBack);
        } else if now > LATEST {
            self.counters.add(Counter::TimeTooLate);
            self.now = LATEST;
        } else {
            self.now = now;
        }
    }

    /// How many timers are set.
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }

    /// When the engine wants to be called next at the latest (Unix ms); `None` when nothing is under way.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.wheel.next_deadline()
    }

    /// The engine's time (Unix ms): the latest that it was told.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The handle of a number, for events that need not look the number up again. The engine then keeps the
    /// number for its whole life; a number not seen before becomes an external line.
    pub fn line(&mut self, number: &str) -> Result<LineId, EngineError> {
        let slot = self.lines.intern_number(number)?;
        self.lines.pin(slot);
        Ok(LineId(slot))
    }

    /// Whether a number may be a line's.
    pub fn check_number(number: &str) -> Result<(), EngineError> {
        crate::line::check_number(number)
    }

    /// The number of a handle, or `None` if [`Engine::line`] did not give it.
    pub fn number(&self, line: LineId) -> Option<Number> {
        let slot = self.lines.handle(line).ok()?;
        Some(self.lines.number(slot).clone())
    }

    /// Handles the timers that are due, then lets eligible orders have their turn.
    fn settle(&mut self, out: &mut Vec<Action>) {
        loop {
            let mut due = mem::take(&mut self.due);
            self.wheel.expire(self.now, &mut due);
            let done = due.is_empty();
            self.note_expired(&due);
            for (_, token) in due.drain(..) {
                self.fire(token.into(), out);
            }
            self.due = due;
            if done {
                break;
            }
        }
        // Not before the last timer: an order whose life is over by now must not begin an attempt.
        self.give_turns(out);
    }

    /// A recall outlives its order's life, which the timer then no longer knows.
    fn note_expired(&mut self, due: &[(Millis, Token)]) {
        for &(deadline, token) in due {
            if let Timer::Life { slot } = token.into()
                && let Some(recall) = self.orders.get(slot).and_then(Order::recall)
            {
                self.recalls[recall].expired = deadline;
            }
        }
    }

    fn fire(&mut self, timer: Timer, out: &mut Vec<Action>) {
        match timer {
            Timer::State { slot } => {
                let order = self.orders.get(slot).filter(|order| self.has_run_out(order.timer));
                let Some(state) = order.map(|order| order.state) else { return };
                self.orders[slot].timer = None;
                match state {
                    State::Waiting => self.input(slot, Input::CbTimer, Told::Nothing, out),
                    State::CalleeGuard | State::Guarding | State::Pausing => {
                        self.input(slot, Input::GuardOver, Told::Nothing, out)
                    }
                    State::Polling | State::Retrying | State::RetryingCaller => {
                        self.input(slot, Input::WaitOver, Told::Nothing, out)
                    }
                    state => {
                        self.counters.add(match state {
                            State::Ringing => Counter::OverdueRing,
                            State::Announcing | State::Telling => Counter::OverduePlay,
                            State::Calling => Counter::OverdueConnect,
                            _ => Counter::OverdueRelease,
                        });
                        self.input(slot, Input::Overdue, Told::Failure(AttemptFailure::SwitchFailed), out)
                    }
                };
            }
            Timer::Life { slot } => {
                // An order that has just turned into kind NR has another life than this timer's.
                if self.orders.get(slot).is_some_and(|order| self.has_run_out(order.life)) {
                    self.orders[slot].life = None;
                    self.input(slot, Input::LifeOver, Told::Nothing, out);
                }
            }
            Timer::Offers { line } => self.lapse_offers(line),
            Timer::Pace => self.pace = None,
        }
    }

    /// Whether a timer has run out. Those due in one batch were all taken from the wheel before the first is
    /// handled; in between an order may have taken its timer back, or set another.
    fn has_run_out(&self, timer: Option<Handle>) -> bool {
        timer.is_some_and(|timer| self.wheel.deadline(timer).is_none())
    }

    /// Sets the timer of an order's state; when it is due.
    pub(crate) fn arm(&mut self, slot: u32, after: Millis) -> Millis {
        let due = self.now + after;
        self.orders[slot].timer = Some(self.wheel.insert(due, Timer::State { slot }.into()));
        due
    }

    /// Takes the timer of an order's state back.
    pub(crate) fn disarm(&mut self, slot: u32) {
        if let Some(timer) = self.orders[slot].timer.take() {
            self.wheel.cancel(timer);
        }
    }

    /// Sets the timer of an order's life.
    pub(crate) fn start_life(&mut self, slot: u32, expires: Millis) {
        self.stop_life(slot);
        self.orders[slot].life = Some(self.wheel.insert(expires, Timer::Life { slot }.into()));
    }

    /// Takes the timer of an order's life back.
    pub(crate) fn stop_life(&mut self, slot: u32) {
        if let Some(life) = self.orders[slot].life.take() {
            self.wheel.cancel(life);
        }
    }

    /// When the CB timer, the callee's guard or a wait of an order is over, while it runs.
    pub(crate) fn due(&self, slot: u32) -> Option<Millis> {
        let order = &self.orders[slot];
        let shown = matches!(
            order.state,
            State::Waiting | State::CalleeGuard | State::Polling | State::Retrying | State::RetryingCaller
        );
        order.timer.filter(|_| shown).and_then(|timer| self.wheel.deadline(timer))
    }

    /// When the life of an order that stands is over.
    pub(crate) fn expires(&self, slot: u32) -> Millis {
        let order = &self.orders[slot];
        let runs = order.life.and_then(|life| self.wheel.deadline(life));
        runs.unwrap_or_else(|| self.recall_of(slot).expired)
    }

    /// The recall of an order that has one in progress.
    pub(crate) fn recall_of(&self, slot: u32) -> &Recall {
        &self.recalls[self.orders[slot].recall().expect("an order in a state of recall has one")]
    }

    pub(crate) fn recall_of_mut(&mut self, slot: u32) -> &mut Recall {
        &mut self.recalls[self.orders[slot].recall().expect("an order in a state of recall has one")]
    }

    /// The profile of an order.
    pub(crate) fn profile(&self, slot: u32) -> &Profile {
        &self.profiles[self.orders[slot].profile]
    }

    /// The orders that a line placed, oldest first.
    pub(crate) fn placed(&self, line: u32) -> impl Iterator<Item = u32> + '_ {
        self.orders.list(List::Placed, self.lines.ties(line).placed)
    }

    /// The orders for a line, oldest first: the callee's queue.
    pub(crate) fn waiting(&self, line: u32) -> impl Iterator<Item = u32> + '_ {
        self.orders.list(List::Waiting, self.lines.ties(line).waiting)
    }

    /// A way through the orders that a line placed, while they change but none is added or ends.
    pub(crate) fn walk_placed(&self, line: u32) -> Walk {
        self.orders.walk(List::Placed, self.lines.ties(line).placed)
    }

    /// The same for the orders for a line.
    pub(crate) fn walk_waiting(&self, line: u32) -> Walk {
        self.orders.walk(List::Waiting, self.lines.ties(line).waiting)
    }
}
