//! Batches without an object per event: fixed records, little-endian, that go in and out of other languages.
//!
//! A packed record is decoded to an [`Event`] and takes the same way as any other; packing decides nothing.
//! `docs/embedding.md` has the two layouts as tables.

mod action;
mod event;

use thiserror::Error;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::{Event, LineRef};
use crate::{Action, LineId, Millis};

pub use action::{ACTION_BYTES, ACTION_FIELDS, ACTION_KINDS, PackedActions};
pub use action::{DENIALS, END_REASONS, FAILURES, PROMPTS, RELEASE_REASONS, REPLIES, STEPS};
pub use event::{CONNECT_OUTCOMES, FAIL_CAUSES, LINE_KINDS, PLAY_OUTCOMES, RING_OUTCOMES};
pub use event::{EVENT_BYTES, EVENT_FIELDS, EVENT_KINDS};

/// In a field that may name a line: none is named.
pub const NO_LINE: u32 = u32::MAX;

/// In a field of an action that names a line: what is left without this bit is a place in
/// [`PackedActions::numbers`], not a handle. The arena of lines never grows that long.
pub const IN_NUMBERS: u32 = 1 << 31;

/// In a field of an action that may hold a time: there is none.
pub const NO_TIME: u64 = u64::MAX;

/// A field of a packed record: an unsigned integer, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it begins (bytes).
    pub offset: usize,
    /// How long it is (bytes): 1, 2, 4 or 8.
    pub bytes: usize,
}

/// Why a batch was not taken; nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {what}")]
pub struct BatchError {
    /// Where: `events`, or `events[17].code`.
    pub field: String,
    /// What is wrong there, and what was expected.
    pub what: String,
}

/// What is wrong with one record.
#[derive(Debug)]
struct Fault {
    field: &'static str,
    what: String,
}

impl Fault {
    fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self { field, what: what.into() }
    }

    fn of(self, list: &str, record: usize) -> BatchError {
        BatchError { field: format!("{list}[{record}].{}", self.field), what: self.what }
    }
}

impl Engine {
    /// Takes a batch of events that happened at `now` (Unix ms), whole or not at all, and appends what is to be
    /// done to `out`; an empty one moves time only. Otherwise as [`Engine::apply`].
    ///
    /// Returns an error that names the event and its field when the engine would refuse one of them; then nothing
    /// changed, no timer fired and nothing was counted.
    pub fn apply_all(&mut self, now: Millis, events: &[Event], out: &mut Vec<Action>) -> Result<(), BatchError> {
        for (index, event) in events.iter().enumerate() {
            self.check_event(event).map_err(|fault| fault.of("events", index))?;
        }
        self.advance(now, out);
        for event in events {
            self.apply_checked(now, event, out);
        }
        Ok(())
    }

    /// As [`Engine::apply_all`], out of packed records of [`EVENT_BYTES`].
    pub fn apply_packed(&mut self, now: Millis, events: &[u8], out: &mut Vec<Action>) -> Result<(), BatchError> {
        self.check_packed(events)?;
        self.advance(now, out);
        for record in events.as_chunks::<EVENT_BYTES>().0 {
            if let Ok(event) = event::unpack(record) {
                self.apply_checked(now, &event, out);
            }
        }
        Ok(())
    }

    /// Whether [`Engine::apply_packed`] would take the batch now. A batch that it would take once it always takes,
    /// because a handle that was given is never taken back.
    pub fn check_packed(&self, events: &[u8]) -> Result<(), BatchError> {
        for (index, record) in records::<EVENT_BYTES>("events", events)?.iter().enumerate() {
            let event = event::unpack(record).map_err(|fault| fault.of("events", index))?;
            self.check_event(&event).map_err(|fault| packed_names(fault, &event).of("events", index))?;
        }
        Ok(())
    }

    /// The events of a packed batch that [`Engine::apply_packed`] would take.
    pub fn unpack_events(&self, events: &[u8]) -> Result<Vec<Event>, BatchError> {
        self.check_packed(events)?;
        Ok(events.as_chunks::<EVENT_BYTES>().0.iter().filter_map(|record| event::unpack(record).ok()).collect())
    }

