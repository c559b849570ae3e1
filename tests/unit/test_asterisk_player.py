"""Prompts at Asterisk that end in every way that there is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from ccbs.asterisk.ari import Ari, AriRefused
from ccbs.asterisk.player import ChannelGone, Player
from ccbs.switch import PromptFailed


class Exchange(Ari):
    """Asterisk's requests: playbacks begin, and are there until they are taken away."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "user", "password")
        self.playing: set[str] = set()
        self.began = asyncio.Event()
        self.asked = asyncio.Event()
        self.stopped = 0

    async def request(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        within: float | None = None,
    ) -> Any:
        playback = path[-1]
        if method == "POST":
            self.playing.add(playback)
            self.began.set()
        elif playback not in self.playing:
            raise AriRefused(404, "Playback not found")
        elif method == "GET":
            self.asked.set()
        else:
            self.stopped += 1
            self.playing.discard(playback)
        return {}


class Listener:
    """One channel, and a prompt that plays there."""

    def __init__(self, *, longest: float = 60.0, ask_after: float = 60.0) -> None:
        self.exchange = Exchange()
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.player = Player(
            self.exchange,
            "prompts",
            lambda number: "ru",
            longest=longest,
            ask_after=ask_after,
            logger=logging.getLogger("ccbs.test"),
        )

    async def begin(self) -> tuple[asyncio.Task[None], str]:
        """Plays; returns the task and the playback's identity."""
        task = asyncio.create_task(self.player.play("channel", self.gone, "102", ["activated"]))
        await self.exchange.began.wait()
        (playback,) = self.exchange.playing
        return task, playback

    def counted(self) -> dict[str, int]:
        """The counters that are not zero."""
        return {name: count for name, count in self.player.counters().items() if count}


async def test_a_prompt_is_heard_to_its_end() -> None:
    listener = Listener()
    task, playback = await listener.begin()
    listener.player.finished(playback, "done")
    await task
    assert listener.counted() == {"prompts_played": 1}


async def test_a_prompt_that_asterisk_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()
    task, playback = await listener.begin()
    listener.player.finished(playback, "failed")
    with pytest.raises(PromptFailed):
        await task
    assert listener.counted() == {"prompts_failed": 1}
    assert "ccbs prompts install" in caplog.text


async def test_an_end_that_is_not_told_is_asked_for() -> None:
    listener = Listener(ask_after=0.01)
    task, playback = await listener.begin()
    await listener.exchange.asked.wait()
    assert not task.done()
    listener.exchange.playing.discard(playback)
    await task
    assert listener.counted() == {"prompts_played": 1, "prompts_end_untold": 1}


async def test_a_prompt_without_end_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(longest=0.01)
    task, _ = await listener.begin()
    await task
    assert listener.exchange.stopped == 1
    assert listener.counted() == {"prompts_overlong": 1}
    assert "cannot play" not in caplog.text


async def test_a_channel_that_goes_ends_the_prompt() -> None:
    listener = Listener()
    task, _ = await listener.begin()
    listener.gone.set_result(16)
    with pytest.raises(ChannelGone):
        await task
    assert listener.counted() == {}


async def test_a_cancelled_prompt_is_stopped() -> None:
    listener = Listener()
    task, _ = await listener.begin()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert listener.exchange.stopped == 1
