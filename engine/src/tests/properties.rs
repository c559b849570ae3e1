//! service.md's rules over random histories, with an outside that misbehaves.
//!
//! A failing history is printed at its shortest, with its seed; it is kept in `proptest-regressions/` and
//! repeated by `cargo test -p ccbs-engine properties`.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::{START, number};
use crate::*;

const NUMBERS: [&str; 6] = ["1", "2", "3", "4", "7", "8"];

/// One thing that happens, after some time.
#[derive(Debug, Clone)]
enum What {
    Busy(usize),
    Free(usize),
    Unknown(usize),
    /// A call that finds busy, and mostly an order.
    Call(usize, usize, bool),
    Answered(usize, usize),
    Order(usize, Option<usize>),
    Cancel(usize, Option<usize>),
    OperatorCancel(u64),
    Remove(usize),
    Configure(usize),
    Service(usize, bool, u8),
    /// What the oldest action that waits for an outcome gets; 0 is the good one.
    Outcome(usize),
    /// An outcome of any kind for any recall, open or not.
    Stray(u64, usize),
    Restarted,
    /// Time alone.
    Nothing,
}

fn line() -> impl Strategy<Value = usize> {
    0..NUMBERS.len()
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        4 => line().prop_map(What::Busy),
        5 => line().prop_map(What::Free),
        1 => line().prop_map(What::Unknown),
        9 => (line(), line(), prop::bool::weighted(0.8)).prop_map(|(a, b, orders)| What::Call(a, b, orders)),
        1 => (line(), line()).prop_map(|(a, b)| What::Answered(a, b)),
        1 => (line(), prop::option::of(line())).prop_map(|(a, b)| What::Order(a, b)),
        2 => (line(), prop::option::weighted(0.8, line())).prop_map(|(a, b)| What::Cancel(a, b)),
        1 => (0_u64..40).prop_map(What::OperatorCancel),
        1 => line().prop_map(What::Remove),
        1 => line().prop_map(What::Configure),
        2 => (line(), prop::bool::weighted(0.8), 0_u8..4).prop_map(|(a, on, kind)| What::Service(a, on, kind)),
        16 => prop_oneof![3 => Just(0), 2 => 0_usize..7].prop_map(What::Outcome),
        2 => (0_u64..40, 0_usize..21).prop_map(|(recall, kind)| What::Stray(recall, kind)),
        1 => Just(What::Restarted),
        6 => Just(What::Nothing),
    ]
}

fn history() -> impl Strategy<Value = Vec<(Millis, What)>> {
    let time = prop_oneof![6 => Just(0), 4 => 1_u64..3_000, 4 => 1_000_u64..15_000, 1 => 10_000_u64..80_000];
    prop::collection::vec((time, what()), 1..120)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_u32..7, 1_u32..4, 1_u32..4, 1_u32..4).prop_map(|(orders_total, recalls_at_once, recalls_per_second, offers)| {
        Limits { orders_total, recalls_at_once, recalls_per_second, offers_per_caller: offers, unconfigured_lines: 4 }
    })
}

fn profile(kind: u8) -> Profile {
    let (cb_timer_internal_s, attempts, caller_free_guard_s, per_line) =
        [(10, 3, 2, 5), (1, 1, 0, 1), (3, 2, 5, 2), (30, 20, 60, 30)][usize::from(kind)];
    Profile {
        drive: Drive::Timer { cb_timer_internal_s, cb_timer_external_s: 20, attempts },
        caller_free_guard_s,
        service_duration_s: 60 + 60 * u32::from(kind),
        orders_per_caller: per_line,
        waiting_per_callee: per_line,
        ..Profile::autodial()
    }
}

/// What an order has shown of itself.
#[derive(Debug)]
struct Seen {
    attempts: u32,
    expires: Millis,
    earliest_ring: Millis,
    ended: bool,
}

/// Watches inputs and actions from outside, and knows nothing of the engine's inside.
#[derive(Debug, Default)]
struct Watch {
    orders: BTreeMap<OrderId, Seen>,
    busy: BTreeSet<Number>,
    /// Lines of recalls from their `Ring` to their end.
    recalls: BTreeMap<RecallId, (OrderId, Number, Number)>,
    /// Actions that wait for an outcome, oldest first.
    open: Vec<Action>,
    /// When a recall's release was asked for.
    releases: BTreeMap<RecallId, Millis>,
    rings: Vec<Millis>,
}

