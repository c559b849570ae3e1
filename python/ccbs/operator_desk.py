"""Answers what the operator asks a running server: orders, lines, calls, counters; cancels an order."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from ccbs._ccbs import Cancelled, Closed, LineView, Overload
from ccbs.calls import CallLog
from ccbs.control import Refused
from ccbs.service import CallbackService
from ccbs.subscribers import Directory

__all__ = ["MOST_ROWS", "Counted", "Host", "OperatorDesk"]

MOST_ROWS = 10_000
"""The most rows of one answer."""

_ORDER = ("order", "caller", "callee", "state", "place", "attempt", "attempts", "due", "expires")
_LINE = ("line", "external", "state", "in_recall", "orders", "waiting")


class Counted(Protocol):
    """What has counters of its own."""

    def counters(self) -> dict[str, int]:
        """The counters by name."""
        ...


class Host(Protocol):
    """What the desk asks of a switch, whichever it is."""

    @property
    def directory(self) -> Directory:
        """The subscribers."""
        ...

    @property
    def calls(self) -> CallLog:
        """The call log."""
        ...

    def registered(self, number: str) -> int:
        """How many phones of a subscriber can be reached."""
        ...

    def counters(self) -> dict[str, int]:
        """The counters by name."""
        ...

    def refuse_calls(self) -> None:
        """Take no new calls."""
        ...

    async def finish_calls(self, timeout: float) -> int:
        """Wait for the calls in progress, in seconds; how many are left."""
        ...

    async def stop(self) -> None:
        """End what is in progress."""
        ...


class OperatorDesk:
    """Carries out the requests of the control socket.

    :param switch: tells names, registrations, calls.
    :param service: tells orders and lines, cancels.
    :param reload: reads the configuration anew, or raises :class:`ccbs.control.Refused`; None: nobody can.
    :ivar counted: whose counters are told besides those of the two.
    """

    def __init__(
        self,
        switch: Host,
        service: CallbackService,
        *,
        reload: Callable[[], Awaitable[Mapping[str, int]]] | None = None,
    ) -> None:
        self.counted: Sequence[Counted] = ()
        self._reload = reload
        self._switch = switch
        self._service = service

    async def answer(self, name: str, request: Mapping[str, Any]) -> Any:
        """Carry out one request.

        :param name: ``orders``, ``lines``, ``calls``, ``counters``, ``cancel`` or ``reload``.
        :param request: the whole request, with its arguments.
        :returns: ``{"total": …, "rows": […]}`` for the first three (at most :data:`MOST_ROWS` rows), else an
            object.
        :raises Refused: when it cannot be carried out, with a sentence for the operator.
        """
        try:
            match name:
                case "orders":
                    orders = self._service.orders()
                    return _answer(len(orders), [_fields(order, _ORDER) for order in orders[:MOST_ROWS]])
                case "lines":
                    lines = self._service.lines()
                    return _answer(len(lines), [self._line(found) for found in lines[:MOST_ROWS]])
                case "calls":
                    return self._calls(request)
                case "counters":
                    return self._counters()
                case "cancel":
                    return await self._cancel(request)
                case "reload" if self._reload is not None:
                    return await self._reload()
        except Closed:
            raise Refused("The server is stopping.") from None
        raise Refused(
            f"The server knows no request {name!r}; it knows orders, lines, calls, counters, cancel, reload."
        )

    def _line(self, view: LineView) -> dict[str, Any]:
        subscriber = self._switch.directory.get(view.line)
        return {
            **_fields(view, _LINE),
            "name": subscriber.name if subscriber else None,
            "phones": self._switch.registered(view.line) if subscriber else None,
        }

    def _calls(self, request: Mapping[str, Any]) -> dict[str, Any]:
        number, last = request.get("number"), request.get("last", 50)
        if not (number is None or isinstance(number, str)):
            raise Refused('"number" is a text or left out.')
        if isinstance(last, bool) or not isinstance(last, int) or not 1 <= last <= MOST_ROWS:
            raise Refused(f'"last" is a whole number from 1 to {MOST_ROWS}.')
        records = self._switch.calls.records(number)
        return _answer(len(records), [dataclasses.asdict(record) for record in records[-last:]])

    def _counters(self) -> dict[str, int]:
        counters = {**self._service.counters(), **self._switch.counters()}
        counters["tasks_now"] = len(asyncio.all_tasks())
        for part in self.counted:
            counters |= part.counters()
        return counters

    async def _cancel(self, request: Mapping[str, Any]) -> dict[str, Any]:
        order = request.get("order")
        if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order < 2**64:
            raise Refused('"order" is the number of an order.')
        try:
            reply = await self._service.operator_cancel(order)
        except (Overload, TimeoutError) as error:
            raise Refused(f"Order {order} was not cancelled: {error}.") from None
        if not isinstance(reply, Cancelled):
            raise Refused(f"There is no order {order}; `ccbs orders` shows those that stand.")
        return {"cancelled": list(reply.orders)}


def _answer(total: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"total": total, "rows": rows}


def _fields(view: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(view, name) for name in names}
