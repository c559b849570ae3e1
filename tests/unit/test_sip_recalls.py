"""Recalls over the SIP switch, and its side of the Switch protocol."""

from __future__ import annotations

import asyncio

import pytest
from silence import wav
from sip_world import world
from virtual_driver import until

from ccbs import ConnectOutcome, LegGone, NotTried, PromptFailed, RingFailed, RingOutcome

# --- recalls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caller", "name"), [("102", "Обратный вызов 101"), ("103", "Callback 101")])
async def test_a_recall_connects_the_two(caller: str, name: str) -> None:
    async with world() as w:
        await w.order(caller)
        (order,) = w.service.orders()
        w.cb_timer()
        rung = await w.phone(caller).rings()
        assert (rung.shown_number, rung.shown_name) == ("101", name)
        seen = await w.phone("101").rings()
        assert (seen.shown_number, seen.shown_name) == (caller, f"Name {caller}")
        assert (await w.told("ended")).reason == "completed"
        await w.lines(n101="busy", **{f"n{caller}": "busy"})
        w.phone("101").hang_up(seen)
        await until(rung.ended.is_set)
        record = (await w.logged(4))[-1]
        assert (record.caller, record.callee, record.cause) == (caller, "101", "answered")
        assert (record.recall, record.order) == (True, order.order)


@pytest.mark.parametrize(
    ("who", "does", "failure", "cause"),
    [
        ("102", 486, "caller-busy", "caller-busy"),
        ("102", 600, "caller-busy", "caller-busy"),
        ("102", 603, "caller-declined", "caller-declined"),
        ("102", 480, "caller-no-answer", "caller-no-answer"),
        ("102", 500, "switch-failed", "failed"),
        ("101", 486, "callee-busy", "busy"),
        ("101", 600, "callee-busy", "busy"),
        ("101", 603, "callee-declined", "declined"),
        ("101", 480, "callee-no-answer", "no-answer"),
        ("101", 408, "callee-no-answer", "no-answer"),
        ("101", 500, "switch-failed", "failed"),
    ],
)
async def test_how_a_recall_fails(who: str, does: int, failure: str, cause: str) -> None:
    async with world() as w:
        await w.order()
        w.phone(who).does = does
        w.cb_timer()
        assert (await w.told("attempt-failed")).failure == failure
        record = (await w.logged(4))[-1]
        assert (record.caller, record.callee, record.cause, record.recall) == ("102", "101", cause, True)
        await w.lines(n102="free", n101="free")
        assert len(w.service.orders()) == 1


@pytest.mark.parametrize(("gone", "failure"), [("102", "caller-unreachable"), ("101", "callee-unreachable")])
async def test_a_recall_to_a_phone_that_has_gone(gone: str, failure: str) -> None:
    async with world() as w:
        await w.order()
        assert await w.phone(gone).register(expires=0) == 200
        await until(lambda: w.switch.registered(gone) == 0)
        w.cb_timer()
        assert (await w.told("attempt-failed")).failure == failure


async def test_the_caller_hangs_up_in_the_prompt_of_the_recall() -> None:
    async with world() as w:
        w.switch.load_prompts("ru", {"activated": wav(5)})
        await w.order()
        w.cb_timer()
        rung = await w.phone("102").rings()
        await until(rung.acknowledged.is_set)
        await w.told("caller-answered")
        w.phone("102").hang_up(rung)
        assert (await w.told("attempt-failed")).failure == "caller-gone"
        assert (await w.logged(4))[-1].cause == "caller-gone"


async def test_the_caller_hangs_up_while_the_callee_rings() -> None:
    async with world() as w:
        await w.order()
        w.phone("101").does = "ring"
        w.cb_timer()
        rung = await w.phone("102").rings()
        seen = await w.phone("101").rings()
        w.phone("102").hang_up(rung)
        assert (await w.told("attempt-failed")).failure == "caller-gone"
        await until(seen.ended.is_set)


@pytest.mark.parametrize("moment", ["ring", "play", "connect"])
async def test_a_cancel_silences_every_phone_of_the_recall(moment: str) -> None:
    async with world() as w:
        w.switch.load_prompts("ru", {"activated": wav(5 if moment == "play" else 0.04)})
        await w.order()
        (order,) = w.service.orders()
        w.phone("102" if moment == "ring" else "101").does = "ring"
        w.cb_timer()
        calls = [await w.phone("102").rings()]
        if moment == "play":
            await w.told("caller-answered")
        if moment == "connect":
            calls.append(await w.phone("101").rings())
        await w.service.operator_cancel(order.order)
        for call in calls:
            await until(call.ended.is_set)
        await w.lines(n101="free", n102="free")
        assert (await w.logged(4))[-1].cause == "cancelled"
        await until(lambda: w.service.counters()["recalls_now"] == 0)


