"""What waits to go into the engine: one batch for each iteration of the loop, kept while the engine is
overloaded.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Protocol

from ccbs._ccbs import (
    Action,
    CallAnswered,
    CallFailed,
    CcbsError,
    Closed,
    Event,
    LineBusy,
    LineFree,
    LineUnknown,
    LineView,
    OrderView,
    Overload,
)
from ccbs.requests import REQUESTS

__all__ = ["EngineDriver", "Inbox"]

_FACTS: Final = frozenset({LineBusy, LineFree, LineUnknown, CallFailed, CallAnswered})
_REQUESTS: Final = frozenset(REQUESTS)
_BATCH: Final = 1_024
_FIRST_WAIT: Final = 0.005
_LONGEST_WAIT: Final = 0.25


class EngineDriver(Protocol):
    """What the service needs of a driver: :class:`ccbs.Driver`, or an engine on a clock of one's own in a
    test.
    """

    def fileno(self) -> int: ...
    def submit(self, events: Sequence[Event]) -> None: ...
    def drain(self) -> Sequence[Action]: ...
    def orders(self) -> list[OrderView]: ...
    def lines(self) -> list[LineView]: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...


class Inbox:
    """Batches events to the driver.

    While the driver is overloaded, requests are handed back at once, facts about lines and calls wait up to
    ``limit`` and the oldest are shed beyond it. Outcomes of recalls and configuration always wait: they are
    as many as there are recalls and subscribers.

    :param driver: takes the batches.
    :param limit: how many facts may wait.
    :param on_denied: is given each request that was not taken, and why.
    :param on_shed: is called when the pressure is over and facts had been shed.
    :param logger: is told once when the pressure begins and once when it is over.
    """

    def __init__(
        self,
        driver: EngineDriver,
        *,
        limit: int,
        on_denied: Callable[[Event, CcbsError], None],
        on_shed: Callable[[], None],
        logger: logging.Logger,
    ) -> None:
        self._driver = driver
        self._limit = limit
        self._on_denied = on_denied
        self._on_shed = on_shed
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._facts = 0
        self._flush_due: asyncio.Handle | None = None
        self._wait = 0.0
        self._shed_now = 0
        self._closed = False
        self._counts: Final = {"facts_shed": 0, "overloads": 0, "requests_denied": 0, "events_not_taken": 0}

    def put(self, event: Event) -> None:
        """Take one event; it goes down with the others of this iteration of the loop."""
        kind = type(event)
        if self._closed:
            if kind in _REQUESTS:
                self._on_denied(event, Closed("the call-back service is stopping"))
            return
        if self._wait and kind in _REQUESTS:
            self._deny(event)
            return
        if kind in _FACTS:
            if self._facts >= self._limit:
                self._shed()
            self._facts += 1
        self._events.append(event)
        if self._flush_due is None:
            self._flush_due = self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what can be sent now, and take nothing more."""
        if not self._closed:
            self._flush()
            self._closed = True
            if self._flush_due is not None:
                self._flush_due.cancel()

    def counters(self) -> dict[str, int]:
        """``facts_shed``, ``facts_waiting``, ``overloads``, ``requests_denied``, ``events_not_taken``."""
        return {"facts_waiting": self._facts, **self._counts}

    def _flush(self) -> None:
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        while self._events:
            batch = list(islice(self._events, _BATCH))
            try:
                self._driver.submit(batch)
            except Overload:
                self._hold()
                return
            except Closed as error:
                self._give_up(error)
                return
            except CcbsError as error:
                self._counts["events_not_taken"] += len(batch)
                self._logger.exception("the engine refused %d events, first %r", len(batch), batch[0])
                for event in batch:
                    if type(event) in _REQUESTS:
                        self._on_denied(event, error)
            for event in batch:
                self._events.popleft()
                if type(event) in _FACTS:
                    self._facts -= 1
        self._relax()

    def _hold(self) -> None:
        self._counts["overloads"] += 1
        if not self._wait:
            self._logger.warning(
                "the engine is overloaded: %d events wait, requests are denied until it is over",
                len(self._events),
            )
        denied = [event for event in self._events if type(event) in _REQUESTS]
        if denied:
            self._events = deque(event for event in self._events if type(event) not in _REQUESTS)
            for event in denied:
                self._deny(event)
        self._wait = min(self._wait * 2 or _FIRST_WAIT, _LONGEST_WAIT)
        self._flush_due = self._loop.call_later(self._wait, self._flush)

    def _relax(self) -> None:
        if not self._wait:
            return
        self._wait = 0.0
        shed, self._shed_now = self._shed_now, 0
        self._logger.warning("the engine's overload is over; %d facts were shed", shed)
        if shed:
            self._on_shed()

    def _deny(self, event: Event) -> None:
        self._counts["requests_denied"] += 1
        self._on_denied(event, Overload("the engine is overloaded and took no request; try again"))

    def _shed(self) -> None:
        # An eighth at a time, so that the search costs little for each fact.
        surplus = max(1, self._limit // 8)
        kept: deque[Event] = deque()
        shed = 0
        for event in self._events:
            if shed < surplus and type(event) in _FACTS:
                shed += 1
            else:
                kept.append(event)
        if not self._shed_now:
            self._logger.warning(
                "%d facts wait for the overloaded engine: the oldest are shed, the switch will be asked anew",
                self._facts,
            )
        self._events = kept
        self._facts -= shed
        self._shed_now += shed
        self._counts["facts_shed"] += shed

    def _give_up(self, error: Closed) -> None:
        self._closed = True
        self._logger.error("the engine is closed (%s); %d events are lost", error, len(self._events))
        for event in self._events:
            if type(event) in _REQUESTS:
                self._on_denied(event, error)
        self._events.clear()
        self._facts = 0
