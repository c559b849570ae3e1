"""Each kind of step in words, as the real engine tells it."""

from __future__ import annotations

import re

import pytest

from ccbs import Engine, Profile, steps
from ccbs.actions import Ring, Step
from ccbs.events import (
    CallFailed,
    ConnectResult,
    Event,
    Line,
    LineBusy,
    LineFree,
    LineUnknown,
    OperatorCancel,
    Order,
    PlayResult,
    Released,
    RingResult,
    Service,
)

START = 1_800_000_000_000
"""Unix ms."""


class Told:
    """An engine on virtual time, and its steps in words."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.now = START
        self.words: list[str] = []
        self.recall = 0
        self.apply(
            Line("101"),
            Line("102"),
            Service("102", Profile.autodial(attempts=2)),
            LineFree("101"),
            LineFree("102"),
            CallFailed("102", "101"),
            Order(1, "102", "101"),
        )

    def apply(self, *events: Event, after_s: float = 0) -> None:
        self.now += round(after_s * 1000)
        for action in self.engine.apply(events, self.now):
            if isinstance(action, Step):
                self.words.append(steps.describe(action))
            elif isinstance(action, Ring):
                self.recall = action.recall

    def take(self) -> list[str]:
        words, self.words = self.words, []
        return words


def test_an_order_from_its_acceptance_to_its_end() -> None:
    told = Told()
    (accepted,) = told.take()
    assert re.fullmatch(r"accepted, place 1, CB timer expires at \d\d:\d\d:\d\d", accepted)
    told.apply(LineBusy("102"), after_s=5)
    told.apply(after_s=5)
    assert told.take() == ["suspended: 102 is busy"]
    told.apply(LineFree("102"), after_s=1)
    told.apply(after_s=2)
    assert told.take() == ["resumed: 102 is free", "attempt 1 of 2 began"]
    told.apply(RingResult(told.recall, "answered"))
    told.apply(PlayResult(told.recall, 1, "played"))
    assert told.take() == ["102 answered", "101 is called"]
    told.apply(ConnectResult(told.recall, "busy"))
    told.apply(PlayResult(told.recall, 2, "played"))
    told.apply(Released(told.recall))
    (failed,) = told.take()
    assert re.fullmatch(r"attempt 1 of 2 failed: callee-busy; CB timer expires at \d\d:\d\d:\d\d", failed)
    told.apply(after_s=10)
    assert told.take() == ["attempt 2 of 2 began"]
    told.apply(RingResult(told.recall, "no-answer"))
    told.apply(Released(told.recall))
    assert told.take() == ["attempt 2 of 2 failed: caller-no-answer", "ended: attempts-exhausted"]


def test_the_operator_ends_an_order() -> None:
    told = Told()
    told.take()
    (order,) = told.engine.orders()
    told.apply(OperatorCancel(2, order.order))
    assert told.take() == ["ended: cancelled-by-operator"]


def test_an_order_of_profile_ccbs_tells_what_it_waits_for() -> None:
    engine = Engine()
    said: list[str] = []

    def apply(now: int, *events: Event) -> None:
        said.extend(
            steps.describe(action) for action in engine.apply(events, now) if isinstance(action, Step)
        )

    apply(START, Line("101"), Line("102"), Service("102", Profile.ccbs()), LineBusy("101"))
    apply(START, CallFailed("102", "101"), Order(1, "102"))
    apply(START + 1_000, LineFree("101"))
    apply(START + 2_000, LineBusy("101"))
    apply(START + 3_000, LineUnknown("101"))
    assert [re.sub(r" at \d\d:\d\d:\d\d", " at …", words) for words in said] == [
        "accepted, place 1",
        "101 is free; goes on at …",
        "waits: 101 is busy",
        "101 can't be seen; goes on at …",
    ]
    apply(START + 63_000)
    assert said[-1] == "attempt 1 began"


@pytest.mark.parametrize("now", [0.0, 1_800_000_000.5])
def test_a_line_has_the_time_the_order_and_both_numbers(now: float) -> None:
    engine = Engine()
    told = [
        steps.line(action, now)
        for action in engine.apply(
            [
                Line("101"),
                Line("102"),
                Service("102", Profile.autodial()),
                CallFailed("102", "101"),
                Order(1, "102"),
            ],
            START,
        )
        if isinstance(action, Step)
    ]
    (line,) = told
    (order,) = engine.orders()
    assert re.match(rf"\d\d:\d\d:\d\d order {order.order} 102→101 accepted, ", line)
