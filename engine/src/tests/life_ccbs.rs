//! The rows of the table that profile `ccbs` adds, each taken and looked at.

use super::world::{World, number};
use crate::life::State as S;
use crate::*;

/// What is special about the order or its profile.
#[derive(Debug, Clone, Copy, PartialEq)]
enum With {
    Defaults,
    NoRetention,
    TurnToNoReply,
    /// Kind NR has a life of 60 s only.
    TurnToShortNoReply,
    /// The callee's state is not known.
    Unseen,
}
use With::{Defaults, NoRetention, TurnToNoReply, TurnToShortNoReply, Unseen};

/// Guards of 5 s and 2 s, waits of 60 s and more, life of 600 s, of 3,000 s for kind NR.
fn profile(with: With) -> Profile {
    let drive = Drive::Release {
        callee_idle_guard_s: 5,
        retention: with != NoRetention,
        callee_no_answer_to_nr: matches!(with, TurnToNoReply | TurnToShortNoReply),
        poll_first_s: 60,
        poll_longest_s: 200,
        offer_nr: true,
        service_duration_nr_s: if with == TurnToShortNoReply { 60 } else { 3_000 },
        offer_nl: true,
        service_duration_nl_s: 3_000,
        restart_grace_s: 10,
    };
    Profile { drive, service_duration_s: 600, ..Profile::ccbs() }
}

/// A world where the order of 2 for 1 is in the state.
fn in_state(state: S, with: With) -> World {
    let mut world = World::with(&profile(with), Limits::default());
    if with != Unseen {
        world.free("1");
    }
    match state {
        S::Watching => {
            world.busy("1");
            world.ordered("2", "1");
        }
        S::CalleeGuard => world.ordered("2", "1"),
        S::Polling => {
            world.send(Event::LineUnknown { line: number("1") });
            world.ordered("2", "1");
        }
        S::Queued => {
            // Another recall holds the callee.
            world.busy("2");
            world.ordered("2", "1");
            world.ordered("3", "1");
            world.wait(5_000);
            world.free("2");
            world.wait(2_000);
        }
        S::Suspended | S::Guarding => {
            world.busy("2");
            world.ordered("2", "1");
            world.wait(5_000);
            if state == S::Guarding {
                world.free("2");
            }
        }
        S::Pausing => {
            // Another recall held the caller: 2 was called by 4.
            world.free("2");
            world.ordered("4", "2");
            world.wait(1);
            world.ordered("2", "1");
            world.wait(5_000);
            world.ring_is(RingOutcome::NoAnswer);
        }
        recall => {
            world.ordered("2", "1");
            world.wait(if with == Unseen { 60_000 } else { 5_000 });
            match recall {
                S::Retrying => drop(world.ring_is(RingOutcome::Failed)),
                S::RetryingCaller => drop(world.ring_is(RingOutcome::Busy)),
                S::Announcing => drop(world.ring_is(RingOutcome::Answered)),
                S::Calling | S::Telling | S::Releasing => world.answer_and_hear(),
                _ => {}
            }
            if matches!(recall, S::Telling | S::Releasing) {
                world.connect_is(ConnectOutcome::Busy);
            }
            if recall == S::Releasing {
                world.play_is(PlayOutcome::Played);
            }
        }
    }
    assert_eq!(world.state("2", "1"), state.as_str());
    world
}

type Happens = fn(&mut World) -> Vec<String>;

struct Case(S, With, Happens, &'static [&'static str], &'static str);

