//! The numbers of a service and the limits of the engine (standards.md, "Settings").

use ccbs_engine::{self as engine, Drive, OutOfRange};
use pyo3::prelude::*;

use crate::error::Error;
use crate::record::{Given, repr};

impl From<OutOfRange> for Error {
    fn from(error: OutOfRange) -> Self {
        Self::InvalidValue { field: error.field.into(), message: error.to_string() }
    }
}

/// The service of one subscriber as orderer.
#[pyclass(frozen, eq, hash, from_py_object, module = "ccbs._ccbs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Profile(engine::Profile);

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
    ), text_signature = "(*, cb_timer_internal_s=10, cb_timer_external_s=20, attempts=3, offer_window_s=30, caller_ring_s=20, \
callee_ring_s=30, caller_free_guard_s=2, service_duration_s=2700, orders_per_caller=5, \
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
        Self::checked(engine::Profile {
            drive: Drive::Timer {
                cb_timer_internal_s: cb_timer_internal_s.named("cb_timer_internal_s")?,
                cb_timer_external_s: cb_timer_external_s.named("cb_timer_external_s")?,
                attempts: attempts.named("attempts")?,
            },
            offer_window_s: offer_window_s.named("offer_window_s")?,
            caller_ring_s: caller_ring_s.named("caller_ring_s")?,
            callee_ring_s: callee_ring_s.named("callee_ring_s")?,
            caller_free_guard_s: caller_free_guard_s.named("caller_free_guard_s")?,
            service_duration_s: service_duration_s.named("service_duration_s")?,
            orders_per_caller: orders_per_caller.named("orders_per_caller")?,
            waiting_per_callee: waiting_per_callee.named("waiting_per_callee")?,
        })
    }

    /// The standards' profile, driven by the release of the callee.
    #[staticmethod]
    #[pyo3(signature = (
        *,
        callee_idle_guard_s = Given(Ok(5)),
        retention = Given(Ok(true)),
        callee_no_answer_to_nr = Given(Ok(false)),
        poll_first_s = Given(Ok(60)),
        poll_longest_s = Given(Ok(900)),
        offer_nr = Given(Ok(true)),
        service_duration_nr_s = Given(Ok(10_800)),
        offer_nl = Given(Ok(true)),
        service_duration_nl_s = Given(Ok(10_800)),
        restart_grace_s = Given(Ok(10)),
        offer_window_s = Given(Ok(30)),
        caller_ring_s = Given(Ok(20)),
        callee_ring_s = Given(Ok(30)),
        caller_free_guard_s = Given(Ok(2)),
        service_duration_s = Given(Ok(2_700)),
        orders_per_caller = Given(Ok(5)),
        waiting_per_callee = Given(Ok(5)),
    ), text_signature = "(*, callee_idle_guard_s=5, retention=True, callee_no_answer_to_nr=False, poll_first_s=60, \
poll_longest_s=900, offer_nr=True, service_duration_nr_s=10800, offer_nl=True, \
service_duration_nl_s=10800, restart_grace_s=10, offer_window_s=30, caller_ring_s=20, \
callee_ring_s=30, caller_free_guard_s=2, service_duration_s=2700, orders_per_caller=5, \
waiting_per_callee=5)")]
    #[allow(clippy::too_many_arguments)]
    fn ccbs(
        callee_idle_guard_s: Given<u32>,
        retention: Given<bool>,
        callee_no_answer_to_nr: Given<bool>,
        poll_first_s: Given<u32>,
        poll_longest_s: Given<u32>,
        offer_nr: Given<bool>,
        service_duration_nr_s: Given<u32>,
        offer_nl: Given<bool>,
        service_duration_nl_s: Given<u32>,
        restart_grace_s: Given<u32>,
        offer_window_s: Given<u32>,
        caller_ring_s: Given<u32>,
        callee_ring_s: Given<u32>,
        caller_free_guard_s: Given<u32>,
        service_duration_s: Given<u32>,
        orders_per_caller: Given<u32>,
        waiting_per_callee: Given<u32>,
    ) -> Result<Self, Error> {
        Self::checked(engine::Profile {
            drive: Drive::Release {
                callee_idle_guard_s: callee_idle_guard_s.named("callee_idle_guard_s")?,
                retention: retention.named("retention")?,
                callee_no_answer_to_nr: callee_no_answer_to_nr.named("callee_no_answer_to_nr")?,
                poll_first_s: poll_first_s.named("poll_first_s")?,
                poll_longest_s: poll_longest_s.named("poll_longest_s")?,
                offer_nr: offer_nr.named("offer_nr")?,
                service_duration_nr_s: service_duration_nr_s.named("service_duration_nr_s")?,
                offer_nl: offer_nl.named("offer_nl")?,
                service_duration_nl_s: service_duration_nl_s.named("service_duration_nl_s")?,
                restart_grace_s: restart_grace_s.named("restart_grace_s")?,
            },
            offer_window_s: offer_window_s.named("offer_window_s")?,
            caller_ring_s: caller_ring_s.named("caller_ring_s")?,
            callee_ring_s: callee_ring_s.named("callee_ring_s")?,
            caller_free_guard_s: caller_free_guard_s.named("caller_free_guard_s")?,
            service_duration_s: service_duration_s.named("service_duration_s")?,
            orders_per_caller: orders_per_caller.named("orders_per_caller")?,
            waiting_per_callee: waiting_per_callee.named("waiting_per_callee")?,
        })
    }

    /// Which profile it is: `autodial` or `ccbs`.
    #[getter]
    fn name(&self) -> &'static str {
        match self.0.drive {
            Drive::Timer { .. } => "autodial",
            Drive::Release { .. } => "ccbs",
        }
    }

    #[getter]
    fn offer_window_s(&self) -> u32 {
        self.0.offer_window_s
    }

    #[getter]
    fn caller_ring_s(&self) -> u32 {
        self.0.caller_ring_s
    }

    #[getter]
    fn callee_ring_s(&self) -> u32 {
        self.0.callee_ring_s
    }

    #[getter]
    fn caller_free_guard_s(&self) -> u32 {
        self.0.caller_free_guard_s
    }

    #[getter]
    fn service_duration_s(&self) -> u32 {
        self.0.service_duration_s
    }

    #[getter]
    fn orders_per_caller(&self) -> u32 {
        self.0.orders_per_caller
    }

    #[getter]
    fn waiting_per_callee(&self) -> u32 {
        self.0.waiting_per_callee
    }

    #[getter]
    fn cb_timer_internal_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Timer { cb_timer_internal_s, .. } => Some(cb_timer_internal_s),
            Drive::Release { .. } => None,
        }
    }

    #[getter]
    fn cb_timer_external_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Timer { cb_timer_external_s, .. } => Some(cb_timer_external_s),
            Drive::Release { .. } => None,
        }
    }

    #[getter]
    fn attempts(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Timer { attempts, .. } => Some(attempts),
            Drive::Release { .. } => None,
        }
    }

    #[getter]
    fn callee_idle_guard_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { callee_idle_guard_s, .. } => Some(callee_idle_guard_s),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn retention(&self) -> Option<bool> {
        match self.0.drive {
            Drive::Release { retention, .. } => Some(retention),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn callee_no_answer_to_nr(&self) -> Option<bool> {
        match self.0.drive {
            Drive::Release { callee_no_answer_to_nr, .. } => Some(callee_no_answer_to_nr),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn poll_first_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { poll_first_s, .. } => Some(poll_first_s),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn poll_longest_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { poll_longest_s, .. } => Some(poll_longest_s),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn offer_nr(&self) -> Option<bool> {
        match self.0.drive {
            Drive::Release { offer_nr, .. } => Some(offer_nr),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn service_duration_nr_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { service_duration_nr_s, .. } => Some(service_duration_nr_s),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn offer_nl(&self) -> Option<bool> {
        match self.0.drive {
            Drive::Release { offer_nl, .. } => Some(offer_nl),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn service_duration_nl_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { service_duration_nl_s, .. } => Some(service_duration_nl_s),
            Drive::Timer { .. } => None,
        }
    }

    #[getter]
    fn restart_grace_s(&self) -> Option<u32> {
        match self.0.drive {
            Drive::Release { restart_grace_s, .. } => Some(restart_grace_s),
            Drive::Timer { .. } => None,
        }
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let profile = this.get();
        let fields = match profile.0.drive {
            Drive::Timer { .. } => Self::AUTODIAL_FIELDS,
            Drive::Release { .. } => Self::CCBS_FIELDS,
        };
        let shown = repr(this.as_any(), fields)?;
        Ok(shown.replacen("Profile(", &format!("Profile.{}(", profile.name()), 1))
    }
}

impl Profile {
    const AUTODIAL_FIELDS: &'static [&'static str] = &[
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
    const CCBS_FIELDS: &'static [&'static str] = &[
        "callee_idle_guard_s",
        "retention",
        "callee_no_answer_to_nr",
        "poll_first_s",
        "poll_longest_s",
        "offer_nr",
        "service_duration_nr_s",
        "offer_nl",
        "service_duration_nl_s",
        "restart_grace_s",
        "offer_window_s",
        "caller_ring_s",
        "callee_ring_s",
        "caller_free_guard_s",
        "service_duration_s",
        "orders_per_caller",
        "waiting_per_callee",
    ];

    fn checked(profile: engine::Profile) -> Result<Self, Error> {
        profile.check()?;
        Ok(Self(profile))
    }

    pub(crate) fn to_engine(&self) -> engine::Profile {
        self.0.clone()
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
    unconfigured_lines: u32,
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
        unconfigured_lines = Given(Ok(100_000)),
    ), text_signature = "(*, orders_total=100000, recalls_at_once=500, recalls_per_second=100, offers_per_caller=8, \
unconfigured_lines=100000)")]
    fn new(
        orders_total: Given<u32>,
        recalls_at_once: Given<u32>,
        recalls_per_second: Given<u32>,
        offers_per_caller: Given<u32>,
        unconfigured_lines: Given<u32>,
    ) -> Result<Self, Error> {
        let limits = Self {
            orders_total: orders_total.named("orders_total")?,
            recalls_at_once: recalls_at_once.named("recalls_at_once")?,
            recalls_per_second: recalls_per_second.named("recalls_per_second")?,
            offers_per_caller: offers_per_caller.named("offers_per_caller")?,
            unconfigured_lines: unconfigured_lines.named("unconfigured_lines")?,
        };
        limits.to_engine().check()?;
        Ok(limits)
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let fields =
            ["orders_total", "recalls_at_once", "recalls_per_second", "offers_per_caller", "unconfigured_lines"];
        repr(this.as_any(), &fields)
    }
}

impl Limits {
    pub(crate) fn to_engine(&self) -> ccbs_engine::Limits {
        ccbs_engine::Limits {
            orders_total: self.orders_total,
            recalls_at_once: self.recalls_at_once,
            recalls_per_second: self.recalls_per_second,
            offers_per_caller: self.offers_per_caller,
            unconfigured_lines: self.unconfigured_lines,
        }
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Profile>()?;
    module.add_class::<Limits>()
}
