"""Recalls through Asterisk: the caller is rung into our application, hears the prompt, and then goes on
in the operator's own dialplan as if it had dialled the callee itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from ccbs.asterisk.ari import Ari, AriRefused, AriUnreachable
from ccbs.asterisk.causes import call_cause, reason_code, ring_outcome
from ccbs.asterisk.endings import Endings
from ccbs.asterisk.endpoints import Endpoints
from ccbs.asterisk.legs import Legs
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.player import ChannelGone, Player
from ccbs.asterisk.recall_leg import RecallLeg
from ccbs.calls import CallLog, CallRecord
from ccbs.causes import connect_outcome
from ccbs.recall import first_of
from ccbs.subscribers import Directory
from ccbs.switch import ConnectOutcome, LegGone, NotTried, RingFailed, RingOutcome

__all__ = ["Recalls"]


class Recalls:
    """The part of the Switch protocol that deals with legs.

    :param ari: the requests.
    :param app: the application's name.
    :param context: where in the dialplan subscribers dial.
    :param endpoints: whose endpoint is whose.
    :param directory: the subscribers.
    :param lines: tells whether the callee's line takes another call.
    :param player: plays prompts.
    :param endings: ends channels.
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
        endings: Endings,
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
        self._endings = endings
        self._name = name
        self._contact = contact
        self._contact_wait = contact_wait
        self._log = log
        self._clock = clock
        self._logger = logger
        self._settle = settle
        self._legs: Final = Legs(ari, app, endings=endings, on_end=self._over, logger=logger)
        self._by_peer: Final[dict[str, RecallLeg]] = {}
        self._counts: Final = {"orphans_ended": 0, "recalls_without_return": 0}

    def counters(self) -> dict[str, int]:
        """``recall_legs_now``, ``recall_legs_doomed`` (to be ended when Asterisk answers again),
        ``recall_legs_unanswered`` (given up before Asterisk answered the request for them),
        ``orphans_ended`` (of a process that died), ``recalls_without_return`` (the dialplan has no line
        after its ``Dial``, so the caller heard no reason).
        """
        return {
            "recall_legs_now": len(self._legs),
            "recall_legs_doomed": len(self._endings),
            "recall_legs_unanswered": self._legs.unanswered(),
            **self._counts,
        }

    def is_recall(self, channel: str) -> bool:
        """Whether a channel is the leg of a recall of ours that is in progress or is being ended."""
        return self._legs.find(channel) is not None or channel in self._endings

    def legs(self) -> list[RecallLeg]:
        """The legs there are."""
        return self._legs.all()

    # --- the Switch protocol ----------------------------------------------------------------------

    async def ring(self, caller: str, shown_as: str, timeout: float) -> RecallLeg:
        """See :meth:`ccbs.switch.Switch.ring`."""
        if caller not in self._directory:
            raise RingFailed(RingOutcome.UNREACHABLE)
        # A restart of Asterisk takes seconds: waiting for it is shorter than the order's next turn.
        if not await self._contact(self._contact_wait):
            raise NotTried(f"no contact to Asterisk within {self._contact_wait:g} s; start it, or see why")
        leg = RecallLeg(caller, shown_as, self._clock())
        self._legs.add(leg)
        try:
            await self._originate(leg, timeout)
            # Asterisk ends it itself; the rest is for an event that never comes.
            await first_of(leg.answered, leg.gone, timeout=timeout + self._settle)
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
        endpoint = self._endpoints.endpoint(leg.caller)
        try:
            await self._legs.originate(leg, endpoint, f'"{name}" <{leg.callee}>', timeout)
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
            await first_of(leg.returned, leg.gone, timeout=timeout)
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
            await self._endings.hang_up(peer)
        if leg.returned is not None:
            await first_of(leg.returned, leg.gone, timeout=self._settle)

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
        if await self._endings.hang_up(leg.channel, reason_code(leg.outcome)):
            await first_of(leg.gone, timeout=self._settle)
        if not leg.gone.done():
            await self._give_up(leg)

    # --- ending -----------------------------------------------------------------------------------

    async def _give_up(self, leg: RecallLeg) -> None:
        if not leg.gone.done():
            await self._legs.give_up(leg, reason_code(leg.outcome), self._settle)

    # --- what Asterisk tells ----------------------------------------------------------------------

    def started(self, channel: str, mark: str) -> bool:
        """A channel that a recall rang was answered.

        :param mark: what it was asked for with.
        :returns: whether a recall of ours waits for it.
        """
        leg = self._legs.started(channel, mark)
        if leg is not None and not leg.answered.done():
            leg.answered.set_result(None)
        return leg is not None

    def is_awaited(self, name: str) -> bool:
        """Whether a new channel may be one that was given up unanswered; :meth:`identify` tells."""
        return self._legs.is_awaited(name)

    async def identify(self, channel: str) -> None:
        """End a channel if it is a leg that nobody waits for."""
        self._counts["orphans_ended"] += await self._legs.identify(channel)

    def returned(self, channel: str, status: str) -> bool:
        """The dialplan has come to the line after its ``Dial``, with a caller of ours.

        :returns: whether it is one of ours, and is to be held.
        """
        leg = self._legs.find(channel)
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
        leg = self._legs.find(str((event.get("caller") or {}).get("id", "")))
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
        self._endings.gone(channel)
        if leg := self._by_peer.pop(channel, None):
            leg.peer_cause = cause
            leg.peers.pop(channel, None)
        self._legs.destroyed(channel, cause)

    async def read(
        self, channels: Mapping[str, Mapping[str, Any]], talking: Collection[str]
    ) -> tuple[list[str], list[str]]:
        """The state was read anew: what went unseen is caught up with.

        :param channels: all of Asterisk's, by identity.
        :param talking: those in a bridge with another.
        :returns: channels that are to be ended, given up by us or of a process that died; and those that may
            be, which :meth:`identify` tells.
        """
        for leg in self.legs():
            channel = channels.get(leg.channel)
            if not leg.channel:
                # The answer to its request will tell.
                continue
            if channel is None:
                self._over(leg, 0)
            elif _arguments(channel, self._app):
                if not leg.answered.done():
                    leg.answered.set_result(None)
                elif leg.returned is not None and not leg.returned.done():
                    status = await self._variable(leg.channel, "DIALSTATUS")
                    if _arguments(channel, self._app)[:1] == ["after"]:
                        self.returned(leg.channel, status)
            elif leg.channel in talking and leg.returned is not None and not leg.returned.done():
                leg.bridged = self._clock()
                leg.returned.set_result(ConnectOutcome.ANSWERED)
        ended = [
            identity
            for identity, channel in channels.items()
            if identity in self._endings
            # One that talks, or rings the callee by the dialplan, is an ordinary call by now.
            or (self._legs.find(identity) is None and _arguments(channel, self._app)[:1] == ["recall"])
        ]
        self._counts["orphans_ended"] += len([one for one in ended if one not in self._endings])
        return ended, [one for one, channel in channels.items() if self._legs.may_be_ours(one, channel)]

    async def _variable(self, channel: str, name: str) -> str:
        with contextlib.suppress(AriRefused):
            found = await self._ari.request("GET", "channels", channel, "variable", query={"variable": name})
            return str((found or {}).get("value") or "")
        return ""

    def _drop(self, leg: RecallLeg) -> None:
        """There never was such a channel, so there was no call."""
        self._legs.remove(leg)
        leg.gone.set_result(0)

    def _over(self, leg: RecallLeg, cause: int) -> None:
        if not self._legs.remove(leg):
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
                cause=leg.logged(cause, cancelled=leg.given_up),
                recall=True,
                order=leg.order,
            )
        )


def _turned_away(status: int) -> bool:
    """Whether Asterisk refused a request without having begun on it."""
    return 400 <= status < 500 or status == 503


def _arguments(channel: Mapping[str, Any], app: str) -> list[str]:
    """Of its entry into our application; none when it is not there."""
    dialplan = channel.get("dialplan") or {}
    name, *arguments = str(dialplan.get("app_data") or "").split(",")
    return arguments if dialplan.get("app_name") == "Stasis" and name == app else []
