"""Ordinary calls: from the phone or trunk that begins one to its record in the call log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ccbs._ccbs import CcbsError
from ccbs.calls import CallCause, CallLog, CallRecord
from ccbs.causes import fail_cause
from ccbs.codes import OrderDesk, UnknownCode
from ccbs.numbering import Numbering
from ccbs.sip.diverting import Diverting
from ccbs.sip.facts import Facts
from ccbs.sip.outcomes import call_cause
from ccbs.sip.routing import (
    Answer,
    Call,
    Codes,
    Decision,
    Dial,
    NumberingRoute,
    Party,
    Reject,
    Route,
    RouteFailed,
    ask_route,
)
from ccbs.subscribers import Directory

if TYPE_CHECKING:
    from ccbs._ccbs import Answered, Bridged, Diverted, Ended, Incoming, Played, Ringing, SipEndpoint
    from ccbs.service import CallbackService

__all__ = ["OrdinaryCalls"]


@dataclass(slots=True)
class _Leg:
    """The incoming leg of a call and what is known of it."""

    id: int
    call: Call
    caller: str
    callee: str
    began: float
    named: bool
    """Whether ``caller`` is a number that leads back to the caller: only then is the service told of it."""
    to_subscriber: str | None = None
    rang: bool = False
    answered: float | None = None
    rejected: int | None = None
    code: bool = False
    carrying_out: bool = False
    task: asyncio.Task[None] | None = None
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    plays: dict[int, asyncio.Future[str]] = field(default_factory=dict)
    trunk: str | None = None
    """The trunk that the callee is behind, if any."""
    peer: int | None = None


class OrdinaryCalls:
    """All calls that are no recalls.

    :param endpoint: the SIP endpoint.
    :param directory: the subscribers.
    :param numbering: the plan.
    :param log: where each call leaves a record.
    :param route: a user's route, or ``None`` for ``plan``.
    :param plan: the route by the numbering plan.
    :param desk: carries out service codes.
    :param service: is told how calls ended.
    :param facts: tells it.
    :param prompts: from the caller's subscriber number (``None``: a trunk) and prompt names to the names
        loaded into the endpoint.
    :param contacts: how many phones a subscriber has registered.
    :param route_timeout: how long a route may take, in seconds.
    :param ring_timeout: how long a callee rings where the route says nothing, in seconds.
    :param diverting: where calls may be diverted to.
    :param clock: Unix time in seconds.
    :param logger: for what goes wrong.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        *,
        directory: Directory,
        numbering: Numbering,
        log: CallLog,
        route: Route | None,
        plan: NumberingRoute,
        desk: OrderDesk,
        service: CallbackService,
        facts: Facts,
        prompts: Callable[[str | None, Sequence[str]], Sequence[str]],
        contacts: Callable[[str], int],
        route_timeout: float,
        ring_timeout: float,
        diverting: Diverting,
        clock: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        self._endpoint = endpoint
        self._directory = directory
        self._numbering = numbering
        self._log = log
        self._route = route
        self._plan = plan
        self._desk = desk
        self._service = service
        self._facts = facts
        self._prompts = prompts
        self._contacts = contacts
        self._route_timeout = route_timeout
        self._ring_timeout = ring_timeout
        self._diverting = diverting
        self._clock = clock
        self._logger = logger
        self.refusing = False
        """Whether new calls are answered 503, because the switch stops."""
        self._legs: Final[dict[int, _Leg]] = {}
        self._by_peer: Final[dict[int, _Leg]] = {}
        self._counts: Final = {
            "routes_failed": 0,
            "decisions_failed": 0,
            "codes_unknown": 0,
            "code_calls_failed": 0,
            "calls_refused_stopping": 0,
        }

    def counters(self) -> dict[str, int]:
        """``calls_now``, ``routes_failed`` (answered 500), ``decisions_failed`` (not taken by the endpoint),
        ``codes_unknown`` (404), ``code_calls_failed`` (prompts not played), ``calls_refused_stopping``
        (answered 503 while the switch stops), and those of the order desk.
        """
        return {"calls_now": len(self._legs), **self._counts, **self._desk.counters()}

    # --- what the endpoint tells ------------------------------------------------------------------

    def on_incoming(self, event: Incoming) -> None:
        """A phone or trunk begins a call."""
        subscriber = self._directory.get(event.number) if event.from_trunk is None else None
        call = Call(
            number=event.number,
            dialled=event.dialled,
            subscriber=subscriber,
            trunk=event.from_trunk,
            display=event.display,
            call_id=event.call_id,
        )
        caller: str | None = event.number
        if event.from_trunk is not None:
            caller = self._numbering.as_dialled(event.from_trunk, event.number)
        leg = _Leg(
            event.leg, call, caller or event.number, event.dialled, self._clock(), named=caller is not None
        )
        self._legs[leg.id] = leg
        if self.refusing:
            self._counts["calls_refused_stopping"] += 1
            self._do(leg, Reject(503))
        elif self._route is not None:
            leg.task = asyncio.create_task(self._ask_route(leg, self._route, call))
        else:
            self._do(leg, self._plan.decide(call))

    def on_diverted(self, event: Diverted) -> None:
        """The callee's phone diverts the call."""
        leg = self._legs.get(event.leg)
        if leg is None or leg.peer is not None:
            # Of one that talks, it is the callee of a transfer who diverts.
            return
        by = self._directory.get(leg.to_subscriber) if leg.to_subscriber is not None else None
        to = self._diverting.target(leg.trunk, event.dialled)
        if to is None:
            self._do(leg, Reject(480))
            return
        call = replace(
            leg.call,
            dialled=to,
            subscriber=by or leg.call.subscriber,
            trunk=None if by is not None else leg.call.trunk,
            diverted_by=leg.callee,
        )
        if self._route is not None:
            leg.task = asyncio.create_task(self._ask_route(leg, self._route, call))
        else:
            self._do(leg, self._plan.decide(call))

    def on_ringing(self, event: Ringing) -> None:
        """The callee's phone rings."""
        if leg := self._legs.get(event.leg):
            leg.rang = True

    def on_answered(self, event: Answered) -> None:
        """Our own answer with prompts was acknowledged."""
        if leg := self._legs.get(event.leg):
            leg.answered = self._clock()
            leg.acknowledged.set()

    def on_bridged(self, event: Bridged) -> None:
        """The two talk."""
        if leg := self._legs.get(event.leg):
            leg.answered = self._clock()
            leg.peer = event.peer
            self._by_peer[event.peer] = leg
            if leg.named:
                self._facts.tell(self._service.call_answered, leg.caller, leg.callee)

    def on_played(self, event: Played) -> None:
        """A prompt is over."""
        leg = self._legs.get(event.leg)
        if leg and (waiting := leg.plays.pop(event.token, None)) and not waiting.done():
            waiting.set_result(event.outcome)

    def on_ended(self, event: Ended) -> None:
        """The call is over: tell the service why, if it failed, and leave the record."""
        if leg := self._legs.get(event.leg):
            self._over(leg, self._cause(leg, event))

    def party(self, leg: int) -> Party | None:
        """Who is at the far end of a leg of a talk, the caller's or the callee's."""
        if call := self._legs.get(leg):
            return Party(call.caller, call.call.subscriber, call.call.trunk, call.call.display)
        if call := self._by_peer.get(leg):
            subscriber = self._directory.get(call.callee) if call.to_subscriber is not None else None
            return Party(call.callee, subscriber, call.trunk)
        return None

    def hand_over(self, leg: int) -> None:
        """The talk that a leg is in is over, by a transfer; what becomes of the leg is another's business."""
        if call := self._legs.get(leg) or self._by_peer.get(leg):
            self._over(call, "answered")

    def _over(self, leg: _Leg, cause: CallCause) -> None:
        del self._legs[leg.id]
        if leg.peer is not None:
            self._by_peer.pop(leg.peer, None)
        # Who hangs up at once after the answer has given his order all the same.
        if leg.task is not None and not (leg.carrying_out and leg.acknowledged.is_set()):
            leg.task.cancel()
        self._log.add(
            CallRecord(
                caller=leg.caller,
                callee=leg.callee,
                began=leg.began,
                answered=leg.answered,
                ended=self._clock(),
                cause=cause,
                caller_trunk=leg.call.trunk,
            )
        )
        if leg.call.subscriber is not None and not leg.code and (why := fail_cause(cause)) is not None:
            self._facts.tell(self._service.call_failed, leg.caller, leg.callee, why)

    def legs(self) -> list[int]:
        """The incoming legs there are."""
        return list(self._legs)

    def close(self) -> None:
        """Give up what is still being decided."""
        for leg in self._legs.values():
            if leg.task is not None:
                leg.task.cancel()

    # --- what is done with a call -----------------------------------------------------------------

    async def _ask_route(self, leg: _Leg, route: Route, call: Call) -> None:
        decision: Decision = Reject(500)
        try:
            decision = await ask_route(route, call, self._route_timeout)
        except RouteFailed as error:
            self._counts["routes_failed"] += 1
            self._logger.error(
                "call %s → %s: %s; answered 500",
                leg.caller,
                leg.call.dialled,
                error,
                exc_info=error.__cause__,
            )
        if leg.id in self._legs:
            leg.task = None
            self._do(leg, decision)

    def _do(self, leg: _Leg, decision: Decision) -> None:
        try:
            self._decide(leg, decision)
        except CcbsError as error:
            # The endpoint refuses the leg by itself when nothing is said about it in its time.
            self._counts["decisions_failed"] += 1
            self._logger.error(
                "call %s → %s: the endpoint did not take %r: %s",
                leg.caller,
                leg.call.dialled,
                decision,
                error,
            )

    def _decide(self, leg: _Leg, decision: Decision) -> None:
        match decision:
            case Dial():
                self._dial(leg, decision)
            case Reject(status):
                leg.rejected = status
                self._endpoint.reject(leg.id, status)
            case Answer(prompts):
                leg.task = asyncio.create_task(self._announce(leg, prompts))
            case Codes():
                leg.code = True
                leg.task = asyncio.create_task(self._take_code(leg))

    def _dial(self, leg: _Leg, dial: Dial) -> None:
        call = leg.call
        if dial.trunk is None:
            leg.callee = leg.to_subscriber = dial.number
        leg.trunk = dial.trunk
        name = call.subscriber.name if call.subscriber is not None else call.display
        self._endpoint.dial(
            leg.id,
            dial.number,
            trunk=dial.trunk,
            shown_number=dial.shown_number or call.number,
            shown_name=dial.shown_name or name,
            timeout_s=self._ring_timeout if dial.timeout is None else dial.timeout,
        )

    async def _take_code(self, leg: _Leg) -> None:
        try:
            self._desk.codes.parse(leg.call.dialled)
        except UnknownCode:
            self._counts["codes_unknown"] += 1
            self._do(leg, Reject(404))
            return
        try:
            # Only who can hear the answer gives an order: a phone without a codec of ours is refused first.
            leg.carrying_out = True
            await self._take_up(leg)
            prompts = await self._desk.answer(leg.call.number, leg.call.dialled)
        except Exception:
            self._counts["code_calls_failed"] += 1
            self._logger.exception("service code %s of %s failed", leg.call.dialled, leg.caller)
            self._release(leg)
        else:
            leg.carrying_out = False
            if leg.id in self._legs:
                await self._announce(leg, prompts)

    async def _take_up(self, leg: _Leg) -> None:
        if leg.answered is None:
            self._endpoint.answer(leg.id)
            await leg.acknowledged.wait()

    async def _announce(self, leg: _Leg, prompts: Sequence[str]) -> None:
        number = leg.call.subscriber.number if leg.call.subscriber is not None else None
        try:
            await self._take_up(leg)
            over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            leg.plays[self._endpoint.play(leg.id, self._prompts(number, prompts))] = over
            if await over == "failed":
                self._counts["code_calls_failed"] += 1
                self._logger.error("prompts %s could not be played to %s", " ".join(prompts), leg.caller)
        except Exception:
            self._counts["code_calls_failed"] += 1
            self._logger.exception("prompts %s could not be played to %s", " ".join(prompts), leg.caller)
        self._release(leg)

    def _release(self, leg: _Leg) -> None:
        try:
            self._endpoint.release(leg.id)
        except CcbsError as error:
            self._counts["code_calls_failed"] += 1
            self._logger.error("leg %d of %s could not be released: %s", leg.id, leg.caller, error)

    def _cause(self, leg: _Leg, event: Ended) -> CallCause:
        if leg.answered is not None:
            return "service-code" if leg.code else "answered"
        if leg.rejected is not None:
            return call_cause(("refused", leg.rejected), reachable=False)
        reachable = leg.rang or (leg.to_subscriber is not None and self._contacts(leg.to_subscriber) > 0)
        return call_cause(event.cause, reachable=reachable)
