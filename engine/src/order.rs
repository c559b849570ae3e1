//! Orders: an arena whose slots are used again, under identities that are not.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use ccbs_timers::Handle;
use serde::{Deserialize, Serialize};

use crate::action::AttemptFailure;
use crate::life::State;
use crate::line::Presence;
use crate::profile::{OrderKind, Profile};
use crate::{Millis, OrderId, RecallId};

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    pub(crate) kind: OrderKind,
    /// The caller's profile when the order was accepted.
    pub(crate) profile: Arc<Profile>,
    pub(crate) state: State,
    /// Attempts begun.
    pub(crate) attempt: u32,
    /// Why the attempt in progress failed, once it has.
    pub(crate) failure: Option<AttemptFailure>,
    /// What was known of the callee's line when it was called in the attempt.
    pub(crate) called: Option<Presence>,
    /// Which actions of the recall were sent ([`crate::life::Asked`]).
    pub(crate) sent: u8,
    /// Which of them had their outcome.
    pub(crate) answered: u8,
    /// Kind NR: whether a call of the callee's was answered since.
    pub(crate) new_call: bool,
    /// How long the next wait of `Polling` or `Retrying` is (s).
    pub(crate) wait_s: u32,
    /// The recall in progress.
    pub(crate) recall: Option<RecallId>,
    /// When the CB timer, the callee's guard or a wait is over, while it runs.
    pub(crate) due: Option<Millis>,
    pub(crate) expires: Millis,
    /// Since when it is eligible.
    pub(crate) eligible_since: Option<Millis>,
    /// Which arming of the state's timer is the valid one; 0 when none is.
    pub(crate) armed: u64,
    /// The state's timer: CB timer, guard time, wait, or the outside's time to answer.
    #[serde(skip)]
    pub(crate) timer: Option<Handle>,
    #[serde(skip)]
    pub(crate) life: Option<Handle>,
}

/// All orders that stand, and those that have ended but whose recall is not over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    slots: Vec<Option<Order>>,
    free: Vec<u32>,
    by_id: BTreeMap<OrderId, u32>,
}

impl Orders {
    /// Puts an order in.
    pub(crate) fn insert(&mut self, order: Order) -> u32 {
        let id = order.id;
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(order);
            slot
        } else {
            self.slots.push(Some(order));
            u32::try_from(self.slots.len() - 1).expect("fewer orders than the highest limit")
        };
        self.by_id.insert(id, slot);
        slot
    }

    /// Takes the order out of those that stand; its slot stays.
    pub(crate) fn end(&mut self, id: OrderId) {
        self.by_id.remove(&id);
    }

    /// Gives the slot of an order that has ended back.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    /// The order in a slot, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<&Order> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The slot of an order that stands.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The slots of the orders that stand, oldest first.
    pub(crate) fn by_id(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_id.values().copied()
    }

    /// Every order, ended ones whose recall is not over among them, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Order)> + '_ {
        (0..).zip(&self.slots).filter_map(|(slot, order)| Some((slot, order.as_ref()?)))
    }

    /// How many stand.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What a snapshot holds of the arena.
    pub(crate) fn parts(&self) -> (&[Option<Order>], &[u32]) {
        (&self.slots, &self.free)
    }

    /// The arena of a snapshot.
    pub(crate) fn from_parts(slots: Vec<Option<Order>>, free: Vec<u32>) -> Self {
        let standing = |(slot, order): (u32, &Option<Order>)| {
            order.as_ref().filter(|order| order.state != State::Clearing).map(|order| (order.id, slot))
        };
        let by_id = (0..).zip(&slots).filter_map(standing).collect();
        Self { slots, free, by_id }
    }
}

impl Index<u32> for Orders {
    type Output = Order;

    fn index(&self, slot: u32) -> &Order {
        self.slots[slot as usize].as_ref().expect("an order that something refers to is kept")
    }
}

impl IndexMut<u32> for Orders {
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        self.slots[slot as usize].as_mut().expect("an order that something refers to is kept")
    }
}
