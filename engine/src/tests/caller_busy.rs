//! A caller whose phone says busy at the recall: the order waits for it, whether the switch's answer or the report of
//! the line comes first.

use super::world::{World, number};
use crate::*;

const NOTHING: [&str; 0] = [];

/// What is known of the callee's line, and how that is told.
type Seen = fn(&mut World);
const SEEN: [Seen; 2] =
    [|world| drop(world.free("1")), |world| drop(world.send(Event::LineUnknown { line: number("1") }))];

/// 2 ordered 1 and is rung; the time is when.
fn ringing(profile: &Profile, callee: Seen) -> World {
    let mut world = World::with(profile, Limits::default());
    callee(&mut world);
    world.ordered("2", "1");
    while world.state("2", "1") != "ringing" {
        world.wait(1_000);
    }
    world
}

/// Everything that is told in ten minutes in which 2 becomes free after five seconds.
fn goes_on(world: &mut World) -> Vec<String> {
    let mut told = world.wait(5_000);
    told.push(world.state("2", "1").to_owned());
    told.extend(world.free("2"));
    told.extend(world.wait(600_000));
    told
}

#[test]
fn whether_the_answer_or_the_report_comes_first_the_order_waits_for_its_caller() {
    for callee in SEEN {
        let mut answer_first = ringing(&Profile::ccbs(), callee);
        let mut report_first = ringing(&Profile::ccbs(), callee);
        let attempt = answer_first.ring_is(RingOutcome::Busy);
        assert!(attempt.len() == 1 && attempt[0].starts_with("1 failed 1 CallerBusy due "), "{attempt:?}");
        assert_eq!(answer_first.busy("2"), ["1 Suspended"]);
        assert_eq!(report_first.busy("2"), NOTHING);
        assert_eq!(report_first.ring_is(RingOutcome::Busy), ["1 failed 1 CallerBusy", "1 Suspended"]);
        for mut world in [answer_first, report_first] {
            assert_eq!(world.wait(5_000), NOTHING);
            assert_eq!(world.state("2", "1"), "suspended");
            assert_eq!(world.free("2"), NOTHING);
            assert_eq!(world.wait(1_999), NOTHING);
            assert_eq!(world.wait(1), ["1 Resumed", "ring 2 shows 1 20000", "1 began 2"]);
        }
    }
    for callee in SEEN {
        let mut answer_first = ringing(&Profile::autodial(), callee);
        let mut report_first = ringing(&Profile::autodial(), callee);
        answer_first.ring_is(RingOutcome::Busy);
        answer_first.busy("2");
        report_first.busy("2");
        report_first.ring_is(RingOutcome::Busy);
        for world in [&mut answer_first, &mut report_first] {
            assert_eq!(world.wait(5_000), NOTHING);
            assert_eq!(world.wait(5_000), ["1 Suspended"]);
        }
        let (one, other) = (goes_on(&mut answer_first), goes_on(&mut report_first));
        assert_eq!(one[..4], ["suspended", "1 Resumed", "ring 2 shows 1 20000", "1 began 2/3"]);
        assert_eq!(one, other);
    }
}

#[test]
fn a_phone_that_says_busy_on_an_idle_line_is_rung_after_growing_waits_whatever_the_callee_does() {
    let mut world = ringing(&Profile::ccbs(), SEEN[0]);
    for wait in [60_000, 120_000, 240_000] {
        world.ring_is(RingOutcome::Busy);
        assert_eq!(world.state("2", "1"), "retrying-caller");
        world.free("2");
        world.free("1");
        assert_eq!(world.wait(wait - 1), NOTHING);
        assert_eq!(world.wait(1)[0], "ring 2 shows 1 20000");
    }
}

#[test]
fn a_busy_caller_does_not_shorten_the_waits_after_failures_that_are_not_its_phones() {
    let fails: [Seen; 3] = [
        |world| {
            world.answer_and_hear();
            world.connect_is(ConnectOutcome::Busy);
            world.play_is(PlayOutcome::Played);
            world.released();
        },
        |world| drop(world.ring_is(RingOutcome::Failed)),
        |world| drop(world.ring_is(RingOutcome::NotTried)),
    ];
    for fails in fails {
        let mut world = ringing(&Profile::ccbs(), SEEN[0]);
        fails(&mut world);
        assert_eq!(world.state("2", "1"), "retrying");
        world.wait(1_000);
        assert_eq!(world.busy("2"), NOTHING);
        world.wait(1_000);
        assert_eq!(world.free("2"), NOTHING);
        assert_eq!(world.wait(57_999), NOTHING);
        assert_eq!(world.wait(1)[0], "ring 2 shows 1 20000");
    }
}

#[test]
fn a_callee_that_had_a_call_while_its_busy_caller_was_rung_has_its_guard_first() {
    for caller in [SEEN[0], |world: &mut World| drop(world.busy("2"))] {
        let mut world = ringing(&Profile::ccbs(), SEEN[0]);
        caller(&mut world);
        world.busy("1");
        world.free("1");
        let told = world.ring_is(RingOutcome::Busy);
        assert_eq!(told, ["1 failed 1 CallerBusy", "1 CalleeFree due 10000"]);
    }
}

#[test]
fn a_caller_in_the_recall_of_another_order_is_waited_for_where_it_is_busy_afterwards() {
    let mut world = ringing(&Profile::ccbs(), SEEN[0]);
    world.ring_is(RingOutcome::Busy);
    world.free("4");
    world.ordered("4", "2");
    world.free("2");
    world.wait(5_000);
    assert_eq!(world.state("4", "2"), "ringing");
    // A leg of the recall is no news.
    assert_eq!(world.busy("2"), NOTHING);
    assert_eq!(world.state("2", "1"), "retrying-caller");
    let told = world.ring_is(RingOutcome::Declined);
    assert_eq!(told, ["2 failed 1 CallerDeclined", "2 ended caller-no-answer", "1 Suspended"]);
}
