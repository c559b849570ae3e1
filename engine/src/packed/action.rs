//! Packed actions: 64 bytes each.

use std::collections::BTreeMap;

use super::{BatchError, Fault, Field, IN_NUMBERS, NO_TIME, code_of, coded, long, word};
use crate::action::{Action, AttemptFailure, Prompt, ReleaseReason, Reply, Step};
use crate::reason::{Denial, EndReason};
use crate::{LineId, Number, OrderId, RecallId};

/// The length of a packed action.
pub const ACTION_BYTES: usize = 64;

/// The kinds of packed actions, from 1.
pub const ACTION_KINDS: [&str; 6] = ["reply", "ring", "play", "connect", "release", "step"];

/// The codes of a reply.
pub const REPLIES: [&str; 6] = ["accepted", "confirmed", "denied", "cancelled", "nothing-ordered", "ordered"];

/// The codes of a step.
pub const STEPS: [&str; 12] = [
    "accepted",
    "suspended",
    "resumed",
    "attempt-began",
    "caller-answered",
    "callee-called",
    "callee-busy",
    "callee-free",
    "polling",
    "turned-no-reply",
    "attempt-failed",
    "ended",
];

/// The codes of a prompt.
pub const PROMPTS: [Prompt; 4] = [Prompt::Activated, Prompt::BusyAgain, Prompt::NoAnswer, Prompt::AttemptsUsedUp];

/// The codes of why a recall is released.
pub const RELEASE_REASONS: [ReleaseReason; 3] =
    [ReleaseReason::AttemptFailed, ReleaseReason::OrderEnded, ReleaseReason::Overdue];

/// The details of a reply `denied`.
pub const DENIALS: [Denial; 6] = [
    Denial::NotAllowed,
    Denial::NoOffer,
    Denial::OwnNumber,
    Denial::CallerLimit,
    Denial::CalleeLimit,
    Denial::Overload,
];

/// The details of a step `attempt-failed`.
pub const FAILURES: [AttemptFailure; 10] = [
    AttemptFailure::CallerNoAnswer,
    AttemptFailure::CallerBusy,
    AttemptFailure::CallerDeclined,
    AttemptFailure::CallerUnreachable,
    AttemptFailure::CallerGone,
    AttemptFailure::CalleeBusy,
    AttemptFailure::CalleeNoAnswer,
    AttemptFailure::CalleeDeclined,
    AttemptFailure::CalleeUnreachable,
    AttemptFailure::SwitchFailed,
];

/// The details of a step `ended`.
pub const END_REASONS: [EndReason; 12] = [
    EndReason::Completed,
    EndReason::FulfilledByOtherCall,
    EndReason::Cancelled,
    EndReason::CancelledByOperator,
    EndReason::Expired,
    EndReason::AttemptsExhausted,
    EndReason::CallerNoAnswer,
    EndReason::CalleeNoAnswer,
    EndReason::CalleeDeclined,
    EndReason::CallerGone,
    EndReason::CalleeGone,
    EndReason::ServiceOff,
];

/// Actions as packed records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedActions {
    /// The records, [`ACTION_BYTES`] each. An action with a list is as many records as its list is long.
    pub records: Vec<u8>,
    /// The numbers of lines without a handle; a field names them by its place here and [`IN_NUMBERS`].
    pub numbers: Vec<Number>,
}

macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $offset:literal),+ $(,)?) => {
        /// The layout of a packed action. A field that its kind and code do not use is 0.
        pub const ACTION_FIELDS: [Field; 15] =
            [$(Field { name: stringify!($name), offset: $offset, bytes: size_of::<$type>() }),+];

        /// A packed action, field by field.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        struct Record {
            $($(#[$doc])* $name: $type,)+
        }

        impl Record {
            fn write(&self, into: &mut Vec<u8>) {
                $(into.extend_from_slice(&self.$name.to_le_bytes());)+
            }

            /// The first field in which another record differs, and its value there.
            fn difference(&self, other: &Self) -> Option<(&'static str, u64)> {
                $(if self.$name != other.$name {
                    return Some((stringify!($name), u64::from(other.$name)));
                })+
                None
            }
        }
    };
}

layout! {
    kind: u8 = 0,
    code: u8 = 1,
    /// Denial, failure or reason.
    detail: u8 = 2,
    /// How many records of the same action follow.
    more: u8 = 3,
    caller: u32 = 4,
    callee: u32 = 8,
    play: u32 = 12,
    place: u32 = 16,
    attempt: u32 = 20,
    /// 0: only the order's life bounds them.
    attempts: u32 = 24,
    timeout_ms: u32 = 28,
    order: u64 = 32,
    /// The request of a reply; else the recall.
    id: u64 = 40,
    due: u64 = 48,
    expires: u64 = 56,
}

impl Record {
    fn read(bytes: &[u8; ACTION_BYTES]) -> Self {
        let [kind, code, detail, more, ..] = *bytes;
        Self {
            kind,
            code,
            detail,
            more,
            caller: word(bytes, 4),
            callee: word(bytes, 8),
            play: word(bytes, 12),
            place: word(bytes, 16),
            attempt: word(bytes, 20),
            attempts: word(bytes, 24),
            timeout_ms: word(bytes, 28),
            order: long(bytes, 32),
            id: long(bytes, 40),
            due: long(bytes, 48),
            expires: long(bytes, 56),
        }
    }
}

