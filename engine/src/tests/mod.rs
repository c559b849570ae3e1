//! Tests from inside: they see the whole state.

mod caller_busy;
mod canonical;
mod ccbs;
pub(crate) mod coverage;
mod history;
mod life;
mod life_ccbs;
mod not_tried;
mod properties;
mod requests;
mod restart;
mod rules;
mod snapshot;
mod table;
pub(crate) mod table_mutants;
mod turns;
mod world;
mod world_events;
