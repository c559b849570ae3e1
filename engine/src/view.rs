//! What one may look at.

use crate::engine::Engine;
use crate::event::LineKind;
use crate::profile::OrderKind;
use crate::{Millis, Number, OrderId};

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// Its identity.
    pub order: OrderId,
    /// Who ordered.
    pub caller: Number,
    /// For whom.
    pub callee: Number,
    /// Its kind.
    pub kind: OrderKind,
    /// The word of its state; see [`crate::life::State::as_str`].
    pub state: &'static str,
    /// Its place in the callee's queue, from 1.
    pub place: u32,
    /// How many attempts it has begun.
    pub attempt: u32,
    /// Out of how many; `None` where only its life bounds them.
    pub attempts: Option<u32>,
    /// When the CB timer, the callee's idle guard, or the wait for the next try is over (Unix ms), while it runs.
    pub due: Option<Millis>,
    /// When its life is over (Unix ms).
    pub expires: Millis,
}

/// A line as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineView {
    /// Its number.
    pub line: Number,
    /// Whether it is behind a trunk.
    pub external: bool,
    /// `free`, `busy` or `unknown`.
    pub state: &'static str,
    /// Whether it has a registered phone; `None` when nobody can say.
    pub registered: Option<bool>,
    /// Whether a recall holds it, in either role.
    pub in_recall: bool,
    /// How many orders it has placed.
    pub orders: u32,
    /// How many orders wait for it.
    pub waiting: u32,
}

impl Engine {
    /// The orders that stand, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = OrderView> + '_ {
        self.orders.by_id().map(|slot| {
            let order = &self.orders[slot];
            OrderView {
                order: order.id,
                caller: self.lines.number(order.caller).clone(),
                callee: self.lines.number(order.callee).clone(),
                kind: order.kind(),
                state: order.state.as_str(),
                place: self.place(slot),
                attempt: order.attempt,
                attempts: self.profile(slot).attempts(),
                due: self.due(slot),
                expires: self.expires(slot),
            }
        })
    }

    /// The lines that are configured, or that something refers to.
    pub fn lines(&self) -> impl Iterator<Item = LineView> + '_ {
        self.lines.iter().map(|line| LineView {
            line: self.lines.number(line).clone(),
            external: self.lines.kind(line) == LineKind::External,
            state: self.lines.presence(line).as_str(),
            registered: self.lines.registered(line),
            in_recall: self.lines.recall(line).is_some(),
            orders: count(self.placed(line).count()),
            waiting: count(self.waiting(line).count()),
        })
    }

    /// Whether a number is known: configured, or something refers to it.
    pub fn knows(&self, number: &str) -> bool {
        self.lines.by_number(number).is_some()
    }

    /// What was counted, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counters.iter()
    }
}

/// A length as a count; every list counted here is bounded far below its range.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
