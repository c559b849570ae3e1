"""Transfers: where a transferred party goes, and the talk that comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ccbs._ccbs import CcbsError
from ccbs.calls import CallCause, CallLog, CallRecord
from ccbs.causes import fail_cause
from ccbs.sip.diverting import Diverting
from ccbs.sip.facts import Facts
from ccbs.sip.outcomes import call_cause
from ccbs.sip.routing import Call, Decision, Dial, Party, Reject, Route, RouteFailed, ask_route
from ccbs.subscribers import Directory

if TYPE_CHECKING:
    from ccbs._ccbs import Cause, Diverted, Ended, Ringing, SipEndpoint, Transfer, TransferFailed, Transferred
    from ccbs.service import CallbackService

__all__ = ["Book", "Transfers"]


class Book(Protocol):
    """Who keeps a talk's record: :class:`OrdinaryCalls`, :class:`Recalls`."""

    def party(self, leg: int) -> Party | None:
        """Who is at the far end of a leg of a talk."""
        ...

    def hand_over(self, leg: int) -> None:
        """The talk that a leg is in is over, by a transfer."""
        ...


@dataclass(slots=True)
class _Move:
    """A transfer under way: a call that the transferred party makes."""

    leg: int
    goes: Party
    by: Party
    callee: str
    began: float
    to_subscriber: str | None = None
    trunk: str | None = None
    rang: bool = False
    call_back: bool = False
    """The transfer failed when its transferor had hung up: it is rung."""
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Talk:
    """A transferred party and the one it talks to."""

    leg: int
    peer: int
    caller: Party
    callee: Party
    began: float
    answered: float


