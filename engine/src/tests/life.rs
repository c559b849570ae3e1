//! Every row of the table of an order's life, taken once and looked at.

use super::world::World;
use super::{coverage, life_ccbs};
use crate::life::State as S;
use crate::*;

/// What is special about the order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// Its profile allows one attempt.
    Last,
    /// Its life is over when it comes into the state.
    Over,
}
use Kind::{Last, Over, Plain};

/// A world whose order 1, of 2 for 1, is in the state. Its CB timer is 50 s, its life 60 s.
fn in_state(state: S, kind: Kind) -> World {
    let profile = Profile {
        drive: Drive::Timer {
            cb_timer_internal_s: 50,
            cb_timer_external_s: 50,
            attempts: if kind == Last { 1 } else { 3 },
        },
        service_duration_s: 60,
        ..Profile::autodial()
    };
    let mut world = World::with(&profile, Limits::default());
    world.ordered("2", "1");
    match state {
        S::Waiting => {}
        S::Queued => {
            // Another recall holds the callee.
            world.ordered("3", "1");
            world.busy("2");
            world.wait(50_000);
            world.free("2");
            world.wait(2_000);
        }
        S::Suspended => {
            world.busy("2");
            world.wait(50_000);
        }
        S::Guarding => {
            world.busy("2");
            world.wait(50_000);
            world.free("2");
        }
        S::Pausing => {
            // Another recall held the caller: 2 was called by 4.
            world.cancel("2", None);
            world.ordered("4", "2");
            world.wait(1_000);
            world.ordered("2", "1");
            world.wait(50_000);
            assert_eq!(world.state("2", "1"), "queued");
            world.ring_is(RingOutcome::NoAnswer);
        }
        recall => {
            world.wait(50_000);
            if kind == Over {
                assert_eq!(world.wait(10_000), [""; 0]);
            }
            if recall != S::Ringing {
                world.ring_is(RingOutcome::Answered);
            }
            if !matches!(recall, S::Ringing | S::Announcing) {
                world.play_is(PlayOutcome::Played);
            }
            if matches!(recall, S::Telling | S::Releasing) {
                world.connect_is(ConnectOutcome::Busy);
            }
            if recall == S::Releasing {
                world.play_is(PlayOutcome::Played);
            }
            if recall == S::Clearing {
                world.cancel("2", None);
            }
        }
    }
    if state == S::Clearing {
        assert_eq!(world.state("2", "1"), "-");
    } else {
        assert_eq!(world.state("2", "1"), state.as_str());
    }
    world
}

type Happens = fn(&mut World) -> Vec<String>;

struct Case(S, Kind, Happens, &'static [&'static str], &'static str);

fn answered(world: &mut World) -> Vec<String> {
    world.ring_is(RingOutcome::Answered)
}
fn unanswered(world: &mut World) -> Vec<String> {
    world.ring_is(RingOutcome::NoAnswer)
}
fn not_tried(world: &mut World) -> Vec<String> {
    world.ring_is(RingOutcome::NotTried)
}
fn heard(world: &mut World) -> Vec<String> {
    world.play_is(PlayOutcome::Played)
}
fn hung_up(world: &mut World) -> Vec<String> {
    world.play_is(PlayOutcome::CallerGone)
}
fn hung_up_while_calling(world: &mut World) -> Vec<String> {
    world.connect_is(ConnectOutcome::CallerGone)
}
fn talk(world: &mut World) -> Vec<String> {
    world.connect_is(ConnectOutcome::Answered)
}
fn busy_again(world: &mut World) -> Vec<String> {
    world.connect_is(ConnectOutcome::Busy)
}
fn released(world: &mut World) -> Vec<String> {
    world.released()
}
fn cancelled(world: &mut World) -> Vec<String> {
    world.cancel("2", None)
}
fn restarted(world: &mut World) -> Vec<String> {
    world.send(Event::Restarted)
}
/// The guard, which had a second left, runs anew.
fn restarted_and_a_moment(world: &mut World) -> Vec<String> {
    world.wait(1_000);
    let mut told = world.send(Event::Restarted);
    told.extend(world.wait(1_999));
    told
}
fn caller_busy(world: &mut World) -> Vec<String> {
    world.busy("2")
}
fn caller_free(world: &mut World) -> Vec<String> {
    world.free("2")
}
fn five_seconds(world: &mut World) -> Vec<String> {
    world.wait(5_000)
}
fn ten_seconds(world: &mut World) -> Vec<String> {
    world.wait(10_000)
}
fn to_the_guards_end(world: &mut World) -> Vec<String> {
    world.wait(2_000)
}
fn to_the_rings_limit(world: &mut World) -> Vec<String> {
    assert_eq!(world.wait(29_999), [""; 0]);
    world.wait(1)
}
fn to_the_connects_limit(world: &mut World) -> Vec<String> {
    assert_eq!(world.wait(39_999), [""; 0]);
    world.wait(1)
}
fn to_the_plays_limit(world: &mut World) -> Vec<String> {
    assert_eq!(world.wait(179_999), [""; 0]);
    world.wait(1)
}
fn cb_timer_with_caller_busy(world: &mut World) -> Vec<String> {
    world.busy("2");
    world.wait(50_000)
}
fn cb_timer(world: &mut World) -> Vec<String> {
    world.wait(50_000)
}
fn life_over_at_once(world: &mut World) -> Vec<String> {
    world.jump(60_000)
}
fn recall_of_the_callee_over(world: &mut World) -> Vec<String> {
    world.ring_is(RingOutcome::NoAnswer)
}

