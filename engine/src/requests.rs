//! Facts and requests: what each event means.

use std::sync::Arc;

use crate::action::{Action, AttemptFailure, Reply, Step};
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::{Engine, Timer};
use crate::error::EngineError;
use crate::event::{ConnectOutcome, Event, FailCause, LineRef, PlayOutcome, RingOutcome};
use crate::life::{Input, State};
use crate::line::{Offer, Presence};
use crate::order::Order;
use crate::profile::Profile;
use crate::reason::{Denial, EndReason};
use crate::view::count;
use crate::{Millis, OrderId, RecallId};

impl Engine {
    pub(crate) fn handle(&mut self, event: &Event, out: &mut Vec<Action>) -> Result<(), EngineError> {
        match event {
            Event::Line { line, kind } => {
                let slot = self.lines.intern(line)?;
                let line = &mut self.lines[slot];
                line.kind = *kind;
                line.configured = true;
                line.removed = false;
            }
            Event::LineRemoved { line } => self.remove_line(line, out)?,
            Event::Service { line, profile } => self.set_service(line, profile.as_deref(), out)?,
            Event::LineBusy { line } => {
                let line = self.lines.intern(line)?;
                self.lines[line].presence = Presence::Busy;
                if self.lines[line].recall.is_none() {
                    self.input_to_placed(line, Input::CallerBusy, out);
                }
            }
            Event::LineFree { line } => self.line_not_busy(line, Presence::Free, out)?,
            Event::LineUnknown { line } => self.line_not_busy(line, Presence::Unknown, out)?,
            Event::CallFailed { caller, callee, cause } => self.call_failed(caller, callee, *cause)?,
            Event::CallAnswered { caller, callee } => {
                if let (Some(caller), Some(callee)) = (self.lines.find(caller)?, self.lines.find(callee)?) {
                    self.forget_offers_between(caller, callee);
                    self.fulfil(caller, callee, out);
                    self.fulfil(callee, caller, out);
                }
            }
            Event::Order { request, caller, callee } => {
                let reply_at = out.len();
                let reply = self.order(caller, callee.as_ref(), out)?;
                out.insert(reply_at, Action::Reply { request: *request, reply });
            }
            Event::Cancel { request, caller, callee } => self.cancel(*request, caller, callee.as_ref(), out)?,
            Event::Query { request, caller } => {
                let placed = self.lines.find(caller)?.map_or(&[][..], |line| &self.lines[line].placed);
                let number = |&slot: &u32| self.lines[self.orders[slot].callee].number.clone();
                let callees: Vec<_> = placed.iter().map(number).collect();
                let reply = if callees.is_empty() { Reply::NothingOrdered } else { Reply::Ordered { callees } };
                out.push(Action::Reply { request: *request, reply });
            }
            Event::OperatorCancel { request, order } => {
                let reply = match self.orders.find(*order) {
                    Some(slot) => {
                        self.input(slot, Input::End, Told::Reason(EndReason::CancelledByOperator), out);
                        Reply::Cancelled { orders: vec![*order] }
                    }
                    None => Reply::NothingOrdered,
                };
                out.push(Action::Reply { request: *request, reply });
            }
            Event::RingOutcome { recall, outcome } => {
                let (input, told) = ring_input(*outcome);
                self.outcome(*recall, input, told, out);
            }
            Event::PlayOutcome { recall, outcome } => {
                let (input, told) = match outcome {
                    PlayOutcome::Played | PlayOutcome::Failed => (Input::Heard, Told::Nothing),
                    PlayOutcome::CallerGone => (Input::CallerGone, Told::Failure(AttemptFailure::CallerGone)),
                };
                self.outcome(*recall, input, told, out);
            }
            Event::ConnectOutcome { recall, outcome } => {
                let (input, told) = connect_input(*outcome);
                self.outcome(*recall, input, told, out);
            }
            Event::Released { recall } => self.outcome(*recall, Input::Released, Told::Nothing, out),
            Event::Restarted => self.restarted(out),
        }
        Ok(())
    }

    fn outcome(&mut self, recall: RecallId, input: Input, told: Told, out: &mut Vec<Action>) {
        let Some(&slot) = self.recalls.get(&recall) else {
            self.counters.add(Counter::OutcomesUnknown);
            return;
        };
        // A prompt's outcome and a call's may both say that the caller is gone; each counts only where waited for.
        if !self.input(slot, input, told, out) {
            self.counters.add(Counter::OutcomesUnexpected);
        }
    }

