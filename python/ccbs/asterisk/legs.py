"""The legs of recalls: asked for with a mark of ours, known by the channel that comes of it.

The mark, and not an identity of our choice, because Asterisk looks through all its channels when it is given
one: 2.5 ms with 5,000 channels. It is a variable of the channel, and an argument of its entry into our
application, so a channel whose request was never answered is told from others, by another process, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused
from ccbs.asterisk.endings import Endings
from ccbs.asterisk.endpoints import endpoint_of_channel
from ccbs.asterisk.recall_leg import RecallLeg

__all__ = ["MARK", "Legs"]

MARK: Final = "CCBS_RECALL"
"""The variable of a recall's channel that holds the leg's mark."""

_ORIGINATED: Final = "AppDial2"
"""What Asterisk names as the application of a channel that was originated and is not answered."""
_LONGEST_RECALL_S: Final = 600
"""When Asterisk itself ends a leg that nobody has ended or led on (s): above every ringing and prompt."""
_UNANSWERED_S: Final = 60.0
"""How long a request that was not answered may still be carried out (s)."""


class Legs:
    """Those there are, and those that may still come.

    :param ari: the requests.
    :param app: the application's name.
    :param endings: ends channels.
    :param on_end: is told when a leg's channel has gone, with the cause.
    :param logger: for what goes wrong.
    :param clock: seconds.
    """

    def __init__(
        self,
        ari: Ari,
        app: str,
        *,
        endings: Endings,
        on_end: Callable[[RecallLeg, int], None],
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ari = ari
        self._app = app
        self._endings = endings
        self._on_end = on_end
        self._logger = logger
        self._clock = clock
        self._by_mark: Final[dict[str, RecallLeg]] = {}
        self._by_channel: Final[dict[str, RecallLeg]] = {}
        self._asking: Final[set[asyncio.Task[None]]] = set()
        self._early: Final[dict[str, int]] = {}
        """Channels that went while a request was on its way: one of them may be the one asked for."""
        self._unanswered: Final[dict[str, tuple[str, float]]] = {}
        """By mark of a leg given up: its endpoint, and since when."""

    def __len__(self) -> int:
        return len(self._by_mark)

    def all(self) -> list[RecallLeg]:
        """Those there are."""
        return list(self._by_mark.values())

    def unanswered(self) -> int:
        """How many were given up before Asterisk answered: what comes of those is ended."""
        return len(self._unanswered)

    def find(self, channel: str) -> RecallLeg | None:
        """The leg of a channel."""
        return self._by_channel.get(channel)

    def add(self, leg: RecallLeg) -> None:
        """It is about to be asked for."""
        self._by_mark[leg.mark] = leg

    def remove(self, leg: RecallLeg) -> bool:
        """It has gone.

        :returns: whether it was there.
        """
        if leg.channel:
            self._by_channel.pop(leg.channel, None)
        return self._by_mark.pop(leg.mark, None) is not None

    async def originate(self, leg: RecallLeg, endpoint: str, caller_id: str, timeout: float) -> None:
        """Have a phone rung. Cancelled: the request goes on, and what comes of it is ended.

        :param leg: added before.
        :param endpoint: PJSIP's.
        :param caller_id: what the phone shows.
        :param timeout: how long it rings, in seconds.
        :raises AriRefused: when it is not.
        :raises AriUnreachable: when it is not known whether it is.
        """
        leg.endpoint = endpoint
        asking = asyncio.get_running_loop().create_task(self._ask(leg, endpoint, caller_id, timeout))
        leg.asking = asking
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        await asyncio.shield(asking)

    async def _ask(self, leg: RecallLeg, endpoint: str, caller_id: str, timeout: float) -> None:
        try:
            answer = await self._ari.request(
                "POST",
                "channels",
                query={
                    "endpoint": f"PJSIP/{endpoint}",
                    "app": self._app,
                    "appArgs": f"recall,{leg.order or 0},{leg.mark}",
                    "callerId": caller_id,
                    "timeout": str(math.ceil(timeout)),
                },
                body={"variables": {MARK: leg.mark, "TIMEOUT(absolute)": str(_LONGEST_RECALL_S)}},
            )
        except AriRefused:
            self._unanswered.pop(leg.mark, None)
            raise
        channel = str((answer or {}).get("id", ""))
        if self._unanswered.pop(leg.mark, None) is not None:
            if channel not in self._early:
                await self._endings.hang_up(channel)
        else:
            self.known(leg, channel)

    def _asked(self, asking: asyncio.Task[None]) -> None:
        self._asking.discard(asking)
        if not self._asking:
            self._early.clear()
        if not asking.cancelled() and (error := asking.exception()) is not None:
            # Whoever still waits for it is told, too.
            self._logger.debug("a leg was not made: %s", error)

    def known(self, leg: RecallLeg, channel: str) -> None:
        """A leg's channel is known now."""
        if leg.channel or not channel or leg.mark not in self._by_mark:
            return
        leg.channel = channel
        self._by_channel[channel] = leg
        if (cause := self._early.pop(channel, None)) is not None:
            self._on_end(leg, cause)

    def started(self, channel: str, mark: str) -> RecallLeg | None:
        """A channel with a mark has come to us: it was answered.

        :returns: its leg; ``None`` when nobody waits for it.
        """
        leg = self._by_mark.get(mark)
        if leg is None or leg.given_up:
            self._unanswered.pop(mark, None)
            return None
        self.known(leg, channel)
        return leg

    def destroyed(self, channel: str, cause: int) -> None:
        """A channel has gone."""
        if (leg := self._by_channel.get(channel)) is not None:
            self._on_end(leg, cause)
        elif self._asking:
            self._early[channel] = cause

    async def give_up(self, leg: RecallLeg, reason: int, settle: float) -> None:
        """End a leg, also one whose request is not answered yet.

        :param reason: the cause (Q.850) that the phone is told.
        :param settle: how long to wait for the answer, and for the end, in seconds.
        """
        leg.given_up = True
        if not leg.channel and leg.asking is not None and not leg.asking.done():
            await asyncio.wait((leg.asking, leg.gone), timeout=settle, return_when=asyncio.FIRST_COMPLETED)
        if leg.gone.done():
            return
        if leg.channel:
            self._endings.doom(leg.channel)
            if await self._endings.hang_up(leg.channel, reason):
                await asyncio.wait((leg.gone,), timeout=settle)
        elif leg.asking is not None:
            now = self._clock()
            for mark, (_, since) in list(self._unanswered.items()):
                if now - since > _UNANSWERED_S:
                    del self._unanswered[mark]
            self._unanswered[leg.mark] = (leg.endpoint, now)
        if not leg.gone.done():
            self._on_end(leg, 0)

    # --- channels whose mark is not known -----------------------------------------------------------

    def is_awaited(self, name: str) -> bool:
        """Whether a new channel may be one that was given up before Asterisk answered.

        :param name: the channel's.
        """
        if not self._unanswered:
            return False
        endpoint = endpoint_of_channel(name)
        return any(endpoint == awaited for awaited, _ in self._unanswered.values())

    def may_be_ours(self, identity: str, channel: Mapping[str, Any]) -> bool:
        """Whether a channel that was found may be a leg, ours or of a process that died, that still rings."""
        dialplan = channel.get("dialplan") or {}
        return (
            identity not in self._by_channel
            and endpoint_of_channel(str(channel.get("name", ""))) is not None
            and channel.get("state") in ("Down", "Ring", "Ringing")
            # What an originated channel has, other than one that calls or is dialled.
            and dialplan.get("app_name", "") in ("", _ORIGINATED)
            and dialplan.get("exten", "") in ("", "s")
        )

    async def identify(self, channel: str) -> bool:
        """Look at the mark of a channel, and end it when nobody waits for it.

        :param channel: its identity.
        :returns: whether it is of a process that died.
        """
        with contextlib.suppress(AriError):
            found = await self._ari.request("GET", "channels", channel, "variable", query={"variable": MARK})
            mark = str((found or {}).get("value") or "")
            if not mark:
                return False
            leg = self._by_mark.get(mark)
            if leg is not None and not leg.given_up:
                self.known(leg, channel)
                return False
            ours = leg is not None or self._unanswered.pop(mark, None) is not None
            await self._endings.hang_up(channel)
            return not ours
        return False
