//! The callee of orders of profile `ccbs`: whether it is available, and the waits that depend on it.

use crate::Millis;
use crate::action::{Action, AttemptFailure, Step};
use crate::effects::Told;
use crate::engine::{Engine, Timer};
use crate::life::{Input, State};
use crate::line::Presence;
use crate::order::Order;
use crate::profile::{Drive, OrderKind};

/// Whether a callee is available to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It can be recalled, after its guard.
    Available,
    /// Busy; or without a registered phone; or, for kind NR, without a new call.
    Away,
    /// Nobody can say.
    Unseen,
}

impl Order {
    /// Whether the release of the callee drives it.
    pub(crate) fn is_release_driven(&self) -> bool {
        matches!(self.profile.drive, Drive::Release { .. })
    }

    /// Whether it is of profile `ccbs` and its attempt failed for such a reason.
    pub(crate) fn ccbs_failed(&self, of: impl Fn(AttemptFailure) -> bool) -> bool {
        self.is_release_driven() && of(self.failure.unwrap_or(AttemptFailure::SwitchFailed))
    }

    /// Whether it keeps its place when the callee is busy again.
    pub(crate) fn has_retention(&self) -> bool {
        matches!(self.profile.drive, Drive::Release { retention: true, .. })
    }

    /// Whether a callee that does not answer turns it into kind NR.
    pub(crate) fn turns_no_reply(&self) -> bool {
        matches!(self.profile.drive, Drive::Release { callee_no_answer_to_nr: true, .. })
    }

    /// When its life is over as one of kind NR: counted from its acceptance, but never cut short.
    pub(crate) fn no_reply_expires(&self) -> Millis {
        let accepted = self.expires.saturating_sub(self.profile.life_ms(self.kind));
        self.expires.max(accepted + self.profile.life_ms(OrderKind::NoReply))
    }

    /// The next wait is the first again.
    pub(crate) fn restart_waits(&mut self) {
        if let Drive::Release { poll_first_s, .. } = self.profile.drive {
            self.wait_s = poll_first_s;
        }
    }
}

impl Engine {
    /// Whether the callee of an order is available to it, as far as is known.
    pub(crate) fn availability(&self, order: &Order) -> Availability {
        let callee = &self.lines[order.callee];
        if callee.registered == Some(false) || callee.presence == Presence::Busy {
            return Availability::Away;
        }
        match (order.kind, callee.presence) {
            (OrderKind::NotLoggedIn, _) if callee.registered.is_none() => Availability::Unseen,
            (OrderKind::NotLoggedIn, _) => Availability::Available,
            (_, Presence::Unknown) => Availability::Unseen,
            (OrderKind::NoReply, _) if !order.new_call => Availability::Away,
            _ => Availability::Available,
        }
    }

    /// Tells an order whether its callee is available, unless the callee is in a recall: then it is told when
    /// that is over.
    pub(crate) fn look_at_callee(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &self.orders[slot];
        if self.lines[order.callee].recall.is_some() {
            return;
        }
        let input = match self.availability(order) {
            Availability::Available => Input::CalleeFree,
            Availability::Away => Input::CalleeBusy,
            Availability::Unseen => Input::CalleeUnseen,
        };
        if input == Input::CalleeBusy && self.orders[slot].state == State::Watching {
            self.orders[slot].restart_waits();
        }
        self.input(slot, input, Told::Nothing, out);
    }

    /// Something about a line changed: tells the orders of profile `ccbs` for it.
    pub(crate) fn callee_changed(&mut self, line: u32, out: &mut Vec<Action>) {
        for index in 0..self.lines[line].waiting.len() {
            let slot = self.lines[line].waiting[index];
            if self.orders[slot].is_release_driven() {
                self.look_at_callee(slot, out);
            }
        }
    }

    /// The recall of the order in `but`, which held a line, is over: tells the other orders of profile `ccbs`
    /// for the line. Where it had a leg in the recall, or
    /// another call, its guard runs anew.
    pub(crate) fn callee_in_recall_over(&mut self, line: u32, returned: bool, but: u32, out: &mut Vec<Action>) {
        for index in 0..self.lines[line].waiting.len() {
            let slot = self.lines[line].waiting[index];
            if slot != but && self.orders[slot].is_release_driven() {
                if returned {
                    self.input(slot, Input::CalleeReturned, Told::Nothing, out);
                }
                self.look_at_callee(slot, out);
            }
        }
    }

    /// A call of a line's, either way, was answered: what orders of kind NR for it wait for.
    pub(crate) fn new_call_answered(&mut self, line: u32, out: &mut Vec<Action>) {
        for index in 0..self.lines[line].waiting.len() {
            let slot = self.lines[line].waiting[index];
            let order = &mut self.orders[slot];
            if order.kind == OrderKind::NoReply && !order.new_call {
                order.new_call = true;
                self.look_at_callee(slot, out);
            }
        }
    }

    /// Starts the callee's idle guard.
    pub(crate) fn start_callee_guard(&mut self, slot: u32, out: &mut Vec<Action>) {
        if let Drive::Release { callee_idle_guard_s, .. } = self.orders[slot].profile.drive {
            self.orders[slot].restart_waits();
            let due = self.arm_until_due(slot, Millis::from(callee_idle_guard_s) * 1_000);
            self.tell(slot, Step::CalleeFree { due }, out);
        }
    }

    /// Starts the wait for the next try, and doubles the one after; when it is over.
    pub(crate) fn start_wait(&mut self, slot: u32) -> Millis {
        let order = &mut self.orders[slot];
        let wait_s = order.wait_s;
        if let Drive::Release { poll_longest_s, .. } = order.profile.drive {
            order.wait_s = wait_s.saturating_mul(2).min(poll_longest_s);
        }
        self.arm_until_due(slot, Millis::from(wait_s) * 1_000)
    }

    /// After a restart: waits for the lines' states to be reported.
    pub(crate) fn await_lines(&mut self, slot: u32, out: &mut Vec<Action>) {
        if let Drive::Release { restart_grace_s, .. } = self.orders[slot].profile.drive {
            let due = self.arm_until_due(slot, Millis::from(restart_grace_s) * 1_000);
            self.tell(slot, Step::Polling { due }, out);
        }
    }

    /// Makes an order one of kind NR, which waits for a new call of its callee's.
    pub(crate) fn turn_no_reply(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &mut self.orders[slot];
        let (id, expires) = (order.id, order.no_reply_expires());
        order.kind = OrderKind::NoReply;
        order.new_call = false;
        order.expires = expires;
        if let Some(life) = self.orders[slot].life.take() {
            self.wheel.cancel(life);
        }
        self.orders[slot].life = Some(self.wheel.insert(expires, Timer::Life { slot, order: id }));
        self.tell(slot, Step::TurnedNoReply { expires }, out);
    }

    /// Sets the timer of an order's state and shows when it is due.
    pub(crate) fn arm_until_due(&mut self, slot: u32, after: Millis) -> Millis {
        self.arm(slot, after);
        let due = self.now + after;
        self.orders[slot].due = Some(due);
        due
    }
}
