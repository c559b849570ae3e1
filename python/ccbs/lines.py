"""What the service knows of the switch's own lines, and how it asks for more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from ccbs._ccbs import Event, Line, LineBusy, LineFree, LineRemoved, LineUnknown
from ccbs.recall import bounded
from ccbs.switch import LineState, Switch

__all__ = ["InternalLines"]

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0


class InternalLines:
    """The internal lines by number, and the questions to the switch about their states.

    :param switch: is asked.
    :param put: takes the facts.
    :param timeout: how long the switch may take to answer, in seconds.
    :param logger: is told when it does not.
    """

    def __init__(
        self, switch: Switch[Any], put: Callable[[Event], None], *, timeout: float, logger: logging.Logger
    ) -> None:
        self._switch = switch
        self._put = put
        self._timeout = timeout
        self._logger = logger
        self._numbers: dict[str, None] = {}
        self._external: set[str] = set()
        self._open_questions: list[set[str]] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._again = False
        self._failed = 0

    def counters(self) -> dict[str, int]:
        """``line_states_failed``: the switch could not tell its line states."""
        return {"line_states_failed": self._failed}

    def add(self, number: str, external: bool = False) -> None:
        """A line is configured, or changed sides."""
        line = Line(number, external)
        if external:
            self._numbers.pop(number, None)
            self._external.add(number)
        else:
            self._numbers[number] = None
            self._external.discard(number)
        self._put(line)

    def know(self, number: str) -> None:
        """A line that nobody configured is internal when the switch or the operator speaks of it."""
        if number not in self._numbers and number not in self._external:
            self.add(number)

    def remove(self, number: str) -> None:
        """A line left the configuration."""
        self._numbers.pop(number, None)
        self._external.discard(number)
        self._put(LineRemoved(number))

    def hear(self, fact: LineBusy | LineFree | LineUnknown) -> None:
        """A fact about a line: newer than the answer to a question that is still open."""
        for heard in self._open_questions:
            heard.add(fact.line)
        self._put(fact)

    def lost(self) -> None:
        """Nothing is known any more."""
        for number in self._numbers:
            self.hear(LineUnknown(number))

    def refresh(self) -> None:
        """Ask in the background, again and again until the switch answers."""
        # The answer to a question that is open may be older than what made somebody ask anew.
        self._again = True
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    def close(self) -> None:
        """Ask no more."""
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def ask(self) -> bool:
        """Ask once.

        :returns: whether the switch answered.
        """
        heard = set[str]()
        self._open_questions.append(heard)
        try:
            asking = asyncio.ensure_future(self._switch.line_states())
            if not await bounded(asking, self._timeout):
                raise TimeoutError(f"no answer within {self._timeout:g} s")
            states: Mapping[str, LineState] = asking.result()
            told = {number: _EVENTS[LineState(state)](number) for number, state in states.items()}
        except Exception as error:
            self._failed += 1
            self._logger.error(
                "line_states() of the switch failed (%s: %s); lines are unknown, it is asked again",
                type(error).__name__,
                error,
            )
            return False
        finally:
            # By identity: two questions may have heard the same.
            self._open_questions = [other for other in self._open_questions if other is not heard]
        for number, fact in told.items():
            self.know(number)
            if number not in heard:
                self._put(fact)
        for number in self._numbers:
            if number not in told and number not in heard:
                self._put(LineUnknown(number))
        return True

    async def _refresh(self) -> None:
        wait = _FIRST_WAIT
        while self._again:
            self._again = False
            if await self.ask():
                wait = _FIRST_WAIT
            else:
                self._again = True
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)


_EVENTS: Final[Mapping[LineState, Callable[[str], Event]]] = {
    LineState.FREE: LineFree,
    LineState.BUSY: LineBusy,
    LineState.UNKNOWN: LineUnknown,
}
