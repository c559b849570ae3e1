"""Scenes of profile `ccbs`, driven by the callee's release, between real phones at a real Asterisk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from acceptance.course import SOON_S, Course
from acceptance.listening import hears_prompts
from acceptance.network import SIP_PORT
from acceptance.phone import Account, Phone
from acceptance.side_by_side import Scene
from acceptance.world import CALLEE, KEEPER, LANGUAGE, ORDERER, Party

from .world import SECOND, THIRD, AsteriskWorld, open_asterisk_world, page_block

__all__ = ["SCENES", "busy_and_ordered", "profile", "talk"]

GUARD_S = 1
LIFE_S = 60


def profile(**settings: Any) -> dict[str, Any]:
    """The services of those who may order: profile `ccbs` with short times."""
    ccbs = {
        "allowed": True,
        "callee_idle_guard_s": GUARD_S,
        "caller_free_guard_s": GUARD_S,
        "caller_ring_s": 8,
        "callee_ring_s": 5,
    }
    return {"ccbs": ccbs | settings}


async def busy_and_ordered(world: AsteriskWorld, *orderers: Party) -> Course:
    """№4 talks with №1; each of these has found №1 busy and ordered, in this order."""
    course = Course(world)
    await course.keeper_calls()
    await course.callee_answers_keeper()
    for party in orderers:
        phone = world.phone(party)
        before = phone.wire.mark()
        await phone.dial(CALLEE.number)
        await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
        before, began = phone.wire.mark(), time.time()
        await phone.dial("*37#")
        await hears_prompts(
            phone, world.recogniser, f"{LANGUAGE}/order-accepted", since=began, timeout=SOON_S * 2
        )
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
    orders = [(order["caller"], order["callee"]) for order in await world.orders()]
    assert orders == [(party.number, CALLEE.number) for party in orderers]
    return course


async def talk(world: AsteriskWorld, orderer: Party, *, since: int) -> None:
    """The orderer's phone rings and shows №1; it answers; №1 rings, shows it, answers; they talk."""
    phone, callee = world.phone(orderer), world.phone(CALLEE)
    display = await phone.rings(since=since, timeout=GUARD_S + SOON_S)
    assert display.event.number == CALLEE.number, display.event
    before, events = callee.wire.mark(), (phone.mark(), callee.mark())
    await phone.accept()
    shown = await callee.rings(since=before, timeout=SOON_S * 2)
    assert shown.event.number == orderer.number, shown.event
    await callee.accept()
    await callee.expect("CALL_ESTABLISHED", since=events[1], timeout=SOON_S)
    await phone.expect("CALL_ESTABLISHED", since=events[0], timeout=SOON_S)


