//! Snapshots: all that the engine knows, as `MessagePack` with a version in front.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;

use ccbs_timers::Wheel;
use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::counters::Counters;
use crate::engine::{Engine, LATEST, Timer};
use crate::error::{Inconsistent, SnapshotError};
use crate::life::State;
use crate::line::{Line, Lines};
use crate::order::{Order, Orders};
use crate::profile::Limits;

const MAGIC: &str = "ccbs-engine";

/// The format of snapshots; one more with each change of what is written.
const VERSION: u32 = 2;

/// What is written. Indexes (queues, handles, who is in which recall) are made anew from it.
#[derive(Serialize)]
struct Written<'a> {
    limits: &'a Limits,
    now: Millis,
    lines: &'a [Option<Line>],
    free_lines: &'a [u32],
    orders: &'a [Option<Order>],
    free_orders: &'a [u32],
    begun: &'a VecDeque<Millis>,
    timers: Vec<(Millis, Timer)>,
    next: [u64; 3],
    counters: &'a Counters,
}

/// What is read; the same fields.
#[derive(Deserialize)]
struct Read {
    limits: Limits,
    now: Millis,
    lines: Vec<Option<Line>>,
    free_lines: Vec<u32>,
    orders: Vec<Option<Order>>,
    free_orders: Vec<u32>,
    begun: VecDeque<Millis>,
    timers: Vec<(Millis, Timer)>,
    next: [u64; 3],
    counters: Counters,
}

fn malformed(error: impl std::fmt::Display) -> SnapshotError {
    SnapshotError::Malformed(error.to_string())
}

fn contradiction(what: &str) -> SnapshotError {
    SnapshotError::Inconsistent(Inconsistent(what.to_owned()))
}

fn ensure(holds: bool, what: &str) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(contradiction(what)) }
}

impl Engine {
    /// All that the engine knows. An engine restored from it goes on exactly as this one would.
    ///
    /// # Panics
    ///
    /// Never: writing to memory does not fail.
    pub fn snapshot(&self) -> Vec<u8> {
        let (lines, free_lines) = self.lines.parts();
        let (orders, free_orders) = self.orders.parts();
        let written = Written {
            limits: &self.limits,
            now: self.now,
            lines,
            free_lines,
            orders,
            free_orders,
            begun: &self.begun,
            timers: self.wheel.pending(),
            next: [self.next_order, self.next_recall, self.next_armed],
            counters: &self.counters,
        };
        let mut bytes = Vec::new();
        rmp_serde::encode::write(&mut bytes, &(MAGIC, VERSION)).expect("a header fits into memory");
        rmp_serde::encode::write(&mut bytes, &written).expect("the engine's types can be written");
        bytes
    }

