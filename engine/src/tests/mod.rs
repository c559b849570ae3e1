//! Tests from inside: they see the whole state.

pub(crate) mod coverage;
