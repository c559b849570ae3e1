//! Records of a recording, damaged: they cannot be read, or the engine takes or refuses them by its rules.

#[path = "../../engine/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../../engine/tests/fuzz/random.rs"]
mod random;

use ccbs_driver::{Input, Record};
use ccbs_engine::{Engine, Event, FailCause, Limits, LineId, LineKind, LineRef, Profile, RecallId, RingOutcome};
use random::Random;

fn history() -> Vec<Record> {
    let line = |number: &str| LineRef::Number(number.into());
    let at = |now: u64, input: Input| Record { now: 1_700_000_000_000 + now, input };
    vec![
        at(0, Input::Lines(vec!["101".into(), "102".into()])),
        at(
            0,
            Input::Events(vec![
                Event::Line { line: line("101"), kind: LineKind::Internal },
                Event::Service { line: line("102"), profile: Some(Box::new(Profile::autodial())) },
                Event::Service { line: line("103"), profile: Some(Box::new(Profile::ccbs())) },
            ]),
        ),
        at(
            5,
            Input::Events(vec![
                Event::LineBusy { line: LineRef::Id(LineId(0)) },
                Event::CallFailed { caller: line("102"), callee: line("101"), cause: FailCause::Busy },
                Event::Order { request: 1, caller: LineRef::Id(LineId(1)), callee: None },
                Event::CallFailed { caller: line("103"), callee: line("101"), cause: FailCause::NoReply },
                Event::Order { request: 2, caller: line("103"), callee: Some(line("101")) },
            ]),
        ),
        at(20_000, Input::Timers),
        at(21_000, Input::Events(vec![Event::RingOutcome { recall: RecallId(1), outcome: RingOutcome::Answered }])),
        at(90_000, Input::Timers),
    ]
}

#[test]
fn damaged_records_never_panic_and_leave_the_engine_whole() {
    let seed = std::env::var("CCBS_FUZZ_SEED").map_or(1, |seed| seed.parse().expect("CCBS_FUZZ_SEED is a number"));
    let runs = std::env::var("CCBS_FUZZ").map_or(60_000, |inputs| inputs.parse().expect("CCBS_FUZZ is a number")) / 6;
    let good: Vec<Vec<u8>> = history().iter().map(|record| rmp_serde::to_vec_named(record).unwrap()).collect();
    let (mut read, mut unreadable, mut refused) = (0_u64, 0_u64, 0);
    for run in 0_u64..runs {
        let mut random = Random::new(seed << 32 | run);
        let mut engine = Engine::new(Limits::default()).unwrap();
        let mut actions = Vec::new();
        for record in &good {
            let mut bytes = record.clone();
            if random.once_in(2) {
                if random.once_in(4) {
                    mutate::bytes(&mut random, &mut bytes);
                } else {
                    mutate::value(&mut random, &mut bytes);
                }
            }
            match rmp_serde::from_slice::<Record>(&bytes) {
                Ok(record) => {
                    read += 1;
                    refused += record.apply(&mut engine, &mut actions).len();
                }
                Err(_) => unreadable += 1,
            }
        }
        if let Err(error) = engine.check() {
            panic!("run {run} of CCBS_FUZZ_SEED={seed}: {error}");
        }
    }
    println!("records: {read} read, {unreadable} unreadable, {refused} events or numbers refused");
    assert!(read > runs && unreadable > runs / 10 && refused > 0);
}
