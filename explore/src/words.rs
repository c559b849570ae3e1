//! A history in words.

use std::fmt::Write;

use ccbs_engine::{Action, Drive, Event, FailCause, LineRef, Reply, Step};

use crate::history::Moment;
use crate::world::{Move, World};

/// A history in sentences, one a line, with times from the world's beginning.
pub fn tell(world: &World, moments: &[Moment]) -> String {
    let mut text = String::new();
    for moment in moments {
        let _ = write!(text, "{:>8.1} s  {}", seconds(moment.at), happened(world, &moment.step));
        for action in &moment.actions {
            let _ = write!(text, "\n{:12}→ {}", "", did(action));
        }
        text.push('\n');
        if let Some((rule, what)) = &moment.wrong {
            let _ = writeln!(text, "{:12}broken: {rule}\n{:12}{what}", "", "");
        }
    }
    text
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

fn line(line: &LineRef) -> String {
    match line {
        LineRef::Number(number) => number.to_string(),
        LineRef::Id(id) => format!("line {}", id.0),
    }
}

fn happened(world: &World, step: &Move) -> String {
    match step {
        Move::Time => "time passes".to_owned(),
        Move::SixtyDays => "sixty days pass".to_owned(),
        Move::Back => "the clock goes back by a second".to_owned(),
        Move::Event(event) => event_in_words(world, event),
    }
}

fn event_in_words(world: &World, event: &Event) -> String {
    match event {
        Event::Line { line: one, kind } => format!("{} is configured, {kind:?}", line(one)),
        Event::LineRemoved { line: one } => format!("{} leaves the configuration", line(one)),
        Event::Service { line: one, profile: None } => format!("the service of {} is switched off", line(one)),
        Event::Service { line: one, profile: Some(profile) } => {
            let place = world.profiles.iter().position(|known| *known == **profile).unwrap_or_default();
            let drive = if matches!(profile.drive, Drive::Timer { .. }) { "autodial" } else { "ccbs" };
            format!("the service of {} is set to profile {place} ({drive})", line(one))
        }
        Event::LineBusy { line: one } => format!("{} is busy", line(one)),
        Event::LineFree { line: one } => format!("{} is free", line(one)),
        Event::LineUnknown { line: one } => format!("nobody can say whether {} is busy", line(one)),
        Event::LineRegistered { line: one } => format!("a phone of {} registers", line(one)),
        Event::LineUnregistered { line: one } => format!("{} has no registered phone any more", line(one)),
        Event::CallFailed { caller, callee, cause } => {
            let why = match cause {
                FailCause::Busy => "and hears busy",
                FailCause::NoReply => "who does not answer",
                FailCause::NotLoggedIn => "who has no registered phone",
                FailCause::Other => "and the call fails",
            };
            format!("{} calls {}, {why}", line(caller), line(callee))
        }
        Event::CallAnswered { caller, callee } => format!("{} calls {}, who answers", line(caller), line(callee)),
        Event::Order { caller, callee: Some(callee), .. } => format!("{} orders {}", line(caller), line(callee)),
        Event::Order { caller, .. } => format!("{} orders the last number", line(caller)),
        Event::Cancel { caller, callee: Some(callee), .. } => format!("{} cancels {}", line(caller), line(callee)),
        Event::Cancel { caller, .. } => format!("{} cancels all", line(caller)),
        Event::Query { caller, .. } => format!("{} asks what is ordered", line(caller)),
        Event::OperatorCancel { order, .. } => format!("the operator cancels order {}", order.0),
        Event::RingOutcome { recall, outcome } => format!("recall {}, ring: {outcome:?}", recall.0),
        Event::PlayOutcome { recall, play, outcome } => format!("recall {}, prompt {play}: {outcome:?}", recall.0),
        Event::ConnectOutcome { recall, outcome } => format!("recall {}, connect: {outcome:?}", recall.0),
        Event::Released { recall } => format!("recall {}: its legs are gone", recall.0),
        Event::Restarted => "the switch starts anew".to_owned(),
    }
}

fn did(action: &Action) -> String {
    match action {
        Action::Reply { reply, .. } => match reply {
            Reply::Accepted { order, .. } => format!("accepted, order {}", order.0),
            Reply::Confirmed { order, .. } => format!("confirmed, order {}", order.0),
            Reply::Denied { denial } => format!("denied: {}", denial.as_str()),
            reply => format!("{reply:?}"),
        },
        Action::Ring { recall, order, caller, .. } => format!("order {}: rings {caller}, recall {}", order.0, recall.0),
        Action::Play { order, prompts, .. } => format!("order {}: plays {prompts:?}", order.0),
        Action::Connect { order, callee, .. } => format!("order {}: calls {callee}", order.0),
        Action::Release { order, reason, .. } => format!("order {}: releases ({})", order.0, reason.as_str()),
        Action::Step { order, step, .. } => {
            let id = order.0;
            match step {
                Step::Ended { reason } => format!("order {id} ended: {}", reason.as_str()),
                Step::AttemptBegan { attempt, .. } => format!("order {id}: attempt {attempt} begins"),
                Step::AttemptFailed { attempt, failure, .. } => {
                    format!("order {id}: attempt {attempt} failed, {failure:?}")
                }
                Step::Accepted { place, .. } => format!("order {id} has place {place}"),
                Step::CalleeFree { .. } => format!("order {id}: its callee is available, the guard runs"),
                Step::CalleeBusy => format!("order {id}: its callee is not available"),
                Step::Polling { .. } => format!("order {id}: its callee cannot be seen, a wait runs"),
                Step::Suspended => format!("order {id} is suspended"),
                Step::Resumed => format!("order {id} is resumed"),
                Step::TurnedNoReply { .. } => format!("order {id} is of kind NR from now on"),
                Step::CallerAnswered => format!("order {id}: its caller answered"),
                Step::CalleeCalled => format!("order {id}: its callee is called"),
            }
        }
    }
}
