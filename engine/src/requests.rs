//! Facts and requests: what each event means.

use crate::action::{Action, Reply, Step};
use crate::counters::Counter;
use crate::effects::Told;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::{Event, FailCause, LineKind, LineRef};
use crate::life::{Input, State};
use crate::line_life::{self, Fact};
use crate::order::{List, Order, Wants};
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
                self.lines.set_kind(slot, *kind);
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
                let number = |slot: u32| self.lines.number(self.orders[slot].callee).clone();
                let caller = self.lines.find(caller)?;
                let callees: Vec<_> = caller.into_iter().flat_map(|line| self.placed(line)).map(number).collect();
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
        self.end_service(line);
        self.forget_offers(line);
        self.forget_offers_for(line);
        if !self.lines.has(line) {
            return Ok(());
        }
        self.end_all(line, List::Placed, EndReason::CallerGone, out);
        self.end_all(line, List::Waiting, EndReason::CalleeGone, out);
        if self.lines.has(line) {
            self.lines.set_kind(line, LineKind::External);
            let presence = line_life::heard(self.lines.presence(line), Fact::Removed).to;
            self.lines.set_presence(line, presence);
            self.lines.set_registered(line, None);
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
            let before = self.lines.service(line);
            if before.is_none_or(|before| self.profiles[before] != *profile) {
                let service = self.profiles.take(profile);
                self.end_service(line);
                self.lines.set_service(line, Some(service));
            }
        } else if let Some(line) = self.lines.find(line)? {
            self.end_service(line);
            self.forget_offers(line);
            self.end_all(line, List::Placed, EndReason::ServiceOff, out);
            self.lines.forget_unneeded(line);
        }
        Ok(())
    }

    fn end_service(&mut self, line: u32) {
        if let Some(service) = self.lines.service(line) {
            self.lines.set_service(line, None);
            self.profiles.give_back(service);
        }
    }

    /// Ends all orders of a list of a line's; the line itself may be forgotten with the last.
    fn end_all(&mut self, line: u32, list: List, reason: EndReason, out: &mut Vec<Action>) {
        while self.lines.has(line) {
            let ties = self.lines.ties(line);
            let last = if list == List::Placed { ties.placed } else { ties.waiting };
            let Some(slot) = self.orders.list(list, last).next() else { break };
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
                let callee = self.lines.number(order.callee).clone();
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
    fn admit(&self, caller: Option<u32>, callee: Option<u32>) -> Result<(u32, u32, OrderKind, u32), Refusal> {
        let deny = |denial| Err(Refusal::Denied(denial));
        let Some(caller) = caller else { return deny(Denial::NotAllowed) };
        let Some(service) = self.lines.service(caller) else { return deny(Denial::NotAllowed) };
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
        let profile = &self.profiles[service];
        if count(self.placed(caller).count()) >= profile.orders_per_caller {
            return deny(Denial::CallerLimit);
        }
        if count(self.waiting(callee).count()) >= profile.waiting_per_callee {
            return deny(Denial::CalleeLimit);
        }
        if self.orders.len() >= self.limits.orders_total as usize {
            return deny(Denial::Overload);
        }
        Ok((caller, callee, kind, service))
    }

    fn accept(&mut self, caller: u32, callee: u32, kind: OrderKind, service: u32, out: &mut Vec<Action>) -> Reply {
        self.counters.add(Counter::OrdersAccepted);
        let id = OrderId(self.next_order);
        self.next_order += 1;
        let profile = &self.profiles[service];
        let expires = self.now + profile.life_ms(kind);
        let timer_driven = profile.cb_timer_ms(self.lines.kind(callee)).is_some();
        let state = if timer_driven { State::Waiting } else { State::Watching };
        self.profiles.share(service);
        let slot = self.orders.insert(Order::new(id, caller, callee, service, state, Wants::of(kind, false)));
        self.start_life(slot, expires);
        let due = self.start_cb_timer(slot);
        self.restart_waits(slot);
        self.enqueue(slot);
        let place = self.place(slot);
        self.tell(slot, Step::Accepted { place, due, expires }, out);
        if !timer_driven {
            self.look_at_callee(slot, out);
        }
        Reply::Accepted { order: id, callee: self.lines.number(callee).clone(), place }
    }

    /// Puts an order at the end of its caller's and its callee's list.
    pub(crate) fn enqueue(&mut self, slot: u32) {
        let (caller, callee) = (self.orders[slot].caller, self.orders[slot].callee);
        let mut ties = self.lines.ties(caller);
        ties.placed = self.orders.append(List::Placed, ties.placed, slot);
        self.lines.set_ties(caller, ties);
        let mut ties = self.lines.ties(callee);
        ties.waiting = self.orders.append(List::Waiting, ties.waiting, slot);
        self.lines.set_ties(callee, ties);
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
            (Some(caller), None) => self.placed(caller).collect(),
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
            .and_then(|caller| self.lines.service(caller))
            .map(|service| &self.profiles[service])
            .filter(|profile| kind.is_some_and(|kind| profile.offers(kind)))
            .map(|profile| Millis::from(profile.offer_window_s) * 1_000);
        let (Some(caller), Some(kind), Some(window)) = (caller, kind, window) else {
            self.lines.find(callee)?;
            if let Some(caller) = caller {
                self.lines.set_last_without_offer(caller, true);
            }
            self.counters.add(Counter::CallsWithoutOffer);
            return Ok(());
        };
        let callee = self.lines.intern(callee)?;
        if callee == caller {
            self.lines.set_last_without_offer(caller, true);
            self.counters.add(Counter::CallsWithoutOffer);
            return Ok(());
        }
        self.counters.add(Counter::OffersOpened);
        self.open_offer(caller, callee, kind, self.now + window);
        Ok(())
    }
}

enum Refusal {
    Denied(Denial),
    /// The same order stands already.
    Stands(u32),
}
