//! Orders: an arena whose slots are used again, under identities that are not.

use std::ops::{Index, IndexMut};

use ccbs_timers::Handle;
use hashbrown::HashTable;

use crate::life::State;
use crate::line::{grow, index};
use crate::profile::OrderKind;
use crate::ties::NONE;
use crate::{Millis, OrderId};

/// An order. What belongs to an attempt in progress is kept with its recall.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// 0 where the slot is empty.
    pub(crate) id: OrderId,
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    /// The state's timer: CB timer, guard time, wait, or the outside's time to answer.
    pub(crate) timer: Option<Handle>,
    /// The timer of its life; `None` when it is over, which a recall in progress outlives.
    pub(crate) life: Option<Handle>,
    /// The next in the caller's and in the callee's list.
    next: [u32; 2],
    /// The place of the caller's profile when the order was accepted.
    pub(crate) profile: u32,
    /// Attempts begun.
    pub(crate) attempt: u32,
    /// The place of its recall while one is in progress; since when it is eligible, while it is. An order has
    /// less than a day to live, so the low half of that time will do.
    place_or_since: u32,
    /// How long the next wait of `Polling`, `Retrying` or `RetryingCaller` is (s).
    pub(crate) wait_s: u16,
    pub(crate) state: State,
    /// What it waits for, in the lowest two bits; then [`ELIGIBLE`] and [`IN_RECALL`].
    marks: u8,
}

const WANTS: u8 = 0b11;
const ELIGIBLE: u8 = 1 << 2;
const IN_RECALL: u8 = 1 << 3;

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wants {
    /// Kind BS.
    Busy,
    /// Kind NR, no call of the callee's was answered yet.
    NewCall,
    /// Kind NR, a call of the callee's was answered since.
    NewCallOver,
    /// Kind NL.
    NotLoggedIn,
}

impl Wants {
    /// What an order of this kind waits for.
    pub(crate) fn of(kind: OrderKind, new_call: bool) -> Self {
        match kind {
            OrderKind::Busy => Self::Busy,
            OrderKind::NoReply if new_call => Self::NewCallOver,
            OrderKind::NoReply => Self::NewCall,
            OrderKind::NotLoggedIn => Self::NotLoggedIn,
        }
    }
}

impl Order {
    pub(crate) fn new(id: OrderId, caller: u32, callee: u32, profile: u32, state: State, wants: Wants) -> Self {
        Self {
            id,
            caller,
            callee,
            timer: None,
            life: None,
            next: [NONE; 2],
            profile,
            attempt: 0,
            place_or_since: NONE,
            wait_s: 0,
            state,
            marks: wants as u8,
        }
    }

    pub(crate) fn kind(&self) -> OrderKind {
        match self.wants() {
            Wants::Busy => OrderKind::Busy,
            Wants::NewCall | Wants::NewCallOver => OrderKind::NoReply,
            Wants::NotLoggedIn => OrderKind::NotLoggedIn,
        }
    }

    pub(crate) fn wants(&self) -> Wants {
        match self.marks & WANTS {
            0 => Wants::Busy,
            1 => Wants::NewCall,
            2 => Wants::NewCallOver,
            _ => Wants::NotLoggedIn,
        }
    }

    pub(crate) fn set_wants(&mut self, wants: Wants) {
        self.marks = self.marks & !WANTS | wants as u8;
    }

    /// The place of its recall while one is in progress.
    pub(crate) fn recall(&self) -> Option<u32> {
        (self.marks & IN_RECALL != 0).then_some(self.place_or_since)
    }

    /// Notes the recall of an order that is not eligible.
    pub(crate) fn set_recall(&mut self, recall: Option<u32>) {
        self.marks = self.marks & !IN_RECALL | recall.map_or(0, |_| IN_RECALL);
        self.place_or_since = recall.unwrap_or(NONE);
    }

    pub(crate) fn is_eligible(&self) -> bool {
        self.marks & ELIGIBLE != 0
    }

    /// Whether it is eligible, since then.
    pub(crate) fn is_eligible_since(&self, since: Millis) -> bool {
        self.is_eligible() && self.place_or_since == low(since)
    }

    /// Since when it is eligible.
    pub(crate) fn eligible_since(&self, now: Millis) -> Option<Millis> {
        self.is_eligible().then(|| now - Millis::from(low(now).wrapping_sub(self.place_or_since)))
    }

    /// Notes since when an order, which is in no recall, is eligible.
    pub(crate) fn set_eligible_since(&mut self, since: Option<Millis>) {
        self.marks = self.marks & !ELIGIBLE | since.map_or(0, |_| ELIGIBLE);
        self.place_or_since = since.map_or(NONE, low);
    }
}

#[allow(clippy::cast_possible_truncation)] // the low half is what is wanted
fn low(time: Millis) -> u32 {
    time as u32
}

/// Which of the two lists that an order is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// The orders that a line placed.
    Placed,
    /// The orders for a line: the callee's queue.
    Waiting,
}

