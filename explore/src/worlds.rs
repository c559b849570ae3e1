//! The worlds.

use ccbs_engine::{Drive, FailCause, Limits, LineKind, Profile};

use crate::world::{May, World};

/// All times of the worlds are multiples of ten seconds, as those are that the engine gives the outside to answer in,
/// so that few deadlines can be told apart.
fn autodial() -> Profile {
    Profile {
        drive: Drive::Timer { cb_timer_internal_s: 10, cb_timer_external_s: 20, attempts: 2 },
        offer_window_s: 10,
        caller_ring_s: 10,
        callee_ring_s: 10,
        caller_free_guard_s: 10,
        service_duration_s: 60,
        orders_per_caller: 2,
        waiting_per_callee: 2,
    }
}

fn ccbs() -> Profile {
    Profile {
        drive: Drive::Release {
            callee_idle_guard_s: 10,
            retention: true,
            callee_no_answer_to_nr: false,
            poll_first_s: 20,
            poll_longest_s: 20,
            offer_nr: true,
            service_duration_nr_s: 60,
            offer_nl: true,
            service_duration_nl_s: 60,
            restart_grace_s: 10,
        },
        ..autodial()
    }
}

fn limits() -> Limits {
    Limits { orders_total: 3, recalls_at_once: 2, recalls_per_second: 3, offers_per_caller: 2, unconfigured_lines: 9 }
}

/// Every world, the short ones first.
pub fn worlds() -> Vec<World> {
    let inside = LineKind::Internal;
    let busy = vec![FailCause::Busy];
    vec![
        World {
            name: "autodial-one",
            about: "one order, everything that can happen to it and its lines",
            lines: vec![("1", inside, None), ("2", inside, Some(0))],
            profiles: vec![autodial()],
            calls: vec![(1, 0)],
            limits: limits(),
            may: May { presence: true, causes: busy.clone(), cancel: true, answered: true, ..May::default() },
            tick: None,
            short: true,
        },
        World {
            name: "ccbs-one",
            about: "one order, everything that can happen to it and its lines",
            lines: vec![("1", inside, None), ("2", inside, Some(0))],
            profiles: vec![ccbs()],
            calls: vec![(1, 0)],
            limits: limits(),
            may: May { presence: true, causes: busy, cancel: true, answered: true, ..May::default() },
            tick: None,
            short: true,
        },
    ]
}
