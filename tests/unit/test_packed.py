"""Packed batches: the same decisions as by objects, and errors that name the record and its field."""

from __future__ import annotations

import array
import random
import struct
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ccbs import ACTION_DTYPE, EVENT_DTYPE, Engine, InvalidValue, Profile, packed
from ccbs.actions import Accepted, Action, Cancelled, Ordered, Play, Reply, Ring
from ccbs.events import (
    CallAnswered,
    CallFailed,
    Cancel,
    ConnectResult,
    Event,
    Line,
    LineBusy,
    LineFree,
    LineRegistered,
    LineRemoved,
    LineUnknown,
    LineUnregistered,
    OperatorCancel,
    Order,
    PlayResult,
    Query,
    Released,
    Restarted,
    RingResult,
    Service,
)
from ccbs.packed import NO_LINE, ActionKind, EventKind

BEGIN = 1_700_000_000_000
NUMBERS = [str(number) for number in range(1, 13)]
EVENT = struct.Struct(packed.EVENT_FORMAT)
ACTION = struct.Struct(packed.ACTION_FORMAT)

EVERY_EVENT: list[Event] = [
    Line("1"),
    Line("12", external=True),
    LineRemoved("2"),
    Service("3", None),
    LineBusy("4"),
    LineFree("5"),
    LineUnknown("6"),
    LineRegistered("7"),
    LineUnregistered("8"),
    *(CallFailed("9", "10", cause) for cause in packed.EVENT_CODES["call-failed"]),
    CallAnswered("11", "12"),
    Order(2**64 - 1, "1", "2"),
    Order(0, "1"),
    Cancel(7, "1", "2"),
    Cancel(8, "1"),
    Query(9, "1"),
    *(RingResult(1, outcome) for outcome in packed.EVENT_CODES["ring-result"]),
    *(PlayResult(2, 2**32 - 1, outcome) for outcome in packed.EVENT_CODES["play-result"]),
    *(ConnectResult(2**64 - 1, outcome) for outcome in packed.EVENT_CODES["connect-result"]),
    Released(3),
    Restarted(),
]


def engine() -> Engine:
    """An engine whose lines 1–12 have their handles; 1–6 may order, in both profiles."""
    made = Engine()
    made.handles(NUMBERS)
    services: list[Event] = [Line(number) for number in NUMBERS[:8]]
    services += [Service(number, Profile.autodial(attempts=2)) for number in NUMBERS[:3]]
    services += [Service(number, Profile.ccbs()) for number in NUMBERS[3:6]]
    made.apply(services, BEGIN)
    return made


def records(count: int = 1) -> NDArray[Any]:
    return np.zeros(count, np.dtype(EVENT_DTYPE))


def refused(given: object, by: Engine | None = None) -> InvalidValue:
    """What is said of a wrong batch, of which nothing may have been applied."""
    made = by or engine()
    before = made.snapshot()
    with pytest.raises(InvalidValue) as caught:
        made.apply(given, BEGIN + 60_000)  # type: ignore[arg-type]
    assert made.snapshot() == before
    with pytest.raises(InvalidValue, match="^" + caught.value.field.replace("[", r"\[").replace("]", r"\]")):
        made.apply_packed(given, BEGIN + 60_000)  # type: ignore[arg-type]
    assert made.snapshot() == before
    return caught.value


# --- layout -------------------------------------------------------------------------------------------


def test_the_layouts_are_those_of_numpy_and_struct() -> None:
    for layout, form, size in [(EVENT_DTYPE, EVENT, 24), (ACTION_DTYPE, ACTION, 64)]:
        dtype = np.dtype(layout)
        assert (dtype.itemsize, form.size) == (size, size)
        assert dtype.names is not None
        assert list(dtype.names) == layout["names"]
        one = form.pack(*range(1, len(layout["names"]) + 1))
        (row,) = np.frombuffer(one, dtype)
        assert row.tolist() == tuple(range(1, len(layout["names"]) + 1))


def test_the_kinds_have_their_names_and_classes() -> None:
    assert [kind.name.lower().replace("_", "-") for kind in EventKind] == list(packed.EVENT_KINDS)
    assert [kind.name.lower().replace("_", "-") for kind in ActionKind] == list(packed.ACTION_KINDS)
    assert [int(kind) for kind in EventKind] == list(range(1, len(packed.EVENT_KINDS) + 1))


