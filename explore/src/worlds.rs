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

/// One attempt.
fn once() -> Profile {
    let drive = Drive::Timer { cb_timer_internal_s: 10, cb_timer_external_s: 20, attempts: 1 };
    Profile { drive, ..autodial() }
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

/// Without retention; a callee that does not answer turns an order into kind NR.
fn strict() -> Profile {
    let mut profile = ccbs();
    if let Drive::Release { retention, callee_no_answer_to_nr, .. } = &mut profile.drive {
        (*retention, *callee_no_answer_to_nr) = (false, true);
    }
    profile
}

fn limits() -> Limits {
    Limits { orders_total: 3, recalls_at_once: 2, recalls_per_second: 3, offers_per_caller: 2, unconfigured_lines: 9 }
}

const BUSY: &[FailCause] = &[FailCause::Busy];
const EITHER_WAY: &[(usize, usize)] = &[(1, 0), (0, 1)];
/// Subscribers 2 and 3 call 1.
const QUEUE: &[(usize, usize)] = &[(1, 0), (2, 0)];

/// Two pairs that have no line in common: nothing but the engine's limits lets one wait for the other.
const APART: &[(usize, usize)] = &[(1, 0), (3, 2)];

/// A world: who of subscribers 1, 2 … orders by which profile, who may call whom.
fn world(
    name: &'static str,
    about: &'static str,
    profiles: &[Profile],
    orderers: &[Option<usize>],
    calls: &[(usize, usize)],
    may: May,
) -> World {
    let lines = ["1", "2", "3", "4"].into_iter().zip(orderers);
    World {
        name,
        about,
        lines: lines.map(|(number, profile)| (number, LineKind::Internal, *profile)).collect(),
        profiles: profiles.to_vec(),
        calls: calls.to_vec(),
        limits: limits(),
        may,
        tick: None,
        short: true,
    }
}

/// Every world, the short ones first.
pub fn worlds() -> Vec<World> {
    let mut worlds = short_worlds();
    worlds.extend(long_worlds().into_iter().chain(queue_worlds()).map(|world| World { short: false, ..world }));
    worlds
}

fn may() -> May {
    May { causes: BUSY, ..May::default() }
}

fn short_worlds() -> Vec<World> {
    let plain = || May { presence: &[0, 1], cancel: true, answered: true, ..may() };
    let configured = || May { services: true, configuration: true, ..may() };
    let unseen = |presence| May { presence, unknown: true, restart: true, ..may() };
    let nr = || May { presence: &[0], unknown: true, answered: true, causes: &[FailCause::NoReply], ..may() };
    let nl = || May { presence: &[0], registration: &[0], causes: &[FailCause::NotLoggedIn], ..may() };
    let last = &[FailCause::Busy, FailCause::Other];
    let (one, two, queue) = ([None, Some(0)], [Some(0), Some(0)], [None, Some(0), Some(0)]);
    let (autodial, ccbs, strict) = (&[autodial()][..], &[ccbs()][..], &[strict()][..]);
    vec![
        world(
            "autodial-plain",
            "`autodial`: 2 orders 1; both become busy and free, talk to others and to each other; cancelled by all ways",
            autodial,
            &one,
            &[(1, 0)],
            plain(),
        ),
        world("ccbs-plain", "the same in `ccbs`", ccbs, &one, &[(1, 0)], plain()),
        world(
            "autodial-restart",
            "`autodial`: 2, seen or not, orders 1 and the last number, its own, asks; the switch starts anew",
            autodial,
            &one,
            &[(1, 0)],
            May { requests: true, causes: last, ..unseen(&[1]) },
        ),
        world(
            "ccbs-restart",
            "`ccbs`: both are busy, free or not seen; the switch starts anew",
            ccbs,
            &one,
            &[(1, 0)],
            unseen(&[0, 1]),
        ),
        world(
            "ccbs-nr",
            "kind NR, no retention: 1 is busy, free or not seen, and has new calls",
            strict,
            &one,
            &[(1, 0)],
            nr(),
        ),
        world(
            "ccbs-nl",
            "kind NL, no retention, no answer turns it into NR: 1 is busy and free, with phone and without",
            strict,
            &one,
            &[(1, 0)],
            nl(),
        ),
        world(
            "autodial-config",
            "`autodial`: lines leave and come back, internal and external; the service goes off and on",
            autodial,
            &one,
            &[(1, 0)],
            configured(),
        ),
        world("ccbs-config", "the same in `ccbs`", ccbs, &one, &[(1, 0)], configured()),
        world("ccbs-mutual", "`ccbs`: 1 and 2 order each other", ccbs, &two, EITHER_WAY, may()),
        world("autodial-queue", "`autodial`: 2 and 3 order 1", autodial, &queue, QUEUE, may()),
    ]
}

fn long_worlds() -> Vec<World> {
    let kinds = &[FailCause::Busy, FailCause::NoReply, FailCause::NotLoggedIn];
    let (one, two, queue) = ([None, Some(0)], [Some(0), Some(0)], [None, Some(0), Some(0)]);
    let (autodial, ccbs, strict) = (&[autodial()][..], &[ccbs()][..], &[strict()][..]);
    let mixed = &[autodial[0].clone(), ccbs[0].clone()][..];
    let apart = [None, Some(0), None, Some(0)];
    vec![
        world(
            "autodial-caller",
            "`autodial`: 3 orders 1 and 2",
            autodial,
            &[None, None, Some(0)],
            &[(2, 0), (2, 1)],
            may(),
        ),
        world("autodial-mutual", "`autodial`: 1 and 2 order each other", autodial, &two, EITHER_WAY, may()),
        world("ccbs-queue", "`ccbs`: 2 and 3 order 1", ccbs, &queue, QUEUE, may()),
        world("mixed-queue", "2 (`autodial`) and 3 (`ccbs`) order 1", mixed, &[None, Some(0), Some(1)], QUEUE, may()),
        world(
            "kinds",
            "all three kinds, no retention: phones of 1 register and are gone, 1 has new calls",
            strict,
            &one,
            &[(1, 0)],
            May { registration: &[0], answered: true, causes: kinds, ..may() },
        ),
        world(
            "changed",
            "2 goes from one profile to the other and back, or off; 1 is busy and free",
            mixed,
            &one,
            &[(1, 0)],
            May { services: true, presence: &[0], ..may() },
        ),
        World {
            tick: Some(10_000),
            ..world(
                "ccbs-between",
                "`ccbs-plain` without talks, where things also happen between two deadlines, every ten seconds",
                ccbs,
                &one,
                &[(1, 0)],
                May { presence: &[0, 1], ..may() },
            )
        },
        world(
            "autodial-limit",
            "`autodial-queue` where one order may wait for 1",
            &[Profile { waiting_per_callee: 1, ..autodial[0].clone() }],
            &queue,
            QUEUE,
            may(),
        ),
        World {
            limits: Limits { recalls_at_once: 1, ..limits() },
            ..world(
                "autodial-at-once",
                "`autodial` with one attempt: 2 orders 1, 4 orders 3, one recall at once",
                &[once()],
                &apart,
                APART,
                may(),
            )
        },
        World {
            limits: Limits { recalls_per_second: 1, ..limits() },
            ..world(
                "autodial-per-second",
                "`autodial` with one attempt: 1 and 2 order each other, one recall in any second",
                &[once()],
                &two,
                EITHER_WAY,
                may(),
            )
        },
        world(
            "autodial-cycle",
            "`autodial` with one attempt: 1 orders 2, 2 orders 3, 3 orders 1",
            &[once()],
            &[Some(0), Some(0), Some(0)],
            &[(0, 1), (1, 2), (2, 0)],
            may(),
        ),
    ]
}

/// Queues whose callee or a caller comes and goes.
fn queue_worlds() -> Vec<World> {
    let queue = [None, Some(0), Some(0)];
    let caller = || May { presence: &[1], cancel: true, ..may() };
    vec![
        world(
            "autodial-queue-caller",
            "`autodial` with one attempt: 2 and 3 order 1 and cancel; 2 becomes busy and free",
            &[once()],
            &queue,
            QUEUE,
            caller(),
        ),
        world("ccbs-queue-caller", "the same in `ccbs`", &[ccbs()], &queue, QUEUE, caller()),
        world(
            "mixed-queue-busy",
            "`mixed-queue` where 1 is busy and free",
            &[autodial(), ccbs()],
            &[None, Some(0), Some(1)],
            QUEUE,
            May { presence: &[0], ..may() },
        ),
    ]
}
