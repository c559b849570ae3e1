//! Loads whose instructions are counted under Valgrind; each the same in every run.
//!
//! `python -m benches.counts` runs them and holds the counts against `baseline.toml`. Only what happens within
//! [`counted`] counts: a load is made ready first, and has run once, so that it is in memory that it already has.
#![forbid(unsafe_code)]

#[path = "../../../sip/tests/between/mod.rs"]
pub mod between;
mod calls;
mod orders;
mod timers;

use std::hint::black_box;

/// A load that is ready to run.
pub type Ready = Box<dyn FnMut()>;

/// A load: its name, and what makes it ready.
pub type Load = (&'static str, fn() -> Ready);

/// All loads.
pub const LOADS: [Load; 9] = [
    ("timer-life", timers::life),
    ("line-event", orders::line_event),
    ("line-event-packed", orders::line_event_packed),
    ("order-life-ccbs", orders::life_ccbs),
    ("order-life-autodial", orders::life_autodial),
    ("burst", orders::burst),
    ("snapshot", orders::snapshot),
    ("restore", orders::restore),
    ("sip-call", calls::whole),
];

/// Runs the load once; Valgrind counts from where this begins until it returns.
#[inline(never)]
pub fn counted(load: &mut dyn FnMut()) {
    load();
    // Something after the call, so that it stays one and does not become a jump out of here.
    black_box(());
}

/// 0..count in an order that is the same in every run and looks like none.
fn scattered(count: u32) -> impl Iterator<Item = u32> {
    // Odd steps by a prime that no count here is a multiple of.
    (0..count).map(move |index| {
        let place = u64::from(index) * 7_919 % u64::from(count);
        u32::try_from(place).expect("below a u32")
    })
}