fn callee_free(world: &mut World) -> Vec<String> {
    world.free("1")
}
fn callee_busy(world: &mut World) -> Vec<String> {
    world.busy("1")
}
fn callee_unknown(world: &mut World) -> Vec<String> {
    world.send(Event::LineUnknown { line: number("1") })
}
fn caller_busy_then_guard(world: &mut World) -> Vec<String> {
    world.busy("2");
    world.wait(5_000)
}
fn guard(world: &mut World) -> Vec<String> {
    world.wait(5_000)
}
fn minute(world: &mut World) -> Vec<String> {
    world.wait(60_000)
}
fn caller_busy(world: &mut World) -> Vec<String> {
    world.busy("2")
}
fn caller_free(world: &mut World) -> Vec<String> {
    world.free("2")
}
fn caller_busy_then_minute(world: &mut World) -> Vec<String> {
    world.busy("2");
    world.wait(60_000)
}
fn restarted(world: &mut World) -> Vec<String> {
    world.send(Event::Restarted)
}
fn cancelled(world: &mut World) -> Vec<String> {
    world.cancel("2", None)
}
fn life_over(world: &mut World) -> Vec<String> {
    let told = world.jump(600_000);
    told.into_iter().filter(|told| told.contains("ended")).collect()
}
/// The other recall of the callee ends after the callee's phone rang.
fn callees_recall_over(world: &mut World) -> Vec<String> {
    world.answer_and_hear();
    world.connect_is(ConnectOutcome::Declined);
    world.play_is(PlayOutcome::Played);
    world.released()
}
/// 1 itself orders 4, and its recall ends.
fn callees_own_recall_over(world: &mut World) -> Vec<String> {
    world.service("1", Some(Profile { drive: at_once(), ..Profile::autodial() }));
    world.ordered("1", "4");
    world.wait(1_000);
    assert_eq!(world.state("1", "4"), "ringing");
    let told = world.ring_is(RingOutcome::NoAnswer);
    told.into_iter().filter(|told| !told.contains("1/1") && !told.contains("exhausted")).collect()
}
fn at_once() -> Drive {
    Drive::Timer { cb_timer_internal_s: 1, cb_timer_external_s: 1, attempts: 1 }
}
fn ring(outcome: RingOutcome) -> impl Fn(&mut World) -> Vec<String> {
    move |world| world.ring_is(outcome)
}
/// The caller hears why the call to the callee failed, and the legs are released.
fn connect(outcome: ConnectOutcome) -> impl Fn(&mut World) -> Vec<String> {
    move |world| {
        let mut told = world.connect_is(outcome);
        told.extend(world.play_is(PlayOutcome::Played));
        told.extend(world.released());
        told.retain(|told| told != "release attempt-failed");
        told
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case(S::Watching, Defaults, callee_free, &["1 CalleeFree due 5000"], "callee-guard"),
    Case(S::Watching, Defaults, callee_unknown, &["1 Polling due 60000"], "polling"),
    Case(S::Watching, Defaults, callee_busy, &[], "watching"),
    Case(S::Watching, Defaults, restarted, &["1 Polling due 10000"], "polling"),
    Case(S::Watching, Defaults, life_over, &["1 ended expired"], "-"),
    Case(S::Watching, Defaults, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::CalleeGuard, Defaults, guard, &["ring 2 shows 1 20000", "1 began 1"], "ringing"),
    Case(S::CalleeGuard, Defaults, caller_busy_then_guard, &["1 Suspended"], "suspended"),
    Case(S::CalleeGuard, Defaults, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::CalleeGuard, Defaults, callee_unknown, &["1 Polling due 60000"], "polling"),
    Case(S::CalleeGuard, Defaults, callee_free, &[], "callee-guard"),
    Case(S::CalleeGuard, Defaults, callees_own_recall_over, &["1 CalleeFree due 6000"], "callee-guard"),
    Case(S::CalleeGuard, Defaults, restarted, &["1 Polling due 10000"], "polling"),
    Case(S::CalleeGuard, Defaults, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Polling, Unseen, minute, &["ring 2 shows 1 20000", "1 began 1"], "ringing"),
    Case(S::Polling, Unseen, caller_busy_then_minute, &["1 Suspended"], "suspended"),
    Case(S::Polling, Unseen, callee_free, &["1 CalleeFree due 5000"], "callee-guard"),
    Case(S::Polling, Unseen, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::Polling, Unseen, restarted, &["1 Polling due 10000"], "polling"),
    Case(S::Polling, Unseen, life_over, &["1 ended expired"], "-"),
    Case(S::Polling, Unseen, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Retrying, Defaults, minute, &["ring 2 shows 1 20000", "1 began 2"], "ringing"),
    Case(S::Retrying, Defaults, caller_busy_then_minute, &["1 Suspended"], "suspended"),
    Case(S::Retrying, Defaults, callee_free, &[], "retrying"),
    Case(S::Retrying, Defaults, callee_unknown, &[], "retrying"),
    Case(S::Retrying, Defaults, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::Retrying, Defaults, restarted, &["1 Polling due 15000"], "polling"),
    Case(S::Retrying, Defaults, life_over, &["1 ended expired"], "-"),
    Case(S::Retrying, Defaults, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Retrying, Defaults, caller_busy, &[], "retrying"),
    Case(S::RetryingCaller, Defaults, minute, &["ring 2 shows 1 20000", "1 began 2"], "ringing"),
    Case(S::RetryingCaller, Defaults, caller_busy, &["1 Suspended"], "suspended"),
    Case(S::RetryingCaller, Defaults, caller_free, &[], "retrying-caller"),
    Case(S::RetryingCaller, Defaults, callee_free, &[], "retrying-caller"),
    Case(S::RetryingCaller, Defaults, callee_unknown, &[], "retrying-caller"),
    Case(S::RetryingCaller, Unseen, callee_free, &[], "retrying-caller"),
    Case(S::RetryingCaller, Defaults, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::RetryingCaller, Defaults, restarted, &["1 Polling due 15000"], "polling"),
    Case(S::RetryingCaller, Defaults, life_over, &["1 ended expired"], "-"),
    Case(S::RetryingCaller, Defaults, cancelled, &["1 ended cancelled", "reply cancelled [1]"], "-"),
    Case(S::Queued, Defaults, callees_recall_over, &["2 failed 1 CalleeDeclined", "2 ended callee-declined", "1 CalleeFree due 12000"], "callee-guard"),
    Case(S::Queued, Defaults, restarted, &["1 Polling due 17000", "2 failed 1 SwitchFailed", "2 Polling due 17000"], "polling"),
    Case(S::Suspended, Defaults, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::Suspended, Defaults, callee_unknown, &[], "suspended"),
    Case(S::Suspended, Defaults, callees_own_recall_over, &["1 CalleeFree due 11000"], "callee-guard"),
    Case(S::Suspended, Defaults, restarted, &["1 Polling due 15000"], "polling"),
    Case(S::Guarding, Defaults, callee_busy, &["1 CalleeBusy"], "watching"),
    Case(S::Guarding, Defaults, callees_own_recall_over, &["1 CalleeFree due 11000"], "callee-guard"),
    Case(S::Guarding, Defaults, restarted, &["1 Polling due 15000"], "polling"),
    Case(S::Pausing, Defaults, callee_busy, &["2 CalleeBusy"], "watching"),
    Case(S::Pausing, Defaults, callees_own_recall_over, &["2 CalleeFree due 11001"], "callee-guard"),
    Case(S::Pausing, Defaults, restarted, &["2 Polling due 15001"], "polling"),
    Case(S::Ringing, Defaults, restarted, &["1 failed 1 SwitchFailed", "1 Polling due 15000"], "polling"),
    Case(S::Announcing, Defaults, restarted, &["1 failed 1 SwitchFailed", "1 Polling due 15000"], "polling"),
    Case(S::Calling, Defaults, restarted, &["1 failed 1 SwitchFailed", "1 Polling due 15000"], "polling"),
    Case(S::Telling, Defaults, restarted, &["1 failed 1 CalleeBusy", "1 Polling due 65000"], "polling"),
    Case(S::Releasing, Unseen, restarted, &["1 failed 1 CalleeBusy", "1 Polling due 180000"], "polling"),
];

#[test]
pub(super) fn each_transition_of_ccbs_does_what_the_table_says() {
    for Case(state, with, happens, expected, after) in CASES {
        let mut world = in_state(*state, *with);
        assert_eq!(&happens(&mut world), expected, "{state:?} {with:?}");
        assert_eq!(&world.state("2", "1"), after, "{state:?} {with:?}");
    }
}

fn judged(state: S, with: With, happens: impl Fn(&mut World) -> Vec<String>, expected: &[&str], after: &str) {
    let mut world = in_state(state, with);
    assert_eq!(happens(&mut world), expected, "{state:?} {with:?}");
    assert_eq!(world.state("2", "1"), after, "{state:?} {with:?}");
}

#[test]
#[rustfmt::skip]
pub(super) fn what_becomes_of_an_order_when_its_attempt_has_failed() {
    let busy_while_ringing = |world: &mut World| {
        world.busy("1");
        world.answer_and_hear();
        connect(ConnectOutcome::Busy)(world)
    };
    let busy_since_called = |world: &mut World| {
        world.busy("1");
        connect(ConnectOutcome::Busy)(world)
    };
    let unregistered_since_called = |world: &mut World| {
        world.send(Event::LineUnregistered { line: number("1") });
        connect(ConnectOutcome::Unreachable)(world)
    };
    let life_over_in_it = |world: &mut World| {
        world.wait(600_000);
        world.released()
    };
    judged(S::Ringing, Defaults, ring(RingOutcome::NoAnswer), &["1 failed 1 CallerNoAnswer", "1 ended caller-no-answer"], "-");
    judged(S::Ringing, Defaults, ring(RingOutcome::Declined), &["1 failed 1 CallerDeclined", "1 ended caller-no-answer"], "-");
    judged(S::Ringing, Defaults, ring(RingOutcome::Busy), &["1 failed 1 CallerBusy due 65000"], "retrying-caller");
    judged(S::Ringing, Unseen, ring(RingOutcome::Busy), &["1 failed 1 CallerBusy due 180000"], "retrying-caller");
    judged(S::Ringing, Defaults, ring(RingOutcome::Unreachable), &["1 failed 1 CallerUnreachable due 65000"], "retrying-caller");
    judged(S::Ringing, Defaults, ring(RingOutcome::Failed), &["1 failed 1 SwitchFailed due 65000"], "retrying");
    judged(S::Ringing, Defaults, ring(RingOutcome::NotTried), &["1 failed 1 NotTried due 65000"], "retrying");
    judged(S::Ringing, Unseen, ring(RingOutcome::NotTried), &["1 failed 1 NotTried", "1 Polling due 180000"], "polling");
    judged(S::Ringing, Defaults, |world| { world.busy("1"); world.ring_is(RingOutcome::NotTried) }, &["1 failed 1 NotTried"], "watching");
    judged(S::Announcing, Defaults, |world| { world.play_is(PlayOutcome::CallerGone); world.released() }, &["1 failed 1 CallerGone", "1 ended cancelled"], "-");
    judged(S::Calling, Defaults, |world| { world.connect_is(ConnectOutcome::CallerGone); world.released() }, &["1 failed 1 CallerGone", "1 ended cancelled"], "-");
    judged(S::Calling, Defaults, connect(ConnectOutcome::Declined), &["play [NoAnswer, AttemptsUsedUp]", "1 failed 1 CalleeDeclined", "1 ended callee-declined"], "-");
    judged(S::Calling, Defaults, connect(ConnectOutcome::NoAnswer), &["play [NoAnswer, AttemptsUsedUp]", "1 failed 1 CalleeNoAnswer", "1 ended callee-no-answer"], "-");
    judged(S::Calling, TurnToNoReply, connect(ConnectOutcome::NoAnswer), &["play [NoAnswer]", "1 failed 1 CalleeNoAnswer", "1 TurnedNoReply expires 3000000"], "watching");
    // Never cut short by it.
    judged(S::Calling, TurnToShortNoReply, connect(ConnectOutcome::NoAnswer), &["play [NoAnswer]", "1 failed 1 CalleeNoAnswer", "1 TurnedNoReply expires 600000"], "watching");
    judged(S::Calling, TurnToNoReply, connect(ConnectOutcome::Busy), &["play [BusyAgain]", "1 failed 1 CalleeBusy due 65000"], "retrying");
    judged(S::Calling, NoRetention, connect(ConnectOutcome::Busy), &["play [BusyAgain, AttemptsUsedUp]", "1 failed 1 CalleeBusy", "1 ended attempts-exhausted"], "-");
    judged(S::Ringing, NoRetention, busy_while_ringing, &["play [BusyAgain, AttemptsUsedUp]", "1 failed 1 CalleeBusy", "1 ended attempts-exhausted"], "-");
    // Where the callee's state cannot be seen, busy is what a try is for to find out.
    judged(S::Calling, NoRetention, connect(ConnectOutcome::Unreachable), &["play [NoAnswer]", "1 failed 1 CalleeUnreachable due 65000"], "retrying");
    judged(S::Calling, Unseen, connect(ConnectOutcome::Unreachable), &["play [NoAnswer]", "1 failed 1 CalleeUnreachable", "1 Polling due 180000"], "polling");
    for with in [Defaults, Unseen] {
        judged(S::Ringing, with, |world| { world.busy("2"); world.ring_is(RingOutcome::Busy) }, &["1 failed 1 CallerBusy", "1 Suspended"], "suspended");
        judged(S::Ringing, with, |world| { world.busy("2"); world.ring_is(RingOutcome::Unreachable) }, &["1 failed 1 CallerUnreachable", "1 Suspended"], "suspended");
    }
    judged(S::Ringing, Defaults, |world| { world.busy("2"); world.ring_is(RingOutcome::Failed) }, &["1 failed 1 SwitchFailed due 65000"], "retrying");
    judged(S::Ringing, Defaults, |world| { world.busy("1"); world.busy("2"); world.ring_is(RingOutcome::Busy) }, &["1 failed 1 CallerBusy"], "watching");
    judged(S::Ringing, Defaults, |world| { world.busy("1"); world.ring_is(RingOutcome::Unreachable) }, &["1 failed 1 CallerUnreachable"], "watching");
    judged(S::Calling, Defaults, busy_since_called, &["play [BusyAgain]", "1 failed 1 CalleeBusy"], "watching");
    judged(S::Calling, Defaults, unregistered_since_called, &["play [NoAnswer]", "1 failed 1 CalleeUnreachable"], "watching");
    judged(S::Calling, Unseen, connect(ConnectOutcome::Busy), &["play [BusyAgain]", "1 failed 1 CalleeBusy", "1 Polling due 180000"], "polling");
    judged(S::Calling, Defaults, connect(ConnectOutcome::Busy), &["play [BusyAgain]", "1 failed 1 CalleeBusy due 65000"], "retrying");
    judged(S::Calling, Defaults, connect(ConnectOutcome::Failed), &["play [NoAnswer]", "1 failed 1 SwitchFailed due 65000"], "retrying");
    judged(S::Ringing, Defaults, busy_while_ringing, &["play [BusyAgain]", "1 failed 1 CalleeBusy"], "watching");
    judged(S::Releasing, Defaults, life_over_in_it, &[], "-");
    judged(S::Releasing, Unseen, |world| { world.wait(5_000); world.released() }, &["1 failed 1 CalleeBusy", "1 Polling due 185000"], "polling");
}

fn short_lived(callee_idle_guard_s: u32, poll_first_s: u32) -> Profile {
    let mut profile = Profile { service_duration_s: 60, ..profile(Defaults) };
    if let Drive::Release { callee_idle_guard_s: guard, poll_first_s: first, .. } = &mut profile.drive {
        (*guard, *first) = (callee_idle_guard_s, poll_first_s);
    }
    profile
}

#[test]
pub(super) fn the_life_of_an_order_of_ccbs_ends_it() {
    let mut world = World::with(&short_lived(100, 20), Limits::default());
    world.free("1");
    world.ordered("2", "1");
    assert_eq!(world.wait(60_000), ["1 ended expired"]);

    let mut world = World::with(&short_lived(5, 100), Limits::default());
    world.ordered("2", "1");
    assert_eq!(world.wait(60_000), ["1 ended expired"]);

    let mut world = World::with(&short_lived(55, 20), Limits::default());
    world.free("1");
    world.ordered("2", "1");
    assert_eq!(world.wait(60_000), ["ring 2 shows 1 20000", "1 began 1"]);
    assert_eq!(world.ring_is(RingOutcome::Busy), ["1 failed 1 CallerBusy", "1 ended expired"]);

    let mut world = World::with(&short_lived(55, 20), Limits::default());
    world.free("1");
    world.ordered("2", "1");
    world.wait(60_000);
    assert_eq!(world.send(Event::Restarted), ["1 failed 1 SwitchFailed", "1 ended expired"]);
}

#[test]
pub(super) fn an_order_that_waits_for_a_limit_heeds_its_callee() {
    let mut world = World::with(&profile(Defaults), Limits { recalls_at_once: 1, ..Limits::default() });
    for callee in ["1", "4"] {
        world.free(callee);
    }
    world.ordered("3", "4");
    world.ordered("2", "1");
    assert_eq!(world.wait(5_000), ["ring 3 shows 4 20000", "1 began 1"]);
    assert_eq!(world.state("2", "1"), "queued");
    assert_eq!(world.busy("1"), ["2 CalleeBusy"]);
    assert_eq!(world.state("2", "1"), "watching");
}

#[test]
pub(super) fn the_life_ends_an_order_that_waits_to_be_tried_again() {
    for (outcome, state) in [(RingOutcome::Failed, "retrying"), (RingOutcome::Busy, "retrying-caller")] {
        let profile = Profile { service_duration_s: 60, ..profile(Defaults) };
        let mut world = World::with(&profile, Limits::default());
        world.free("1");
        world.ordered("2", "1");
        world.wait(5_000);
        world.ring_is(outcome);
        assert_eq!(world.state("2", "1"), state);
        assert_eq!(world.wait(54_999), [""; 0]);
        assert_eq!(world.state("2", "1"), state);
        assert_eq!(world.wait(1), ["1 ended expired"]);
    }
}

#[test]
fn an_attempt_cut_off_by_a_restart_is_not_counted() {
    let mut world = in_state(S::Ringing, Defaults);
    assert_eq!(restarted(&mut world), ["1 failed 1 SwitchFailed", "1 Polling due 15000"]);
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1"]);
}

#[test]
fn an_attempt_that_ends_with_the_life_as_kind_nr_too_turns_nothing() {
    for (left, told) in [
        (1, ["1 failed 1 CalleeNoAnswer", "1 TurnedNoReply expires 60000"]),
        (0, ["1 failed 1 CalleeNoAnswer", "1 ended expired"]),
    ] {
        let mut profile = Profile { service_duration_s: 60, ..profile(TurnToShortNoReply) };
        if let Drive::Release { callee_idle_guard_s, .. } = &mut profile.drive {
            *callee_idle_guard_s = 55;
        }
        let mut world = World::with(&profile, Limits::default());
        world.free("1");
        world.ordered("2", "1");
        world.wait(55_000);
        world.answer_and_hear();
        world.connect_is(ConnectOutcome::NoAnswer);
        world.play_is(PlayOutcome::Played);
        world.wait(5_000 - left);
        assert_eq!(world.released(), told, "{left} ms left");
    }
}

#[test]
fn a_callee_seen_busy_right_after_the_attempt_begins_the_waits_anew() {
    let mut world = in_state(S::Calling, Unseen);
    world.busy("1");
    assert_eq!(connect(ConnectOutcome::Busy)(&mut world), ["play [BusyAgain]", "1 failed 1 CalleeBusy"]);
    assert_eq!(world.state("2", "1"), "watching");
    let due = world.now - super::world::START + 60_000;
    assert_eq!(callee_unknown(&mut world), [format!("1 Polling due {due}")]);
}
