//! Whose turn it is: eligible orders, lines in a recall, limits on recalls.

use std::mem;

use crate::action::Action;
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::{Engine, Timer};
use crate::life::{Input, State};
use crate::line::Presence;
use crate::view::count;
use crate::{Millis, OrderId, RecallId};

/// The span that `recalls_per_second` counts over (ms).
const SECOND: Millis = 1_000;

impl Engine {
    /// Lets eligible orders begin their attempts, as far as the limits on recalls allow.
    pub(crate) fn give_turns(&mut self, out: &mut Vec<Action>) {
        while let Some(&(_, _, slot)) = self.eligible.first() {
            if self.recalls.len() >= self.limits.recalls_at_once as usize {
                return;
            }
            while self.begun.front().is_some_and(|&begun| begun + SECOND <= self.now) {
                self.begun.pop_front();
            }
            if self.begun.len() >= self.limits.recalls_per_second as usize {
                if self.pace.is_none() {
                    self.pace = Some(self.wheel.insert(self.begun[0] + SECOND, Timer::Pace));
                }
                return;
            }
            self.begun.push_back(self.now);
            let slot = self.oldest_in_conflict(slot);
            if self.orders[slot].eligible_since.is_some_and(|since| since < self.now) {
                self.counters.add(Counter::TurnsDelayed);
            }
            self.input(slot, Input::Turn, Told::Nothing, out);
        }
    }

    /// Among the eligible orders for one callee the oldest goes first, and so does the older of A→B and B→A.
    fn oldest_in_conflict(&self, mut slot: u32) -> u32 {
        loop {
            let order = &self.orders[slot];
            let queue = self.lines[order.callee].waiting.iter().copied();
            let reverse = self.standing(order.callee, order.caller);
            let oldest = queue
                .chain(reverse)
                .filter(|&rival| self.orders[rival].eligible_since.is_some())
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
            && self.lines[order.caller].recall.is_none()
            && self.lines[order.callee].recall.is_none();
        let id: OrderId = order.id;
        match (order.eligible_since, eligible) {
            (None, true) => {
                self.orders[slot].eligible_since = Some(self.now);
                self.eligible.insert((self.now, id, slot));
            }
            (Some(since), false) => {
                self.orders[slot].eligible_since = None;
                self.eligible.remove(&(since, id, slot));
            }
            _ => {}
        }
    }

    /// Puts an order's two lines into its recall.
    pub(crate) fn take_lines(&mut self, slot: u32, recall: RecallId, out: &mut Vec<Action>) {
        self.recalls.insert(recall, slot);
        let (caller, callee) = (self.orders[slot].caller, self.orders[slot].callee);
        self.lines[caller].recall = Some(slot);
        self.lines[callee].recall = Some(slot);
        for line in [caller, callee] {
            self.input_to_placed(line, Input::CallerTaken, out);
            self.update_eligibility_of(line);
        }
    }

    /// The recall of an order is over: its lines are free for others.
    pub(crate) fn free_lines(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &mut self.orders[slot];
        let (caller, callee, called) = (order.caller, order.callee, order.called.is_some());
        if let Some(recall) = order.recall.take() {
            self.recalls.remove(&recall);
        }
        self.lines[caller].recall = None;
        self.lines[callee].recall = None;
        self.lines[caller].stirred = false;
        let called = mem::take(&mut self.lines[callee].stirred) || called;
        for line in [caller, callee] {
            let busy = self.lines[line].presence == Presence::Busy;
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
        for index in 0..self.lines[line].placed.len() {
            let slot = self.lines[line].placed[index];
            self.input(slot, on, Told::Nothing, out);
        }
    }

    fn update_eligibility_of(&mut self, line: u32) {
        for index in 0..self.lines[line].placed.len() {
            self.update_eligibility(self.lines[line].placed[index]);
        }
        for index in 0..self.lines[line].waiting.len() {
            self.update_eligibility(self.lines[line].waiting[index]);
        }
    }

    /// An order's place in its callee's queue, from 1; 0 when it has ended.
    pub(crate) fn place(&self, slot: u32) -> u32 {
        let queue = &self.lines[self.orders[slot].callee].waiting;
        queue.iter().position(|&waiting| waiting == slot).map_or(0, |index| count(index + 1))
    }
}
