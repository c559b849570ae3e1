//! Inputs through the table of an order's life, and what its effects do.

use crate::action::{Action, AttemptFailure, Prompt, ReleaseReason, Step};
use crate::callee::Availability;
use crate::counters::Counter;
use crate::engine::Engine;
use crate::life::{Asked, Effect, Input, State, When};
use crate::line::Presence;
use crate::lookup::lookup;
use crate::order::List;
use crate::reason::EndReason;
use crate::recall::Recall;
use crate::{Millis, RecallId};

/// What came with an input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// Nothing.
    Nothing,
    /// Why the attempt fails.
    Failure(AttemptFailure),
    /// Why the order ends.
    Reason(EndReason),
}

/// What the outside gets to answer in (ms): a `Ring` or `Connect` beyond its own time, a `Play`, a `Release`.
const CALL_GRACE: Millis = 10_000;
const PLAY_TIME: Millis = 180_000;
const RELEASE_TIME: Millis = 10_000;

impl Engine {
    /// Takes an order's next transition; tells whether there was one for this input.
    pub(crate) fn input(&mut self, slot: u32, on: Input, told: Told, out: &mut Vec<Action>) -> bool {
        let Some(row) = lookup(self.orders[slot].state, on, |when| self.holds(slot, when)) else {
            return false;
        };
        #[cfg(test)]
        crate::tests::coverage::took(row);
        let order = &mut self.orders[slot];
        order.state = row.to;
        if let Told::Failure(failure) = told
            && let Some(recall) = order.recall()
        {
            self.recalls[recall].failure.get_or_insert(failure);
        }
        if !row.effects.contains(&Effect::KeepTimer) {
            self.disarm(slot);
        }
        self.update_eligibility(slot);
        for &effect in row.effects {
            self.effect(slot, effect, told, out);
        }
        if row.to == State::Ended {
            let order = &self.orders[slot];
            let (caller, callee) = (order.caller, order.callee);
            self.profiles.give_back(order.profile);
            self.orders.remove(slot);
            self.lines.forget_unneeded(caller);
            self.lines.forget_unneeded(callee);
        }
        true
    }

    fn holds(&self, slot: u32, when: When) -> bool {
        let order = &self.orders[slot];
        match when {
            When::Always => true,
            When::CallerBusy => {
                self.lines.presence(order.caller) == Presence::Busy && self.lines.recall(order.caller).is_none()
            }
            When::ReleaseDriven => self.is_release_driven(slot),
            When::LastAttempt => self.profile(slot).attempts().is_some_and(|attempts| order.attempt >= attempts),
            When::LifeOver => self.expires(slot) <= self.now,
            When::CallerSilent => self
                .ccbs_failed(slot, |of| matches!(of, AttemptFailure::CallerNoAnswer | AttemptFailure::CallerDeclined)),
            When::CallerGaveUp => self.ccbs_failed(slot, |of| of == AttemptFailure::CallerGone),
            When::CalleeDeclined => self.ccbs_failed(slot, |of| of == AttemptFailure::CalleeDeclined),
            When::CalleeSilent => {
                self.ccbs_failed(slot, |of| of == AttemptFailure::CalleeNoAnswer) && !self.turns_no_reply(slot)
            }
            When::TurnsNoReply => {
                self.ccbs_failed(slot, |of| of == AttemptFailure::CalleeNoAnswer)
                    && self.turns_no_reply(slot)
                    && self.no_reply_expires(slot) > self.now
            }
            When::NotRetained => {
                self.ccbs_failed(slot, |of| of == AttemptFailure::CalleeBusy)
                    && !self.has_retention(slot)
                    && self.recall_of(slot).called != Some(Presence::Unknown)
            }
            When::NotReached => self.ccbs_failed(slot, |of| match of {
                AttemptFailure::CalleeBusy | AttemptFailure::CalleeUnreachable | AttemptFailure::NotTried => {
                    self.availability(order) == Availability::Available
                }
                AttemptFailure::SwitchFailed => self.availability(order) != Availability::Away,
                _ => false,
            }),
            When::CallerNotReached => self.caller_not_reached(slot),
            When::CallerSeenBusy => {
                self.lines.presence(order.caller) == Presence::Busy && self.caller_not_reached(slot)
            }
        }
    }

    /// Whether nothing but the caller's phone keeps an order of profile `ccbs` waiting. A callee that had a call of
    /// its own meanwhile does too: its guard runs anew.
    fn caller_not_reached(&self, slot: u32) -> bool {
        let order = &self.orders[slot];
        self.ccbs_failed(slot, |of| matches!(of, AttemptFailure::CallerBusy | AttemptFailure::CallerUnreachable))
            && self.availability(order) != Availability::Away
            && !self.lines.ties(order.callee).stirred
    }

