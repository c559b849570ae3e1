//! Lines: a dense arena, each number once.
//!
//! What a report about a line needs is one byte in an array of its own, so that a report about a line without
//! ties touches nothing else; of a million lines that is one megabyte.

use ccbs_timers::Handle;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::error::EngineError;
use crate::event::{LineKind, LineRef};
use crate::known::Known;
pub(crate) use crate::line_life::Presence;
use crate::ties::{Tied, Ties, TiesPool};
use crate::{LineId, Number};

/// The longest number (bytes).
pub const LONGEST_NUMBER: usize = 255;

/// More lines would take more memory than any machine has.
const MOST: usize = 1 << 30;

/// What is kept of a line beside the byte of what is known.
#[derive(Debug, Clone)]
struct Line {
    /// Empty where the slot is.
    number: Number,
    tied: Tied,
    /// The place of its service's profile, [`NO_SERVICE`] for none; [`LAST_WITHOUT_OFFER`] is a bit of it.
    service: u32,
}

const NO_SERVICE: u32 = u32::MAX >> 1;
const LAST_WITHOUT_OFFER: u32 = 1 << 31;

/// All lines. A slot whose line nothing refers to is given to another number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    known: Vec<Known>,
    kept: Vec<Line>,
    ties: TiesPool,
    free: Vec<u32>,
    /// The slots by number.
    by_number: HashTable<u32>,
    /// How many are configured.
    configured: usize,
}

/// A fixed seed: the same bytes take the same time everywhere. Numbers made up to collide cost time in
/// proportion to how many of them are known, which `Limits::unconfigured_lines` bounds.
fn hash(number: &str) -> u64 {
    FixedState::with_seed(0).hash_one(number.as_bytes())
}

