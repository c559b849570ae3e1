//! Packed events: 24 bytes each.

use super::{Fault, Field, NO_LINE, byte, code_of, coded, long, word};
use crate::event::{ConnectOutcome, Event, FailCause, LineKind, LineRef, PlayOutcome, RingOutcome};
use crate::{LineId, RecallId};

/// The length of a packed event.
pub const EVENT_BYTES: usize = 24;

const KIND: usize = 0;
const CODE: usize = 1;
const LINE: usize = 4;
const CALLEE: usize = 8;
const PLAY: usize = 12;
const ID: usize = 16;

/// The layout of a packed event. A field that its kind does not use is 0.
pub const EVENT_FIELDS: [Field; 7] = [
    Field { name: "kind", offset: KIND, bytes: 1 },
    Field { name: "code", offset: CODE, bytes: 1 },
    Field { name: "reserved", offset: 2, bytes: 2 },
    Field { name: "line", offset: LINE, bytes: 4 },
    Field { name: "callee", offset: CALLEE, bytes: 4 },
    Field { name: "play", offset: PLAY, bytes: 4 },
    Field { name: "id", offset: ID, bytes: 8 },
];

/// The kinds of packed events, from 1: the names, and the fields that each uses beside its kind.
pub const EVENT_KINDS: [(&str, &[usize]); 18] = [
    ("line", &[LINE, CODE]),
    ("line-removed", &[LINE]),
    ("service-off", &[LINE]),
    ("line-busy", &[LINE]),
    ("line-free", &[LINE]),
    ("line-unknown", &[LINE]),
    ("line-registered", &[LINE]),
    ("line-unregistered", &[LINE]),
    ("call-failed", &[LINE, CALLEE, CODE]),
    ("call-answered", &[LINE, CALLEE]),
    ("order", &[LINE, CALLEE, ID]),
    ("cancel", &[LINE, CALLEE, ID]),
    ("query", &[LINE, ID]),
    ("ring-result", &[ID, CODE]),
    ("play-result", &[ID, PLAY, CODE]),
    ("connect-result", &[ID, CODE]),
    ("released", &[ID]),
    ("restarted", &[]),
];

/// The codes of a line's kinds.
pub const LINE_KINDS: [LineKind; 2] = [LineKind::Internal, LineKind::External];

/// The codes of why a call failed.
pub const FAIL_CAUSES: [FailCause; 4] = [FailCause::Busy, FailCause::NoReply, FailCause::NotLoggedIn, FailCause::Other];

/// The codes of what became of a ring.
pub const RING_OUTCOMES: [RingOutcome; 7] = [
    RingOutcome::Answered,
    RingOutcome::Busy,
    RingOutcome::NoAnswer,
    RingOutcome::Declined,
    RingOutcome::Unreachable,
    RingOutcome::Failed,
    RingOutcome::NotTried,
];

/// The codes of what became of a play.
pub const PLAY_OUTCOMES: [PlayOutcome; 3] = [PlayOutcome::Played, PlayOutcome::CallerGone, PlayOutcome::Failed];

/// The codes of what became of a connect.
pub const CONNECT_OUTCOMES: [ConnectOutcome; 7] = [
    ConnectOutcome::Answered,
    ConnectOutcome::Busy,
    ConnectOutcome::NoAnswer,
    ConnectOutcome::Declined,
    ConnectOutcome::Unreachable,
    ConnectOutcome::CallerGone,
    ConnectOutcome::Failed,
];

/// For each kind the bits that are 0, as three little-endian words; kind 0 is none.
const UNUSED: [[u64; 3]; EVENT_KINDS.len() + 1] = unused();

const fn unused() -> [[u64; 3]; EVENT_KINDS.len() + 1] {
    let mut masks = [[0; 3]; EVENT_KINDS.len() + 1];
    let mut kind = 0;
    while kind < EVENT_KINDS.len() {
        let used = EVENT_KINDS[kind].1;
        // The kind itself is used by all.
        let mut field = 1;
        while field < EVENT_FIELDS.len() {
            let Field { offset, bytes, .. } = EVENT_FIELDS[field];
            let (mut at, mut is_used) = (0, false);
            while at < used.len() {
                is_used |= used[at] == offset;
                at += 1;
            }
            let mut place = offset;
            while !is_used && place < offset + bytes {
                masks[kind + 1][place / 8] |= 0xff << (place % 8 * 8);
                place += 1;
            }
            field += 1;
        }
        kind += 1;
    }
    masks
}

