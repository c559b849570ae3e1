"""Ends channels, and goes on with those that Asterisk did not end when it was asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused, AriUnreachable

__all__ = ["Endings"]

_REMEMBERED_S: Final = 60.0
"""How long a channel that Asterisk does not know may still come: by a request that it carries out late."""


class Endings:
    """Channels to be ended: at once, else when they are seen again, else when Asterisk answers again.

    :param ari: the requests.
    :param logger: for what goes wrong.
    :param clock: seconds.
    """

    def __init__(
        self, ari: Ari, *, logger: logging.Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ari = ari
        self._logger = logger
        self._clock = clock
        self._doomed: Final[dict[str, float]] = {}
        """By channel, since when."""

    def __contains__(self, channel: object) -> bool:
        """Whether a channel is to be ended as soon as it is seen."""
        return channel in self._doomed

    def __len__(self) -> int:
        return len(self._doomed)

    def doom(self, channel: str) -> None:
        """To be ended until Asterisk says it is gone: a request not answered may still be carried out."""
        self._doomed.setdefault(channel, self._clock())

    def gone(self, channel: str) -> None:
        """Asterisk has said that it is gone."""
        self._doomed.pop(channel, None)

    async def hang_up(self, channel: str, reason: int | None = None) -> bool:
        """End a channel, or doom it when Asterisk does not do it. One that is gone is no error.

        :param channel: its identity.
        :param reason: the cause (Q.850) that its phone is told.
        :returns: whether it ends now.
        """
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
        self.doom(channel)
        return False

    async def end(self, channel: str) -> None:
        """A channel that was given up is seen: it is ended now."""
        try:
            await self._ari.request("DELETE", "channels", channel)
        except AriRefused as error:
            since = self._doomed.get(channel, 0.0)
            if error.status == 404 and self._clock() - since >= _REMEMBERED_S:
                self._doomed.pop(channel, None)
        except AriError as error:
            self._logger.debug("channel %s is not ended yet: %s", channel, error)

    async def again(self) -> None:
        """Asterisk answers: whatever it did not end before."""
        for channel in list(self._doomed):
            await self.end(channel)
