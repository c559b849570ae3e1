//! What an outage makes of orders: time has passed, and nobody was there when timers ran out.

use super::world::{START, World, text};
use crate::*;

const NOTHING: [&str; 0] = [];

fn restart(world: &mut World, limits: &Limits) -> Vec<String> {
    let mut out = Vec::new();
    world.engine.restart(world.now, limits, &mut out).expect("limits in range");
    world.engine.check().expect("a consistent engine");
    out.iter().map(text).collect()
}

/// Down for that long, and up again with the same limits.
fn down_for(world: &mut World, time: Millis) -> Vec<String> {
    world.now += time;
    restart(world, &Limits::default())
}

#[test]
fn a_recall_whose_bound_ran_out_while_nobody_was_there_is_cut_off_and_not_used() {
    let mut world = World::new();
    world.ordered("2", "1");
    assert_eq!(world.wait(10_000)[0], "ring 2 shows 1 20000");
    assert_eq!(down_for(&mut world, 600_000), ["1 failed 1/3 SwitchFailed due 620000"]);
    assert_eq!(world.engine.orders().map(|order| order.attempt).collect::<Vec<_>>(), [0]);
    assert_eq!((world.counted("overdue_ring"), world.counted("attempts_void")), (0, 1));
    assert_eq!(world.wait(10_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn the_event_is_the_same_restart() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    let mut other = World::new();
    other.engine = world.engine.clone();
    other.now = world.now + 600_000;
    assert_eq!(down_for(&mut world, 600_000), other.send(Event::Restarted));
    assert_eq!(world.engine.snapshot(), other.engine.snapshot());
}

#[test]
fn a_cb_timer_that_ran_out_meanwhile_rings_after_the_lines_were_reported() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    assert_eq!(down_for(&mut world, 60_000), NOTHING);
    assert_eq!(world.busy("2"), ["1 Suspended"]);
    assert_eq!(world.wait(1_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 3 shows 1 20000", "2 began 1/3"]);
}

#[test]
fn a_cb_timer_that_has_not_run_out_keeps_its_remaining_time() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(3_000);
    assert_eq!(down_for(&mut world, 4_000), NOTHING);
    assert_eq!(world.wait(2_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn a_life_that_ended_meanwhile_ends_the_order_without_a_recall() {
    let mut world = World::new();
    world.ordered("2", "1");
    assert_eq!(down_for(&mut world, 2_700_000), ["1 ended expired"]);
    assert_eq!(world.engine.orders().count(), 0);
}

#[test]
fn the_grace_for_the_callees_state_counts_from_the_restart() {
    let mut world = World::with(&Profile::ccbs(), Limits::default());
    world.busy("1");
    world.ordered("2", "1");
    world.free("1");
    assert_eq!(down_for(&mut world, 60_000), ["1 Polling due 70000"]);
    assert_eq!(world.wait(9_999), NOTHING);
    assert_eq!(world.wait(1), ["ring 2 shows 1 20000", "1 began 1"]);
}

#[test]
fn orders_that_stand_outlive_a_lower_limit() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    world.call_fails("4", "1");
    world.call_fails("4", "2");
    let limits = Limits {
        orders_total: 1,
        offers_per_caller: 1,
        recalls_per_second: 1,
        recalls_at_once: 1,
        ..Limits::default()
    };
    assert_eq!(restart(&mut world, &limits), NOTHING);
    assert_eq!((world.engine.limits().orders_total, world.engine.limits().offers_per_caller), (2, 2));
    assert_eq!(world.engine.limits().recalls_at_once, 1);
    assert_eq!(world.order("4", Some("2")), ["reply overload"], "no more than stand");
    let snapshot = world.engine.snapshot();
    Engine::restore(&snapshot).expect("its own limits hold");
    let told = world.wait(12_000);
    assert_eq!(told.iter().filter(|told| told.starts_with("ring")).count(), 1, "{told:?}");
}

#[test]
fn recalls_of_the_last_second_are_within_a_lower_pace() {
    let mut world = World::new();
    for (caller, callee) in [("2", "1"), ("3", "4"), ("4", "7")] {
        world.ordered(caller, callee);
    }
    world.wait(10_000);
    let limits = Limits { recalls_per_second: 1, ..Limits::default() };
    restart(&mut world, &limits);
    assert_eq!(world.now, START + 10_000);
}

#[test]
fn a_limit_out_of_range_changes_nothing() {
    let mut world = World::new();
    world.ordered("2", "1");
    let before = world.engine.snapshot();
    let refused = world.engine.restart(START + 1, &Limits { orders_total: 0, ..Limits::default() }, &mut Vec::new());
    assert!(refused.is_err());
    assert_eq!(world.engine.snapshot(), before);
}
