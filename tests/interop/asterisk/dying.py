"""Our process killed and started again, in each phase of a recall, with and without a store."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from acceptance.course import SOON_S
from acceptance.side_by_side import Scene
from acceptance.world import CALLEE, KEEPER, ORDERER
from ccbs.control import ControlError

from .faults import counters, in_contact, invites
from .standard import GUARD_S, busy_and_ordered, profile, talk
from .world import open_asterisk_world

__all__ = ["SCENES"]


async def our_process_is_killed_while_the_caller_rings(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        await world.switch.kill_and_restart()
        await phone.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S)
        await world.asterisk.no_channels(SOON_S)


async def our_process_is_killed_while_the_caller_hears_the_prompt(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before, events = phone.wire.mark(), phone.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        await phone.accept()
        await phone.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await world.switch.kill_and_restart()
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        await world.asterisk.no_channels(SOON_S)


def stored(config: dict[str, Any]) -> None:
    config["store"] = {"path": "orders.db"}


async def an_order_outlives_our_process(directory: Path) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=stored
    ) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        await world.switch.kill_and_restart(away_s=1.0)
        await world.switch.expect_line("orders: 1, down for", timeout=SOON_S)
        await in_contact(world, 1)
        # Asterisk knows that the callee talks: nobody is rung before he is free.
        await world.phone(ORDERER).wire.expect_none(
            "INVITE", "received", since=before, initial=True, during=GUARD_S + 1.0
        )
        await world.phone(CALLEE).hang_up()
        await talk(world, ORDERER, since=before)
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 1
        assert await world.orders() == []
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def _cut_off(directory: Path, *, answered: bool) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=stored
    ) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        if answered:
            events = phone.mark()
            await phone.accept()
            await phone.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await world.switch.kill_and_restart()
        ends = "BYE" if answered else "CANCEL"
        await phone.wire.expect(ends, None, "received", since=before, timeout=SOON_S)
        again = phone.wire.mark()
        await talk(world, ORDERER, since=again)
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 2
        await phone.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_ringing_that_our_death_cut_off_is_made_anew(directory: Path) -> None:
    await _cut_off(directory, answered=False)


async def a_prompt_that_our_death_cut_off_is_made_anew(directory: Path) -> None:
    await _cut_off(directory, answered=True)


async def a_caller_who_hears_our_answer_is_let_go_when_we_died(directory: Path) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=stored
    ) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before, events = phone.wire.mark(), phone.mark()
        await phone.dial("*#37#")
        await phone.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await world.switch.kill_and_restart()
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S * 2)
        assert (await counters(world))["visitors_resumed"] == 1
        assert [order["caller"] for order in await world.orders()] == [ORDERER.number]
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        await phone.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_talk_that_began_while_we_were_away_fulfils_the_order(directory: Path) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), edit=stored
    ) as world:
        await busy_and_ordered(world, ORDERER)
        phone, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, events = phone.wire.mark(), callee.mark()
        await callee.hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        callee_before = callee.wire.mark()
        await phone.accept()
        await callee.rings(since=callee_before, timeout=SOON_S * 2)
        restarting = asyncio.ensure_future(world.switch.kill_and_restart(away_s=2.0))
        with contextlib.suppress(ControlError):
            while True:
                await counters(world)
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        assert not restarting.done()
        await restarting
        await world.switch.expect_line("ended: fulfilled-by-other-call", timeout=SOON_S)
        assert await world.orders() == []
        after = phone.wire.mark()
        await callee.hang_up()
        await phone.wire.expect_none("INVITE", "received", since=after, initial=True, during=GUARD_S + 2.0)
        assert invites(world, before) == 1
        await world.asterisk.no_channels(SOON_S)


async def our_process_is_killed_while_the_callee_rings_and_during_the_talk(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, events = phone.wire.mark(), callee.mark()
        await callee.hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        callee_before = callee.wire.mark()
        await phone.accept()
        await callee.rings(since=callee_before, timeout=SOON_S * 2)
        await world.switch.kill_and_restart()
        # In the dialplan the call needs nobody of us.
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await world.switch.kill_and_restart()
        assert await phone.calls_now() == await callee.calls_now() == 1
        lines = {line["line"]: line["state"] for line in await world.switch.command("lines")}
        assert (lines[ORDERER.number], lines[CALLEE.number]) == ("busy", "busy"), lines
        await callee.hang_up()
        await world.asterisk.no_channels(SOON_S)


SCENES: tuple[Scene, ...] = (
    an_order_outlives_our_process,
    a_ringing_that_our_death_cut_off_is_made_anew,
    a_prompt_that_our_death_cut_off_is_made_anew,
    a_talk_that_began_while_we_were_away_fulfils_the_order,
    a_caller_who_hears_our_answer_is_let_go_when_we_died,
    our_process_is_killed_while_the_caller_rings,
    our_process_is_killed_while_the_caller_hears_the_prompt,
    our_process_is_killed_while_the_callee_rings_and_during_the_talk,
)
