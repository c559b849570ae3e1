"""The real engine on a clock that a test moves by hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from ccbs import Engine, Limits
from ccbs._ccbs import Action, Closed, Event, LineView, OrderView, Overload

START = 1_700_000_000_000


class VirtualDriver:
    """Does what :class:`ccbs.Driver` does, when the test says so.

    :param limits: of the engine.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.engine = Engine(limits)
        self.now = START
        self.batches: list[Sequence[Event]] = []
        self.overloaded = False
        self.closed = False
        self.failed = False
        self._actions: list[Action] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._wake

    def submit(self, events: Sequence[Event]) -> None:
        if self.failed:
            raise Closed("the store failed")
        if self.overloaded:
            raise Overload("full")
        self.batches.append(events)
        self._take(self.engine.apply(events, self.now))

    def drain(self) -> Sequence[Action]:
        os.eventfd_read(self._wake)
        if self.failed:
            raise Closed("the store failed")
        actions, self._actions = self._actions, []
        return actions

    def orders(self) -> list[OrderView]:
        return self.engine.orders()

    def lines(self) -> list[LineView]:
        return self.engine.lines()

    def counters(self) -> dict[str, int]:
        return self.engine.counters()

    def close(self) -> None:
        self.closed = True
        os.close(self._wake)

    def fail(self) -> None:
        """Stop by itself."""
        self.failed = True
        os.eventfd_write(self._wake, 1)

    def advance(self, seconds: float) -> None:
        """Move the clock, stopping at each deadline on the way."""
        until = self.now + round(seconds * 1000)
        while (due := self.engine.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self._take(self.engine.apply([], self.now))
        self.now = until
        self._take(self.engine.apply([], self.now))

    def _take(self, actions: Sequence[Action]) -> None:
        if actions:
            self._actions.extend(actions)
            os.eventfd_write(self._wake, 1)


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Let the loop run until ``condition()``; fail when it does not come true.

    :param condition: looked at after each iteration of the loop.
    :param within: real seconds.
    """
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - looks at the engine, which has no asyncio.Event
            await asyncio.sleep(0.001)


async def settle(turns: int = 50) -> None:
    """Let the loop run until what was submitted has been carried out."""
    for _ in range(turns):
        await asyncio.sleep(0)
