//! Random histories: what happens, and what the outside answers.

use proptest::prelude::*;

use super::world::number;
use crate::watch::{Open, Recall, Watch};
use crate::*;

pub(crate) const NUMBERS: [&str; 6] = ["1", "2", "3", "4", "7", "8"];

/// One thing that happens, after some time.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Busy(usize),
    Free(usize),
    Unknown(usize),
    Registered(usize, bool),
    /// A call that fails, and mostly an order.
    Call(usize, usize, u8, bool),
    Answered(usize, usize),
    Order(usize, Option<usize>),
    Cancel(usize, Option<usize>),
    OperatorCancel(u64),
    Remove(usize),
    Configure(usize),
    Service(usize, bool, u8),
    /// What the oldest recall gets that it waits for; 0 is the good one.
    Outcome(usize),
    /// An outcome of any kind for any recall, open or not.
    Stray(u64, usize),
    Restarted,
    /// Time alone.
    Nothing,
}

pub(crate) fn line() -> impl Strategy<Value = usize> {
    0..NUMBERS.len()
}

pub(crate) fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        4 => line().prop_map(What::Busy),
        5 => line().prop_map(What::Free),
        1 => line().prop_map(What::Unknown),
        1 => (line(), any::<bool>()).prop_map(|(a, on)| What::Registered(a, on)),
        9 => (line(), line(), 0_u8..6, prop::bool::weighted(0.8)).prop_map(|(a, b, why, orders)| What::Call(a, b, why, orders)),
        2 => (line(), line()).prop_map(|(a, b)| What::Answered(a, b)),
        1 => (line(), prop::option::of(line())).prop_map(|(a, b)| What::Order(a, b)),
        2 => (line(), prop::option::weighted(0.8, line())).prop_map(|(a, b)| What::Cancel(a, b)),
        1 => (0_u64..40).prop_map(What::OperatorCancel),
        1 => line().prop_map(What::Remove),
        1 => line().prop_map(What::Configure),
        2 => (line(), prop::bool::weighted(0.8), 0_u8..8).prop_map(|(a, on, kind)| What::Service(a, on, kind)),
        16 => prop_oneof![3 => Just(0), 2 => 0..RINGS.len()].prop_map(What::Outcome),
        2 => (0_u64..40, 0..3 * RINGS.len()).prop_map(|(recall, kind)| What::Stray(recall, kind)),
        1 => Just(What::Restarted),
        6 => Just(What::Nothing),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<(Millis, What)>> {
    let time = prop_oneof![6 => Just(0), 4 => 1_u64..3_000, 4 => 1_000_u64..15_000, 1 => 10_000_u64..80_000];
    prop::collection::vec((time, what()), 1..120)
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    (1_u32..7, 1_u32..4, 1_u32..4, 1_u32..4).prop_map(|(orders_total, recalls_at_once, recalls_per_second, offers)| {
        Limits { orders_total, recalls_at_once, recalls_per_second, offers_per_caller: offers, unconfigured_lines: 6 }
    })
}

/// Profiles 0–3 are `autodial`, 4–7 `ccbs`.
pub(crate) fn profile(kind: u8) -> Profile {
    let index = usize::from(kind % 4);
    let (cb_timer_internal_s, attempts, caller_free_guard_s, per_line) =
        [(10, 3, 2, 5), (1, 1, 0, 1), (3, 2, 5, 2), (30, 20, 60, 30)][index];
    let (callee_idle_guard_s, poll_first_s, poll_longest_s, restart_grace_s) =
        [(5, 20, 80, 10), (0, 20, 20, 0), (20, 30, 40, 60), (60, 50, 3_600, 3)][index];
    let drive = if kind < 4 {
        Drive::Timer { cb_timer_internal_s, cb_timer_external_s: 20, attempts }
    } else {
        Drive::Release {
            callee_idle_guard_s,
            retention: kind != 6,
            callee_no_answer_to_nr: kind == 5 || kind == 7,
            poll_first_s,
            poll_longest_s,
            offer_nr: true,
            service_duration_nr_s: 60 + 100 * u32::from(kind % 3),
            offer_nl: kind != 7,
            service_duration_nl_s: 200,
            restart_grace_s,
        }
    };
    Profile {
        drive,
        caller_free_guard_s,
        service_duration_s: 60 + 60 * u32::from(kind % 4),
        orders_per_caller: per_line,
        waiting_per_callee: per_line,
        ..Profile::autodial()
    }
}

