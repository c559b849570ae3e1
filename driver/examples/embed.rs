//! The service in a Rust program, without Python: `cargo run --release -p ccbs-driver --example embed`.
//!
//! A switch of one's own reports what happens and does what the actions say; here №1 is busy once, №2 orders,
//! and the recall is answered on both sides. The CB timer is one second, so that there is something to see.

use std::sync::mpsc::{Receiver, channel};

use ccbs_driver::{DrainError, Driver, MemoryStore, Settings, SystemClock};
use ccbs_engine::{
    Action, ConnectOutcome, Drive, Engine, Event, FailCause, Limits, LineKind, LineRef, PlayOutcome, Profile,
    RingOutcome, Step,
};

fn line(number: &str) -> LineRef {
    LineRef::Number(number.into())
}

/// What happened before the order.
fn prelude() -> Vec<Event> {
    let mut profile = Profile::autodial();
    profile.drive = Drive::Timer { cb_timer_internal_s: 1, cb_timer_external_s: 1, attempts: 3 };
    vec![
        Event::Line { line: line("1"), kind: LineKind::Internal },
        Event::Line { line: line("2"), kind: LineKind::Internal },
        Event::Service { line: line("2"), profile: Some(Box::new(profile)) },
        Event::LineFree { line: line("2") },
        Event::CallFailed { caller: line("2"), callee: line("1"), cause: FailCause::Busy },
        Event::Order { request: 1, caller: line("2"), callee: Some(line("1")) },
    ]
}

/// A switch on which everything succeeds: the answer to an action, if it needs one.
fn carry_out(action: &Action) -> Option<Event> {
    match action {
        Action::Ring { recall, .. } => Some(Event::RingOutcome { recall: *recall, outcome: RingOutcome::Answered }),
        Action::Play { recall, play, .. } => {
            Some(Event::PlayOutcome { recall: *recall, play: *play, outcome: PlayOutcome::Played })
        }
        Action::Connect { recall, .. } => {
            Some(Event::ConnectOutcome { recall: *recall, outcome: ConnectOutcome::Answered })
        }
        Action::Release { recall, .. } => Some(Event::Released { recall: *recall }),
        Action::Reply { .. } | Action::Step { .. } => None,
    }
}

fn serve(driver: &Driver, woken: &Receiver<()>) -> Result<(), Box<dyn std::error::Error>> {
    driver.submit(prelude())?;
    loop {
        woken.recv()?;
        let actions = match driver.drain() {
            Ok(actions) => actions,
            Err(DrainError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for action in &actions {
            println!("{action:?}");
            if let Some(answer) = carry_out(action) {
                driver.submit(vec![answer])?;
            }
            if matches!(action, Action::Step { step: Step::Ended { .. }, .. }) {
                driver.close();
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (wake, woken) = channel();
    let driver = Driver::start(
        Engine::new(Limits::default())?,
        MemoryStore::new(),
        SystemClock::new(),
        Settings::default(),
        move || {
            // The receiver is gone only when the program ends.
            wake.send(()).ok();
        },
    )?;
    serve(&driver, &woken)
}
