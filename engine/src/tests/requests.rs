//! Orders, cancels, questions, offers, and what becomes of lines.

use super::world::{START, World, number};
use crate::*;

const NOTHING: [&str; 0] = [];

#[test]
fn only_a_number_that_was_refused_to_the_same_caller_in_the_window_may_be_ordered() {
    let mut world = World::new();
    assert_eq!(world.order("2", Some("1")), ["reply no-offer"]);
    assert_eq!(world.order("2", None), ["reply no-offer"]);
    world.call_fails("2", "1");
    assert_eq!(world.order("3", Some("1")), ["reply no-offer"]);
    assert_eq!(world.order("2", Some("4")), ["reply no-offer"]);
    world.wait(29_999);
    assert_eq!(world.order("2", Some("1"))[0], "reply accepted 1 1 at 1");
    world.cancel("2", None);
    world.wait(1);
    assert_eq!(world.order("2", Some("1")), ["reply no-offer"]);
    assert_eq!(world.counted("offers_lapsed"), 1);
}

#[test]
fn a_call_that_failed_for_another_reason_than_busy_opens_no_offer() {
    let mut world = World::new();
    for cause in [FailCause::NoReply, FailCause::NotLoggedIn] {
        world.send(Event::CallFailed { caller: number("2"), callee: number("1"), cause });
    }
    world.call_fails("2", "2");
    world.call_fails("7", "2");
    assert_eq!(world.order("2", Some("1")), ["reply no-offer"]);
    assert_eq!(world.counted("calls_without_offer"), 4);
}

#[test]
fn the_last_number_that_failed_is_ordered_when_none_is_named() {
    let mut world = World::new();
    world.call_fails("2", "1");
    world.call_fails("2", "4");
    world.call_fails("2", "1");
    assert_eq!(world.order("2", None)[0], "reply accepted 1 1 at 1");
    assert_eq!(world.order("2", None), ["reply confirmed 1 1 at 1"]);
    assert_eq!(world.order("2", Some("4"))[0], "reply accepted 2 4 at 1");
}

#[test]
fn the_last_number_that_failed_is_not_an_earlier_one_that_was_busy() {
    let mut world = World::new();
    for (callee, cause) in [("4", FailCause::Other), ("4", FailCause::NoReply), ("2", FailCause::Busy)] {
        world.call_fails("2", "1");
        world.send(Event::CallFailed { caller: number("2"), callee: number(callee), cause });
        assert_eq!(world.order("2", None), ["reply no-offer"]);
    }
    assert_eq!(world.order("2", Some("1"))[0], "reply accepted 1 1 at 1");
    world.call_fails("2", "4");
    assert_eq!(world.order("2", None)[0], "reply accepted 2 4 at 1");
}

#[test]
fn a_repeated_call_opens_the_window_anew_and_a_shorter_window_ends_sooner() {
    let mut world = World::new();
    world.call_fails("2", "1");
    world.wait(20_000);
    world.call_fails("2", "1");
    world.wait(20_000);
    assert_eq!(world.order("2", Some("1"))[0], "reply accepted 1 1 at 1");
    world.service("2", Some(Profile { offer_window_s: 5, ..Profile::autodial() }));
    world.call_fails("2", "4");
    world.wait(5_000);
    assert_eq!(world.counted("offers_lapsed"), 1);
    assert_eq!(world.order("2", Some("4")), ["reply no-offer"]);
}

#[test]
fn the_oldest_offer_makes_room() {
    let mut world = World::with(&Profile::autodial(), Limits { offers_per_caller: 2, ..Limits::default() });
    for callee in ["1", "3", "1", "4"] {
        world.call_fails("2", callee);
    }
    assert_eq!(world.counted("offers_displaced"), 1);
    assert_eq!(world.order("2", Some("3")), ["reply no-offer"]);
    assert_eq!(world.order("2", Some("1"))[0], "reply accepted 1 1 at 1");
    assert_eq!(world.order("2", Some("4"))[0], "reply accepted 2 4 at 1");
}