pub(crate) const RINGS: [RingOutcome; 8] = [
    RingOutcome::Answered,
    RingOutcome::Answered,
    RingOutcome::Busy,
    RingOutcome::NoAnswer,
    RingOutcome::Declined,
    RingOutcome::Unreachable,
    RingOutcome::Failed,
    RingOutcome::NotTried,
];
pub(crate) const PLAYS: [PlayOutcome; 8] = [
    PlayOutcome::Played,
    PlayOutcome::Played,
    PlayOutcome::Played,
    PlayOutcome::Failed,
    PlayOutcome::Played,
    PlayOutcome::Played,
    PlayOutcome::CallerGone,
    PlayOutcome::CallerGone,
];
pub(crate) const CONNECTS: [ConnectOutcome; 8] = [
    ConnectOutcome::Busy,
    ConnectOutcome::NoAnswer,
    ConnectOutcome::Answered,
    ConnectOutcome::Answered,
    ConnectOutcome::Declined,
    ConnectOutcome::Unreachable,
    ConnectOutcome::CallerGone,
    ConnectOutcome::Failed,
];

/// An outcome that a recall waits for.
pub(crate) fn answer(found: &Recall, kind: usize) -> Event {
    let recall = found.recall;
    match found.open {
        Open::Ring => Event::RingOutcome { recall, outcome: RINGS[kind] },
        Open::Play(play) => Event::PlayOutcome { recall, play, outcome: PLAYS[kind] },
        Open::Connect => Event::ConnectOutcome { recall, outcome: CONNECTS[kind] },
        Open::Release => Event::Released { recall },
    }
}

pub(crate) fn stray(recall: u64, kind: usize) -> Event {
    let recall = RecallId(recall);
    let (which, kind) = (kind / RINGS.len(), kind % RINGS.len());
    match which {
        0 => Event::RingOutcome { recall, outcome: RINGS[kind] },
        1 => Event::PlayOutcome { recall, play: 1 + u32::from(kind.is_multiple_of(2)), outcome: PLAYS[kind] },
        _ => Event::ConnectOutcome { recall, outcome: CONNECTS[kind] },
    }
}

pub(crate) fn events(what: &What, watch: &Watch) -> Vec<Event> {
    let line = |index: usize| number(NUMBERS[index]);
    match *what {
        What::Busy(a) => vec![Event::LineBusy { line: line(a) }],
        What::Free(a) => vec![Event::LineFree { line: line(a) }],
        What::Unknown(a) => vec![Event::LineUnknown { line: line(a) }],
        What::Registered(a, true) => vec![Event::LineRegistered { line: line(a) }],
        What::Registered(a, false) => vec![Event::LineUnregistered { line: line(a) }],
        What::Call(a, b, why, orders) => {
            let cause = match why {
                0 => FailCause::NoReply,
                1 => FailCause::NotLoggedIn,
                _ => FailCause::Busy,
            };
            let mut events = vec![Event::CallFailed { caller: line(a), callee: line(b), cause }];
            events.extend(orders.then(|| Event::Order { request: 1, caller: line(a), callee: None }));
            events
        }
        What::Answered(a, b) => vec![Event::CallAnswered { caller: line(a), callee: line(b) }],
        What::Order(a, b) => vec![Event::Order { request: 2, caller: line(a), callee: b.map(line) }],
        What::Cancel(a, b) => vec![Event::Cancel { request: 3, caller: line(a), callee: b.map(line) }],
        What::OperatorCancel(order) => vec![Event::OperatorCancel { request: 4, order: OrderId(order) }],
        What::Remove(a) => vec![Event::LineRemoved { line: line(a) }],
        What::Configure(a) => vec![Event::Line { line: line(a), kind: LineKind::Internal }],
        What::Service(a, on, kind) => {
            vec![Event::Service { line: line(a), profile: on.then(|| Box::new(profile(kind))) }]
        }
        What::Outcome(kind) => watch.recalls().first().map(|recall| answer(recall, kind)).into_iter().collect(),
        What::Stray(recall, kind) => vec![stray(recall, kind)],
        What::Restarted => vec![Event::Restarted],
        What::Nothing => Vec::new(),
    }
}