    fn effect(&mut self, slot: u32, effect: Effect, told: Told, out: &mut Vec<Action>) {
        match effect {
            Effect::Suspend => self.tell(slot, Step::Suspended, out),
            Effect::Resume => self.tell(slot, Step::Resumed, out),
            Effect::StartGuard => {
                let guard = Millis::from(self.profile(slot).caller_free_guard_s) * 1_000;
                self.arm(slot, guard);
            }
            Effect::AwaitCallee => self.tell(slot, Step::CalleeBusy, out),
            Effect::StartCalleeGuard => self.start_callee_guard(slot, out),
            Effect::StartWait => {
                let due = self.start_wait(slot);
                self.tell(slot, Step::Polling { due }, out);
            }
            Effect::AwaitLines => self.await_lines(slot, out),
            Effect::LookAtCallee => self.look_at_callee(slot, out),
            Effect::TurnNoReply => self.turn_no_reply(slot, out),
            Effect::Then(input) => {
                self.input(slot, input, Told::Nothing, out);
            }
            Effect::Ring => self.ring(slot, out),
            Effect::Announce => {
                self.play(slot, Asked::Announce, &[Prompt::Activated], out);
                self.tell(slot, Step::CallerAnswered, out);
            }
            Effect::Connect => self.connect(slot, out),
            Effect::TellFailure => self.tell_failure(slot, out),
            Effect::Release(reason) => {
                let (recall, order) = (self.asked(slot, Asked::Release), self.orders[slot].id);
                out.push(Action::Release { recall, order, reason });
                self.arm(slot, RELEASE_TIME);
            }
            Effect::KeepTimer => {}
            Effect::FailAttempt => self.fail_attempt(slot, out),
            Effect::ReturnAttempt => {
                self.counters.add(Counter::AttemptsVoid);
                self.orders[slot].attempt -= 1;
            }
            Effect::End(reason) => self.end(slot, reason, out),
            Effect::EndAsTold => {
                let Told::Reason(reason) = told else { unreachable!("Input::End comes with a reason") };
                self.end(slot, reason, out);
            }
            Effect::FulfilReverse => {
                let (caller, callee) = (self.orders[slot].caller, self.orders[slot].callee);
                self.fulfil(callee, caller, out);
            }
            Effect::FreeLines => self.free_lines(slot, out),
        }
    }

    /// Reports a step of an order.
    pub(crate) fn tell(&self, slot: u32, step: Step, out: &mut Vec<Action>) {
        let order = &self.orders[slot];
        out.push(Action::Step {
            order: order.id,
            caller: self.lines.number(order.caller).clone(),
            callee: self.lines.number(order.callee).clone(),
            step,
        });
    }

    /// Notes that an action of an order's recall is sent; which recall that is.
    fn asked(&mut self, slot: u32, asked: Asked) -> RecallId {
        let recall = self.recall_of_mut(slot);
        recall.sent |= asked.bit();
        recall.id
    }

    fn ring(&mut self, slot: u32, out: &mut Vec<Action>) {
        let recall = RecallId(self.next_recall);
        self.next_recall += 1;
        let profile = self.profile(slot);
        let (timeout_ms, attempts) = (Millis::from(profile.caller_ring_s) * 1_000, profile.attempts());
        let order = &mut self.orders[slot];
        order.attempt += 1;
        let attempt = order.attempt;
        out.push(Action::Ring {
            recall,
            order: order.id,
            caller: self.lines.number(order.caller).clone(),
            callee: self.lines.number(order.callee).clone(),
            timeout_ms,
        });
        self.counters.add(Counter::AttemptsBegun);
        self.tell(slot, Step::AttemptBegan { attempt, attempts }, out);
        self.take_lines(slot, Recall::new(recall, slot, Asked::Ring.bit()), out);
        self.arm(slot, timeout_ms + CALL_GRACE);
    }

    fn play(&mut self, slot: u32, asked: Asked, prompts: &'static [Prompt], out: &mut Vec<Action>) {
        let (recall, order) = (self.asked(slot, asked), self.orders[slot].id);
        out.push(Action::Play { recall, order, play: asked.play(), prompts: prompts.into() });
        self.arm(slot, PLAY_TIME);
    }

    fn connect(&mut self, slot: u32, out: &mut Vec<Action>) {
        let timeout_ms = Millis::from(self.profile(slot).callee_ring_s) * 1_000;
        let recall = self.asked(slot, Asked::Connect);
        let order = &self.orders[slot];
        out.push(Action::Connect {
            recall,
            order: order.id,
            caller: self.lines.number(order.caller).clone(),
            callee: self.lines.number(order.callee).clone(),
            timeout_ms,
        });
        let presence = self.lines.presence(order.callee);
        self.recall_of_mut(slot).called = Some(presence);
        self.tell(slot, Step::CalleeCalled, out);
        self.arm(slot, timeout_ms + CALL_GRACE);
    }

