//! What is heard: events, before the engine is told.

use std::sync::Arc;

use super::Watch;
use crate::{Engine, Event, LineRef, Millis, Number, OrderId, OrderKind, PlayOutcome, RecallId, RingOutcome};

impl Watch {
    /// Hears of an event before the engine does; timers due by `now` were handled already.
    pub fn hear(&mut self, now: Millis, event: &Event, engine: &Engine) {
        let name = |line: &LineRef| match line {
            LineRef::Number(number) => Some(number.clone()),
            LineRef::Id(id) => engine.number(*id),
        };
        match event {
            Event::LineBusy { line } => self.presence(now, name(line), Some(true)),
            Event::LineFree { line } => self.presence(now, name(line), Some(false)),
            Event::LineUnknown { line } => self.presence(now, name(line), None),
            Event::LineRegistered { line } => self.registration(name(line), true),
            Event::LineUnregistered { line } => self.registration(name(line), false),
            Event::LineRemoved { line } => {
                if let Some(number) = name(line) {
                    self.lines.retain(|line| line.number != number);
                }
            }
            Event::Service { line, profile } => {
                if let Some(number) = name(line) {
                    self.line(&number).service = profile.as_deref().map(|profile| Arc::new(profile.clone()));
                }
            }
            Event::CallAnswered { caller, callee } => {
                let talk = [name(caller), name(callee)];
                for order in &mut self.orders {
                    order.new_call |=
                        order.kind == OrderKind::NoReply && talk.iter().flatten().any(|line| *line == order.callee);
                }
            }
            Event::RingOutcome { recall, outcome } if self.awaits(event) => {
                self.fails(*recall, *outcome != RingOutcome::Answered);
                let order = self.recalls.iter().find(|found| found.recall == *recall).map(|found| found.order);
                self.void.extend(order.filter(|_| *outcome == RingOutcome::NotTried));
            }
            Event::PlayOutcome { recall, outcome, .. } if self.awaits(event) => {
                self.fails(*recall, *outcome == PlayOutcome::CallerGone);
            }
            Event::ConnectOutcome { recall, .. } if self.awaits(event) => self.fails(*recall, true),
            Event::Released { recall } if self.awaits(event) => self.over(now, *recall),
            Event::Restarted => self.restarted(now),
            _ => {}
        }
    }

    fn fails(&mut self, recall: RecallId, failed: bool) {
        if let Some(found) = self.recalls.iter_mut().find(|found| found.recall == recall) {
            found.failed |= failed;
        }
    }

    fn presence(&mut self, now: Millis, number: Option<Number>, busy: Option<bool>) {
        let Some(number) = number else { return };
        let was = std::mem::replace(&mut self.line(&number).busy, busy);
        if self.is_held(&number) {
            return;
        }
        for order in &mut self.orders {
            if order.callee == number && busy == Some(true) && order.is_ccbs() {
                order.earliest = None;
            }
            if order.caller == number && busy == Some(true) {
                order.resumed_from = 0;
            } else if order.caller == number && was == Some(true) {
                order.resumed_from = now + order.guard();
            }
        }
    }

    fn registration(&mut self, number: Option<Number>, registered: bool) {
        let Some(number) = number else { return };
        self.line(&number).registered = Some(registered);
        if !registered && !self.is_held(&number) {
            for order in &mut self.orders {
                if order.callee == number && order.is_ccbs() {
                    order.earliest = None;
                }
            }
        }
    }

    fn restarted(&mut self, now: Millis) {
        for line in &mut self.lines {
            (line.busy, line.registered) = (None, None);
        }
        for recall in std::mem::take(&mut self.recalls) {
            self.over = Some(recall.recall);
            if !recall.failed {
                self.void.push(recall.order);
            }
        }
        for order in &mut self.orders {
            order.resumed_from = now + order.guard();
        }
    }

    /// A recall's legs are gone.
    pub(super) fn over(&mut self, now: Millis, recall: RecallId) {
        let Some(index) = self.recalls.iter().position(|found| found.recall == recall) else { return };
        let recall = self.recalls.remove(index);
        self.over = Some(recall.recall);
        for number in [recall.caller, recall.callee] {
            let (busy, registered) = self.seen(&number).map_or((None, None), |line| (line.busy, line.registered));
            for order in &mut self.orders {
                if order.caller == number && busy != Some(true) {
                    order.resumed_from = now + order.guard();
                }
                if order.callee == number && order.is_ccbs() && (busy == Some(true) || registered == Some(false)) {
                    order.earliest = None;
                }
            }
        }
    }

    pub(super) fn over_of(&mut self, now: Millis, order: OrderId) {
        if let Some(recall) = self.recalls.iter().find(|recall| recall.order == order) {
            self.over(now, recall.recall);
        }
    }
}
