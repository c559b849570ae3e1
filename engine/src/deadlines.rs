//! When timers are due, for [`Engine::check`]: none comes too early to matter or so late that something hangs.

use ccbs_timers::Handle;

use crate::Millis;
use crate::engine::Engine;
use crate::error::Inconsistent;

const SECOND: Millis = 1_000;

/// The longest that standards.md, "Settings", and the engine's own time-outs let anything wait (ms).
const LONGEST_OFFER: Millis = 300 * SECOND;
const LONGEST_WAIT: Millis = 3_600 * SECOND;
const LONGEST_LIFE: Millis = 86_400 * SECOND;

/// More attempts than an order can begin in its life.
const MOST_ATTEMPTS: u32 = 1 << 30;

impl Engine {
    pub(crate) fn check_deadlines(&self) -> Result<(), Inconsistent> {
        let within = |time: Millis, longest: Millis| time <= self.now + longest;
        let ensure = |holds: bool, what: &dyn Fn() -> String| {
            if holds { Ok(()) } else { Err(Inconsistent(what())) }
        };
        for slot in self.lines.iter() {
            let earliest = self.offers_of(slot).map(|offer| offer.until).min();
            let due = self.lines.offers_timer(slot).and_then(|timer| self.wheel.deadline(timer));
            ensure(
                earliest.is_none_or(|until| due.is_some_and(|due| due <= until))
                    && self.offers_of(slot).all(|offer| within(offer.until, LONGEST_OFFER)),
                &|| format!("line {}: its offers end at another time than their timer", self.lines.number(slot)),
            )?;
        }
        for (_, order) in self.orders.iter() {
            let id = order.id.0;
            let runs = |timer: Option<Handle>, longest: Millis| {
                timer.is_none_or(|timer| self.wheel.deadline(timer).is_some_and(|due| within(due, longest)))
            };
            ensure(runs(order.life, LONGEST_LIFE), &|| format!("order {id}: its life ends too late"))?;
            ensure(runs(order.timer, LONGEST_WAIT), &|| format!("order {id}: its timer is due too late"))?;
            ensure(order.attempt < MOST_ATTEMPTS, &|| format!("order {id}: {} attempts", order.attempt))?;
        }
        let pace = self.pace.map(|timer| self.wheel.deadline(timer));
        ensure(pace.is_none_or(|due| due.is_some_and(|due| within(due, SECOND))), &|| {
            "the next recall waits too long".to_owned()
        })
    }
}
