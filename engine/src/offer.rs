//! Offers: calls that failed, each of which may be ordered for a while.

use crate::Millis;
use crate::counters::Counter;
use crate::engine::Engine;
use crate::line::{grow, index};
use crate::profile::OrderKind;
use crate::ties::{NONE, Ties};
use crate::token::Timer;

/// A call that failed and may be ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// When the window is over.
    pub(crate) until: Millis,
    pub(crate) caller: u32,
    /// Whom the call was for.
    pub(crate) callee: u32,
    /// The next of the caller's.
    next: u32,
    /// The one before and the next of those that name the callee.
    named: [u32; 2],
    /// Of which kind an order would be.
    pub(crate) kind: OrderKind,
}

/// All offers. Those of a caller are a ring, known by its last; those for a callee another, known by any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    places: Vec<Offer>,
    free: Vec<u32>,
}

impl Offers {
    fn at(&mut self, place: u32) -> &mut Offer {
        &mut self.places[place as usize]
    }

    /// Adds an offer to its two rings.
    fn insert(&mut self, offer: Offer, of: &mut Ties, naming: &mut Ties) {
        let place = if let Some(place) = self.free.pop() {
            *self.at(place) = offer;
            place
        } else {
            grow(&mut self.places);
            self.places.push(offer);
            index(self.places.len() - 1)
        };
        let first = if of.offers == NONE { place } else { std::mem::replace(&mut self.at(of.offers).next, place) };
        self.at(place).next = first;
        of.offers = place;
        if naming.offered == NONE {
            self.at(place).named = [place; 2];
        } else {
            let before = std::mem::replace(&mut self.at(naming.offered).named[0], place);
            self.at(before).named[1] = place;
            self.at(place).named = [before, naming.offered];
        }
        naming.offered = place;
    }

    /// Takes an offer out of its two rings.
    fn remove(&mut self, place: u32, of: &mut Ties, naming: &mut Ties) {
        let Offer { next, named: [named_before, named_after], .. } = *self.at(place);
        let mut before = place;
        while self.at(before).next != place {
            before = self.at(before).next;
        }
        self.at(before).next = next;
        if of.offers == place {
            of.offers = if before == place { NONE } else { before };
        }
        self.at(named_before).named[1] = named_after;
        self.at(named_after).named[0] = named_before;
        naming.offered = if named_after == place { NONE } else { named_after };
        self.free.push(place);
    }

    /// The places of the offers of a ring, oldest first.
    fn ring(&self, last: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = if last == NONE { NONE } else { self.places[last as usize].next };
        std::iter::from_fn(move || {
            let place = next;
            if place == NONE {
                return None;
            }
            next = if place == last { NONE } else { self.places[place as usize].next };
            Some(place)
        })
    }

