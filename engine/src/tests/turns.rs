//! Whose turn it is: order among the eligible, lines in a recall, limits on recalls.

use super::world::World;
use crate::*;

const NOTHING: [&str; 0] = [];

#[test]
fn the_oldest_eligible_goes_first_and_one_that_is_not_blocks_nobody() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(1);
    world.ordered("3", "1");
    world.wait(1);
    world.ordered("4", "1");
    world.busy("2");
    world.wait(10_000);
    // 2 is suspended, so 3 is being rung, and 4 waits; then 2 is free and older than 4.
    assert_eq!(
        (world.state("2", "1"), world.state("3", "1"), world.state("4", "1")),
        ("suspended", "ringing", "queued")
    );
    world.free("2");
    world.wait(2_000);
    assert_eq!(world.ring_is(RingOutcome::NoAnswer)[1], "ring 2 shows 1 20000");
    assert_eq!(world.ring_is(RingOutcome::NoAnswer)[1], "ring 4 shows 1 20000");
    assert_eq!(world.engine.orders().map(|order| order.attempt).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_caller_who_just_hung_up_another_recall_is_not_rung_in_the_same_instant() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("2", "4");
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
    world.busy("2");
    world.ring_is(RingOutcome::Answered);
    world.play_is(PlayOutcome::CallerGone);
    world.free("2");
    assert_eq!(world.released(), ["1 failed 1/3 CallerGone due 20000"]);
    assert_eq!(world.state("2", "4"), "pausing");
    assert_eq!(world.wait(2_000), ["ring 2 shows 4 20000", "2 began 1/3"]);
}

#[test]
fn a_caller_still_busy_when_its_recall_is_over_suspends_its_other_order() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("2", "4");
    world.wait(10_000);
    world.busy("2");
    world.busy("1");
    world.answer_and_hear();
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed", "2 Suspended"]);
    assert_eq!(world.wait(60_000), NOTHING);
    world.free("2");
    assert_eq!(world.wait(2_000), ["2 Resumed", "ring 2 shows 4 20000", "2 began 1/3"]);
}

#[test]
fn recalls_at_once_are_limited_and_the_rest_wait_in_order() {
    let mut world = World::with(&Profile::autodial(), Limits { recalls_at_once: 1, ..Limits::default() });
    world.ordered("3", "7");
    world.ordered("2", "1");
    world.wait(1);
    world.ordered("4", "8");
    assert_eq!(world.wait(9_999), ["ring 2 shows 1 20000", "2 began 1/3"]);
    assert_eq!(world.wait(10_500), NOTHING);
    assert_eq!(world.ring_is(RingOutcome::NoAnswer)[1], "ring 3 shows 7 20000");
    world.wait(1);
    // 4's became eligible before 2's came round again.
    assert_eq!(world.ring_is(RingOutcome::NoAnswer)[1], "ring 4 shows 8 20000");
    assert_eq!(world.counted("turns_delayed_by_limit"), 2);
}

#[test]
fn the_older_of_two_that_waited_for_a_limit_goes_first_in_either_direction() {
    let slow = Profile {
        drive: Drive::Timer { cb_timer_internal_s: 12, cb_timer_external_s: 20, attempts: 3 },
        ..Profile::autodial()
    };
    let mut world = World::with(&Profile::autodial(), Limits { recalls_at_once: 1, ..Limits::default() });
    world.service("2", Some(slow));
    world.ordered("3", "4");
    world.ordered("2", "1");
    world.ordered("1", "2");
    assert_eq!(world.wait(12_000), ["ring 3 shows 4 20000", "1 began 1/3"]);
    // 1→2 was eligible first, but 2→1 is older and the two exclude each other.
    assert_eq!(world.ring_is(RingOutcome::NoAnswer)[1], "ring 2 shows 1 20000");
}

#[test]
fn recalls_per_second_are_limited_in_every_second() {
    let mut world = World::with(&Profile::autodial(), Limits { recalls_per_second: 2, ..Limits::default() });
    for (caller, callee) in [("1", "7"), ("2", "8"), ("3", "9"), ("4", "10")] {
        world.ordered(caller, callee);
    }
    let rings = |told: Vec<String>| told.iter().filter(|told| told.starts_with("ring")).cloned().collect::<Vec<_>>();
    assert_eq!(rings(world.wait(20_000)), ["ring 1 shows 7 20000", "ring 2 shows 8 20000"]);
    assert_eq!(rings(world.wait(999)), NOTHING);
    assert_eq!(rings(world.wait(1)), ["ring 3 shows 9 20000", "ring 4 shows 10 20000"]);
}
