//! Facts and requests: what each event means.

use std::sync::Arc;

use crate::action::{Action, Reply, Step};
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::{Engine, Timer};
use crate::error::EngineError;
use crate::event::{Event, FailCause, LineKind, LineRef};
use crate::life::{Input, State};
use crate::line::Offer;
use crate::line_life::{self, Fact};
use crate::order::Order;
use crate::profile::{OrderKind, Profile};
use crate::reason::{Denial, EndReason};
use crate::view::count;
use crate::{Millis, OrderId};

impl Engine {
    pub(crate) fn handle(&mut self, event: &Event, out: &mut Vec<Action>) -> Result<(), EngineError> {
        match event {
            Event::Line { line, kind } => {
                let slot = self.lines.intern(line)?;
                self.lines.configure(slot, true);
                let line = &mut self.lines[slot];
                line.kind = *kind;
            }
            Event::LineRemoved { line } => self.remove_line(line, out)?,
            Event::Service { line, profile } => self.set_service(line, profile.as_deref(), out)?,
            Event::LineBusy { line } => self.line_busy(line, out)?,
            Event::LineFree { line } => self.line_not_busy(line, Fact::Free, out)?,
            Event::LineUnknown { line } => self.line_not_busy(line, Fact::Unknown, out)?,
            Event::LineRegistered { line } => self.line_registered(line, true, out)?,
            Event::LineUnregistered { line } => self.line_registered(line, false, out)?,
            Event::CallFailed { caller, callee, cause } => self.call_failed(caller, callee, *cause)?,
            Event::CallAnswered { caller, callee } => self.call_answered(caller, callee, out)?,
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
            Event::RingOutcome { recall, outcome } => self.ring_outcome(*recall, *outcome, out),
            Event::PlayOutcome { recall, play, outcome } => self.play_outcome(*recall, *play, *outcome, out),
            Event::ConnectOutcome { recall, outcome } => self.connect_outcome(*recall, *outcome, out),
            Event::Released { recall } => self.released(*recall, out),
            Event::Restarted => self.restarted(out),
        }
        Ok(())
    }

    fn remove_line(&mut self, line: &LineRef, out: &mut Vec<Action>) -> Result<(), EngineError> {
        let Some(line) = self.lines.find(line)? else { return Ok(()) };
        self.lines[line].service = None;
        self.forget_offers(line);
        self.forget_offers_for(line);
        if self.lines.get(line).is_none() {
            return Ok(());
        }
        self.end_all(line, |line| &line.placed, EndReason::CallerGone, out);
        self.end_all(line, |line| &line.waiting, EndReason::CalleeGone, out);
        if self.lines.get(line).is_some() {
            let removed = &mut self.lines[line];
            removed.kind = LineKind::External;
            removed.presence = line_life::heard(removed.presence, Fact::Removed).to;
            removed.registered = None;
            self.lines.configure(line, false);
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
            Ok((caller, callee, kind, profile)) => self.accept(caller, callee, kind, profile, out),
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
    fn admit(&self, caller: Option<u32>, callee: Option<u32>) -> Result<(u32, u32, OrderKind, Arc<Profile>), Refusal> {
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
        let Some(kind) = self.valid_offers(caller).find(|offer| offer.callee == callee).map(|offer| offer.kind) else {
            return deny(Denial::NoOffer);
        };
        if count(self.lines[caller].placed.len()) >= profile.orders_per_caller {
            return deny(Denial::CallerLimit);
        }
        if count(self.lines[callee].waiting.len()) >= profile.waiting_per_callee {
            return deny(Denial::CalleeLimit);
        }
        if self.orders.len() >= self.limits.orders_total as usize {
            return deny(Denial::Overload);
        }
        Ok((caller, callee, kind, profile))
    }

    fn accept(
        &mut self,
        caller: u32,
        callee: u32,
        kind: OrderKind,
        profile: Arc<Profile>,
        out: &mut Vec<Action>,
    ) -> Reply {
        self.counters.add(Counter::OrdersAccepted);
        let id = OrderId(self.next_order);
        self.next_order += 1;
        let expires = self.now + profile.life_ms(kind);
        let timer_driven = profile.cb_timer_ms(self.lines[callee].kind).is_some();
        let slot = self.orders.insert(Order {
            id,
            caller,
            callee,
            kind,
            profile,
            state: if timer_driven { State::Waiting } else { State::Watching },
            attempt: 0,
            failure: None,
            called: None,
            sent: 0,
            answered: 0,
            new_call: false,
            wait_s: 0,
            recall: None,
            due: None,
            expires,
            eligible_since: None,
            armed: 0,
            timer: None,
            life: None,
        });
        self.orders[slot].life = Some(self.wheel.insert(expires, Timer::Life { slot, order: id }));
        let due = self.start_cb_timer(slot);
        self.orders[slot].restart_waits();
        self.lines[caller].placed.push(slot);
        self.lines[callee].waiting.push(slot);
        let place = self.place(slot);
        self.tell(slot, Step::Accepted { place, due, expires }, out);
        if !timer_driven {
            self.look_at_callee(slot, out);
        }
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
        let kind = OrderKind::of(cause);
        let window = caller
            .and_then(|caller| self.lines[caller].service.as_ref())
            .filter(|profile| kind.is_some_and(|kind| profile.offers(kind)))
            .map(|profile| Millis::from(profile.offer_window_s) * 1_000);
        let (Some(caller), Some(kind), Some(window)) = (caller, kind, window) else {
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
        self.open_offer(caller, Offer { callee, kind, until: self.now + window });
        Ok(())
    }
}

enum Refusal {
    Denied(Denial),
    /// The same order stands already.
    Stands(u32),
}
