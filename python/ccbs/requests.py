"""Requests to the engine that wait for its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from ccbs._ccbs import (
    AnyReply,
    Cancel,
    CcbsError,
    Closed,
    Denied,
    Event,
    OperatorCancel,
    Order,
    Overload,
    Query,
)

__all__ = ["REQUESTS", "Request", "Requests"]

Request: TypeAlias = Order | Cancel | Query | OperatorCancel
REQUESTS: Final = (Order, Cancel, Query, OperatorCancel)
"""The inputs of the engine that it answers with a reply."""
ReplyT = TypeVar("ReplyT")


class Requests:
    """Numbers the requests and gives each its reply.

    :param put: takes a request down to the engine.
    :param timeout: how long a request waits for its reply, in seconds.
    """

    def __init__(self, put: Callable[[Event], None], *, timeout: float) -> None:
        self._put = put
        self._timeout = timeout
        self._last = 0
        self._waiting: Final[dict[int, asyncio.Future[AnyReply]]] = {}
        self._counts: Final = {"requests_timed_out": 0, "replies_unclaimed": 0}

    def number(self) -> int:
        """A number for the next request."""
        self._last += 1
        return self._last

    async def ask(self, request: Request, *kinds: type[ReplyT]) -> ReplyT:
        """Put a request and wait for its reply.

        :param request: with a number of its own.
        :param kinds: what it may be answered with.
        :raises TimeoutError: when there was no reply in time.
        :raises CcbsError: what it was denied with.
        """
        waiting: asyncio.Future[AnyReply] = asyncio.get_running_loop().create_future()
        self._waiting[request.request] = waiting
        self._put(request)
        try:
            async with asyncio.timeout(self._timeout):
                reply = await waiting
        except TimeoutError:
            self._counts["requests_timed_out"] += 1
            raise TimeoutError(f"the engine did not answer within {self._timeout:g} s: {request!r}") from None
        finally:
            self._waiting.pop(request.request, None)
        if not isinstance(reply, kinds):
            raise TypeError(f"the engine answered {request!r} with {reply!r}")
        return reply

    def answer(self, request: int, reply: AnyReply) -> None:
        """The engine's reply has come.

        :param request: the number of the request.
        """
        waiting = self._waiting.pop(request, None)
        if waiting is None or waiting.done():
            self._counts["replies_unclaimed"] += 1
        else:
            waiting.set_result(reply)

    def deny(self, event: Event, error: CcbsError) -> None:
        """The engine did not take what was put: an order is denied where that is an answer."""
        if not isinstance(event, REQUESTS):
            return
        waiting = self._waiting.pop(event.request, None)
        if waiting is None or waiting.done():
            return
        if isinstance(event, Order) and isinstance(error, Overload):
            waiting.set_result(Denied("overload", True))
        else:
            waiting.set_exception(error)

    def fail(self, why: str) -> None:
        """Nobody will answer any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Closed(why))
        self._waiting.clear()

    def counters(self) -> dict[str, int]:
        """``requests_timed_out``, and ``replies_unclaimed``: nobody waited for them any more."""
        return dict(self._counts)