def test_every_event_has_the_fields_that_the_layout_says() -> None:
    made = engine()
    for event in EVERY_EVENT:
        kind, code, reserved, line, callee, play, number = EVENT.unpack(made.pack_events([event]))
        name = packed.EVENT_KINDS[kind - 1]
        assert reserved == 0
        if hasattr(event, "outcome"):
            assert packed.EVENT_CODES[name][code] == event.outcome
        elif isinstance(event, CallFailed):
            assert packed.EVENT_CODES[name][code] == event.cause
        elif isinstance(event, Line):
            assert packed.EVENT_CODES[name][code] == ("external" if event.external else "internal")
        else:
            assert code == 0
        assert number == getattr(event, "request", getattr(event, "recall", 0))
        assert play == getattr(event, "play", 0)
        first = getattr(event, "line", getattr(event, "caller", None))
        assert line == (0 if first is None else made.line(first))
        second = getattr(event, "callee", None)
        none = NO_LINE if isinstance(event, Order | Cancel) else 0
        assert callee == (none if second is None else made.line(second))


# --- the same decisions --------------------------------------------------------------------------------


def history(seed: int) -> list[list[Event]]:
    """Batches of calls, orders and outcomes, good and stray ones, at random."""
    chance = random.Random(seed)
    pick = chance.choice
    batches: list[list[Event]] = []
    for _ in range(120):
        batch: list[Event] = []
        for _ in range(chance.randrange(12)):
            one, other = chance.sample(NUMBERS, 2)
            recall = chance.randrange(1, 60)
            batch += pick(
                [
                    [LineBusy(one)],
                    [LineFree(one)],
                    [CallFailed(one, other, pick(["busy", "no-reply"])), Order(recall, one)],
                    [CallFailed("1", other), CallFailed("1", one), Order(5, "1", one), Order(6, "1", other)],
                    [Cancel(recall, one)],
                    [Query(recall, one), Query(recall, "1")],
                    [RingResult(recall, pick(["answered", "answered", "busy"]))],
                    [PlayResult(recall, 1, "played"), ConnectResult(recall, pick(["answered", "busy"]))],
                    [PlayResult(recall, 2, "played"), Released(recall)],
                    [pick(EVERY_EVENT)] if chance.random() < 0.1 else [],
                ]
            )
        batches.append(batch)
    return batches


@pytest.mark.parametrize("seed", range(8))
def test_packed_and_by_objects_are_the_same_to_the_byte(seed: int) -> None:
    by_objects, by_records = engine(), engine()
    now, told = BEGIN, 0
    for batch in history(seed):
        now += random.Random(now).randrange(9_000)
        expected = by_objects.apply(batch, now)
        rows = np.frombuffer(by_records.pack_events(batch), np.dtype(EVENT_DTYPE)).copy()
        actions, numbers = by_records.apply_packed(rows, now)
        assert numbers == (), "every line has its handle"
        assert by_records.unpack_actions(actions) == expected
        assert by_records.unpack_actions(np.frombuffer(actions, np.dtype(ACTION_DTYPE))) == expected
        told += len(expected)
    assert by_records.snapshot() == by_objects.snapshot()
    assert told > 300


def test_any_buffer_is_taken_and_others_are_sequences() -> None:
    made = engine()
    batch: list[Event] = [LineBusy("1"), LineFree("2"), Query(4, "1")]
    rows = made.pack_events(batch)
    array_of = np.frombuffer(rows, np.dtype(EVENT_DTYPE))
    forms: list[object] = [
        rows,
        bytearray(rows),
        memoryview(rows),
        array.array("B", rows),
        array_of,
        array_of.copy(),
        array_of.view(np.uint8),
        np.rec.array(array_of),
        array_of.reshape(3, 1),
        batch,
        tuple(batch),
        iter(batch),
        np.array(batch, dtype=object),
    ]
    expected = made.apply(batch, BEGIN)
    for form in forms:
        assert made.apply(form, BEGIN) == expected, form  # type: ignore[arg-type]
    assert len(expected) == 1


def test_an_empty_batch_fires_timers_in_either_form() -> None:
    forms: list[object] = [[], b"", records(0)]
    for empty in forms:
        made = engine()
        made.apply([LineBusy("9"), CallFailed("1", "9"), Order(1, "1")], BEGIN)
        (ring,) = [a for a in made.apply(empty, BEGIN + 20_000) if isinstance(a, Ring)]  # type: ignore[arg-type]
        assert (ring.caller, ring.callee) == ("1", "9")


