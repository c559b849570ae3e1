//! What ties a line to offers, orders and a recall; kept for lines that have such ties only.

use ccbs_timers::Handle;

use crate::line::{grow, index};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// The ties of a line. Lists are rings through what they list, known by their last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ties {
    /// The last of the orders that it placed, oldest first.
    pub(crate) placed: u32,
    /// The last of the orders for it, oldest first: the callee's queue.
    pub(crate) waiting: u32,
    /// The last of its offers: its calls that failed, oldest first.
    pub(crate) offers: u32,
    /// One of the offers of others that name it.
    pub(crate) offered: u32,
    /// Slot of the order whose recall holds it, in either role.
    pub(crate) recall: u32,
    /// Whether it was reported busy in that recall.
    pub(crate) stirred: bool,
    /// Runs to the earliest end of a window of its offers.
    pub(crate) offers_timer: Option<Handle>,
}

impl Ties {
    pub(crate) const NONE: Self = Self {
        placed: NONE,
        waiting: NONE,
        offers: NONE,
        offered: NONE,
        recall: NONE,
        stirred: false,
        offers_timer: None,
    };

    pub(crate) fn recall(&self) -> Option<u32> {
        Some(self.recall).filter(|&recall| recall != NONE)
    }
}

/// Where a line's ties are: two bits of how, thirty of where. Most that have any have nothing but one list of
/// orders, and that takes no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tied(u32);

const PLACE: u32 = u32::MAX >> 2;
const HOW: u32 = !PLACE;
const RECORD: u32 = 1 << 30;
const PLACED: u32 = 2 << 30;
const WAITING: u32 = 3 << 30;

impl Tied {
    pub(crate) const NOTHING: Self = Self(0);

    fn new(how: u32, place: u32) -> Self {
        assert!(place <= PLACE, "fewer than 2^30 orders and lines fit in memory");
        Self(how | place)
    }
}

/// The records of ties.
#[derive(Debug, Clone, Default)]
pub(crate) struct TiesPool {
    records: Vec<Ties>,
    free: Vec<u32>,
}

impl TiesPool {
    pub(crate) fn of(&self, tied: Tied) -> Ties {
        let place = tied.0 & PLACE;
        match tied.0 & HOW {
            RECORD => self.records[place as usize],
            PLACED => Ties { placed: place, ..Ties::NONE },
            WAITING => Ties { waiting: place, ..Ties::NONE },
            _ => Ties::NONE,
        }
    }

    /// Keeps the ties of a line, in a record where it takes one.
    pub(crate) fn put(&mut self, tied: &mut Tied, ties: Ties) {
        let record = (tied.0 & HOW == RECORD).then_some(tied.0 & PLACE);
        let short = if ties == Ties::NONE {
            Some(Tied::NOTHING)
        } else if ties == (Ties { placed: ties.placed, ..Ties::NONE }) {
            Some(Tied::new(PLACED, ties.placed))
        } else if ties == (Ties { waiting: ties.waiting, ..Ties::NONE }) {
            Some(Tied::new(WAITING, ties.waiting))
        } else {
            None
        };
        *tied = match (short, record) {
            (Some(short), _) => {
                self.free.extend(record);
                short
            }
            (None, Some(record)) => {
                self.records[record as usize] = ties;
                *tied
            }
            (None, None) => Tied::new(RECORD, self.add(ties)),
        };
    }

    fn add(&mut self, ties: Ties) -> u32 {
        if let Some(record) = self.free.pop() {
            self.records[record as usize] = ties;
            return record;
        }
        grow(&mut self.records);
        self.records.push(ties);
        index(self.records.len() - 1)
    }

    /// How many are in use.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }
}