fn check(case: &Case) {
    let Case(state, kind, happens, expected, after) = case;
    let mut world = in_state(*state, *kind);
    let told = happens(&mut world);
    assert_eq!(&told, expected, "{state:?} {kind:?}");
    assert_eq!(&world.state("2", "1"), after, "{state:?} {kind:?}");
}

const CASES: &[Case] = &[
    Case(S::Waiting, Plain, cb_timer_with_caller_busy, &["1 Suspended"], "suspended"),
    Case(S::Waiting, Plain, cb_timer, &["ring 2 shows 1 20000", "1 began 1/3"], "ringing"),
    Case(S::Waiting, Plain, life_over_at_once, &["1 ended expired"], "-"),
    Case(S::Waiting, Plain, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(
        S::Queued,
        Plain,
        recall_of_the_callee_over,
        &["2 failed 1/3 CallerNoAnswer due 102000", "ring 2 shows 1 20000", "1 began 1/3"],
        "ringing",
    ),
    Case(S::Queued, Plain, restarted, &["2 failed 1/3 SwitchFailed due 102000"], "pausing"),
    Case(S::Queued, Plain, caller_busy, &["1 Suspended"], "suspended"),
    Case(S::Queued, Plain, ten_seconds, &["1 ended expired"], "-"),
    Case(S::Queued, Plain, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Suspended, Plain, caller_free, &[], "guarding"),
    Case(S::Suspended, Plain, restarted, &[], "guarding"),
    Case(S::Suspended, Plain, ten_seconds, &["1 ended expired"], "-"),
    Case(S::Suspended, Plain, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Guarding, Plain, to_the_guards_end, &["1 Resumed", "ring 2 shows 1 20000", "1 began 1/3"], "ringing"),
    Case(S::Guarding, Plain, caller_busy, &[], "suspended"),
    Case(S::Guarding, Plain, restarted_and_a_moment, &[], "guarding"),
    Case(S::Guarding, Plain, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Pausing, Plain, to_the_guards_end, &["ring 2 shows 1 20000", "3 began 1/3"], "ringing"),
    Case(S::Pausing, Plain, caller_busy, &["3 Suspended"], "suspended"),
    Case(S::Pausing, Plain, restarted_and_a_moment, &[], "pausing"),
    Case(S::Pausing, Plain, cancelled, &["3 ended cancelled", "reply cancelled [3]"], "-"),
    Case(S::Ringing, Plain, answered, &["play [Activated]", "1 CallerAnswered"], "announcing"),
    Case(S::Ringing, Last, unanswered, &["1 failed 1/1 CallerNoAnswer", "1 ended attempts-exhausted"], "-"),
    Case(S::Ringing, Over, unanswered, &["1 failed 1/3 CallerNoAnswer", "1 ended expired"], "-"),
    Case(S::Ringing, Plain, unanswered, &["1 failed 1/3 CallerNoAnswer due 100000"], "waiting"),
    Case(S::Ringing, Last, not_tried, &["1 failed 1/1 NotTried due 100000"], "waiting"),
    Case(S::Ringing, Over, not_tried, &["1 failed 1/3 NotTried", "1 ended expired"], "-"),
    Case(S::Ringing, Plain, not_tried, &["1 failed 1/3 NotTried due 100000"], "waiting"),
    Case(S::Ringing, Plain, to_the_rings_limit, &["release overdue"], "releasing"),
    Case(S::Ringing, Plain, cancelled, &["release order-ended", "1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Ringing, Over, restarted, &["1 failed 1/3 SwitchFailed", "1 ended expired"], "-"),
    Case(S::Ringing, Plain, restarted, &["1 failed 1/3 SwitchFailed due 100000"], "waiting"),
    Case(S::Announcing, Plain, heard, &["connect 1 shows 2 30000", "1 CalleeCalled"], "calling"),
    Case(S::Announcing, Plain, hung_up, &["release attempt-failed"], "releasing"),
    Case(S::Announcing, Plain, to_the_plays_limit, &["release overdue"], "releasing"),
    Case(S::Announcing, Plain, cancelled, &["release order-ended", "1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Announcing, Over, restarted, &["1 failed 1/3 SwitchFailed", "1 ended expired"], "-"),
    Case(S::Announcing, Last, restarted, &["1 failed 1/1 SwitchFailed due 100000"], "waiting"),
    Case(S::Calling, Last, talk, &["1 ended completed"], "-"),
    Case(S::Calling, Over, talk, &["1 ended completed"], "-"),
    Case(S::Calling, Plain, busy_again, &["play [BusyAgain]"], "telling"),
    Case(S::Calling, Last, busy_again, &["play [BusyAgain, AttemptsUsedUp]"], "telling"),
    Case(S::Calling, Plain, hung_up_while_calling, &["release attempt-failed"], "releasing"),
    Case(S::Calling, Plain, to_the_connects_limit, &["release overdue"], "releasing"),
    Case(S::Calling, Plain, cancelled, &["release order-ended", "1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Calling, Over, restarted, &["1 failed 1/3 SwitchFailed", "1 ended expired"], "-"),
    Case(S::Calling, Last, restarted, &["1 failed 1/1 SwitchFailed due 100000"], "waiting"),
    Case(S::Telling, Plain, heard, &["release attempt-failed"], "releasing"),
    Case(S::Telling, Plain, hung_up, &["release attempt-failed"], "releasing"),
    Case(S::Telling, Plain, to_the_plays_limit, &["release overdue"], "releasing"),
    Case(S::Telling, Plain, cancelled, &["release order-ended", "1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Telling, Last, restarted, &["1 failed 1/1 CalleeBusy", "1 ended attempts-exhausted"], "-"),
    Case(S::Telling, Over, restarted, &["1 failed 1/3 CalleeBusy", "1 ended expired"], "-"),
    Case(S::Telling, Plain, restarted, &["1 failed 1/3 CalleeBusy due 100000"], "waiting"),
    Case(S::Releasing, Last, released, &["1 failed 1/1 CalleeBusy", "1 ended attempts-exhausted"], "-"),
    Case(S::Releasing, Over, released, &["1 failed 1/3 CalleeBusy", "1 ended expired"], "-"),
    Case(S::Releasing, Plain, released, &["1 failed 1/3 CalleeBusy due 100000"], "waiting"),
    Case(S::Releasing, Last, ten_seconds, &["1 failed 1/1 CalleeBusy", "1 ended attempts-exhausted"], "-"),
    Case(S::Releasing, Over, ten_seconds, &["1 failed 1/3 CalleeBusy", "1 ended expired"], "-"),
    Case(S::Releasing, Plain, five_seconds, &[], "releasing"),
    Case(S::Releasing, Plain, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Releasing, Last, restarted, &["1 failed 1/1 CalleeBusy", "1 ended attempts-exhausted"], "-"),
    Case(S::Releasing, Over, restarted, &["1 failed 1/3 CalleeBusy", "1 ended expired"], "-"),
    Case(S::Releasing, Plain, restarted, &["1 failed 1/3 CalleeBusy due 100000"], "waiting"),
    Case(S::Clearing, Plain, released, &[], "-"),
    Case(S::Clearing, Plain, ten_seconds, &[], "-"),
    Case(S::Clearing, Plain, restarted, &[], "-"),
];

#[test]
fn each_transition_does_what_the_table_says() {
    for case in CASES {
        check(case);
    }
}

/// Lives long enough for the release's limit to be met with life left.
fn release_overdue_with_life_left() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    world.answer_and_hear();
    world.connect_is(ConnectOutcome::NoAnswer);
    assert_eq!(world.wait(180_000), ["release overdue"]);
    assert_eq!(world.wait(9_999), [""; 0]);
    assert_eq!(world.wait(1), ["1 failed 1/3 CalleeNoAnswer due 210000"]);
    assert_eq!(world.counted("overdue_play"), 1);
    assert_eq!(world.counted("overdue_release"), 1);
}

/// Cancelled while its legs are being released: the time for that is not prolonged.
fn release_keeps_its_time() {
    let mut world = in_state(S::Releasing, Plain);
    world.wait(4_000);
    world.cancel("2", None);
    world.wait(5_999);
    assert_eq!(world.engine.recalls.len(), 1);
    world.wait(1);
    assert_eq!(world.engine.recalls.len(), 0);
}

/// One recall at once: 4's order for 2 gets its turn while 2's own order guards or pauses.
fn caller_taken_by_another_recall() {
    let limits = Limits { recalls_at_once: 1, ..Limits::default() };
    let profile = Profile { caller_free_guard_s: 5, ..Profile::autodial() };
    let mut world = World::with(&profile, limits.clone());
    world.ordered("3", "1");
    world.ordered("2", "1");
    world.ordered("4", "2");
    world.busy("2");
    assert_eq!(world.wait(10_000), ["2 Suspended", "ring 3 shows 1 20000", "1 began 1/3"]);
    world.free("2");
    assert_eq!(world.state("2", "1"), "guarding");
    let told = world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(told, ["1 failed 1/3 CallerNoAnswer due 20000", "ring 4 shows 2 20000", "3 began 1/3"]);
    assert_eq!(world.state("2", "1"), "suspended");
    assert_eq!(world.wait(5_000), [""; 0]);
    world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(world.state("2", "1"), "guarding");
    assert_eq!(world.wait(5_000)[0], "2 Resumed");

    let mut world = World::with(&profile, limits);
    world.ordered("4", "2");
    world.ordered("3", "2");
    world.ordered("2", "1");
    assert_eq!(world.wait(10_000), ["ring 4 shows 2 20000", "1 began 1/3"]);
    assert_eq!(world.state("2", "1"), "queued");
    let told = world.ring_is(RingOutcome::NoAnswer);
    // 3's order for 2 is next; 2's own, which paused, is queued again.
    assert_eq!(told, ["1 failed 1/3 CallerNoAnswer due 20000", "ring 3 shows 2 20000", "2 began 1/3"]);
    assert_eq!(world.state("2", "1"), "queued");
}

/// Life that ends in the guard time, for both guards.
fn life_over_in_the_guard() {
    let profile = Profile { caller_free_guard_s: 60, service_duration_s: 60, ..Profile::autodial() };
    let mut world = World::with(&profile, Limits::default());
    world.busy("2");
    world.ordered("2", "1");
    world.wait(10_000);
    world.free("2");
    assert_eq!(world.state("2", "1"), "guarding");
    assert_eq!(world.wait(60_000), ["1 ended expired"]);

    let mut world = World::with(&profile, Limits::default());
    world.ordered("4", "2");
    world.wait(1);
    world.ordered("2", "1");
    world.wait(10_000);
    world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(world.state("2", "1"), "pausing");
    world.cancel("4", None);
    assert_eq!(world.wait(60_000), ["2 ended expired"]);
}

/// A CB timer longer than the life.
fn life_over_while_waiting() {
    let drive = Drive::Timer { cb_timer_internal_s: 70, cb_timer_external_s: 70, attempts: 3 };
    let profile = Profile { drive, service_duration_s: 60, ..Profile::autodial() };
    let mut world = World::with(&profile, Limits::default());
    world.ordered("2", "1");
    assert_eq!(world.wait(60_000), ["1 ended expired"]);
}

#[test]
fn transitions_that_need_other_settings_or_orders() {
    release_keeps_its_time();
    life_over_while_waiting();
    release_overdue_with_life_left();
    caller_taken_by_another_recall();
    life_over_in_the_guard();
}

#[test]
fn every_row_of_the_table_is_taken() {
    each_transition_does_what_the_table_says();
    transitions_that_need_other_settings_or_orders();
    life_ccbs::each_transition_of_ccbs_does_what_the_table_says();
    life_ccbs::what_becomes_of_an_order_when_its_attempt_has_failed();
    life_ccbs::the_life_of_an_order_of_ccbs_ends_it();
    life_ccbs::the_life_ends_an_order_that_waits_to_be_tried_again();
    life_ccbs::an_order_that_waits_for_a_limit_heeds_its_callee();
    let missed = coverage::missed();
    assert!(missed.is_empty(), "rows never taken: {missed:#?}");
}