# --- actions out ---------------------------------------------------------------------------------------


def test_an_action_with_a_list_is_as_many_records() -> None:
    made = engine()
    for callee in "789":
        made.apply([CallFailed("1", callee), Order(1, "1")], BEGIN)
    rows, _ = made.apply_packed([Query(5, "1"), Cancel(6, "1")], BEGIN)
    actions = np.frombuffer(rows, np.dtype(ACTION_DTYPE))
    ordered = actions[(actions["kind"] == ActionKind.REPLY) & (actions["id"] == 5)]
    assert [made.number(int(callee)) for callee in ordered["callee"]] == ["7", "8", "9"]
    assert ordered["more"].tolist() == [2, 1, 0]
    cancelled = actions[(actions["kind"] == ActionKind.REPLY) & (actions["id"] == 6)]
    assert cancelled["order"].tolist() == [1, 2, 3]
    replies = [action.reply for action in made.unpack_actions(rows) if isinstance(action, Reply)]
    assert replies == [Ordered(("7", "8", "9")), Cancelled((1, 2, 3))]


def test_a_line_without_a_handle_is_named_by_its_number_and_gets_none() -> None:
    made = engine()
    made.apply([CallFailed("1", "+49 30 1"), CallFailed("1", "+49 30 2")], BEGIN)
    rows, numbers = made.apply_packed([Order(1, "1", "+49 30 1"), Order(2, "1", "+49 30 2")], BEGIN)
    assert sorted(numbers) == ["+49 30 1", "+49 30 2"]
    actions = made.unpack_actions(rows, numbers)
    assert Reply(1, Accepted(1, "+49 30 1", 1)) in actions
    with pytest.raises(InvalidValue, match=r"records\[0\].callee: 2147483648 is no handle that was given"):
        made.unpack_actions(rows)
    for row in np.frombuffer(rows, np.dtype(ACTION_DTYPE)):
        assert row["callee"] & packed.IN_NUMBERS, "no number is kept for ever because it was named"
        assert row["caller"] in (0, made.line("1"))


def prompts_of(actions: list[Action]) -> list[tuple[str, ...]]:
    return [action.prompts for action in actions if isinstance(action, Play)]


def test_prompts_keep_their_order() -> None:
    made = engine()
    made.apply([CallFailed("1", "9"), Order(1, "1")], BEGIN)
    heard = []
    for recall in (1, 2):
        made.apply([], BEGIN + recall * 40_000)
        now = BEGIN + recall * 40_000
        made.apply([RingResult(recall, "answered"), PlayResult(recall, 1, "played")], now)
        rows, numbers = made.apply_packed([ConnectResult(recall, "busy")], now)
        heard += prompts_of(made.unpack_actions(rows, numbers))
        made.apply([PlayResult(recall, 2, "played"), Released(recall)], now)
    assert heard == [("callee-busy-again",), ("callee-busy-again", "attempts-used-up")]


# --- handles -------------------------------------------------------------------------------------------


def test_a_handle_means_its_line_for_ever() -> None:
    made = Engine()
    first = made.line("101")
    assert (made.line("101"), made.number(first)) == (first, "101")
    made.apply([LineBusy("102"), LineFree("102"), LineRemoved("101")], BEGIN)
    second = made.line("103")
    assert second != first
    assert Engine.restore(made.snapshot()).number(first) == "101"
    assert made.handles(["103", "101", "103"]) == [second, first, second]
    for strange in (second + 1, NO_LINE, 2**31):
        with pytest.raises(InvalidValue, match=f"line handle {strange} is unknown") as caught:
            made.number(strange)
        assert caught.value.field == "line"


def test_a_handle_of_a_line_that_was_only_named_is_refused() -> None:
    made = Engine()
    made.apply([Line("101")], BEGIN)
    row = records()
    row["kind"] = EventKind.LINE_BUSY
    wrong = refused(row, made)
    assert wrong.field == "events[0].line"
    assert str(wrong).startswith("events[0].line: line handle 0 is unknown")
    assert made.lines()[0].state == "unknown"


# --- what is refused ------------------------------------------------------------------------------------

