"""From a release to the recall on the wires, through a real Asterisk: ccbs beside a bare ARI program.

Both serve the same Asterisk at the same time, and the releases go to them by turns, so what the machine
does besides falls on both alike. The bare program rings the caller at the callee's release and does no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benches.asterisk_office import BARE, CCBS, Office, Side
from benches.figures import Figure
from benches.process import Failed

__all__ = ["RATES", "Plan", "measure"]

RATES = (10, 50)
"""Releases a second, of both sides together."""
_WITHIN_S = 10.0
_ALL_WITHIN_S = 300.0
_FREED_AT_ONCE = 256
_PAUSE_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What is measured.

    :ivar sizes: orders that wait, rising; at the last all their callees are freed at once in the end.
    :ivar releases: of each side, by releases a second.
    :ivar rung: how many callers the bare program rings as fast as it can.
    """

    sizes: Sequence[int] = (100, 1_000, 5_000)
    releases: Sequence[int] = (200, 500)
    rung: int = 2_000


def measure(directory: Path, plan: Plan) -> list[Figure]:
    """Measures with an Asterisk of its own for each number of orders.

    :param directory: for files; made.
    :param plan: what is measured.
    :raises Failed: when a step does not go as it should.
    """
    directory.mkdir(parents=True)
    found: list[Figure] = []
    # The phones hold some hundred thousand objects: looking through them is not what is measured.
    gc.disable()
    try:
        for size in plan.sizes:
            found += asyncio.run(_at(directory / str(size), size, plan, crowd=size == plan.sizes[-1]))
    finally:
        gc.enable()
    return found


async def _at(directory: Path, waiting: int, plan: Plan, *, crowd: bool) -> list[Figure]:
    released = sum(plan.releases)
    _may_open(8 * (waiting + 2 * released) + 10_000)
    async with contextlib.AsyncExitStack() as stack:
        began = time.monotonic()
        office = await stack.enter_async_context(
            Office.open(directory, waiting + released, released, plan.rung if crowd else 0)
        )
        print(f"  {waiting:,} waiting: Asterisk and ccbs are there after {time.monotonic() - began:.0f} s")
        ours, bare = office.sides
        found = await _place(office, range(waiting))
        first = 0
        for rate, count in zip(RATES, plan.releases, strict=True):
            # They come on top, so that as many as are said wait all the time.
            of_ours = range(waiting + first, waiting + first + count)
            of_bare = range(first, first + count)
            await bare.talk(of_bare)
            await ours.talk(of_ours)
            await ours.order(of_ours)
            await asyncio.sleep(_PAUSE_S)
            found += _times(await _release([(ours, of_ours), (bare, of_bare)], rate), rate, waiting)
            first += count
        if crowd:
            found += await _free_all(ours, waiting)
        found.append(Figure("asterisk-lag", CCBS, waiting, await office.lag_us() / 1e3, "ms"))
        if crowd:
            found.append(await _ring_all(office, plan.rung, waiting))
        return found


async def _place(office: Office, positions: range) -> list[Figure]:
    """The callees talk, and the callers order."""
    ours, count = office.sides[0], len(positions)
    await ours.talk(positions)
    began = time.monotonic()
    await ours.order(positions)
    seconds = time.monotonic() - began
    stand = await office.orders()
    print(f"  {stand:,} of {count:,} orders stand after {seconds:.0f} s", flush=True)
    return [
        Figure("asterisk-orders-lost", CCBS, count, count - stand, ""),
        Figure("asterisk-orders-rate", CCBS, count, count / seconds, "orders/s"),
    ]


def _may_open(files: int) -> None:
    """Raises the limit of open files, for this process and those that it starts."""
    now, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limits in ((files, max(files, hard)), (max(now, min(files, hard)), hard)):
        # Only root may have more than the hard limit, and not everywhere.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return


async def _release(sides: Sequence[tuple[Side, range]], rate: float) -> dict[str, list[float]]:
    """Callees hang up one after the other, by turns of the sides; how long each recall took, in seconds."""
    turns = [(side, at) for pair in zip(*((_of(*one)) for one in sides), strict=True) for side, at in pair]
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    for index, (side, at) in enumerate(turns):
        await asyncio.sleep(began + index / rate - loop.time())
        tasks.append(loop.create_task(_one(side, at)))
    took: dict[str, list[float]] = {}
    for (side, _), seconds in zip(turns, await asyncio.gather(*tasks), strict=True):
        took.setdefault(side.who, []).append(seconds)
    return {who: sorted(found) for who, found in took.items()}


def _of(side: Side, positions: range) -> list[tuple[Side, int]]:
    return [(side, at) for at in positions]


async def _one(side: Side, at: int) -> float:
    invited = side.rung(at)
    sent = await side.hang_up(at)
    try:
        return (await asyncio.wait_for(invited, _WITHIN_S)).at - sent
    except TimeoutError:
        raise Failed(f"{side.who}: no INVITE to {side.caller(at)} within {_WITHIN_S:g} s") from None


def _times(took: dict[str, list[float]], rate: int, waiting: int) -> list[Figure]:
    found = []
    for who, times in took.items():
        for share in (50, 99):
            value = times[min(len(times) - 1, len(times) * share // 100)] * 1e3
            found.append(Figure(f"asterisk-p{share}-{rate}", who, waiting, value, "ms"))
        found.append(Figure(f"asterisk-releases-{rate}", who, waiting, len(times), ""))
    return found


async def _free_all(side: Side, lines: int) -> list[Figure]:
    """All callees hang up; everybody who is rung answers, and each callee hangs up when it is connected."""
    side.answer_from_now_on()
    to_callers = [side.rung(at) for at in range(lines)]
    to_callees = [side.called(at) for at in range(lines)]
    began = time.time()
    await side.hang_up_all(range(lines), _FREED_AT_ONCE)
    freed = time.time()
    await asyncio.wait([*to_callers, *to_callees], timeout=_ALL_WITHIN_S)
    callers = sorted(one.result().at for one in to_callers if one.done())
    callees = sorted(one.result().at for one in to_callees if one.done())
    last = callers[-1] if callers else began + _ALL_WITHIN_S
    return [
        Figure("asterisk-freed-within", CCBS, lines, freed - began, "s"),
        Figure("asterisk-missing", "callers", lines, lines - len(callers), ""),
        Figure("asterisk-missing", "callees", lines, lines - len(callees), ""),
        Figure("asterisk-last", "callers", lines, last - began, "s"),
        Figure("asterisk-last", "callees", lines, (callees[-1] if callees else last) - began, "s"),
        Figure("asterisk-originates", CCBS, lines, 2 * len(callees) / (last - began), "/s"),
    ]


async def _ring_all(office: Office, count: int, waiting: int) -> Figure:
    """The bare program rings callers as fast as it can, with ccbs away; they decline."""
    await office.stop_ccbs()
    side = office.sides[1]
    began, arrived = await office.originate(count)
    if len(arrived) < count:
        raise Failed(f"{BARE}: {count - len(arrived)} of {count} phones of {side.who} were not rung")
    return Figure("asterisk-originates", BARE, waiting, count / (arrived[-1] - began), "/s")