    /// Events as packed records. Their lines need handles given by [`Engine::line`]; what has no packed form (a
    /// service with its profile, the operator's cancelling) is refused by name.
    pub fn pack_events(&self, events: &[Event]) -> Result<Vec<u8>, BatchError> {
        let mut bytes = Vec::with_capacity(events.len() * EVENT_BYTES);
        for (index, event) in events.iter().enumerate() {
            let handle = |line: &LineRef| match line {
                LineRef::Id(id) => self.lines.handle(*id).ok().map(LineId),
                LineRef::Number(number) => self.handle_of(number),
            };
            let record = event::pack(event, handle).map_err(|fault| fault.of("events", index))?;
            bytes.extend_from_slice(&record);
        }
        Ok(bytes)
    }

    /// Actions as packed records.
    pub fn pack_actions(&self, actions: &[Action]) -> Result<PackedActions, BatchError> {
        let mut packer = action::Packer::new(|number: &str| self.handle_of(number));
        for (index, action) in actions.iter().enumerate() {
            packer.pack(action).map_err(|fault| fault.of("actions", index))?;
        }
        Ok(packer.packed)
    }

    /// The actions that were packed by this engine, or by one that it was restored from.
    pub fn unpack_actions(&self, packed: &PackedActions) -> Result<Vec<Action>, BatchError> {
        let records = records::<ACTION_BYTES>("actions", &packed.records)?;
        action::unpack(records, &packed.numbers, |handle| self.number(handle))
    }

    /// The handle of a number, if [`Engine::line`] gave it.
    fn handle_of(&self, number: &str) -> Option<LineId> {
        let slot = self.lines.by_number(number)?;
        self.lines.handle(LineId(slot)).ok().map(LineId)
    }

    /// Whether the engine would take an event; the one place where that is known beforehand.
    fn check_event(&self, event: &Event) -> Result<(), Fault> {
        let [first, second] = event::lines_of(event);
        for (field, line) in [first, second].into_iter().flatten() {
            let checked = match line {
                LineRef::Id(id) => self.lines.handle(*id).map(|_| ()),
                LineRef::Number(number) => crate::line::check_number(number),
            };
            checked.map_err(|error| Fault::new(field, error.to_string()))?;
        }
        if let Event::Service { profile: Some(profile), .. } = event {
            profile.check().map_err(|error| Fault::new("profile", EngineError::Profile(error).to_string()))?;
        }
        Ok(())
    }

    fn apply_checked(&mut self, now: Millis, event: &Event, out: &mut Vec<Action>) {
        let applied = self.apply(now, event, out);
        debug_assert_eq!(applied, Ok(()), "{event:?} was checked");
    }
}

/// Where two lines are named, the first has one name in packed records whatever its role.
fn packed_names(fault: Fault, event: &Event) -> Fault {
    match event::lines_of(event) {
        [Some((first, _)), _] if first == fault.field => Fault { field: "line", ..fault },
        _ => fault,
    }
}

fn records<'a, const BYTES: usize>(list: &str, bytes: &'a [u8]) -> Result<&'a [[u8; BYTES]], BatchError> {
    let (records, rest) = bytes.as_chunks::<BYTES>();
    if rest.is_empty() {
        return Ok(records);
    }
    let what = format!("{} bytes are not a whole number of records of {BYTES} bytes", bytes.len());
    Err(BatchError { field: list.to_owned(), what })
}

fn byte(record: &[u8], at: usize) -> u8 {
    record[at]
}

fn word(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
}

fn long(record: &[u8], at: usize) -> u64 {
    u64::from(word(record, at)) | u64::from(word(record, at + 4)) << 32
}

/// The value of a code, which is its place in the list.
fn coded<T: Copy>(field: &'static str, list: &[T], code: u8, what: &str) -> Result<T, Fault> {
    list.get(usize::from(code))
        .copied()
        .ok_or_else(|| Fault::new(field, format!("{code} is not {what} (0..={})", list.len() - 1)))
}

/// The code of a value.
fn code_of<T: PartialEq>(list: &[T], value: &T) -> u8 {
    let place = list.iter().position(|one| one == value).expect("the lists of codes are complete");
    u8::try_from(place).expect("the lists of codes are short")
}
