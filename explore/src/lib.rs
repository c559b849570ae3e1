//! Every state that small worlds of the engine can reach, and every rule at each of them.
//!
//! The engine is the real one. From the state in which a world begins every possible move is made, from each state
//! that comes of it every possible move again, until there is no new one. States are told apart by their canonical
//! form ([`ccbs_engine::Engine::canonical`]), in which time counts from now and identities are ranks, so that the
//! worlds are finite.
#![forbid(unsafe_code)]

pub mod document;
mod explore;
mod history;
pub mod planted;
mod step;
mod words;
mod world;
mod worlds;

pub use explore::{Bounds, Broken, Found, explore};
pub use history::{Moment, repeat};
pub use step::{State, Watched, Wrong};
pub use words::tell;
pub use world::{May, Move, World};
pub use worlds::worlds;