#[test]
fn who_may_order() {
    let mut world = World::new();
    world.call_fails("7", "1");
    assert_eq!(world.order("7", Some("1")), ["reply not-allowed"]);
    assert_eq!(world.order("unknown", None), ["reply not-allowed"]);
    world.service("2", None);
    world.call_fails("2", "1");
    assert_eq!(world.order("2", Some("1")), ["reply not-allowed"]);
    assert_eq!(world.order("3", Some("3")), ["reply own-number"]);
    assert_eq!(world.counted("orders_denied_not_allowed"), 3);
}

#[test]
fn the_same_order_again_is_confirmed_and_changes_nothing() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "1");
    let before = world.engine.orders().collect::<Vec<_>>();
    world.wait(5_000);
    assert_eq!(world.order("3", Some("1")), ["reply confirmed 2 1 at 2"]);
    world.call_fails("2", "1");
    assert_eq!(world.order("2", Some("1")), ["reply confirmed 1 1 at 1"]);
    assert_eq!(world.engine.orders().collect::<Vec<_>>(), before);
    // Confirmed also when the offer's window is over.
    world.wait(40_000);
    assert_eq!(world.order("2", Some("1")), ["reply confirmed 1 1 at 1"]);
}

#[test]
fn limits_of_caller_callee_and_engine() {
    let profile = Profile { orders_per_caller: 2, waiting_per_callee: 2, ..Profile::autodial() };
    let mut world = World::with(&profile, Limits { orders_total: 4, ..Limits::default() });
    world.ordered("2", "1");
    world.ordered("2", "7");
    world.call_fails("2", "8");
    assert_eq!(world.order("2", None), ["reply caller-limit"]);
    world.ordered("3", "1");
    world.call_fails("4", "1");
    assert_eq!(world.order("4", None), ["reply callee-limit"]);
    world.ordered("4", "7");
    world.call_fails("4", "9");
    assert_eq!(world.order("4", None), ["reply overload"]);
    world.cancel("2", None);
    assert_eq!(world.order("4", None)[0], "reply accepted 5 9 at 1");
    for name in ["orders_denied_caller_limit", "orders_denied_callee_limit", "orders_denied_overload"] {
        assert_eq!(world.counted(name), 1);
    }
}

#[test]
fn cancel_one_or_all_and_ask() {
    let mut world = World::new();
    assert_eq!(world.query("2"), ["reply nothing"]);
    assert_eq!(world.cancel("2", None), ["reply nothing"]);
    for callee in ["1", "7", "4"] {
        world.ordered("2", callee);
    }
    assert_eq!(world.query("2"), ["reply ordered 1 7 4"]);
    assert_eq!(world.cancel("2", Some("3")), ["reply nothing"]);
    assert_eq!(world.cancel("2", Some("7")), ["2 ended cancelled", "reply cancelled [2]"]);
    assert_eq!(world.query("2"), ["reply ordered 1 4"]);
    assert_eq!(world.cancel("2", None), ["1 ended cancelled", "3 ended cancelled", "reply cancelled [1, 3]"]);
    assert_eq!(world.query("2"), ["reply nothing"]);
    assert_eq!(world.query("unknown"), ["reply nothing"]);
}

#[test]
fn the_operator_cancels_by_identity() {
    let mut world = World::new();
    world.ordered("2", "1");
    let cancel = |world: &mut World| world.send(Event::OperatorCancel { request: 9, order: OrderId(1) });
    assert_eq!(cancel(&mut world), ["1 ended cancelled-by-operator", "reply cancelled [1]"]);
    assert_eq!(cancel(&mut world), ["reply nothing"]);
}

#[test]
fn a_changed_profile_holds_for_orders_accepted_from_then_on() {
    let mut world = World::new();
    world.ordered("2", "1");
    let drive = Drive::Timer { cb_timer_internal_s: 5, cb_timer_external_s: 5, attempts: 1 };
    world.service("2", Some(Profile { drive, ..Profile::autodial() }));
    world.ordered("2", "4");
    assert_eq!(world.wait(5_000), ["ring 2 shows 4 20000", "2 began 1/1"]);
    world.ring_is(RingOutcome::NoAnswer);
    assert_eq!(world.wait(5_000), ["ring 2 shows 1 20000", "1 began 1/3"]);
}