    fn tell_failure(&mut self, slot: u32, out: &mut Vec<Action>) {
        // Where the failure ends the order, the caller hears that no other attempt will be made.
        let ends = [When::LastAttempt, When::CalleeDeclined, When::CalleeSilent, When::NotRetained];
        let last = ends.iter().any(|&end| self.holds(slot, end));
        let busy = self.recall_of(slot).failure == Some(AttemptFailure::CalleeBusy);
        let prompts: &[Prompt] = match (busy, last) {
            (true, false) => &[Prompt::BusyAgain],
            (true, true) => &[Prompt::BusyAgain, Prompt::AttemptsUsedUp],
            (false, false) => &[Prompt::NoAnswer],
            (false, true) => &[Prompt::NoAnswer, Prompt::AttemptsUsedUp],
        };
        self.play(slot, Asked::Tell, prompts, out);
    }

    fn fail_attempt(&mut self, slot: u32, out: &mut Vec<Action>) {
        self.counters.add(Counter::AttemptsFailed);
        let due = match self.orders[slot].state {
            State::Waiting => self.start_cb_timer(slot),
            State::Retrying | State::RetryingCaller => Some(self.start_wait(slot)),
            _ => None,
        };
        let (attempt, attempts) = (self.orders[slot].attempt, self.profile(slot).attempts());
        let failure = self.failure(slot);
        self.tell(slot, Step::AttemptFailed { attempt, attempts, failure, due }, out);
    }

    /// Starts the CB timer, if the order's profile has one; when it expires.
    pub(crate) fn start_cb_timer(&mut self, slot: u32) -> Option<Millis> {
        let after = self.profile(slot).cb_timer_ms(self.lines.kind(self.orders[slot].callee))?;
        Some(self.arm(slot, after))
    }

    /// Ends an order: it leaves the queues, and its life is over.
    fn end(&mut self, slot: u32, reason: EndReason, out: &mut Vec<Action>) {
        self.tell(slot, Step::Ended { reason }, out);
        self.counters.add(match reason {
            EndReason::Completed => Counter::OrdersCompleted,
            EndReason::FulfilledByOtherCall => Counter::OrdersFulfilled,
            EndReason::Cancelled => Counter::OrdersCancelled,
            EndReason::CancelledByOperator => Counter::OrdersCancelledByOperator,
            EndReason::Expired => Counter::OrdersExpired,
            EndReason::AttemptsExhausted => Counter::OrdersExhausted,
            EndReason::CallerNoAnswer => Counter::OrdersCallerNoAnswer,
            EndReason::CalleeNoAnswer => Counter::OrdersCalleeNoAnswer,
            EndReason::CalleeDeclined => Counter::OrdersCalleeDeclined,
            EndReason::CallerGone => Counter::OrdersCallerGone,
            EndReason::CalleeGone => Counter::OrdersCalleeGone,
            EndReason::ServiceOff => Counter::OrdersServiceOff,
        });
        self.stop_life(slot);
        let order = &self.orders[slot];
        let (caller, callee) = (order.caller, order.callee);
        self.orders.end(slot);
        let mut ties = self.lines.ties(caller);
        ties.placed = self.orders.unlink(List::Placed, ties.placed, slot);
        self.lines.set_ties(caller, ties);
        let mut ties = self.lines.ties(callee);
        ties.waiting = self.orders.unlink(List::Waiting, ties.waiting, slot);
        self.lines.set_ties(callee, ties);
        if reason == EndReason::Completed {
            self.forget_offers_between(caller, callee);
        }
    }

    /// Ends the order of `caller` for `callee`, if there is one, because the two have talked.
    pub(crate) fn fulfil(&mut self, caller: u32, callee: u32, out: &mut Vec<Action>) {
        if let Some(slot) = self.standing(caller, callee) {
            self.input(slot, Input::End, Told::Reason(EndReason::FulfilledByOtherCall), out);
        }
    }

    /// The order of `caller` for `callee` that stands.
    pub(crate) fn standing(&self, caller: u32, callee: u32) -> Option<u32> {
        if !self.lines.has(caller) {
            return None;
        }
        self.placed(caller).find(|&slot| self.orders[slot].callee == callee)
    }
}

/// Why a `Release` is sent, for the diagram.
impl ReleaseReason {
    /// The word used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttemptFailed => "attempt-failed",
            Self::OrderEnded => "order-ended",
            Self::Overdue => "overdue",
        }
    }
}
