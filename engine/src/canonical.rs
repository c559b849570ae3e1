//! The canonical form of the engine's state: what decides what it does next, and nothing else.

use std::hash::{Hash, Hasher};

use crate::Millis;
use crate::engine::Engine;
use crate::life::State;
use crate::order::Order;
use crate::token::Timer;

/// Takes down what is hashed into it, so that a derived `Hash` writes.
pub(crate) struct Bytes<'a>(pub(crate) &'a mut Vec<u8>);

impl Hasher for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    // Discriminants and short counts, of which the form has many, take one byte each.
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.unsigned_abs() as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl Engine {
    /// Appends the canonical form of the state to `out`.
    ///
    /// Two engines of equal limits and equal forms answer the same inputs, now and later, with the same actions, but
    /// for times, which count from each one's own now, and for the identities of orders and recalls, which rank
    /// the same. Left out is what was only counted, where things lie in the arenas, and what no later input can
    /// bring to light. The form is for comparing within one process: it is nothing to be stored.
    pub fn canonical(&self, out: &mut Vec<u8>) {
        let mut lines: Vec<u32> = self.lines.iter().collect();
        lines.sort_unstable_by_key(|&slot| self.lines.number(slot));
        let mut orders: Vec<u32> = self.orders.iter().map(|(slot, _)| slot).collect();
        orders.sort_unstable_by_key(|&slot| self.orders[slot].id);
        let form = &mut Bytes(out);
        lines.len().hash(form);
        for &slot in &lines {
            self.line_form(slot, &lines, form);
        }
        orders.len().hash(form);
        for &slot in &orders {
            self.order_form(slot, &self.orders[slot], &lines, form);
        }
        // In the order in which they expire, those of one moment too.
        let timers = self.wheel.pending();
        timers.len().hash(form);
        for (deadline, token) in timers {
            deadline.saturating_sub(self.now).hash(form);
            match token.into() {
                Timer::State { slot } => (0, rank(slot, &orders)).hash(form),
                Timer::Life { slot } => (1, rank(slot, &orders)).hash(form),
                Timer::Offers { line } => (2, rank(line, &lines)).hash(form),
                Timer::Pace => (3, 0).hash(form),
            }
        }
        // Eligible orders rank by since when; one that becomes eligible now ranks with those that already have.
        for &(since, _, slot) in &self.eligible.entries(&self.orders) {
            (rank(slot, &orders), since == self.now).hash(form);
        }
        self.eligible.len().hash(form);
        let recent = self.begun.iter().filter(|&&begun| begun + 1_000 > self.now);
        for begun in recent {
            (self.now - begun).hash(form);
        }
    }

    fn line_form(&self, slot: u32, lines: &[u32], form: &mut Bytes<'_>) {
        let known = &self.lines;
        known.number(slot).hash(form);
        (known.kind(slot), known.is_configured(slot), known.is_pinned(slot).then_some(slot)).hash(form);
        (known.presence(slot) as u8, known.registered(slot)).hash(form);
        known.service(slot).map(|profile| &self.profiles[profile]).hash(form);
        let offers = self.offers_of(slot).count();
        offers.hash(form);
        for offer in self.offers_of(slot) {
            (rank(offer.callee, lines), offer.kind, offer.until - self.now).hash(form);
        }
        (known.last_without_offer(slot) && offers > 0).hash(form);
    }

    fn order_form(&self, slot: u32, order: &Order, lines: &[u32], form: &mut Bytes<'_>) {
        (rank(order.caller, lines), rank(order.callee, lines), order.state).hash(form);
        if order.state.in_recall() {
            let recall = self.recall_of(slot);
            (recall.called.map(|presence| presence as u8), recall.sent, recall.answered).hash(form);
            self.lines.ties(order.callee).stirred.hash(form);
        }
        if order.state == State::Clearing {
            return;
        }
        // Where attempts are not bounded their number decides nothing.
        let profile = self.profile(slot);
        let attempt = profile.attempts().map(|_| order.attempt);
        (profile, attempt, order.wants(), order.wait_s).hash(form);
        order.state.in_recall().then(|| self.recall_of(slot).failure).hash(form);
        // A life that is over is told from another only by what it would have been as one of kind NR.
        let left = |until: Millis| until.saturating_sub(self.now);
        (left(self.expires(slot)), self.turns_no_reply(slot).then(|| left(self.no_reply_expires(slot)))).hash(form);
        self.due(slot).map(left).hash(form);
    }
}

/// The place of a slot among what is sorted.
fn rank(slot: u32, sorted: &[u32]) -> usize {
    sorted.iter().position(|&other| other == slot).unwrap_or(sorted.len())
}
