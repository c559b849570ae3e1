//! The rules that the engine's state keeps at all times.

use crate::callee::Availability;
use crate::engine::Engine;
use crate::error::Inconsistent;
use crate::life::State;
use crate::line::Presence;
use crate::order::{List, Order};
use crate::profile::{Drive, OrderKind};
use crate::ties::Ties;

macro_rules! require {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(Inconsistent(format!($($what)+)));
        }
    };
}

/// The highest that standards.md, "Settings", allows for the orders of one caller, and for one callee.
const LONGEST_LIST: usize = 30;

impl Engine {
    /// Checks the whole state against the engine's own rules: queues and indexes agree, a line is in at most
    /// one recall in either role, limits hold, every timer belongs to something, nothing is kept that nothing
    /// refers to. Takes time in proportion to all lines and orders; for tests, and for `restore`.
    pub fn check(&self) -> Result<(), Inconsistent> {
        let mut timers = usize::from(self.pace.is_some());
        let (mut placed, mut waiting, mut held, mut offers, mut services) = (0, 0, 0, 0, 0);
        for slot in self.lines.iter() {
            self.check_line(slot)?;
            placed += self.placed(slot).count();
            waiting += self.waiting(slot).count();
            offers += self.offers_of(slot).count();
            held += usize::from(self.lines.recall(slot).is_some());
            timers += usize::from(self.lines.offers_timer(slot).is_some());
            services += usize::from(self.lines.service(slot).is_some());
        }
        let (mut standing, mut recalls, mut eligible, mut orders) = (0, 0, 0, 0);
        for (slot, order) in self.orders.iter() {
            self.check_order(slot, order)?;
            orders += 1;
            standing += usize::from(order.state != State::Clearing);
            recalls += usize::from(order.state.in_recall());
            eligible += usize::from(order.is_eligible());
            timers += usize::from(order.timer.is_some()) + usize::from(order.life.is_some());
        }
        let lines = self.lines.iter().count();
        require!(lines == self.lines.len(), "{lines} lines, {} numbers", self.lines.len());
        require!(lines + self.lines.free().len() == self.lines.slots() as usize, "a slot of a line is lost");
        require!(orders + self.orders.free().len() == self.orders.slots() as usize, "a slot of an order is lost");
        require!(
            (placed, waiting, self.orders.len()) == (standing, standing, standing),
            "{standing} orders stand, but {placed} are placed, {waiting} wait and {} are indexed",
            self.orders.len()
        );
        require!(offers == self.offers.len(), "{offers} offers are owned, {} are kept", self.offers.len());
        require!(self.lines.records() <= lines, "{} records of ties", self.lines.records());
        let users = self.profiles.users();
        require!(users == services + orders, "{users} have profiles, {services} lines and {orders} orders do");
        require!(held == 2 * recalls, "{held} lines are held by {recalls} recalls");
        require!(self.recalls.len() == recalls, "{recalls} recalls, {} indexed", self.recalls.len());
        let in_line = self.eligible.entries(&self.orders).len();
        require!(
            (self.eligible.len(), in_line) == (eligible, eligible),
            "{eligible} eligible, {} counted, {in_line} in line",
            self.eligible.len()
        );
        require!(self.wheel.len() == timers, "{timers} timers are owned, {} are set", self.wheel.len());
        require!(standing <= self.limits.orders_total as usize, "{standing} orders stand");
        require!(recalls <= self.limits.recalls_at_once as usize, "{recalls} recalls at once");
        require!(
            self.begun.len() <= self.limits.recalls_per_second as usize
                && self.begun.iter().is_sorted()
                && self.begun.back().is_none_or(|&begun| begun <= self.now),
            "{} recalls begun within a second",
            self.begun.len()
        );
        self.check_deadlines()
    }

    fn check_line(&self, slot: u32) -> Result<(), Inconsistent> {
        let (number, ties) = (self.lines.number(slot), self.lines.ties(slot));
        require!(self.lines.by_number(number) == Some(slot), "line {number}: not found by its number");
        require!(self.lines.is_needed(slot), "line {number}: nothing refers to it");
        require!(self.lines.is_tied(slot) == (ties != Ties::NONE), "line {number}: its ties do not agree");
        let offers: Vec<u32> = self.offers_of(slot).map(|offer| offer.callee).collect();
        require!(
            offers.len() <= self.limits.offers_per_caller as usize && ties.offers_timer.is_some() != offers.is_empty(),
            "line {number}: {} offers, or their timer",
            offers.len()
        );
        for (index, &callee) in offers.iter().enumerate() {
            require!(callee != slot, "line {number}: an offer of its own");
            require!(!offers[index + 1..].contains(&callee), "line {number}: two offers for one callee");
        }
        for caller in self.offers.callers_naming(ties.offered) {
            let names = self.offers_of(caller).any(|offer| offer.callee == slot);
            require!(names, "line {number}: named by an offer that is not there");
        }
        for (list, name) in [(List::Placed, "placed"), (List::Waiting, "waiting")] {
            let last = if list == List::Placed { ties.placed } else { ties.waiting };
            let listed: Vec<u32> = self.orders.list(list, last).take(LONGEST_LIST + 1).collect();
            require!(listed.len() <= LONGEST_LIST, "line {number}: more than {LONGEST_LIST} orders {name}");
            let own = |order: &Order| if list == List::Placed { order.caller } else { order.callee };
            let strange = listed.iter().any(|&order| self.orders.get(order).map(own) != Some(slot));
            require!(!strange, "line {number}: {name} lists a strange order");
            let ids = listed.iter().map(|&order| self.orders[order].id);
            require!(ids.is_sorted_by(|one, other| one < other), "line {number}: {name} is not in order");
        }
        let callees: Vec<u32> = self.placed(slot).map(|order| self.orders[order].callee).collect();
        let twice = callees.iter().enumerate().any(|(index, callee)| callees[index + 1..].contains(callee));
        require!(!twice, "line {number}: two orders for one callee");
        require!(ties.recall().is_some() || !ties.stirred, "line {number}: stirred in no recall");
        if let Some(recall) = ties.recall() {
            let holder = self.orders.get(recall);
            let holds = |order: &Order| order.state.in_recall() && (order.caller == slot || order.callee == slot);
            require!(holder.is_some_and(holds), "line {number}: held by no recall");
        }
        Ok(())
    }

