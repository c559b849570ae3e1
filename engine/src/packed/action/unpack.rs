//! From records to actions.

use super::{
    ACTION_BYTES, ACTION_KINDS, DENIALS, END_REASONS, FAILURES, PROMPTS, RELEASE_REASONS, REPLIES, Record, STEPS,
};
use crate::action::{Action, Reply, Step};
use crate::packed::{BatchError, Fault, IN_NUMBERS, NO_TIME, coded};
use crate::{LineId, Number, OrderId, RecallId};

/// The actions of records; `number` gives the number of a handle.
pub(in crate::packed) fn unpack(
    records: &[[u8; ACTION_BYTES]],
    numbers: &[Number],
    number: impl Fn(LineId) -> Option<Number>,
) -> Result<Vec<Action>, BatchError> {
    let line = |field: &'static str, value: u32| {
        let found = if value & IN_NUMBERS == 0 {
            number(LineId(value))
        } else {
            numbers.get((value ^ IN_NUMBERS) as usize).cloned()
        };
        found.ok_or_else(|| Fault::new(field, format!("{value} is no handle that was given, nor a place in numbers")))
    };
    let mut actions = Vec::new();
    let mut rest = records.iter().enumerate();
    while let Some((index, bytes)) = rest.next() {
        let first = Record::read(bytes);
        let mut action = unpack_one(&first, &line).map_err(|fault| fault.of("actions", index))?;
        for more in (0..first.more).rev() {
            let Some((index, bytes)) = rest.next() else {
                let what = format!("{} records of the same action, expected to follow, are missing", more + 1);
                return Err(Fault::new("more", what).of("actions", index));
            };
            let record = Record::read(bytes);
            let next = unpack_one(&record, &line).map_err(|fault| fault.of("actions", index))?;
            if record.more != more || !extend(&mut action, next) {
                let what = format!("{}, expected {more} of the action before", record.more);
                return Err(Fault::new("more", what).of("actions", index));
            }
        }
        actions.push(action);
    }
    Ok(actions)
}

/// Adds the list of an action to that of another of which it is the rest; whether it was.
fn extend(action: &mut Action, next: Action) -> bool {
    match (action, next) {
        (
            Action::Play { recall, order, play, prompts },
            Action::Play { recall: other, order: of, play: which, prompts: next },
        ) if *recall == other && *order == of && *play == which => prompts.to_mut().extend_from_slice(&next),
        (Action::Reply { request, reply }, Action::Reply { request: other, reply: next }) if *request == other => {
            match (reply, next) {
                (Reply::Cancelled { orders }, Reply::Cancelled { orders: next }) => orders.extend(next),
                (Reply::Ordered { callees }, Reply::Ordered { callees: next }) => callees.extend(next),
                _ => return false,
            }
        }
        _ => return false,
    }
    true
}

/// The action of one record, its list one long.
fn unpack_one(record: &Record, line: &impl Fn(&'static str, u32) -> Result<Number, Fault>) -> Result<Action, Fault> {
    let mut used = Record { kind: record.kind, code: record.code, ..Record::default() };
    macro_rules! take {
        (line $field:ident) => {
            line(stringify!($field), take!($field))?
        };
        ($field:ident) => {{
            used.$field = record.$field;
            record.$field
        }};
    }
    let time = |time: u64| (time != NO_TIME).then_some(time);
    let bound = |attempts: u32| (attempts > 0).then_some(attempts);
    let action = match record.kind {
        1 => {
            let reply = match record.code {
                0 => Reply::Accepted { order: OrderId(take!(order)), callee: take!(line callee), place: take!(place) },
                1 => Reply::Confirmed { order: OrderId(take!(order)), callee: take!(line callee), place: take!(place) },
                2 => Reply::Denied { denial: coded("detail", &DENIALS, take!(detail), "a denial")? },
                3 => {
                    used.more = record.more;
                    Reply::Cancelled { orders: vec![OrderId(take!(order))] }
                }
                4 => Reply::NothingOrdered,
                5 => {
                    used.more = record.more;
                    Reply::Ordered { callees: vec![take!(line callee)] }
                }
                code => return Err(Fault::new("code", format!("{code} is not a reply (0..={})", REPLIES.len() - 1))),
            };
            Action::Reply { request: take!(id), reply }
        }
        2 => {
            used.code = 0;
            Action::Ring {
                recall: RecallId(take!(id)),
                order: OrderId(take!(order)),
                caller: take!(line caller),
                callee: take!(line callee),
                timeout_ms: take!(timeout_ms).into(),
            }
        }
        3 => {
            used.more = record.more;
            Action::Play {
                recall: RecallId(take!(id)),
                order: OrderId(take!(order)),
                play: take!(play),
                prompts: vec![coded("code", &PROMPTS, record.code, "a prompt")?].into(),
            }
        }
        4 => {
            used.code = 0;
            Action::Connect {
                recall: RecallId(take!(id)),
                order: OrderId(take!(order)),
                caller: take!(line caller),
                callee: take!(line callee),
                timeout_ms: take!(timeout_ms).into(),
            }
        }
        5 => Action::Release {
            recall: RecallId(take!(id)),
            order: OrderId(take!(order)),
            reason: coded("code", &RELEASE_REASONS, record.code, "a reason of a release")?,
        },
        6 => {
            let step = match record.code {
                0 => Step::Accepted { place: take!(place), due: time(take!(due)), expires: take!(expires) },
                1 => Step::Suspended,
                2 => Step::Resumed,
                3 => Step::AttemptBegan { attempt: take!(attempt), attempts: bound(take!(attempts)) },
                4 => Step::CallerAnswered,
                5 => Step::CalleeCalled,
                6 => Step::CalleeBusy,
                7 => Step::CalleeFree { due: take!(due) },
                8 => Step::Polling { due: take!(due) },
                9 => Step::TurnedNoReply { expires: take!(expires) },
                10 => Step::AttemptFailed {
                    attempt: take!(attempt),
                    attempts: bound(take!(attempts)),
                    failure: coded("detail", &FAILURES, take!(detail), "a failure of an attempt")?,
                    due: time(take!(due)),
                },
                11 => Step::Ended { reason: coded("detail", &END_REASONS, take!(detail), "a reason of an end")? },
                code => return Err(Fault::new("code", format!("{code} is not a step (0..={})", STEPS.len() - 1))),
            };
            Action::Step { order: OrderId(take!(order)), caller: take!(line caller), callee: take!(line callee), step }
        }
        kind => {
            return Err(Fault::new("kind", format!("{kind} is not a kind of action (1..={})", ACTION_KINDS.len())));
        }
    };
    match used.difference(record) {
        None => Ok(action),
        Some((field, value)) => Err(Fault::new(field, format!("{value}, expected 0: this action does not use it"))),
    }
}
