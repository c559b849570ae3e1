//! One order with what stands around it: what a story or a simulation wants to know between inputs.

use crate::engine::Engine;
use crate::life::State;
use crate::line::Presence;
use crate::profile::OrderKind;
use crate::view::count;
use crate::{Millis, Number, OrderId};

/// An order, its place, and its two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its kind.
    pub kind: OrderKind,
    /// Where it stands.
    pub state: State,
    /// Its place in the callee's queue, from 1.
    pub place: u32,
    /// How many orders are in that queue.
    pub queue: u32,
    /// How many attempts it has begun.
    pub attempt: u32,
    /// Out of how many; `None` where only its life bounds them.
    pub attempts: Option<u32>,
    /// When the CB timer, the callee's idle guard, or the wait for the next try is over (Unix ms), while it runs.
    pub due: Option<Millis>,
    /// When its life is over (Unix ms).
    pub expires: Millis,
    /// Whether nothing but a limit on recalls keeps it from its turn.
    pub eligible: bool,
    /// Who ordered.
    pub caller: LineLook,
    /// For whom.
    pub callee: LineLook,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineLook {
    /// Its number.
    pub number: Number,
    /// Whether it is busy; `None` when nobody can say.
    pub busy: Option<bool>,
    /// Whether it has a registered phone; `None` when nobody can say.
    pub registered: Option<bool>,
    /// The order whose recall holds it, in either role. That order may have ended already.
    pub recall: Option<OrderId>,
}

impl Engine {
    /// Looks at an order that stands.
    pub fn look(&self, order: OrderId) -> Option<Look> {
        let slot = self.orders.find(order)?;
        let order = &self.orders[slot];
        Some(Look {
            kind: order.kind(),
            state: order.state,
            place: self.place(slot),
            queue: count(self.waiting(order.callee).count()),
            attempt: order.attempt,
            attempts: self.profile(slot).attempts(),
            due: self.due(slot),
            expires: self.expires(slot),
            eligible: order.is_eligible(),
            caller: self.look_at_line(order.caller),
            callee: self.look_at_line(order.callee),
        })
    }

    /// The orders that wait for a number, oldest first; none for a number that is not known.
    pub fn waiting_for(&self, callee: &str) -> impl Iterator<Item = OrderId> + '_ {
        let callee = self.lines.by_number(callee);
        callee.into_iter().flat_map(|line| self.waiting(line)).map(|slot| self.orders[slot].id)
    }

    fn look_at_line(&self, line: u32) -> LineLook {
        LineLook {
            number: self.lines.number(line).clone(),
            busy: match self.lines.presence(line) {
                Presence::Free => Some(false),
                Presence::Busy => Some(true),
                Presence::Unknown => None,
            },
            registered: self.lines.registered(line),
            recall: self.lines.recall(line).map(|slot| self.orders[slot].id),
        }
    }
}
