//! The invariants that can be told from outside, at every step of the engine.

use std::collections::{BTreeMap, VecDeque};

use ccbs_engine::life::State;
use ccbs_engine::{Action, AttemptFailure, Engine, Event, LineRef, OrderId, Step};

use crate::office::index_of;
use crate::settings::Settings;

/// What is known of an order that stands.
struct Standing {
    caller: u32,
    callee: u32,
    expires: u64,
    attempts: u32,
    /// Whether the switch started anew since: then the last attempt may not have counted.
    restarted: bool,
}

impl Standing {
    fn begins(&mut self, order: OrderId, attempt: u32, attempts: Option<u32>) -> Result<(), String> {
        let next = attempt == self.attempts + 1 || (self.restarted && attempt == self.attempts);
        self.attempts = attempt;
        self.restarted = false;
        if !next {
            return Err(format!("order {}: attempt {attempt} does not follow the last one", order.0));
        }
        if attempts.is_some_and(|most| attempt > most) {
            return Err(format!("order {}: attempt {attempt} is one too many", order.0));
        }
        Ok(())
    }
}

/// The line's state as the engine was told, and what it is in.
#[derive(Default, Clone)]
struct Seen {
    busy: bool,
    /// The order whose recall holds it; 0 is none.
    held: u64,
    placed: u32,
    waiting: u32,
}

/// Looks at every event and action.
pub(crate) struct Watch {
    lines: Vec<Seen>,
    orders: BTreeMap<u64, Standing>,
    last_order: u64,
    recalls: u32,
    begun: VecDeque<u64>,
    attempts: Option<u32>,
    orders_per_caller: u32,
    waiting_per_callee: u32,
    recalls_at_once: u32,
    recalls_per_second: u32,
    orders_total: usize,
    /// Inputs and actions looked at.
    pub(crate) steps: u64,
}

impl Watch {
    pub(crate) fn new(settings: &Settings, lines: u32) -> Self {
        let (profile, limits) = (&settings.profile, &settings.limits);
        Self {
            lines: vec![Seen::default(); lines as usize],
            orders: BTreeMap::new(),
            last_order: 0,
            recalls: 0,
            begun: VecDeque::new(),
            attempts: profile.attempts(),
            orders_per_caller: profile.orders_per_caller,
            waiting_per_callee: profile.waiting_per_callee,
            recalls_at_once: limits.recalls_at_once,
            recalls_per_second: limits.recalls_per_second,
            orders_total: limits.orders_total as usize,
            steps: 0,
        }
    }

    /// Notes a fact before the engine is told.
    pub(crate) fn fact(&mut self, event: &Event) {
        self.steps += 1;
        let (line, busy) = match event {
            Event::LineBusy { line } => (line, true),
            Event::LineFree { line } | Event::LineUnknown { line } | Event::LineRemoved { line } => (line, false),
            Event::Restarted => {
                self.lines.iter_mut().for_each(|line| line.busy = false);
                self.orders.values_mut().for_each(|order| order.restarted = true);
                return;
            }
            _ => return,
        };
        let LineRef::Id(id) = line else { return };
        if let Some(seen) = self.lines.get_mut(id.0 as usize) {
            seen.busy = busy;
        }
    }

