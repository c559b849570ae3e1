//! service.md's rules over random histories, with an outside that misbehaves.
//!
//! A failing history is printed at its shortest, with its seed and the command that repeats it.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::history::{What, events, history, limits, profile};
use super::world::{START, number};
use crate::watch::{Breach, Watch};
use crate::*;

/// The inputs of a history: it is made up while it runs, because outcomes answer actions.
type Inputs = Vec<(Millis, Option<Event>)>;

fn setup() -> Vec<Event> {
    let mut events = Vec::new();
    for (line, kind) in [("1", 0), ("2", 4), ("3", 5), ("4", 2)] {
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
        let broken = |breach: Breach| TestCaseError::fail(format!("{}: {}", breach.rule.as_str(), breach.what));
        // Timers first, as the engine does, so that the watch hears of the fact at the right moment.
        if event != Some(Event::Restarted) {
            let before = engine.clone();
            engine.advance(now, &mut out);
            watch.see(now, &out, &before, engine).map_err(broken)?;
            all.append(&mut out);
        }
        if let Some(event) = &event {
            let before = engine.clone();
            watch.hear(now, event, engine);
            engine.apply(now, event, &mut out).expect("a good event");
            watch.see(now, &out, &before, engine).map_err(broken)?;
            all.append(&mut out);
        }
        let counted = |name| engine.counters().find(|counter| counter.0 == name).map_or(0, |counter| counter.1);
        let parts = ["outcomes_late", "outcomes_double", "outcomes_out_of_order", "outcomes_for_ended_order"];
        prop_assert_eq!(counted("outcomes_unexpected"), parts.into_iter().map(counted).sum::<u64>());
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
        let events = events(what, &watch);
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
    prop_assert!(watch.all_ended(), "an order that never ended");
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

/// One history: the rules hold, and it comes out the same again, also over a snapshot. How many inputs it had.
fn one(limits: Limits, history: &[(Millis, What)], cut: prop::sample::Index) -> Result<usize, TestCaseError> {
    let (inputs, actions, engine) = run(&limits, history)?;

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
    Ok(inputs.len())
}

#[test]
fn the_rules_hold_and_a_run_repeats_itself() {
    let chosen = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { 600 };
    let seed = match chosen.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        source_file: Some(file!()),
        test_name: Some(concat!(module_path!(), "::the_rules_hold_and_a_run_repeats_itself")),
        // A changed table fails by intent.
        failure_persistence: if super::table_mutants::is_changed() { None } else { chosen.failure_persistence.clone() },
        ..chosen
    };
    let inputs = Cell::new(0);
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(limits(), history(), any::<prop::sample::Index>()), |(limits, history, cut)| {
        inputs.set(inputs.get() + one(limits, &history, cut)?);
        Ok(())
    });
    if let Err(error) = result {
        panic!(
            "{error}\nseed {seed}; to repeat: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} \
             cargo test --release -p ccbs-engine properties"
        );
    }
    let figure = format!("\nfigure: invariants: {cases} histories of {} inputs, seed {seed}\n", inputs.get());
    std::io::stderr().write_all(figure.as_bytes()).expect("standard error can be written");
}

#[test]
fn random_histories_reach_every_row_of_the_table() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::Config;

    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    for _ in 0..3_000 {
        let limits = limits().new_tree(&mut runner).expect("limits").current();
        let history = history().new_tree(&mut runner).expect("a history").current();
        run(&limits, &history).expect("a history that keeps the rules");
    }
    let missed = super::coverage::missed();
    assert!(missed.is_empty(), "rows never taken: {missed:#?}");
    let missed = super::coverage::lines_missed();
    assert!(missed.is_empty(), "rows of a line never taken: {missed:#?}");
}
