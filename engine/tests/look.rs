//! What one may look at between inputs.

use ccbs_engine::life::State;
use ccbs_engine::{
    Action, Denial, Engine, Event, FailCause, Limits, LineId, LineKind, LineLook, LineRef, OrderId, OrderKind, Profile,
    Reply, RingOutcome,
};

const START: u64 = 1_700_000_000_000;

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

/// Lines 1, 2 and 3, which may order by this profile.
fn office(profile: &Profile) -> Engine {
    let mut engine = Engine::new(Limits { recalls_at_once: 1, ..Limits::default() }).expect("limits in range");
    for number in ["1", "2", "3"] {
        apply(&mut engine, START, &Event::Line { line: line(number), kind: LineKind::Internal });
        let profile = Some(Box::new(profile.clone()));
        apply(&mut engine, START, &Event::Service { line: line(number), profile });
    }
    engine
}

fn apply(engine: &mut Engine, now: u64, event: &Event) -> Vec<Action> {
    let mut out = Vec::new();
    engine.apply(now, event, &mut out).expect("a good event");
    engine.check().expect("a consistent engine");
    out
}

fn order(engine: &mut Engine, caller: &str, callee: &str) -> OrderId {
    let failed = Event::CallFailed { caller: line(caller), callee: line(callee), cause: FailCause::Busy };
    apply(engine, START, &failed);
    let out = apply(engine, START, &Event::Order { request: 1, caller: line(caller), callee: None });
    match &out[0] {
        Action::Reply { reply: Reply::Accepted { order, .. }, .. } => *order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_looked_at_with_its_place_its_times_and_its_lines() {
    let mut engine = office(&Profile::autodial());
    apply(&mut engine, START, &Event::LineBusy { line: line("1") });
    apply(&mut engine, START, &Event::LineFree { line: line("3") });
    apply(&mut engine, START, &Event::LineRegistered { line: line("1") });
    apply(&mut engine, START, &Event::LineUnregistered { line: line("3") });
    let (second, third) = (order(&mut engine, "2", "1"), order(&mut engine, "3", "1"));
    assert_eq!(engine.waiting_for("1").collect::<Vec<_>>(), [second, third]);
    assert_eq!(engine.waiting_for("2").chain(engine.waiting_for("no such number")).count(), 0);

    let look = engine.look(third).expect("an order that stands");
    assert_eq!((look.kind, look.state, look.place, look.queue), (OrderKind::Busy, State::Waiting, 2, 2));
    assert_eq!((look.attempt, look.attempts), (0, Some(3)));
    assert_eq!((look.due, look.expires), (Some(START + 10_000), START + 2_700_000));
    assert!(!look.eligible);
    let caller = LineLook { number: "3".into(), busy: Some(false), registered: Some(false), recall: None };
    let callee = LineLook { number: "1".into(), busy: Some(true), registered: Some(true), recall: None };
    assert_eq!((look.caller, look.callee), (caller, callee));
    let of_second = engine.look(second).expect("an order that stands");
    assert_eq!((of_second.place, of_second.caller.busy, of_second.caller.registered), (1, None, None));
}

#[test]
fn a_recall_holds_both_lines_and_a_limit_keeps_the_eligible() {
    let mut engine = office(&Profile::autodial());
    let (held, other) = (order(&mut engine, "2", "1"), order(&mut engine, "3", "7"));
    let mut out = Vec::new();
    engine.advance(START + 10_000, &mut out);
    let Some(&Action::Ring { recall, .. }) = out.first() else { panic!("{out:?}") };
    let look = engine.look(held).expect("an order that stands");
    assert_eq!((look.state, look.attempt, look.due, look.eligible), (State::Ringing, 1, None, false));
    assert_eq!((look.caller.recall, look.callee.recall), (Some(held), Some(held)));

    engine.advance(START + 20_000, &mut out);
    let look = engine.look(other).expect("an order that stands");
    assert_eq!((look.state, look.eligible, look.caller.recall), (State::Queued, true, None));

    // Ended in its recall, it is no longer looked at; its lines are held until the legs are gone.
    let ended = Event::RingOutcome { recall, outcome: RingOutcome::Answered };
    apply(&mut engine, START + 20_000, &ended);
    apply(&mut engine, START + 20_000, &Event::Cancel { request: 2, caller: line("2"), callee: None });
    assert_eq!(engine.look(held), None);
    assert!(engine.lines().any(|view| &*view.line == "1" && view.in_recall));
}

#[test]
fn an_order_of_ccbs_has_no_number_of_attempts() {
    let mut engine = office(&Profile::ccbs());
    apply(&mut engine, START, &Event::LineBusy { line: line("1") });
    let id = order(&mut engine, "2", "1");
    let look = engine.look(id).expect("an order that stands");
    assert_eq!((look.state, look.attempts, look.due), (State::Watching, None, None));
}

#[test]
fn a_number_is_known_while_something_refers_to_it() {
    let mut engine = office(&Profile::autodial());
    assert!(engine.knows("1") && !engine.knows("7"));
    order(&mut engine, "2", "7");
    assert!(engine.knows("7"));
    apply(&mut engine, START, &Event::Cancel { request: 3, caller: line("2"), callee: None });
    // The offer, which the order left standing, is the last that refers to it.
    let mut out = Vec::new();
    engine.advance(START + 29_999, &mut out);
    assert!(engine.knows("7"));
    engine.advance(START + 30_000, &mut out);
    assert!(!engine.knows("7"));
}

#[test]
fn each_denial_is_short_term_or_long_term_as_the_standards_have_it() {
    let short = [Denial::CallerLimit, Denial::CalleeLimit, Denial::Overload];
    let long = [Denial::NotAllowed, Denial::NoOffer, Denial::OwnNumber];
    assert!(short.iter().all(|denial| denial.is_short_term()));
    assert!(!long.iter().any(|denial| denial.is_short_term()));
}

#[test]
fn a_number_has_one_to_so_many_bytes() {
    let longest = "1".repeat(ccbs_engine::LONGEST_NUMBER);
    assert_eq!((Engine::check_number("101"), Engine::check_number(&longest)), (Ok(()), Ok(())));
    for wrong in ["", &format!("{longest}1")] {
        assert!(Engine::check_number(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_has_no_packed_form_is_refused_by_its_field() {
    let mut engine = office(&Profile::autodial());
    let handle = engine.line("1").expect("a number");
    let refused = |event: Event| engine.pack_events(&[event]).expect_err("no packed form").to_string();
    let profile = Some(Box::new(Profile::autodial()));
    assert!(refused(Event::Service { line: LineRef::Id(handle), profile }).contains("profile"));
    assert!(refused(Event::OperatorCancel { request: 4, order: OrderId(1) }).contains("operator"));
    assert!(refused(Event::LineBusy { line: line("2") }).contains("2 has no handle"));
    assert!(refused(Event::LineBusy { line: LineRef::Id(LineId(1_000)) }).contains("1000"));
    let busy = engine.pack_events(&[Event::LineBusy { line: LineRef::Id(handle) }]).expect("a packed form");
    assert_eq!(engine.unpack_events(&busy), Ok(vec![Event::LineBusy { line: LineRef::Id(handle) }]));
}
