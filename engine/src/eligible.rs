//! The eligible orders, by (since when, age).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::order::Orders;
use crate::{Millis, OrderId};

/// How many dead entries are kept beyond as many as there are eligible orders, before they are swept out.
const DEAD_ALLOWED: usize = 64;

/// An entry is dead when its order is no longer eligible since then.
pub(crate) type Entry = (Millis, OrderId, u32);

/// Orders become eligible as time goes on, and mostly in order of age within a millisecond: such entries only
/// need a place at the end. Those that come out of order are kept aside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Eligible {
    in_order: VecDeque<Entry>,
    aside: BinaryHeap<Reverse<Entry>>,
    /// How many orders are eligible.
    live: usize,
}

fn is_live(&(since, id, slot): &Entry, orders: &Orders) -> bool {
    orders.get(slot).is_some_and(|order| order.id == id && order.is_eligible_since(since))
}

impl Eligible {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Adds an order that became eligible.
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.live += 1;
        if self.in_order.back().is_none_or(|last| *last < entry) {
            self.in_order.push_back(entry);
        } else {
            self.aside.push(Reverse(entry));
        }
    }

    /// An order, noted as such already, is not eligible any more.
    pub(crate) fn remove(&mut self, orders: &Orders) {
        self.live -= 1;
        if self.live == 0 {
            self.in_order.clear();
            self.aside.clear();
        } else if self.in_order.len() + self.aside.len() > 2 * self.live + DEAD_ALLOWED {
            self.sweep(orders);
        }
    }

    /// Drops what is dead, and what is there twice: eligible, not eligible and eligible again at the same time.
    #[cold]
    fn sweep(&mut self, orders: &Orders) {
        self.in_order.extend(self.aside.drain().map(|Reverse(entry)| entry));
        self.in_order.make_contiguous().sort_unstable();
        let mut last = None;
        self.in_order.retain(|entry| is_live(entry, orders) && last.replace(*entry) != Some(*entry));
    }

    /// The slot of the first.
    pub(crate) fn first(&mut self, orders: &Orders) -> Option<u32> {
        while self.in_order.front().is_some_and(|entry| !is_live(entry, orders)) {
            self.in_order.pop_front();
        }
        while self.aside.peek().is_some_and(|Reverse(entry)| !is_live(entry, orders)) {
            self.aside.pop();
        }
        let (one, other) = (self.in_order.front(), self.aside.peek().map(|Reverse(entry)| entry));
        one.into_iter().chain(other).min().map(|entry| entry.2)
    }

    /// All of them, in order.
    pub(crate) fn entries(&self, orders: &Orders) -> Vec<Entry> {
        let mut entries: Vec<Entry> =
            self.in_order.iter().copied().chain(self.aside.iter().map(|Reverse(entry)| *entry)).collect();
        entries.retain(|entry| is_live(entry, orders));
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}
