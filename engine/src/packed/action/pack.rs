//! From actions to records.

use std::collections::BTreeMap;

use super::{DENIALS, END_REASONS, FAILURES, PROMPTS, PackedActions, RELEASE_REASONS, Record};
use crate::action::{Action, Prompt, Reply, Step};
use crate::packed::{Fault, IN_NUMBERS, NO_TIME, code_of};
use crate::{LineId, Number, OrderId};

/// Packs actions one after the other.
pub(in crate::packed) struct Packer<H> {
    /// The handle of a number, if it has one.
    pub(in crate::packed) handle: H,
    pub(in crate::packed) packed: PackedActions,
    places: BTreeMap<Number, u32>,
}

impl<H: Fn(&str) -> Option<LineId>> Packer<H> {
    pub(in crate::packed) fn new(handle: H) -> Self {
        Self { handle, packed: PackedActions::default(), places: BTreeMap::new() }
    }

    pub(in crate::packed) fn pack(&mut self, action: &Action) -> Result<(), Fault> {
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
