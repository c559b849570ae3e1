//! The numbers of a subscriber's service: profiles as data (standards.md, "Settings").

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Millis;
use crate::event::{FailCause, LineKind};

/// A number outside its range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {value} is outside {min}–{max}")]
pub struct OutOfRange {
    /// The setting's name.
    pub field: &'static str,
    /// What was given.
    pub value: u64,
    /// The least allowed.
    pub min: u64,
    /// The most allowed.
    pub max: u64,
}

/// What drives the recall.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Drive {
    /// Profile `autodial`: the CB timer, whether or not the callee is free.
    Timer {
        /// CB timer for an internal callee (s), 1–3,600.
        cb_timer_internal_s: u32,
        /// CB timer for an external callee (s), 1–3,600.
        cb_timer_external_s: u32,
        /// How many recalls an order may make, 1–20.
        attempts: u32,
    },
    /// Profile `ccbs`: the release of the callee (standards.md, "Rules").
    Release {
        /// How long the callee must have been free before the recall (s), 0–300.
        callee_idle_guard_s: u32,
        /// Whether an order keeps its place when its callee is busy again at the recall; else it ends.
        retention: bool,
        /// Whether an order whose callee rang at the recall and did not answer turns into kind NR; else it ends.
        callee_no_answer_to_nr: bool,
        /// First wait where the callee's state cannot be seen, or a phone says busy on an idle line (s), 20–3,600.
        poll_first_s: u32,
        /// What the wait doubles to at the most (s), `poll_first_s`–3,600.
        poll_longest_s: u32,
        /// Whether a call that nobody answered may be ordered (kind NR).
        offer_nr: bool,
        /// Life of an order of kind NR (s), 60–86,400.
        service_duration_nr_s: u32,
        /// Whether a call to a callee without a registered phone may be ordered (kind NL).
        offer_nl: bool,
        /// Life of an order of kind NL (s), 60–86,400.
        service_duration_nl_s: u32,
        /// How long orders wait for their callee's state to be known after a restart (s), 0–300.
        restart_grace_s: u32,
    },
}

/// The kind of an order, by why the call failed (standards.md, "Terms").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderKind {
    /// BS: the callee was busy. It is available when it has no call.
    Busy,
    /// NR: the callee did not answer. It is available when it has no call after a call newly answered.
    NoReply,
    /// NL: the callee had no registered phone. It is available when it has one, and no call.
    NotLoggedIn,
}

impl OrderKind {
    /// The kind of an order after a call that failed so; `None` where there is nothing to wait for.
    pub fn of(cause: FailCause) -> Option<Self> {
        match cause {
            FailCause::Busy => Some(Self::Busy),
            FailCause::NoReply => Some(Self::NoReply),
            FailCause::NotLoggedIn => Some(Self::NotLoggedIn),
            FailCause::Other => None,
        }
    }

    /// The word used in logs, on the command line and on pages: `BS`, `NR`, `NL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "BS",
            Self::NoReply => "NR",
            Self::NotLoggedIn => "NL",
        }
    }
}

/// The service of one subscriber as orderer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Profile {
    /// What drives the recall.
    pub drive: Drive,
    /// How long after the failed call an order may be placed (s), 5–300.
    pub offer_window_s: u32,
    /// How long №2's phone rings at the recall (s), 5–180.
    pub caller_ring_s: u32,
    /// How long №1's phone rings at the recall (s), 5–180.
    pub callee_ring_s: u32,
    /// How long №2 must be free before a suspended order is resumed (s), 0–60.
    pub caller_free_guard_s: u32,
    /// Life of an order of kind BS (s), 60–86,400.
    pub service_duration_s: u32,
    /// Orders of one caller at a time, 1–30.
    pub orders_per_caller: u32,
    /// Orders waiting for one callee that this caller's order may make, 1–30.
    pub waiting_per_callee: u32,
}

impl Profile {
    /// The reference profile with the defaults of "Settings".
    pub fn autodial() -> Self {
        Self {
            drive: Drive::Timer { cb_timer_internal_s: 10, cb_timer_external_s: 20, attempts: 3 },
            offer_window_s: 30,
            caller_ring_s: 20,
            callee_ring_s: 30,
            caller_free_guard_s: 2,
            service_duration_s: 2_700,
            orders_per_caller: 5,
            waiting_per_callee: 5,
        }
    }

    /// The profile of the standards with the defaults of "Settings".
    pub fn ccbs() -> Self {
        Self {
            drive: Drive::Release {
                callee_idle_guard_s: 5,
                retention: true,
                callee_no_answer_to_nr: false,
                poll_first_s: 60,
                poll_longest_s: 900,
                offer_nr: true,
                service_duration_nr_s: 10_800,
                offer_nl: true,
                service_duration_nl_s: 10_800,
                restart_grace_s: 10,
            },
            ..Self::autodial()
        }
    }

    /// How many recalls an order may make; `None` where only its life bounds them.
    pub fn attempts(&self) -> Option<u32> {
        match self.drive {
            Drive::Timer { attempts, .. } => Some(attempts),
            Drive::Release { .. } => None,
        }
    }