    /// Checks what the engine said in answer to one input.
    pub(crate) fn actions(&mut self, now: u64, actions: &[Action], engine: &Engine) -> Result<(), String> {
        for action in actions {
            self.steps += 1;
            let order = match action {
                Action::Reply { .. } => continue,
                Action::Step { order, caller, callee, step: Step::Accepted { expires, .. } } => {
                    self.accepted(*order, index_of(caller), index_of(callee), *expires)?;
                    continue;
                }
                Action::Ring { order, .. }
                | Action::Play { order, .. }
                | Action::Connect { order, .. }
                | Action::Release { order, .. }
                | Action::Step { order, .. } => *order,
            };
            let Some(standing) = self.orders.get_mut(&order.0) else {
                return Err(format!("order {}: has ended, but {action:?}", order.0));
            };
            match action {
                Action::Ring { .. } => self.rung(now, order, engine)?,
                Action::Step { step: Step::AttemptBegan { attempt, attempts }, .. } => {
                    standing.begins(order, *attempt, *attempts)?;
                    if *attempts != self.attempts {
                        return Err(format!("order {}: of {attempts:?} attempts, not {:?}", order.0, self.attempts));
                    }
                }
                Action::Step { step: Step::AttemptFailed { failure, .. }, .. } => {
                    standing.attempts -= u32::from(*failure == AttemptFailure::NotTried);
                    self.free(order.0);
                }
                Action::Step { step: Step::TurnedNoReply { expires }, .. } => standing.expires = *expires,
                Action::Step { step: Step::Ended { .. }, .. } => {
                    self.free(order.0);
                    if let Some(ended) = self.orders.remove(&order.0) {
                        self.lines[ended.caller as usize].placed -= 1;
                        self.lines[ended.callee as usize].waiting -= 1;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that nothing is left when everything is over.
    pub(crate) fn at_the_end(&self, engine: &Engine) -> Result<(), String> {
        if let Some(order) = self.orders.keys().next() {
            return Err(format!("order {order}: never ended"));
        }
        let (orders, lines) = (engine.orders().count(), engine.lines().count());
        if orders > 0 || lines != self.lines.len() || engine.next_deadline().is_some() {
            return Err(format!("at the end {orders} orders, {lines} lines or a timer are kept that nothing needs"));
        }
        Ok(())
    }

    fn accepted(&mut self, order: OrderId, caller: u32, callee: u32, expires: u64) -> Result<(), String> {
        if order.0 <= self.last_order {
            return Err(format!("order {}: an identity given twice", order.0));
        }
        self.last_order = order.0;
        self.lines[caller as usize].placed += 1;
        self.lines[callee as usize].waiting += 1;
        if self.lines[caller as usize].placed > self.orders_per_caller {
            return Err(format!("order {}: one more than its caller may have", order.0));
        }
        if self.lines[callee as usize].waiting > self.waiting_per_callee {
            return Err(format!("order {}: one more than may wait for its callee", order.0));
        }
        if self.orders.len() >= self.orders_total {
            return Err(format!("order {}: one more than the engine may hold", order.0));
        }
        self.orders.insert(order.0, Standing { caller, callee, expires, attempts: 0, restarted: false });
        Ok(())
    }

    /// An attempt begins.
    fn rung(&mut self, now: u64, order: OrderId, engine: &Engine) -> Result<(), String> {
        let number = order.0;
        let Some(standing) = self.orders.get(&number) else { return Ok(()) };
        let (caller, callee) = (standing.caller as usize, standing.callee as usize);
        if now >= standing.expires {
            return Err(format!("order {number}: an attempt begins after its life"));
        }
        if self.lines[caller].busy {
            return Err(format!("order {number}: its caller is rung though known busy"));
        }
        for line in [caller, callee] {
            if self.lines[line].held != 0 {
                return Err(format!("order {number}: a line is in the recall of order {}", self.lines[line].held));
            }
            self.lines[line].held = number;
        }
        self.recalls += 1;
        if self.recalls > self.recalls_at_once {
            return Err(format!("order {number}: one recall more than may be at once"));
        }
        while self.begun.front().is_some_and(|&begun| begun + 1_000 <= now) {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
        if self.begun.len() > self.recalls_per_second as usize {
            return Err(format!("order {number}: one recall more than may begin in a second"));
        }
        Self::first_in_line(order, engine)
    }

    /// No older order for the same callee was eligible: none is queued but for the callee being taken just now.
    fn first_in_line(order: OrderId, engine: &Engine) -> Result<(), String> {
        // Ended since, by another input of the same moment: then there is nothing to compare with.
        let Some(look) = engine.look(order) else { return Ok(()) };
        if look.caller.recall != Some(order) || look.callee.recall != Some(order) {
            return Err(format!("order {}: its recall does not hold its lines", order.0));
        }
        for older in engine.waiting_for(&look.callee.number).take_while(|older| *older < order) {
            let Some(other) = engine.look(older) else { continue };
            if other.state == State::Queued && other.caller.recall.is_none() {
                return Err(format!("order {}: rung before order {}, which is older and eligible", order.0, older.0));
            }
        }
        Ok(())
    }

    /// The order's recall is over, or its order is.
    fn free(&mut self, order: u64) {
        let Some(standing) = self.orders.get(&order) else { return };
        let mut was = false;
        for line in [standing.caller, standing.callee] {
            let held = &mut self.lines[line as usize].held;
            if *held == order {
                *held = 0;
                was = true;
            }
        }
        self.recalls -= u32::from(was);
    }
}
