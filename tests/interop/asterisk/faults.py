"""What goes wrong around a recall: at Asterisk, on the way to it, and by a flood."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from acceptance.course import SOON_S, Course
from acceptance.side_by_side import Scene
from acceptance.world import CALLEE, KEEPER, ORDERER

from .exchange import ARI_PORT
from .standard import GUARD_S, busy_and_ordered, profile, talk
from .wire_tap import Relay
from .world import AsteriskWorld, office_dialplan, open_asterisk_world

__all__ = ["SCENES", "counters", "in_contact", "invites"]

FROZEN_S = 10.0
BACK_S = 20.0
"""Within this contact is there again, the longest wait between two tries included (s)."""


async def counters(world: AsteriskWorld) -> dict[str, int]:
    found: dict[str, int] = await world.switch.ask("counters")
    return found


async def in_contact(world: AsteriskWorld, connections: int) -> None:
    """Waits until contact was made so many times."""
    deadline = time.monotonic() + BACK_S
    while True:
        found = await counters(world)
        if found["ari_contact"] and found["ari_connections"] >= connections:
            return
        assert time.monotonic() < deadline, {name: found[name] for name in found if name.startswith("ari")}
        await asyncio.sleep(0.1)


async def until(what: Callable[[], bool], why: str) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + SOON_S
    while not what():
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.01)


def invites(world: AsteriskWorld, since: int) -> int:
    """How often №2's phone was rung."""
    received = world.phone(ORDERER).wire.select("INVITE", direction="received", since=since, initial=True)
    return len({message.call_id for message in received})


async def asterisk_restarted_with_an_order_waiting(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        await world.asterisk.kill()
        assert [order["caller"] for order in await world.orders()] == [ORDERER.number]
        await world.asterisk.run()
        # The phones still think that they talk; Asterisk knows nothing of it, and №1 is free.
        await asyncio.gather(*(world.phone(party).hang_up() for party in (CALLEE, KEEPER)))
        await in_contact(world, 2)
        await talk(world, ORDERER, since=before)
        assert invites(world, before) == 1
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def asterisk_is_away_for_longer_than_all_attempts(directory: Path) -> None:
    # The guard after the order's own call leaves time to end Asterisk.
    services = {
        "autodial": {"allowed": True, "cb_timer_internal_s": 2, "attempts": 2, "caller_free_guard_s": 5}
    }

    def hasty(config: dict[str, Any]) -> None:
        config["asterisk"]["contact_wait_s"] = 1

    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=services, edit=hasty) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        await world.asterisk.kill()
        # Each CB timer that runs out finds nobody: with its two attempts the order would be over.
        deadline = time.monotonic() + BACK_S
        while (await counters(world))["rings_not_tried"] < 2:
            assert time.monotonic() < deadline, await counters(world)
            await asyncio.sleep(0.1)
        assert [order["attempt"] for order in await world.orders()] == [0]
        await world.asterisk.run()
        await asyncio.gather(*(world.phone(party).hang_up() for party in (CALLEE, KEEPER)))
        await in_contact(world, 2)
        await talk(world, ORDERER, since=before)
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 1
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


@contextlib.asynccontextmanager
async def relayed(
    directory: Path, *, watch_s: int = 1, **options: Any
) -> AsyncIterator[tuple[AsteriskWorld, Relay]]:
    relay: list[Relay] = []

    def edit(config: dict[str, Any]) -> None:
        target = str(config["asterisk"]["url"]).removeprefix("http://").split(":")[0]
        host = f"{target.rpartition('.')[0]}.30"
        relay.append(Relay(host, ARI_PORT, target))
        config["asterisk"] |= {
            "url": f"http://{host}:{ARI_PORT}",
            "timeout_s": 3,
            "watch_s": watch_s,
        }
        relay[0].begin()

    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(**options), edit=edit
    ) as world:
        try:
            yield world, relay[0]
        finally:
            await relay[0].stop()