#[test]
fn service_off_ends_what_the_line_ordered() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("1", "2");
    world.wait(10_000);
    assert_eq!(world.service("2", None), ["release order-ended", "1 ended service-off"]);
    assert_eq!(world.state("1", "2"), "queued");
}

#[test]
fn a_removed_line_ends_its_orders_in_both_roles() {
    let mut world = World::new();
    world.ordered("2", "1");
    world.ordered("3", "2");
    world.ordered("3", "4");
    world.call_fails("4", "2");
    let told = world.send(Event::LineRemoved { line: number("2") });
    assert_eq!(told, ["1 ended caller-gone", "2 ended callee-gone"]);
    assert_eq!(world.state("3", "4"), "waiting");
    assert_eq!(world.order("4", Some("2")), ["reply no-offer"]);
    assert_eq!(world.order("4", None), ["reply no-offer"]);
    world.wait(30_000);
    assert!(!world.engine.lines().any(|line| &*line.line == "2"));
}

#[test]
fn a_changed_kind_holds_for_cb_timers_from_then_on() {
    let mut world = World::new();
    world.ordered("2", "7");
    world.send(Event::Line { line: number("7"), kind: LineKind::Internal });
    assert_eq!(world.wait(20_000)[0], "ring 2 shows 7 20000");
    assert_eq!(world.ring_is(RingOutcome::NoAnswer), ["1 failed 1/3 CallerNoAnswer due 30000"]);
}

#[test]
fn numbers_that_nothing_refers_to_are_forgotten() {
    let mut world = World::new();
    for callee in 0..10_000 {
        world.call_fails("2", &format!("8{callee}"));
        world.send(Event::LineFree { line: LineRef::Number(format!("9{callee}").into()) });
    }
    let limit = world.engine.limits().offers_per_caller as usize;
    assert_eq!(world.engine.lines().count(), 4 + limit);
    assert_eq!(world.engine.lines.slots() as usize, 4 + limit + 1);
    world.wait(30_000);
    assert_eq!(world.engine.lines().count(), 4);
    assert_eq!(world.engine.next_deadline(), None);
    // A busy line is kept while it is busy.
    world.busy("500");
    assert_eq!(world.engine.lines().count(), 5);
    world.free("500");
    assert_eq!(world.engine.lines().count(), 4);
}

#[test]
fn a_handle_keeps_its_number() {
    let mut world = World::new();
    let id = world.engine.line("555").expect("a good number");
    assert_eq!(world.engine.line("555"), Ok(id));
    world.call_fails("2", "555");
    assert_eq!(world.order("2", None)[0], "reply accepted 1 555 at 1");
    world.send(Event::LineRemoved { line: LineRef::Id(id) });
    world.wait(60_000);
    assert_eq!(world.engine.number(id).as_deref(), Some("555"));
    let unpinned = LineId(0);
    assert_eq!(world.engine.number(unpinned), None);
    let mut out = Vec::new();
    for line in [unpinned, LineId(9_999)] {
        let event = Event::LineFree { line: LineRef::Id(line) };
        assert_eq!(world.engine.apply(world.now, &event, &mut out), Err(EngineError::UnknownLine(line)));
    }
    assert_eq!(world.counted("events_refused"), 2);
}

