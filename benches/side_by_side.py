"""Many steps, so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["carry_out"]

_T = TypeVar("_T")


async def carry_out(steps: Iterable[Coroutine[Any, Any, _T]], at_once: int) -> list[_T]:
    """Carries out steps in their order.

    :param at_once: how many at a time.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(step: Coroutine[Any, Any, _T]) -> _T:
        async with gate:
            return await step

    return list(await asyncio.gather(*(one(step) for step in steps)))
