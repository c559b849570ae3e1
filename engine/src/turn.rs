//! Whose turn it is: eligible orders, lines in a recall, limits on recalls.

use crate::Millis;
use crate::action::Action;
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::Engine;
use crate::life::{Input, State};
use crate::line::Presence;
use crate::recall::Recall;
use crate::ties::{NONE, Ties};
use crate::token::Timer;
use crate::view::count;

/// The span that `recalls_per_second` counts over (ms).
const SECOND: Millis = 1_000;

impl Engine {
    /// Lets eligible orders begin their attempts, as far as the limits on recalls allow.
    pub(crate) fn give_turns(&mut self, out: &mut Vec<Action>) {
        while !self.eligible.is_empty() {
            if self.recalls.len() >= self.limits.recalls_at_once as usize {
                return;
            }
            while self.begun.front().is_some_and(|&begun| begun + SECOND <= self.now) {
                self.begun.pop_front();
            }
            if self.begun.len() >= self.limits.recalls_per_second as usize {
                if self.pace.is_none() {
                    self.pace = Some(self.wheel.insert(self.begun[0] + SECOND, Timer::Pace.into()));
                }
                return;
            }
            let Some(slot) = self.eligible.first(&self.orders) else { return };
            self.begun.push_back(self.now);
            let slot = self.oldest_in_conflict(slot);
            if !self.orders[slot].is_eligible_since(self.now) {
                self.counters.add(Counter::TurnsDelayed);
            }
            self.input(slot, Input::Turn, Told::Nothing, out);
        }
    }

    /// Among the eligible orders for one callee the oldest goes first, and so does the older of A→B and B→A.
    fn oldest_in_conflict(&self, mut slot: u32) -> u32 {
        loop {
            let order = &self.orders[slot];
            let queue = self.waiting(order.callee);
            let reverse = self.standing(order.callee, order.caller);
            let oldest = queue
                .chain(reverse)
                .filter(|&rival| self.orders[rival].is_eligible())
                .min_by_key(|&rival| self.orders[rival].id);
            match oldest {
                Some(rival) if self.orders[rival].id < order.id => slot = rival,
                _ => return slot,
            }
        }
    }

    /// Notes whether an order is eligible: queued, and neither of its lines in a recall.
    pub(crate) fn update_eligibility(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let eligible = order.state == State::Queued
            && self.lines.recall(order.caller).is_none()
            && self.lines.recall(order.callee).is_none();
        match (order.is_eligible(), eligible) {
            (false, true) => {
                let entry = (self.now, order.id, slot);
                self.orders[slot].set_eligible_since(Some(self.now));
                self.eligible.insert(entry);
            }
            (true, false) => {
                self.orders[slot].set_eligible_since(None);
                self.eligible.remove(&self.orders);
            }
            _ => {}
        }
    }

    /// Puts an order's two lines into its recall.
    pub(crate) fn take_lines(&mut self, slot: u32, recall: Recall, out: &mut Vec<Action>) {
        let place = self.recalls.insert(recall);
        let order = &mut self.orders[slot];
        order.set_recall(Some(place));
        let (caller, callee) = (order.caller, order.callee);
        for line in [caller, callee] {
            self.lines.set_ties(line, Ties { recall: slot, ..self.lines.ties(line) });
        }
        for line in [caller, callee] {
            self.input_to_placed(line, Input::CallerTaken, out);
            self.update_eligibility_of(line);
        }
    }

    /// The recall of an order is over: its lines are free for others.
    pub(crate) fn free_lines(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &mut self.orders[slot];
        let (caller, callee) = (order.caller, order.callee);
        let recall = order.recall();
        order.set_recall(None);
        let mut called = self.lines.ties(callee).stirred;
        if let Some(recall) = recall {
            called |= self.recalls[recall].called.is_some();
            self.recalls.remove(recall);
        }
        for line in [caller, callee] {
            self.lines.set_ties(line, Ties { recall: NONE, stirred: false, ..self.lines.ties(line) });
        }
        for line in [caller, callee] {
            let busy = self.lines.presence(line) == Presence::Busy;
            self.input_to_placed(line, if busy { Input::CallerBusy } else { Input::CallerReturned }, out);
        }
        // After a restart every order is told by itself.
        if !self.restarting {
            self.callee_in_recall_over(caller, true, slot, out);
            self.callee_in_recall_over(callee, called, slot, out);
        }
        for line in [caller, callee] {
            self.update_eligibility_of(line);
        }
    }

    /// Gives an input that ends no order to all orders that a line has placed.
    pub(crate) fn input_to_placed(&mut self, line: u32, on: Input, out: &mut Vec<Action>) {
        let mut placed = self.walk_placed(line);
        while let Some(slot) = placed.next(&self.orders) {
            self.input(slot, on, Told::Nothing, out);
        }
    }

    fn update_eligibility_of(&mut self, line: u32) {
        for mut walk in [self.walk_placed(line), self.walk_waiting(line)] {
            while let Some(slot) = walk.next(&self.orders) {
                self.update_eligibility(slot);
            }
        }
    }

    /// An order's place in its callee's queue, from 1; 0 when it has ended.
    pub(crate) fn place(&self, slot: u32) -> u32 {
        self.waiting(self.orders[slot].callee).position(|waiting| waiting == slot).map_or(0, |index| count(index + 1))
    }
}