impl Lines {
    /// The line of a reference; `None` for a number that is not known.
    pub(crate) fn find(&self, line: &LineRef) -> Result<Option<u32>, EngineError> {
        match line {
            LineRef::Number(number) => Ok(self.by_number(number)),
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
    pub(crate) fn intern_number(&mut self, number: &str) -> Result<u32, EngineError> {
        if let Some(slot) = self.by_number(number) {
            return Ok(slot);
        }
        check_number(number)?;
        let line = Line { number: number.into(), tied: Tied::NOTHING, service: NO_SERVICE };
        let slot = if let Some(slot) = self.free.pop() {
            self.known[slot as usize] = Known::NOTHING;
            self.kept[slot as usize] = line;
            slot
        } else {
            assert!(self.kept.len() < MOST, "fewer than 2^30 lines fit in memory");
            grow(&mut self.known);
            grow(&mut self.kept);
            self.known.push(Known::NOTHING);
            self.kept.push(line);
            index(self.kept.len() - 1)
        };
        self.enter(slot);
        Ok(slot)
    }

    /// Enters a line under its number.
    fn enter(&mut self, slot: u32) {
        let number_of = |&slot: &u32| hash(&self.kept[slot as usize].number);
        self.by_number.insert_unique(number_of(&slot), slot, number_of);
    }

    /// The line of a reference; a number that is not known becomes an external line as long as no more than
    /// `most` lines are known without being configured, else `None`.
    pub(crate) fn intern_within(&mut self, line: &LineRef, most: u32) -> Result<Option<u32>, EngineError> {
        if let LineRef::Number(number) = line
            && self.unconfigured() >= most as usize
            && self.by_number(number).is_none()
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
        let known = &mut self.known[slot as usize];
        self.configured = self.configured + usize::from(configured) - usize::from(known.is_configured());
        known.set_configured(configured);
    }

    /// The slot of a handle that was given away.
    pub(crate) fn handle(&self, id: LineId) -> Result<u32, EngineError> {
        match self.known.get(id.0 as usize) {
            Some(known) if known.is_pinned() => Ok(id.0),
            _ => Err(EngineError::UnknownLine(id)),
        }
    }

    /// The slot of a number, if it is known.
    pub(crate) fn by_number(&self, number: &str) -> Option<u32> {
        self.by_number.find(hash(number), |&slot| self.kept[slot as usize].number == number).copied()
    }

    /// Forgets a line that nothing refers to.
    pub(crate) fn forget_unneeded(&mut self, slot: u32) {
        if self.has(slot) && !self.is_needed(slot) {
            let number = std::mem::take(&mut self.kept[slot as usize].number);
            self.known[slot as usize] = Known::VACANT;
            if let Ok(entry) = self.by_number.find_entry(hash(&number), |&found| found == slot) {
                entry.remove();
            }
            self.free.push(slot);
        }
    }

    /// Whether anything refers to it. A busy line is kept, so that it is known to be busy when it orders.
    pub(crate) fn is_needed(&self, slot: u32) -> bool {
        let known = self.known[slot as usize];
        known.is_needed() || self.service(slot).is_some()
    }

    /// Whether there is a line in a slot.
    pub(crate) fn has(&self, slot: u32) -> bool {
        self.known.get(slot as usize).is_some_and(|known| !known.is_vacant())
    }

    pub(crate) fn number(&self, slot: u32) -> &Number {
        &self.kept[slot as usize].number
    }

    pub(crate) fn presence(&self, slot: u32) -> Presence {
        self.known[slot as usize].presence()
    }

    pub(crate) fn set_presence(&mut self, slot: u32, presence: Presence) {
        self.known[slot as usize].set_presence(presence);
    }

    /// Whether it has a registered phone; `None` when nobody can say.
    pub(crate) fn registered(&self, slot: u32) -> Option<bool> {
        self.known[slot as usize].registered()
    }

    pub(crate) fn set_registered(&mut self, slot: u32, registered: Option<bool>) {
        self.known[slot as usize].set_registered(registered);
    }

    pub(crate) fn kind(&self, slot: u32) -> LineKind {
        self.known[slot as usize].kind()
    }

    pub(crate) fn set_kind(&mut self, slot: u32, kind: LineKind) {
        self.known[slot as usize].set_kind(kind);
    }

    /// Whether an `Event::Line` named it.
    pub(crate) fn is_configured(&self, slot: u32) -> bool {
        self.known[slot as usize].is_configured()
    }

    /// Whether its handle was given away; then its slot is its own for ever.
    pub(crate) fn is_pinned(&self, slot: u32) -> bool {
        self.known[slot as usize].is_pinned()
    }

    pub(crate) fn pin(&mut self, slot: u32) {
        self.known[slot as usize].pin();
    }

    /// The place of its service's profile.
    pub(crate) fn service(&self, slot: u32) -> Option<u32> {
        Some(self.kept[slot as usize].service & !LAST_WITHOUT_OFFER).filter(|&service| service != NO_SERVICE)
    }

    pub(crate) fn set_service(&mut self, slot: u32, service: Option<u32>) {
        let line = &mut self.kept[slot as usize];
        line.service = line.service & LAST_WITHOUT_OFFER | service.unwrap_or(NO_SERVICE);
    }

    /// Whether its last call that failed opened no offer: then no last number can be ordered.
    pub(crate) fn last_without_offer(&self, slot: u32) -> bool {
        self.kept[slot as usize].service & LAST_WITHOUT_OFFER != 0
    }

    pub(crate) fn set_last_without_offer(&mut self, slot: u32, without: bool) {
        let line = &mut self.kept[slot as usize];
        line.service = line.service & !LAST_WITHOUT_OFFER | if without { LAST_WITHOUT_OFFER } else { 0 };
    }

    /// Whether it has any ties.
    pub(crate) fn is_tied(&self, slot: u32) -> bool {
        self.known[slot as usize].is_tied()
    }

    /// What ties it to offers, orders and a recall.
    pub(crate) fn ties(&self, slot: u32) -> Ties {
        if self.is_tied(slot) { self.ties.of(self.kept[slot as usize].tied) } else { Ties::NONE }
    }

    pub(crate) fn set_ties(&mut self, slot: u32, ties: Ties) {
        let tied = &mut self.kept[slot as usize].tied;
        self.ties.put(tied, ties);
        self.known[slot as usize].set_tied(*tied != Tied::NOTHING);
    }

    /// Slot of the order whose recall holds it, in either role.
    pub(crate) fn recall(&self, slot: u32) -> Option<u32> {
        self.ties(slot).recall()
    }

    /// The timer of the line's offers, to be read or set.
    pub(crate) fn offers_timer(&self, slot: u32) -> Option<Handle> {
        self.ties(slot).offers_timer
    }

    pub(crate) fn set_offers_timer(&mut self, slot: u32, timer: Option<Handle>) {
        self.set_ties(slot, Ties { offers_timer: timer, ..self.ties(slot) });
    }

    /// The slots that have a line, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.known).filter(|(_, known)| !known.is_vacant()).map(|(slot, _)| slot)
    }

    /// How many slots there are, empty ones included.
    pub(crate) fn slots(&self) -> u32 {
        index(self.known.len())
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The empty slots, in the order in which they became empty.
    pub(crate) fn free(&self) -> &[u32] {
        &self.free
    }

    /// How many records of ties are in use.
    pub(crate) fn records(&self) -> usize {
        self.ties.len()
    }
}

/// The arena of a snapshot, slot by slot.
impl Lines {
    /// Adds a slot with a line without ties.
    pub(crate) fn restore(&mut self, number: Number, known: Known, service: Option<u32>, without_offer: bool) {
        self.configured += usize::from(known.is_configured());
        self.known.push(known);
        self.kept.push(Line { number, tied: Tied::NOTHING, service: NO_SERVICE });
        let slot = index(self.kept.len() - 1);
        self.set_service(slot, service);
        self.set_last_without_offer(slot, without_offer);
        self.enter(slot);
    }

    /// Adds an empty slot.
    pub(crate) fn restore_vacant(&mut self) {
        self.known.push(Known::VACANT);
        self.kept.push(Line { number: Number::new(), tied: Tied::NOTHING, service: NO_SERVICE });
    }

    /// The empty slots, in the order in which they became empty.
    pub(crate) fn restore_free(&mut self, free: Vec<u32>) {
        self.free = free;
    }
}

/// Whether a number may be a line's.
pub(crate) fn check_number(number: &str) -> Result<(), EngineError> {
    if (1..=LONGEST_NUMBER).contains(&number.len()) {
        Ok(())
    } else {
        Err(EngineError::InvalidNumber { length: number.len(), max: LONGEST_NUMBER })
    }
}

/// Makes room for one more, by an eighth of what there is and not by doubling: what is kept for each line
/// or order is so little that the room for more would outweigh it.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(16));
    }
}

/// An index of an arena as it is kept.
pub(crate) fn index(index: usize) -> u32 {
    u32::try_from(index).expect("an arena has fewer than 2^32 places")
}
