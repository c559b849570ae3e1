"""Recalls through Asterisk: the caller is rung into our application, hears the prompt, and then goes on
in the operator's own dialplan as if it had dialled the callee itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused, AriUnreachable
from ccbs.asterisk.causes import call_cause, connect_outcome, reason_code, ring_cause, ring_outcome
from ccbs.asterisk.endpoints import Endpoints
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.player import ChannelGone, Player
from ccbs.calls import CallCause, CallLog, CallRecord
from ccbs.subscribers import Directory
from ccbs.switch import ConnectOutcome, LegGone, NotTried, RingFailed, RingOutcome, current_order

__all__ = ["PREFIX", "RecallLeg", "Recalls"]

PREFIX: Final = "ccbs-recall-"
"""What the identity of each channel that a recall rings begins with: so it is known after a restart, too."""

_LONGEST_RECALL_S: Final = 600
"""When Asterisk itself ends a leg that nobody has ended or led on (s): above every ringing and prompt."""


class RecallLeg:
    """The leg to the caller of a recall; what :meth:`AsteriskSwitch.ring` returns."""

    def __init__(self, channel: str, caller: str, callee: str, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.channel: Final = channel
        self.caller: Final = caller
        self.callee: Final = callee
        self.began: Final = began
        self.order: Final = current_order.get()
        self.answered: Final[asyncio.Future[None]] = loop.create_future()
        self.gone: Final[asyncio.Future[int]] = loop.create_future()
        """The cause of its end."""
        self.returned: asyncio.Future[ConnectOutcome] | None = None
        """While the callee is called: how that ended."""
        self.peers: Final[dict[str, str]] = {}
        """The callee's channels while they are called: by identity, the last status."""
        self.dialled_any = False
        self.status: str | None = None
        self.cut: ConnectOutcome | None = None
        """Why we end the call to the callee ourselves."""
        self.outcome: ConnectOutcome | None = None
        self.peer_cause: int | None = None
        self.bridged: float | None = None

    def __repr__(self) -> str:
        return f"<RecallLeg {self.channel} to {self.caller} for order {self.order}>"