async def the_connection_is_cut_with_an_order_waiting(directory: Path) -> None:
    async with relayed(directory) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        relay.mode = "refuse"
        relay.cut()
        # What happens while nobody looks is read when contact is made again.
        await world.phone(CALLEE).hang_up()
        await world.phone(ORDERER).wire.expect_none(
            "INVITE", "received", since=before, initial=True, during=GUARD_S + 1.0
        )
        relay.mode = "pass"
        await talk(world, ORDERER, since=before)
        assert invites(world, before) == 1
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def the_connection_is_cut_while_the_caller_rings(directory: Path) -> None:
    async with relayed(directory, caller_ring_s=20) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        phone, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, callee_before, events = phone.wire.mark(), callee.wire.mark(), callee.mark()
        await callee.hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        relay.cut()
        await in_contact(world, 2)
        await phone.accept()
        shown = await callee.rings(since=callee_before, timeout=SOON_S * 2)
        assert shown.event.number == ORDERER.number
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 1
        await callee.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def the_connection_is_cut_while_the_callee_rings(directory: Path) -> None:
    async with relayed(directory) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        phone, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, callee_before, events = phone.wire.mark(), callee.wire.mark(), callee.mark()
        await callee.hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        await phone.accept()
        await callee.rings(since=callee_before, timeout=SOON_S * 2)
        relay.mode = "refuse"
        relay.cut()
        # Answered while nobody looks.
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        relay.mode = "pass"
        await world.switch.expect_line("ended: completed", timeout=BACK_S)
        assert await phone.calls_now() == await callee.calls_now() == 1
        assert invites(world, before) == 1
        await callee.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def asterisk_refuses_the_recall_with_500(directory: Path) -> None:
    async with relayed(directory, poll_first_s=20) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        relay.mode = "fail"
        await world.phone(CALLEE).hang_up()
        await until(lambda: relay.failed > 0, "nothing was asked of Asterisk")
        # Long enough for the attempt, not for the watchdog to matter: the order waits for its next try.
        await asyncio.sleep(GUARD_S + 1.0)
        assert [order["caller"] for order in await world.orders()] == [ORDERER.number]
        relay.mode = "pass"
        display = await world.phone(ORDERER).rings(since=before, timeout=40.0)
        assert display.event.number == CALLEE.number
        assert invites(world, before) == 1
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_code_whose_call_cannot_be_answered_orders_nothing(directory: Path) -> None:
    async with relayed(directory) as (world, relay):
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await phone.dial(CALLEE.number)
        await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
        failed, before = relay.failed, phone.wire.mark()
        relay.mode = "fail"
        await phone.dial("*37#")
        await until(lambda: relay.failed > failed, "nothing was asked of Asterisk")
        relay.mode = "pass"
        # The dialplan goes on behind Stasis(): Congestion().
        await phone.wire.expect("INVITE", 503, "received", since=before, timeout=SOON_S)
        assert await world.orders() == []
        assert (await counters(world))["visitors_failed"] == 1
        await world.phone(CALLEE).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_channel_that_asterisk_would_not_end_is_ended_later(directory: Path) -> None:
    # No new connection may come in between, whose reading of the state would end it, too.
    async with relayed(directory, watch_s=3, caller_ring_s=60) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        [order] = await world.orders()
        failed = relay.failed
        relay.refuses = b"DELETE"
        await world.switch.command("cancel", str(order["order"]))
        await until(lambda: relay.failed > failed, "Asterisk was not asked to end it")
        relay.refuses = b""
        await phone.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S * 2)
        assert await world.orders() == []
        assert (await counters(world))["ari_losses"] == 0
        assert invites(world, before) == 1
        await world.asterisk.no_channels(SOON_S)


async def a_request_that_is_carried_out_after_we_gave_it_up_is_undone(directory: Path) -> None:
    async with relayed(directory, watch_s=10, caller_ring_s=60) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        # Longer than we wait for an answer.
        relay.delay_s = 4.0
        await world.phone(CALLEE).hang_up()
        deadline = time.monotonic() + GUARD_S + SOON_S
        while not (await counters(world))["ari_unreachable"]:
            assert time.monotonic() < deadline, "the request was answered in time"
            await asyncio.sleep(0.05)
        relay.delay_s = 0.0
        await phone.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S)
        assert invites(world, before) == 1
        assert [order["caller"] for order in await world.orders()] == [ORDERER.number]
        assert (await counters(world))["ari_losses"] == 0
        await world.switch.command("cancel", str((await world.orders())[0]["order"]))
        await world.asterisk.no_channels(SOON_S)