/// Packs actions one after the other.
pub(super) struct Packer<H> {
    /// The handle of a number, if it has one.
    pub(super) handle: H,
    pub(super) packed: PackedActions,
    places: BTreeMap<Number, u32>,
}

impl<H: Fn(&str) -> Option<LineId>> Packer<H> {
    pub(super) fn new(handle: H) -> Self {
        Self { handle, packed: PackedActions::default(), places: BTreeMap::new() }
    }

    pub(super) fn pack(&mut self, action: &Action) -> Result<(), Fault> {
        let record = match action {
            Action::Reply { request, reply } => return self.reply(*request, reply),
            Action::Ring { recall, order, caller, callee, timeout_ms }
            | Action::Connect { recall, order, caller, callee, timeout_ms } => Record {
                kind: if matches!(action, Action::Ring { .. }) { 2 } else { 4 },
                caller: self.line(caller),
                callee: self.line(callee),
                timeout_ms: u32::try_from(*timeout_ms)
                    .map_err(|_| Fault::new("timeout_ms", format!("{timeout_ms} is above {}", u32::MAX)))?,
                order: order.0,
                id: recall.0,
                ..Record::default()
            },
            Action::Play { recall, order, play, prompts } => {
                let of = |prompt: &Prompt| Record {
                    kind: 3,
                    code: code_of(&PROMPTS, prompt),
                    play: *play,
                    order: order.0,
                    id: recall.0,
                    ..Record::default()
                };
                return self.list("prompts", prompts.iter().map(of).collect());
            }
            Action::Release { recall, order, reason } => Record {
                kind: 5,
                code: code_of(&RELEASE_REASONS, reason),
                order: order.0,
                id: recall.0,
                ..Record::default()
            },
            Action::Step { order, caller, callee, step } => {
                let (caller, callee) = (self.line(caller), self.line(callee));
                Record { kind: 6, caller, callee, order: order.0, ..of_step(step) }
            }
        };
        record.write(&mut self.packed.records);
        Ok(())
    }

    fn reply(&mut self, request: u64, reply: &Reply) -> Result<(), Fault> {
        let blank = Record { kind: 1, id: request, ..Record::default() };
        let record = match reply {
            Reply::Accepted { order, callee, place } | Reply::Confirmed { order, callee, place } => Record {
                code: u8::from(matches!(reply, Reply::Confirmed { .. })),
                order: order.0,
                callee: self.line(callee),
                place: *place,
                ..blank
            },
            Reply::Denied { denial } => Record { code: 2, detail: code_of(&DENIALS, denial), ..blank },
            Reply::Cancelled { orders } => {
                let of = |order: &OrderId| Record { code: 3, order: order.0, ..blank.clone() };
                return self.list("orders", orders.iter().map(of).collect());
            }
            Reply::NothingOrdered => Record { code: 4, ..blank },
            Reply::Ordered { callees } => {
                let of = |callee| Record { code: 5, callee: self.line(callee), ..blank.clone() };
                let records = callees.iter().map(of).collect();
                return self.list("callees", records);
            }
        };
        record.write(&mut self.packed.records);
        Ok(())
    }

    fn list(&mut self, field: &'static str, records: Vec<Record>) -> Result<(), Fault> {
        let more = u8::try_from(records.len()).ok().and_then(|length| length.checked_sub(1));
        let Some(more) = more else {
            return Err(Fault::new(field, format!("{} of them cannot be packed (1..=255)", records.len())));
        };
        for (more, record) in (0..=more).rev().zip(records) {
            Record { more, ..record }.write(&mut self.packed.records);
        }
        Ok(())
    }

    fn line(&mut self, number: &Number) -> u32 {
        if let Some(handle) = (self.handle)(number) {
            return handle.0;
        }
        let next = u32::try_from(self.packed.numbers.len()).expect("fewer numbers than actions");
        let place = *self.places.entry(number.clone()).or_insert_with(|| {
            self.packed.numbers.push(number.clone());
            next
        });
        place | IN_NUMBERS
    }
}

fn of_step(step: &Step) -> Record {
    let blank = Record::default();
    let time = |time: &Option<u64>| time.unwrap_or(NO_TIME);
    match step {
        Step::Accepted { place, due, expires } => {
            Record { code: 0, place: *place, due: time(due), expires: *expires, ..blank }
        }
        Step::Suspended => Record { code: 1, ..blank },
        Step::Resumed => Record { code: 2, ..blank },
        Step::AttemptBegan { attempt, attempts } => {
            Record { code: 3, attempt: *attempt, attempts: attempts.unwrap_or(0), ..blank }
        }
        Step::CallerAnswered => Record { code: 4, ..blank },
        Step::CalleeCalled => Record { code: 5, ..blank },
        Step::CalleeBusy => Record { code: 6, ..blank },
        Step::CalleeFree { due } => Record { code: 7, due: *due, ..blank },
        Step::Polling { due } => Record { code: 8, due: *due, ..blank },
        Step::TurnedNoReply { expires } => Record { code: 9, expires: *expires, ..blank },
        Step::AttemptFailed { attempt, attempts, failure, due } => Record {
            code: 10,
            detail: code_of(&FAILURES, failure),
            attempt: *attempt,
            attempts: attempts.unwrap_or(0),
            due: time(due),
            ..blank
        },
        Step::Ended { reason } => Record { code: 11, detail: code_of(&END_REASONS, reason), ..blank },
    }
}

/// The actions of records; `number` gives the number of a handle.
pub(super) fn unpack(
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
