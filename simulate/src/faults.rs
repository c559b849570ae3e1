//! A switch that misbehaves, and a world that changes under standing orders.

use std::collections::BTreeMap;

use ccbs_engine::{ConnectOutcome, Event, LineKind, OrderId, PlayOutcome, RecallId, RingOutcome};

use crate::agenda::What;
use crate::office::{Office, u32_of};

/// Counts of what was done wrong, by name.
pub(crate) type Faults = BTreeMap<&'static str, u64>;

impl Office<'_> {
    /// Gives the engine an outcome, or what a switch that misbehaves makes of it.
    pub(crate) fn deliver(&mut self, event: Event) {
        if !self.chaos.chance(self.settings.fault_rate) {
            self.tell(event);
            return;
        }
        let fault = match self.chaos.below(7) {
            0 => "outcome-never",
            1 => {
                let after = self.chaos.between(1_000, 120_000);
                self.plan(after, What::Late(Box::new(event)));
                "outcome-late"
            }
            2 => {
                self.tell(event.clone());
                self.tell(event);
                "outcome-twice"
            }
            3 => {
                self.tell(event.clone());
                let after = self.chaos.between(1, 120_000);
                self.plan(after, What::Late(Box::new(event)));
                "outcome-twice-late"
            }
            4 => {
                if let Some(other) = self.out_of_order(&event) {
                    self.tell(other);
                }
                self.tell(event);
                "outcome-out-of-order"
            }
            5 => {
                let recall = RecallId((1 << 40) + u64::from(self.chaos.below(1_000)));
                self.tell(Event::RingOutcome { recall, outcome: RingOutcome::Answered });
                self.tell(event);
                "outcome-for-unknown-recall"
            }
            _ => self.caller_gone(event),
        };
        self.count(fault);
    }

    /// Whether the switch cannot even try to ring a phone now.
    pub(crate) fn cannot_ring(&mut self) -> bool {
        let cannot = self.chaos.chance(self.settings.fault_rate);
        if cannot {
            self.count("ring-not-tried");
        }
        cannot
    }

    fn count(&mut self, fault: &'static str) {
        *self.tally.faults.entry(fault).or_default() += 1;
    }

    /// An outcome of an action that was not sent yet, or is long done.
    fn out_of_order(&mut self, event: &Event) -> Option<Event> {
        let other = self.chaos.chance(0.5);
        Some(match *event {
            Event::RingOutcome { recall, .. } if other => {
                Event::ConnectOutcome { recall, outcome: ConnectOutcome::Answered }
            }
            Event::RingOutcome { recall, .. } => {
                Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::CallerGone }
            }
            Event::PlayOutcome { recall, .. } if other => {
                Event::ConnectOutcome { recall, outcome: ConnectOutcome::Busy }
            }
            Event::PlayOutcome { recall, .. } => Event::Released { recall },
            Event::ConnectOutcome { recall, .. } if other => {
                Event::RingOutcome { recall, outcome: RingOutcome::Answered }
            }
            Event::ConnectOutcome { recall, .. } => {
                Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played }
            }
            Event::Released { recall } => Event::RingOutcome { recall, outcome: RingOutcome::NoAnswer },
            _ => return None,
        })
    }

    /// The caller hangs up at the very moment of a good outcome.
    fn caller_gone(&mut self, event: Event) -> &'static str {
        match event {
            Event::PlayOutcome { recall, play, .. } => {
                self.drop_legs(recall.0);
                self.tell(Event::PlayOutcome { recall, play, outcome: PlayOutcome::CallerGone });
            }
            Event::ConnectOutcome { recall, .. } => {
                self.drop_legs(recall.0);
                self.tell(Event::ConnectOutcome { recall, outcome: ConnectOutcome::CallerGone });
            }
            Event::RingOutcome { recall, outcome: RingOutcome::Answered } => {
                self.tell(event);
                self.drop_legs(recall.0);
            }
            other => self.tell(other),
        }
        "caller-gone"
    }

    /// What else goes wrong, once for each call that is thought of.
    pub(crate) fn faults_of_the_world(&mut self) {
        let rate = self.settings.fault_rate;
        if !self.chaos.chance(rate) {
            return;
        }
        let line = self.chaos.below(self.settings.subscribers);
        let fault = match self.chaos.below(1_000) {
            0..500 => {
                let (here, busy) = (self.line(line), self.is_busy(line));
                let (on, off) = (Event::LineBusy { line: here.clone() }, Event::LineFree { line: here });
                let pair = if busy { [off, on] } else { [on, off] };
                self.facts.extend(pair);
                "flap-within-one-tick"
            }
            500..650 => {
                self.tell(Event::LineUnknown { line: self.line(line) });
                self.tell_line_state(line);
                "line-unknown-for-a-moment"
            }
            650..800 => {
                let bound = self.tally.accepted.max(1);
                let order = 1 + u64::from(self.chaos.below(u32::try_from(bound).unwrap_or(u32::MAX)));
                let request = self.request();
                self.tell(Event::OperatorCancel { request, order: OrderId(order) });
                "operator-cancels-any-order"
            }
            800..880 => {
                self.tell(Event::LineRemoved { line: self.line(line) });
                self.tell(Event::Line { line: self.line(line), kind: LineKind::Internal });
                self.tell_service(line);
                self.tell_line_state(line);
                "line-removed-and-back"
            }
            880..950 => {
                self.tell(Event::Service { line: self.line(line), profile: None });
                self.tell_service(line);
                "service-off-and-on"
            }
            950..995 => {
                self.jumped = self.clock() + self.chaos.between(1_000, 600_000);
                "clock-jumps-then-stands"
            }
            _ => {
                self.restart();
                "restart"
            }
        };
        self.count(fault);
    }

    fn tell_service(&mut self, line: u32) {
        let profile = Some(Box::new(self.settings.profile.clone()));
        self.tell(Event::Service { line: self.line(line), profile });
    }

    fn tell_line_state(&mut self, line: u32) {
        let here = self.line(line);
        self.tell(if self.lines[line as usize].registered {
            Event::LineRegistered { line: here.clone() }
        } else {
            Event::LineUnregistered { line: here.clone() }
        });
        self.tell(if self.is_busy(line) { Event::LineBusy { line: here } } else { Event::LineFree { line: here } });
    }

    /// The process that carries the recalls starts anew: its calls are gone, and it tells its lines afresh.
    fn restart(&mut self) {
        let recalls: Vec<u64> = self.recalls.keys().copied().collect();
        for recall in recalls {
            self.drop_legs(recall);
        }
        self.recalls.clear();
        self.tell(Event::Restarted);
        for line in 0..self.lines.len() {
            if self.lines[line].internal {
                self.tell_line_state(u32_of(line));
            }
        }
    }
}