async def asterisk_answers_late(directory: Path) -> None:
    async with relayed(directory) as (world, relay):
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        relay.delay_s = 0.5
        await world.phone(CALLEE).hang_up()
        await talk(world, ORDERER, since=before)
        relay.delay_s = 0.0
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 1
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def asterisk_is_frozen_with_an_order_waiting(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        world.asterisk.freeze()
        try:
            await world.phone(CALLEE).hang_up()
            await asyncio.sleep(FROZEN_S)
        finally:
            world.asterisk.thaw()
        display = await world.phone(ORDERER).rings(since=before, timeout=BACK_S + SOON_S)
        assert display.event.number == CALLEE.number
        assert invites(world, before) == 1
        await world.phone(ORDERER).accept()
        await world.phone(CALLEE).expect(
            "CALL_INCOMING", since=world.phone(CALLEE).mark(), timeout=SOON_S * 2
        )
        await world.phone(CALLEE).accept()
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        assert invites(world, before) == 1
        await world.phone(CALLEE).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_missing_prompt_stops_no_recall(directory: Path) -> None:
    leave_out = ("activated",)
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), leave_out=leave_out
    ) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        await world.phone(CALLEE).hang_up()
        await talk(world, ORDERER, since=before)
        assert (await counters(world))["prompts_failed"] == 1
        complaint = await world.switch.expect_line("activated.wav", timeout=SOON_S)
        assert "ccbs prompts install" in complaint
        world.switch.expected_errors.append("activated.wav")
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_flood_of_other_calls_delays_no_recall(directory: Path) -> None:
    dialplan = office_dialplan() + "exten => 900,1,Answer()\n same => n,Wait(0.2)\n same => n,Hangup()\n"
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), dialplan=dialplan
    ) as world:
        await busy_and_ordered(world, ORDERER)
        before = world.phone(ORDERER).wire.mark()
        flood = await asyncio.create_subprocess_exec(
            "sipp", f"{world.asterisk.address}:5060", "-sn", "uac", "-s", "900",
            "-i", world.network.address(20),
            "-p", "5060", "-r", "100", "-m", "1000", "-timeout", "30", "-nostdin",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, cwd=world.directory,
        )  # fmt: skip
        try:
            await asyncio.sleep(3.0)
            assert flood.returncode is None, "the flood is over too early"
            await world.phone(CALLEE).hang_up()
            await talk(world, ORDERER, since=before)
            await asyncio.wait_for(flood.wait(), 40.0)
        finally:
            if flood.returncode is None:
                flood.kill()
                await flood.wait()
        found = await counters(world)
        assert found["ari_events"] > 1_000 * 2
        assert (found["ari_events_dropped"], found["ari_events_waiting"], found["ari_losses"]) == (0, 0, 0)
        assert found["ari_handler_errors"] == 0
        print(f"flood: the reader's lag was at most {found['ari_lag_max_us'] / 1000:.1f} ms")
        await world.phone(ORDERER).hang_up()
        await world.asterisk.no_channels(SOON_S)


SCENES: tuple[Scene, ...] = (
    asterisk_refuses_the_recall_with_500,
    asterisk_is_frozen_with_an_order_waiting,
    asterisk_restarted_with_an_order_waiting,
    asterisk_is_away_for_longer_than_all_attempts,
    the_connection_is_cut_with_an_order_waiting,
    the_connection_is_cut_while_the_caller_rings,
    the_connection_is_cut_while_the_callee_rings,
    asterisk_answers_late,
    a_request_that_is_carried_out_after_we_gave_it_up_is_undone,
    a_code_whose_call_cannot_be_answered_orders_nothing,
    a_channel_that_asterisk_would_not_end_is_ended_later,
    a_missing_prompt_stops_no_recall,
    a_flood_of_other_calls_delays_no_recall,
)
