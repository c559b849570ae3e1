//! A simulated office on virtual time over the real engine: Poisson calls, log-normal talks, people who order or
//! redial, and a switch that misbehaves at a given rate.
//!
//! It is a proof, since the engine's rules are checked at every step, and a tool: what would another timer, guard or
//! number of attempts do in an office like this? The same seed gives the same report, byte for byte.
#![forbid(unsafe_code)]

mod agenda;
mod faults;
mod office;
mod random;
mod report;
mod settings;
mod switch;
mod watch;

use thiserror::Error;

use office::Office;
pub use report::{Attempts, Calls, Checks, Orders, Report, Traffic, Waiting};
pub use settings::{Listed, SettingError, Settings};

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SimulationError {
    /// The engine broke a rule.
    #[error("seed {seed}, call {call}, at {at} (Unix ms): {what}")]
    Broken {
        /// The seed with which it can be repeated.
        seed: u64,
        /// After so many calls.
        call: u64,
        /// When (virtual Unix ms).
        at: u64,
        /// What was found.
        what: String,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Steps of the simulation between two questions whether to go on.
const ASK_EVERY: u64 = 65_536;

/// Runs an office until all calls are placed and all orders have ended.
///
/// `go_on` is asked now and then, every few tens of milliseconds; `false` stops the simulation.
pub fn run(settings: &Settings, mut go_on: impl FnMut() -> bool) -> Result<Report, SimulationError> {
    let broken = |call, at, what| SimulationError::Broken { seed: settings.seed, call, at, what };
    let mut office = Office::new(settings).map_err(|what| broken(0, 0, what))?;
    let (mut whole_states, mut steps, mut next_check) = (0, 0_u64, settings.check_every);
    loop {
        let more = office.step().map_err(|what| broken(office.tally.placed, office.clock(), what))?;
        steps += 1;
        if steps % ASK_EVERY == 0 && !go_on() {
            return Err(SimulationError::Stopped);
        }
        if office.watch.steps >= next_check || !more {
            next_check = office.watch.steps + settings.check_every;
            whole_states += 1;
            let checked = office.engine.check();
            checked.map_err(|what| broken(office.tally.placed, office.clock(), what.to_string()))?;
        }
        if !more {
            break;
        }
    }
    let ended = office.watch.at_the_end(&office.engine);
    ended.map_err(|what| broken(office.tally.placed, office.clock(), what))?;
    let checks = Checks { steps: office.watch.steps, whole_states };
    let counters = office.engine.counters().collect();
    Ok(office.tally.report(settings, counters, checks))
}

impl Report {
    /// The report as one line of JSON, its fields in a fixed order.
    ///
    /// # Panics
    ///
    /// Never: it has nothing that JSON has not.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report is numbers and texts")
    }
}
