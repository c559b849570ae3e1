//! Lines and orders as a snapshot has them.

use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::event::LineKind;
use crate::known::Known;
use crate::life::State;
use crate::line_life::Presence;
use crate::order::Wants;
use crate::profile::{OrderKind, Profile};
use crate::recall::Recall;
use crate::ties::NONE;
use crate::{Millis, Number, OrderId};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub(crate) struct WrittenLine {
    pub(crate) number: Number,
    pub(crate) kind: LineKind,
    pub(crate) configured: bool,
    pub(crate) pinned: bool,
    pub(crate) presence: Presence,
    pub(crate) registered: Option<bool>,
    /// Which of the profiles.
    pub(crate) service: Option<u32>,
    pub(crate) offers: Vec<WrittenOffer>,
    pub(crate) last_without_offer: bool,
    pub(crate) stirred: bool,
}

/// An offer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WrittenOffer {
    pub(crate) callee: u32,
    pub(crate) kind: OrderKind,
    pub(crate) until: Millis,
}

/// An order. When its life and the waits are over, the timers tell.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WrittenOrder {
    pub(crate) id: OrderId,
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    pub(crate) kind: OrderKind,
    pub(crate) new_call: bool,
    /// Which of the profiles.
    pub(crate) profile: u32,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) wait_s: u16,
    pub(crate) eligible_since: Option<Millis>,
    pub(crate) recall: Option<Recall>,
}

impl WrittenLine {
    pub(crate) fn known(&self) -> Known {
        let mut known = Known::NOTHING;
        known.set_kind(self.kind);
        known.set_configured(self.configured);
        known.set_presence(self.presence);
        known.set_registered(self.registered);
        if self.pinned {
            known.pin();
        }
        known
    }
}

/// The profiles in use, each with the number that a snapshot gives it: by who has it first, lines before orders.
pub(crate) struct Numbered {
    pub(crate) profiles: Vec<Profile>,
    numbers: Vec<u32>,
}

impl Numbered {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut numbered = Self { profiles: Vec::new(), numbers: vec![NONE; engine.profiles.places()] };
        let services = engine.lines.iter().filter_map(|line| engine.lines.service(line));
        for place in services.chain(engine.orders.iter().map(|(_, order)| order.profile)) {
            let number = &mut numbered.numbers[place as usize];
            if *number == NONE {
                *number = u32::try_from(numbered.profiles.len()).expect("fewer than 2^32 profiles fit in memory");
                numbered.profiles.push(engine.profiles[place].clone());
            }
        }
        numbered
    }
}

/// All slots of lines, or of orders, written one after the other.
pub(crate) struct Slots<'a, W> {
    pub(crate) engine: &'a Engine,
    pub(crate) numbered: &'a Numbered,
    pub(crate) count: u32,
    pub(crate) write: fn(&'a Engine, &'a Numbered, u32) -> Option<W>,
}

impl<W: Serialize> Serialize for Slots<'_, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.count).map(|slot| (self.write)(self.engine, self.numbered, slot)))
    }
}

pub(crate) fn write_line(engine: &Engine, numbered: &Numbered, slot: u32) -> Option<WrittenLine> {
    let lines = &engine.lines;
    lines.has(slot).then(|| WrittenLine {
        number: lines.number(slot).clone(),
        kind: lines.kind(slot),
        configured: lines.is_configured(slot),
        pinned: lines.is_pinned(slot),
        presence: lines.presence(slot),
        registered: lines.registered(slot),
        service: lines.service(slot).map(|place| numbered.numbers[place as usize]),
        offers: engine
            .offers_of(slot)
            .map(|offer| WrittenOffer { callee: offer.callee, kind: offer.kind, until: offer.until })
            .collect(),
        last_without_offer: lines.last_without_offer(slot),
        stirred: lines.ties(slot).stirred,
    })
}

pub(crate) fn write_order(engine: &Engine, numbered: &Numbered, slot: u32) -> Option<WrittenOrder> {
    engine.orders.get(slot).map(|order| WrittenOrder {
        id: order.id,
        caller: order.caller,
        callee: order.callee,
        kind: order.kind(),
        new_call: order.wants() == Wants::NewCallOver,
        profile: numbered.numbers[order.profile as usize],
        state: order.state,
        attempt: order.attempt,
        wait_s: order.wait_s,
        eligible_since: order.eligible_since(engine.now),
        recall: order.recall().map(|recall| engine.recalls[recall].clone()),
    })
}