async def three_callers_are_served_in_their_order(directory: Path) -> None:
    parties = (ORDERER, SECOND, THIRD)
    async with open_asterisk_world(directory, CALLEE, KEEPER, *parties, profile=profile()) as world:
        await busy_and_ordered(world, *parties)
        marks = {party: world.phone(party).wire.mark() for party in parties}
        await world.phone(CALLEE).hang_up()
        for place, party in enumerate(parties):
            await talk(world, party, since=marks[party])
            for later in parties[place + 1 :]:
                disturbed = list(
                    world.phone(later).wire.select(
                        "INVITE", direction="received", since=marks[later], initial=True
                    )
                )
                assert not disturbed, f"{later.label} was called before its turn"
            left = [order["caller"] for order in await world.orders()]
            assert left == [later.number for later in parties[place + 1 :]]
            await world.phone(party).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_callee_busy_again_keeps_the_order_in_its_place(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone, callee, keeper = (world.phone(party) for party in (ORDERER, CALLEE, KEEPER))
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        callee_before, events = callee.wire.mark(), callee.mark()
        await keeper.dial(CALLEE.number)
        await callee.rings(since=callee_before, timeout=SOON_S)
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        began = time.time()
        await phone.accept()
        prompts = [f"{LANGUAGE}/{name}" for name in ("activated", "callee-busy-again")]
        await hears_prompts(phone, world.recogniser, *prompts, since=began, timeout=SOON_S * 3)
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        assert [order["caller"] for order in await world.orders()] == [ORDERER.number]
        before = phone.wire.mark()
        await callee.hang_up()
        await talk(world, ORDERER, since=before)
        await world.switch.expect_line("ended: completed", timeout=SOON_S)
        await callee.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_recall_reaches_no_mailbox_and_other_calls_do(directory: Path) -> None:
    block = page_block("[office]")
    after = " same => n,Stasis(ccbs,after,${EXTEN},${DIALSTATUS})\n same => n,Hangup()\n"
    mailbox = after.replace("Hangup()", "Answer()\n same => n,Wait(60)")
    assert after in block
    dialplan = block.replace("Dial(PJSIP/${EXTEN},60)", "Dial(PJSIP/${EXTEN},7)", 1).replace(
        after, mailbox, 1
    )
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), dialplan=dialplan
    ) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        began = time.time()
        await phone.accept()
        prompts = [f"{LANGUAGE}/{name}" for name in ("activated", "callee-no-answer")]
        await hears_prompts(phone, world.recogniser, *prompts, since=began, timeout=SOON_S * 4)
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        await world.switch.expect_line("ended: callee-no-answer", timeout=SOON_S)
        await world.asterisk.no_channels(SOON_S)
        before, events = phone.wire.mark(), phone.mark()
        await phone.dial(CALLEE.number)
        await phone.expect("CALL_ESTABLISHED", since=events, timeout=7.0 + SOON_S)
        await phone.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_line_with_two_phones_is_busy_while_one_of_them_talks(directory: Path) -> None:
    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, profile=profile(), contacts={CALLEE.number: 2}
    ) as world:
        second = await Phone.start(
            "№1, second phone",
            directory / "phone-101-second",
            world.network.address(121),
            Account(CALLEE.number, CALLEE.password, world.network.address(10), SIP_PORT),
        )
        try:
            keeper, phone = world.phone(KEEPER), world.phone(ORDERER)
            keeper_before, events = keeper.wire.mark(), second.mark()
            await second.dial(KEEPER.number)
            await keeper.rings(since=keeper_before, timeout=SOON_S)
            await keeper.accept()
            await second.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
            before = phone.wire.mark()
            await phone.dial(CALLEE.number)
            await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
            before, began = phone.wire.mark(), time.time()
            await phone.dial("*37#")
            await hears_prompts(
                phone, world.recogniser, f"{LANGUAGE}/order-accepted", since=began, timeout=SOON_S * 2
            )
            await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
            lines = {line["line"]: line["state"] for line in await world.switch.command("lines")}
            assert lines[CALLEE.number] == "busy", lines
            before = phone.wire.mark()
            await second.hang_up()
            display = await phone.rings(since=before, timeout=GUARD_S + SOON_S)
            assert display.event.number == CALLEE.number
            await phone.hang_up()
            await world.asterisk.no_channels(SOON_S)
        finally:
            await second.stop()


