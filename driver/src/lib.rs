//! The clock and the commit point around the ccbs engine.
//!
//! The engine says what to do; this crate says when. A [`Driver`] has a thread of its own, stamps what it is
//! given with the time of its [`Clock`], has its [`Store`] keep it, and only then applies it and lets the
//! actions out. The part without a thread, [`Commit`], is public: a program with an event loop of its own, or a
//! test on virtual time, uses it alone.
#![forbid(unsafe_code)]

mod clock;
mod commit;
mod driver;
mod mailbox;
pub mod recording;
mod run;
mod store;

pub use clock::{Clock, Sleep, SystemClock, VirtualClock};
pub use commit::{Commit, Recovered};
pub use driver::{DrainError, Driver, LineError, Settings, StartError, SubmitError};
pub use store::{Input, Kept, MemoryStore, Note, Record, Store, StoreError};
#[cfg(feature = "sqlite")]
pub use store::{JournalEntry, JournalReader, SqliteSettings, SqliteStore, Verified, compact, is_store, verify};