    fn remove_line(&mut self, line: &LineRef, out: &mut Vec<Action>) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else { return Ok(()) };
        self.lines[line].service = None;
        self.forget_offers(line);
        self.end_all(line, |line| &line.placed, EndReason::CallerGone, out);
        self.end_all(line, |line| &line.waiting, EndReason::CalleeGone, out);
        if self.lines.get(line).is_some() {
            let removed = &mut self.lines[line];
            removed.configured = false;
            removed.removed = true;
            removed.presence = Presence::Unknown;
            self.lines.forget_unneeded(line);
        }
        Ok(())
    }

    fn set_service(
        &mut self,
        line: &LineRef,
        profile: Option<&Profile>,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        if let Some(profile) = profile {
            profile.check()?;
            let line = self.lines.intern(line)?;
            let line = &mut self.lines[line];
            line.removed = false;
            if line.service.as_deref() != Some(profile) {
                line.service = Some(Arc::new(profile.clone()));
            }
        } else if let Some(line) = self.lines.find(line)? {
            self.lines[line].service = None;
            self.forget_offers(line);
            self.end_all(line, |line| &line.placed, EndReason::ServiceOff, out);
            self.lines.forget_unneeded(line);
        }
        Ok(())
    }

    /// Ends all orders of a list of a line's; the line itself may be forgotten with the last.
    fn end_all(
        &mut self,
        line: u32,
        list: fn(&crate::line::Line) -> &Vec<u32>,
        reason: EndReason,
        out: &mut Vec<Action>,
    ) {
        while let Some(&slot) = self.lines.get(line).and_then(|line| list(line).first()) {
            self.input(slot, Input::End, Told::Reason(reason), out);
        }
    }

    fn line_not_busy(&mut self, line: &LineRef, presence: Presence, out: &mut Vec<Action>) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else { return Ok(()) };
        let was_busy = self.lines[line].presence == Presence::Busy;
        self.lines[line].presence = presence;
        if was_busy && self.lines[line].recall.is_none() {
            self.input_to_placed(line, Input::CallerFree, out);
        }
        self.lines.forget_unneeded(line);
        Ok(())
    }

    fn order(
        &mut self,
        caller: &LineRef,
        callee: Option<&LineRef>,
        out: &mut Vec<Action>,
    ) -> Result<Reply, EngineError> {
        let caller = self.lines.find(caller)?;
        let callee = match callee {
            Some(callee) => self.lines.find(callee)?,
            None => caller.and_then(|caller| self.last_offered(caller)),
        };
        Ok(match self.admit(caller, callee) {
            Ok((caller, callee, profile)) => self.accept(caller, callee, profile, out),
            Err(Refusal::Stands(slot)) => {
                self.counters.add(Counter::OrdersConfirmed);
                let order = &self.orders[slot];
                let callee = self.lines[order.callee].number.clone();
                Reply::Confirmed { order: order.id, callee, place: self.place(slot) }
            }
            Err(Refusal::Denied(denial)) => {
                self.counters.add(match denial {
                    Denial::NotAllowed => Counter::DeniedNotAllowed,
                    Denial::NoOffer => Counter::DeniedNoOffer,
                    Denial::OwnNumber => Counter::DeniedOwnNumber,
                    Denial::CallerLimit => Counter::DeniedCallerLimit,
                    Denial::CalleeLimit => Counter::DeniedCalleeLimit,
                    Denial::Overload => Counter::DeniedOverload,
                });
                Reply::Denied { denial }
            }
        })
    }

    /// Whether `caller` may order `callee` now, each `None` if its number is not known.
    fn admit(&self, caller: Option<u32>, callee: Option<u32>) -> Result<(u32, u32, Arc<Profile>), Refusal> {
        let deny = |denial| Err(Refusal::Denied(denial));
        let Some(caller) = caller else { return deny(Denial::NotAllowed) };
        let Some(profile) = self.lines[caller].service.clone() else { return deny(Denial::NotAllowed) };
        if callee == Some(caller) {
            return deny(Denial::OwnNumber);
        }
        let Some(callee) = callee else { return deny(Denial::NoOffer) };
        if let Some(slot) = self.standing(caller, callee) {
            return Err(Refusal::Stands(slot));
        }
        if !self.valid_offers(caller).any(|offered| offered == callee) {
            return deny(Denial::NoOffer);
        }
        if count(self.lines[caller].placed.len()) >= profile.orders_per_caller {
            return deny(Denial::CallerLimit);
        }
        if count(self.lines[callee].waiting.len()) >= profile.waiting_per_callee {
            return deny(Denial::CalleeLimit);
        }
        if self.orders.len() >= self.limits.orders_total as usize {
            return deny(Denial::Overload);
        }
        Ok((caller, callee, profile))
    }

    fn accept(&mut self, caller: u32, callee: u32, profile: Arc<Profile>, out: &mut Vec<Action>) -> Reply {
        self.counters.add(Counter::OrdersAccepted);
        let id = OrderId(self.next_order);
        self.next_order += 1;
        let cb_timer = profile.cb_timer_ms(self.lines[callee].kind);
        let due = self.now + cb_timer;
        let expires = self.now + Millis::from(profile.service_duration_s) * 1_000;
        let slot = self.orders.insert(Order {
            id,
            caller,
            callee,
            profile,
            state: State::Waiting,
            attempt: 0,
            failure: None,
            recall: None,
            due: Some(due),
            expires,
            eligible_since: None,
            armed: 0,
            timer: None,
            life: None,
        });
        self.orders[slot].life = Some(self.wheel.insert(expires, Timer::Life { slot, order: id }));
        self.arm(slot, cb_timer);
        self.lines[caller].placed.push(slot);
        self.lines[callee].waiting.push(slot);
        let place = self.place(slot);
        self.tell(slot, Step::Accepted { place, due, expires }, out);
        Reply::Accepted { order: id, callee: self.lines[callee].number.clone(), place }
    }

    fn cancel(
        &mut self,
        request: u64,
        caller: &LineRef,
        callee: Option<&LineRef>,
        out: &mut Vec<Action>,
    ) -> Result<(), EngineError> {
        let caller = self.lines.find(caller)?;
        let slots: Vec<u32> = match (caller, callee) {
            (None, _) => Vec::new(),
            (Some(caller), None) => self.lines[caller].placed.clone(),
            (Some(caller), Some(callee)) => {
                self.lines.find(callee)?.and_then(|callee| self.standing(caller, callee)).into_iter().collect()
            }
        };
        let orders: Vec<OrderId> = slots.iter().map(|&slot| self.orders[slot].id).collect();
        for slot in slots {
            self.input(slot, Input::End, Told::Reason(EndReason::Cancelled), out);
        }
        let reply = if orders.is_empty() { Reply::NothingOrdered } else { Reply::Cancelled { orders } };
        out.push(Action::Reply { request, reply });
        Ok(())
    }

    fn call_failed(&mut self, caller: &LineRef, callee: &LineRef, cause: FailCause) -> Result<(), EngineError> {
        let caller = self.lines.find(caller)?;
        let window = caller
            .and_then(|caller| self.lines[caller].service.as_ref())
            .map(|profile| Millis::from(profile.offer_window_s) * 1_000);
        let (Some(caller), Some(window), FailCause::Busy) = (caller, window, cause) else {
            self.lines.find(callee)?;
            if let Some(caller) = caller {
                self.lines[caller].last_without_offer = true;
            }
            self.counters.add(Counter::CallsWithoutOffer);
            return Ok(());
        };
        let callee = self.lines.intern(callee)?;
        if callee == caller {
            self.lines[caller].last_without_offer = true;
            self.counters.add(Counter::CallsWithoutOffer);
            return Ok(());
        }
        self.counters.add(Counter::OffersOpened);
        self.lines[callee].removed = false;
        self.open_offer(caller, Offer { callee, until: self.now + window });
        Ok(())
    }

    fn restarted(&mut self, out: &mut Vec<Action>) {
        for line in self.lines.iter_mut() {
            line.presence = Presence::Unknown;
        }
        let mut slots: Vec<(OrderId, u32)> = self.orders.iter().map(|(slot, order)| (order.id, slot)).collect();
        slots.sort_unstable();
        for (_, slot) in slots {
            self.input(slot, Input::Restarted, Told::Failure(AttemptFailure::SwitchFailed), out);
        }
        let lines: Vec<u32> = self.lines.iter().filter(|(_, line)| !line.is_needed()).map(|(slot, _)| slot).collect();
        for line in lines {
            self.lines.forget_unneeded(line);
        }
    }
}

