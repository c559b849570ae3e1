//! Profile `ccbs`: the rules of standards.md, one test a rule.

use super::world::{World, number};
use crate::*;

const NOTHING: [&str; 0] = [];

fn world() -> World {
    World::with(&Profile::ccbs(), Limits::default())
}

/// Profile `ccbs` with some of its own settings changed.
fn ccbs(change: impl Fn(&mut Drive)) -> Profile {
    let mut profile = Profile::ccbs();
    change(&mut profile.drive);
    profile
}

fn rings(told: &[String]) -> Vec<&str> {
    told.iter().filter(|told| told.starts_with("ring")).map(|told| &told[..told.len() - 6]).collect()
}

fn to_the_next_ring(world: &mut World) {
    let rings = (0..4_000).find(|_| !rings(&world.wait(1_000)).is_empty());
    rings.expect("a ring within the hour");
}

fn fails(world: &mut World, caller: &str, callee: &str, cause: FailCause) -> Vec<String> {
    world.send(Event::CallFailed { caller: number(caller), callee: number(callee), cause });
    world.order(caller, Some(callee))
}

fn registered(world: &mut World, line: &str) -> Vec<String> {
    world.send(Event::LineRegistered { line: number(line) })
}

fn unregistered(world: &mut World, line: &str) -> Vec<String> {
    world.send(Event::LineUnregistered { line: number(line) })
}

/// From ringing to a failed call to the callee, and its end.
fn callee_fails(world: &mut World, outcome: ConnectOutcome) -> Vec<String> {
    world.answer_and_hear();
    world.connect_is(outcome);
    world.play_is(PlayOutcome::Played);
    world.released()
}

