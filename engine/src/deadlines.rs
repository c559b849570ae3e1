//! When timers are due, for [`Engine::check`]: none comes too early to matter or so late that something hangs.

use crate::Millis;
use crate::engine::Engine;
use crate::error::Inconsistent;

const SECOND: Millis = 1_000;

/// The longest that "Settings" and the engine's own time-outs let anything wait (ms).
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
        for (_, line) in self.lines.iter() {
            let earliest = line.offers.iter().map(|offer| offer.until).min();
            let due = line.offers_timer.and_then(|timer| self.wheel.deadline(timer));
            ensure(
                earliest.is_none_or(|until| due.is_some_and(|due| due <= until))
                    && line.offers.iter().all(|offer| within(offer.until, LONGEST_OFFER)),
                &|| format!("line {}: its offers end at another time than their timer", line.number),
            )?;
        }
        for (_, order) in self.orders.iter() {
            let id = order.id.0;
            let life = order.life.map(|timer| self.wheel.deadline(timer));
            ensure(
                life.is_none_or(|life| life == Some(order.expires)) && within(order.expires, LONGEST_LIFE),
                &|| format!("order {id}: its life ends at another time than its timer"),
            )?;
            let timer = order.timer.map(|timer| self.wheel.deadline(timer));
            ensure(
                timer.is_none_or(|due| {
                    due.is_some_and(|due| within(due, LONGEST_WAIT) && order.due.is_none_or(|said| said == due))
                }),
                &|| format!("order {id}: its timer is due at another time than it says"),
            )?;
            ensure(order.attempt < MOST_ATTEMPTS, &|| format!("order {id}: {} attempts", order.attempt))?;
            ensure(order.eligible_since.is_none_or(|since| since <= self.now), &|| {
                format!("order {id}: eligible in the future")
            })?;
        }
        let pace = self.pace.map(|timer| self.wheel.deadline(timer));
        ensure(pace.is_none_or(|due| due.is_some_and(|due| within(due, SECOND))), &|| {
            "the next recall waits too long".to_owned()
        })
    }
}
