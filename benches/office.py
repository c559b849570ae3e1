"""An office of pairs, one ordering the other: the same load for the engine and for the reference model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ccbs import Limits, Profile
from ccbs._ccbs import (
    Action,
    CallFailed,
    ConnectResult,
    Event,
    Line,
    LineBusy,
    LineFree,
    Order,
    PlayResult,
    Ring,
    RingResult,
    Service,
)

__all__ = ["LIMITS", "START", "Decides", "Office", "number"]

START = 1_800_000_000_000
"""Unix time in ms."""

LIMITS = Limits(orders_total=1_000_000, recalls_at_once=100_000, recalls_per_second=10_000)


class Decides(Protocol):
    """The engine, or the model."""

    def apply(self, events: Sequence[Event], now: int) -> list[Action]:
        """Events in, actions out."""
        ...


def number(index: int) -> str:
    """A line's number: eleven digits, as in the Rust part."""
    return f"7495{index:07}"


class Office:
    """Idle lines that may order; the first half are callers, the others callees.

    :param decides: is told everything.
    :param pairs: how many.
    """

    def __init__(self, decides: Decides, pairs: int) -> None:
        self._decides = decides
        self._now = START
        self._pairs = [(number(index), number(pairs + index)) for index in range(pairs)]
        profile = Profile.ccbs()
        lines = [line for pair in self._pairs for line in pair]
        self._apply([Line(line, False) for line in lines])
        self._apply([Service(line, profile) for line in lines])
        self._apply([LineFree(line) for line in lines])

    def lives_one_at_a_time(self) -> int:
        """Each pair's order from the failed call to the talk, a call an event. How many were completed."""
        completed = 0
        for caller, callee in self._pairs:
            self._apply([LineBusy(callee)])
            self._apply([CallFailed(caller, callee, "busy")])
            self._apply([Order(1, caller, callee)])
        self._now += 30_000
        for _, callee in self._pairs:
            self._apply([LineFree(callee)])
        self._now += 5_000
        for recall in _rung(self._apply([])):
            self._apply([RingResult(recall, "answered")])
            self._apply([PlayResult(recall, 1, "played")])
            self._apply([ConnectResult(recall, "answered")])
            completed += 1
        self._now += 2_000
        return completed

    def lives_batched(self) -> int:
        """The same, all pairs' events of one kind in one call."""
        failed: list[Event] = []
        for caller, callee in self._pairs:
            failed += (LineBusy(callee), CallFailed(caller, callee, "busy"), Order(1, caller, callee))
        self._apply(failed)
        self._now += 30_000
        self._apply([LineFree(callee) for _, callee in self._pairs])
        self._now += 5_000
        recalls = _rung(self._apply([]))
        self._apply([RingResult(recall, "answered") for recall in recalls])
        self._apply([PlayResult(recall, 1, "played") for recall in recalls])
        self._apply([ConnectResult(recall, "answered") for recall in recalls])
        self._now += 2_000
        return len(recalls)

    def wait(self) -> None:
        """Every pair's order is placed and stays."""
        for caller, callee in self._pairs:
            self._apply([LineBusy(callee), CallFailed(caller, callee, "busy"), Order(1, caller, callee)])
        self._now += 31_000
        self._apply([])

    def _apply(self, events: Sequence[Event]) -> list[Action]:
        return self._decides.apply(events, self._now)


def _rung(actions: Sequence[Action]) -> list[int]:
    return [action.recall for action in actions if isinstance(action, Ring)]
