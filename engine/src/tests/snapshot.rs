//! Snapshots: what they keep and what they refuse.

use super::world::World;
use crate::*;

fn rich_world() -> World {
    let mut world = World::with(&Profile::autodial(), Limits { recalls_per_second: 1, ..Limits::default() });
    world.engine.line("99").expect("a good number");
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.ordered("4", "7");
    world.ordered("1", "7");
    world.busy("4");
    world.wait(20_500);
    world.call_fails("3", "8");
    world.cancel("2", None);
    world
}

#[test]
fn a_restored_engine_is_the_same() {
    let world = rich_world();
    let snapshot = world.engine.snapshot();
    let restored = Engine::restore(&snapshot).expect("a good snapshot");
    assert_eq!(restored.snapshot(), snapshot);
    assert!(restored.orders().eq(world.engine.orders()));
    assert!(restored.lines().eq(world.engine.lines()));
    assert!(restored.counters().eq(world.engine.counters()));
    assert_eq!(restored.next_deadline(), world.engine.next_deadline());
    assert_eq!(restored.now(), world.engine.now());
}

#[test]
fn a_snapshot_of_another_format_or_kind_is_refused_by_name() {
    let mut snapshot = rich_world().engine.snapshot();
    // The header: an array of two, a string of eleven bytes, the version.
    assert_eq!((snapshot[0], snapshot[1], snapshot[13]), (0x92, 0xab, 4));
    snapshot[13] = 5;
    assert_eq!(Engine::restore(&snapshot).err(), Some(SnapshotError::Version { found: 5, oldest: 3, newest: 4 }));
    snapshot[2] = b'x';
    let error = Engine::restore(&snapshot).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("xcbs-engine"), "{error}");
}

#[test]
fn a_damaged_snapshot_is_refused_or_restored_but_never_panics() {
    let snapshot = rich_world().engine.snapshot();
    for length in 0..snapshot.len() {
        assert!(Engine::restore(&snapshot[..length]).is_err(), "cut at {length}");
    }
    let mut refused = 0;
    for index in 0..snapshot.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = snapshot.clone();
            damaged[index] ^= flip;
            match Engine::restore(&damaged) {
                Err(_) => refused += 1,
                // Some bytes are free, as a number's digits are; then the engine must run.
                Ok(mut engine) => {
                    engine.check().expect("a consistent engine");
                    let mut out = Vec::new();
                    engine.apply(engine.now(), &Event::Restarted, &mut out).expect("a good event");
                    for _ in 0..1_000 {
                        let Some(next) = engine.next_deadline() else { break };
                        engine.advance(next, &mut out);
                    }
                    engine.check().expect("a consistent engine");
                }
            }
        }
    }
    assert!(refused > snapshot.len(), "{refused} of {} refused", 3 * snapshot.len());
    let mut longer = snapshot;
    longer.push(0);
    assert!(Engine::restore(&longer).is_err());
}

#[test]
fn an_order_before_an_attempt_that_it_has_not_is_refused() {
    let mut world = rich_world();
    let attempts = Profile::autodial().attempts().expect("autodial counts its attempts");
    let slot = world.engine.orders.iter().find(|(_, order)| !order.state.in_recall()).expect("an order that waits").0;
    world.engine.orders[slot].attempt = attempts;
    let error = Engine::restore(&world.engine.snapshot()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("its attempts are used up"), "{error}");
}

/// One world of both profiles, in many states.
fn golden_world() -> World {
    let mut world = rich_world();
    world.service("2", Some(Profile::ccbs()));
    world.free("3");
    for callee in ["3", "7", "9"] {
        world.ordered("2", callee);
    }
    world.busy("9");
    world.send(Event::LineRegistered { line: super::world::number("4") });
    world.service("5", Some(Profile::ccbs()));
    world.send(Event::Line { line: super::world::number("6"), kind: LineKind::Internal });
    world.free("6");
    world.ordered("5", "6");
    world.wait(6_000);
    world.ring_is(RingOutcome::Busy);
    world
}

/// A snapshot as it was written by the version that had its format; kept for ever.
fn golden(format: u32) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}.snapshot"))
}

#[test]
fn a_snapshot_of_an_older_format_is_refused_and_told_what_to_do() {
    for format in [1, 2] {
        let old = std::fs::read(golden(format)).expect("the golden snapshot of an older format");
        let error = Engine::restore(&old).err().map(|error| error.to_string());
        let expected =
            format!("snapshot of format {format}, expected 3 to 4: restore it with the version that wrote it");
        assert_eq!(error, Some(expected));
    }
}

/// Fails when what is written changes and the format's number does not: raise `VERSION`, and write the golden
/// snapshot of the new one by `CCBS_GOLDEN=write cargo test -p ccbs-engine golden`.
#[test]
fn the_golden_snapshot_of_this_format_is_written_and_restored_as_ever() {
    let snapshot = golden_world().engine.snapshot();
    let file = golden(u32::from(snapshot[13]));
    if std::env::var_os("CCBS_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(&file, &snapshot).expect("a golden snapshot can be written");
    }
    let kept = std::fs::read(&file).expect("a golden snapshot of this format");
    assert!(kept == snapshot, "a snapshot is written otherwise than {}", file.display());
    let restored = Engine::restore(&kept).expect("a good snapshot");
    let states: Vec<_> = restored.orders().map(|order| (order.order.0, order.kind.as_str(), order.state)).collect();
    let expected = [
        (2, "BS", "queued"),
        (3, "BS", "suspended"),
        (4, "BS", "queued"),
        (5, "BS", "queued"),
        (6, "BS", "polling"),
        (7, "BS", "watching"),
        (8, "BS", "retrying-caller"),
    ];
    assert_eq!(states, expected);
    comes_to_its_end(restored);
}

#[test]
fn a_snapshot_of_format_3_is_restored_as_it_was_and_written_anew() {
    let kept = std::fs::read(golden(3)).expect("the golden snapshot of format 3");
    let restored = Engine::restore(&kept).expect("a snapshot of a format that is read");
    let written = restored.snapshot();
    assert_eq!((kept[13], written[13]), (3, 4));
    assert!(kept[..13] == written[..13] && kept[14..] == written[14..], "nothing but the number is another");
    comes_to_its_end(restored);
}

fn comes_to_its_end(mut engine: Engine) {
    let mut out = Vec::new();
    while let Some(next) = engine.next_deadline() {
        engine.advance(next, &mut out);
    }
    assert_eq!(engine.orders().count(), 0);
}
