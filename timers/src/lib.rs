//! Timers on virtual time: deadlines go in, expired tokens come out.
//!
//! Nothing here reads a clock. A tick is whatever the caller says it is; the engine and the SIP core both
//! use milliseconds. Tokens that expire in one call leave sorted by (deadline, order of insertion), so a
//! run repeated with the same inputs repeats its outputs.
//!
//! [`Wheel`] is a hierarchical timer wheel: eight levels of 256 slots cover all of `u64`, a timer is filed at
//! the level of the highest eight bits in which its deadline differs from the wheel's time. Setting and
//! cancelling take constant time; a jump of the wheel's time costs no more for being long, because a bitmap
//! of occupied slots shows the next one.
#![forbid(unsafe_code)]

mod bits;
mod chains;
mod earliest;
mod entries;
mod slots;
mod wheel;

pub use entries::Handle;
pub use wheel::Wheel;