async def a_line_that_takes_two_calls_is_full_with_two(directory: Path) -> None:
    def edit(config: dict[str, Any]) -> None:
        next(one for one in config["subscribers"] if one["number"] == CALLEE.number)["call_waiting"] = True

    async with open_asterisk_world(
        directory, CALLEE, KEEPER, ORDERER, SECOND, profile=profile(), edit=edit
    ) as world:
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        second, callee, phone = world.phone(SECOND), world.phone(CALLEE), world.phone(ORDERER)
        before = callee.wire.mark()
        await second.dial(CALLEE.number)
        await callee.rings(since=before, timeout=SOON_S)
        before = phone.wire.mark()
        await phone.dial(CALLEE.number)
        await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
        assert (await world.switch.ask("counters"))["gate_refused"] == 1
        await second.hang_up()
        # Not the callee: which of its two calls its phone would end is the phone's own business.
        await world.phone(KEEPER).hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_busy_caller_is_suspended_and_resumed(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, SECOND, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone, second = world.phone(ORDERER), world.phone(SECOND)
        second_before, events = second.wire.mark(), phone.mark()
        await phone.dial(SECOND.number)
        await second.rings(since=second_before, timeout=SOON_S)
        await second.accept()
        await phone.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await world.switch.expect_line("suspended", timeout=SOON_S)
        await phone.wire.expect_none("INVITE", "received", since=before, initial=True, during=2.0)
        await phone.hang_up()
        await talk(world, ORDERER, since=before)
        await phone.hang_up()
        await world.asterisk.no_channels(SOON_S)


async def a_cancelled_order_rings_nobody(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        for code, prompts in (
            ("#37*101#", ["order-cancelled"]),
            ("#37*101#", ["nothing-ordered"]),
            ("*37*101#", ["order-accepted"]),
            ("*37*104#", ["number-was-not-busy"]),
            ("*#37#", ["ordered", "digit-1", "digit-0", "digit-1"]),
            ("#37#", ["all-cancelled"]),
            ("*#37#", ["nothing-ordered"]),
        ):
            before, began = phone.wire.mark(), time.time()
            await phone.dial(code)
            names = [f"{LANGUAGE}/{name}" for name in prompts]
            await hears_prompts(phone, world.recogniser, *names, since=began, timeout=SOON_S * 3)
            await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        assert await world.orders() == []
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.wire.expect_none("INVITE", "received", since=before, initial=True, during=GUARD_S + 2.0)
        await world.asterisk.no_channels(SOON_S)


async def a_cancel_while_the_phone_rings_stops_it_at_once(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=profile()) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.rings(since=before, timeout=GUARD_S + SOON_S)
        [order] = await world.orders()
        await world.switch.command("cancel", str(order["order"]))
        await phone.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S)
        assert await world.orders() == []
        await world.asterisk.no_channels(SOON_S)


async def an_order_ends_with_its_life(directory: Path) -> None:
    services = profile(service_duration_s=LIFE_S)
    async with open_asterisk_world(directory, CALLEE, KEEPER, ORDERER, profile=services) as world:
        await busy_and_ordered(world, ORDERER)
        phone = world.phone(ORDERER)
        await world.switch.expect_line("ended: expired", timeout=LIFE_S + SOON_S)
        before = phone.wire.mark()
        await world.phone(CALLEE).hang_up()
        await phone.wire.expect_none("INVITE", "received", since=before, initial=True, during=GUARD_S + 2.0)
        await world.asterisk.no_channels(SOON_S)


async def a_reload_lets_another_subscriber_order(directory: Path) -> None:
    services = profile()

    def without(config: dict[str, Any]) -> None:
        (entry,) = [one for one in config["subscribers"] if one["number"] == SECOND.number]
        del entry["services"]

    parties = (CALLEE, KEEPER, SECOND)
    async with open_asterisk_world(directory, *parties, profile=services, edit=without) as world:
        unchanged = {"subscribers_added": 0, "subscribers_changed": 0, "subscribers_removed": 0}
        assert await world.switch.ask("reload") == unchanged
        file = world.switch.config_file
        config = YAML(typ="safe").load(file)
        (entry,) = [one for one in config["subscribers"] if one["number"] == SECOND.number]
        entry["services"] = services
        YAML().dump(config, file)
        assert await world.switch.ask("reload") == unchanged | {"subscribers_changed": 1}
        await busy_and_ordered(world, SECOND)


SCENES: tuple[Scene, ...] = (
    a_reload_lets_another_subscriber_order,
    an_order_ends_with_its_life,
    three_callers_are_served_in_their_order,
    a_callee_busy_again_keeps_the_order_in_its_place,
    a_busy_caller_is_suspended_and_resumed,
    a_recall_reaches_no_mailbox_and_other_calls_do,
    a_line_with_two_phones_is_busy_while_one_of_them_talks,
    a_line_that_takes_two_calls_is_full_with_two,
    a_cancelled_order_rings_nobody,
    a_cancel_while_the_phone_rings_stops_it_at_once,
)