/// The event of a record; whether its handles were given is for the engine to say.
#[inline]
pub(super) fn unpack(record: &[u8; EVENT_BYTES]) -> Result<Event, Fault> {
    let (kind, code) = (byte(record, KIND), byte(record, CODE));
    let Some(unused) = UNUSED.get(usize::from(kind)) else { return Err(no_kind(kind)) };
    if long(record, 0) & unused[0] | long(record, 8) & unused[1] | long(record, 16) & unused[2] != 0 {
        return Err(used_in_vain(record, kind));
    }
    let line = || LineRef::Id(LineId(word(record, LINE)));
    let callee = || LineRef::Id(LineId(word(record, CALLEE)));
    let maybe_callee = || (word(record, CALLEE) != NO_LINE).then(callee);
    let request = || long(record, ID);
    let recall = || RecallId(long(record, ID));
    Ok(match kind {
        1 => Event::Line { line: line(), kind: coded("code", &LINE_KINDS, code, "a kind of line")? },
        2 => Event::LineRemoved { line: line() },
        3 => Event::Service { line: line(), profile: None },
        4 => Event::LineBusy { line: line() },
        5 => Event::LineFree { line: line() },
        6 => Event::LineUnknown { line: line() },
        7 => Event::LineRegistered { line: line() },
        8 => Event::LineUnregistered { line: line() },
        9 => Event::CallFailed {
            caller: line(),
            callee: callee(),
            cause: coded("code", &FAIL_CAUSES, code, "a cause of a failed call")?,
        },
        10 => Event::CallAnswered { caller: line(), callee: callee() },
        11 => Event::Order { request: request(), caller: line(), callee: maybe_callee() },
        12 => Event::Cancel { request: request(), caller: line(), callee: maybe_callee() },
        13 => Event::Query { request: request(), caller: line() },
        14 => Event::RingOutcome {
            recall: recall(),
            outcome: coded("code", &RING_OUTCOMES, code, "an outcome of a ring")?,
        },
        15 => Event::PlayOutcome {
            recall: recall(),
            play: word(record, PLAY),
            outcome: coded("code", &PLAY_OUTCOMES, code, "an outcome of a play")?,
        },
        16 => Event::ConnectOutcome {
            recall: recall(),
            outcome: coded("code", &CONNECT_OUTCOMES, code, "an outcome of a connect")?,
        },
        17 => Event::Released { recall: recall() },
        18 => Event::Restarted,
        _ => return Err(no_kind(kind)),
    })
}

#[cold]
fn no_kind(kind: u8) -> Fault {
    Fault::new("kind", format!("{kind} is not a kind of event (1..={})", EVENT_KINDS.len()))
}

#[cold]
fn used_in_vain(record: &[u8; EVENT_BYTES], kind: u8) -> Fault {
    let (name, used) = EVENT_KINDS[usize::from(kind) - 1];
    let value = |field: &Field| {
        let bytes = &record[field.offset..field.offset + field.bytes];
        bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte))
    };
    let unused = EVENT_FIELDS.iter().skip(1).filter(|field| !used.contains(&field.offset));
    let (field, value) = unused
        .map(|field| (field.name, value(field)))
        .find(|(_, value)| *value != 0)
        .expect("a field that its kind does not use was found");
    Fault::new(field, format!("{value}, expected 0: {name} does not use it"))
}

