//! The engine: time, timers, and the way of an event through them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::mem;
use std::sync::Arc;

use ccbs_timers::{Handle, Wheel};
use serde::{Deserialize, Serialize};

use crate::action::{Action, AttemptFailure};
use crate::counters::{Counter, Counters};
use crate::effects::Told;
use crate::error::EngineError;
use crate::event::Event;
use crate::life::{Input, State};
use crate::line::Lines;
use crate::order::{Order, Orders};
use crate::profile::{Limits, OutOfRange};
use crate::{LineId, Millis, Number, OrderId, RecallId};

/// The latest time that the engine counts to (Unix ms): beyond it there is still room for every timer.
pub(crate) const LATEST: Millis = 1 << 62;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// The timer of an order's state: CB timer, guard time, wait, or the outside's time to answer. Void unless
    /// `armed` is still the order's.
    State { slot: u32, armed: u64 },
    /// An order's life.
    Life { slot: u32, order: OrderId },
    /// The earliest end of an offer window of a line.
    Offers { line: u32 },
    /// The limit on recalls per second lets the next one begin.
    Pace,
}

/// Call back on busy as a state machine: events and time in, actions out.
///
/// It reads no clock: time is what it is told, in Unix milliseconds, and it never runs backwards.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) limits: Limits,
    pub(crate) now: Millis,
    pub(crate) lines: Lines,
    pub(crate) orders: Orders,
    /// The recalls in progress, with the slot of their order.
    pub(crate) recalls: HashMap<RecallId, u32, BuildHasherDefault<DefaultHasher>>,
    /// The eligible orders, by (since when, age), with their slot.
    pub(crate) eligible: BTreeSet<(Millis, OrderId, u32)>,
    /// When recalls began, those of the last second at least.
    pub(crate) begun: VecDeque<Millis>,
    pub(crate) wheel: Wheel<Timer>,
    pub(crate) pace: Option<Handle>,
    pub(crate) next_order: u64,
    pub(crate) next_recall: u64,
    pub(crate) next_armed: u64,
    pub(crate) counters: Counters,
    /// While the orders are told of a restart, one after the other.
    pub(crate) restarting: bool,
    due: Vec<(Millis, Timer)>,
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
            orders: Orders::default(),
            recalls: HashMap::default(),
            eligible: BTreeSet::new(),
            begun: VecDeque::new(),
            wheel: Wheel::new(0),
            pace: None,
            next_order: 1,
            next_recall: 1,
            next_armed: 1,
            counters: Counters::default(),
            restarting: false,
            due: Vec::new(),
        })
    }

    /// Takes an event that happened at `now` (Unix ms) and appends what is to be done to `out`.
    ///
    /// Timers due by `now` are handled first. A `now` earlier than the engine's own time is taken as the
    /// engine's own time and counted. An event that is refused changes nothing, but `out` may have got
    /// actions of timers that were due.
    pub fn apply(&mut self, now: Millis, event: &Event, out: &mut Vec<Action>) -> Result<(), EngineError> {
        self.advance(now, out);
        let result = self.handle(event, out);
        if result.is_err() {
            self.counters.add(Counter::EventsRefused);
        }
        self.settle(out);
        result
    }

    /// Moves time to `now` (Unix ms): handles the timers due by then and appends what is to be done to `out`.
    pub fn advance(&mut self, now: Millis, out: &mut Vec<Action>) {
        if now < self.now {
            self.counters.add(Counter::TimeWentBack);
        } else if now > LATEST {
            self.counters.add(Counter::TimeTooLate);
            self.now = LATEST;
        } else {
            self.now = now;
        }
        self.settle(out);
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
        let slot = match self.lines.by_number(number) {
            Some(slot) => slot,
            None => self.lines.intern_number(&Arc::from(number))?,
        };
        self.lines[slot].pinned = true;
        Ok(LineId(slot))
    }

    /// The number of a handle, or `None` if [`Engine::line`] did not give it.
    pub fn number(&self, line: LineId) -> Option<Number> {
        let slot = self.lines.handle(line).ok()?;
        Some(self.lines[slot].number.clone())
    }

    /// Handles the timers that are due, then lets eligible orders have their turn.
    fn settle(&mut self, out: &mut Vec<Action>) {
        loop {
            let mut due = mem::take(&mut self.due);
            self.wheel.expire(self.now, &mut due);
            let done = due.is_empty();
            for (_, timer) in due.drain(..) {
                self.fire(timer, out);
            }
            self.due = due;
            if done {
                break;
            }
        }
        // Not before the last timer: an order whose life is over by now must not begin an attempt.
        self.give_turns(out);
    }

    fn fire(&mut self, timer: Timer, out: &mut Vec<Action>) {
        match timer {
            Timer::State { slot, armed } => {
                // Timers due in one batch were all taken from the wheel before the first was handled.
                let Some(state) = self.orders.get(slot).filter(|order| order.armed == armed).map(|order| order.state)
                else {
                    return;
                };
                self.orders[slot].armed = 0;
                self.orders[slot].timer = None;
                match state {
                    State::Waiting => self.input(slot, Input::CbTimer, Told::Nothing, out),
                    State::CalleeGuard | State::Guarding | State::Pausing => {
                        self.input(slot, Input::GuardOver, Told::Nothing, out)
                    }
                    State::Polling | State::Retrying => self.input(slot, Input::WaitOver, Told::Nothing, out),
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
            Timer::Life { slot, order } => {
                // An order that has just turned into kind NR has another life than the timer knew.
                let over = |found: &Order| found.id == order && found.life.is_some() && found.expires <= self.now;
                if self.orders.get(slot).is_some_and(over) {
                    self.orders[slot].life = None;
                    self.input(slot, Input::LifeOver, Told::Nothing, out);
                }
            }
            Timer::Offers { line } => self.lapse_offers(line),
            Timer::Pace => self.pace = None,
        }
    }

    /// Sets the timer of an order's state.
    pub(crate) fn arm(&mut self, slot: u32, after: Millis) {
        let armed = self.next_armed;
        self.next_armed += 1;
        let handle = self.wheel.insert(self.now + after, Timer::State { slot, armed });
        let order = &mut self.orders[slot];
        order.armed = armed;
        order.timer = Some(handle);
    }

    /// Takes the timer of an order's state back.
    pub(crate) fn disarm(&mut self, slot: u32) {
        let order = &mut self.orders[slot];
        order.armed = 0;
        order.due = None;
        if let Some(handle) = order.timer.take() {
            self.wheel.cancel(handle);
        }
    }
}