impl Watch {
    fn hear(&mut self, now: Millis, event: &Event) {
        match event {
            Event::LineBusy { line: LineRef::Number(line) } => drop(self.busy.insert(line.clone())),
            Event::LineFree { line: LineRef::Number(line) }
            | Event::LineUnknown { line: LineRef::Number(line) }
            | Event::LineRemoved { line: LineRef::Number(line) } => drop(self.busy.remove(line)),
            Event::Restarted => {
                self.busy.clear();
                self.open.clear();
                self.recalls.clear();
                // Attempts cut off are not used; how many the watch cannot know, so it counts anew.
                for seen in self.orders.values_mut() {
                    seen.attempts = 0;
                    seen.earliest_ring = seen.earliest_ring.max(now);
                }
            }
            _ => {}
        }
    }

    fn see(&mut self, now: Millis, action: &Action, limits: &Limits) -> Result<(), TestCaseError> {
        match action {
            Action::Reply { .. } => return Ok(()),
            Action::Step { order, step: Step::Accepted { due, expires, .. }, .. } => {
                let seen = Seen { attempts: 0, expires: *expires, earliest_ring: due.unwrap_or(0), ended: false };
                prop_assert!(self.orders.insert(*order, seen).is_none(), "an identity given twice");
                return Ok(());
            }
            _ => {}
        }
        let (Action::Step { order, .. }
        | Action::Ring { order, .. }
        | Action::Play { order, .. }
        | Action::Connect { order, .. }
        | Action::Release { order, .. }) = action
        else {
            return Ok(());
        };
        let seen = self.orders.get_mut(order).expect("an order that was accepted");
        prop_assert!(!seen.ended, "{:?} after the end of its order", action);
        match action {
            Action::Ring { recall, order, caller, callee, .. } => {
                prop_assert!(now < seen.expires, "rung after its life");
                prop_assert!(now >= seen.earliest_ring, "rung before its CB timer");
                prop_assert!(!self.busy.contains(caller), "rung though known to be busy");
                // Releases that were not answered are given up without a word.
                let given_up =
                    |recall: &RecallId| self.releases.get(recall).is_some_and(|&asked| asked + 10_000 <= now);
                self.recalls.retain(|recall, _| !given_up(recall));
                for (other, (_, one, two)) in &self.recalls {
                    let apart = [caller, callee].iter().all(|line| *line != one && *line != two);
                    prop_assert!(apart, "a line of {:?} is in {:?} still", recall, other);
                }
                self.recalls.insert(*recall, (*order, caller.clone(), callee.clone()));
                prop_assert!(self.recalls.len() <= limits.recalls_at_once as usize);
                self.rings.push(now);
                let second = self.rings.iter().filter(|&&ring| ring + 1_000 > now).count();
                prop_assert!(second <= limits.recalls_per_second as usize, "{} recalls in a second", second);
                self.open.push(action.clone());
            }
            Action::Play { .. } | Action::Connect { .. } => self.open.push(action.clone()),
            Action::Release { recall, .. } => {
                self.open.retain(|open| recall_of(open) != Some(*recall));
                self.releases.insert(*recall, now);
                self.open.push(action.clone());
            }
            Action::Step { step, .. } => match step {
                Step::AttemptBegan { attempt, attempts } => {
                    seen.attempts += 1;
                    prop_assert!(seen.attempts <= attempts.unwrap_or(u32::MAX) && *attempt <= attempts.unwrap_or(u32::MAX), "more attempts than allowed");
                }
                Step::AttemptFailed { due, .. } => {
                    seen.earliest_ring = due.unwrap_or(Millis::MAX);
                    self.over(*order);
                }
                Step::Ended { reason } => {
                    seen.ended = true;
                    // Other ends in a recall leave its lines in it until it is released.
                    if *reason == EndReason::Completed {
                        self.over(*order);
                    }
                }
                _ => {}
            },
            Action::Reply { .. } => {}
        }
        Ok(())
    }

