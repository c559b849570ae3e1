"""Ordering by a key right after the busy call, and what the gate does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from acceptance.course import SOON_S, Course
from acceptance.listening import hears_prompts
from acceptance.side_by_side import Scene
from acceptance.world import CALLEE, KEEPER, LANGUAGE, ORDERER

from .standard import profile, talk
from .world import office_dialplan, open_asterisk_world

__all__ = ["SCENES"]

_OFFER = [f"{LANGUAGE}/{name}" for name in ("offer", "digit-5")]


def _offering(config: dict[str, Any]) -> None:
    config["asterisk"]["offer_digit"] = "5"
    config["asterisk"]["offer_wait_s"] = 3


async def _busy(course: Course) -> None:
    await course.keeper_calls()
    await course.callee_answers_keeper()


async def _key(directory: Path, *, gate: bool) -> None:
    dialplan = office_dialplan(gate=gate)
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=_offering, dialplan=dialplan
    ) as world:
        await _busy(Course(world))
        if not gate:
            # Its phone takes a second call: what says busy is the dialplan.
            await world.asterisk.cli("dialplan add extension 101,1,Set(DIALSTATUS=BUSY) into office replace")
            await world.asterisk.cli(
                "dialplan add extension 101,2,Stasis(ccbs,after,101,BUSY) into office replace"
            )
        phone = world.phone(ORDERER)
        before, began = phone.wire.mark(), time.time()
        await phone.dial(CALLEE.number)
        await hears_prompts(phone, world.recogniser, *_OFFER, since=began, timeout=SOON_S * 3)
        await phone.press("5")
        await hears_prompts(
            phone, world.recogniser, *_OFFER, f"{LANGUAGE}/order-accepted", since=began, timeout=SOON_S * 3
        )
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        assert [(one["caller"], one["callee"]) for one in await world.orders()] == [
            (ORDERER.number, CALLEE.number)
        ]
        if gate:
            before = phone.wire.mark()
            await world.phone(CALLEE).hang_up()
            await talk(world, ORDERER, since=before)
            await phone.hang_up()
        else:
            await world.phone(CALLEE).hang_up()
            await world.switch.command("cancel", str((await world.orders())[0]["order"]))
        await world.asterisk.no_channels(SOON_S * 2)


async def the_key_after_a_busy_call_orders(directory: Path) -> None:
    await _key(directory, gate=True)


async def the_key_orders_when_the_dialplan_says_busy(directory: Path) -> None:
    await _key(directory, gate=False)


async def who_presses_nothing_is_released_and_orders_nothing(directory: Path) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=_offering
    ) as world:
        await _busy(Course(world))
        phone = world.phone(ORDERER)
        before, began = phone.wire.mark(), time.time()
        await phone.dial(CALLEE.number)
        await hears_prompts(phone, world.recogniser, *_OFFER, since=began, timeout=SOON_S * 3)
        await phone.press("4")
        await phone.wire.expect("BYE", None, "received", since=before, timeout=3.0 + SOON_S)
        assert await world.orders() == []
        await world.phone(CALLEE).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def who_may_not_order_hears_busy(directory: Path) -> None:
    def edit(config: dict[str, Any]) -> None:
        _offering(config)
        for entry in config["subscribers"]:
            entry.pop("services", None)

    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=edit) as world:
        course = Course(world)
        await _busy(course)
        await course.orderer_finds_busy()
        await world.phone(CALLEE).hang_up()
        await world.asterisk.no_channels(SOON_S)


SCENES: tuple[Scene, ...] = (
    the_key_after_a_busy_call_orders,
    the_key_orders_when_the_dialplan_says_busy,
    who_presses_nothing_is_released_and_orders_nothing,
    who_may_not_order_hears_busy,
)