    fn check_order(&self, slot: u32, order: &Order) -> Result<(), Inconsistent> {
        let (id, state) = (order.id.0, order.state);
        let held_by = [order.caller, order.callee].map(|line| self.lines.recall(line));
        require!(order.caller != order.callee, "order {id}: for its own caller");
        require!(id < self.next_order, "order {id}: not given yet");
        let found = self.orders.find(order.id);
        let expected = (state != State::Clearing).then_some(slot);
        require!(found == expected, "order {id}: indexed at {found:?}, not {expected:?}");
        let attempts = self.profile(slot).attempts();
        require!(
            attempts.is_none_or(|attempts| order.attempt <= attempts) && (order.attempt > 0 || !state.in_recall()),
            "order {id}: {} attempts",
            order.attempt
        );
        require!(state != State::Waiting || attempts.is_some(), "order {id}: waits for a timer that it has not");
        require!(
            state.in_recall() || attempts.is_none_or(|attempts| order.attempt < attempts),
            "order {id}: {state:?} though its attempts are used up"
        );
        if state.in_recall() {
            self.check_recall(slot, order)?;
        } else {
            let held = held_by.contains(&Some(slot)) || order.recall().is_some();
            require!(!held, "order {id}: {state:?}, but in a recall");
            require!(order.life.is_some(), "order {id}: {state:?} has no life");
        }
        let in_line = state == State::Queued && held_by == [None, None];
        require!(order.is_eligible() == in_line, "order {id}: {state:?}, but its turn does not agree");
        let busy = self.lines.presence(order.caller) == Presence::Busy && held_by[0].is_none();
        require!(
            !(busy && matches!(state, State::Queued | State::Guarding | State::Pausing | State::RetryingCaller)),
            "order {id}: {state:?} though its caller is busy"
        );
        require!(
            busy || state != State::Suspended || held_by[0].is_some(),
            "order {id}: suspended though its caller is not busy"
        );
        require!(
            held_by[0].is_none() || !matches!(state, State::Guarding | State::Pausing),
            "order {id}: guards a line in a recall"
        );
        let runs = !matches!(state, State::Queued | State::Suspended | State::Watching);
        require!(order.timer.is_some() == runs, "order {id}: {state:?}, but its timer does not agree");
        self.check_callee(slot, order)
    }

    /// What a recall in progress adds.
    fn check_recall(&self, slot: u32, order: &Order) -> Result<(), Inconsistent> {
        let (id, state) = (order.id.0, order.state);
        let held = [order.caller, order.callee].iter().all(|&line| self.lines.recall(line) == Some(slot));
        require!(held && order.recall().is_some(), "order {id}: {state:?}, but its recall does not agree");
        let recall = self.recall_of(slot);
        require!(
            recall.order == slot && self.recalls.find(recall.id) == order.recall() && recall.id.0 < self.next_recall,
            "order {id}: its recall is another's"
        );
        require!(recall.answered & !recall.sent == 0, "order {id}: an outcome of what was not asked for");
        require!(
            order.life.is_some() || state == State::Clearing || (1..=self.now).contains(&recall.expired),
            "order {id}: {state:?} has no life"
        );
        Ok(())
    }

    /// What profile `ccbs` and kinds add.
    fn check_callee(&self, slot: u32, order: &Order) -> Result<(), Inconsistent> {
        let (id, state) = (order.id.0, order.state);
        require!(state != State::Failed && state != State::Ended, "order {id}: seen {state:?}");
        let (profile, kind) = (self.profile(slot), order.kind());
        // An order that turned into kind NR need not be of a kind that its profile offers.
        let turned = kind == OrderKind::NoReply && self.turns_no_reply(slot);
        require!(profile.offers(kind) || turned, "order {id}: of kind {}", kind.as_str());
        let in_recall = self.lines.recall(order.callee).is_some();
        let release_driven = self.is_release_driven(slot);
        let availability = self.availability(order);
        let agrees = match state {
            State::Waiting => !release_driven,
            State::Watching => release_driven && (in_recall || availability == Availability::Away),
            State::CalleeGuard => release_driven && (in_recall || availability == Availability::Available),
            State::Polling => release_driven && (in_recall || availability == Availability::Unseen),
            State::Retrying | State::RetryingCaller => {
                release_driven && (in_recall || availability != Availability::Away)
            }
            State::Queued | State::Suspended | State::Guarding | State::Pausing => {
                !release_driven || in_recall || availability != Availability::Away
            }
            _ => true,
        };
        require!(agrees, "order {id}: {state:?}, but its callee is {availability:?}");
        if let Drive::Release { poll_first_s, poll_longest_s, .. } = profile.drive {
            require!(
                (poll_first_s..=poll_longest_s).contains(&order.wait_s.into()),
                "order {id}: waits {} s",
                order.wait_s
            );
        }
        Ok(())
    }
}
