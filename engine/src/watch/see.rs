//! What is seen: actions, each of which must keep the rules.

use super::{Breach, Open, Recall, Rule, Standing, Watch};
use crate::life::State;
use crate::{Action, AttemptFailure, Drive, EndReason, Engine, Millis, Number, OrderId, OrderKind, RecallId, Step};

macro_rules! hold {
    ($holds:expr, $rule:ident, $($what:tt)+) => {
        if !$holds {
            return Err(Breach { rule: Rule::$rule, what: format!($($what)+) });
        }
    };
}

impl Watch {
    /// Sees what the engine did about one input at `now`; `before` is the engine as it was.
    pub fn see(&mut self, now: Millis, actions: &[Action], before: &Engine, after: &Engine) -> Result<(), Breach> {
        // A release that nobody answers is given up without a word where the order had ended.
        while let Some(recall) = self.recalls.iter().find(|recall| recall.given_up.is_some_and(|until| until <= now)) {
            self.over(now, recall.recall);
        }
        for action in actions {
            self.action(now, action)?;
        }
        if actions.iter().any(|action| matches!(action, Action::Ring { .. })) {
            oldest_first(actions, before, after)?;
        }
        self.void.clear();
        if let Some(order) = self.orders.iter().find(|order| order.must_end.is_some()) {
            hold!(false, EndsOnce, "order {} goes on, though its attempt failed so that it ends", order.order.0);
        }
        let stands = after.orders().map(|view| view.order);
        hold!(
            stands.eq(self.orders()),
            EndsOnce,
            "the orders that stand are not those that were accepted and have not ended"
        );
        hold!(
            self.recalls.len() <= after.limits().recalls_at_once as usize,
            Limits,
            "{} recalls at once",
            self.recalls.len()
        );
        self.rings.retain(|ring| ring + 1_000 > now);
        hold!(
            self.rings.len() <= after.limits().recalls_per_second as usize,
            Limits,
            "{} recalls begin in a second",
            self.rings.len()
        );
        if actions.iter().any(|action| matches!(action, Action::Step { step: Step::Accepted { .. }, .. })) {
            self.learn(after);
        }
        hold!(
            self.orders.len() <= after.limits().orders_total as usize,
            Limits,
            "{} orders stand in the engine",
            self.orders.len()
        );
        // What the engine has forgotten it may say nothing about, and need not remember.
        self.lines.retain(|line| {
            let heard = line.service.is_some() || line.busy.is_some() || line.registered.is_some();
            heard && after.knows(&line.number)
        });
        self.lines.sort_unstable_by(|one, other| one.number.cmp(&other.number));
        Ok(())
    }

    fn action(&mut self, now: Millis, action: &Action) -> Result<(), Breach> {
        if let Action::Step { order, caller, callee, step: Step::Accepted { due, expires, .. } } = action {
            return self.accepted(*order, caller, callee, *due, *expires);
        }
        let (recall, order, open) = match action {
            Action::Reply { .. } => return Ok(()),
            Action::Step { order, step, .. } => return self.told(now, *order, step),
            Action::Ring { recall, order, caller, callee, .. } => {
                return self.rung(now, *recall, *order, caller, callee);
            }
            Action::Play { recall, order, play, .. } => (*recall, *order, Open::Play(*play)),
            Action::Connect { recall, order, .. } => (*recall, *order, Open::Connect),
            Action::Release { recall, order, .. } => (*recall, *order, Open::Release),
        };
        hold!(self.orders().any(|stands| stands == order), NothingAfterTheEnd, "order {}: {action:?}", order.0);
        if open == Open::Connect {
            self.called(order);
        }
        let Some(found) = self.recalls.iter_mut().find(|found| found.recall == recall && found.order == order) else {
            return Err(Breach {
                rule: Rule::NothingAfterTheEnd,
                what: format!("recall {} is over: {action:?}", recall.0),
            });
        };
        found.open = open;
        // Why a call failed is told before it is released.
        found.failed |= matches!(open, Open::Release | Open::Play(2));
        if open == Open::Release {
            found.given_up = Some(now + 10_000);
        }
        Ok(())
    }

    fn called(&mut self, order: OrderId) {
        let Some(index) = self.orders.iter().position(|found| found.order == order) else { return };
        let known = self.seen(&self.orders[index].callee).is_some_and(|line| line.busy.is_some());
        self.orders[index].known_when_called = known;
    }

