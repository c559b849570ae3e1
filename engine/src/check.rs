//! The rules that the engine's state keeps at all times.

use crate::callee::Availability;
use crate::engine::Engine;
use crate::error::Inconsistent;
use crate::life::State;
use crate::line::{Line, Presence};
use crate::order::Order;
use crate::profile::{Drive, OrderKind};

macro_rules! require {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(Inconsistent(format!($($what)+)));
        }
    };
}

/// The highest that "Settings" allow for the orders of one caller, and for one callee.
const LONGEST_LIST: usize = 30;

impl Engine {
    /// Checks the whole state against the engine's own rules: queues and indexes agree, a line is in at most
    /// one recall in either role, limits hold, every timer belongs to something, nothing is kept that nothing
    /// refers to. Takes time in proportion to all lines and orders; for tests, and for `restore`.
    pub fn check(&self) -> Result<(), Inconsistent> {
        let mut timers = usize::from(self.pace.is_some());
        let (mut placed, mut waiting, mut held) = (0, 0, 0);
        for (slot, line) in self.lines.iter() {
            self.check_line(slot, line)?;
            placed += line.placed.len();
            waiting += line.waiting.len();
            held += usize::from(line.recall.is_some());
            timers += usize::from(line.offers_timer.is_some());
        }
        let (mut standing, mut recalls, mut eligible) = (0, 0, 0);
        for (slot, order) in self.orders.iter() {
            self.check_order(slot, order)?;
            standing += usize::from(order.state != State::Clearing);
            recalls += usize::from(order.state.in_recall());
            eligible += usize::from(order.eligible_since.is_some());
            timers += usize::from(order.timer.is_some()) + usize::from(order.life.is_some());
        }
        let (slots, free) = self.lines.parts();
        require!(slots.len() - free.len() == self.lines.len(), "a number has two lines");
        require!(
            (placed, waiting, self.orders.len()) == (standing, standing, standing),
            "{standing} orders stand, but {placed} are placed, {waiting} wait and {} are indexed",
            self.orders.len()
        );
        require!(held == 2 * recalls, "{held} lines are held by {recalls} recalls");
        require!(self.recalls.len() == recalls, "{recalls} recalls, {} indexed", self.recalls.len());
        require!(self.eligible.len() == eligible, "{eligible} eligible, {} indexed", self.eligible.len());
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

    fn check_line(&self, slot: u32, line: &Line) -> Result<(), Inconsistent> {
        let number = &line.number;
        require!(self.lines.by_number(number) == Some(slot), "line {number}: not found by its number");
        require!(line.is_needed(), "line {number}: nothing refers to it");
        require!(
            line.offers.len() <= self.limits.offers_per_caller as usize
                && line.offers_timer.is_some() != line.offers.is_empty(),
            "line {number}: {} offers, or their timer",
            line.offers.len()
        );
        for (index, offer) in line.offers.iter().enumerate() {
            require!(offer.callee != slot, "line {number}: an offer of its own");
            let twice = line.offers.iter().skip(index + 1).any(|other| other.callee == offer.callee);
            require!(!twice, "line {number}: two offers for one callee");
        }
        for (list, name) in [(&line.placed, "placed"), (&line.waiting, "waiting")] {
            require!(list.len() <= LONGEST_LIST, "line {number}: {} orders {name}", list.len());
            for &order in list {
                let found = self.orders.get(order);
                let own = |order: &Order| if name == "placed" { order.caller } else { order.callee };
                require!(found.map(own) == Some(slot), "line {number}: {name} lists a strange order");
            }
            let ids = list.iter().map(|&order| self.orders[order].id);
            require!(ids.is_sorted_by(|one, other| one < other), "line {number}: {name} is not in order");
        }
        for (index, &one) in line.placed.iter().enumerate() {
            let twice = line.placed.iter().skip(index + 1);
            let twice = twice.filter(|&&other| self.orders[other].callee == self.orders[one].callee).count();
            require!(twice == 0, "line {number}: two orders for one callee");
        }
        require!(line.recall.is_some() || !line.stirred, "line {number}: stirred in no recall");
        if let Some(recall) = line.recall {
            let holder = self.orders.get(recall);
            let holds = |order: &Order| order.state.in_recall() && (order.caller == slot || order.callee == slot);
            require!(holder.is_some_and(holds), "line {number}: held by no recall");
        }
        Ok(())
    }

    fn check_order(&self, slot: u32, order: &Order) -> Result<(), Inconsistent> {
        let (id, state) = (order.id.0, order.state);
        let (caller, callee) = (&self.lines[order.caller], &self.lines[order.callee]);
        require!(order.caller != order.callee, "order {id}: for its own caller");
        require!(id < self.next_order, "order {id}: not given yet");
        let found = self.orders.find(order.id);
        let expected = (state != State::Clearing).then_some(slot);
        require!(found == expected, "order {id}: indexed at {found:?}, not {expected:?}");
        require!(
            order.profile.attempts().is_none_or(|attempts| order.attempt <= attempts)
                && (order.attempt > 0 || !state.in_recall()),
            "order {id}: {} attempts",
            order.attempt
        );
        require!(
            state != State::Waiting || order.profile.attempts().is_some_and(|attempts| order.attempt < attempts),
            "order {id}: waits though its attempts are used up"
        );
        let free = caller.recall != Some(slot) && callee.recall != Some(slot);
        let holds = caller.recall == Some(slot) && callee.recall == Some(slot);
        let recall = order.recall.map(|recall| self.recalls.get(&recall));
        require!(
            if state.in_recall() { holds && recall == Some(Some(&slot)) } else { free && recall.is_none() },
            "order {id}: {state:?}, but its recall does not agree"
        );
        require!(
            order.recall.is_none_or(|recall| recall.0 < self.next_recall) && order.armed < self.next_armed,
            "order {id}: a recall or timer that is not given yet"
        );
        let in_other = caller.recall.is_some() || callee.recall.is_some();
        let eligible = state == State::Queued && !in_other;
        require!(
            order.eligible_since.is_some() == eligible,
            "order {id}: {state:?}, but its eligibility does not agree"
        );
        if let Some(since) = order.eligible_since {
            require!(self.eligible.contains(&(since, order.id, slot)), "order {id}: eligible but not in line");
        }
        let busy = caller.presence == Presence::Busy && caller.recall.is_none();
        require!(
            !(busy && matches!(state, State::Queued | State::Guarding | State::Pausing)),
            "order {id}: {state:?} though its caller is busy"
        );
        require!(
            busy || state != State::Suspended || caller.recall.is_some(),
            "order {id}: suspended though its caller is not busy"
        );
        require!(
            caller.recall.is_none() || !matches!(state, State::Guarding | State::Pausing),
            "order {id}: guards a line in a recall"
        );
        let runs = !matches!(state, State::Queued | State::Suspended | State::Watching);
        require!(
            order.timer.is_some() == runs && (order.armed != 0) == runs,
            "order {id}: {state:?}, but its timer does not agree"
        );
        require!(
            order.due.is_some()
                == matches!(state, State::Waiting | State::CalleeGuard | State::Polling | State::Retrying),
            "order {id}: {state:?}, but its CB timer does not agree"
        );
        self.check_callee(order)?;
        require!(order.life.is_some() || state.in_recall(), "order {id}: has no life");
        Ok(())
    }
    /// What profile `ccbs` and kinds add.
    fn check_callee(&self, order: &Order) -> Result<(), Inconsistent> {
        let (id, state) = (order.id.0, order.state);
        require!(state != State::Failed && state != State::Ended, "order {id}: seen {state:?}");
        require!(order.answered & !order.sent == 0, "order {id}: an outcome of what was not asked for");
        // An order that turned into kind NR need not be of a kind that its profile offers.
        let turned = order.kind == OrderKind::NoReply
            && matches!(order.profile.drive, Drive::Release { callee_no_answer_to_nr: true, .. });
        require!(order.profile.offers(order.kind) || turned, "order {id}: of kind {}", order.kind.as_str());
        let in_recall = self.lines[order.callee].recall.is_some();
        let availability = self.availability(order);
        let agrees = match state {
            State::Waiting => !order.is_release_driven(),
            State::Watching => order.is_release_driven() && (in_recall || availability == Availability::Away),
            State::CalleeGuard => order.is_release_driven() && (in_recall || availability == Availability::Available),
            State::Polling => order.is_release_driven() && (in_recall || availability == Availability::Unseen),
            State::Retrying => order.is_release_driven() && (in_recall || availability != Availability::Away),
            State::Queued | State::Suspended | State::Guarding | State::Pausing => {
                !order.is_release_driven() || in_recall || availability != Availability::Away
            }
            _ => true,
        };
        require!(agrees, "order {id}: {state:?}, but its callee is {availability:?}");
        if let Drive::Release { poll_first_s, poll_longest_s, .. } = order.profile.drive {
            require!((poll_first_s..=poll_longest_s).contains(&order.wait_s), "order {id}: waits {} s", order.wait_s);
        }
        Ok(())
    }
}
