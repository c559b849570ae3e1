//! Where inputs are kept before they count.

#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::path::PathBuf;

use ccbs_engine::{Action, Engine, EngineError, Event, Limits, Millis, Number};
use serde::{Deserialize, Serialize};

#[cfg(feature = "sqlite")]
pub use sqlite::{JournalEntry, JournalReader, SqliteSettings, SqliteStore, Verified, compact, is_store, verify};

/// What the engine is given at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// Timers whose deadline has come.
    Timers,
    /// Facts, requests and outcomes, in the order of their arrival.
    Events(Vec<Event>),
    /// Numbers whose handles were asked for, in the order of asking: that ties each to its line for ever, and
    /// which handle a number gets depends on what came before.
    Lines(Vec<Number>),
    /// The process has started anew on what the store had kept, with these limits of the engine.
    Started(Limits),
}

/// One input with its time: the unit of a store. The records since a snapshot, applied to it in their order,
/// give the state and the actions of the original run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When (Unix ms).
    pub now: Millis,
    /// What.
    pub input: Input,
}

impl Record {
    /// Applies the record to an engine and appends what is to be done; gives back why the engine
    /// refused events or numbers. What was refused changed nothing, in the original run as in a repeated one.
    pub fn apply(&self, engine: &mut Engine, actions: &mut Vec<Action>) -> Vec<EngineError> {
        match &self.input {
            Input::Timers => {
                engine.advance(self.now, actions);
                Vec::new()
            }
            Input::Events(events) => {
                events.iter().filter_map(|event| engine.apply(self.now, event, actions).err()).collect()
            }
            Input::Lines(numbers) => numbers.iter().filter_map(|number| engine.line(number).err()).collect(),
            // Limits were checked before they were kept; damaged ones change nothing.
            Input::Started(limits) => {
                let _ = engine.restart(self.now, limits, actions);
                Vec::new()
            }
        }
    }
}

/// Why a store could not keep or give back what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// What failed, where, and what to do about it.
    pub message: String,
    /// Whether nothing is lost and the same may be tried again: there was no room, or another program held the file.
    pub passing: bool,
}

impl StoreError {
    /// A failure after which nothing more can be kept.
    pub fn broken(message: impl Into<String>) -> Self {
        Self { message: message.into(), passing: false }
    }

    /// A failure that may pass; nothing of what was given was kept.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), passing: true }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

/// What a store has kept of earlier runs: the newest snapshot, and the records after it in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// A state of the engine, as [`Engine::snapshot`] gives it; `None` when nothing was kept.
    pub snapshot: Option<Vec<u8>>,
    /// What other parts of the program had noted, by part and key.
    pub notes: Vec<Note>,
    /// What the engine was given since.
    pub records: Vec<Record>,
}

/// A value that is kept beside the engine's inputs, for parts of the program that have something of their own to
/// remember: the phones that are registered, the call log. The newest value of a key counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Whose it is.
    pub part: String,
    /// What it is about, within its part.
    pub key: String,
    /// The value; `None` forgets the key.
    pub value: Option<Vec<u8>>,
}

/// Keeps the inputs of the engine so that it can be built again after a crash.
///
/// Called from the driver's thread only, one call at a time; it may block, and then nothing leaves the driver.
pub trait Store: Send + 'static {
    /// What was kept by earlier runs; asked once, before anything is kept. Nothing is mended in silence: what
    /// cannot be read is an error.
    fn load(&mut self) -> Result<Kept, StoreError> {
        Ok(Kept::default())
    }

    /// Keeps the records and notes, all or none, and returns when they would survive a crash (group commit).
    fn append(&mut self, records: &[Record], notes: &[Note]) -> Result<(), StoreError>;

    /// Whether the store would like a snapshot now; asked between commits.
    fn wants_snapshot(&self) -> bool {
        false
    }

    /// Keeps the state after all records so far, which may then be forgotten.
    fn snapshot(&mut self, now: Millis, state: &[u8]) -> Result<(), StoreError> {
        let _ = (now, state);
        Ok(())
    }

    /// Work that no action need wait for; called between commits.
    fn tidy(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The files that it writes, there or not yet: nothing else may be written to them.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Keeps nothing and never fails: the orders live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {}

impl MemoryStore {
    /// A store that keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, _records: &[Record], _notes: &[Note]) -> Result<(), StoreError> {
        Ok(())
    }
}
