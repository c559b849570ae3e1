//! The numbers of a service and the limits of the engine (standards.md, "Settings").

use ccbs_engine::{Drive, OutOfRange};
use pyo3::prelude::*;

use crate::error::Error;
use crate::record::{Given, repr};

impl From<OutOfRange> for Error {
    fn from(error: OutOfRange) -> Self {
        Self::InvalidValue { field: error.field.into(), message: error.to_string() }
    }
}

/// The service of one subscriber as orderer.
#[pyclass(frozen, get_all, eq, hash, from_py_object, module = "ccbs._ccbs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    cb_timer_internal_s: u32,
    cb_timer_external_s: u32,
    attempts: u32,
    offer_window_s: u32,
    caller_ring_s: u32,
    callee_ring_s: u32,
    caller_free_guard_s: u32,
    service_duration_s: u32,
    orders_per_caller: u32,
    waiting_per_callee: u32,
}

#[pymethods]
impl Profile {
    /// The reference profile, driven by the CB timer whether or not the callee is free.
    #[staticmethod]
    #[pyo3(signature = (
        *,
        cb_timer_internal_s = Given(Ok(10)),
        cb_timer_external_s = Given(Ok(20)),
        attempts = Given(Ok(3)),
        offer_window_s = Given(Ok(30)),
        caller_ring_s = Given(Ok(20)),
        callee_ring_s = Given(Ok(30)),
        caller_free_guard_s = Given(Ok(2)),
        service_duration_s = Given(Ok(2_700)),
        orders_per_caller = Given(Ok(5)),
        waiting_per_callee = Given(Ok(5)),
    ), text_signature = "(*, cb_timer_internal_s=10, cb_timer_external_s=20, attempts=3, offer_window_s=30, \
caller_ring_s=20, callee_ring_s=30, caller_free_guard_s=2, service_duration_s=2700, orders_per_caller=5, \
waiting_per_callee=5)")]
    #[allow(clippy::too_many_arguments)]
    fn autodial(
        cb_timer_internal_s: Given<u32>,
        cb_timer_external_s: Given<u32>,
        attempts: Given<u32>,
        offer_window_s: Given<u32>,
        caller_ring_s: Given<u32>,
        callee_ring_s: Given<u32>,
        caller_free_guard_s: Given<u32>,
        service_duration_s: Given<u32>,
        orders_per_caller: Given<u32>,
        waiting_per_callee: Given<u32>,
    ) -> Result<Self, Error> {
        let profile = Self {
            cb_timer_internal_s: cb_timer_internal_s.named("cb_timer_internal_s")?,
            cb_timer_external_s: cb_timer_external_s.named("cb_timer_external_s")?,
            attempts: attempts.named("attempts")?,
            offer_window_s: offer_window_s.named("offer_window_s")?,
            caller_ring_s: caller_ring_s.named("caller_ring_s")?,
            callee_ring_s: callee_ring_s.named("callee_ring_s")?,
            caller_free_guard_s: caller_free_guard_s.named("caller_free_guard_s")?,
            service_duration_s: service_duration_s.named("service_duration_s")?,
            orders_per_caller: orders_per_caller.named("orders_per_caller")?,
            waiting_per_callee: waiting_per_callee.named("waiting_per_callee")?,
        };
        profile.to_engine().check()?;
        Ok(profile)
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let shown = repr(this.as_any(), Self::FIELDS)?;
        Ok(shown.replacen("Profile(", "Profile.autodial(", 1))
    }
}

impl Profile {
    const FIELDS: &'static [&'static str] = &[
        "cb_timer_internal_s",
        "cb_timer_external_s",
        "attempts",
        "offer_window_s",
        "caller_ring_s",
        "callee_ring_s",
        "caller_free_guard_s",
        "service_duration_s",
        "orders_per_caller",
        "waiting_per_callee",
    ];

    pub(crate) fn to_engine(&self) -> ccbs_engine::Profile {
        ccbs_engine::Profile {
            drive: Drive::Timer {
                cb_timer_internal_s: self.cb_timer_internal_s,
                cb_timer_external_s: self.cb_timer_external_s,
                attempts: self.attempts,
            },
            offer_window_s: self.offer_window_s,
            caller_ring_s: self.caller_ring_s,
            callee_ring_s: self.callee_ring_s,
            caller_free_guard_s: self.caller_free_guard_s,
            service_duration_s: self.service_duration_s,
            orders_per_caller: self.orders_per_caller,
            waiting_per_callee: self.waiting_per_callee,
        }
    }
}

/// Limits of the whole engine.
#[pyclass(frozen, get_all, eq, hash, from_py_object, module = "ccbs._ccbs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    orders_total: u32,
    recalls_at_once: u32,
    recalls_per_second: u32,
    offers_per_caller: u32,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (
        *,
        orders_total = Given(Ok(100_000)),
        recalls_at_once = Given(Ok(500)),
        recalls_per_second = Given(Ok(100)),
        offers_per_caller = Given(Ok(8)),
    ), text_signature = "(*, orders_total=100000, recalls_at_once=500, recalls_per_second=100, offers_per_caller=8)")]
    fn new(
        orders_total: Given<u32>,
        recalls_at_once: Given<u32>,
        recalls_per_second: Given<u32>,
        offers_per_caller: Given<u32>,
    ) -> Result<Self, Error> {
        let limits = Self {
            orders_total: orders_total.named("orders_total")?,
            recalls_at_once: recalls_at_once.named("recalls_at_once")?,
            recalls_per_second: recalls_per_second.named("recalls_per_second")?,
            offers_per_caller: offers_per_caller.named("offers_per_caller")?,
        };
        limits.to_engine().check()?;
        Ok(limits)
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        repr(this.as_any(), &["orders_total", "recalls_at_once", "recalls_per_second", "offers_per_caller"])
    }
}

impl Limits {
    pub(crate) fn to_engine(&self) -> ccbs_engine::Limits {
        ccbs_engine::Limits {
            orders_total: self.orders_total,
            recalls_at_once: self.recalls_at_once,
            recalls_per_second: self.recalls_per_second,
            offers_per_caller: self.offers_per_caller,
        }
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Profile>()?;
    module.add_class::<Limits>()
}
