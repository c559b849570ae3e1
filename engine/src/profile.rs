//! The numbers of a subscriber's service: profiles as data (standards.md, "Settings").

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Millis;
use crate::event::LineKind;

/// A number outside the range of "Settings".
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The service of one subscriber as orderer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// How many recalls an order may make.
    pub fn attempts(&self) -> u32 {
        let Drive::Timer { attempts, .. } = self.drive;
        attempts
    }

    /// The CB timer (ms) of an order for a callee of this kind.
    pub fn cb_timer_ms(&self, callee: LineKind) -> Millis {
        let Drive::Timer { cb_timer_internal_s, cb_timer_external_s, .. } = self.drive;
        let seconds = match callee {
            LineKind::Internal => cb_timer_internal_s,
            LineKind::External => cb_timer_external_s,
        };
        Millis::from(seconds) * 1_000
    }

    /// Checks every number against its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let Drive::Timer { cb_timer_internal_s, cb_timer_external_s, attempts } = self.drive;
        for (field, value, min, max) in [
            ("cb_timer_internal_s", cb_timer_internal_s, 1, 3_600),
            ("cb_timer_external_s", cb_timer_external_s, 1, 3_600),
            ("attempts", attempts, 1, 20),
            ("offer_window_s", self.offer_window_s, 5, 300),
            ("caller_ring_s", self.caller_ring_s, 5, 180),
            ("callee_ring_s", self.callee_ring_s, 5, 180),
            ("caller_free_guard_s", self.caller_free_guard_s, 0, 60),
            ("service_duration_s", self.service_duration_s, 60, 86_400),
            ("orders_per_caller", self.orders_per_caller, 1, 30),
            ("waiting_per_callee", self.waiting_per_callee, 1, 30),
        ] {
            if !(min..=max).contains(&value) {
                return Err(OutOfRange { field, value: value.into(), min: min.into(), max: max.into() });
            }
        }
        Ok(())
    }
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
}

impl Limits {
    /// Checks every number against its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (field, value, max) in [
            ("orders_total", self.orders_total, 10_000_000),
            ("recalls_at_once", self.recalls_at_once, 100_000),
            ("recalls_per_second", self.recalls_per_second, 10_000),
            ("offers_per_caller", self.offers_per_caller, 100),
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
        Self { orders_total: 100_000, recalls_at_once: 500, recalls_per_second: 100, offers_per_caller: 8 }
    }
}
