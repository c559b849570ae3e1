//! The canonical form: equal where what follows is equal, different where it is not.

use std::collections::BTreeSet;

use super::world::{World, number};
use crate::*;

fn form(world: &World) -> Vec<u8> {
    let mut form = Vec::new();
    world.engine.canonical(&mut form);
    form
}

type Happens = fn(&mut World) -> Vec<String>;

/// Orders of both profiles in many states, one input after the other.
const HISTORY: &[Happens] = &[
    |world| world.busy("1"),
    |world| world.send(Event::LineRegistered { line: number("3") }),
    |world| world.send(Event::CallFailed { caller: number("4"), callee: number("7"), cause: FailCause::Busy }),
    |world| {
        world.ordered("2", "1");
        world.service("3", Some(Profile::ccbs()))
    },
    |world| {
        world.ordered("3", "1");
        world.ordered("1", "2");
        world.wait(3_000)
    },
    |world| world.free("1"),
    |world| world.wait(7_000),
    |world| world.ring_is(RingOutcome::Answered),
    |world| world.send(Event::CallAnswered { caller: number("1"), callee: number("4") }),
    |world| world.play_is(PlayOutcome::Played),
    |world| world.connect_is(ConnectOutcome::Busy),
    |world| world.cancel("3", None),
    |world| world.play_is(PlayOutcome::Played),
    |world| world.released(),
    |world| world.wait(20_000),
    |world| world.send(Event::Restarted),
    |world| world.wait(86_400_000),
];

#[test]
fn the_same_history_at_another_time_with_other_identities_has_the_same_forms() {
    let (mut one, mut other) = (World::new(), World::new());
    // Identities of orders and recalls are used up, and a day passes.
    for _ in 0..5 {
        other.ordered("2", "4");
        other.wait(10_000);
        other.ring_is(RingOutcome::NoAnswer);
        other.cancel("2", None);
    }
    other.wait(86_400_000);
    assert_eq!(form(&one), form(&other));
    let mut seen = BTreeSet::new();
    for (step, happens) in HISTORY.iter().enumerate() {
        happens(&mut one);
        happens(&mut other);
        assert_eq!(form(&one), form(&other), "after step {step}");
        seen.insert(form(&one));
    }
    // A call of two who have no orders for each other is among them, which changes nothing.
    assert!(seen.len() + 2 >= HISTORY.len(), "{} forms in {} steps", seen.len(), HISTORY.len());
}

#[test]
fn what_is_only_counted_is_not_in_the_form_but_a_millisecond_of_a_timer_is() {
    let mut world = World::new();
    world.ordered("2", "1");
    let before = form(&world);
    let counted = |world: &World| world.engine.counters().map(|(_, count)| count).sum::<u64>();
    let counts = counted(&world);
    world.send(Event::Released { recall: RecallId(99) });
    assert!(counted(&world) > counts);
    assert_eq!(form(&world), before);
    world.jump(1);
    assert_ne!(form(&world), before);
}
