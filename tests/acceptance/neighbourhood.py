"""Scenes around the four procedures: rows of service.md's last table, and ordinary calls, phone to phone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ccbs.prompts

from .course import SOON_S, TIMER_TOLERANCE_S, Course
from .listening import NotHeard, heard_prompts
from .side_by_side import Scene
from .world import CALLEE, KEEPER, LANGUAGE, ORDERER, Party, Settings, World, open_world, subscriber

__all__ = ["SCENES"]

QUICK = Settings(cb_timer_internal_s=8, attempts=2, caller_ring_s=5, callee_ring_s=5)
RECORDINGS = Path(ccbs.prompts.__file__).parent
FREE_GUARD_S = 2.0
"""caller_free_guard_s, the default (standards.md, "Settings")."""


async def _ordered(world: World) -> Course:
    """№1 was busy, №2 has ordered, №1 is free again."""
    course = Course(world)
    await course.keeper_calls()
    await course.callee_answers_keeper()
    await course.orderer_finds_busy()
    await course.orderer_presses_key()
    await course.callee_hangs_up()
    return course


async def _recall_causes(world: World) -> list[str]:
    return [call["cause"] for call in await world.calls() if call["recall"]]


async def a_busy_caller_is_rung_when_it_is_free_again(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, settings=QUICK) as world:
        await _ordered(world)
        orderer, keeper = world.phone(ORDERER), world.phone(KEEPER)
        before, keeper_before = orderer.wire.mark(), keeper.wire.mark()
        await orderer.dial(KEEPER.number)
        await keeper.rings(since=keeper_before, timeout=SOON_S)
        await keeper.accept()
        await world.switch.expect_line("suspended", timeout=QUICK.cb_timer_internal_s + SOON_S)
        [order] = await world.orders()
        assert (order["state"], order["attempt"]) == ("suspended", 0), order
        await orderer.wire.expect_none("INVITE", "received", since=before, initial=True, during=3.0)
        await orderer.hang_up()
        released = await orderer.wire.expect("BYE", None, "sent", since=before, timeout=SOON_S)
        display = await orderer.rings(since=before, timeout=FREE_GUARD_S + SOON_S)
        waited = display.invite.at - released.at
        assert abs(waited - FREE_GUARD_S) <= TIMER_TOLERANCE_S, f"rung {waited:.2f} s after it was free"
        [order] = await world.orders()
        assert order["attempt"] == 1, order


async def a_caller_who_gives_up_or_does_not_answer_uses_the_attempt(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, settings=QUICK) as world:
        course = await _ordered(world)
        orderer, callee = world.phone(ORDERER), world.phone(CALLEE)
        before = callee.wire.mark()
        await course.orderer_is_recalled()
        await callee.rings(since=before, timeout=SOON_S)
        orderer_before = orderer.wire.mark()
        await orderer.hang_up()
        await callee.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S)
        [order] = await world.orders()
        assert order["attempt"] == 1, order
        display = await orderer.rings(since=orderer_before, timeout=QUICK.cb_timer_internal_s + SOON_S)
        cancel = await orderer.wire.expect(
            "CANCEL", None, "received", since=orderer_before, timeout=QUICK.caller_ring_s + SOON_S
        )
        rang = cancel.at - display.invite.at
        assert abs(rang - QUICK.caller_ring_s) <= 1.0, f"it rang for {rang:.1f} s"
        await world.switch.expect_line("attempts-exhausted", timeout=SOON_S)
        assert await _recall_causes(world) == ["caller-gone", "caller-no-answer"]


async def an_operators_cancel_stops_the_ringing_at_once(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, settings=QUICK) as world:
        await _ordered(world)
        orderer = world.phone(ORDERER)
        before = orderer.wire.mark()
        await orderer.rings(since=before, timeout=QUICK.cb_timer_internal_s + SOON_S)
        [order] = await world.orders()
        await world.switch.ask("cancel", order=order["order"])
        await orderer.wire.expect("CANCEL", None, "received", since=before, timeout=1.0)
        await world.switch.expect_line("cancelled-by-operator", timeout=SOON_S)
        assert await world.orders() == []


async def an_operators_cancel_ends_a_recall_whose_callee_rings(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, settings=QUICK) as world:
        course = await _ordered(world)
        orderer, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, orderer_before = callee.wire.mark(), orderer.wire.mark()
        await course.orderer_is_recalled()
        await callee.rings(since=before, timeout=SOON_S)
        [order] = await world.orders()
        await world.switch.ask("cancel", order=order["order"])
        await callee.wire.expect("CANCEL", None, "received", since=before, timeout=1.0)
        await orderer.wire.expect("BYE", None, "received", since=orderer_before, timeout=SOON_S)
        assert await world.orders() == []


async def a_call_by_hand_that_gets_through_fulfils_the_order(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, settings=QUICK) as world:
        await _ordered(world)
        orderer, callee = world.phone(ORDERER), world.phone(CALLEE)
        before, since = callee.wire.mark(), orderer.wire.mark()
        await orderer.dial(CALLEE.number)
        await callee.rings(since=before, timeout=SOON_S)
        await callee.accept()
        await world.switch.expect_line("fulfilled-by-other-call", timeout=SOON_S)
        assert await world.orders() == []
        await orderer.hang_up()
        await orderer.wire.expect_none(
            "INVITE", "received", since=since, initial=True, during=QUICK.cb_timer_internal_s + 1.0
        )


SECOND = Party("№5", "105", "Пятый", 105, 2_000.0)


def _second_orderer(config: dict[str, Any]) -> None:
    orderer = next(entry for entry in config["subscribers"] if entry["number"] == ORDERER.number)
    config["subscribers"].append(subscriber(SECOND) | {"services": orderer["services"]})


async def the_older_order_goes_first_and_lines_in_a_recall_are_left_alone(directory: Path) -> None:
    settings = replace(QUICK, callee_ring_s=15)
    parties = (CALLEE, ORDERER, KEEPER, SECOND)
    async with open_world(directory, *parties, settings=settings, edit=_second_orderer) as world:
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        second, callee = world.phone(SECOND), world.phone(CALLEE)
        await course.orderer_finds_busy()
        await course.orderer_presses_key()
        await second.dial(CALLEE.number)
        await second.wire.expect("INVITE", 486, "received", timeout=SOON_S)
        before = second.wire.mark()
        await second.dial(world.callback_key)
        accepted = await second.wire.expect("INVITE", 200, "received", since=before, timeout=SOON_S)
        assert [order["place"] for order in await world.orders()] == [1, 2]
        await course.callee_hangs_up()
        await course.orderer_is_recalled()
        await course.callee_rings()
        # №5's CB timer expires while №1's line is in the recall for №2: it waits, and uses no attempt.
        expired = accepted.at + settings.cb_timer_internal_s
        await second.wire.expect_none(
            "INVITE", "received", since=before, initial=True, during=max(expired + 2.0 - time.time(), 0.0)
        )
        assert [(order["caller"], order["attempt"]) for order in await world.orders()] == [
            (ORDERER.number, 1),
            (SECOND.number, 0),
        ]
        events = callee.mark()
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        display = await second.rings(since=before, timeout=SOON_S)
        assert display.event.number == CALLEE.number


def _call_waiting(config: dict[str, Any]) -> None:
    for entry in config["subscribers"]:
        entry["call_waiting"] = True


async def with_call_waiting_the_second_call_rings(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, edit=_call_waiting) as world:
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        orderer, callee = world.phone(ORDERER), world.phone(CALLEE)
        before = callee.wire.mark()
        await orderer.dial(CALLEE.number)
        display = await callee.rings(since=before, timeout=SOON_S)
        assert display.event.number == ORDERER.number
        await orderer.wire.expect("INVITE", 180, "received", timeout=SOON_S)
        # A caller who gives up: the callee's phone stops ringing, its first call goes on.
        await orderer.hang_up()
        await callee.wire.expect("CANCEL", None, "received", since=before, timeout=SOON_S)
        await callee.expect("CALL_CLOSED", call_id=display.invite.call_id, timeout=SOON_S)
        await course.still_talking()


async def a_callee_without_a_phone_is_480_and_opens_no_offer(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER) as world:
        orderer = world.phone(ORDERER)
        await orderer.dial(KEEPER.number)
        await orderer.wire.expect("INVITE", 480, "received", timeout=SOON_S)
        began, before = time.time(), orderer.wire.mark()
        await orderer.dial("*37#")
        await orderer.wire.expect("BYE", None, "received", since=before, timeout=20.0)
        heard = await heard_prompts(orderer, world.recogniser, since=began)
        assert [found.name for found in heard] == [f"{LANGUAGE}/number-was-not-busy"]
        assert await world.orders() == []


def _another_recording(config: dict[str, Any]) -> None:
    wrong = str(RECORDINGS / LANGUAGE / "order-cancelled.wav")
    config["prompts"]["overrides"] = {LANGUAGE: {"order-accepted": wrong}}


async def a_wrong_prompt_would_be_noticed(directory: Path) -> None:
    async with open_world(directory, CALLEE, ORDERER, KEEPER, edit=_another_recording) as world:
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        await course.orderer_finds_busy()
        with pytest.raises(NotHeard, match="it heard ru/order-cancelled"):
            await course.orderer_presses_key()


SCENES: tuple[Scene, ...] = (
    a_busy_caller_is_rung_when_it_is_free_again,
    a_caller_who_gives_up_or_does_not_answer_uses_the_attempt,
    an_operators_cancel_stops_the_ringing_at_once,
    an_operators_cancel_ends_a_recall_whose_callee_rings,
    a_call_by_hand_that_gets_through_fulfils_the_order,
    the_older_order_goes_first_and_lines_in_a_recall_are_left_alone,
    with_call_waiting_the_second_call_rings,
    a_callee_without_a_phone_is_480_and_opens_no_offer,
    a_wrong_prompt_would_be_noticed,
)