    fn accepted(
        &mut self,
        order: OrderId,
        caller: &Number,
        callee: &Number,
        due: Option<Millis>,
        expires: Millis,
    ) -> Result<(), Breach> {
        hold!(order.0 > self.last_order, EndsOnce, "order {}: an identity given twice", order.0);
        self.last_order = order.0;
        let Some(profile) = self.seen(caller).and_then(|line| line.service.clone()) else {
            return Err(Breach { rule: Rule::ToldAsHeard, what: format!("{caller} may not order") });
        };
        hold!(due.is_some() == profile.attempts().is_some(), ToldAsHeard, "order {}: its CB timer", order.0);
        let placed = self.orders.iter().filter(|order| order.caller == *caller).count();
        hold!(placed < profile.orders_per_caller as usize, Limits, "{caller} has {placed} orders already");
        let waiting = self.orders.iter().filter(|order| order.callee == *callee).count();
        hold!(waiting < profile.waiting_per_callee as usize, Limits, "{waiting} orders wait for {callee} already");
        let twice = self.orders.iter().any(|order| order.caller == *caller && order.callee == *callee);
        hold!(!twice, Limits, "{caller} has an order for {callee} already");
        hold!(caller != callee, Limits, "{caller} orders itself");
        self.orders.push(Standing {
            order,
            caller: caller.clone(),
            callee: callee.clone(),
            profile,
            kind: OrderKind::Busy,
            attempts: 0,
            expires,
            earliest: due,
            suspended: false,
            resumed_from: 0,
            new_call: false,
            known_when_called: false,
            caller_not_reached: false,
            must_end: None,
        });
        Ok(())
    }

    /// The rules about when an attempt may begin.
    fn rung(
        &mut self,
        now: Millis,
        recall: RecallId,
        order: OrderId,
        caller: &Number,
        callee: &Number,
    ) -> Result<(), Breach> {
        let id = order.0;
        let Some(index) = self.orders.iter().position(|found| found.order == order) else {
            return Err(Breach { rule: Rule::NothingAfterTheEnd, what: format!("order {id}: rung") });
        };
        let standing = &self.orders[index];
        hold!(standing.caller == *caller && standing.callee == *callee, ToldAsHeard, "order {id}: other lines");
        hold!(now < standing.expires, NoAttemptAfterLife, "order {id}: rung after its life");
        let busy = |number: &Number| self.seen(number).and_then(|line| line.busy);
        hold!(busy(caller) != Some(true), NoBusyCaller, "order {id}: {caller} is rung though known to be busy");
        hold!(
            !standing.suspended && standing.earliest.is_some_and(|earliest| earliest <= now),
            NotBeforeItsTime,
            "order {id}: rung before its timer, or while it is suspended or waits for its callee"
        );
        if standing.is_ccbs() {
            let phone = self.seen(callee).and_then(|line| line.registered);
            hold!(busy(callee) != Some(true), NoAwayCallee, "order {id}: rung though {callee} is known to be busy");
            hold!(phone != Some(false), NoAwayCallee, "order {id}: rung though {callee} has no phone");
            let new_call = standing.kind != OrderKind::NoReply || standing.new_call || busy(callee).is_none();
            hold!(new_call, NoAwayCallee, "order {id}: rung though {callee} had no new call");
        }
        for other in &self.recalls {
            let apart = [caller, callee].iter().all(|line| **line != other.caller && **line != other.callee);
            hold!(apart, OneRecallALine, "order {id}: a line is in the recall of order {}", other.order.0);
        }
        (self.orders[index].suspended, self.orders[index].known_when_called) = (false, false);
        self.recalls.push(Recall {
            recall,
            order,
            caller: caller.clone(),
            callee: callee.clone(),
            open: Open::Ring,
            failed: false,
            given_up: None,
        });
        self.rings.push(now);
        for order in &mut self.orders {
            if order.caller == *caller || order.caller == *callee {
                order.resumed_from = 0;
            }
        }
        Ok(())
    }

