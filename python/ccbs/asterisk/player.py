"""Prompts on Asterisk's channels."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused
from ccbs.switch import PromptFailed

__all__ = ["ChannelGone", "Player"]


class ChannelGone(Exception):
    """Who was to hear the prompt has hung up."""


class Player:
    """Plays prompts, one after the other.

    :param ari: the requests.
    :param directory: where the prompts are, as Asterisk sees it: ``DIRECTORY/LANGUAGE/NAME.wav``.
    :param language: of a subscriber's prompts, by number.
    :param longest: how long a prompt may take, in seconds.
    :param ask_after: how long Asterisk may say nothing of a prompt before it is asked, in seconds.
    :param logger: is told of prompts that Asterisk cannot play, of each once.
    """

    def __init__(
        self,
        ari: Ari,
        directory: str,
        language: Callable[[str], str],
        *,
        longest: float = 60.0,
        ask_after: float = 5.0,
        logger: logging.Logger,
    ) -> None:
        self._ari = ari
        self._directory = directory.rstrip("/")
        self._language = language
        self._longest = longest
        self._ask_after = ask_after
        self._logger = logger
        self._playing: Final[dict[str, asyncio.Future[str]]] = {}
        self._complained: Final[set[str]] = set()
        self._counts: Final = {
            "prompts_played": 0,
            "prompts_failed": 0,
            "prompts_overlong": 0,
            "prompts_end_untold": 0,
        }

    def counters(self) -> dict[str, int]:
        """``prompts_played``, ``prompts_failed`` (Asterisk could not read the file), ``prompts_overlong``
        (stopped after the longest time), ``prompts_end_untold`` (over without a word: Asterisk was asked).
        """
        return dict(self._counts)

    async def play(
        self, channel: str, gone: asyncio.Future[int], listener: str, prompts: Sequence[str]
    ) -> None:
        """Play prompts on a channel; return when the last was heard.

        :param channel: its identity.
        :param gone: is done when the channel has gone.
        :param listener: the number whose language they are in.
        :param prompts: names from the catalogue.
        :raises ChannelGone: when it has gone.
        :raises PromptFailed: when none of them could be played.

        Cancelled: the prompt stops.
        """
        played = 0
        for name in prompts:
            played += await self._one(channel, gone, f"{self._directory}/{self._language(listener)}/{name}")
        if prompts and not played:
            raise PromptFailed(f"Asterisk could play none of {' '.join(prompts)}")

    async def _one(self, channel: str, gone: asyncio.Future[int], path: str) -> bool:
        identity = f"ccbs-play-{uuid.uuid4().hex}"
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._playing[identity] = over
        try:
            await self._ari.request(
                "POST", "channels", channel, "play", identity, query={"media": f"sound:{path}"}
            )
            await self._until_over(identity, over, gone)
        except AriRefused as error:
            if error.status in (404, 409, 412):
                raise ChannelGone from error
            over.set_result("failed")
        except asyncio.CancelledError:
            if not gone.done():
                await self._stop(identity)
            raise
        finally:
            del self._playing[identity]
        if gone.done():
            raise ChannelGone
        if not over.done():
            await self._stop(identity)
            self._counts["prompts_overlong"] += 1
            self._logger.warning("%s.wav was stopped: it took longer than %g s", path, self._longest)
            return True
        if over.result() != "failed":
            self._counts["prompts_played"] += 1
            return True
        self._counts["prompts_failed"] += 1
        if path not in self._complained:
            self._complained.add(path)
            self._logger.error(
                "Asterisk cannot play %s.wav; `ccbs prompts install DIR` puts the prompts where it can",
                path,
            )
        return False

    async def _until_over(self, identity: str, over: asyncio.Future[str], gone: asyncio.Future[int]) -> None:
        """Wait until a playback is over, its channel has gone, or it has taken the longest time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._longest
        while (left := deadline - loop.time()) > 0:
            wait = min(left, self._ask_after)
            if (await asyncio.wait((over, gone), timeout=wait, return_when=asyncio.FIRST_COMPLETED))[0]:
                return
            try:
                await self._ari.request("GET", "playbacks", identity)
            except AriRefused as error:
                if error.status == 404 and not over.done():
                    self._counts["prompts_end_untold"] += 1
                    over.set_result("untold")
                    return
            except AriError as error:
                self._logger.debug("nothing is known of playback %s: %s", identity, error)

    async def _stop(self, identity: str) -> None:
        try:
            await self._ari.request("DELETE", "playbacks", identity)
        except AriError as error:
            self._logger.debug("playback %s was not stopped: %s", identity, error)

    def finished(self, identity: str, state: str) -> None:
        """A playback is over."""
        over = self._playing.get(identity)
        if over is not None and not over.done():
            over.set_result(state)

    def lost(self) -> None:
        """Contact was lost: what plays now will not be told to be over."""
        for over in self._playing.values():
            if not over.done():
                over.set_result("lost")
