//! The rules of service.md about recalls, one test a row.

use super::world::{World, number};
use crate::*;

const NOTHING: [&str; 0] = [];

fn profile(cb_timer_s: u32) -> Profile {
    let drive = Drive::Timer { cb_timer_internal_s: cb_timer_s, cb_timer_external_s: 20, attempts: 3 };
    Profile { drive, ..Profile::autodial() }
}

#[test]
fn procedure_1_internal_callee_answers() {
    let mut world = World::new();
    world.busy("1");
    world.busy("4");
    world.busy("2");
    world.call_fails("2", "1");
    world.free("2");
    assert_eq!(world.order("2", None), ["reply accepted 1 1 at 1", "1 accepted at 1 due 10000 expires 2700000"]);
    world.free("1");
    assert_eq!(world.wait(9_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 2 shows 1 20000", "1 began 1/3"]);
    assert_eq!(world.ring_is(RingOutcome::Answered), ["play [Activated]", "1 CallerAnswered"]);
    assert_eq!(world.play_is(PlayOutcome::Played), ["connect 1 shows 2 30000", "1 CalleeCalled"]);
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed"]);
    assert_eq!(world.wait(86_400_000), NOTHING);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn procedure_2_external_callee_has_the_external_timer() {
    let mut world = World::new();
    world.ordered("2", "7");
    assert_eq!(world.wait(19_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 2 shows 7 20000", "1 began 1/3"]);
}

#[test]
fn procedure_3_callee_stays_busy_and_attempts_are_used_up() {
    let mut world = World::new();
    world.busy("1");
    world.ordered("2", "1");
    for attempt in 1..=3 {
        assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000".into(), format!("1 began {attempt}/3")]);
        world.answer_and_hear();
        let prompts = if attempt < 3 { "play [BusyAgain]" } else { "play [BusyAgain, AttemptsUsedUp]" };
        assert_eq!(world.connect_is(ConnectOutcome::Busy), [prompts]);
        assert_eq!(world.play_is(PlayOutcome::Played), ["release attempt-failed"]);
        let told = world.released();
        if attempt < 3 {
            assert_eq!(told, [format!("1 failed {attempt}/3 CalleeBusy due {}", attempt * 10_000 + 10_000)]);
        } else {
            assert_eq!(told, ["1 failed 3/3 CalleeBusy", "1 ended attempts-exhausted"]);
        }
    }
    assert_eq!(world.wait(86_400_000), NOTHING);
}

#[test]
fn procedure_4_callee_does_not_answer() {
    let mut world = World::new();
    world.ordered("2", "1");
    for attempt in 1..=3 {
        // The CB timer runs again from the end of the attempt, whatever the callee's line does meanwhile.
        world.busy("1");
        world.free("1");
        assert_eq!(world.wait(10_000)[0], "ring 2 shows 1 20000");
        world.answer_and_hear();
        world.wait(30_000);
        let used_up = if attempt == 3 { ", AttemptsUsedUp" } else { "" };
        assert_eq!(world.connect_is(ConnectOutcome::NoAnswer), [format!("play [NoAnswer{used_up}]")]);
        world.play_is(PlayOutcome::Played);
        world.wait(500);
        world.released();
    }
    assert_eq!(world.counted("orders_attempts_exhausted"), 1);
}

#[test]
fn every_failure_of_the_callers_phone_uses_the_attempt_and_leaves_no_leg() {
    for (outcome, failure) in [
        (RingOutcome::Busy, "CallerBusy"),
        (RingOutcome::NoAnswer, "CallerNoAnswer"),
        (RingOutcome::Declined, "CallerDeclined"),
        (RingOutcome::Unreachable, "CallerUnreachable"),
        (RingOutcome::Failed, "SwitchFailed"),
    ] {
        let mut world = World::new();
        world.ordered("2", "1");
        world.wait(10_000);
        assert_eq!(world.ring_is(outcome), [format!("1 failed 1/3 {failure} due 20000")]);
    }
}

#[test]
fn every_failure_of_the_callee_is_told_to_the_caller() {
    for (outcome, prompt, failure) in [
        (ConnectOutcome::Busy, "BusyAgain", "CalleeBusy"),
        (ConnectOutcome::NoAnswer, "NoAnswer", "CalleeNoAnswer"),
        (ConnectOutcome::Declined, "NoAnswer", "CalleeDeclined"),
        (ConnectOutcome::Unreachable, "NoAnswer", "CalleeUnreachable"),
        (ConnectOutcome::Failed, "NoAnswer", "SwitchFailed"),
    ] {
        let mut world = World::new();
        world.ordered("2", "1");
        world.wait(10_000);
        world.answer_and_hear();
        assert_eq!(world.connect_is(outcome), [format!("play [{prompt}]")]);
        // A prompt that could not be played, or a caller who did not wait for its end, changes nothing.
        assert_eq!(world.play_is(PlayOutcome::CallerGone), ["release attempt-failed"]);
        assert_eq!(world.released(), [format!("1 failed 1/3 {failure} due 20000")]);
    }
}

#[test]
fn a_prompt_that_cannot_be_played_does_not_stop_the_recall() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    world.ring_is(RingOutcome::Answered);
    assert_eq!(world.play_is(PlayOutcome::Failed)[0], "connect 1 shows 2 30000");
}

#[test]
fn a_busy_caller_is_not_rung_and_keeps_attempt_place_and_life() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.busy("2");
    assert_eq!(world.wait(10_000), ["1 Suspended", "ring 3 shows 1 20000", "2 began 1/3"]);
    world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(world.engine.orders().next().map(|order| (order.place, order.attempt)), Some((1, 0)));
    assert_eq!(world.wait(2_000), NOTHING);
    world.free("2");
    assert_eq!(world.wait(1_000), NOTHING);
    // Busy again within the guard: the guard begins anew.
    assert_eq!(world.busy("2"), NOTHING);
    assert_eq!(world.free("2"), NOTHING);
    assert_eq!(world.wait(1_999), NOTHING);
    assert_eq!(world.wait(1), ["1 Resumed", "ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn without_a_guard_a_suspended_caller_is_rung_in_the_same_call() {
    let mut world = World::with(&Profile { caller_free_guard_s: 0, ..Profile::autodial() }, Limits::default());
    world.ordered("2", "1");
    world.busy("2");
    world.wait(10_000);
    assert_eq!(world.free("2"), ["1 Resumed", "ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn a_suspended_order_dies_with_its_life() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.busy("2");
    assert_eq!(world.wait(2_700_000), ["1 Suspended", "1 ended expired"]);
}

#[test]
fn a_caller_of_whom_nothing_is_known_counts_as_not_busy() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.busy("2");
    world.wait(10_000);
    world.send(Event::LineUnknown { line: number("2") });
    assert_eq!(world.wait(2_000)[1], "ring 2 shows 1 20000");
}

#[test]
fn the_recalls_own_legs_neither_suspend_nor_resume() {
    let mut world = World::with(&profile(1), Limits::default());
    world.ordered("2", "1");
    world.wait(1_000);
    assert_eq!(world.busy("2"), NOTHING);
    world.answer_and_hear();
    assert_eq!(world.busy("1"), NOTHING);
    world.connect_is(ConnectOutcome::NoAnswer);
    assert_eq!(world.free("1"), NOTHING);
    world.play_is(PlayOutcome::Played);
    assert_eq!(world.free("2"), NOTHING);
    world.released();
    assert_eq!(world.wait(1_000)[0], "ring 2 shows 1 20000");
}

#[test]
fn when_the_two_talk_by_themselves_orders_in_both_directions_are_fulfilled() {
    for (caller, callee) in [("2", "1"), ("1", "2")] {
        let mut world = World::new();
        world.ordered("2", "1");
        world.ordered("1", "2");
        world.ordered("2", "4");
        let told = world.call_answered(caller, callee);
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|told| told.ends_with("ended fulfilled-by-other-call")), "{told:?}");
        assert_eq!(world.state("2", "4"), "waiting");
        // Talked: the number is no longer one that failed.
        assert_eq!(world.order("2", Some("1")), ["reply no-offer"]);
    }
}

#[test]
fn completing_one_direction_fulfils_the_other_and_they_never_ring_at_once() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("1", "2");
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
    assert_eq!(world.state("1", "2"), "queued");
    world.answer_and_hear();
    let told = world.connect_is(ConnectOutcome::Answered);
    assert_eq!(told, ["1 ended completed", "2 ended fulfilled-by-other-call"]);
}

#[test]
fn fulfilled_in_the_recall_ends_it() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    let told = world.call_answered("1", "2");
    assert_eq!(told, ["release order-ended", "1 ended fulfilled-by-other-call"]);
    assert!(world.engine.lines().filter(|line| line.in_recall).map(|line| line.line.to_string()).eq(["1", "2"]));
    world.released();
    assert_eq!(world.engine.lines().filter(|line| line.in_recall).count(), 0);
}

#[test]
fn a_cancel_in_the_recall_ends_it_at_once_but_holds_its_lines_until_released() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.wait(10_000);
    let told = world.cancel("2", Some("1"));
    assert_eq!(told, ["release order-ended", "1 ended cancelled", "reply cancelled [1]"]);
    assert_eq!(world.wait(5_000), NOTHING);
    // Late outcomes of the recall are counted and change nothing.
    assert_eq!(world.ring_is(RingOutcome::Answered), NOTHING);
    assert_eq!(world.counted("outcomes_unexpected"), 1);
    assert_eq!(world.released(), ["ring 3 shows 1 20000", "2 began 1/3"]);
}

#[test]
fn a_release_that_is_not_answered_is_given_up() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.wait(10_000);
    world.cancel("2", Some("1"));
    assert_eq!(world.wait(9_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 3 shows 1 20000", "2 began 1/3"]);
}

#[test]
fn an_attempt_in_progress_outlives_the_orders_life_but_none_begins_after_it() {
    let short = Profile { service_duration_s: 60, ..profile(50) };
    let mut world = World::with(&short, Limits::default());
    world.ordered("2", "1");
    world.ordered("3", "4");
    world.busy("3");
    assert_eq!(world.wait(50_000), ["2 Suspended", "ring 2 shows 1 20000", "1 began 1/3"]);
    world.wait(5_000);
    world.answer_and_hear();
    assert_eq!(world.wait(25_000), ["2 ended expired"]);
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed"]);

    // CB timer and life over within one silent stretch: no attempt.
    let mut world = World::with(&short, Limits::default());
    world.ordered("2", "1");
    assert_eq!(world.jump(60_000), ["1 ended expired"]);
}

#[test]
fn a_late_call_of_the_engine_gives_the_outside_its_full_time() {
    let mut world = World::new();
    world.ordered("2", "1");
    assert_eq!(world.jump(600_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
    assert_eq!(world.wait(29_999), NOTHING);
    assert_eq!(world.wait(1), ["release overdue"]);
}

#[test]
fn outcomes_that_nothing_waits_for_are_counted_and_change_nothing() {
    let mut world = World::new();
    world.ordered("2", "1");
    let before = world.engine.orders().collect::<Vec<_>>();
    world.send(Event::RingOutcome { recall: RecallId(77), outcome: RingOutcome::Answered });
    world.send(Event::Released { recall: RecallId(0) });
    assert_eq!(world.counted("outcomes_for_unknown_recall"), 2);
    assert_eq!(world.engine.orders().collect::<Vec<_>>(), before);
    world.wait(10_000);
    assert_eq!(world.released(), NOTHING);
    assert_eq!(world.connect_is(ConnectOutcome::Answered), NOTHING);
    assert_eq!(world.play_is(PlayOutcome::CallerGone), NOTHING);
    world.ring_is(RingOutcome::Answered);
    assert_eq!(world.ring_is(RingOutcome::Busy), NOTHING);
    assert_eq!(world.counted("outcomes_unexpected"), 4);
    assert_eq!(world.state("2", "1"), "announcing");
}

#[test]
fn after_a_restart_recalls_are_void_and_lines_unknown() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.ordered("4", "7");
    world.busy("4");
    world.wait(20_000);
    assert_eq!(world.state("3", "1"), "queued");
    assert_eq!(world.state("4", "7"), "suspended");
    assert_eq!(world.send(Event::Restarted), ["1 failed 1/3 SwitchFailed due 30000"]);
    assert!(world.engine.lines().all(|line| line.state == "unknown" && !line.in_recall));
    assert_eq!(world.engine.orders().map(|order| order.attempt).collect::<Vec<_>>(), [0, 0, 0]);
    // The adapter has the guard time to report its lines; then who is not known busy is rung.
    world.busy("4");
    assert_eq!(world.wait(2_000), ["ring 3 shows 1 20000", "2 began 1/3"]);
    assert_eq!(world.state("4", "7"), "suspended");
}
