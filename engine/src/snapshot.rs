//! Snapshots: all that the engine knows, as `MessagePack` with a version in front.

use std::collections::VecDeque;
use std::io::Cursor;

use ccbs_timers::Wheel;
use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::counters::Counters;
use crate::engine::{Engine, LATEST};
use crate::error::{Inconsistent, SnapshotError};
use crate::life::State;
use crate::line::check_number;
use crate::order::{Order, Wants};
use crate::profile::{Limits, OrderKind, Profile};
use crate::ties::Ties;
use crate::token::Timer;
use crate::written::{Numbered, Slots, WrittenLine, WrittenOrder, write_line, write_order};

const MAGIC: &str = "ccbs-engine";

/// The format of snapshots; one more with each change of what is written.
const VERSION: u32 = 4;

/// The oldest format that is read: 3 lacks a state, and is 4 otherwise.
const OLDEST: u32 = 3;

/// No order is eligible for so long (ms): its life is over before.
const LONGEST_TURN: Millis = 1 << 32;

/// What is written. Indexes (queues, handles, who is in which recall) are made anew from it.
#[derive(Serialize)]
struct Written<'a> {
    limits: &'a Limits,
    now: Millis,
    profiles: &'a [Profile],
    lines: Slots<'a, WrittenLine>,
    free_lines: &'a [u32],
    orders: Slots<'a, WrittenOrder>,
    free_orders: &'a [u32],
    begun: &'a VecDeque<Millis>,
    timers: Vec<(Millis, Timer)>,
    next: [u64; 2],
    counters: &'a Counters,
}

