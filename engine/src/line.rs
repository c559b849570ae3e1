//! Lines: a dense arena, each number once.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use ccbs_timers::Handle;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::event::{LineKind, LineRef};
pub(crate) use crate::line_life::Presence;
use crate::profile::{OrderKind, Profile};
use crate::{LineId, Millis, Number};

/// The longest number (bytes).
pub const LONGEST_NUMBER: usize = 255;

/// A call that failed and may be ordered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// Whom the call was for.
    pub(crate) callee: u32,
    /// Of which kind an order would be.
    pub(crate) kind: OrderKind,
    /// When the window is over.
    pub(crate) until: Millis,
}

/// A line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub(crate) struct Line {
    pub(crate) number: Number,
    pub(crate) kind: LineKind,
    /// Whether an `Event::Line` named it.
    pub(crate) configured: bool,
    /// Whether its handle was given away; then its slot is its own for ever.
    pub(crate) pinned: bool,
    pub(crate) presence: Presence,
    /// Whether it has a registered phone; `None` when nobody can say.
    pub(crate) registered: Option<bool>,
    pub(crate) service: Option<Arc<Profile>>,
    /// The calls of this line that failed, oldest first.
    pub(crate) offers: VecDeque<Offer>,
    /// Whether its last call that failed opened no offer: then no last number can be ordered.
    #[serde(default)]
    pub(crate) last_without_offer: bool,
    /// Runs to the earliest end of a window.
    #[serde(skip)]
    pub(crate) offers_timer: Option<Handle>,
    /// How many offers of others name it.
    #[serde(skip)]
    pub(crate) offered: u32,
    /// Slots of the orders it placed, oldest first.
    #[serde(skip)]
    pub(crate) placed: Vec<u32>,
    /// Slots of the orders for it, oldest first: the callee's queue.
    #[serde(skip)]
    pub(crate) waiting: Vec<u32>,
    /// Slot of the order whose recall holds it, in either role.
    #[serde(skip)]
    pub(crate) recall: Option<u32>,
    /// Whether it was reported busy in that recall.
    pub(crate) stirred: bool,
}

impl Line {
    fn new(number: Number) -> Self {
        Self {
            number,
            kind: LineKind::External,
            configured: false,
            pinned: false,
            presence: Presence::Unknown,
            registered: None,
            service: None,
            offers: VecDeque::new(),
            last_without_offer: false,
            offers_timer: None,
            offered: 0,
            placed: Vec::new(),
            waiting: Vec::new(),
            recall: None,
            stirred: false,
        }
    }

    /// Whether anything refers to it. A busy line is kept, so that it is known to be busy when it orders.
    pub(crate) fn is_needed(&self) -> bool {
        self.configured
            || self.pinned
            || self.service.is_some()
            || self.presence == Presence::Busy
            || self.offered > 0
            || self.recall.is_some()
            || !(self.offers.is_empty() && self.placed.is_empty() && self.waiting.is_empty())
    }
}

type ByNumber = HashMap<Number, u32, BuildHasherDefault<DefaultHasher>>;

/// All lines. A slot whose line nothing refers to is given to another number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    slots: Vec<Option<Line>>,
    free: Vec<u32>,
    by_number: ByNumber,
    /// How many are configured.
    configured: usize,
}

impl Lines {
    /// The line of a reference; `None` for a number that is not known.
    pub(crate) fn find(&self, line: &LineRef) -> Result<Option<u32>, EngineError> {
        match line {
            LineRef::Number(number) => Ok(self.by_number.get(number).copied()),
            LineRef::Id(id) => self.handle(*id).map(Some),
        }
    }

    /// The line of a reference; a number that is not known becomes an external line.
    pub(crate) fn intern(&mut self, line: &LineRef) -> Result<u32, EngineError> {
        match line {
            LineRef::Number(number) => self.intern_number(number),
            LineRef::Id(id) => self.handle(*id),
        }
    }

    /// The line of a number, which becomes an external line if it is not known.
    pub(crate) fn intern_number(&mut self, number: &Number) -> Result<u32, EngineError> {
        if let Some(&slot) = self.by_number.get(number) {
            return Ok(slot);
        }
        check_number(number)?;
        let line = Some(Line::new(number.clone()));
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = line;
            slot
        } else {
            self.slots.push(line);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 lines fit in memory")
        };
        self.by_number.insert(number.clone(), slot);
        Ok(slot)
    }

    /// The line of a reference; a number that is not known becomes an external line as long as no more than
    /// `most` lines are known without being configured, else `None`.
    pub(crate) fn intern_within(&mut self, line: &LineRef, most: u32) -> Result<Option<u32>, EngineError> {
        if let LineRef::Number(number) = line
            && self.unconfigured() >= most as usize
            && !self.by_number.contains_key(number)
        {
            return check_number(number).map(|()| None);
        }
        self.intern(line).map(Some)
    }

    /// How many lines are known without being configured.
    pub(crate) fn unconfigured(&self) -> usize {
        self.by_number.len() - self.configured
    }

    /// Notes whether a line is configured.
    pub(crate) fn configure(&mut self, slot: u32, configured: bool) {
        let before = std::mem::replace(&mut self[slot].configured, configured);
        self.configured = self.configured + usize::from(configured) - usize::from(before);
    }

    /// The slot of a handle that was given away.
    pub(crate) fn handle(&self, id: LineId) -> Result<u32, EngineError> {
        match self.slots.get(id.0 as usize) {
            Some(Some(line)) if line.pinned => Ok(id.0),
            _ => Err(EngineError::UnknownLine(id)),
        }
    }

    /// The slot of a number, if it is known.
    pub(crate) fn by_number(&self, number: &str) -> Option<u32> {
        self.by_number.get(number).copied()
    }

    /// Forgets a line that nothing refers to.
    pub(crate) fn forget_unneeded(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if entry.as_ref().is_some_and(|line| !line.is_needed())
            && let Some(line) = entry.take()
        {
            self.by_number.remove(&line.number);
            self.free.push(slot);
        }
    }

    /// The line of a slot, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<&Line> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// All lines with their slots, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Line)> + '_ {
        (0..).zip(&self.slots).filter_map(|(slot, line)| Some((slot, line.as_ref()?)))
    }

    /// All lines, by slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line> + '_ {
        self.slots.iter_mut().flatten()
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// What a snapshot holds of the arena.
    pub(crate) fn parts(&self) -> (&[Option<Line>], &[u32]) {
        (&self.slots, &self.free)
    }

    /// The arena of a snapshot.
    pub(crate) fn from_parts(slots: Vec<Option<Line>>, free: Vec<u32>) -> Self {
        let by_number =
            (0..).zip(&slots).filter_map(|(slot, line)| Some((line.as_ref()?.number.clone(), slot))).collect();
        let configured = slots.iter().flatten().filter(|line: &&Line| line.configured).count();
        Self { slots, free, by_number, configured }
    }
}

fn check_number(number: &Number) -> Result<(), EngineError> {
    if (1..=LONGEST_NUMBER).contains(&number.len()) {
        Ok(())
    } else {
        Err(EngineError::InvalidNumber { length: number.len(), max: LONGEST_NUMBER })
    }
}

impl Index<u32> for Lines {
    type Output = Line;

    fn index(&self, slot: u32) -> &Line {
        self.slots[slot as usize].as_ref().expect("a line that something refers to is kept")
    }
}

impl IndexMut<u32> for Lines {
    fn index_mut(&mut self, slot: u32) -> &mut Line {
        self.slots[slot as usize].as_mut().expect("a line that something refers to is kept")
    }
}