    fn over(&mut self, order: OrderId) {
        self.recalls.retain(|_, recall| recall.0 != order);
        self.open.retain(|open| {
            !matches!(open, Action::Ring { order: other, .. } | Action::Play { order: other, .. }
            | Action::Connect { order: other, .. } | Action::Release { order: other, .. } if *other == order)
        });
    }
}

fn recall_of(action: &Action) -> Option<RecallId> {
    match action {
        Action::Ring { recall, .. }
        | Action::Play { recall, .. }
        | Action::Connect { recall, .. }
        | Action::Release { recall, .. } => Some(*recall),
        _ => None,
    }
}

const RINGS: [RingOutcome; 7] = [
    RingOutcome::Answered,
    RingOutcome::Answered,
    RingOutcome::Busy,
    RingOutcome::NoAnswer,
    RingOutcome::Declined,
    RingOutcome::Unreachable,
    RingOutcome::Failed,
];
const PLAYS: [PlayOutcome; 7] = [
    PlayOutcome::Played,
    PlayOutcome::Played,
    PlayOutcome::Played,
    PlayOutcome::Failed,
    PlayOutcome::Played,
    PlayOutcome::CallerGone,
    PlayOutcome::CallerGone,
];
const CONNECTS: [ConnectOutcome; 7] = [
    ConnectOutcome::Busy,
    ConnectOutcome::NoAnswer,
    ConnectOutcome::Answered,
    ConnectOutcome::Declined,
    ConnectOutcome::Unreachable,
    ConnectOutcome::CallerGone,
    ConnectOutcome::Failed,
];

fn answer(action: &Action, kind: usize) -> Option<Event> {
    let recall = recall_of(action)?;
    Some(match action {
        Action::Ring { .. } => Event::RingOutcome { recall, outcome: RINGS[kind] },
        Action::Play { play, .. } => Event::PlayOutcome { recall, play: *play, outcome: PLAYS[kind] },
        Action::Connect { .. } => Event::ConnectOutcome { recall, outcome: CONNECTS[kind] },
        _ => Event::Released { recall },
    })
}

fn stray(recall: u64, kind: usize) -> Event {
    let recall = RecallId(recall);
    match kind / 7 {
        0 => Event::RingOutcome { recall, outcome: RINGS[kind % 7] },
        1 => Event::PlayOutcome { recall, play: 1 + u32::from(kind % 2 == 0), outcome: PLAYS[kind % 7] },
        _ => Event::ConnectOutcome { recall, outcome: CONNECTS[kind % 7] },
    }
}