/// What is read; the same fields.
#[derive(Deserialize)]
struct Read {
    limits: Limits,
    now: Millis,
    profiles: Vec<Profile>,
    lines: Vec<Option<WrittenLine>>,
    free_lines: Vec<u32>,
    orders: Vec<Option<WrittenOrder>>,
    free_orders: Vec<u32>,
    begun: VecDeque<Millis>,
    timers: Vec<(Millis, Timer)>,
    next: [u64; 2],
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
        let numbered = Numbered::of(self);
        let written = Written {
            limits: &self.limits,
            now: self.now,
            profiles: &numbered.profiles,
            lines: Slots { engine: self, numbered: &numbered, count: self.lines.slots(), write: write_line },
            free_lines: self.lines.free(),
            orders: Slots { engine: self, numbered: &numbered, count: self.orders.slots(), write: write_order },
            free_orders: self.orders.free(),
            begun: &self.begun,
            timers: self.wheel.pending().into_iter().map(|(deadline, token)| (deadline, token.into())).collect(),
            next: [self.next_order, self.next_recall],
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
        let (magic, version): (String, u32) = match rmp_serde::from_read(&mut bytes) {
            Ok(head) => head,
            Err(error) => return Err(SnapshotError::of_reading(&error, bytes.position(), snapshot.len(), true)),
        };
        if magic != MAGIC {
            return Err(malformed(format!("begins with {magic:?}, not {MAGIC:?}")));
        }
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(SnapshotError::Version { found: version, oldest: OLDEST, newest: VERSION });
        }
        let read: Read = match rmp_serde::from_read(&mut bytes) {
            Ok(read) => read,
            Err(error) => return Err(SnapshotError::of_reading(&error, bytes.position(), snapshot.len(), false)),
        };
        if bytes.position() != snapshot.len() as u64 {
            return Err(malformed("bytes after its end"));
        }
        let mut engine = Engine::new(read.limits).map_err(|error| contradiction(&error.to_string()))?;
        ensure(read.now <= LATEST && read.counters.fits(), "time or counters")?;
        engine.now = read.now;
        engine.wheel = Wheel::new(read.now);
        engine.begun = read.begun;
        [engine.next_order, engine.next_recall] = read.next;
        engine.counters = read.counters;
        ensure(read.next.iter().all(|&next| (1..LATEST).contains(&next)), "next identities")?;
        ensure(is_free_list(&read.lines, &read.free_lines), "free lines")?;
        ensure(is_free_list(&read.orders, &read.free_orders), "free orders")?;
        ensure(read.profiles.iter().all(|profile| profile.check().is_ok()), "a profile")?;
        let profiles: Vec<u32> = read.profiles.iter().map(|profile| engine.profiles.take(profile)).collect();
        engine.set_lines(&read.lines, &profiles)?;
        engine.lines.restore_free(read.free_lines);
        engine.set_orders(&read.orders, &profiles)?;
        engine.orders.restore_free(read.free_orders);
        for &profile in &profiles {
            engine.profiles.give_back(profile);
        }
        engine.set_timers(&read.timers)?;
        engine.check()?;
        Ok(engine)
    }

    fn set_lines(&mut self, lines: &[Option<WrittenLine>], profiles: &[u32]) -> Result<(), SnapshotError> {
        for line in lines {
            let Some(line) = line else {
                self.lines.restore_vacant();
                continue;
            };
            ensure(check_number(&line.number).is_ok(), "a line's number")?;
            let service = line.service.map(|number| profiles.get(number as usize).copied());
            ensure(service != Some(None), "a line's profile")?;
            let service = service.flatten();
            if let Some(place) = service {
                self.profiles.share(place);
            }
            self.lines.restore(line.number.clone(), line.known(), service, line.last_without_offer);
        }
        for (slot, line) in (0..).zip(lines) {
            let Some(line) = line else { continue };
            for offer in &line.offers {
                ensure(self.lines.has(offer.callee) && offer.callee != slot, "an offer's callee")?;
                self.add_offer(slot, offer.callee, offer.kind, offer.until);
            }
            if line.stirred {
                self.lines.set_ties(slot, Ties { stirred: true, ..self.lines.ties(slot) });
            }
        }
        Ok(())
    }

    fn set_orders(&mut self, orders: &[Option<WrittenOrder>], profiles: &[u32]) -> Result<(), SnapshotError> {
        let mut slots = Vec::new();
        for (slot, written) in (0..).zip(orders) {
            let Some(written) = written else {
                self.orders.restore(None);
                continue;
            };
            ensure(self.lines.has(written.caller) && self.lines.has(written.callee), "an order's lines")?;
            ensure(written.id.0 > 0 && written.state != State::Ended, "an order's identity or state")?;
            ensure(!written.new_call || written.kind == OrderKind::NoReply, "a new call for another kind")?;
            let profile = profiles.get(written.profile as usize).copied();
            ensure(profile.is_some(), "an order's profile")?;
            let Some(profile) = profile else { continue };
            self.profiles.share(profile);
            let wants = Wants::of(written.kind, written.new_call);
            let mut order = Order::new(written.id, written.caller, written.callee, profile, written.state, wants);
            order.attempt = written.attempt;
            order.wait_s = written.wait_s;
            if let Some(since) = written.eligible_since {
                let agrees = since <= self.now && self.now - since < LONGEST_TURN && written.recall.is_none();
                ensure(agrees, "since when an order is eligible")?;
                order.set_eligible_since(Some(since));
            }
            if let Some(recall) = &written.recall {
                ensure(self.recalls.find(recall.id).is_none(), "two orders in one recall")?;
                let mut recall = recall.clone();
                recall.order = slot;
                order.set_recall(Some(self.recalls.insert(recall)));
            }
            self.orders.restore(Some(order));
            slots.push((written.id, slot));
        }
        slots.sort_unstable();
        for (id, slot) in slots {
            let order = &self.orders[slot];
            let (lines, state, recall) = ([order.caller, order.callee], order.state, order.recall());
            if let Some(since) = order.eligible_since(self.now) {
                self.eligible.insert((since, id, slot));
            }
            if state != State::Clearing {
                self.orders.enter(slot);
                self.enqueue(slot);
            }
            if recall.is_some() {
                for line in lines {
                    let ties = self.lines.ties(line);
                    ensure(ties.recall().is_none(), "a line in two recalls")?;
                    self.lines.set_ties(line, Ties { recall: slot, ..ties });
                }
            }
        }
        Ok(())
    }

    fn set_timers(&mut self, timers: &[(Millis, Timer)]) -> Result<(), SnapshotError> {
        ensure(timers.is_sorted_by_key(|timer| timer.0), "the order of timers")?;
        for &(deadline, timer) in timers {
            ensure(deadline <= LATEST * 2, "a timer's deadline")?;
            let handle = Some(self.wheel.insert(deadline, timer.into()));
            let before = match timer {
                Timer::State { slot } if self.orders.get(slot).is_some() => {
                    std::mem::replace(&mut self.orders[slot].timer, handle)
                }
                Timer::Life { slot } if self.orders.get(slot).is_some() => {
                    // No order is accepted so early that its life would be over then: 0 says that it runs.
                    ensure(deadline > 0, "a life's deadline")?;
                    std::mem::replace(&mut self.orders[slot].life, handle)
                }
                Timer::Offers { line } if self.lines.has(line) => {
                    let before = self.lines.offers_timer(line);
                    self.lines.set_offers_timer(line, handle);
                    before
                }
                Timer::Pace => std::mem::replace(&mut self.pace, handle),
                _ => return Err(contradiction("a timer of nothing")),
            };
            ensure(before.is_none(), "two timers for one thing")?;
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
