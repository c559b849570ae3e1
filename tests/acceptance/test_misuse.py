"""Service codes as people mistype them, and those of the procedures' neighbourhood."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .course import Course
from .listening import heard_prompts
from .world import CALLEE, KEEPER, LANGUAGE, ORDERER, Party, Settings, World, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = Settings(cb_timer_internal_s=600)
"""No recall comes while the codes are tried."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """№1 in conversation with №4, №2 idle."""
    directory: Path = tmp_path_factory.mktemp("misuse")
    async with open_world(directory / "world", CALLEE, ORDERER, KEEPER, settings=PATIENT) as world:
        course = Course(world)
        await course.keeper_calls()
        await course.callee_answers_keeper()
        yield world


async def dial(world: World, dialled: str, party: Party = ORDERER) -> list[str]:
    """A phone dials a code; returns the prompts it heard until it was released."""
    phone = world.phone(party)
    before, began = phone.wire.mark(), time.time()
    await phone.dial(dialled)
    await phone.wire.expect("INVITE", 200, "received", since=before, timeout=5.0)
    await phone.wire.expect("BYE", None, "received", since=before, timeout=20.0)
    heard = await heard_prompts(phone, world.recogniser, since=began)
    return [found.name.removeprefix(f"{LANGUAGE}/") for found in heard]


async def refused(world: World, dialled: str, status: int) -> None:
    """A phone dials; the call is refused with this status."""
    phone = world.phone(ORDERER)
    before, events = phone.wire.mark(), phone.mark()
    await phone.dial(dialled)
    await phone.wire.expect("INVITE", status, "received", since=before, timeout=5.0)
    await phone.expect("CALL_CLOSED", since=events, timeout=5.0)


async def test_an_order_without_a_failed_call_is_refused_by_prompt(world: World) -> None:
    assert await dial(world, "*37#") == ["number-was-not-busy"]
    assert await dial(world, f"*37*{CALLEE.number}#") == ["number-was-not-busy"]
    assert await world.orders() == []


async def test_the_hash_may_come_escaped(world: World) -> None:
    await refused(world, CALLEE.number, 486)
    assert await dial(world, f"*37*{CALLEE.number}%23") == ["order-accepted"]
    assert len(await world.orders()) == 1


async def test_a_second_order_of_the_same_number_is_confirmed_and_changes_nothing(world: World) -> None:
    [before] = await world.orders()
    await refused(world, CALLEE.number, 486)
    assert await dial(world, "*37#") == ["order-accepted"]
    [after] = await world.orders()
    assert after == before


async def test_the_question_reads_the_ordered_numbers_out(world: World) -> None:
    digits = [f"digit-{digit}" for digit in CALLEE.number]
    assert await dial(world, "*#37#") == ["ordered", *digits]


async def test_cancelling_a_number_that_is_not_ordered_tells_so(world: World) -> None:
    assert await dial(world, f"#37*{KEEPER.number}#") == ["nothing-ordered"]
    assert len(await world.orders()) == 1


async def test_cancelling_one_and_all(world: World) -> None:
    assert await dial(world, f"#37*{CALLEE.number}#") == ["order-cancelled"]
    assert await world.orders() == []
    assert await dial(world, "*#37#") == ["nothing-ordered"]
    assert await dial(world, "#37#") == ["nothing-ordered"]
    await refused(world, CALLEE.number, 486)
    assert await dial(world, "*37#") == ["order-accepted"]
    assert await dial(world, "#37#") == ["all-cancelled"]
    assert await world.orders() == []


async def test_a_subscriber_who_may_not_order_is_told_so(world: World) -> None:
    phone = world.phone(KEEPER)
    await phone.hang_up()
    assert await dial(world, f"*37*{CALLEE.number}#", KEEPER) == ["not-allowed"]


@pytest.mark.parametrize("dialled", ["*99#", "*37*#", "**37#", "#37*", "*38*101#"])
async def test_an_unknown_code_is_404(world: World, dialled: str) -> None:
    await refused(world, dialled, 404)


async def test_an_unknown_number_is_404(world: World) -> None:
    await refused(world, "555", 404)