/// The record of an event; `handle` gives the handle of a line that has one.
pub(super) fn pack(event: &Event, handle: impl Fn(&LineRef) -> Option<LineId>) -> Result<[u8; EVENT_BYTES], Fault> {
    let mut record = [0; EVENT_BYTES];
    let (kind, code) = match event {
        Event::Line { kind, .. } => (1, code_of(&LINE_KINDS, kind)),
        Event::LineRemoved { .. } => (2, 0),
        Event::Service { profile: None, .. } => (3, 0),
        Event::Service { profile: Some(_), .. } => {
            return Err(Fault::new("profile", "a service with its profile has no packed form: give it as an event"));
        }
        Event::LineBusy { .. } => (4, 0),
        Event::LineFree { .. } => (5, 0),
        Event::LineUnknown { .. } => (6, 0),
        Event::LineRegistered { .. } => (7, 0),
        Event::LineUnregistered { .. } => (8, 0),
        Event::CallFailed { cause, .. } => (9, code_of(&FAIL_CAUSES, cause)),
        Event::CallAnswered { .. } => (10, 0),
        Event::Order { .. } => (11, 0),
        Event::Cancel { .. } => (12, 0),
        Event::Query { .. } => (13, 0),
        Event::OperatorCancel { .. } => {
            return Err(Fault::new("order", "the operator's cancelling has no packed form: give it as an event"));
        }
        Event::RingOutcome { outcome, .. } => (14, code_of(&RING_OUTCOMES, outcome)),
        Event::PlayOutcome { outcome, .. } => (15, code_of(&PLAY_OUTCOMES, outcome)),
        Event::ConnectOutcome { outcome, .. } => (16, code_of(&CONNECT_OUTCOMES, outcome)),
        Event::Released { .. } => (17, 0),
        Event::Restarted => (18, 0),
    };
    (record[KIND], record[CODE]) = (kind, code);
    let used = EVENT_KINDS[usize::from(kind) - 1].1;
    if used.contains(&CALLEE) {
        record[CALLEE..CALLEE + 4].copy_from_slice(&NO_LINE.to_le_bytes());
    }
    for (at, line) in [LINE, CALLEE].into_iter().zip(lines_of(event)) {
        let Some((field, line)) = line else { continue };
        let handle = handle(line).ok_or_else(|| no_handle(field, line))?;
        record[at..at + 4].copy_from_slice(&handle.0.to_le_bytes());
    }
    let id = match event {
        Event::Order { request, .. } | Event::Cancel { request, .. } | Event::Query { request, .. } => *request,
        Event::RingOutcome { recall, .. }
        | Event::PlayOutcome { recall, .. }
        | Event::ConnectOutcome { recall, .. }
        | Event::Released { recall } => recall.0,
        _ => 0,
    };
    record[ID..].copy_from_slice(&id.to_le_bytes());
    if let Event::PlayOutcome { play, .. } = event {
        record[PLAY..PLAY + 4].copy_from_slice(&play.to_le_bytes());
    }
    Ok(record)
}

fn no_handle(field: &'static str, line: &LineRef) -> Fault {
    match line {
        LineRef::Number(number) => {
            Fault::new(field, format!("{number} has no handle: have one given by line() before packing"))
        }
        LineRef::Id(id) => Fault::new(field, crate::EngineError::UnknownLine(*id).to_string()),
    }
}

/// The lines that an event names, with their fields.
#[inline]
pub(super) fn lines_of(event: &Event) -> [Option<(&'static str, &LineRef)>; 2] {
    match event {
        Event::Line { line, .. }
        | Event::LineRemoved { line }
        | Event::Service { line, .. }
        | Event::LineBusy { line }
        | Event::LineFree { line }
        | Event::LineUnknown { line }
        | Event::LineRegistered { line }
        | Event::LineUnregistered { line } => [Some(("line", line)), None],
        Event::CallFailed { caller, callee, .. } | Event::CallAnswered { caller, callee } => {
            [Some(("caller", caller)), Some(("callee", callee))]
        }
        Event::Order { caller, callee, .. } | Event::Cancel { caller, callee, .. } => {
            [Some(("caller", caller)), callee.as_ref().map(|callee| ("callee", callee))]
        }
        Event::Query { caller, .. } => [Some(("caller", caller)), None],
        Event::OperatorCancel { .. }
        | Event::RingOutcome { .. }
        | Event::PlayOutcome { .. }
        | Event::ConnectOutcome { .. }
        | Event::Released { .. }
        | Event::Restarted => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENT_BYTES, EVENT_FIELDS, EVENT_KINDS, UNUSED, unused};

    #[test]
    fn a_byte_of_a_field_that_the_kind_does_not_use_is_unused() {
        // At run time, as the compiler did before.
        let masks = unused();
        assert_eq!(masks, UNUSED);
        assert_eq!(masks[0], [0; 3]);
        for (mask, (name, used)) in masks[1..].iter().zip(EVENT_KINDS) {
            for byte in 0..EVENT_BYTES {
                let field =
                    EVENT_FIELDS[1..].iter().find(|field| (field.offset..field.offset + field.bytes).contains(&byte));
                let is_unused = field.is_some_and(|field| !used.contains(&field.offset));
                let bits = mask[byte / 8] >> (byte % 8 * 8) & 0xff;
                assert_eq!(bits, if is_unused { 0xff } else { 0 }, "{name}, byte {byte}");
            }
        }
    }
}