fn events(what: &What, watch: &mut Watch) -> Vec<Event> {
    let line = |index: usize| number(NUMBERS[index]);
    match *what {
        What::Busy(a) => vec![Event::LineBusy { line: line(a) }],
        What::Free(a) => vec![Event::LineFree { line: line(a) }],
        What::Unknown(a) => vec![Event::LineUnknown { line: line(a) }],
        What::Call(a, b, orders) => {
            let mut events = vec![Event::CallFailed { caller: line(a), callee: line(b), cause: FailCause::Busy }];
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
        What::Outcome(kind) => {
            if watch.open.is_empty() {
                return Vec::new();
            }
            answer(&watch.open.remove(0), kind).into_iter().collect()
        }
        What::Stray(recall, kind) => vec![stray(recall, kind)],
        What::Restarted => vec![Event::Restarted],
        What::Nothing => Vec::new(),
    }
}

/// The inputs of a history: it is made up while it runs, because outcomes answer actions.
type Inputs = Vec<(Millis, Option<Event>)>;

fn setup() -> Vec<Event> {
    let mut events = Vec::new();
    for (line, kind) in [("1", 0), ("2", 0), ("3", 1), ("4", 2)] {
        events.push(Event::Line { line: number(line), kind: LineKind::Internal });
        events.push(Event::Service { line: number(line), profile: Some(Box::new(profile(kind))) });
    }
    events
}

/// Runs a history, checks everything, and returns what went in and what came out.
fn run(limits: &Limits, history: &[(Millis, What)]) -> Result<(Inputs, Vec<Action>, Engine), TestCaseError> {
    let mut engine = Engine::new(limits.clone()).expect("limits in range");
    let mut watch = Watch::default();
    let (mut inputs, mut all, mut out) = (Inputs::new(), Vec::new(), Vec::new());
    let mut now = START;
    let mut feed = |engine: &mut Engine, watch: &mut Watch, now: Millis, event: Option<Event>| {
        match &event {
            Some(event) => {
                // Timers first, as the engine does, so that the watch hears of the fact at the right moment.
                engine.advance(now, &mut out);
                for action in &out {
                    watch.see(now, action, limits)?;
                }
                all.append(&mut out);
                watch.hear(now, event);
                engine.apply(now, event, &mut out).expect("a good event");
                if let Event::Released { recall } = event {
                    watch.recalls.remove(recall);
                }
            }
            None => engine.advance(now, &mut out),
        }
        for action in &out {
            watch.see(now, action, limits)?;
        }
        all.append(&mut out);
        // A release that was given up frees the lines without a word; the engine's own check covers those.
        let held: BTreeSet<u64> = engine.recalls.keys().map(|recall| recall.0).collect();
        watch.recalls.retain(|recall, _| held.contains(&recall.0));
        watch.open.retain(|open| recall_of(open).is_some_and(|recall| held.contains(&recall.0)));
        if let Err(error) = engine.check() {
            return Err(TestCaseError::fail(error.to_string()));
        }
        inputs.push((now, event));
        Ok(())
    };
    for event in setup() {
        feed(&mut engine, &mut watch, now, Some(event))?;
    }
    for (time, what) in history {
        now += time;
        let events = events(what, &mut watch);
        if events.is_empty() {
            feed(&mut engine, &mut watch, now, None)?;
        }
        for event in events {
            feed(&mut engine, &mut watch, now, Some(event))?;
        }
    }
    // Nobody answers any more: everything must end by itself.
    let over = now + 86_400_000;
    while let Some(next) = engine.next_deadline() {
        prop_assert!(next > now && next < over, "a deadline at {} after {}", next, now);
        now = next;
        feed(&mut engine, &mut watch, now, None)?;
    }
    prop_assert!(watch.orders.values().all(|seen| seen.ended), "an order that never ended");
    prop_assert_eq!(engine.orders().count() + engine.recalls.len() + engine.eligible.len() + engine.wheel.len(), 0);
    prop_assert!(engine.lines().all(|line| !line.in_recall && line.orders == 0 && line.waiting == 0));
    Ok((inputs, all, engine))
}

fn replay(engine: &mut Engine, inputs: &[(Millis, Option<Event>)]) -> Vec<Action> {
    let mut out = Vec::new();
    for (now, event) in inputs {
        match event {
            Some(event) => engine.apply(*now, event, &mut out).expect("a good event"),
            None => engine.advance(*now, &mut out),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_and_a_run_repeats_itself(limits in limits(), history in history(), cut in any::<prop::sample::Index>()) {
        let (inputs, actions, engine) = run(&limits, &history)?;

        let mut again = Engine::new(limits.clone()).expect("limits in range");
        prop_assert!(replay(&mut again, &inputs) == actions, "the same inputs gave other actions");
        prop_assert!(again.snapshot() == engine.snapshot());

        // Stopped anywhere and restored, it goes on byte for byte.
        let (before, after) = inputs.split_at(cut.index(inputs.len()));
        let mut first = Engine::new(limits).expect("limits in range");
        let mut told = replay(&mut first, before);
        let mut second = match Engine::restore(&first.snapshot()) {
            Ok(second) => second,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        told.extend(replay(&mut second, after));
        let bytes = |actions: &[Action]| rmp_serde::to_vec(actions).expect("actions can be written");
        prop_assert!(bytes(&told) == bytes(&actions), "restored, it went another way");
        prop_assert!(second.snapshot() == engine.snapshot());
    }
}

#[test]
fn random_histories_reach_every_row_of_the_table() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRunner};

    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    for _ in 0..3_000 {
        let limits = limits().new_tree(&mut runner).expect("limits").current();
        let history = history().new_tree(&mut runner).expect("a history").current();
        run(&limits, &history).expect("a history that keeps the rules");
    }
    let taken = super::coverage::taken();
    let missed: Vec<_> =
        (0..).zip(life::TABLE).filter(|(index, _)| !taken.contains(index)).map(|(_, row)| row).collect();
    assert!(missed.is_empty(), "rows never taken: {missed:#?}");
}
