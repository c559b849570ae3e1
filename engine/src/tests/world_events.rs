//! Everything the world and a misbehaving switch can do, in both profiles.

use super::world::{START, World, number};
use crate::*;

const NOTHING: [&str; 0] = [];

fn world() -> World {
    World::with(&Profile::ccbs(), Limits::default())
}

fn ends(told: &[String]) -> Vec<&str> {
    told.iter().filter(|told| told.contains("ended")).map(String::as_str).collect()
}

#[test]
fn mutual_orders_and_a_cycle_complete_one_after_the_other() {
    for profile in [Profile::autodial(), Profile::ccbs()] {
        let mut world = World::with(&profile, Limits::default());
        for line in ["1", "2", "3"] {
            world.free(line);
        }
        for (caller, callee) in [("1", "2"), ("2", "3"), ("3", "1"), ("2", "1")] {
            world.ordered(caller, callee);
        }
        let mut completed = Vec::new();
        for _ in 0..20 {
            world.wait(10_000);
            let ringing: Vec<_> = world.engine.orders().filter(|order| order.state == "ringing").collect();
            assert!(ringing.len() <= 1, "{ringing:?}");
            if let Some(order) = ringing.first() {
                for line in [&order.caller, &order.callee] {
                    world.busy(line);
                }
                world.answer_and_hear();
                let told = world.connect_is(ConnectOutcome::Answered);
                completed.extend(told.into_iter().filter(|told| told.contains(" ended ")));
                for line in [&order.caller, &order.callee] {
                    world.free(line);
                }
            }
        }
        completed.sort();
        let expected =
            ["1 ended completed", "2 ended completed", "3 ended completed", "4 ended fulfilled-by-other-call"];
        assert_eq!(completed, expected);
        assert_eq!(world.engine.next_deadline(), None);
    }
}

#[test]
fn the_pair_talks_by_another_call() {
    let mut world = world();
    world.busy("1");
    world.ordered("2", "1");
    assert_eq!(world.call_answered("1", "2"), ["1 ended fulfilled-by-other-call"]);
}

#[test]
fn lines_services_and_numbers_change_while_orders_wait() {
    let mut world = world();
    world.free("1");
    world.ordered("2", "1");
    world.ordered("3", "1");
    // Changed numbers hold for orders accepted from then on, another profile too.
    world.service("2", Some(Profile::autodial()));
    let told = world.wait(5_000);
    assert_eq!(told, ["ring 2 shows 1 20000", "1 began 1"]);
    assert_eq!(world.service("2", None), ["release order-ended", "1 ended service-off"]);
    assert_eq!(world.released()[0], "ring 3 shows 1 20000");
    let told = world.send(Event::LineRemoved { line: number("1") });
    assert_eq!(told, ["release order-ended", "2 ended callee-gone"]);
    world.released();
    world.busy("4");
    world.ordered("3", "4");
    let told = world.send(Event::LineRemoved { line: number("3") });
    assert_eq!(told, ["3 ended caller-gone"]);
}