    /// The rules about the life of an order.
    fn told(&mut self, now: Millis, order: OrderId, step: &Step) -> Result<(), Breach> {
        let id = order.0;
        let Some(index) = self.orders.iter().position(|found| found.order == order) else {
            return Err(Breach { rule: Rule::NothingAfterTheEnd, what: format!("order {id}: {step:?}") });
        };
        let busy = |number: &Number| self.seen(number).and_then(|line| line.busy);
        let (of_caller, of_callee) = (busy(&self.orders[index].caller), busy(&self.orders[index].callee));
        let standing = &mut self.orders[index];
        let must_end = standing.must_end.take();
        if let Some(reason) = must_end {
            hold!(
                *step == Step::Ended { reason },
                EndsOnce,
                "order {id}: {step:?} where its attempt failed so that it ends {}",
                reason.as_str()
            );
        }
        let not_reached = std::mem::take(&mut standing.caller_not_reached);
        match step {
            Step::Accepted { .. } | Step::CallerAnswered | Step::CalleeCalled => {}
            Step::AttemptBegan { attempt, attempts } => {
                standing.attempts += 1;
                hold!(*attempts == standing.profile.attempts(), AttemptsWithinNumber, "order {id}: of {attempts:?}");
                hold!(
                    *attempt == standing.attempts && attempts.is_none_or(|most| *attempt <= most),
                    AttemptsWithinNumber,
                    "order {id}: attempt {attempt} of {attempts:?} is its {}",
                    standing.attempts
                );
            }
            Step::AttemptFailed { due, failure, .. } => {
                (standing.earliest, standing.suspended) = (*due, false);
                let caller = matches!(failure, AttemptFailure::CallerBusy | AttemptFailure::CallerUnreachable);
                standing.caller_not_reached = standing.is_ccbs() && caller;
                if self.void.contains(&order) {
                    hold!(due.is_none_or(|due| due > now), NotBeforeItsTime, "order {id}: tried again at once");
                    standing.attempts -= 1;
                } else {
                    standing.must_end = standing.ends_by(*failure);
                }
                self.over_of(now, order);
            }
            Step::CalleeFree { due } => {
                let Drive::Release { callee_idle_guard_s, .. } = standing.profile.drive else {
                    return Err(Breach { rule: Rule::ToldAsHeard, what: format!("order {id}: autodial, {step:?}") });
                };
                let guard = Millis::from(callee_idle_guard_s) * 1_000;
                hold!(*due == now + guard, NotBeforeItsTime, "order {id}: the guard of its callee ends at {due}");
                hold!(of_callee != Some(true), ToldAsHeard, "order {id}: its callee is busy, not free");
                (standing.earliest, standing.suspended) = (Some(*due), false);
            }
            Step::Polling { due } => {
                hold!(standing.is_ccbs() && *due >= now, ToldAsHeard, "order {id}: polls until {due}");
                (standing.earliest, standing.suspended) = (Some(*due), false);
            }
            Step::CalleeBusy => {
                hold!(standing.is_ccbs(), ToldAsHeard, "order {id}: autodial waits for no callee");
                (standing.earliest, standing.suspended) = (None, false);
            }
            Step::Suspended => {
                hold!(of_caller == Some(true), ToldAsHeard, "order {id}: suspended though its caller is not busy");
                (standing.suspended, standing.resumed_from) = (true, 0);
                // A caller that was busy at its recall is waited for; what else waits, waits first.
                if not_reached {
                    standing.earliest = Some(now);
                }
                hold!(
                    standing.earliest.is_none_or(|earliest| earliest <= now),
                    NotBeforeItsTime,
                    "order {id}: suspended before its timer"
                );
            }
            Step::Resumed => {
                hold!(standing.suspended, ToldAsHeard, "order {id}: resumed though not suspended");
                hold!(now >= standing.resumed_from, CallerGuard, "order {id}: resumed within its caller's guard");
                standing.suspended = false;
            }
            Step::TurnedNoReply { expires } => {
                hold!(standing.is_ccbs() && *expires >= standing.expires, ToldAsHeard, "order {id}: turns into NR");
                (standing.kind, standing.new_call, standing.expires) = (OrderKind::NoReply, false, *expires);
            }
            Step::Ended { reason } => self.ended(now, index, *reason, must_end)?,
        }
        Ok(())
    }

    fn ended(
        &mut self,
        now: Millis,
        index: usize,
        reason: EndReason,
        must_end: Option<EndReason>,
    ) -> Result<(), Breach> {
        let standing = self.orders.remove(index);
        let id = standing.order.0;
        let by_failure = matches!(
            reason,
            EndReason::CallerNoAnswer
                | EndReason::CalleeNoAnswer
                | EndReason::CalleeDeclined
                | EndReason::AttemptsExhausted
        );
        hold!(!by_failure || must_end.is_some(), EndsOnce, "order {id}: ended {} for no failure", reason.as_str());
        hold!(
            reason != EndReason::Expired || now >= standing.expires,
            EndsOnce,
            "order {id}: expired before its life was over"
        );
        // Other ends in a recall leave its lines in it until its legs are gone.
        if reason == EndReason::Completed {
            self.over_of(now, standing.order);
        }
        Ok(())
    }
}

/// Of eligible orders that exclude each other the oldest goes first: none that is older than a rung one, for the same
/// callee or of its callee for its caller, was eligible and still waits.
fn oldest_first(actions: &[Action], before: &Engine, after: &Engine) -> Result<(), Breach> {
    for action in actions {
        let Action::Ring { order, caller, callee, .. } = action else { continue };
        for older in after.orders().take_while(|older| older.order < *order) {
            let same = older.callee == *callee;
            let reverse = older.callee == *caller && older.caller == *callee;
            let Some(look) = after.look(older.order).filter(|look| look.state == State::Queued && (same || reverse))
            else {
                continue;
            };
            let was_eligible = before.look(older.order).is_some_and(|look| look.eligible);
            hold!(
                !(same && look.caller.recall.is_none() || reverse && was_eligible),
                OldestFirst,
                "order {} is rung before order {}, which is older and eligible",
                order.0,
                older.order.0
            );
        }
    }
    Ok(())
}