    /// The engine of a snapshot. After a crash of the process that carried its recalls, tell it
    /// [`crate::Event::Restarted`] next.
    ///
    /// Returns an error, and never panics, for bytes that are no snapshot, or of another version, or that
    /// contradict themselves.
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut bytes = Cursor::new(snapshot);
        let (magic, version): (String, u32) = rmp_serde::from_read(&mut bytes).map_err(malformed)?;
        if magic != MAGIC {
            return Err(malformed(format!("begins with {magic:?}, not {MAGIC:?}")));
        }
        if version != VERSION {
            return Err(SnapshotError::Version { found: version, expected: VERSION });
        }
        let read: Read = rmp_serde::from_read(&mut bytes).map_err(malformed)?;
        if bytes.position() != snapshot.len() as u64 {
            return Err(malformed("bytes after its end"));
        }
        let mut engine = Engine::new(read.limits).map_err(|error| contradiction(&error.to_string()))?;
        ensure(read.now <= LATEST && read.counters.fits(), "time or counters")?;
        engine.now = read.now;
        engine.wheel = Wheel::new(read.now);
        engine.begun = read.begun;
        [engine.next_order, engine.next_recall, engine.next_armed] = read.next;
        engine.counters = read.counters;
        ensure(read.next.iter().all(|&next| (1..LATEST).contains(&next)), "next identities")?;
        ensure(is_free_list(&read.lines, &read.free_lines), "free lines")?;
        ensure(is_free_list(&read.orders, &read.free_orders), "free orders")?;
        engine.lines = Lines::from_parts(read.lines, read.free_lines);
        engine.orders = Orders::from_parts(read.orders, read.free_orders);
        engine.relink()?;
        engine.set_timers(&read.timers)?;
        engine.check()?;
        Ok(engine)
    }

    /// Makes the indexes anew.
    fn relink(&mut self) -> Result<(), SnapshotError> {
        let mut offered: Vec<u32> = Vec::new();
        for (_, line) in self.lines.iter() {
            ensure(line.service.as_ref().is_none_or(|profile| profile.check().is_ok()), "a line's profile")?;
            offered.extend(line.offers.iter().map(|offer| offer.callee));
        }
        for callee in offered {
            ensure(self.lines.get(callee).is_some(), "an offer's callee")?;
            self.lines[callee].offered += 1;
        }
        let mut slots: Vec<_> = self.orders.iter().map(|(slot, order)| (order.id, slot)).collect();
        slots.sort_unstable();
        for (id, slot) in slots {
            let order = &mut self.orders[slot];
            let (caller, callee, state) = (order.caller, order.callee, order.state);
            ensure(self.lines.get(caller).is_some() && self.lines.get(callee).is_some(), "an order's lines")?;
            ensure(state != State::Ended && order.profile.check().is_ok(), "an order's state or profile")?;
            // Orders share their caller's profile, as they did when it was accepted, unless it changed since.
            if let Some(profile) = self.lines[caller].service.as_ref().filter(|profile| **profile == order.profile) {
                order.profile = Arc::clone(profile);
            }
            if state != State::Clearing {
                self.lines[caller].placed.push(slot);
                self.lines[callee].waiting.push(slot);
            }
            if let Some(recall) = order.recall {
                ensure(self.recalls.insert(recall, slot).is_none(), "two orders in one recall")?;
                for line in [caller, callee] {
                    ensure(self.lines[line].recall.replace(slot).is_none(), "a line in two recalls")?;
                }
            }
            if let Some(since) = order.eligible_since {
                self.eligible.insert((since, id, slot));
            }
        }
        Ok(())
    }

    fn set_timers(&mut self, timers: &[(Millis, Timer)]) -> Result<(), SnapshotError> {
        ensure(timers.is_sorted_by_key(|timer| timer.0), "the order of timers")?;
        for &(deadline, timer) in timers {
            ensure(deadline <= LATEST * 2, "a timer's deadline")?;
            let handle = self.wheel.insert(deadline, timer);
            let place = match timer {
                Timer::State { slot, armed } if self.orders.get(slot).is_some_and(|order| order.armed == armed) => {
                    &mut self.orders[slot].timer
                }
                Timer::Life { slot, order } if self.orders.get(slot).is_some_and(|found| found.id == order) => {
                    &mut self.orders[slot].life
                }
                Timer::Offers { line } if self.lines.get(line).is_some() => &mut self.lines[line].offers_timer,
                Timer::Pace => &mut self.pace,
                _ => return Err(contradiction("a timer of nothing")),
            };
            ensure(place.replace(handle).is_none(), "two timers for one thing")?;
        }
        Ok(())
    }
}

/// Whether the list names each empty slot once, and no other.
fn is_free_list<T>(slots: &[Option<T>], free: &[u32]) -> bool {
    let mut named = vec![false; slots.len()];
    free.len() == slots.iter().filter(|slot| slot.is_none()).count()
        && free.iter().all(|&slot| {
            let slot = slot as usize;
            slots.get(slot).is_some_and(Option::is_none) && !std::mem::replace(&mut named[slot], true)
        })
}