class Transfers:
    """Calls that come of a transfer.

    The transferred party is called for as if it had dialled the number itself, by the route of the
    transferor: a transfer to a busy number lets the transferred party order a call back. When a transfer
    fails whose transferor has hung up, the transferor is rung.

    :param endpoint: the SIP endpoint.
    :param directory: the subscribers.
    :param diverting: where calls may be diverted to.
    :param books: who knows the talks that may be transferred.
    :param log: where each call leaves a record.
    :param route: asked for the way, as for a call of the transferor.
    :param service: is told how calls ended.
    :param facts: tells it.
    :param contacts: how many phones a subscriber has registered.
    :param route_timeout: how long a route may take, in seconds.
    :param ring_timeout: how long a callee rings where the route says nothing, in seconds.
    :param clock: Unix time in seconds.
    :param logger: for what goes wrong.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        *,
        directory: Directory,
        diverting: Diverting,
        books: Sequence[Book],
        log: CallLog,
        route: Route,
        service: CallbackService,
        facts: Facts,
        contacts: Callable[[str], int],
        route_timeout: float,
        ring_timeout: float,
        clock: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        self._endpoint = endpoint
        self._directory = directory
        self._diverting = diverting
        self._books: Final[tuple[Book, ...]] = (*books, self)
        self._log = log
        self._route = route
        self._service = service
        self._facts = facts
        self._contacts = contacts
        self._route_timeout = route_timeout
        self._ring_timeout = ring_timeout
        self._clock = clock
        self._logger = logger
        self._moves: Final[dict[int, _Move]] = {}
        self._talks: Final[dict[int, _Talk]] = {}
        self._counts: Final = {
            "transfers": 0,
            "transfers_failed": 0,
            "transfer_routes_failed": 0,
            "transfer_decisions_failed": 0,
        }

    def counters(self) -> dict[str, int]:
        """``transfers`` (done), ``transfers_failed``, ``transfer_routes_failed`` (answered 500),
        ``transfer_decisions_failed`` (not taken by the endpoint).
        """
        return dict(self._counts)

    def legs(self) -> list[int]:
        """One leg of each talk that came of a transfer, and those that wait for one."""
        return [*{talk.leg for talk in self._talks.values()} | self._moves.keys()]

    def close(self) -> None:
        """Give up what is still being decided."""
        for move in self._moves.values():
            if move.task is not None:
                move.task.cancel()

    # --- the book of these talks ------------------------------------------------------------------

    def party(self, leg: int) -> Party | None:
        """Who is at the far end of a leg of a talk that came of a transfer."""
        if talk := self._talks.get(leg):
            return talk.caller if leg == talk.leg else talk.callee
        return None

    def hand_over(self, leg: int) -> None:
        """The talk that a leg is in is over, by one more transfer."""
        if talk := self._talks.get(leg):
            self._over(talk)

    def _over(self, talk: _Talk) -> None:
        del self._talks[talk.leg], self._talks[talk.peer]
        self._record(talk.caller, talk.callee.number, talk.began, talk.answered, "answered")

    def _party(self, leg: int) -> Party | None:
        return next((party for book in self._books if (party := book.party(leg)) is not None), None)

    # --- what the endpoint tells ------------------------------------------------------------------

    def on_transfer(self, event: Transfer) -> None:
        """A phone wants its peer transferred."""
        goes, by = self._party(event.leg), self._party(event.by)
        if goes is None or by is None:
            self._reject(event.leg, 500)
            return
        move = self._moves[event.leg] = _Move(event.leg, goes, by, event.dialled, self._clock())
        call = Call(
            number=goes.number,
            dialled=event.dialled,
            subscriber=by.subscriber,
            trunk=by.trunk if by.subscriber is None else None,
            display=self._name(goes),
            transferred_by=by.number,
        )
        move.task = asyncio.create_task(self._find_way(move, call))

    def on_diverted(self, event: Diverted) -> None:
        """The phone of the new callee diverts the call."""
        move = self._moves.get(event.leg)
        if move is None:
            return
        to = self._diverting.target(move.trunk, event.dialled)
        if to is None:
            self._reject(event.leg, 480)
            return
        by = self._directory.get(move.to_subscriber) if move.to_subscriber is not None else None
        call = Call(
            number=move.goes.number,
            dialled=to,
            subscriber=by or move.by.subscriber,
            trunk=move.by.trunk if by is None and move.by.subscriber is None else None,
            display=self._name(move.goes),
            transferred_by=move.by.number,
            diverted_by=move.callee,
        )
        move.task = asyncio.create_task(self._find_way(move, call))

    def on_ringing(self, event: Ringing) -> None:
        """The phone of the new callee rings."""
        if move := self._moves.get(event.leg):
            move.rang = True

    def on_transferred(self, event: Transferred) -> None:
        """The transferred party talks to its new peer."""
        self._counts["transfers"] += 1
        move = self._moves.pop(event.leg, None)
        if move is not None:
            subscriber = self._directory.get(move.to_subscriber) if move.to_subscriber is not None else None
            goes, callee = move.goes, Party(move.callee, subscriber, move.trunk)
        else:
            # Attended: the calls of the two may be over already, when the transferor was quick to hang up.
            goes = self._party(event.leg) or Party(event.number, self._directory.get(event.number))
            callee = self._party(event.peer) or Party(
                event.peer_number, self._directory.get(event.peer_number)
            )
        for book in self._books:
            for leg in (event.leg, event.peer):
                book.hand_over(leg)
        now = self._clock()
        began = move.began if move is not None else now
        talk = _Talk(event.leg, event.peer, goes, callee, began, now)
        self._talks[event.leg] = self._talks[event.peer] = talk
        self._facts.tell(self._service.call_answered, goes.number, callee.number)

    def on_transfer_failed(self, event: TransferFailed) -> None:
        """The transferred party was not taken."""
        self._counts["transfers_failed"] += 1
        move = self._moves.pop(event.leg, None)
        if move is not None:
            self._failed(move, event.cause)
        if not event.alone:
            return
        if move is None or move.call_back or move.by.subscriber is None:
            self._reject(event.leg, 480)
            return
        back = _Move(event.leg, move.goes, move.by, move.by.number, self._clock(), call_back=True)
        self._moves[event.leg] = back
        self._go(back, Dial(number=move.by.number))

    def on_ended(self, event: Ended) -> None:
        """A leg is gone."""
        move = self._moves.pop(event.leg, None)
        if move is not None:
            if move.task is not None:
                move.task.cancel()
            self._failed(move, event.cause)
        if talk := self._talks.get(event.leg):
            self._over(talk)

    # --- inside -----------------------------------------------------------------------------------

    async def _find_way(self, move: _Move, call: Call) -> None:
        decision: Decision = Reject(500)
        try:
            decision = await ask_route(self._route, call, self._route_timeout)
        except RouteFailed as error:
            self._counts["transfer_routes_failed"] += 1
            self._logger.error(
                "transfer %s → %s by %s: %s; answered 500",
                move.goes.number,
                move.callee,
                move.by.number,
                error,
                exc_info=error.__cause__,
            )
        if self._moves.get(move.leg) is not move:
            return
        move.task = None
        match decision:
            case Dial():
                self._go(move, decision)
            case Reject(status):
                self._reject(move.leg, status)
            case _:
                # Nobody is transferred to a prompt or to a service code.
                self._reject(move.leg, 404)

    def _go(self, move: _Move, dial: Dial) -> None:
        if dial.trunk is None:
            move.callee = move.to_subscriber = dial.number
        move.trunk = dial.trunk
        try:
            self._endpoint.transfer(
                move.leg,
                dial.number,
                trunk=dial.trunk,
                shown_number=dial.shown_number or move.goes.number,
                shown_name=dial.shown_name or self._name(move.goes),
                timeout_s=self._ring_timeout if dial.timeout is None else dial.timeout,
            )
        except CcbsError as error:
            # The endpoint gives the transfer up by itself when nothing is said about it in its time.
            self._counts["transfer_decisions_failed"] += 1
            self._logger.error("transfer %s → %s: %s", move.goes.number, move.callee, error)

    def _reject(self, leg: int, status: int) -> None:
        try:
            self._endpoint.reject_transfer(leg, status)
        except CcbsError as error:
            self._counts["transfer_decisions_failed"] += 1
            self._logger.error("transfer of leg %d could not be refused: %s", leg, error)

    def _failed(self, move: _Move, cause: Cause) -> None:
        reachable = move.rang or (move.to_subscriber is not None and self._contacts(move.to_subscriber) > 0)
        why = call_cause(cause, reachable=reachable)
        self._record(move.goes, move.callee, move.began, None, why)
        if move.goes.subscriber is not None and (told := fail_cause(why)) is not None:
            self._facts.tell(self._service.call_failed, move.goes.number, move.callee, told)

    def _record(
        self, caller: Party, callee: str, began: float, answered: float | None, cause: CallCause
    ) -> None:
        self._log.add(
            CallRecord(
                caller=caller.number,
                callee=callee,
                began=began,
                answered=answered,
                ended=self._clock(),
                cause=cause,
                caller_trunk=caller.trunk,
            )
        )

    def _name(self, party: Party) -> str | None:
        return party.subscriber.name if party.subscriber is not None else party.display
