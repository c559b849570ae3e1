"""Layer 1: call back on busy for any switch, on asyncio.

:class:`CallbackService` is the one meeting point of switch and engine: facts and requests go down to the
engine in batches; what the engine decides is carried out on the switch, the recalls side by side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from ccbs import _ccbs
from ccbs._ccbs import (
    Accepted,
    Action,
    Cancelled,
    Closed,
    Confirmed,
    Connect,
    Denied,
    Driver,
    Event,
    Limits,
    LineView,
    NothingOrdered,
    Ordered,
    OrderView,
    Play,
    Profile,
    Release,
    Reply,
    Ring,
    Step,
)
from ccbs.inbox import EngineDriver, Inbox
from ccbs.lines import InternalLines
from ccbs.recall import RecallCarrier
from ccbs.requests import Requests
from ccbs.switch import Switch

__all__ = ["CallbackService"]


class CallbackService:
    """The call-back service over one switch.

    All methods belong to the thread of the event loop that :meth:`start` ran on. Facts return at once; those
    of one iteration of the loop go to the engine together.

    :param switch: what rings, plays, connects and releases (:class:`ccbs.switch.Switch`).
    :param limits: of the whole engine (standards.md, "Settings").
    :param on_step: is told every step in the life of every order; an exception in it is logged and counted.
    :param on_closed: is called once when the engine has ended by a fault of its own: recalls in progress are
        given up, requests raise :class:`ccbs.Closed`, and all that is left to do is :meth:`stop`.
    :param logger: errors name the order they belong to.
    :param facts_limit: how many facts about lines and calls are kept while the engine is overloaded; the
        oldest are shed beyond it, counted, and the switch is asked for its line states afterwards.
    :param request_timeout: how long a request waits for its answer, in seconds.
    :param release_timeout: how long the switch may take to release a leg, and to give up what was cancelled,
        in seconds; then the engine is told that the leg is gone and the order goes on.
    :param line_states_timeout: how long the switch may take to tell its line states, in seconds; then it is
        asked again.
    :param stop_timeout: how long :meth:`stop` waits for the recalls in progress, in seconds.
    :param driver: the engine with its clock; a new :class:`ccbs.Driver` with ``limits`` unless given. The
        service owns it from :meth:`start` on.
    """

    def __init__(
        self,
        switch: Switch[Any],
        *,
        limits: Limits | None = None,
        on_step: Callable[[Step], None] | None = None,
        on_closed: Callable[[], None] | None = None,
        logger: logging.Logger | None = None,
        facts_limit: int = 65_536,
        request_timeout: float = 5.0,
        release_timeout: float = 10.0,
        line_states_timeout: float = 10.0,
        stop_timeout: float = 5.0,
        driver: EngineDriver | None = None,
    ) -> None:
        self._switch = switch
        self._given_driver = driver
        self._limits = limits
        self._on_step = on_step
        self._on_closed = on_closed
        self._logger = logger or logging.getLogger("ccbs.service")
        self._facts_limit = facts_limit
        self._release_timeout = release_timeout
        self._stop_timeout = stop_timeout
        self._driver: EngineDriver | None = None
        self._inbox: Inbox | None = None
        self._recalls: RecallCarrier | None = None
        self._giving_up: asyncio.Task[None] | None = None
        self._requests = Requests(self._put, timeout=request_timeout)
        self._lines = InternalLines(switch, self._put, timeout=line_states_timeout, logger=self._logger)
        self._stopping = False
        self._counts: Final = {
            "on_step_errors": 0,
            "action_errors": 0,
        }

    # --- its life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, prepare: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start the engine and ask the switch for the state of its lines.

        A switch that fails to tell is asked again in the background; its lines are unknown until then.

        :param prepare: is awaited before anything is carried out on the switch: an engine with a store may
            want phones rung at once, which the switch must know first. Facts may be told in it; a request
            has its answer only afterwards.
        :raises RuntimeError: when the service was started before.
        """
        if self._driver is not None:
            raise RuntimeError("the service was started already; make a new one to start again")
        driver = self._driver = self._given_driver or Driver(self._limits)
        self._inbox = Inbox(
            driver,
            limit=self._facts_limit,
            on_denied=self._requests.deny,
            on_shed=self.refresh,
            logger=self._logger,
        )
        self._recalls = RecallCarrier(
            self._switch, self._inbox.put, release_timeout=self._release_timeout, logger=self._logger
        )
        loop = asyncio.get_running_loop()
        if prepare is None:
            loop.add_reader(driver.fileno(), self._on_readable)
        try:
            if not await self._lines.ask():
                self.refresh()
            if prepare is not None:
                await prepare()
                if not self._stopping:
                    loop.add_reader(driver.fileno(), self._on_readable)
        except BaseException:
            # Nobody will stop a service whose start was cancelled.
            await self.stop()
            raise

    async def stop(self, *, close_driver: bool = True) -> None:
        """Give up the recalls in progress and close the engine. Calls that were connected go on.

        Takes at most ``stop_timeout`` and the time of one release. Stopping twice is no error.

        :param close_driver: False leaves the driver open for notes (:meth:`ccbs.Driver.note`); whoever made
            it closes it.
        """
        if self._driver is None or self._stopping:
            return
        self._stopping = True
        self._lines.close()
        try:
            await self._give_up_recalls()
        finally:
            # Also when whoever stops it has no more time.
            if self._inbox is not None:
                self._inbox.close()
            asyncio.get_running_loop().remove_reader(self._driver.fileno())
            if close_driver:
                self._driver.close()
            self._requests.fail("the call-back service was stopped")

    def lost_contact(self) -> None:
        """The switch can't be seen: its lines are unknown until :meth:`refresh` or new facts."""
        self._lines.lost()

    def refresh(self) -> None:
        """Ask the switch for its line states anew, in the background, until it tells them."""
        if self._driver is not None and not self._stopping:
            self._lines.refresh()

    # --- facts ------------------------------------------------------------------------------------

    def line(self, number: str, external: bool = False) -> None:
        """A line is configured, or changed sides.

        :param number: its number.
        :param external: whether it lies behind a trunk, which decides the CB timer (service.md, "Set-up" 3).
        """
        self._lines.add(number, external)

    def remove_line(self, number: str) -> None:
        """A line left the configuration: orders by it and for it end."""
        self._lines.remove(number)

    def allow(self, number: str, profile: Profile | None) -> None:
        """Allow ordering to a subscriber, change its numbers, or (``None``) forbid it, which ends its orders.

        :param number: the subscriber's.
        :param profile: holds for orders accepted from then on.
        """
        self._lines.know(number)
        self._put(_ccbs.Service(number, profile))

    def line_busy(self, number: str) -> None:
        """The line has a call of any kind, a recall's own leg included."""
        self._lines.hear(_ccbs.LineBusy(number))

    def line_free(self, number: str) -> None:
        """The line has no call."""
        self._lines.hear(_ccbs.LineFree(number))

    def line_unknown(self, number: str) -> None:
        """Nobody can say whether the line has a call."""
        self._lines.hear(_ccbs.LineUnknown(number))

    def line_registered(self, number: str) -> None:
        """A phone of the line registered (profile ccbs, kind NL)."""
        self._put(_ccbs.LineRegistered(number))

    def line_unregistered(self, number: str) -> None:
        """The line has no registered phone any more: orders of profile ccbs for it wait until it has."""
        self._put(_ccbs.LineUnregistered(number))

    def call_failed(self, caller: str, callee: str, cause: str = "busy") -> None:
        """A call that is no recall failed; busy opens the caller's offer window for this callee.

        Tell the other failures too: ``*37#`` orders the number that failed last, and only if that was busy.

        :param caller: who called.
        :param callee: whom, as dialled: an order rings back with this number.
        :param cause: ``busy``, ``no-reply``, ``not-logged-in`` or ``other`` (declined, unknown number, a
            fault).
        :raises InvalidValue: for any other cause.
        """
        self._put(_ccbs.CallFailed(caller, callee, cause))

    def call_answered(self, caller: str, callee: str) -> None:
        """A call that is no recall was answered: orders between the two, in either direction, are
        fulfilled.
        """
        self._put(_ccbs.CallAnswered(caller, callee))

    # --- requests ---------------------------------------------------------------------------------

    async def order(self, caller: str, callee: str | None = None) -> Accepted | Confirmed | Denied:
        """Order a call back (``*37*B#``).

        :param caller: the authenticated subscriber who orders.
        :param callee: from whom; ``None``: from the number that failed last (``*37#``).
        :returns: the order, the same order again, or why not. ``Denied("overload")`` when the engine takes
            no more.
        :raises TimeoutError: when there was no answer within ``request_timeout``.
        :raises Closed: when the service is not running.
        """
        number = self._next_request()
        return await self._requests.ask(_ccbs.Order(number, caller, callee), Accepted, Confirmed, Denied)

    async def cancel(self, caller: str, callee: str | None = None) -> Cancelled | NothingOrdered:
        """Cancel one order of a caller (``#37*B#``) or all (``#37#``).

        :param caller: the authenticated subscriber who cancels.
        :param callee: for whom the order is; ``None``: all.
        :raises Overload: when the engine takes no more; try again.
        :raises TimeoutError: when there was no answer within ``request_timeout``.
        :raises Closed: when the service is not running.
        """
        number = self._next_request()
        return await self._requests.ask(_ccbs.Cancel(number, caller, callee), Cancelled, NothingOrdered)

    async def ordered(self, caller: str) -> Ordered | NothingOrdered:
        """Ask what a caller has ordered (``*#37#``). Raises as :meth:`cancel`.

        :param caller: the authenticated subscriber who asks.
        """
        number = self._next_request()
        return await self._requests.ask(_ccbs.Query(number, caller), Ordered, NothingOrdered)

    async def operator_cancel(self, order: int) -> Cancelled | NothingOrdered:
        """Cancel any order as the operator. Raises as :meth:`cancel`.

        :param order: the order's identity.
        """
        number = self._next_request()
        return await self._requests.ask(_ccbs.OperatorCancel(number, order), Cancelled, NothingOrdered)

    # --- what is known ----------------------------------------------------------------------------

    def orders(self) -> list[OrderView]:
        """The orders that stand, oldest first."""
        return self._running().orders()

    def lines(self) -> list[LineView]:
        """The lines and their states."""
        return self._running().lines()

    def counters(self) -> dict[str, int]:
        """The engine's and driver's counters and the service's own.

        ``facts_shed``, ``facts_waiting``, ``overloads``, ``requests_denied``, ``events_not_taken`` (their
        batch was refused), ``requests_timed_out``, ``replies_unclaimed``, ``line_states_failed``,
        ``on_step_errors``, ``action_errors``, ``recalls_now``,
        ``switch_errors`` (a method of the switch raised), ``switch_overdue`` (it did not return in time),
        ``prompts_unheard`` (a prompt could not be played), ``rings_not_tried`` (a phone could not even be
        tried to ring).
        """
        counters = dict(self._running().counters())
        if self._inbox is not None and self._recalls is not None:
            counters |= self._inbox.counters() | self._recalls.counters() | self._lines.counters()
        return counters | self._requests.counters() | self._counts

    # --- inside: down -----------------------------------------------------------------------------

    def _running(self) -> EngineDriver:
        if self._driver is None or self._stopping:
            raise Closed("the call-back service is not running; start() it first")
        return self._driver

    def _put(self, event: Event) -> None:
        # A switch may still report while the service stops; nobody is there to be told.
        if self._stopping:
            return
        if self._inbox is None:
            raise Closed("the call-back service is not running; start() it first")
        self._inbox.put(event)

    def _next_request(self) -> int:
        self._running()
        return self._requests.number()

    # --- inside: up -------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        driver, recalls = self._driver, self._recalls
        if driver is None or recalls is None:
            return
        try:
            actions = driver.drain()
        except Closed as error:
            self._lost(error)
            return
        # Where phones are to ring they ring first; otherwise a step is told before the reply that follows it.
        ringing = any(isinstance(action, Ring) for action in actions)
        steps: list[Step] = []
        for action in actions:
            if ringing and isinstance(action, Step):
                steps.append(action)
                continue
            try:
                self._do(action, recalls)
            except Exception:
                # One action that goes wrong must not take the others of the batch with it.
                self._counts["action_errors"] += 1
                self._logger.exception("action %r was not carried out", action)
        if steps:
            asyncio.get_running_loop().call_soon(self._tell, steps)

    def _lost(self, error: Closed) -> None:
        if self._driver is None or self._stopping:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._driver.fileno())
        self._logger.error(
            "the engine has ended by a fault of its own (%s); recalls in progress are given up", error
        )
        self._lines.close()
        self._requests.fail(f"the engine has ended: {error}")
        # Nobody decides about them any more: a caller would wait on an open line for ever.
        self._giving_up = loop.create_task(self._give_up_recalls())
        if self._on_closed is not None:
            self._on_closed()

    async def _give_up_recalls(self) -> None:
        if self._giving_up is not None and self._giving_up is not asyncio.current_task():
            await self._giving_up
        elif self._recalls is not None:
            await self._recalls.stop(self._stop_timeout)

    def _do(self, action: Action, recalls: RecallCarrier) -> None:
        match action:
            case Reply(request, reply):
                self._requests.answer(request, reply)
            case Step():
                self._tell((action,))
            case Ring():
                recalls.ring(action)
            case Play():
                recalls.play(action)
            case Connect():
                recalls.connect(action)
            case Release():
                recalls.release(action)

    def _tell(self, steps: Sequence[Step]) -> None:
        if self._on_step is None:
            return
        for step in steps:
            try:
                self._on_step(step)
            except Exception:
                self._counts["on_step_errors"] += 1
                self._logger.exception("order %d: on_step raised at %r", step.order, step)