class Recalls:
    """The part of the Switch protocol that deals with legs.

    :param ari: the requests.
    :param app: the application's name.
    :param context: where in the dialplan subscribers dial.
    :param endpoints: whose endpoint is whose.
    :param directory: the subscribers.
    :param lines: tells whether the callee's line takes another call.
    :param player: plays prompts.
    :param name: what the caller's phone shows beside the callee's number, from the caller's number and the
        callee's.
    :param contact: waits for contact to Asterisk, some seconds at the most; tells whether there is.
    :param contact_wait: how long a recall waits for it before it is not tried, in seconds.
    :param log: where each recall leaves a record.
    :param clock: Unix time in seconds.
    :param logger: for what goes wrong.
    :param settle: how long a cancelled method waits for the phone to fall silent, in seconds.
    """

    def __init__(
        self,
        ari: Ari,
        app: str,
        context: str,
        *,
        endpoints: Endpoints,
        directory: Directory,
        lines: AsteriskLines,
        player: Player,
        name: Callable[[str, str], str],
        contact: Callable[[float], Any],
        contact_wait: float = 5.0,
        log: CallLog,
        clock: Callable[[], float],
        logger: logging.Logger,
        settle: float = 2.0,
    ) -> None:
        self._ari = ari
        self._app = app
        self._context = context
        self._endpoints = endpoints
        self._directory = directory
        self._lines = lines
        self._player = player
        self._name = name
        self._contact = contact
        self._contact_wait = contact_wait
        self._log = log
        self._clock = clock
        self._logger = logger
        self._settle = settle
        self._legs: Final[dict[str, RecallLeg]] = {}
        self._by_peer: Final[dict[str, RecallLeg]] = {}
        self._doomed: Final[set[str]] = set()
        self._counts: Final = {"orphans_ended": 0, "recalls_without_return": 0}

    def counters(self) -> dict[str, int]:
        """``recall_legs_now``, ``recall_legs_doomed`` (to be ended when Asterisk answers again),
        ``orphans_ended`` (of a process that died), ``recalls_without_return`` (the dialplan has no line
        after its ``Dial``, so the caller heard no reason).
        """
        return {"recall_legs_now": len(self._legs), "recall_legs_doomed": len(self._doomed), **self._counts}

    def is_recall(self, channel: str) -> bool:
        """Whether a channel is the leg of a recall of ours that is in progress or is being ended."""
        return channel in self._legs or channel in self._doomed

    def leg(self, channel: str) -> RecallLeg | None:
        """The recall of a caller's channel."""
        return self._legs.get(channel)

    def legs(self) -> list[RecallLeg]:
        """The legs there are."""
        return list(self._legs.values())

    # --- the Switch protocol ----------------------------------------------------------------------

    async def ring(self, caller: str, shown_as: str, timeout: float) -> RecallLeg:
        """See :meth:`ccbs.switch.Switch.ring`."""
        if caller not in self._directory:
            raise RingFailed(RingOutcome.UNREACHABLE)
        # A restart of Asterisk takes seconds: waiting for it is shorter than the order's next turn.
        if not await self._contact(self._contact_wait):
            raise NotTried(f"no contact to Asterisk within {self._contact_wait:g} s; start it, or see why")
        leg = RecallLeg(f"{PREFIX}{uuid.uuid4().hex}", caller, shown_as, self._clock())
        self._legs[leg.channel] = leg
        try:
            await self._originate(leg, timeout)
            # Asterisk ends it itself; the rest is for an event that never comes.
            await _first(leg.answered, leg.gone, timeout=timeout + self._settle)
        except BaseException:
            await self._give_up(leg)
            raise
        if leg.gone.done():
            raise RingFailed(ring_outcome(leg.gone.result()))
        if not leg.answered.done():
            await self._give_up(leg)
            raise RingFailed(RingOutcome.NO_ANSWER)
        return leg

    async def _originate(self, leg: RecallLeg, timeout: float) -> None:
        name = self._name(leg.caller, leg.callee).replace('"', "")
        try:
            await self._ari.request(
                "POST",
                "channels",
                leg.channel,
                query={
                    "endpoint": f"PJSIP/{self._endpoints.endpoint(leg.caller)}",
                    "app": self._app,
                    "appArgs": f"recall,{leg.order or 0}",
                    "callerId": f'"{name}" <{leg.callee}>',
                    "timeout": str(math.ceil(timeout)),
                },
                body={"variables": {"TIMEOUT(absolute)": str(_LONGEST_RECALL_S)}},
            )
        except AriRefused as error:
            if _turned_away(error.status):
                self._drop(leg)
                raise NotTried(f"Asterisk takes no call of ours: {error}") from error
            self._over(leg, 0)
            # So it answers for a phone that is not registered.
            unreachable = "Allocation failed" in str(error)
            if not unreachable:
                self._logger.warning("%r: %s", leg, error)
            raise RingFailed(RingOutcome.UNREACHABLE if unreachable else RingOutcome.FAILED) from error
        except AriUnreachable as error:
            if not error.sent:
                self._drop(leg)
                raise NotTried(f"Asterisk is not reached: {error}; start it, or see why") from error
            self._logger.warning("%r: %s", leg, error)
            raise RingFailed(RingOutcome.FAILED) from error

    async def play(self, leg: RecallLeg, prompts: Sequence[str]) -> None:
        """See :meth:`ccbs.switch.Switch.play`."""
        if leg.gone.done():
            raise LegGone
        try:
            await self._player.play(leg.channel, leg.gone, leg.caller, prompts)
        except ChannelGone:
            raise LegGone from None

    async def connect(self, leg: RecallLeg, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        """See :meth:`ccbs.switch.Switch.connect`."""
        if leg.gone.done():
            return ConnectOutcome.CALLER_GONE
        if self._lines.at_capacity(callee):
            # Its phone might ring for a second call, or show it.
            leg.outcome = ConnectOutcome.BUSY
            return leg.outcome
        leg.returned = asyncio.get_running_loop().create_future()
        leg.status = leg.cut = leg.peer_cause = None
        leg.dialled_any = False
        try:
            await self._continue(leg, callee, shown_as)
            await _first(leg.returned, leg.gone, timeout=timeout)
            if not leg.returned.done() and not leg.gone.done():
                await self._cut(leg, ConnectOutcome.NO_ANSWER)
        except asyncio.CancelledError:
            await self._cut(leg, ConnectOutcome.FAILED)
            raise
        finally:
            returned, leg.returned = leg.returned, None
        if returned.done():
            leg.outcome = returned.result()
        elif leg.gone.done():
            leg.outcome = self._outcome_without_return(leg)
        else:
            # The dialplan holds on to the caller: a mailbox, another number. Nothing brings it back to us.
            leg.outcome = ConnectOutcome.NO_ANSWER
            await self._give_up(leg)
        return leg.outcome

    async def _continue(self, leg: RecallLeg, callee: str, shown_as: str) -> None:
        subscriber = self._directory.get(leg.caller)
        name = (subscriber.name or "" if subscriber is not None else "").replace('"', "")
        for variable, value in (
            ("CALLERID(all)", f'"{name}" <{shown_as}>' if name else f"<{shown_as}>"),
            ("TIMEOUT(absolute)", "0"),
        ):
            await self._ari.request(
                "POST", "channels", leg.channel, "variable", query={"variable": variable, "value": value}
            )
        await self._ari.request(
            "POST",
            "channels",
            leg.channel,
            "continue",
            query={"context": self._context, "extension": callee, "priority": "1"},
        )

    async def _cut(self, leg: RecallLeg, why: ConnectOutcome) -> None:
        """End the call to the callee; the dialplan's line after its ``Dial`` brings the caller back."""
        leg.cut = why
        for peer in list(leg.peers):
            await self._hang_up(peer)
        if leg.returned is not None:
            await _first(leg.returned, leg.gone, timeout=self._settle)

    def _outcome_without_return(self, leg: RecallLeg) -> ConnectOutcome:
        """The caller's channel is gone: by its own hand, or because the dialplan ended after its ``Dial``."""
        if leg.cut is None and (leg.status in (None, "CANCEL") and leg.peer_cause is None):
            return ConnectOutcome.CALLER_GONE
        self._counts["recalls_without_return"] += 1
        return leg.cut or connect_outcome(
            call_cause(leg.status, dialled=leg.dialled_any, peer_cause=leg.peer_cause, cause=None)
        )

    async def release(self, leg: RecallLeg, reason: str) -> None:
        """See :meth:`ccbs.switch.Switch.release`."""
        if leg.gone.done():
            return
        self._logger.debug("%r released: %s", leg, reason)
        if await self._hang_up(leg.channel, reason_code(leg.outcome)):
            await _first(leg.gone, timeout=self._settle)
        if not leg.gone.done():
            await self._give_up(leg)

    # --- ending -----------------------------------------------------------------------------------

    async def _give_up(self, leg: RecallLeg) -> None:
        if leg.gone.done():
            return
        # Until Asterisk has said that it is gone: a request that was not answered may still be carried out.
        self._doomed.add(leg.channel)
        if await self._hang_up(leg.channel, reason_code(leg.outcome)):
            await _first(leg.gone, timeout=self._settle)
        if not leg.gone.done():
            self._over(leg, 0)

    async def _hang_up(self, channel: str, reason: int | None = None) -> bool:
        """End a channel, or doom it when Asterisk does not answer. One that is gone is no error."""
        query = {} if reason is None else {"reason_code": str(reason)}
        try:
            await self._ari.request("DELETE", "channels", channel, query=query)
        except AriRefused as error:
            if error.status == 404:
                return True
            self._logger.warning("channel %s could not be ended: %s", channel, error)
        except AriUnreachable as error:
            self._logger.warning("channel %s could not be ended: %s", channel, error)
        else:
            return True
        self._doomed.add(channel)
        return False

    async def end_doomed(self, channel: str) -> None:
        """A channel that was given up is seen: it is ended now."""
        with contextlib.suppress(AriError):
            await self._ari.request("DELETE", "channels", channel)

    def doomed(self, channel: str) -> bool:
        """Whether a channel is to be ended as soon as it is seen."""
        return channel in self._doomed

    # --- what Asterisk tells ----------------------------------------------------------------------

    def started(self, channel: str) -> bool:
        """A channel that a recall rang was answered.

        :returns: whether it is one of ours.
        """
        leg = self._legs.get(channel)
        if leg is None or channel in self._doomed:
            return False
        if not leg.answered.done():
            leg.answered.set_result(None)
        return True

    def returned(self, channel: str, status: str) -> bool:
        """The dialplan has come to the line after its ``Dial``, with a caller of ours.

        :returns: whether it is one of ours, and is to be held.
        """
        leg = self._legs.get(channel)
        if leg is None or leg.returned is None or leg.returned.done():
            return False
        cause = call_cause(
            status or leg.status, dialled=leg.dialled_any, peer_cause=leg.peer_cause, cause=None
        )
        outcome = connect_outcome(cause)
        # Up and in our hands: whoever is gone, it is not the caller.
        leg.returned.set_result(
            leg.cut or (ConnectOutcome.FAILED if outcome is ConnectOutcome.CALLER_GONE else outcome)
        )
        return True

    def dial(self, event: Mapping[str, Any]) -> str | None:
        """A caller of ours dials, or hears what came of it.

        :returns: a channel to be ended, if there is one: the callee's of a call that is cut already.
        """
        leg = self._legs.get(str((event.get("caller") or {}).get("id", "")))
        if leg is None or leg.bridged is not None:
            return None
        peer, status = str((event.get("peer") or {}).get("id", "")), str(event.get("dialstatus") or "")
        leg.dialled_any = True
        if status in ("", "RINGING", "PROGRESS", "PROCEEDING"):
            if peer not in leg.peers:
                leg.peer_cause = None
                leg.peers[peer] = status
                self._by_peer[peer] = leg
                return peer if leg.cut is not None else None
            return None
        leg.status = status
        leg.peers.pop(peer, None)
        if status == "ANSWER" and leg.returned is not None and not leg.returned.done():
            if leg.cut is not None:
                return peer
            leg.bridged = self._clock()
            leg.returned.set_result(ConnectOutcome.ANSWERED)
        return None

    def destroyed(self, channel: str, cause: int) -> None:
        """A channel has gone."""
        self._doomed.discard(channel)
        if leg := self._by_peer.pop(channel, None):
            leg.peer_cause = cause
            leg.peers.pop(channel, None)
        if leg := self._legs.get(channel):
            self._over(leg, cause)

    async def read(self, channels: Mapping[str, Mapping[str, Any]], talking: Collection[str]) -> list[str]:
        """The state was read anew: what went unseen is caught up with.

        :param channels: all of Asterisk's, by identity.
        :param talking: those in a bridge with another.
        :returns: channels that are to be ended: given up by us, or of a process that died.
        """
        for leg in self.legs():
            channel = channels.get(leg.channel)
            if channel is None:
                self._over(leg, 0)
            elif _in_application(channel, self._app):
                if not leg.answered.done():
                    leg.answered.set_result(None)
                elif leg.returned is not None and not leg.returned.done():
                    status = await self._variable(leg.channel, "DIALSTATUS")
                    if _arguments(channel)[:1] == ["after"]:
                        self.returned(leg.channel, status)
            elif leg.channel in talking and leg.returned is not None and not leg.returned.done():
                leg.bridged = self._clock()
                leg.returned.set_result(ConnectOutcome.ANSWERED)
        self._doomed.intersection_update(channels)
        ended = [
            identity
            for identity, channel in channels.items()
            if identity in self._doomed
            or (
                identity.startswith(PREFIX)
                and identity not in self._legs
                # One that talks, or rings the callee by the dialplan, is an ordinary call by now.
                and (
                    _in_application(channel, self._app) or channel.get("state") in ("Down", "Ring", "Ringing")
                )
            )
        ]
        self._counts["orphans_ended"] += len([one for one in ended if one not in self._doomed])
        return ended

    async def _variable(self, channel: str, name: str) -> str:
        with contextlib.suppress(AriRefused):
            found = await self._ari.request("GET", "channels", channel, "variable", query={"variable": name})
            return str((found or {}).get("value") or "")
        return ""

    def _drop(self, leg: RecallLeg) -> None:
        """There never was such a channel, so there was no call."""
        self._legs.pop(leg.channel, None)
        leg.gone.set_result(0)

    def _over(self, leg: RecallLeg, cause: int) -> None:
        if self._legs.pop(leg.channel, None) is None:
            return
        for peer in leg.peers:
            self._by_peer.pop(peer, None)
        if not leg.gone.done():
            leg.gone.set_result(cause)
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

    def _logged(self, leg: RecallLeg, cause: int) -> CallCause:
        if leg.bridged is not None:
            return "answered"
        if not leg.answered.done():
            return "cancelled" if leg.channel in self._doomed else ring_cause(ring_outcome(cause))
        match leg.outcome:
            case ConnectOutcome.BUSY:
                return "busy"
            case ConnectOutcome.NO_ANSWER:
                return "no-answer"
            case ConnectOutcome.DECLINED:
                return "declined"
            case ConnectOutcome.UNREACHABLE:
                return "unreachable"
            case ConnectOutcome.FAILED:
                return "failed"
            case _:
                return "caller-gone"


def _turned_away(status: int) -> bool:
    """Whether Asterisk refused a request without having begun on it: 409 is of a channel that there is."""
    return (400 <= status < 500 and status != 409) or status == 503


def _in_application(channel: Mapping[str, Any], app: str) -> bool:
    dialplan = channel.get("dialplan") or {}
    data = str(dialplan.get("app_data") or "")
    return dialplan.get("app_name") == "Stasis" and (data == app or data.startswith(f"{app},"))


def _arguments(channel: Mapping[str, Any]) -> list[str]:
    return str((channel.get("dialplan") or {}).get("app_data") or "").split(",")[1:]


async def _first(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:
    """Wait for one of them; unlike awaiting it, a cancellation leaves the future alone."""
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
