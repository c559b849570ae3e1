//! Snapshots, damaged: refused, or restored to an engine that keeps its rules.

use ccbs_engine::{Engine, SnapshotError};

use super::random::Random;
use super::world::{World, events};
use super::{Counts, longest_allocation, mutate};

/// Snapshots in one run.
pub(crate) const INPUTS: u64 = 250;

/// A piece of memory may be so much longer than the snapshot, which leaves room for the engine's own beginnings.
const ROOM: usize = 1 << 20;
const TIMES: usize = 64;

/// The engine counts no time beyond it, so what is due later never comes (docs/engine.md).
const END_OF_TIME: u64 = 1 << 62;

/// Damages the snapshots of one office again and again.
pub(crate) fn run(random: &mut Random, counts: &mut Counts, tried: &mut Vec<u8>) {
    let mut world = World::new(random);
    let mut snapshot = Vec::new();
    for input in 0..INPUTS {
        if input % 50 == 0 {
            world.live(random, 30);
            snapshot = world.engine.snapshot();
        }
        tried.clone_from(&snapshot);
        for _ in 0..*random.pick(&[1, 1, 1, 2, 4]) {
            if random.once_in(4) {
                mutate::bytes(random, tried);
            } else {
                mutate::value(random, tried);
            }
        }
        counts.add("inputs");
        try_one(random, tried, counts);
    }
}

/// Restores bytes that may be anything, and goes on with what came of them.
pub(crate) fn try_one(random: &mut Random, bytes: &[u8], counts: &mut Counts) {
    longest_allocation();
    let restored = Engine::restore(bytes);
    let longest = longest_allocation();
    assert!(longest <= ROOM + TIMES * bytes.len(), "{longest} bytes in one piece for a snapshot of {}", bytes.len());
    match restored {
        Ok(engine) => {
            counts.add("taken");
            go_on(random, engine);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            counts.add(match error {
                SnapshotError::Malformed(_) => "refused as malformed",
                SnapshotError::Version { .. } => "refused for the version",
                SnapshotError::Inconsistent(_) => "refused for a contradiction",
            });
        }
    }
}

/// An engine that was restored keeps its rules whatever happens next, and can be laid down again.
fn go_on(random: &mut Random, mut engine: Engine) {
    engine.check().expect("what was restored is consistent");
    let again = Engine::restore(&engine.snapshot()).expect("what was restored can be laid down");
    assert_eq!(again.snapshot(), engine.snapshot());
    let mut now = engine.now();
    let (mut open, mut out) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        now = now.saturating_add(random.next() % *random.pick(&[1, 1_000, 60_000, u64::MAX]));
        if random.once_in(4) {
            now = engine.next_deadline().unwrap_or(now);
        }
        for event in events(random, &mut open, now) {
            // A handle may have gone with the damage.
            let _ = engine.apply(now, &event, &mut out);
        }
        open.append(&mut out);
        open.truncate(20);
        if random.once_in(6) {
            engine.check().expect("an engine that goes on is consistent");
        }
    }
    let mut steps = 0;
    while let Some(next) = engine.next_deadline().filter(|&next| next <= END_OF_TIME) {
        engine.advance(next, &mut out);
        steps += 1;
        assert!(steps < 100_000, "the timers never end");
    }
    engine.check().expect("an engine that goes on is consistent");
    Engine::restore(&engine.snapshot()).expect("a good snapshot");
}