#[test]
fn a_removed_line_takes_the_offers_for_it_along() {
    let mut world = world();
    world.call_fails("2", "1");
    world.call_fails("2", "7");
    world.send(Event::LineRemoved { line: number("1") });
    world.send(Event::LineRemoved { line: number("7") });
    assert!(!world.engine.lines().any(|line| ["1", "7"].contains(&&*line.line)));
    world.send(Event::Line { line: number("1"), kind: LineKind::Internal });
    assert_eq!(world.order("2", Some("1")), ["reply no-offer"]);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn a_line_that_takes_more_than_one_call_is_busy_when_its_switch_says_so() {
    let mut world = world();
    // Call waiting was switched on while the order waited: the line is reported free though it talks.
    world.busy("1");
    world.ordered("2", "1");
    world.free("1");
    world.wait(5_000);
    world.answer_and_hear();
    assert_eq!(world.connect_is(ConnectOutcome::Answered), ["1 ended completed"]);
}

#[test]
fn sixty_days_without_an_event_and_a_clock_that_stands_still() {
    for profile in [Profile::autodial(), Profile::ccbs()] {
        let mut world = World::with(&profile, Limits::default());
        world.busy("1");
        world.ordered("2", "1");
        for _ in 0..100 {
            assert_eq!(world.jump(0), NOTHING);
        }
        assert_eq!(world.jump(60 * 86_400_000), ["1 ended expired"]);
        assert_eq!((world.engine.next_deadline(), world.engine.orders().count()), (None, 0));
    }
}

#[test]
fn a_thousand_lines_freed_at_once_do_not_flood_the_switch() {
    let limits = Limits { recalls_at_once: 40, recalls_per_second: 25, ..Limits::default() };
    let mut world = World::with(&Profile::ccbs(), limits);
    let pairs: Vec<_> = (0..1_000).map(|index| (format!("c{index}"), format!("b{index}"))).collect();
    for (caller, callee) in &pairs {
        world.service(caller, Some(Profile::ccbs()));
        world.busy(callee);
        world.ordered(caller, callee);
    }
    for (_, callee) in &pairs {
        world.free(callee);
    }
    let mut rung = Vec::new();
    let mut out = Vec::new();
    while rung.len() < 1_000 {
        world.now = world.engine.next_deadline().expect("more to ring");
        world.engine.advance(world.now, &mut out);
        let before = rung.len();
        let recalls: Vec<_> = out
            .drain(..)
            .filter_map(|action| match action {
                Action::Ring { recall, caller, .. } => Some((recall, caller)),
                _ => None,
            })
            .collect();
        for (recall, caller) in recalls {
            rung.push(caller.to_string());
            let outcome = RingOutcome::NoAnswer;
            world.engine.apply(world.now, &Event::RingOutcome { recall, outcome }, &mut out).expect("a good event");
        }
        assert!(rung.len() - before <= 25);
    }
    // In the order in which they became eligible, that is in which their lines were freed.
    assert!(rung.iter().eq(pairs.iter().map(|(caller, _)| caller)));
    assert_eq!(world.now - START, 5_000 + 39 * 1_000);
    assert_eq!(world.counted("turns_delayed_by_limit"), 975);
}

#[test]
fn the_prompts_of_a_recall_are_numbered_from_one() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    let plays = |world: &mut World, event: Event| {
        let mut out = Vec::new();
        world.engine.apply(world.now, &event, &mut out).expect("a good event");
        let number = |action: &Action| if let Action::Play { play, .. } = action { Some(*play) } else { None };
        out.iter().find_map(number)
    };
    let recall = world.recall();
    let answered = Event::RingOutcome { recall, outcome: RingOutcome::Answered };
    assert_eq!(plays(&mut world, answered), Some(1));
    let played = Event::PlayOutcome { recall, play: 1, outcome: PlayOutcome::Played };
    assert_eq!(plays(&mut world, played), None);
    let busy = Event::ConnectOutcome { recall, outcome: ConnectOutcome::Busy };
    assert_eq!(plays(&mut world, busy), Some(2));
}

#[test]
fn a_late_double_of_the_first_prompts_outcome_is_not_the_second_prompts() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    world.answer_and_hear();
    world.connect_is(ConnectOutcome::Busy);
    let first = |outcome| Event::PlayOutcome { recall: RecallId(1), play: 1, outcome };
    assert_eq!(world.send(first(PlayOutcome::Played)), NOTHING);
    assert_eq!(world.send(first(PlayOutcome::CallerGone)), NOTHING);
    assert_eq!((world.state("2", "1"), world.counted("outcomes_double")), ("telling", 2));
    assert_eq!(world.play_is(PlayOutcome::Played), ["release attempt-failed"]);
}

#[test]
fn a_prompts_hang_up_that_comes_late_does_not_cut_the_call() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.wait(10_000);
    world.answer_and_hear();
    assert_eq!(world.play_is(PlayOutcome::CallerGone), NOTHING);
    assert_eq!(world.state("2", "1"), "calling");
}

#[test]
fn each_way_to_misbehave_has_its_counter() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.send(Event::Released { recall: RecallId(1) });
    assert_eq!(world.counted("outcomes_for_unknown_recall"), 1);
    world.wait(10_000);
    world.released();
    world.connect_is(ConnectOutcome::Answered);
    world.send(Event::PlayOutcome { recall: RecallId(1), play: 3, outcome: PlayOutcome::Played });
    assert_eq!(world.counted("outcomes_out_of_order"), 3);
    world.ring_is(RingOutcome::Answered);
    world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(world.counted("outcomes_double"), 1);
    // The prompt's outcome does not come in time; later it does.
    let told = (0..600).map(|_| world.wait(1_000)).find(|told| !told.is_empty());
    assert_eq!(told.expect("a limit for the prompt"), ["release overdue"]);
    world.play_is(PlayOutcome::Played);
    assert_eq!(world.counted("outcomes_late"), 1);
    assert_eq!(ends(&world.cancel("2", None)), ["1 ended cancelled"]);
    world.play_is(PlayOutcome::Played);
    assert_eq!(world.counted("outcomes_for_ended_order"), 1);
    world.released();
    world.released();
    assert_eq!(world.counted("outcomes_for_ended_recall"), 1);
    assert_eq!(world.counted("outcomes_unexpected"), 6);
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn unconfigured_numbers_reported_busy_do_not_fill_the_memory() {
    let limits = Limits { unconfigured_lines: 10, ..Limits::default() };
    let mut world = World::with(&Profile::ccbs(), limits);
    for index in 0..1_000 {
        world.busy(&format!("8{index}"));
    }
    assert_eq!((world.engine.lines().count(), world.counted("busy_reports_not_kept")), (14, 990));
    // One that is known already is noted; a configured one always.
    world.ordered("2", "7");
    assert_eq!(world.busy("7"), ["1 CalleeBusy"]);
    world.send(Event::Line { line: number("500"), kind: LineKind::Internal });
    world.busy("500");
    assert!(world.engine.lines().any(|line| &*line.line == "500" && line.state == "busy"));
    let bad = Event::LineBusy { line: number("") };
    assert!(world.engine.apply(world.now, &bad, &mut Vec::new()).is_err());
    for index in 0..1_000 {
        world.free(&format!("8{index}"));
    }
    assert_eq!(world.engine.lines().count(), 6);
}

