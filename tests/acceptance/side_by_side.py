"""Scenes that take real seconds, run side by side; each is reported as a test of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

__all__ = ["Scene", "play"]

Scene = Callable[[Path], Awaitable[None]]
"""What happens in a directory of its own; it raises where something is wrong."""

AT_ONCE = 6
"""How many scenes run at a time: more would make the phones late on two processors."""


async def play(
    scenes: Iterable[Scene], directory: Path, *, at_once: int = AT_ONCE
) -> dict[str, BaseException | None]:
    """Runs the scenes; returns by scene name what it raised, if anything.

    :param at_once: how many run at a time.
    """
    places = asyncio.Semaphore(at_once)

    async def one(scene: Scene) -> tuple[str, BaseException | None]:
        async with places:
            try:
                await scene(directory / scene.__name__)
            except Exception as error:
                return scene.__name__, error
            return scene.__name__, None

    return dict(await asyncio.gather(*(one(scene) for scene in scenes)))
