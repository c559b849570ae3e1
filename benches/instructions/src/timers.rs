//! Timers: set, four of five cancelled, the rest expired.

use ccbs_timers::Wheel;

use crate::{Ready, scattered};

const COUNT: u32 = 20_000;
const HORIZON_MS: u64 = 60_000;
const STEP_MS: u64 = 10;

/// The whole life of timers in a wheel that has its memory.
pub(crate) fn life() -> Ready {
    let mut wheel = Wheel::new(0);
    let mut handles = Vec::new();
    let mut out = Vec::new();
    let mut began = 0;
    let mut live = move || {
        for token in 0..COUNT {
            let deadline = began + 1 + u64::from(token) * 48_271 % HORIZON_MS;
            handles.push(wheel.insert(deadline, token));
        }
        for token in scattered(COUNT).take(COUNT as usize / 5 * 4) {
            wheel.cancel(handles[token as usize]);
        }
        let mut expired = 0;
        for step in 1..=HORIZON_MS / STEP_MS {
            wheel.expire(began + step * STEP_MS, &mut out);
            expired += out.len();
            out.clear();
        }
        assert_eq!(expired, COUNT as usize / 5, "each timer that was not cancelled expires");
        handles.clear();
        began += HORIZON_MS;
    };
    live();
    Box::new(live)
}
