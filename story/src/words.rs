//! The words.

use ccbs_engine::life::State;
use ccbs_engine::{
    Action, AttemptFailure, ConnectOutcome, Event, FailCause, LineKind, LineRef, Look, Millis, Number, OrderId,
    PlayOutcome, Prompt, RecallId, ReleaseReason, RingOutcome, Step,
};

/// Who and whom.
pub(crate) struct Names {
    pub(crate) caller: Number,
    pub(crate) callee: Number,
}

/// The recall of an outcome.
pub(crate) fn recall_of(event: Option<&Event>) -> Option<RecallId> {
    match event? {
        Event::RingOutcome { recall, .. }
        | Event::PlayOutcome { recall, .. }
        | Event::ConnectOutcome { recall, .. }
        | Event::Released { recall } => Some(*recall),
        _ => None,
    }
}

/// A span of time: `0.3 s`, `10 s`, `4 min 5 s`, `2 h 10 min`.
pub(crate) fn duration(ms: Millis) -> String {
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    match seconds {
        0..60 if rest > 0 => format!("{seconds}.{} s", rest / 100),
        0..60 => format!("{seconds} s"),
        60..3_600 if seconds % 60 == 0 => format!("{} min", seconds / 60),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds % 3_600 < 60 => format!("{} h", seconds / 3_600),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

pub(crate) fn call_failed(cause: FailCause, names: &Names) -> String {
    let Names { caller, callee } = names;
    match cause {
        FailCause::Busy => format!("{caller} calls {callee} and hears busy"),
        FailCause::NoReply => format!("{caller} calls {callee}, who does not answer"),
        FailCause::NotLoggedIn => format!("{caller} calls {callee}, who has no registered phone"),
        FailCause::Other => format!("{caller} calls {callee}; the call fails"),
    }
}

/// What became of a leg or prompt of the order's recall.
pub(crate) fn outcome(event: &Event, names: &Names) -> Option<String> {
    let Names { caller, callee } = names;
    Some(match event {
        Event::RingOutcome { outcome, .. } => match outcome {
            RingOutcome::Answered => format!("caller {caller} lifts the handset"),
            RingOutcome::Busy => format!("the phone of caller {caller} says busy"),
            RingOutcome::NoAnswer => format!("caller {caller} does not answer the recall"),
            RingOutcome::Declined => format!("caller {caller} declines the recall"),
            RingOutcome::Unreachable => format!("caller {caller} has no registered phone"),
            RingOutcome::Failed => format!("the switch failed to ring caller {caller}"),
            RingOutcome::NotTried => format!("the switch could not even try to ring caller {caller}"),
        },
        Event::PlayOutcome { outcome, .. } => match outcome {
            PlayOutcome::Played => "the prompt was heard".to_owned(),
            PlayOutcome::CallerGone => format!("caller {caller} hangs up in the prompt"),
            PlayOutcome::Failed => "the switch could not play the prompt".to_owned(),
        },
        Event::ConnectOutcome { outcome, .. } => match outcome {
            ConnectOutcome::Answered => format!("callee {callee} answers"),
            ConnectOutcome::Busy => format!("callee {callee} is busy"),
            ConnectOutcome::NoAnswer => format!("callee {callee} does not answer"),
            ConnectOutcome::Declined => format!("callee {callee} declines"),
            ConnectOutcome::Unreachable => format!("callee {callee} cannot be reached"),
            ConnectOutcome::CallerGone => format!("caller {caller} hangs up while {callee} rings"),
            ConnectOutcome::Failed => format!("the switch could not call {callee}"),
        },
        Event::Released { .. } => "the legs of the recall are gone".to_owned(),
        _ => return None,
    })
}

/// A fact about one of the order's lines.
pub(crate) fn line_fact(event: &Event, of_caller: bool, again: bool, names: &Names) -> Option<String> {
    let who = if of_caller { format!("caller {}", names.caller) } else { format!("callee {}", names.callee) };
    Some(match event {
        Event::LineBusy { .. } if again => format!("{who} busy again"),
        Event::LineBusy { .. } => format!("{who} is busy"),
        Event::LineFree { .. } => format!("{who} is free"),
        Event::LineUnknown { .. } => format!("nobody can say any more whether {who} is busy"),
        Event::LineRegistered { .. } => format!("{who} has a registered phone"),
        Event::LineUnregistered { .. } => format!("{who} has no registered phone any more"),
        Event::Line { kind: LineKind::Internal, .. } => format!("{who} is configured as a subscriber"),
        Event::Line { kind: LineKind::External, .. } => format!("{who} is configured as external"),
        Event::LineRemoved { .. } => format!("{who} leaves the configuration"),
        Event::Service { profile: None, .. } if of_caller => format!("the service of {who} is switched off"),
        Event::Service { .. } if of_caller => {
            format!("the service of {who} is set anew; its numbers hold for orders accepted from now on")
        }
        _ => return None,
    })
}

/// A request or call between the two, or by the operator.
pub(crate) fn request(
    event: &Event,
    mine: &[&Action],
    names: &Names,
    is: impl Fn(&LineRef, bool) -> bool,
) -> Option<String> {
    let Names { caller, callee } = names;
    let replied = mine.iter().any(|action| matches!(action, Action::Reply { .. }));
    Some(match event {
        Event::Order { .. } if replied => {
            format!("{caller} orders {callee} again: confirmed, nothing about the order changes")
        }
        Event::Order { caller: by, .. } if is(by, true) && !mine.is_empty() => {
            format!("{caller} orders a callback from {callee}")
        }
        Event::Cancel { callee: Some(_), .. } if replied => format!("{caller} cancels the order"),
        Event::Cancel { callee: None, .. } if replied => format!("{caller} cancels all orders"),
        Event::OperatorCancel { .. } if replied => "the operator cancels the order".to_owned(),
        Event::CallAnswered { caller: one, callee: other }
            if (is(one, true) && is(other, false)) || (is(one, false) && is(other, true)) =>
        {
            format!("{caller} and {callee} talk in a call of their own")
        }
        Event::CallAnswered { caller: one, callee: other } if is(one, false) || is(other, false) => {
            format!("callee {callee} talks in a new call")
        }
        Event::CallFailed { caller: one, callee: other, cause } if is(one, true) && is(other, false) => {
            call_failed(*cause, names)
        }
        Event::Restarted => {
            "the switch has started anew: recalls in progress are void, nothing is known of the lines".to_owned()
        }
        _ => return None,
    })
}

/// A step of the order.
pub(crate) fn step(step: &Step, now: Millis, after: Option<&Look>, names: &Names) -> String {
    let Names { caller, callee } = names;
    let until = |due: Millis| duration(due.saturating_sub(now));
    match step {
        Step::Accepted { place, due, expires } => {
            let (kind, queue) = after.map_or(("", *place), |look| (look.kind.as_str(), look.queue));
            let timer = due.map_or_else(String::new, |due| format!("; the CB timer runs for {}", until(due)));
            format!("order of kind {kind} accepted, place {place} of {queue}{timer}; its life is {}", until(*expires))
        }
        Step::Suspended => format!("suspended: caller {caller} is busy; no attempt is used, the order keeps its place"),
        Step::Resumed => format!("resumed: caller {caller} was free for the guard time"),
        Step::AttemptBegan { attempt, attempts } => {
            format!("{} begins: the phone of caller {caller} rings", words_of_attempt(*attempt, *attempts))
        }
        Step::CallerAnswered => format!("caller {caller} answered"),
        Step::CalleeCalled => format!("callee {callee} is called"),
        Step::AttemptFailed { attempt, attempts, failure, due } => {
            let attempt = words_of_attempt(*attempt, *attempts);
            format!("{attempt} failed: {}{}", failure_words(*failure, names), tried_again(*due, now))
        }
        Step::CalleeBusy => format!("callee {callee} is not available; the order keeps its place and waits for it"),
        Step::CalleeFree { due } => format!("callee {callee} is available; its idle guard runs for {}", until(*due)),
        Step::Polling { due } => {
            format!("the state of callee {callee} cannot be seen; it is tried in {}", until(*due))
        }
        Step::TurnedNoReply { expires } => {
            format!("the order is of kind NR from now on; its life ends in {}", until(*expires))
        }
        Step::Ended { reason } => format!("the order ended: {}", reason.as_str()),
    }
}

/// An attempt whose recall a restart cut off.
pub(crate) fn cut_off(attempt: u32, attempts: Option<u32>, due: Option<Millis>, now: Millis) -> String {
    let attempt = words_of_attempt(attempt, attempts);
    format!("{attempt} was cut off by the restart, so it is not used{}", tried_again(due, now))
}

fn tried_again(due: Option<Millis>, now: Millis) -> String {
    let at = |due: Millis| format!("; it is tried again in {} at the earliest", duration(due.saturating_sub(now)));
    due.map_or_else(String::new, at)
}

/// What the switch says of a prompt that it was not told to play.
pub(crate) fn outcome_of_no_prompt(play: u32) -> String {
    format!("an outcome of prompt {play} of the recall, which there never was")
}

fn words_of_attempt(attempt: u32, attempts: Option<u32>) -> String {
    attempts.map_or_else(|| format!("attempt {attempt}"), |attempts| format!("attempt {attempt} of {attempts}"))
}

fn failure_words(failure: AttemptFailure, names: &Names) -> String {
    let Names { caller, callee } = names;
    match failure {
        AttemptFailure::CallerNoAnswer => format!("caller {caller} did not answer"),
        AttemptFailure::CallerBusy => format!("the phone of caller {caller} said busy"),
        AttemptFailure::CallerDeclined => format!("caller {caller} declined"),
        AttemptFailure::CallerUnreachable => format!("caller {caller} could not be reached"),
        AttemptFailure::CallerGone => format!("caller {caller} hung up"),
        AttemptFailure::CalleeBusy => format!("callee {callee} was busy"),
        AttemptFailure::CalleeNoAnswer => format!("callee {callee} did not answer"),
        AttemptFailure::CalleeDeclined => format!("callee {callee} declined"),
        AttemptFailure::CalleeUnreachable => format!("callee {callee} could not be reached"),
        AttemptFailure::SwitchFailed => "the switch failed, or did not answer in time".to_owned(),
        AttemptFailure::NotTried => format!("caller {caller} could not even be rung, so it is not used"),
    }
}

pub(crate) fn prompts(prompts: &[Prompt], names: &Names) -> String {
    let heard: Vec<String> = prompts
        .iter()
        .map(|prompt| match prompt {
            Prompt::Activated => "«Активирована услуга Автодозвон»".to_owned(),
            Prompt::BusyAgain => "that the callee is busy again".to_owned(),
            Prompt::NoAnswer => "that the callee does not answer".to_owned(),
            Prompt::AttemptsUsedUp => "that the attempts are used up".to_owned(),
        })
        .collect();
    format!("caller {} hears {}", names.caller, heard.join(" and "))
}

pub(crate) fn release(reason: ReleaseReason, by_timer: bool) -> &'static str {
    match reason {
        ReleaseReason::Overdue if by_timer => "the switch did not answer in time; the recall is given up",
        ReleaseReason::Overdue => "the recall is overdue and given up",
        ReleaseReason::AttemptFailed => "the recall is released",
        ReleaseReason::OrderEnded => "the recall in progress is released",
    }
}

/// Where the order stands, for the story's beginning and end.
pub(crate) fn stand(look: &Look, names: &Names) -> String {
    let why = match look.state {
        State::Suspended => format!(" because caller {} is busy", names.caller),
        State::Watching => format!(" because callee {} is not available", names.callee),
        _ => String::new(),
    };
    format!("{}{why}, place {} of {}", state(look.state), look.place, look.queue)
}

/// A state in words.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting for its CB timer",
        State::Watching => "waiting for its callee",
        State::CalleeGuard => "in its callee's idle guard",
        State::Polling => "waiting to try a callee that cannot be seen",
        State::Retrying => "waiting to try again",
        State::RetryingCaller => "waiting to try its caller again",
        State::Queued => "waiting for its turn",
        State::Suspended => "suspended",
        State::Guarding | State::Pausing => "in its caller's guard time",
        state if state.in_recall() => "in its recall",
        state => state.as_str(),
    }
}