#[test]
fn memory_is_given_back_when_all_orders_have_ended() {
    let mut world = world();
    let mut sizes = Vec::new();
    for round in 0..50_u32 {
        for caller in ["1", "2", "3", "4"] {
            for callee in 0..5 {
                world.ordered(caller, &format!("9{round}{callee}"));
            }
        }
        world.wait(10_000_000);
        assert_eq!(world.engine.orders().count(), 0);
        assert_eq!((world.engine.lines().count(), world.engine.wheel.len()), (4, 0));
        sizes.push((world.engine.lines.slots(), world.engine.orders.slots()));
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

#[test]
fn the_numbers_of_both_profiles_are_checked_when_set() {
    let ccbs = |setting: &str, value: u32| {
        let mut profile = Profile::ccbs();
        let Drive::Release {
            callee_idle_guard_s,
            poll_first_s,
            poll_longest_s,
            service_duration_nr_s,
            service_duration_nl_s,
            restart_grace_s,
            ..
        } = &mut profile.drive
        else {
            unreachable!()
        };
        *match setting {
            "callee_idle_guard_s" => callee_idle_guard_s,
            "poll_first_s" => poll_first_s,
            "poll_longest_s" => poll_longest_s,
            "service_duration_nr_s" => service_duration_nr_s,
            "service_duration_nl_s" => service_duration_nl_s,
            _ => restart_grace_s,
        } = value;
        profile.check()
    };
    for (setting, min, max) in [
        ("callee_idle_guard_s", 0, 300),
        ("poll_first_s", 20, 900),
        ("poll_longest_s", 60, 3_600),
        ("service_duration_nr_s", 60, 86_400),
        ("service_duration_nl_s", 60, 86_400),
        ("restart_grace_s", 0, 300),
    ] {
        assert_eq!((ccbs(setting, min), ccbs(setting, max)), (Ok(()), Ok(())), "{setting}");
        // The first wait is not longer than the longest.
        let field = if (setting, max) == ("poll_first_s", 900) { "poll_longest_s" } else { setting };
        assert_eq!(ccbs(setting, max + 1).map_err(|error| error.field), Err(field));
        if min > 0 {
            assert_eq!(ccbs(setting, min - 1).map_err(|error| error.field), Err(setting));
        }
    }
    let autodial = |profile: Profile| profile.check().map_err(|error| error.field);
    let timer = |cb_timer_internal_s, cb_timer_external_s, attempts| Profile {
        drive: Drive::Timer { cb_timer_internal_s, cb_timer_external_s, attempts },
        ..Profile::autodial()
    };
    assert_eq!(autodial(timer(0, 1, 1)), Err("cb_timer_internal_s"));
    assert_eq!(autodial(timer(1, 3_601, 1)), Err("cb_timer_external_s"));
    assert_eq!(autodial(timer(1, 1, 21)), Err("attempts"));
    assert_eq!(autodial(timer(3_600, 3_600, 20)), Ok(()));
    assert_eq!(autodial(Profile { offer_window_s: 301, ..Profile::ccbs() }), Err("offer_window_s"));
}

#[test]
fn nothing_is_known_of_a_line_that_left_the_configuration() {
    let reports: [fn(&mut World); 3] = [|_| {}, |world| drop(world.busy("1")), |world| drop(world.free("1"))];
    for report in reports {
        let mut world = World::new();
        world.engine.line("1").expect("a number");
        report(&mut world);
        world.send(Event::LineRemoved { line: number("1") });
        world.send(Event::Line { line: number("1"), kind: LineKind::Internal });
        let line = world.engine.lines().find(|line| &*line.line == "1").expect("a line that is configured");
        assert_eq!(line.state, "unknown");
    }
}
