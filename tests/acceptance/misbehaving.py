"""Scenes with phones that do not behave: the order's life and the line's state stay right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .course import TIMER_TOLERANCE_S, Course
from .listening import hears_prompts
from .side_by_side import Scene
from .sipp_phone import SippPhone
from .wire import SipMessage
from .world import CALLEE, KEEPER, LANGUAGE, ORDERER, Party, Settings, World, open_world

__all__ = ["SCENES"]

QUICK = Settings(cb_timer_internal_s=3, attempts=2, caller_ring_s=5, callee_ring_s=5)
DISCARD = 9
"""The discard port: what a phone gives as its RTP port when nobody listens."""


def sipp(world: World, party: Party) -> SippPhone:
    address = world.network.address(party.host)
    directory = world.directory / f"sipp-{party.number}"
    switch = world.network.address(10)
    return SippPhone(party.number, party.password, address, switch, directory, (address, DISCARD))


async def order_by(phone: SippPhone, world: World) -> float:
    """№2, a SIPp phone, finds №1 busy and orders; returns when the order was accepted (Unix time, s)."""
    course = Course(world)
    await course.keeper_calls()
    await course.callee_answers_keeper()
    await phone.run("register")
    await phone.run("dial_refused", dialled=CALLEE.number, status="486")
    since = len(world.switch.lines)
    accepted = asyncio.create_task(world.switch.expect_line("accepted", since=since, timeout=10.0))
    await phone.run("dial_prompt", dialled="*37#")
    await accepted
    orders = await world.orders()
    assert [(order["caller"], order["callee"]) for order in orders] == [(ORDERER.number, CALLEE.number)]
    return time.time()


def recalls(calls: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(call["caller"], call["callee"], call["cause"]) for call in calls if call["recall"]]


def _to(world: World, party: Party, messages: Iterable[SipMessage]) -> Iterator[SipMessage]:
    """Those to the party's phone."""
    address = world.network.address(party.host)
    return (message for message in messages if message.target.startswith(f"{address}:"))


def _firsts(messages: Iterable[SipMessage]) -> list[SipMessage]:
    """Without repetitions: the first message of each Call-ID."""
    firsts: dict[str, SipMessage] = {}
    for message in messages:
        firsts.setdefault(message.call_id, message)
    return list(firsts.values())


async def a_phone_that_hangs_up_in_the_prompt_uses_the_attempt(directory: Path) -> None:
    async with open_world(directory, CALLEE, KEEPER, settings=QUICK) as world:
        phone = sipp(world, ORDERER)
        await order_by(phone, world)
        callee_before = world.phone(CALLEE).wire.mark()
        for _ in range(QUICK.attempts):
            await phone.run("bye_in_prompt", timeout=15.0)
        await world.switch.expect_line("attempts-exhausted", timeout=5.0)
        assert await world.orders() == []
        assert recalls(await world.calls()) == QUICK.attempts * [
            (ORDERER.number, CALLEE.number, "caller-gone")
        ]
        assert not list(world.phone(CALLEE).wire.select("INVITE", since=callee_before))
        assert await world.phone(CALLEE).calls_now() == 1


async def a_callers_phone_that_answers_486_though_idle_uses_the_attempt(directory: Path) -> None:
    async with open_world(directory, CALLEE, KEEPER, settings=QUICK) as world:
        phone = sipp(world, ORDERER)
        await order_by(phone, world)
        for _ in range(QUICK.attempts):
            await phone.run("refuse", status="486", timeout=15.0)
        await world.switch.expect_line("attempts-exhausted", timeout=5.0)
        wire = world.switch.wire()
        called = _firsts(_to(world, ORDERER, wire.select("INVITE", direction="sent", initial=True)))
        refused = _firsts(wire.select("INVITE", 486, "received"))
        assert len(called) == len(refused) == QUICK.attempts, (called, refused)
        waited = called[1].at - refused[0].at
        assert abs(waited - QUICK.cb_timer_internal_s) <= TIMER_TOLERANCE_S, f"called after {waited:.2f} s"
        assert recalls(await world.calls()) == QUICK.attempts * [
            (ORDERER.number, CALLEE.number, "caller-busy")
        ]


async def a_callee_that_declines_uses_the_attempt(directory: Path) -> None:
    settings = Settings(cb_timer_internal_s=5, attempts=1, caller_ring_s=5, callee_ring_s=5)
    async with open_world(directory, ORDERER, KEEPER, settings=settings) as world:
        callee, orderer, keeper = sipp(world, CALLEE), world.phone(ORDERER), world.phone(KEEPER)
        await callee.run("register")
        # №1 refuses №2 with 486 itself; that is a busy line as well.
        refusing = asyncio.create_task(callee.run("refuse", status="486"))
        await orderer.dial(CALLEE.number)
        await orderer.wire.expect("INVITE", 486, "received", timeout=10.0)
        await refusing
        began = time.time()
        before = orderer.wire.mark()
        await orderer.dial(world.callback_key)
        await hears_prompts(
            orderer, world.recogniser, f"{LANGUAGE}/order-accepted", since=began, timeout=15.0
        )
        await orderer.wire.expect("BYE", None, "received", since=before, timeout=10.0)
        declining = asyncio.create_task(callee.run("ring_refuse", status="603", timeout=20.0))
        before = orderer.wire.mark()
        await orderer.rings(since=before, timeout=10.0)
        began = time.time()
        await orderer.accept()
        await hears_prompts(
            orderer,
            world.recogniser,
            *(f"{LANGUAGE}/{name}" for name in ("activated", "callee-no-answer", "attempts-used-up")),
            since=began,
            timeout=20.0,
        )
        await orderer.wire.expect("BYE", None, "received", since=before, timeout=10.0)
        await declining
        await world.switch.expect_line("attempts-exhausted", timeout=5.0)
        assert recalls(await world.calls()) == [(ORDERER.number, CALLEE.number, "declined")]
        assert await keeper.calls_now() == 0


async def a_phone_that_never_acknowledges_is_released_and_its_line_freed(directory: Path) -> None:
    async with open_world(directory, CALLEE) as world:
        phone = sipp(world, ORDERER)
        await phone.run("register")
        began = time.time()
        # The answer is repeated for 64·T1 = 32 s, then the switch ends the call (RFC 3261 section 13.3.1.4).
        await phone.run("dial_no_ack", dialled="*#37#", timeout=60.0)
        assert time.time() - began > 25.0
        lines = {line["line"]: line for line in await world.switch.command("lines")}
        assert lines[ORDERER.number]["state"] == "free"
        await phone.run("dial_prompt", dialled="*#37#")


SCENES: tuple[Scene, ...] = (
    a_phone_that_never_acknowledges_is_released_and_its_line_freed,
    a_phone_that_hangs_up_in_the_prompt_uses_the_attempt,
    a_callers_phone_that_answers_486_though_idle_uses_the_attempt,
    a_callee_that_declines_uses_the_attempt,
)
"""The longest first."""