/// Why the order does not move, where its state alone does not say it.
pub(crate) fn why(look: &Look, order: OrderId) -> Option<String> {
    let held = |role: &str, number: &Number, by: Option<OrderId>| {
        let by = by.filter(|by| *by != order)?;
        Some(format!("{role} {number}'s line is in the recall of order {}", by.0))
    };
    let caller = held("caller", &look.caller.number, look.caller.recall);
    let callee = held("callee", &look.callee.number, look.callee.recall);
    let caller_held = caller.clone();
    let lines = [caller, callee].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let place = format!("place {} of {}", look.place, look.queue);
    match look.state {
        State::Queued if !lines.is_empty() => Some(format!("waits for its turn, {place}: {lines}")),
        State::Queued if look.eligible => {
            Some(format!("waits for its turn, {place}: a limit on recalls, at once or in a second, holds it back"))
        }
        State::Watching if !lines.is_empty() => Some(format!("keeps {place}: {lines}")),
        State::Suspended => {
            let why = caller_held.unwrap_or_else(|| format!("caller {} is busy", look.caller.number));
            Some(format!("suspended, keeps {place}: {why}"))
        }
        State::Guarding | State::Pausing => {
            Some(format!("caller {} must be free for the guard time first", look.caller.number))
        }
        _ => None,
    }
}

/// Whether a change into this state is told by no step.
pub(crate) fn not_told_by_a_step(state: State) -> bool {
    matches!(state, State::Queued | State::Guarding | State::Pausing | State::Watching)
}