async def test_a_call_by_hand_fulfils_the_order() -> None:
    async with world() as w:
        await w.order()
        assert await (await w.phone("102").call("101")).status() == 200
        assert (await w.told("ended")).reason == "fulfilled-by-other-call"


async def test_a_recall_for_which_there_is_no_room_uses_no_attempt() -> None:
    async with world(rtp_ports=(40_000, 40_001)) as w:
        await w.order()
        # The one port is another recall's.
        w.phone("103").does = "answer"
        other = await w.switch.ring("103", "101", 5)
        calls = len(w.switch.calls)
        w.cb_timer()
        step = await w.told("attempt-failed")
        assert (step.attempt, step.attempts, step.failure) == (1, 3, "not-tried")
        assert w.phone("102").incoming.empty()
        assert [order.attempt for order in w.service.orders()] == [0]
        assert w.service.counters()["rings_not_tried"] == 1
        # There was no call.
        assert len(w.switch.calls) == calls
        await w.switch.release(other, "attempt-failed")
        await w.lines(n102="free", n103="free")
        w.cb_timer()
        await w.phone("102").rings()
        assert (await w.told("ended")).reason == "completed"


# --- the Switch protocol by itself ----------------------------------------------------------------


async def test_a_ring_of_which_nothing_can_be_sent() -> None:
    async with world(limits={"legs": 1}) as w:
        w.phone("102").does = "answer"
        leg = await w.switch.ring("102", "101", 5)
        with pytest.raises(NotTried, match=r"limits\.endpoint\.legs"):
            await w.switch.ring("103", "101", 5)
        await w.switch.release(leg, "attempt-failed")
        w.switch.endpoint.close()
        with pytest.raises(NotTried, match="takes no call"):
            await w.switch.ring("102", "101", 5)


async def test_a_phone_that_rings_out() -> None:
    async with world() as w:
        w.phone("102").does = "ring"
        with pytest.raises(RingFailed) as failed:
            await w.switch.ring("102", "101", 0.2)
        assert failed.value.outcome is RingOutcome.NO_ANSWER
        with pytest.raises(RingFailed) as failed:
            await w.switch.ring("199", "101", 0.2)
        assert failed.value.outcome is RingOutcome.UNREACHABLE
        w.phone("101").does = "ring"
        w.phone("102").does = "answer"
        leg = await w.switch.ring("102", "101", 5)
        assert await w.switch.connect(leg, "101", "102", 0.2) is ConnectOutcome.NO_ANSWER
        # The leg is still up for a prompt.
        await w.switch.play(leg, ["callee-no-answer"])
        assert await w.switch.connect(leg, "199", "102", 0.2) is ConnectOutcome.UNREACHABLE
        with pytest.raises(PromptFailed, match="no-such-prompt"):
            await w.switch.play(leg, ["no-such-prompt"])
        await w.switch.release(leg, "attempt-failed")
        await w.switch.release(leg, "attempt-failed")
        with pytest.raises(LegGone):
            await w.switch.play(leg, ["activated"])
        assert await w.switch.connect(leg, "101", "102", 0.2) is ConnectOutcome.CALLER_GONE


async def test_the_cause_is_told_in_the_bye_after_a_failed_recall() -> None:
    async with world() as w:
        w.phone("101").does = 486
        leg = await w.switch.ring("102", "101", 5)
        rung = await w.phone("102").rings()
        assert await w.switch.connect(leg, "101", "102", 5) is ConnectOutcome.BUSY
        await w.switch.release(leg, "attempt-failed")
        await until(rung.ended.is_set)
        assert rung.bye is not None
        assert "cause=486" in rung.bye["reason"]


async def test_a_cancelled_ring_stops_the_phone() -> None:
    async with world() as w:
        w.phone("102").does = "ring"
        ringing = asyncio.create_task(w.switch.ring("102", "101", 20))
        rung = await w.phone("102").rings()
        await w.lines(n102="busy")
        ringing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ringing
        await until(rung.ended.is_set)
        await w.lines(n102="free")


async def test_a_cancelled_connect_leaves_the_leg_up() -> None:
    async with world() as w:
        w.phone("101").does = "ring"
        leg = await w.switch.ring("102", "101", 5)
        rung = await w.phone("102").rings()
        connecting = asyncio.create_task(w.switch.connect(leg, "101", "102", 20))
        seen = await w.phone("101").rings()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(seen.ended.is_set)
        assert not rung.ended.is_set()
        await w.switch.play(leg, ["attempts-used-up"])
        await w.switch.release(leg, "order-ended")
        await until(rung.ended.is_set)
