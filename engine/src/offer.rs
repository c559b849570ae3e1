//! Offers: calls that failed, each of which may be ordered for a while.

use crate::Millis;
use crate::counters::Counter;
use crate::engine::{Engine, Timer};
use crate::line::{Line, Offer};

impl Engine {
    /// The offers that a line may order now, the newest at the end.
    pub(crate) fn valid_offers(&self, caller: u32) -> impl DoubleEndedIterator<Item = &Offer> + '_ {
        let service = self.lines[caller].service.as_deref();
        self.lines[caller]
            .offers
            .iter()
            .filter(move |offer| offer.until > self.now && service.is_some_and(|profile| profile.offers(offer.kind)))
    }

    /// The number that failed last, if it may be ordered now.
    pub(crate) fn last_offered(&self, caller: u32) -> Option<u32> {
        if self.lines[caller].last_without_offer {
            None
        } else {
            self.valid_offers(caller).next_back().map(|offer| offer.callee)
        }
    }

    /// Adds an offer as the newest, in place of an earlier one for the same callee; the oldest makes room.
    pub(crate) fn open_offer(&mut self, caller: u32, offer: Offer) {
        let (callee, until) = (offer.callee, offer.until);
        self.lines[callee].offered += 1;
        self.lines[caller].last_without_offer = false;
        let offers = &mut self.lines[caller].offers;
        let same = offers.iter().position(|offer| offer.callee == callee);
        let displaced = match same {
            Some(index) => offers.remove(index),
            None if offers.len() >= self.limits.offers_per_caller as usize => {
                self.counters.add(Counter::OffersDisplaced);
                offers.pop_front()
            }
            None => None,
        };
        offers.push_back(offer);
        if let Some(displaced) = displaced {
            self.unoffer(displaced.callee);
        }
        match self.lines[caller].offers_timer {
            // A timer that runs out early sets itself anew; only one that would be late is moved.
            Some(timer) => {
                if self.wheel.deadline(timer).is_some_and(|deadline| deadline > until) {
                    self.lines[caller].offers_timer = self.wheel.reschedule(timer, until);
                }
            }
            None => self.set_offers_timer(caller, until),
        }
    }

    /// Drops the offers of a line whose window is over.
    pub(crate) fn lapse_offers(&mut self, caller: u32) {
        if self.lines.get(caller).is_none() {
            return;
        }
        self.lines[caller].offers_timer = None;
        let mut index = 0;
        while let Some(offer) = self.lines[caller].offers.get(index) {
            if offer.until > self.now {
                index += 1;
            } else if let Some(offer) = self.lines[caller].offers.remove(index) {
                self.counters.add(Counter::OffersLapsed);
                self.unoffer(offer.callee);
            }
        }
        match self.lines[caller].offers.iter().map(|offer| offer.until).min() {
            Some(until) => self.set_offers_timer(caller, until),
            None => self.lines.forget_unneeded(caller),
        }
    }

    /// Drops all offers of a line.
    pub(crate) fn forget_offers(&mut self, caller: u32) {
        while let Some(offer) = self.lines[caller].offers.pop_front() {
            self.unoffer(offer.callee);
        }
        self.stop_offers_timer(caller);
    }

    /// Drops the offers of all lines for one that left the configuration.
    pub(crate) fn forget_offers_for(&mut self, callee: u32) {
        if self.lines.get(callee).is_none_or(|line| line.offered == 0) {
            return;
        }
        let offers = |line: &Line| line.offers.iter().any(|offer| offer.callee == callee);
        let callers: Vec<u32> = self.lines.iter().filter(|(_, line)| offers(line)).map(|(slot, _)| slot).collect();
        for caller in callers {
            self.forget_offers_between(caller, callee);
            self.lines.forget_unneeded(caller);
        }
    }

    /// Drops the offers of two lines for each other: they have talked.
    pub(crate) fn forget_offers_between(&mut self, one: u32, other: u32) {
        for (caller, callee) in [(one, other), (other, one)] {
            let Some(line) = self.lines.get(caller) else { continue };
            if let Some(index) = line.offers.iter().position(|offer| offer.callee == callee) {
                self.lines[caller].offers.remove(index);
                if self.lines[caller].offers.is_empty() {
                    self.stop_offers_timer(caller);
                }
                self.unoffer(callee);
            }
        }
    }

    fn unoffer(&mut self, callee: u32) {
        self.lines[callee].offered -= 1;
        self.lines.forget_unneeded(callee);
    }

    fn set_offers_timer(&mut self, caller: u32, until: Millis) {
        self.lines[caller].offers_timer = Some(self.wheel.insert(until, Timer::Offers { line: caller }));
    }

    fn stop_offers_timer(&mut self, caller: u32) {
        if let Some(timer) = self.lines[caller].offers_timer.take() {
            self.wheel.cancel(timer);
        }
    }
}