    /// Whether a call that failed so may be ordered.
    pub fn offers(&self, kind: OrderKind) -> bool {
        match (&self.drive, kind) {
            (_, OrderKind::Busy) => true,
            (Drive::Timer { .. }, _) => false,
            (Drive::Release { offer_nr, .. }, OrderKind::NoReply) => *offer_nr,
            (Drive::Release { offer_nl, .. }, OrderKind::NotLoggedIn) => *offer_nl,
        }
    }

    /// The life (ms) of an order of this kind.
    pub fn life_ms(&self, kind: OrderKind) -> Millis {
        let seconds = match (&self.drive, kind) {
            (Drive::Release { service_duration_nr_s, .. }, OrderKind::NoReply) => *service_duration_nr_s,
            (Drive::Release { service_duration_nl_s, .. }, OrderKind::NotLoggedIn) => *service_duration_nl_s,
            _ => self.service_duration_s,
        };
        Millis::from(seconds) * 1_000
    }

    /// The CB timer (ms) of an order for a callee of this kind; `None` where the release of the callee drives.
    pub fn cb_timer_ms(&self, callee: LineKind) -> Option<Millis> {
        let Drive::Timer { cb_timer_internal_s, cb_timer_external_s, .. } = self.drive else { return None };
        let seconds = match callee {
            LineKind::Internal => cb_timer_internal_s,
            LineKind::External => cb_timer_external_s,
        };
        Some(Millis::from(seconds) * 1_000)
    }

    /// Checks every number against its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        self.drive.check()?;
        in_ranges(&[
            ("offer_window_s", self.offer_window_s, 5, 300),
            ("caller_ring_s", self.caller_ring_s, 5, 180),
            ("callee_ring_s", self.callee_ring_s, 5, 180),
            ("caller_free_guard_s", self.caller_free_guard_s, 0, 60),
            ("service_duration_s", self.service_duration_s, 60, 86_400),
            ("orders_per_caller", self.orders_per_caller, 1, 30),
            ("waiting_per_callee", self.waiting_per_callee, 1, 30),
        ])
    }
}

impl Drive {
    fn check(&self) -> Result<(), OutOfRange> {
        match *self {
            Self::Timer { cb_timer_internal_s, cb_timer_external_s, attempts } => in_ranges(&[
                ("cb_timer_internal_s", cb_timer_internal_s, 1, 3_600),
                ("cb_timer_external_s", cb_timer_external_s, 1, 3_600),
                ("attempts", attempts, 1, 20),
            ]),
            Self::Release {
                callee_idle_guard_s,
                poll_first_s,
                poll_longest_s,
                service_duration_nr_s,
                service_duration_nl_s,
                restart_grace_s,
                retention: _,
                callee_no_answer_to_nr: _,
                offer_nr: _,
                offer_nl: _,
            } => in_ranges(&[
                ("callee_idle_guard_s", callee_idle_guard_s, 0, 300),
                ("poll_first_s", poll_first_s, 20, 3_600),
                ("poll_longest_s", poll_longest_s, poll_first_s, 3_600),
                ("service_duration_nr_s", service_duration_nr_s, 60, 86_400),
                ("service_duration_nl_s", service_duration_nl_s, 60, 86_400),
                ("restart_grace_s", restart_grace_s, 0, 300),
            ]),
        }
    }
}

fn in_ranges(settings: &[(&'static str, u32, u32, u32)]) -> Result<(), OutOfRange> {
    for &(field, value, min, max) in settings {
        if !(min..=max).contains(&value) {
            return Err(OutOfRange { field, value: value.into(), min: min.into(), max: max.into() });
        }
    }
    Ok(())
}

/// Limits of the whole engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Orders held at a time, 1–10,000,000.
    pub orders_total: u32,
    /// Recalls in progress at a time, 1–100,000.
    pub recalls_at_once: u32,
    /// Recalls begun per second, 1–10,000.
    pub recalls_per_second: u32,
    /// Offers remembered for one caller, 1–100; the oldest makes room and is counted.
    pub offers_per_caller: u32,
    /// Numbers known though not configured, 1–10,000,000: beyond it a report that another such number is busy
    /// is not kept, but counted.
    pub unconfigured_lines: u32,
}

impl Limits {
    /// Checks every number against its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (field, value, max) in [
            ("orders_total", self.orders_total, 10_000_000),
            ("recalls_at_once", self.recalls_at_once, 100_000),
            ("recalls_per_second", self.recalls_per_second, 10_000),
            ("offers_per_caller", self.offers_per_caller, 100),
            ("unconfigured_lines", self.unconfigured_lines, 10_000_000),
        ] {
            if !(1..=max).contains(&value) {
                return Err(OutOfRange { field, value: value.into(), min: 1, max: max.into() });
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            orders_total: 100_000,
            recalls_at_once: 500,
            recalls_per_second: 100,
            offers_per_caller: 8,
            unconfigured_lines: 100_000,
        }
    }
}
