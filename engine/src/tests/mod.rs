//! Tests from inside: they see the whole state.

pub(crate) mod coverage;
mod history;
mod life;
mod life_ccbs;
mod properties;
mod requests;
mod rules;
mod snapshot;
mod watch;
mod world;