#[test]
fn bad_events_are_refused_and_counted() {
    let mut world = World::new();
    let mut out = Vec::new();
    let long = "1".repeat(256);
    for bad in ["", long.as_str()] {
        let event = Event::Line { line: number(bad), kind: LineKind::Internal };
        let error = world.engine.apply(world.now, &event, &mut out).expect_err("a bad number");
        assert!(error.to_string().contains("a line's number has 1–255"), "{error}");
        assert!(world.engine.line(bad).is_err());
    }
    let profile = Some(Box::new(Profile { caller_ring_s: 4, ..Profile::autodial() }));
    let event = Event::Service { line: number("2"), profile };
    let error = world.engine.apply(world.now, &event, &mut out).expect_err("a bad profile");
    assert_eq!(error.to_string(), "profile: caller_ring_s: 4 is outside 5–180");
    assert_eq!(world.order("2", Some(&long)), ["reply no-offer"]);
    assert_eq!(world.counted("events_refused"), 3);
}

#[test]
fn limits_are_checked() {
    for (limits, text) in [
        (Limits { orders_total: 0, ..Limits::default() }, "orders_total: 0 is outside 1–10000000"),
        (Limits { recalls_at_once: 100_001, ..Limits::default() }, "recalls_at_once: 100001 is outside 1–100000"),
        (Limits { recalls_per_second: 0, ..Limits::default() }, "recalls_per_second: 0 is outside 1–10000"),
        (Limits { offers_per_caller: 101, ..Limits::default() }, "offers_per_caller: 101 is outside 1–100"),
    ] {
        assert_eq!(Engine::new(limits).err().map(|error| error.to_string()).as_deref(), Some(text));
    }
}

#[test]
fn time_does_not_run_backwards_nor_out_of_range() {
    let mut world = World::new();
    world.ordered("2", "1");
    let mut out = Vec::new();
    world.engine.advance(START - 5, &mut out);
    assert_eq!((world.engine.now(), world.counted("time_went_back")), (START, 1));
    assert_eq!(world.engine.next_deadline(), Some(START + 10_000));
    world.engine.advance(u64::MAX, &mut out);
    assert_eq!(world.counted("time_too_late"), 1);
    assert_eq!(world.engine.orders().count(), 0);
    world.engine.apply(u64::MAX, &Event::Restarted, &mut out).expect("a good event");
    world.now = world.engine.now();
    world.ordered("2", "1");
    // Time stands still there.
    assert_eq!(world.jump(10_000), NOTHING);
}

#[test]
fn an_engine_may_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Engine>();
}

#[test]
fn an_event_names_the_lines_that_it_is_about() {
    let (caller, callee) = (LineRef::Number("102".into()), LineRef::Number("101".into()));
    let of_one = [
        Event::LineBusy { line: caller.clone() },
        Event::LineFree { line: caller.clone() },
        Event::LineUnknown { line: caller.clone() },
        Event::LineRegistered { line: caller.clone() },
        Event::LineUnregistered { line: caller.clone() },
        Event::LineRemoved { line: caller.clone() },
    ];
    for event in of_one {
        assert_eq!(event.lines(), (Some(&caller), None), "{event:?}");
    }
    let answered = Event::CallAnswered { caller: caller.clone(), callee: callee.clone() };
    assert_eq!(answered.lines(), (Some(&caller), Some(&callee)));
    let order = Event::Order { request: 1, caller: caller.clone(), callee: Some(callee.clone()) };
    assert_eq!(order.lines(), (Some(&caller), Some(&callee)));
    assert_eq!(Event::Query { request: 2, caller: caller.clone() }.lines(), (Some(&caller), None));
    assert_eq!(Event::Restarted.lines(), (None, None));
}

#[test]
fn a_denial_for_want_of_room_may_pass_and_one_of_right_does_not() {
    for denial in [Denial::CallerLimit, Denial::CalleeLimit, Denial::Overload] {
        assert!(denial.is_short_term(), "{denial:?}");
    }
    for denial in [Denial::NotAllowed, Denial::NoOffer, Denial::OwnNumber] {
        assert!(!denial.is_short_term(), "{denial:?}");
    }
}

#[test]
fn timers_are_those_of_the_orders() {
    let mut world = World::with(&Profile::autodial(), Limits::default());
    assert_eq!(world.engine.timers(), 0);
    world.ordered("2", "1");
    assert!(world.engine.timers() > 0);
}
