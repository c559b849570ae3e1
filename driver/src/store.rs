//! Where inputs are kept before they count.

use std::fmt;

use ccbs_engine::{Action, Engine, EngineError, Event, Millis, Number};
use serde::{Deserialize, Serialize};

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
        }
    }
}

/// Why a store could not keep what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// What failed, where, and what to do about it.
    pub message: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

/// Keeps the inputs of the engine so that it can be built again after a crash.
///
/// Called from the driver's thread only, one call at a time; it may block, and then nothing leaves the driver.
pub trait Store: Send + 'static {
    /// Keeps the records, all or none, and returns when they would survive a crash (group commit).
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// Whether the store would like a snapshot now; asked after each [`Store::append`] was applied.
    fn wants_snapshot(&self) -> bool {
        false
    }

    /// Keeps the state after all records so far, which may then be forgotten.
    fn snapshot(&mut self, now: Millis, state: &[u8]) -> Result<(), StoreError> {
        let _ = (now, state);
        Ok(())
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
    fn append(&mut self, _records: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }
}
