"""Packed batches through the driver: handles as inputs, in a recording, and actions out."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ccbs
from ccbs import ACTION_DTYPE, EVENT_DTYPE, Closed, Driver, Engine, InvalidValue, Overload, Profile
from ccbs.actions import Accepted, Action, NothingOrdered, Reply, Ring
from ccbs.events import CallFailed, Event, LineBusy, LineFree, Order, Query, Service
from ccbs.packed import ActionKind, EventKind

WITHIN = 20.0
"""Bounds a wait for what must come (seconds)."""


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def packed_events(driver: Driver, events: list[Event]) -> bytes:
    """The records of events, made by an engine whose lines have the driver's handles."""
    engine = Engine()
    for line in range(max(driver.handles(["1", "2"])) + 1):
        assert engine.line(driver.number(line)) == line
    return engine.pack_events(events)


def drained(driver: Driver, kind: type[Action]) -> list[Action]:
    """Drains packed actions until one of a kind came."""
    told: list[Action] = []
    while not any(isinstance(action, kind) for action in told):
        assert select.select([driver], [], [], WITHIN)[0], told
        records, numbers = driver.drain_packed()
        told += driver.unpack_actions(np.frombuffer(records, np.dtype(ACTION_DTYPE)), numbers)
    return told


def test_packed_in_and_packed_out(driver: Driver) -> None:
    driver.submit([Service("2", Profile.autodial(cb_timer_external_s=1))])
    events: list[Event] = [LineFree("2"), LineBusy("1"), CallFailed("2", "1"), Order(5, "2")]
    driver.submit(packed_events(driver, events))
    told = drained(driver, Ring)
    assert told[0] == Reply(5, Accepted(1, "1", 1))
    (ring,) = [action for action in told if isinstance(action, Ring)]
    assert (ring.caller, ring.callee) == ("2", "1")


def test_a_wrong_record_is_refused_when_it_is_submitted(driver: Driver) -> None:
    driver.line("1")
    rows = np.zeros(3, np.dtype(EVENT_DTYPE))
    rows["kind"] = EventKind.LINE_BUSY
    rows["line"][1] = 1
    with pytest.raises(InvalidValue, match=r"^events\[1\].line: line handle 1 is unknown"):
        driver.submit(rows)
    with pytest.raises(
        InvalidValue, match=r"^events: 71 bytes are not a whole number of records of 24 bytes"
    ):
        driver.submit(rows.tobytes()[1:])
    rows["line"] = 0
    driver.submit(rows)
    driver.close()
    counters = driver.counters()
    assert (counters["driver_events"], counters["driver_events_refused"]) == (3, 0)
    assert driver.lines()[0].state == "busy"


def test_handles_are_for_numbers_of_lines(driver: Driver) -> None:
    assert driver.line("1") == driver.handles(["2", "1"])[1]
    assert driver.number(driver.line("2")) == "2"
    assert driver.handles([]) == []
    with pytest.raises(InvalidValue, match=r"^numbers\[1\]: a number has 1–255 bytes, got 0"):
        driver.handles(["3", ""])
    with pytest.raises(InvalidValue, match=r"^number: a number has 1–255 bytes, got 256"):
        driver.line("4" * 256)
    with pytest.raises(InvalidValue, match="line handle 7 is unknown"):
        driver.number(7)
    assert sorted(line.line for line in driver.lines()) == ["1", "2"]
    driver.close()
    with pytest.raises(Closed):
        driver.line("1")
    assert driver.number(0) == "1"


def test_a_driver_that_nobody_drains_gives_no_handle_and_does_not_hang() -> None:
    driver = Driver(queue_limit=1)
    driver.submit([Query(1, "2")])
    assert select.select([driver], [], [], WITHIN)[0]
    with pytest.raises(Overload, match="drain the actions, then ask again"):
        driver.line("1")
    records, numbers = driver.drain_packed()
    (row,) = np.frombuffer(records, np.dtype(ACTION_DTYPE))
    assert (row["kind"], row["id"], numbers) == (ActionKind.REPLY, 1, ())
    assert driver.unpack_actions(records) == [Reply(1, NothingOrdered())]
    driver.line("1")
    driver.close()


def test_a_recording_with_handles_tells_its_story(tmp_path: Path) -> None:
    driver = Driver(record=tmp_path / "run")
    driver.submit([Service("2", Profile.autodial())])
    events: list[Event] = [LineFree("2"), LineBusy("1"), CallFailed("2", "1"), Order(5, "2")]
    driver.submit(packed_events(driver, events))
    drained(driver, Reply)
    driver.close()
    told = ccbs.explain(tmp_path / "run", order=1)
    (story,) = told.stories
    assert (story.caller, story.callee) == ("2", "1")
    assert "accepted" in " ".join(sentence.text for sentence in story.sentences)
