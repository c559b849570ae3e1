"""Recalls over SIP: the legs that the service rings, plays to, connects and releases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ccbs._ccbs import Closed, Overload
from ccbs.calls import CallCause, CallLog, CallRecord
from ccbs.causes import connect_outcome, recall_cause, ring_cause, ring_outcome
from ccbs.recall import first_of
from ccbs.sip.diverting import Diverting
from ccbs.sip.outcomes import call_cause, sip_status
from ccbs.sip.routing import Call, Dial, Party, Reject, Route, ask_route
from ccbs.subscribers import Directory
from ccbs.switch import (
    ConnectOutcome,
    LegGone,
    NotTried,
    PromptFailed,
    RingFailed,
    RingOutcome,
    current_order,
)

if TYPE_CHECKING:
    from ccbs._ccbs import Answered, Bridged, ConnectFailed, Diverted, Ended, Played, Ringing, SipEndpoint

__all__ = ["RecallLeg", "Recalls"]

_NO_ROOM: Final = ("refused", 503)
"""How the endpoint ends a ring of which it could send nothing: too many legs, no free port for its media."""


class RecallLeg:
    """The leg to the caller of a recall; what :meth:`ccbs.sip.SipSwitch.ring` returns."""

    def __init__(self, leg: int, caller: str, callee: str, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.id: Final = leg
        self.caller: Final = caller
        self.callee: Final = callee
        self.began: Final = began
        self.order: Final = current_order.get()
        self.rang = False
        self.sent = True
        self.answered: Final[asyncio.Future[bool]] = loop.create_future()
        self.gone: Final[asyncio.Future[CallCause]] = loop.create_future()
        self.plays: Final[dict[int, asyncio.Future[str]]] = {}
        self.connecting: asyncio.Future[ConnectOutcome] | None = None
        self.outcome: ConnectOutcome | None = None
        self.bridged: float | None = None
        self.trunk: str | None = None
        self.diverted: str | None = None
        self.peer: int | None = None

    def __repr__(self) -> str:
        return f"<RecallLeg {self.id} to {self.caller} for order {self.order}>"


class Recalls:
    """The part of the Switch protocol that deals with legs.

    :param endpoint: the SIP endpoint.
    :param directory: the subscribers.
    :param diverting: where calls may be diverted to.
    :param log: where each recall leaves a record.
    :param route: asked for the way to the callee, as for an ordinary call of the caller.
    :param route_timeout: how long it may take, in seconds.
    :param name: what the caller's phone shows beside the callee's number, from the caller's number and the
        callee's.
    :param prompts: from the caller's number and prompt names to the names loaded into the endpoint.
    :param contacts: how many phones a subscriber has registered.
    :param clock: Unix time in seconds.
    :param logger: for what goes wrong.
    :param settle: how long a cancelled method waits for the phone to fall silent, in seconds.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        *,
        directory: Directory,
        diverting: Diverting,
        log: CallLog,
        route: Route,
        route_timeout: float,
        name: Callable[[str, str], str],
        prompts: Callable[[str | None, Sequence[str]], Sequence[str]],
        contacts: Callable[[str], int],
        clock: Callable[[], float],
        logger: logging.Logger,
        settle: float = 2.0,
    ) -> None:
        self._endpoint = endpoint
        self._directory = directory
        self._diverting = diverting
        self._log = log
        self._route = route
        self._route_timeout = route_timeout
        self._name = name
        self._prompts = prompts
        self._contacts = contacts
        self._clock = clock
        self._logger = logger
        self._settle = settle
        self._legs: Final[dict[int, RecallLeg]] = {}
        self._by_peer: Final[dict[int, RecallLeg]] = {}

    def counters(self) -> dict[str, int]:
        """``recall_legs_now``."""
        return {"recall_legs_now": len(self._legs)}

    def legs(self) -> list[int]:
        """The legs there are."""
        return list(self._legs)

    # --- the Switch protocol ----------------------------------------------------------------------

    async def ring(self, caller: str, shown_as: str, timeout: float) -> RecallLeg:
        """See :meth:`ccbs.switch.Switch.ring`."""
        if caller not in self._directory:
            raise RingFailed(RingOutcome.UNREACHABLE)
        try:
            number = self._endpoint.ring(
                caller, shown_number=shown_as, shown_name=self._name(caller, shown_as), timeout_s=timeout
            )
        except (Overload, Closed) as error:
            raise NotTried(f"the SIP endpoint takes no call: {error}") from error
        leg = self._legs[number] = RecallLeg(number, caller, shown_as, self._clock())
        try:
            await first_of(leg.answered, leg.gone)
        except asyncio.CancelledError:
            self._endpoint.release(leg.id)
            await first_of(leg.gone, timeout=self._settle)
            raise
        if not leg.sent:
            raise NotTried(
                "the SIP endpoint has no room for a call: raise limits.endpoint.legs or listen.rtp_ports"
            )
        if leg.gone.done():
            raise RingFailed(ring_outcome(leg.gone.result()))
        return leg

    async def play(self, leg: RecallLeg, prompts: Sequence[str]) -> None:
        """See :meth:`ccbs.switch.Switch.play`."""
        if leg.gone.done():
            raise LegGone
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        leg.plays[self._endpoint.play(leg.id, self._prompts(leg.caller, prompts))] = over
        try:
            await first_of(over, leg.gone)
        except asyncio.CancelledError:
            if not leg.gone.done():
                self._endpoint.stop_play(leg.id)
            raise
        if not over.done() or over.result() == "stopped":
            # Nobody but us stops a play, and we do so only when cancelled: the caller has hung up.
            raise LegGone
        if over.result() == "failed":
            raise PromptFailed(f"the endpoint could not play {' '.join(prompts)}")

    async def connect(self, leg: RecallLeg, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        """See :meth:`ccbs.switch.Switch.connect`."""
        if leg.gone.done():
            return ConnectOutcome.CALLER_GONE
        subscriber = self._directory.get(leg.caller)
        call = Call(number=shown_as, dialled=callee, subscriber=subscriber, recall=True)
        while True:
            leg.diverted = None
            outcome = await self._connect(leg, call, shown_as, timeout)
            if leg.diverted is None or leg.gone.done():
                return outcome
            to = self._diverting.target(leg.trunk, leg.diverted)
            if to is None:
                return outcome
            # The endpoint bounds how often.
            by = self._directory.get(call.dialled) or subscriber
            call = Call(number=shown_as, dialled=to, subscriber=by, recall=True, diverted_by=call.dialled)

    async def _connect(self, leg: RecallLeg, call: Call, shown_as: str, timeout: float) -> ConnectOutcome:
        subscriber = self._directory.get(leg.caller)
        decision = await ask_route(self._route, call, self._route_timeout)
        match decision:
            case Dial():
                pass
            case Reject(status):
                leg.outcome = connect_outcome(call_cause(("refused", status), reachable=False))
                return leg.outcome
            case _:
                raise TypeError(f"the route of a recall returned {decision!r}; expected Dial or Reject")
        if leg.gone.done():
            return ConnectOutcome.CALLER_GONE
        over = leg.connecting = asyncio.get_running_loop().create_future()
        leg.rang = False
        leg.trunk = decision.trunk
        self._endpoint.connect(
            leg.id,
            decision.number,
            trunk=decision.trunk,
            shown_number=decision.shown_number or shown_as,
            shown_name=decision.shown_name or (subscriber.name if subscriber is not None else None),
            timeout_s=timeout if decision.timeout is None else min(timeout, decision.timeout),
        )
        try:
            await first_of(over, leg.gone)
        except asyncio.CancelledError:
            if not leg.gone.done():
                self._endpoint.stop_connect(leg.id)
                await first_of(over, leg.gone, timeout=self._settle)
            raise
        leg.outcome = over.result() if over.done() else ConnectOutcome.CALLER_GONE
        return leg.outcome

    async def release(self, leg: RecallLeg, reason: str) -> None:
        """See :meth:`ccbs.switch.Switch.release`."""
        if not leg.gone.done():
            status = sip_status(leg.outcome) if leg.outcome is not None else None
            self._logger.debug("%r released: %s", leg, reason)
            self._endpoint.release(leg.id, status)
            await first_of(leg.gone)

    # --- what the endpoint tells ------------------------------------------------------------------

    def on_ringing(self, event: Ringing) -> None:
        """The phone of the caller, or later of the callee, rings."""
        if leg := self._legs.get(event.leg):
            leg.rang = True

    def on_answered(self, event: Answered) -> None:
        """The caller lifted the handset."""
        leg = self._legs.get(event.leg)
        if leg and not leg.answered.done():
            leg.answered.set_result(True)

    def on_played(self, event: Played) -> None:
        """A prompt is over."""
        leg = self._legs.get(event.leg)
        if leg and (waiting := leg.plays.pop(event.token, None)) and not waiting.done():
            waiting.set_result(event.outcome)

    def on_bridged(self, event: Bridged) -> None:
        """The caller and the callee talk."""
        if leg := self._legs.get(event.leg):
            leg.bridged = self._clock()
            leg.peer = event.peer
            self._by_peer[event.peer] = leg
            self._settle_connect(leg, ConnectOutcome.ANSWERED)

    def on_diverted(self, event: Diverted) -> None:
        """The callee's phone diverts the call; the leg is up."""
        if leg := self._legs.get(event.leg):
            leg.diverted = event.dialled
            self._settle_connect(leg, ConnectOutcome.UNREACHABLE)

    def on_connect_failed(self, event: ConnectFailed) -> None:
        """The callee was not reached; the caller's leg is up."""
        if leg := self._legs.get(event.leg):
            reachable = leg.rang or self._contacts(leg.callee) > 0
            self._settle_connect(leg, connect_outcome(call_cause(event.cause, reachable=reachable)))

    def on_ended(self, event: Ended) -> None:
        """The caller's leg is gone."""
        if leg := self._legs.get(event.leg):
            leg.sent = leg.answered.done() or event.cause != _NO_ROOM
            reachable = leg.rang or self._contacts(leg.caller) > 0
            self._over(leg, call_cause(event.cause, reachable=reachable))

    def party(self, leg: int) -> Party | None:
        """Who is at the far end of a leg of a talk, the caller's or the callee's."""
        if recall := self._legs.get(leg):
            return Party(recall.caller, self._directory.get(recall.caller))
        if recall := self._by_peer.get(leg):
            subscriber = self._directory.get(recall.callee) if recall.trunk is None else None
            return Party(recall.callee, subscriber, recall.trunk)
        return None

    def hand_over(self, leg: int) -> None:
        """The talk that a leg is in is over, by a transfer; what becomes of the leg is another's business."""
        if recall := self._legs.get(leg) or self._by_peer.get(leg):
            self._over(recall, "answered")

    def _over(self, leg: RecallLeg, cause: CallCause) -> None:
        del self._legs[leg.id]
        if leg.peer is not None:
            self._by_peer.pop(leg.peer, None)
        leg.gone.set_result(cause)
        if not leg.sent:
            return
        self._log.add(
            CallRecord(
                caller=leg.caller,
                callee=leg.callee,
                began=leg.began,
                answered=leg.bridged,
                ended=self._clock(),
                cause=self._logged(leg, cause),
                recall=True,
                order=leg.order,
            )
        )

    def _settle_connect(self, leg: RecallLeg, outcome: ConnectOutcome) -> None:
        waiting, leg.connecting = leg.connecting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    def _logged(self, leg: RecallLeg, cause: CallCause) -> CallCause:
        if leg.bridged is not None:
            return "answered"
        if not leg.answered.done():
            if cause in ("cancelled", "caller-gone"):
                return cause
            return ring_cause(ring_outcome(cause))
        return recall_cause(leg.outcome, cause if cause in ("caller-gone", "cancelled") else "failed")