enum Refusal {
    Denied(Denial),
    /// The same order stands already.
    Stands(u32),
}

fn ring_input(outcome: RingOutcome) -> (Input, Told) {
    let failure = match outcome {
        RingOutcome::Answered => return (Input::CallerAnswered, Told::Nothing),
        RingOutcome::Busy => AttemptFailure::CallerBusy,
        RingOutcome::NoAnswer => AttemptFailure::CallerNoAnswer,
        RingOutcome::Declined => AttemptFailure::CallerDeclined,
        RingOutcome::Unreachable => AttemptFailure::CallerUnreachable,
        RingOutcome::Failed => AttemptFailure::SwitchFailed,
    };
    (Input::CallerFailed, Told::Failure(failure))
}

fn connect_input(outcome: ConnectOutcome) -> (Input, Told) {
    let failure = match outcome {
        ConnectOutcome::Answered => return (Input::CalleeAnswered, Told::Nothing),
        ConnectOutcome::CallerGone => return (Input::CallerGone, Told::Failure(AttemptFailure::CallerGone)),
        ConnectOutcome::Busy => AttemptFailure::CalleeBusy,
        ConnectOutcome::NoAnswer => AttemptFailure::CalleeNoAnswer,
        ConnectOutcome::Declined => AttemptFailure::CalleeDeclined,
        ConnectOutcome::Unreachable => AttemptFailure::CalleeUnreachable,
        ConnectOutcome::Failed => AttemptFailure::SwitchFailed,
    };
    (Input::CalleeFailed, Told::Failure(failure))
}
