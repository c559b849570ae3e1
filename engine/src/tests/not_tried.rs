//! A ringing of which nothing could be sent is no attempt.

use super::world::{World, number};
use crate::*;

/// Order 1, of 2 for 1, in profile `ccbs`, rings after the callee's guard of 5 s; its waits are 60 s, 120 s, 240 s, ….
fn ccbs_rings() -> World {
    let mut world = World::with(&Profile::ccbs(), Limits::default());
    world.free("1");
    world.ordered("2", "1");
    assert_eq!(world.wait(5_000), ["ring 2 shows 1 20000", "1 began 1"]);
    world
}

#[test]
fn it_uses_no_attempt_as_often_as_it_comes() {
    let mut world = World::new();
    world.ordered("2", "1");
    for round in 2..=21 {
        assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
        let due = 10_000 * round;
        assert_eq!(world.ring_is(RingOutcome::NotTried), [format!("1 failed 1/3 NotTried due {due}")]);
    }
    assert_eq!(world.engine.orders().map(|order| order.attempt).collect::<Vec<_>>(), [0]);
    assert_eq!((world.counted("attempts_begun"), world.counted("attempts_void")), (20, 20));
    // All three are left.
    for attempt in 1..=3 {
        assert_eq!(world.wait(10_000)[1], format!("1 began {attempt}/3"));
        world.ring_is(RingOutcome::NoAnswer);
    }
    assert_eq!(world.counted("orders_attempts_exhausted"), 1);
}

#[test]
fn an_order_that_is_never_tried_lives_as_long_as_any() {
    let mut world = World::new();
    world.ordered("2", "1");
    let mut told = Vec::new();
    for _ in 0..270 {
        told = world.wait(10_000);
        if told.first().is_some_and(|told| told.starts_with("ring")) {
            world.ring_is(RingOutcome::NotTried);
        }
    }
    assert_eq!(told, ["1 ended expired"]);
}

#[test]
fn the_next_in_the_queue_goes_on_and_the_place_is_kept() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
    let told = world.ring_is(RingOutcome::NotTried);
    assert_eq!(told, ["1 failed 1/3 NotTried due 20000", "ring 3 shows 1 20000", "2 began 1/3"]);
    world.ring_is(RingOutcome::NotTried);
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn in_profile_ccbs_it_is_not_counted_and_the_waits_double() {
    let mut world = ccbs_rings();
    assert_eq!(world.ring_is(RingOutcome::NotTried), ["1 failed 1 NotTried due 65000"]);
    assert_eq!(world.wait(60_000), ["ring 2 shows 1 20000", "1 began 1"]);
    assert_eq!(world.ring_is(RingOutcome::NotTried), ["1 failed 1 NotTried due 185000"]);
    assert_eq!((world.counted("attempts_begun"), world.counted("attempts_void")), (2, 2));
}

#[test]
fn in_profile_ccbs_a_line_that_is_seen_again_ends_the_wait() {
    let mut world = ccbs_rings();
    world.send(Event::LineUnknown { line: number("1") });
    assert_eq!(world.ring_is(RingOutcome::NotTried), ["1 failed 1 NotTried", "1 Polling due 65000"]);
    assert_eq!(world.free("1"), ["1 CalleeFree due 10000"]);
    assert_eq!(world.wait(5_000), ["ring 2 shows 1 20000", "1 began 1"]);
}

#[test]
fn one_that_comes_too_late_changes_nothing() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    assert_eq!(world.wait(30_000), ["release overdue"]);
    assert_eq!(world.ring_is(RingOutcome::NotTried), [""; 0]);
    assert_eq!(world.counted("outcomes_late"), 1);
    assert_eq!(world.released(), ["1 failed 1/3 SwitchFailed due 50000"]);
}
