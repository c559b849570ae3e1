"""A line without an order is reported busy and free, at random, by the engine and by the reference model."""

from __future__ import annotations

import random

import numpy
import pytest

from benches.api.conftest import Timed
from benches.office import LIMITS, START, Decides, number
from ccbs import Engine
from ccbs._ccbs import EVENT_DTYPE, EVENT_KINDS, Event, Line, LineBusy, LineFree
from reference import book
from reference.model import Model

LINES = 1_000_000


def known(decides: Decides, lines: int) -> None:
    """Makes the lines known, some at a time."""
    for first in range(0, lines, 10_000):
        last = min(first + 10_000, lines)
        decides.apply([Line(number(index), False) for index in range(first, last)], START)


def reports(lines: int, count: int) -> list[Event]:
    """``count`` lines at random are busy, then the same are free."""
    drawn = [number(index) for index in random.Random(3).sample(range(lines), count)]
    busy: list[Event] = [LineBusy(line) for line in drawn]
    return [*busy, *(LineFree(line) for line in drawn)]


def test_engine_by_a_packed_batch(timed: Timed) -> None:
    """Each line is busy, then free, in random order: one batch, lines by their handles."""
    engine = Engine(LIMITS)
    known(engine, LINES)
    handles = numpy.array([engine.line(number(index)) for index in range(LINES)], dtype="<u4")
    drawn = numpy.random.default_rng(3).permutation(handles)
    batch = numpy.zeros(2 * LINES, dtype=numpy.dtype(EVENT_DTYPE))
    batch["line"] = numpy.concatenate([drawn, drawn])
    batch["kind"][:LINES] = EVENT_KINDS.index("line-busy") + 1
    batch["kind"][LINES:] = EVENT_KINDS.index("line-free") + 1
    said, numbers = timed(
        lambda: engine.apply_packed(batch, START),
        measure="line-event",
        who="packed",
        size=LINES,
        per=len(batch),
    )
    assert (said, numbers) == (b"", ())
    assert {view.state for view in engine.lines()[:1_000]} == {"free"}


def test_engine_by_objects(timed: Timed) -> None:
    engine = Engine(LIMITS)
    known(engine, LINES)
    events = reports(LINES, 100_000)
    said = timed(
        lambda: engine.apply(events, START), measure="line-event", who="objects", size=LINES, per=len(events)
    )
    assert said == []


@pytest.mark.parametrize("lines", [100, 10_000, LINES])
def test_model(timed: Timed, lines: int) -> None:
    """The model looks at every line at every event, as its purpose lets it: it is measured at three sizes."""
    model = Model(LIMITS)
    # By hand: told of a million lines it would be busy for a week.
    model.known = {number(index): book.Line(number(index), True, False) for index in range(lines)}
    events = reports(lines, max(1, min(50, 50_000 // lines)))
    timed(
        lambda: model.apply(events, START),
        measure="line-event",
        who="reference model",
        size=lines,
        per=len(events),
        rounds=2 if lines == LINES else 5,
    )
    assert len(model.known) == lines