/// All orders that stand, and those that have ended but whose recall is not over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    slots: Vec<Order>,
    free: Vec<u32>,
    /// The slots of those that stand, by identity.
    by_id: HashTable<u32>,
}

/// Identities are given one after the other: multiplied by an odd number they fill a table evenly.
pub(crate) fn hash(id: u64) -> u64 {
    id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Orders {
    /// Puts an order in.
    pub(crate) fn insert(&mut self, order: Order) -> u32 {
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = order;
            slot
        } else {
            grow(&mut self.slots);
            self.slots.push(order);
            index(self.slots.len() - 1)
        };
        self.enter(slot);
        slot
    }

    /// Enters an order under its identity.
    pub(crate) fn enter(&mut self, slot: u32) {
        let id_of = |&slot: &u32| hash(self.slots[slot as usize].id.0);
        self.by_id.insert_unique(id_of(&slot), slot, id_of);
    }

    /// Takes the order out of those that stand; its slot stays.
    pub(crate) fn end(&mut self, slot: u32) {
        let id = self.slots[slot as usize].id;
        if let Ok(entry) = self.by_id.find_entry(hash(id.0), |&found| found == slot) {
            entry.remove();
        }
    }

    /// Gives the slot of an order that has ended back.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.slots[slot as usize].id = OrderId(0);
        self.free.push(slot);
    }

    /// The order in a slot, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<&Order> {
        self.slots.get(slot as usize).filter(|order| order.id.0 != 0)
    }

    /// The slot of an order that stands.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        self.by_id.find(hash(id.0), |&slot| self.slots[slot as usize].id == id).copied()
    }

    /// The slots of the orders that stand, oldest first.
    pub(crate) fn by_id(&self) -> impl Iterator<Item = u32> + use<> {
        let mut slots: Vec<u32> = self.by_id.iter().copied().collect();
        slots.sort_unstable_by_key(|&slot| self[slot].id);
        slots.into_iter()
    }

    /// Every order, ended ones whose recall is not over among them, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Order)> + '_ {
        (0..).zip(&self.slots).filter(|(_, order)| order.id.0 != 0)
    }

    /// How many stand.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many slots there are, empty ones included.
    pub(crate) fn slots(&self) -> u32 {
        index(self.slots.len())
    }

    /// The empty slots, in the order in which they became empty.
    pub(crate) fn free(&self) -> &[u32] {
        &self.free
    }

    /// Adds a slot of a snapshot; its order is in no list yet, and not found by its identity.
    pub(crate) fn restore(&mut self, order: Option<Order>) {
        let vacant = || Order::new(OrderId(0), NONE, NONE, NONE, State::Ended, Wants::Busy);
        self.slots.push(order.unwrap_or_else(vacant));
    }

    /// The empty slots of a snapshot.
    pub(crate) fn restore_free(&mut self, free: Vec<u32>) {
        self.free = free;
    }
}

/// Lists of orders: each a ring, known by its last, [`NONE`] when it is empty.
impl Orders {
    /// Adds an order to a list; what is its last now.
    pub(crate) fn append(&mut self, list: List, last: u32, slot: u32) -> u32 {
        let first = if last == NONE { slot } else { std::mem::replace(self.next_mut(list, last), slot) };
        *self.next_mut(list, slot) = first;
        slot
    }

    /// Takes an order out of a list that it is in; what is its last now. A list has no more than thirty.
    pub(crate) fn unlink(&mut self, list: List, last: u32, slot: u32) -> u32 {
        let mut before = last;
        while self.next(list, before) != slot {
            before = self.next(list, before);
        }
        let after = std::mem::replace(self.next_mut(list, slot), NONE);
        if before == slot {
            return NONE;
        }
        *self.next_mut(list, before) = after;
        if last == slot { before } else { last }
    }

    /// The orders of a list, oldest first.
    pub(crate) fn list(&self, list: List, last: u32) -> impl Iterator<Item = u32> + '_ {
        let mut walk = self.walk(list, last);
        std::iter::from_fn(move || walk.next(self))
    }

    /// A way through a list while its orders, but not the list, change.
    pub(crate) fn walk(&self, list: List, last: u32) -> Walk {
        let next = if last == NONE { NONE } else { self.next(list, last) };
        Walk { list, last, next }
    }

    pub(crate) fn next(&self, list: List, slot: u32) -> u32 {
        self.slots[slot as usize].next[list as usize]
    }

    fn next_mut(&mut self, list: List, slot: u32) -> &mut u32 {
        &mut self.slots[slot as usize].next[list as usize]
    }
}

/// See [`Orders::walk`].
#[derive(Debug)]
pub(crate) struct Walk {
    list: List,
    last: u32,
    next: u32,
}

impl Walk {
    pub(crate) fn next(&mut self, orders: &Orders) -> Option<u32> {
        let slot = self.next;
        if slot == NONE {
            return None;
        }
        self.next = if slot == self.last { NONE } else { orders.next(self.list, slot) };
        Some(slot)
    }
}

impl Index<u32> for Orders {
    type Output = Order;

    fn index(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }
}

impl IndexMut<u32> for Orders {
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }
}