WRONG_RECORDS = [
    ({"kind": 0}, "kind", "0 is not a kind of event (1..=18)"),
    ({"kind": 19}, "kind", "19 is not a kind of event (1..=18)"),
    ({"kind": EventKind.LINE, "code": 2}, "code", "2 is not a kind of line (0..=1)"),
    (
        {"kind": EventKind.CALL_FAILED, "callee": 1, "code": 4},
        "code",
        "4 is not a cause of a failed call (0..=3)",
    ),
    ({"kind": EventKind.RING_RESULT, "code": 9}, "code", "9 is not an outcome of a ring (0..=6)"),
    ({"kind": EventKind.PLAY_RESULT, "code": 3}, "code", "3 is not an outcome of a play (0..=2)"),
    ({"kind": EventKind.CONNECT_RESULT, "code": 255}, "code", "255 is not an outcome of a connect (0..=6)"),
    ({"kind": EventKind.LINE_BUSY, "code": 1}, "code", "1, expected 0: line-busy does not use it"),
    (
        {"kind": EventKind.LINE_BUSY, "reserved": 258},
        "reserved",
        "258, expected 0: line-busy does not use it",
    ),
    ({"kind": EventKind.LINE_FREE, "callee": 3}, "callee", "3, expected 0: line-free does not use it"),
    ({"kind": EventKind.QUERY, "play": 1}, "play", "1, expected 0: query does not use it"),
    (
        {"kind": EventKind.RESTARTED, "id": 2**64 - 1},
        "id",
        "18446744073709551615, expected 0: restarted does not use it",
    ),
    ({"kind": EventKind.RELEASED, "line": 1}, "line", "1, expected 0: released does not use it"),
    ({"kind": EventKind.LINE_BUSY, "line": 12}, "line", "line handle 12 is unknown"),
    ({"kind": EventKind.LINE_BUSY, "line": NO_LINE}, "line", "line handle 4294967295 is unknown"),
    ({"kind": EventKind.ORDER, "line": 99}, "line", "line handle 99 is unknown"),
    ({"kind": EventKind.ORDER, "callee": 99}, "callee", "line handle 99 is unknown"),
    ({"kind": EventKind.CALL_ANSWERED, "callee": NO_LINE}, "callee", "line handle 4294967295 is unknown"),
]


@pytest.mark.parametrize(("fields", "field", "what"), WRONG_RECORDS)
def test_a_wrong_record_is_named_with_its_field(fields: dict[str, int], field: str, what: str) -> None:
    rows = records(20)
    rows["kind"] = EventKind.LINE_BUSY
    for name, value in fields.items():
        rows[name][17] = value
    wrong = refused(rows)
    assert wrong.field == f"events[17].{field}"
    assert str(wrong).startswith(f"events[17].{field}: {what}")


def test_a_wrong_buffer_is_refused() -> None:
    rows = records(4)
    rows["kind"] = EventKind.LINE_BUSY
    names = EVENT_DTYPE["names"]
    renamed = np.dtype({**EVENT_DTYPE, "names": ["sort", *names[1:]]})
    signed = np.dtype({**EVENT_DTYPE, "formats": ["u1", "u1", "<u2", "<i4", "<u4", "<u4", "<u8"]})
    short = np.dtype(
        {
            "names": names[:6],
            "formats": EVENT_DTYPE["formats"][:6],
            "offsets": EVENT_DTYPE["offsets"][:6],
            "itemsize": 24,
        }
    )
    wrong_buffers: list[tuple[object, str]] = [
        (b"\x04" * 25, "25 bytes are not a whole number of records of 24 bytes"),
        (bytearray(23), "23 bytes are not a whole number of records of 24 bytes"),
        (rows.view(np.uint8)[1:], "95 bytes are not a whole number"),
        (rows[::2], "the buffer is not C-contiguous"),
        (rows[::-1], "the buffer is not C-contiguous"),
        (np.zeros((24, 4), np.uint8).T, "the buffer is not C-contiguous"),
        (
            np.zeros(24, np.float64),
            "a buffer of 8-byte items 'd', expected bytes or 24-byte items of EVENT_DTYPE",
        ),
        (np.zeros(24, bool), "a buffer of 1-byte items '?'"),
        (array.array("I", [4] * 6), "a buffer of 4-byte items 'I'"),
        (np.zeros(2, "V24"), "a buffer of 24-byte items"),
        (np.zeros(1, np.dtype(ACTION_DTYPE)), "a buffer of 64-byte items"),
        (
            rows.astype(np.dtype(EVENT_DTYPE).newbyteorder(">")),
            "a buffer of 24-byte items 'T{B:kind:B:code:>H",
        ),
        (rows.astype(renamed), "a buffer of 24-byte items 'T{B:sort:"),
        (rows.astype(signed), "a buffer of 24-byte items 'T{B:kind:B:code:H:reserved:i:line:"),
        (np.zeros(2, short), "a buffer of 24-byte items"),
        (np.zeros(2, np.dtype([])), "a buffer of 0-byte items"),
        (np.zeros(2, "M8[s]"), "cannot include dtype 'M' in a buffer"),
    ]
    for given, what in wrong_buffers:
        wrong = refused(given)
        assert wrong.field == "events", what
        assert str(wrong).startswith(f"events: {what}"), str(wrong)
    released = memoryview(bytes(24))
    released.release()
    assert "released memoryview" in str(refused(released))


