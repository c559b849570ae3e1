//! One who watches inputs and actions from outside, and knows the rules but nothing of the engine's inside.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::history::recall_of;
use crate::*;

/// What an order has shown of itself.
#[allow(clippy::struct_excessive_bools)] // independent marks, not states
#[derive(Debug)]
struct Seen {
    profile: Profile,
    kind: OrderKind,
    callee: Number,
    attempts: u32,
    expires: Millis,
    /// Not before the timer that it was told of last.
    earliest_ring: Millis,
    /// Whether that timer was the callee's idle guard.
    guarded: bool,
    /// Kind NR: whether the callee had a new call.
    new_call: bool,
    /// Profile `ccbs`: how its next step must end it.
    must_end: Option<EndReason>,
    /// Whether its callee's line was known when it was called.
    known_when_called: bool,
    ended: bool,
}

impl Seen {
    fn is_ccbs(&self) -> bool {
        matches!(self.profile.drive, Drive::Release { .. })
    }

    /// How an order of profile `ccbs` ends by the failure of its attempt.
    fn ends_by(&self, failure: AttemptFailure) -> Option<EndReason> {
        let Drive::Release { retention, callee_no_answer_to_nr, .. } = self.profile.drive else { return None };
        match failure {
            AttemptFailure::CallerNoAnswer | AttemptFailure::CallerDeclined => Some(EndReason::CallerNoAnswer),
            AttemptFailure::CallerGone => Some(EndReason::Cancelled),
            AttemptFailure::CalleeDeclined => Some(EndReason::CalleeDeclined),
            AttemptFailure::CalleeNoAnswer if !callee_no_answer_to_nr => Some(EndReason::CalleeNoAnswer),
            AttemptFailure::CalleeBusy if !retention && self.known_when_called => Some(EndReason::AttemptsExhausted),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Watch {
    orders: BTreeMap<OrderId, Seen>,
    services: BTreeMap<Number, Profile>,
    /// Why the last call of one number for another failed.
    failed: BTreeMap<(Number, Number), OrderKind>,
    /// Lines known to be busy (`true`) or free.
    busy: BTreeMap<Number, bool>,
    /// When a line that was busy became free.
    freed: BTreeMap<Number, Millis>,
    registered: BTreeMap<Number, bool>,
    /// Lines of recalls from their `Ring` to their end.
    pub(crate) recalls: BTreeMap<RecallId, (OrderId, Number, Number)>,
    /// Actions that wait for an outcome, oldest first.
    pub(crate) open: Vec<Action>,
    /// When a recall's release was asked for.
    releases: BTreeMap<RecallId, Millis>,
    rings: Vec<Millis>,
}

impl Watch {
    /// Every order that was accepted has ended.
    pub(crate) fn all_ended(&self) -> bool {
        self.orders.values().all(|seen| seen.ended)
    }

    /// Forgets lines that the engine has forgotten.
    pub(crate) fn forget(&mut self, known: impl Fn(&Number) -> bool) {
        self.busy.retain(|line, _| known(line));
        self.registered.retain(|line, _| known(line));
    }

    /// Hears of what happened.
    pub(crate) fn hear(&mut self, now: Millis, event: &Event) {
        use LineRef::Number as N;
        match event {
            Event::LineBusy { line: N(line) } => {
                self.busy.insert(line.clone(), true);
                self.callee_has_news(line);
            }
            Event::LineFree { line: N(line) } => {
                let was_busy = self.busy.insert(line.clone(), false);
                self.freed.extend((was_busy == Some(true)).then(|| (line.clone(), now)));
            }
            Event::LineUnknown { line: N(line) } => drop(self.busy.remove(line)),
            Event::LineRemoved { line: N(line) } => {
                self.busy.remove(line);
                self.registered.remove(line);
                self.services.remove(line);
            }
            Event::LineRegistered { line: N(line) } => drop(self.registered.insert(line.clone(), true)),
            Event::LineUnregistered { line: N(line) } => {
                self.registered.insert(line.clone(), false);
                self.callee_has_news(line);
            }
            Event::Service { line: N(line), profile } => match profile {
                Some(profile) => drop(self.services.insert(line.clone(), (**profile).clone())),
                None => drop(self.services.remove(line)),
            },
            Event::CallFailed { caller: N(caller), callee: N(callee), cause } => {
                let offers = |kind: &OrderKind| self.services.get(caller).is_some_and(|service| service.offers(*kind));
                if let Some(kind) = OrderKind::of(*cause).filter(offers) {
                    self.failed.insert((caller.clone(), callee.clone()), kind);
                }
            }
            Event::CallAnswered { caller: N(caller), callee: N(callee) } => {
                for seen in self.orders.values_mut() {
                    seen.new_call |= seen.callee == *caller || seen.callee == *callee;
                }
            }
            Event::Restarted => {
                self.busy.clear();
                self.freed.clear();
                self.registered.clear();
                self.open.clear();
                self.recalls.clear();
                // Attempts cut off are not used; how many the watch cannot know, so it counts anew.
                for seen in self.orders.values_mut() {
                    seen.attempts = 0;
                    seen.earliest_ring = seen.earliest_ring.max(now);
                }
            }
            _ => {}
        }
    }

    /// A wait of an order ends early when its callee is seen to go away; it is told of another timer then.
    fn callee_has_news(&mut self, line: &Number) {
        for seen in self.orders.values_mut().filter(|seen| seen.callee == *line) {
            seen.guarded = false;
        }
    }

    fn accepted(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let Action::Step { order, caller, callee, step: Step::Accepted { due, expires, .. } } = action else {
            return Ok(());
        };
        let profile = self.services[caller].clone();
        let kind = self.failed[&(caller.clone(), callee.clone())];
        prop_assert_eq!(due.is_none(), profile.attempts().is_none());
        let seen = Seen {
            profile,
            kind,
            callee: callee.clone(),
            attempts: 0,
            expires: *expires,
            earliest_ring: due.unwrap_or(Millis::MAX),
            guarded: false,
            new_call: false,
            must_end: None,
            known_when_called: false,
            ended: false,
        };
        prop_assert!(self.orders.insert(*order, seen).is_none(), "an identity given twice");
        Ok(())
    }

    /// Sees what the engine does about it.
    pub(crate) fn see(&mut self, now: Millis, action: &Action, limits: &Limits) -> Result<(), TestCaseError> {
        self.accepted(action)?;
        let (Action::Step { order, .. }
        | Action::Ring { order, .. }
        | Action::Play { order, .. }
        | Action::Connect { order, .. }
        | Action::Release { order, .. }) = action
        else {
            return Ok(());
        };
        let seen = self.orders.get_mut(order).expect("an order that was accepted");
        prop_assert!(!seen.ended, "{:?} after the end of its order", action);
        match action {
            Action::Ring { .. } => {
                self.rung(now, action, limits)?;
                self.open.push(action.clone());
            }
            Action::Connect { callee, .. } => {
                seen.known_when_called = self.busy.contains_key(callee);
                self.open.push(action.clone());
            }
            Action::Play { .. } => self.open.push(action.clone()),
            Action::Release { recall, .. } => {
                self.open.retain(|open| recall_of(open) != Some(*recall));
                self.releases.insert(*recall, now);
                self.open.push(action.clone());
            }
            Action::Step { order, step, .. } => self.told(now, *order, step)?,
            Action::Reply { .. } => {}
        }
        Ok(())
    }

    /// The rules about when an attempt may begin.
    fn rung(&mut self, now: Millis, action: &Action, limits: &Limits) -> Result<(), TestCaseError> {
        let Action::Ring { recall, order, caller, callee, .. } = action else { return Ok(()) };
        let seen = &self.orders[order];
        prop_assert!(now < seen.expires, "rung after its life");
        prop_assert!(now >= seen.earliest_ring, "rung before its timer");
        prop_assert!(self.busy.get(caller) != Some(&true), "rung though known to be busy");
        if let Drive::Release { callee_idle_guard_s, .. } = seen.profile.drive {
            let callee_is_busy = self.busy.get(callee) == Some(&true);
            prop_assert!(!callee_is_busy, "rung though its callee is known to be busy");
            prop_assert!(self.registered.get(callee) != Some(&false), "rung though its callee has no phone");
            if seen.guarded && self.busy.contains_key(callee) {
                let free_since = self.freed.get(callee).copied().unwrap_or(0);
                prop_assert!(now >= free_since + Millis::from(callee_idle_guard_s) * 1_000, "rung within the guard");
            }
            if seen.kind == OrderKind::NoReply && self.busy.get(callee) == Some(&false) {
                prop_assert!(seen.new_call, "rung though its callee had no new call");
            }
        }
        // Releases that were not answered are given up without a word.
        let given_up = |recall: &RecallId| self.releases.get(recall).is_some_and(|&asked| asked + 10_000 <= now);
        self.recalls.retain(|recall, _| !given_up(recall));
        for (other, (_, one, two)) in &self.recalls {
            let apart = [caller, callee].iter().all(|line| *line != one && *line != two);
            prop_assert!(apart, "a line of {:?} is in {:?} still", recall, other);
        }
        self.recalls.insert(*recall, (*order, caller.clone(), callee.clone()));
        prop_assert!(self.recalls.len() <= limits.recalls_at_once as usize);
        self.rings.push(now);
        let second = self.rings.iter().filter(|&&ring| ring + 1_000 > now).count();
        prop_assert!(second <= limits.recalls_per_second as usize, "{} recalls in a second", second);
        Ok(())
    }

    /// The rules about the life of an order.
    fn told(&mut self, now: Millis, order: OrderId, step: &Step) -> Result<(), TestCaseError> {
        let Some(seen) = self.orders.get_mut(&order) else { return Ok(()) };
        let must_end = seen.must_end.take();
        if let Some(reason) = must_end {
            prop_assert_eq!(step, &Step::Ended { reason }, "an attempt that failed so ends its order");
        }
        match step {
            Step::AttemptBegan { attempt, attempts } => {
                seen.attempts += 1;
                prop_assert_eq!(*attempts, seen.profile.attempts());
                let most = attempts.unwrap_or(u32::MAX);
                prop_assert!(seen.attempts <= most && *attempt <= most, "more attempts than allowed");
            }
            Step::AttemptFailed { due, failure, .. } => {
                seen.earliest_ring = due.unwrap_or(Millis::MAX);
                seen.guarded = false;
                seen.must_end = seen.ends_by(*failure);
                self.over(order);
            }
            Step::CalleeFree { due } => {
                let Drive::Release { callee_idle_guard_s, .. } = seen.profile.drive else {
                    return Err(TestCaseError::fail("a guard of the callee in profile autodial"));
                };
                prop_assert_eq!(*due, now + Millis::from(callee_idle_guard_s) * 1_000);
                prop_assert!(self.busy.get(&seen.callee) != Some(&true), "free though known to be busy");
                (seen.earliest_ring, seen.guarded) = (*due, true);
            }
            Step::Polling { due } => {
                prop_assert!(seen.is_ccbs() && *due >= now);
                (seen.earliest_ring, seen.guarded) = (*due, false);
            }
            Step::CalleeBusy => {
                prop_assert!(seen.is_ccbs());
                (seen.earliest_ring, seen.guarded) = (Millis::MAX, false);
            }
            Step::TurnedNoReply { expires } => {
                prop_assert!(seen.is_ccbs() && *expires >= seen.expires);
                (seen.kind, seen.new_call, seen.expires) = (OrderKind::NoReply, false, *expires);
            }
            Step::Ended { reason } => {
                seen.ended = true;
                let by_the_callee_or_caller =
                    matches!(reason, EndReason::CallerNoAnswer | EndReason::CalleeNoAnswer | EndReason::CalleeDeclined);
                prop_assert!(!by_the_callee_or_caller || must_end.is_some(), "{:?} for no failure", reason);
                // Other ends in a recall leave its lines in it until it is released.
                if *reason == EndReason::Completed {
                    self.over(order);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn over(&mut self, order: OrderId) {
        self.recalls.retain(|_, recall| recall.0 != order);
        self.open.retain(|open| {
            !matches!(open, Action::Ring { order: other, .. } | Action::Play { order: other, .. }
            | Action::Connect { order: other, .. } | Action::Release { order: other, .. } if *other == order)
        });
    }
}
