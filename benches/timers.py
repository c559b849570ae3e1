"""The life of timers in Python, by ``heapq`` and ``asyncio.call_later``: the load of ``src/timers.rs``."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from benches.figures import Figure
from benches.process import Failed

__all__ = ["Load", "asyncio_call_later", "heapq_lazy", "measure"]

_HORIZON_MS = 60_000
_STEP_MS = 10
_WORD = 2**64 - 1


@dataclass(frozen=True)
class Load:
    """What is done to each candidate: the very load of the Rust part.

    :ivar deadlines: in ms, in the order in which the timers are set.
    :ivar cancelled: which of them are, in the order in which they are.
    """

    deadlines: list[int]
    cancelled: list[int]

    @classmethod
    def of(cls, count: int) -> Load:
        """``count`` timers; four of five are cancelled."""
        numbers = _numbers(7)
        deadlines = [1 + (next(numbers) * _HORIZON_MS >> 64) for _ in range(count)]
        order = list(range(count))
        for index in range(count - 1, 0, -1):
            other = next(numbers) * (index + 1) >> 64
            order[index], order[other] = order[other], order[index]
        return cls(deadlines, order[: count // 5 * 4])

    @property
    def left(self) -> int:
        """How many expire."""
        return len(self.deadlines) - len(self.cancelled)


def measure(sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)) -> list[Figure]:
    """Processor time of a timer's life: each phase at the least of two rounds.

    :raises Failed: when a candidate loses timers.
    """
    candidates: dict[str, Callable[[Load], Phases]] = {
        "Python heapq, lazy": heapq_lazy,
        "asyncio.call_later": asyncio_call_later,
    }
    figures = []
    for size in sizes:
        load = Load.of(size)
        for who, candidate in candidates.items():
            rounds = [candidate(load) for _ in range(2)]
            least = sum(min(phase) for phase in zip(*rounds, strict=True))
            figures.append(Figure("timer-life", who, size, least / size * 1e9, "ns"))
    return figures


Phases: TypeAlias = tuple[float, float, float]
"""Processor time of setting, cancelling and expiring, in seconds."""


def heapq_lazy(load: Load) -> Phases:
    """A heap of (deadline, token); what was cancelled stays until it comes up."""
    heap: list[tuple[int, int]] = []
    alive = bytearray(b"\1") * len(load.deadlines)
    began = time.process_time()
    for token, deadline in enumerate(load.deadlines):
        heapq.heappush(heap, (deadline, token))
    was_set = time.process_time()
    for token in load.cancelled:
        alive[token] = 0
    was_cancelled = time.process_time()
    expired = 0
    for now in range(_STEP_MS, _HORIZON_MS + 1, _STEP_MS):
        while heap and heap[0][0] <= now:
            expired += alive[heapq.heappop(heap)[1]]
    ended = time.process_time()
    _check(load, expired)
    return was_set - began, was_cancelled - was_set, ended - was_cancelled


def asyncio_call_later(load: Load) -> Phases:
    """Handles of an event loop whose clock is virtual."""
    clock = _Clock()
    loop = _VirtualLoop(clock)
    expired = 0

    def expire() -> None:
        nonlocal expired
        expired += 1

    try:
        began = time.process_time()
        handles = [loop.call_later(deadline / 1e3, expire) for deadline in load.deadlines]
        was_set = time.process_time()
        # As for the others, where the user keeps its handles is not what is compared.
        lined_up = [handles[token] for token in load.cancelled]
        before = time.process_time()
        for handle in lined_up:
            handle.cancel()
        was_cancelled = time.process_time()
        loop.call_later((_HORIZON_MS + _STEP_MS) / 1e3, loop.stop)
        loop.run_forever()
        ended = time.process_time()
    finally:
        loop.close()
    _check(load, expired)
    return was_set - began, was_cancelled - before, ended - was_cancelled


def _check(load: Load, expired: int) -> None:
    if expired != load.left:
        raise Failed(f"{expired} timers expired, {load.left} were to")


class _Clock(selectors.SelectSelector):
    """A selector that, instead of waiting, moves time on to the next step after the time-out."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            steps = -(-round((self.now_s + timeout) * 1e3) // _STEP_MS)
            self.now_s = steps * _STEP_MS / 1e3
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: _Clock) -> None:
        self._virtual = clock
        super().__init__(clock)

    def time(self) -> float:
        return self._virtual.now_s


def _numbers(seed: int) -> Iterator[int]:
    """The 64-bit numbers of ``clock.rs`` (xorshift64*)."""
    state = seed * 0x9E37_79B9_7F4A_7C15 & _WORD | 1
    while True:
        state ^= state >> 12
        state ^= state << 25 & _WORD
        state ^= state >> 27
        yield state * 0x2545_F491_4F6C_DD1D & _WORD