def test_what_is_no_batch_at_all_is_a_type_error() -> None:
    made = engine()
    for given in (7, None, "events", LineBusy("1"), [b"\x04" * 24]):
        with pytest.raises(TypeError, match=r"^events"):
            made.apply(given, BEGIN)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^records: expected a buffer, got list"):
        made.unpack_actions([])  # type: ignore[arg-type]


def test_what_has_no_packed_form_says_so() -> None:
    made = engine()
    wrong_events: list[tuple[Event, str]] = [
        (Service("1", Profile.ccbs()), r"events\[1\].profile: a service with its profile has no packed form"),
        (OperatorCancel(1, 1), r"events\[1\].order: the operator's cancelling has no packed form"),
        (LineBusy("99"), r"events\[1\].line: 99 has no handle: have one given by line\(\)"),
        (Order(1, "1", "99"), r"events\[1\].callee: 99 has no handle"),
    ]
    for event, what in wrong_events:
        with pytest.raises(InvalidValue, match=what):
            made.pack_events([LineBusy("1"), event])


def test_a_wrong_action_record_is_named_with_its_field() -> None:
    made = engine()
    made.apply([CallFailed("1", "7"), CallFailed("1", "8"), Order(1, "1", "7"), Order(2, "1")], BEGIN)
    rows, _ = made.apply_packed([Query(1, "1")], BEGIN)
    good = np.frombuffer(rows, np.dtype(ACTION_DTYPE))
    assert made.unpack_actions(good) == [Reply(1, Ordered(("7", "8")))]
    for index, field, value, what in [
        (0, "kind", 7, "7 is not a kind of action"),
        (0, "code", 6, "6 is not a reply"),
        (1, "callee", 77, "77 is no handle that was given"),
        (1, "more", 1, "1, expected 0 of the action before"),
        (1, "id", 2, "0, expected 0 of the action before"),
        (0, "play", 3, "3, expected 0: this action does not use it"),
        (1, "expires", 3, "3, expected 0: this action does not use it"),
    ]:
        wrong = good.copy()
        wrong[field][index] = value
        with pytest.raises(InvalidValue, match=what) as caught:
            made.unpack_actions(wrong)
        expected = "more" if field == "id" else field
        assert caught.value.field == f"records[{index}].{expected}"
    with pytest.raises(InvalidValue, match="1 records of the same action, expected to follow, are missing"):
        made.unpack_actions(good[:1])


# --- a buffer that changes -------------------------------------------------------------------------------


def test_a_buffer_that_changes_meanwhile_does_no_harm() -> None:
    made = engine()
    rows = records(20_000)
    rows["kind"] = EventKind.LINE_BUSY
    rows["line"] = np.arange(20_000) % 12
    before = made.counters()["events_refused"]
    over = threading.Event()

    def scribble() -> None:
        chance = np.random.default_rng(1)
        while not over.is_set():
            rows["kind"] = chance.integers(0, 30)
            rows["line"] = chance.integers(0, 40)

    thread = threading.Thread(target=scribble)
    thread.start()
    fields = []
    try:
        for turn in range(60):
            try:
                made.apply(rows, BEGIN + turn)
            except InvalidValue as wrong:
                fields.append(wrong.field)
    finally:
        over.set()
        thread.join()
    assert all(field.startswith("events[") for field in fields)
    assert made.counters()["events_refused"] == before, "what was checked is what was applied"
    assert Engine.restore(made.snapshot()).snapshot() == made.snapshot()
