//! The callee of orders of profile `ccbs`: whether it is available, and the waits that depend on it.

use crate::Millis;
use crate::action::{Action, AttemptFailure, Step};
use crate::effects::Told;
use crate::engine::Engine;
use crate::life::Input;
use crate::line::Presence;
use crate::order::{Order, Wants};
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

impl Engine {
    /// Whether the release of the callee drives an order.
    pub(crate) fn is_release_driven(&self, slot: u32) -> bool {
        matches!(self.profile(slot).drive, Drive::Release { .. })
    }

    /// Why the attempt of an order, which is over, failed.
    pub(crate) fn failure(&self, slot: u32) -> AttemptFailure {
        self.recall_of(slot).failure.unwrap_or(AttemptFailure::SwitchFailed)
    }

    /// Whether an order is of profile `ccbs` and its attempt failed for such a reason.
    pub(crate) fn ccbs_failed(&self, slot: u32, of: impl Fn(AttemptFailure) -> bool) -> bool {
        self.is_release_driven(slot) && of(self.failure(slot))
    }

    /// Whether an order keeps its place when the callee is busy again.
    pub(crate) fn has_retention(&self, slot: u32) -> bool {
        matches!(self.profile(slot).drive, Drive::Release { retention: true, .. })
    }

    /// Whether a callee that does not answer turns an order into kind NR.
    pub(crate) fn turns_no_reply(&self, slot: u32) -> bool {
        matches!(self.profile(slot).drive, Drive::Release { callee_no_answer_to_nr: true, .. })
    }

    /// When an order's life is over as one of kind NR: counted from its acceptance, but never cut short.
    pub(crate) fn no_reply_expires(&self, slot: u32) -> Millis {
        let (expires, profile) = (self.expires(slot), self.profile(slot));
        let accepted = expires.saturating_sub(profile.life_ms(self.orders[slot].kind()));
        expires.max(accepted + profile.life_ms(OrderKind::NoReply))
    }

    /// The next wait of an order is the first again.
    pub(crate) fn restart_waits(&mut self, slot: u32) {
        if let Drive::Release { poll_first_s, .. } = self.profile(slot).drive {
            self.orders[slot].wait_s = seconds(poll_first_s);
        }
    }

    /// Whether the callee of an order is available to it, as far as is known.
    pub(crate) fn availability(&self, order: &Order) -> Availability {
        let (presence, registered) = (self.lines.presence(order.callee), self.lines.registered(order.callee));
        if registered == Some(false) || presence == Presence::Busy {
            return Availability::Away;
        }
        match (order.wants(), presence) {
            (Wants::NotLoggedIn, _) if registered.is_none() => Availability::Unseen,
            (Wants::NotLoggedIn, _) => Availability::Available,
            (_, Presence::Unknown) => Availability::Unseen,
            (Wants::NewCall, _) => Availability::Away,
            _ => Availability::Available,
        }
    }

    /// Tells an order whether its callee is available, unless the callee is in a recall: then it is told when
    /// that is over.
    pub(crate) fn look_at_callee(&mut self, slot: u32, out: &mut Vec<Action>) {
        let order = &self.orders[slot];
        if self.lines.recall(order.callee).is_some() {
            return;
        }
        let input = match self.availability(order) {
            Availability::Available => Input::CalleeFree,
            Availability::Away => Input::CalleeBusy,
            Availability::Unseen => Input::CalleeUnseen,
        };
        if input == Input::CalleeBusy {
            self.restart_waits(slot);
        }
        self.input(slot, input, Told::Nothing, out);
    }

    /// Something about a line changed: tells the orders of profile `ccbs` for it.
    pub(crate) fn callee_changed(&mut self, line: u32, out: &mut Vec<Action>) {
        let mut waiting = self.walk_waiting(line);
        while let Some(slot) = waiting.next(&self.orders) {
            if self.is_release_driven(slot) {
                self.look_at_callee(slot, out);
            }
        }
    }

    /// The recall of the order in `but`, which held a line, is over: tells the other orders of profile `ccbs`
    /// for the line. Where it had a leg in the recall, or
    /// another call, its guard runs anew.
    pub(crate) fn callee_in_recall_over(&mut self, line: u32, returned: bool, but: u32, out: &mut Vec<Action>) {
        let mut waiting = self.walk_waiting(line);
        while let Some(slot) = waiting.next(&self.orders) {
            if slot != but && self.is_release_driven(slot) {
                if returned {
                    self.input(slot, Input::CalleeReturned, Told::Nothing, out);
                }
                self.look_at_callee(slot, out);
            }
        }
    }

    /// A call of a line's, either way, was answered: what orders of kind NR for it wait for.
    pub(crate) fn new_call_answered(&mut self, line: u32, out: &mut Vec<Action>) {
        let mut waiting = self.walk_waiting(line);
        while let Some(slot) = waiting.next(&self.orders) {
            let order = &mut self.orders[slot];
            if order.wants() == Wants::NewCall {
                order.set_wants(Wants::NewCallOver);
                self.look_at_callee(slot, out);
            }
        }
    }

    /// Starts the callee's idle guard.
    pub(crate) fn start_callee_guard(&mut self, slot: u32, out: &mut Vec<Action>) {
        if let Drive::Release { callee_idle_guard_s, .. } = self.profile(slot).drive {
            self.restart_waits(slot);
            let due = self.arm(slot, Millis::from(callee_idle_guard_s) * 1_000);
            self.tell(slot, Step::CalleeFree { due }, out);
        }
    }

    /// Starts the wait for the next try, and doubles the one after; when it is over.
    pub(crate) fn start_wait(&mut self, slot: u32) -> Millis {
        let wait_s = self.orders[slot].wait_s;
        if let Drive::Release { poll_longest_s, .. } = self.profile(slot).drive {
            self.orders[slot].wait_s = wait_s.saturating_mul(2).min(seconds(poll_longest_s));
        }
        self.arm(slot, Millis::from(wait_s) * 1_000)
    }

    /// After a restart: waits for the lines' states to be reported.
    pub(crate) fn await_lines(&mut self, slot: u32, out: &mut Vec<Action>) {
        if let Drive::Release { restart_grace_s, .. } = self.profile(slot).drive {
            let due = self.arm(slot, Millis::from(restart_grace_s) * 1_000);
            self.tell(slot, Step::Polling { due }, out);
        }
    }

    /// Makes an order one of kind NR, which waits for a new call of its callee's.
    pub(crate) fn turn_no_reply(&mut self, slot: u32, out: &mut Vec<Action>) {
        let expires = self.no_reply_expires(slot);
        self.orders[slot].set_wants(Wants::NewCall);
        self.start_life(slot, expires);
        self.tell(slot, Step::TurnedNoReply { expires }, out);
    }
}

/// A wait as an order keeps it: its range ends at an hour.
fn seconds(wait_s: u32) -> u16 {
    u16::try_from(wait_s).unwrap_or(u16::MAX)
}
