"""Calls over the SIP switch: between subscribers, through trunks, to service codes."""

from __future__ import annotations

import asyncio

import pytest
from silence import wav
from sip_world import NUMBERS, world
from virtual_driver import until

from ccbs import LineState
from ccbs._ccbs import Incoming, SipEvent

# --- ordinary calls -------------------------------------------------------------------------------


async def test_two_subscribers_talk() -> None:
    async with world() as w:
        call = await w.phone("104").call("101")
        assert await call.status() == 200
        seen = await w.phone("101").rings()
        assert (seen.shown_number, seen.shown_name) == ("104", "Name 104")
        await w.lines(n101="busy", n104="busy", n102="free")
        assert (await w.switch.line_states())["101"] is LineState.BUSY
        w.phone("104").hang_up(call)
        await until(seen.ended.is_set)
        await w.lines(n101="free", n104="free")
        (record,) = await w.logged(1)
        assert (record.caller, record.callee, record.cause) == ("104", "101", "answered")
        assert (record.recall, record.order) == (False, None)
        assert record.answered is not None
        assert record.began <= record.answered <= record.ended


@pytest.mark.parametrize(
    ("does", "status", "cause"),
    [
        (486, 486, "busy"),
        (600, 600, "busy"),
        (603, 603, "declined"),
        (480, 480, "no-answer"),
        (500, 500, "failed"),
    ],
)
async def test_a_call_that_fails_is_logged_with_its_cause(does: int, status: int, cause: str) -> None:
    async with world() as w:
        w.phone("101").does = does
        assert await (await w.phone("102").call("101")).status() == status
        (record,) = await w.logged(1)
        assert (record.caller, record.callee, record.cause, record.answered) == ("102", "101", cause, None)
        code = await w.phone("102").call("*37#")
        await until(code.ended.is_set)
        # Only a busy callee can be called back.
        assert len(w.service.orders()) == (1 if cause == "busy" else 0)


async def test_a_caller_that_hangs_up_first() -> None:
    async with world() as w:
        w.phone("101").does = "ring"
        call = w.phone("102").invite("101")
        await until(call.rung.is_set)
        seen = await w.phone("101").rings()
        w.phone("102").hang_up(call)
        await until(seen.ended.is_set)
        (record,) = await w.logged(1)
        assert record.cause == "caller-gone"


@pytest.mark.parametrize(
    ("dialled", "cause"), [("199", "unknown-number"), ("777", "unknown-number"), ("*99%23", "unknown-number")]
)
async def test_an_unknown_number_or_code_is_404(dialled: str, cause: str) -> None:
    async with world() as w:
        assert await (await w.phone("102").call(dialled)).status() == 404
        (record,) = await w.logged(1)
        assert record.cause == cause
        assert w.switch.counters()["codes_unknown"] == (1 if dialled.startswith("*") else 0)


async def test_a_callee_without_a_phone_is_unreachable() -> None:
    async with world(registered=["102"]) as w:
        assert await (await w.phone("102").call("101")).status() == 480
        (record,) = await w.logged(1)
        assert record.cause == "unreachable"


async def test_call_waiting_lets_a_second_call_ring() -> None:
    async with world() as w:
        assert await (await w.phone("104").call("103")).status() == 200
        assert await (await w.phone("102").call("103")).status() == 200


# --- trunks ---------------------------------------------------------------------------------------


async def test_a_prefix_leads_to_the_trunk_with_the_caller_s_number() -> None:
    async with world() as w:
        call = await w.phone("102").call("95551234")
        assert await call.status() == 200
        seen = await w.phone("far").rings()
        assert seen.invite.start.split()[1].startswith("sip:5551234@")
        assert seen.shown_number == "102"
        assert "sip:102@" in seen.invite["p-asserted-identity"]
        w.phone("102").hang_up(call)
        (record,) = await w.logged(1)
        assert (record.caller, record.callee, record.cause) == ("102", "95551234", "answered")


async def test_a_trunk_reaches_subscribers_and_nothing_else() -> None:
    async with world() as w:
        call = await w.phone("far").call("101", number="5551234")
        assert await call.status() == 200
        seen = await w.phone("101").rings()
        assert seen.shown_number == "5551234"
        for dialled in ("95550000", "*37%23", "%2337%23"):
            assert await (await w.phone("far").call(dialled)).status() == 404


async def test_an_external_callee_is_called_back_through_its_trunk() -> None:
    async with world() as w:
        w.phone("far").does = 486
        assert await (await w.phone("102").call("95551234")).status() == 486
        code = await w.phone("102").call("*37*95551234%23")
        await until(code.ended.is_set)
        (order,) = w.service.orders()
        assert order.callee == "95551234"
        await w.lines(n102="free")
        w.phone("far").does = "answer"
        w.phone("far").incoming = asyncio.Queue()
        w.cb_timer(20)
        rung = await w.phone("102").rings()
        assert rung.shown_number == "95551234"
        seen = await w.phone("far").rings()
        assert seen.invite.start.split()[1].startswith("sip:5551234@")
        assert seen.shown_number == "102"
        assert (await w.told("ended")).reason == "completed"