#[test]
fn the_release_of_the_callee_and_its_guard_drive_the_recall() {
    let mut world = world();
    world.busy("1");
    world.call_fails("2", "1");
    assert_eq!(world.order("2", None), ["reply accepted 1 1 at 1", "1 accepted at 1 expires 2700000"]);
    assert_eq!(world.wait(600_000), NOTHING);
    assert_eq!(world.free("1"), ["1 CalleeFree due 605000"]);
    assert_eq!(world.wait(4_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 2 shows 1 20000", "1 began 1"]);
    assert_eq!(world.ring_is(RingOutcome::Answered), ["play [Activated]", "1 CallerAnswered"]);
    assert_eq!(world.play_is(PlayOutcome::Played), ["connect 1 shows 2 30000", "1 CalleeCalled"]);
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed"]);
    assert_eq!(world.wait(86_400_000), NOTHING);
}

#[test]
fn a_callee_already_free_starts_the_guard_at_once_and_a_flap_starts_it_anew() {
    let mut world = world();
    world.free("1");
    world.call_fails("2", "1");
    let told = world.order("2", None);
    assert_eq!(told[1..], ["1 accepted at 1 expires 2700000", "1 CalleeFree due 5000"]);
    world.wait(4_000);
    // Within one tick.
    assert_eq!(world.busy("1"), ["1 CalleeBusy"]);
    assert_eq!(world.free("1"), ["1 CalleeFree due 9000"]);
    assert_eq!(world.wait(4_999), NOTHING);
    assert_eq!(rings(&world.wait(1)), ["ring 2 shows 1"]);
}

#[test]
fn without_a_guard_the_release_rings_in_the_same_call() {
    let profile = ccbs(|drive| {
        if let Drive::Release { callee_idle_guard_s, .. } = drive {
            *callee_idle_guard_s = 0;
        }
    });
    let mut world = World::with(&profile, Limits::default());
    world.busy("1");
    world.ordered("2", "1");
    assert_eq!(world.free("1"), ["1 CalleeFree due 0", "ring 2 shows 1 20000", "1 began 1"]);
}

#[test]
fn only_the_first_eligible_is_recalled_and_the_next_when_that_has_ended() {
    let mut world = world();
    world.busy("1");
    for caller in ["2", "3", "4"] {
        world.ordered(caller, "1");
    }
    world.busy("2");
    world.free("1");
    // 2 is suspended and keeps its place; 3 goes at once.
    assert_eq!(world.wait(5_000), ["1 Suspended", "ring 3 shows 1 20000", "2 began 1"]);
    world.free("2");
    assert_eq!(world.wait(2_000), ["1 Resumed"]);
    assert_eq!(world.engine.orders().map(|order| order.place).collect::<Vec<_>>(), [1, 2, 3]);
    // 3 does not answer: it ends, and the oldest is next at once, for 1 was not called.
    let told = world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(told, ["2 failed 1 CallerNoAnswer", "2 ended caller-no-answer", "ring 2 shows 1 20000", "1 began 1"]);
    // 1's phone rings and nobody answers: who is next waits for the guard.
    let told = callee_fails(&mut world, ConnectOutcome::NoAnswer);
    assert_eq!(told, ["1 failed 1 CalleeNoAnswer", "1 ended callee-no-answer", "3 CalleeFree due 12000"]);
    assert_eq!(rings(&world.wait(5_000)), ["ring 4 shows 1"]);
}

#[test]
fn a_callee_that_talks_after_a_recall_is_waited_for() {
    let mut world = world();
    world.free("1");
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.wait(5_000);
    world.answer_and_hear();
    world.busy("1");
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed"]);
    assert_eq!(world.state("3", "1"), "watching");
    world.wait(60_000);
    assert_eq!(world.free("1"), ["2 CalleeFree due 70000"]);
}

#[test]
fn a_callee_that_had_a_call_while_the_caller_was_rung_has_its_guard_before_the_next() {
    for (reports, next) in [(&["busy", "free"][..], "2 CalleeFree due 10000"), (&["free"], "ring 3 shows 1 20000")] {
        let mut world = world();
        world.free("1");
        world.ordered("2", "1");
        world.ordered("3", "1");
        assert_eq!(rings(&world.wait(5_000)), ["ring 2 shows 1"]);
        for &report in reports {
            let told = if report == "busy" { world.busy("1") } else { world.free("1") };
            assert_eq!(told, NOTHING, "a line in a recall is looked at when that is over");
        }
        assert_eq!(world.ring_is(RingOutcome::NoAnswer)[2], next, "after {reports:?}");
    }
}

#[test]
fn a_caller_never_gets_a_second_call_on_top() {
    let mut world = world();
    for line in ["1", "4", "2"] {
        world.free(line);
    }
    world.ordered("2", "1");
    world.ordered("2", "4");
    assert_eq!(rings(&world.wait(5_000)), ["ring 2 shows 1"]);
    world.busy("2");
    world.answer_and_hear();
    world.busy("1");
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed", "2 Suspended"]);
    world.wait(100_000);
    world.free("2");
    assert_eq!(world.wait(2_000), ["2 Resumed", "ring 2 shows 4 20000", "2 began 1"]);
}

#[test]
fn a_callee_that_cannot_be_seen_is_polled_less_and_less_often() {
    let mut world = World::with(&Profile { service_duration_s: 86_400, ..Profile::ccbs() }, Limits::default());
    world.call_fails("2", "7");
    let told = world.order("2", None);
    assert_eq!(told[2], "1 Polling due 60000");
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = world.now;
        to_the_next_ring(&mut world);
        waits.push((world.now - before) / 1_000);
        let told = callee_fails(&mut world, ConnectOutcome::Busy);
        assert!(told[0].ends_with("CalleeBusy") && told[1].starts_with("1 Polling due"), "{told:?}");
    }
    assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
    // Seen again, it is waited for as any other, and what comes after begins at the first wait.
    assert!(world.free("7")[0].starts_with("1 CalleeFree"));
    let told = world.send(Event::LineUnknown { line: number("7") });
    let due: Millis = told[0].rsplit(' ').next().and_then(|due| due.parse().ok()).expect("a time");
    assert_eq!(due, world.now - super::world::START + 60_000);
}

#[test]
fn a_phone_that_says_busy_on_an_idle_line_is_tried_less_and_less_often() {
    let mut world = world();
    world.free("1");
    world.ordered("2", "1");
    for (attempt, wait) in [(1, 60_000), (2, 120_000), (3, 240_000)] {
        to_the_next_ring(&mut world);
        // The recall's own leg on the callee's line is no release.
        world.answer_and_hear();
        world.busy("1");
        world.free("1");
        world.connect_is(ConnectOutcome::Busy);
        world.play_is(PlayOutcome::Played);
        let due = world.now - super::world::START + wait;
        assert_eq!(world.released(), [format!("1 failed {attempt} CalleeBusy due {due}")]);
        assert_eq!(world.free("1"), NOTHING);
    }
    // A call of its own is news.
    assert_eq!(world.busy("1"), ["1 CalleeBusy"]);
    assert!(world.free("1")[0].starts_with("1 CalleeFree"));
}

#[test]
fn no_reply_waits_for_a_new_call_of_the_callees_and_its_end() {
    for (caller, callee) in [("4", "1"), ("1", "4")] {
        let mut world = world();
        world.free("1");
        let told = fails(&mut world, "2", "1", FailCause::NoReply);
        assert_eq!(told[1], "1 accepted at 1 expires 10800000");
        assert_eq!(world.engine.orders().next().map(|order| order.kind), Some(OrderKind::NoReply));
        // Calls that nobody answered prove nothing.
        world.busy("1");
        assert_eq!(world.free("1"), NOTHING);
        world.busy("1");
        assert_eq!(world.call_answered(caller, callee), NOTHING);
        assert_eq!(world.free("1"), ["1 CalleeFree due 5000"]);
        assert_eq!(rings(&world.wait(5_000)), ["ring 2 shows 1"]);
    }
}

#[test]
fn not_logged_in_waits_for_a_registered_phone() {
    let mut world = world();
    unregistered(&mut world, "1");
    let told = fails(&mut world, "2", "1", FailCause::NotLoggedIn);
    assert_eq!(told[1..], ["1 accepted at 1 expires 10800000"]);
    assert_eq!(world.free("1"), NOTHING);
    assert_eq!(registered(&mut world, "1"), ["1 CalleeFree due 5000"]);
    assert_eq!(unregistered(&mut world, "1"), ["1 CalleeBusy"]);
    assert_eq!(world.engine.lines().next().and_then(|line| line.registered), Some(false));
    // Its state may be unknown; a busy one is waited for.
    world.send(Event::LineUnknown { line: number("1") });
    assert_eq!(registered(&mut world, "1"), ["1 CalleeFree due 5000"]);
    assert_eq!(world.busy("1"), ["1 CalleeBusy"]);
    assert_eq!(world.free("1"), ["1 CalleeFree due 5000"]);
    // Where nobody tells who is registered, it is tried.
    let told = fails(&mut world, "3", "4", FailCause::NotLoggedIn);
    assert_eq!(told[2], "2 Polling due 60000");
    registered(&mut world, "nobody");
    assert_eq!(world.counted("registrations_not_kept"), 1);
}

#[test]
fn an_order_of_any_kind_waits_while_its_callee_has_no_phone() {
    let mut world = world();
    world.free("1");
    world.ordered("2", "1");
    assert_eq!(unregistered(&mut world, "1"), ["1 CalleeBusy"]);
    assert_eq!(world.wait(600_000), NOTHING);
    assert_eq!(registered(&mut world, "1"), ["1 CalleeFree due 605000"]);
}

#[test]
fn kinds_may_be_switched_off_and_the_last_failed_call_says_which() {
    let off = ccbs(|drive| {
        if let Drive::Release { offer_nr, offer_nl, .. } = drive {
            (*offer_nr, *offer_nl) = (false, false);
        }
    });
    let mut world = World::with(&off, Limits::default());
    assert_eq!(fails(&mut world, "2", "1", FailCause::NoReply), ["reply no-offer"]);
    assert_eq!(fails(&mut world, "2", "1", FailCause::NotLoggedIn), ["reply no-offer"]);
    assert_eq!(world.counted("calls_without_offer"), 2);
    world.service("2", Some(Profile::ccbs()));
    world.call_fails("2", "1");
    fails(&mut world, "2", "1", FailCause::NoReply);
    assert_eq!(world.engine.orders().next().map(|order| order.kind.as_str()), Some("NR"));
    // A repeat confirms, whatever the call failed of.
    assert_eq!(fails(&mut world, "2", "1", FailCause::NotLoggedIn), ["reply confirmed 1 1 at 1"]);
    assert_eq!(world.engine.orders().next().map(|order| order.kind.as_str()), Some("NR"));
    // An offer of a kind that the profile has no more is none.
    world.send(Event::CallFailed { caller: number("2"), callee: number("4"), cause: FailCause::NotLoggedIn });
    world.service("2", Some(Profile::autodial()));
    assert_eq!(world.order("2", Some("4")), ["reply no-offer"]);
}

#[test]
fn a_callee_that_did_not_answer_turns_the_order_into_no_reply_if_so_set() {
    let profile = ccbs(|drive| {
        if let Drive::Release { callee_no_answer_to_nr, .. } = drive {
            *callee_no_answer_to_nr = true;
        }
    });
    let mut world = World::with(&profile, Limits::default());
    world.free("1");
    world.ordered("2", "1");
    world.wait(5_000);
    let told = callee_fails(&mut world, ConnectOutcome::NoAnswer);
    assert_eq!(told, ["1 failed 1 CalleeNoAnswer", "1 TurnedNoReply expires 10800000"]);
    world.busy("1");
    assert_eq!(world.free("1"), NOTHING);
    world.busy("1");
    world.call_answered("1", "7");
    assert_eq!(world.free("1"), ["1 CalleeFree due 10000"]);
    // Again unanswered: another new call is needed, and the life is not renewed.
    world.wait(5_000);
    let told = callee_fails(&mut world, ConnectOutcome::NoAnswer);
    assert_eq!(told, ["1 failed 2 CalleeNoAnswer", "1 TurnedNoReply expires 10800000"]);
    assert_eq!(world.state("2", "1"), "watching");
    assert_eq!(world.wait(86_400_000), ["1 ended expired"]);
}

#[test]
fn turning_into_no_reply_outlives_the_life_that_was() {
    let profile = ccbs(|drive| {
        if let Drive::Release { callee_no_answer_to_nr, callee_idle_guard_s, .. } = drive {
            (*callee_no_answer_to_nr, *callee_idle_guard_s) = (true, 55);
        }
    });
    let mut world = World::with(&Profile { service_duration_s: 60, ..profile }, Limits::default());
    world.free("1");
    world.ordered("2", "1");
    world.wait(55_000);
    world.answer_and_hear();
    world.connect_is(ConnectOutcome::NoAnswer);
    world.play_is(PlayOutcome::Played);
    // The life is over and the legs are not gone in time, found in one late call.
    let told = world.jump(20_000);
    assert_eq!(told, ["1 failed 1 CalleeNoAnswer", "1 TurnedNoReply expires 10800000"]);
    assert_eq!(world.state("2", "1"), "watching");
}

#[test]
fn two_profiles_in_one_queue_follow_each_its_own() {
    let mut world = world();
    world.service("2", Some(Profile::autodial()));
    world.busy("1");
    world.ordered("3", "1");
    world.ordered("2", "1");
    // The timer rings 2 whether or not 1 is free; the older order of 3 is not eligible and blocks nobody.
    assert_eq!(rings(&world.wait(10_000)), ["ring 2 shows 1"]);
    let told = callee_fails(&mut world, ConnectOutcome::Busy);
    assert_eq!(told, ["2 failed 1/3 CalleeBusy due 20000"]);
    world.free("1");
    world.wait(4_999);
    // Both eligible: the older goes first.
    world.wait(1);
    assert_eq!((world.state("3", "1"), world.state("2", "1")), ("ringing", "waiting"));
    world.wait(5_000);
    assert_eq!(world.state("2", "1"), "queued");
    let told = world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(rings(&told), ["ring 2 shows 1"]);
}

#[test]
fn after_a_restart_the_callees_state_is_waited_for_but_not_for_ever() {
    let mut world = world();
    world.busy("1");
    world.busy("4");
    world.ordered("2", "1");
    world.ordered("3", "4");
    assert_eq!(world.send(Event::Restarted), ["1 Polling due 10000", "2 Polling due 10000"]);
    assert_eq!(world.busy("1"), ["1 CalleeBusy"]);
    assert_eq!(rings(&world.wait(10_000)), ["ring 3 shows 4"]);
    assert_eq!(world.state("2", "1"), "watching");
}
