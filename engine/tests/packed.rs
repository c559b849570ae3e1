//! The packed layouts, byte for byte: programs in other languages rely on them.

use ccbs_engine::packed::{
    ACTION_BYTES, ACTION_FIELDS, EVENT_BYTES, EVENT_FIELDS, EVENT_KINDS, Field, IN_NUMBERS, NO_TIME,
};
use ccbs_engine::{
    Action, AttemptFailure, Engine, Event, FailCause, Limits, LineId, LineKind, LineRef, OrderId, PlayOutcome, Profile,
    Prompt, RecallId, Step,
};

fn engine() -> Engine {
    let mut engine = Engine::new(Limits::default()).unwrap();
    assert_eq!(engine.line("101").unwrap(), LineId(0));
    assert_eq!(engine.line("102").unwrap(), LineId(1));
    engine
}

fn number(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

#[test]
fn the_fields_follow_each_other_without_a_hole() {
    for (fields, length) in [(&EVENT_FIELDS[..], EVENT_BYTES), (&ACTION_FIELDS[..], ACTION_BYTES)] {
        let end = fields.iter().fold(0, |end, &Field { name, offset, bytes }| {
            assert_eq!(offset, end, "{name}");
            assert_eq!(offset % bytes, 0, "{name} is aligned");
            end + bytes
        });
        assert_eq!(end, length);
    }
}

#[test]
fn an_event_is_these_24_bytes() {
    let failed = Event::CallFailed { caller: number("102"), callee: number("101"), cause: FailCause::NotLoggedIn };
    let played = Event::PlayOutcome { recall: RecallId(0x0102_0304_0506_0708), play: 2, outcome: PlayOutcome::Failed };
    let order = Event::Order { request: 5, caller: number("101"), callee: None };
    let line = Event::Line { line: number("102"), kind: LineKind::External };
    let bytes = engine().pack_events(&[failed, played, order, line]).unwrap();
    let expected: [[u8; EVENT_BYTES]; 4] = [
        [9, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [15, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1],
        [11, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn an_action_is_these_64_bytes() {
    let ring = Action::Ring {
        recall: RecallId(3),
        order: OrderId(2),
        caller: "102".into(),
        callee: "7".into(),
        timeout_ms: 20_000,
    };
    let step = Action::Step {
        order: OrderId(2),
        caller: "102".into(),
        callee: "101".into(),
        step: Step::AttemptFailed { attempt: 1, attempts: None, failure: AttemptFailure::CallerBusy, due: None },
    };
    let prompts = vec![Prompt::BusyAgain, Prompt::AttemptsUsedUp];
    let play = Action::Play { recall: RecallId(3), order: OrderId(2), play: 2, prompts: prompts.into() };
    let engine = engine();
    let packed = engine.pack_actions(&[ring.clone(), step.clone(), play.clone()]).unwrap();
    assert_eq!(packed.numbers, ["7"]);
    let word = |value: u32| value.to_le_bytes();
    let record = |head: [u8; 4], words: [u32; 7], longs: [u64; 4]| {
        let words = words.map(word).concat();
        [head.to_vec(), words, longs.map(u64::to_le_bytes).concat()].concat()
    };
    let expected = [
        record([2, 0, 0, 0], [1, IN_NUMBERS, 0, 0, 0, 0, 20_000], [2, 3, 0, 0]),
        record([6, 10, 1, 0], [1, 0, 0, 0, 1, 0, 0], [2, 0, NO_TIME, 0]),
        record([3, 1, 0, 1], [0, 0, 2, 0, 0, 0, 0], [2, 3, 0, 0]),
        record([3, 3, 0, 0], [0, 0, 2, 0, 0, 0, 0], [2, 3, 0, 0]),
    ];
    assert_eq!(packed.records, expected.concat());
    assert_eq!(engine.unpack_actions(&packed).unwrap(), [ring, step, play]);
}

#[test]
fn every_kind_has_its_number_and_uses_what_it_says() {
    let mut engine = engine();
    for (kind, (name, used)) in (1_u8..).zip(EVENT_KINDS) {
        for field in &EVENT_FIELDS[1..] {
            let mut record = [0; EVENT_BYTES];
            record[0] = kind;
            record[field.offset] = 1;
            let taken = engine.apply_packed(0, &record, &mut Vec::new());
            if used.contains(&field.offset) {
                assert_eq!(taken, Ok(()), "{name} uses {}", field.name);
            } else {
                let error = taken.unwrap_err();
                assert_eq!(error.field, format!("events[0].{}", field.name));
                assert_eq!(error.what, format!("1, expected 0: {name} does not use it"));
            }
        }
    }
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all_by_objects_too() {
    let mut engine = engine();
    let before = engine.snapshot();
    let profile = Profile { offer_window_s: 1, ..Profile::autodial() };
    let wrong = [
        (Event::LineBusy { line: LineRef::Id(LineId(2)) }, "events[1].line", "line handle 2 is unknown"),
        (Event::Query { request: 1, caller: number("") }, "events[1].caller", "number of 0 bytes"),
        (
            Event::Service { line: number("101"), profile: Some(Box::new(profile)) },
            "events[1].profile",
            "profile: offer_window_s",
        ),
    ];
    for (event, field, what) in wrong {
        let batch = [Event::LineBusy { line: number("101") }, event];
        let error = engine.apply_all(9, &batch, &mut Vec::new()).unwrap_err();
        assert_eq!(error.field, field);
        assert!(error.what.starts_with(what), "{error}");
        assert_eq!(engine.snapshot(), before);
    }
}