async def test_a_number_too_long_for_the_engine_is_a_call_all_the_same() -> None:
    async with world() as w:
        w.phone("far").does = 486
        assert await (await w.phone("102").call("9" * 300)).status() == 486
        (record,) = await w.logged(1)
        assert (record.callee, record.cause) == ("9" * 300, "busy")
        assert w.switch.counters()["facts_refused"] == 1


async def test_a_call_from_outside_by_the_callee_fulfils_the_order() -> None:
    async with world() as w:
        w.phone("far").does = 486
        await w.phone("102").call("95551234")
        code = await w.phone("102").call("*37%23")
        await until(code.ended.is_set)
        assert await (await w.phone("far").call("102", number="5551234")).status() == 200
        assert (await w.told("ended")).reason == "fulfilled-by-other-call"


async def test_a_trunk_that_shows_a_subscriber_s_number_speaks_for_nobody() -> None:
    async with world(strip=False) as w:
        w.phone("101").does = 486
        await w.phone("102").call("101")
        code = await w.phone("102").call("*37%23")
        await until(code.ended.is_set)
        call = await w.phone("far").call("102", number="101")
        assert await call.status() == 200
        w.phone("far").hang_up(call)
        *_, record = await w.logged(3)
        assert (record.caller, record.caller_trunk, record.cause) == ("101", "city", "answered")
        assert [order.callee for order in w.service.orders()] == ["101"]


# --- service codes --------------------------------------------------------------------------------


async def test_codes_are_answered_with_a_prompt_and_hung_up() -> None:
    async with world() as w:
        await w.order()
        asked = await w.phone("102").call("*%2337%23")
        assert await asked.status() == 200
        await until(asked.ended.is_set)
        cancelled = await w.phone("102").call("%2337*101%23")
        await until(cancelled.ended.is_set)
        assert (await w.told("ended")).reason == "cancelled"
        assert asked.bye is not None
        causes = [record.cause for record in await w.logged(5)]
        assert causes == ["busy", "service-code", "answered", "service-code", "service-code"]


@pytest.mark.parametrize(("callee", "does"), [("104", 603), ("104", "nobody"), ("177", None)])
async def test_the_key_orders_the_number_that_failed_last_and_only_if_it_was_busy(
    callee: str, does: str | int | None
) -> None:
    async with world(registered=("101", "102") if does == "nobody" else NUMBERS) as w:
        w.phone("101").does = 486
        assert await (await w.phone("102").call("101")).status() == 486
        if isinstance(does, int):
            w.phone(callee).does = does
        assert await (await w.phone("102").call(callee)).status() in (404, 480, 603)
        key = await w.phone("102").call("*37%23")
        await until(key.ended.is_set)
        assert w.service.orders() == []
        assert w.service.counters()["orders_denied_no_offer"] == 1


async def test_who_cannot_hear_the_answer_orders_nothing() -> None:
    async with world() as w:
        w.phone("101").does = 486
        await w.phone("102").call("101")
        w.phone("102").codecs = "18"
        assert await (await w.phone("102").call("*37%23")).status() == 488
        assert [record.cause for record in await w.logged(2)] == ["busy", "failed"]
        assert w.service.orders() == []


async def test_a_caller_that_hangs_up_in_the_prompt_has_ordered_all_the_same() -> None:
    async with world() as w:
        w.switch.load_prompts("ru", {"order-accepted": wav(5)})
        await w.phone("104").call("101")
        await w.phone("102").call("101")
        code = await w.phone("102").call("*37%23")
        assert await code.status() == 200
        w.phone("102").hang_up(code)
        await w.lines(n102="free")
        assert len(w.service.orders()) == 1


async def test_who_hangs_up_at_once_has_ordered_all_the_same() -> None:
    loop = asyncio.get_running_loop()
    deaf = asyncio.Event()

    def listen_no_more(event: SipEvent) -> None:
        if isinstance(event, Incoming) and event.dialled == "*37#":
            loop.remove_reader(w.switch.endpoint.fileno())
            deaf.set()

    async with world(on_event=listen_no_more) as w:
        await w.phone("104").call("101")
        assert await (await w.phone("102").call("101")).status() == 486
        code = w.phone("102").invite("*37%23")
        await deaf.wait()
        assert await code.status() == 200
        w.phone("102").hang_up(code)
        await until(code.ended.is_set)
        # The switch hears of the acknowledgement and of the end in one batch.
        loop.add_reader(w.switch.endpoint.fileno(), w.switch._on_readable)
        await until(lambda: len(w.service.orders()) == 1)
        assert (await w.logged(2))[-1].cause == "service-code"


async def test_a_language_without_prompts_hears_the_default_one() -> None:
    async with world(languages=["ru"]) as w:
        code = await w.phone("103").call("*%2337%23")
        assert await code.status() == 200
        await until(code.ended.is_set)
        assert w.switch.counters()["code_calls_failed"] == 0


async def test_a_code_without_its_prompt_is_hung_up_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with world(languages=[]) as w:
        code = await w.phone("102").call("*%2337%23")
        assert await code.status() == 200
        await until(code.ended.is_set)
        assert w.switch.counters()["code_calls_failed"] == 1
        assert "nothing-ordered" in caplog.text
