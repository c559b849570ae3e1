//! The loads that the engine and its timers are measured by, beside their peers.

pub mod clock;
pub mod engine;
pub mod figure;
pub mod memory;
pub mod timers;
