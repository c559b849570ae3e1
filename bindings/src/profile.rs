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

/// The class `Profile`: a constructor for each profile of its own fields and the common ones, and a getter for each
/// field, which is `None` in a profile that does not have it.
macro_rules! profile {
    (
        common { $($common:ident = $common_default:literal),+ $(,)? }
        $(#[$timer_doc:meta])*
        autodial $timer_signature:literal { $($timer:ident: $timer_ty:ty = $timer_default:literal),+ $(,)? }
        $(#[$release_doc:meta])*
        ccbs $release_signature:literal { $($release:ident: $release_ty:ty = $release_default:literal),+ $(,)? }
    ) => {
        #[pymethods]
        impl Profile {
            $(#[$timer_doc])*
            #[staticmethod]
            #[pyo3(
                signature = (*, $($timer = Given(Ok($timer_default)),)+ $($common = Given(Ok($common_default))),+),
                text_signature = $timer_signature
            )]
            #[allow(clippy::too_many_arguments)]
            fn autodial($($timer: Given<$timer_ty>,)+ $($common: Given<u32>),+) -> Result<Self, Error> {
                Self::checked(engine::Profile {
                    drive: Drive::Timer { $($timer: $timer.named(stringify!($timer))?),+ },
                    $($common: $common.named(stringify!($common))?),+
                })
            }

            $(#[$release_doc])*
            #[staticmethod]
            #[pyo3(
                signature = (*, $($release = Given(Ok($release_default)),)+ $($common = Given(Ok($common_default))),+),
                text_signature = $release_signature
            )]
            #[allow(clippy::too_many_arguments)]
            fn ccbs($($release: Given<$release_ty>,)+ $($common: Given<u32>),+) -> Result<Self, Error> {
                Self::checked(engine::Profile {
                    drive: Drive::Release { $($release: $release.named(stringify!($release))?),+ },
                    $($common: $common.named(stringify!($common))?),+
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

            $(
                #[getter]
                fn $common(&self) -> u32 {
                    self.0.$common
                }
            )+

            $(
                #[getter]
                fn $timer(&self) -> Option<$timer_ty> {
                    match self.0.drive {
                        Drive::Timer { $timer, .. } => Some($timer),
                        Drive::Release { .. } => None,
                    }
                }
            )+

            $(
                #[getter]
                fn $release(&self) -> Option<$release_ty> {
                    match self.0.drive {
                        Drive::Release { $release, .. } => Some($release),
                        Drive::Timer { .. } => None,
                    }
                }
            )+

            fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
                let profile = this.get();
                let fields: &[&str] = match profile.0.drive {
                    Drive::Timer { .. } => &[$(stringify!($timer),)+ $(stringify!($common)),+],
                    Drive::Release { .. } => &[$(stringify!($release),)+ $(stringify!($common)),+],
                };
                let shown = repr(this.as_any(), fields)?;
                Ok(shown.replacen("Profile(", &format!("Profile.{}(", profile.name()), 1))
            }
        }
    };
}

/// The service of one subscriber as orderer.
#[pyclass(frozen, eq, hash, from_py_object, module = "ccbs._ccbs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Profile(engine::Profile);

profile! {
    common {
        offer_window_s = 30,
        caller_ring_s = 20,
        callee_ring_s = 30,
        caller_free_guard_s = 2,
        service_duration_s = 2_700,
        orders_per_caller = 5,
        waiting_per_callee = 5,
    }
    /// The reference profile, driven by the CB timer whether or not the callee is free.
    autodial "(*, cb_timer_internal_s=10, cb_timer_external_s=20, attempts=3, offer_window_s=30, caller_ring_s=20, \
callee_ring_s=30, caller_free_guard_s=2, service_duration_s=2700, orders_per_caller=5, \
waiting_per_callee=5)" {
        cb_timer_internal_s: u32 = 10,
        cb_timer_external_s: u32 = 20,
        attempts: u32 = 3,
    }
    /// The standards' profile, driven by the release of the callee.
    ccbs "(*, callee_idle_guard_s=5, retention=True, callee_no_answer_to_nr=False, poll_first_s=60, \
poll_longest_s=900, offer_nr=True, service_duration_nr_s=10800, offer_nl=True, \
service_duration_nl_s=10800, restart_grace_s=10, offer_window_s=30, caller_ring_s=20, \
callee_ring_s=30, caller_free_guard_s=2, service_duration_s=2700, orders_per_caller=5, \
waiting_per_callee=5)" {
        callee_idle_guard_s: u32 = 5,
        retention: bool = true,
        callee_no_answer_to_nr: bool = false,
        poll_first_s: u32 = 60,
        poll_longest_s: u32 = 900,
        offer_nr: bool = true,
        service_duration_nr_s: u32 = 10_800,
        offer_nl: bool = true,
        service_duration_nl_s: u32 = 10_800,
        restart_grace_s: u32 = 10,
    }
}

impl Profile {
    fn checked(profile: engine::Profile) -> Result<Self, Error> {
        profile.check()?;
        Ok(Self(profile))
    }

    pub(crate) fn to_engine(&self) -> engine::Profile {
        self.0.clone()
    }
}

/// The class `Limits` out of its fields.
macro_rules! limits {
    ($signature:literal { $($field:ident = $default:literal),+ $(,)? }) => {
        /// Limits of the whole engine.
        #[pyclass(frozen, get_all, eq, hash, from_py_object, module = "ccbs._ccbs")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(crate) struct Limits {
            $($field: u32,)+
        }

        #[pymethods]
        impl Limits {
            #[new]
            #[pyo3(signature = (*, $($field = Given(Ok($default))),+), text_signature = $signature)]
            fn new($($field: Given<u32>),+) -> Result<Self, Error> {
                let limits = Self { $($field: $field.named(stringify!($field))?),+ };
                limits.to_engine().check()?;
                Ok(limits)
            }

            fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
                repr(this.as_any(), &[$(stringify!($field)),+])
            }
        }

        impl Limits {
            pub(crate) fn to_engine(&self) -> engine::Limits {
                engine::Limits { $($field: self.$field),+ }
            }
        }
    };
}

limits! {
    "(*, orders_total=100000, recalls_at_once=500, recalls_per_second=100, offers_per_caller=8, \
unconfigured_lines=100000)" {
        orders_total = 100_000,
        recalls_at_once = 500,
        recalls_per_second = 100,
        offers_per_caller = 8,
        unconfigured_lines = 100_000,
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Profile>()?;
    module.add_class::<Limits>()
}