    /// The callers of the offers that name a callee.
    pub(crate) fn callers_naming(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = first;
        std::iter::from_fn(move || {
            let offer = self.places.get(next as usize)?;
            next = if offer.named[1] == first { NONE } else { offer.named[1] };
            Some(offer.caller)
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl std::ops::Index<u32> for Offers {
    type Output = Offer;

    fn index(&self, place: u32) -> &Offer {
        &self.places[place as usize]
    }
}

impl Engine {
    fn offer_places(&self, caller: u32) -> impl Iterator<Item = u32> + '_ {
        self.offers.ring(self.lines.ties(caller).offers)
    }

    fn first_offer(&self, caller: u32) -> Option<u32> {
        self.offer_places(caller).next()
    }

    fn first_lapsed(&self, caller: u32) -> Option<u32> {
        self.offer_places(caller).find(|&place| self.offers[place].until <= self.now)
    }

    /// How many offers the caller with the most has.
    pub(crate) fn most_offers(&self) -> u32 {
        let most = self.lines.iter().map(|line| self.offer_places(line).count()).max();
        most.map_or(0, index)
    }

    /// The offers of a line, oldest first.
    pub(crate) fn offers_of(&self, caller: u32) -> impl Iterator<Item = &Offer> + '_ {
        self.offer_places(caller).map(|place| &self.offers[place])
    }

    /// The offers that a line may order now, the newest at the end.
    pub(crate) fn valid_offers(&self, caller: u32) -> impl Iterator<Item = &Offer> + '_ {
        let service = self.lines.service(caller).map(|profile| &self.profiles[profile]);
        self.offers_of(caller)
            .filter(move |offer| offer.until > self.now && service.is_some_and(|profile| profile.offers(offer.kind)))
    }

    /// The number that failed last, if it may be ordered now.
    pub(crate) fn last_offered(&self, caller: u32) -> Option<u32> {
        if self.lines.last_without_offer(caller) {
            None
        } else {
            self.valid_offers(caller).last().map(|offer| offer.callee)
        }
    }

    /// Where the offer of a line for another is.
    fn offer_for(&self, caller: u32, callee: u32) -> Option<u32> {
        self.offer_places(caller).find(|&place| self.offers[place].callee == callee)
    }

    /// Adds an offer as the newest, in place of an earlier one for the same callee; the oldest makes room.
    pub(crate) fn open_offer(&mut self, caller: u32, callee: u32, kind: OrderKind, until: Millis) {
        self.lines.set_last_without_offer(caller, false);
        let displaced = self.offer_for(caller, callee).or_else(|| {
            let full = self.offer_places(caller).count() >= self.limits.offers_per_caller as usize;
            if full {
                self.counters.add(Counter::OffersDisplaced);
            }
            self.first_offer(caller).filter(|_| full)
        });
        self.add_offer(caller, callee, kind, until);
        if let Some(displaced) = displaced {
            self.drop_offer(displaced);
        }
        match self.lines.ties(caller).offers_timer {
            // A timer that runs out early sets itself anew; only one that would be late is moved.
            Some(timer) => {
                if self.wheel.deadline(timer).is_some_and(|deadline| deadline > until) {
                    let timer = self.wheel.reschedule(timer, until);
                    self.lines.set_offers_timer(caller, timer);
                }
            }
            None => self.set_offers_timer(caller, until),
        }
    }

    /// Adds an offer to its lists.
    pub(crate) fn add_offer(&mut self, caller: u32, callee: u32, kind: OrderKind, until: Millis) {
        let (mut of, mut naming) = (self.lines.ties(caller), self.lines.ties(callee));
        let offer = Offer { until, caller, callee, next: NONE, named: [NONE; 2], kind };
        self.offers.insert(offer, &mut of, &mut naming);
        self.lines.set_ties(caller, of);
        self.lines.set_ties(callee, naming);
    }

    /// Drops an offer; its callee is forgotten if nothing else refers to it.
    fn drop_offer(&mut self, place: u32) {
        let Offer { caller, callee, .. } = self.offers[place];
        let (mut of, mut naming) = (self.lines.ties(caller), self.lines.ties(callee));
        self.offers.remove(place, &mut of, &mut naming);
        self.lines.set_ties(caller, of);
        self.lines.set_ties(callee, naming);
        self.lines.forget_unneeded(callee);
    }

    /// Drops the offers of a line whose window is over.
    pub(crate) fn lapse_offers(&mut self, caller: u32) {
        if !self.lines.has(caller) {
            return;
        }
        self.lines.set_offers_timer(caller, None);
        while let Some(place) = self.first_lapsed(caller) {
            self.counters.add(Counter::OffersLapsed);
            self.drop_offer(place);
        }
        match self.offers_of(caller).map(|offer| offer.until).min() {
            Some(until) => self.set_offers_timer(caller, until),
            None => self.lines.forget_unneeded(caller),
        }
    }

    /// Drops all offers of a line.
    pub(crate) fn forget_offers(&mut self, caller: u32) {
        while let Some(place) = self.first_offer(caller) {
            self.drop_offer(place);
        }
        self.stop_offers_timer(caller);
    }

    /// Drops the offers of all lines for one that left the configuration.
    pub(crate) fn forget_offers_for(&mut self, callee: u32) {
        if !self.lines.has(callee) {
            return;
        }
        let mut callers: Vec<u32> = self.offers.callers_naming(self.lines.ties(callee).offered).collect();
        callers.sort_unstable();
        for caller in callers {
            self.forget_offers_between(caller, callee);
            self.lines.forget_unneeded(caller);
        }
    }

    /// Drops the offers of two lines for each other: they have talked.
    pub(crate) fn forget_offers_between(&mut self, one: u32, other: u32) {
        for (caller, callee) in [(one, other), (other, one)] {
            if !self.lines.has(caller) {
                continue;
            }
            let Some(place) = self.offer_for(caller, callee) else { continue };
            if self.offers_of(caller).nth(1).is_none() {
                self.stop_offers_timer(caller);
            }
            self.drop_offer(place);
        }
    }

    fn set_offers_timer(&mut self, caller: u32, until: Millis) {
        let timer = self.wheel.insert(until, Timer::Offers { line: caller }.into());
        self.lines.set_offers_timer(caller, Some(timer));
    }

    fn stop_offers_timer(&mut self, caller: u32) {
        if let Some(timer) = self.lines.offers_timer(caller) {
            self.wheel.cancel(timer);
            self.lines.set_offers_timer(caller, None);
        }
    }
}
