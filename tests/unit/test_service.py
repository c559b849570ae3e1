"""The service between a switch and the engine: whatever the switch does, no order is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import logging

import pytest
from scripted_switch import HANG, IGNORE, Bench, bench
from virtual_driver import settle, until

from ccbs import ConnectOutcome, LegGone, NotTried, Profile, RingFailed, RingOutcome
from ccbs._ccbs import Cancelled, Confirmed, Denied, NothingOrdered, Ordered, Step

# --- the way it should go -------------------------------------------------------------------------


async def test_an_order_is_carried_through_the_five_methods() -> None:
    async with bench() as b:
        order = await b.order()
        await b.recall()
        step = await b.told("ended")
        assert step.reason == "completed"
        assert b.switch.heard == [
            ("line_states",),
            ("ring", "102", "101", 20.0),
            ("play", "leg", "activated"),
            ("connect", "leg", "101", "102", 30.0),
        ]
        assert b.switch.orders[1:] == [order] * 3
        assert [step.kind for step in b.steps] == [
            "accepted",
            "attempt-began",
            "caller-answered",
            "callee-called",
            "ended",
        ]
        assert b.service.orders() == []


async def test_a_busy_callee_is_told_and_the_leg_released() -> None:
    async with bench() as b:
        b.switch.connect_does = ConnectOutcome.BUSY
        await b.order(attempts=1)
        await b.recall()
        assert (await b.told("ended")).reason == "attempts-exhausted"
        await until(lambda: "release" in b.switch.names())
        assert b.switch.heard[-2:] == [
            ("play", "leg", "callee-busy-again", "attempts-used-up"),
            ("release", "leg", "attempt-failed"),
        ]


async def test_requests_are_answered() -> None:
    async with bench() as b:
        assert await b.service.order("102", "101") == Denied("not-allowed", False)
        order = await b.order()
        again = await b.service.order("102")
        assert isinstance(again, Confirmed)
        assert again.order == order
        asked = await b.service.ordered("102")
        assert isinstance(asked, Ordered)
        assert asked.callees == ("101",)
        assert [(view.order, view.caller, view.callee) for view in b.service.orders()] == [
            (order, "102", "101")
        ]
        assert isinstance(await b.service.cancel("102", "104"), NothingOrdered)
        gone = await b.service.cancel("102")
        assert isinstance(gone, Cancelled)
        assert gone.orders == (order,)
        assert isinstance(await b.service.ordered("102"), NothingOrdered)
        assert (await b.told("ended")).reason == "cancelled"


async def test_the_operator_cancels() -> None:
    async with bench() as b:
        order = await b.order()
        assert isinstance(await b.service.operator_cancel(order + 1), NothingOrdered)
        assert isinstance(await b.service.operator_cancel(order), Cancelled)
        assert (await b.told("ended")).reason == "cancelled-by-operator"


async def test_facts_of_one_iteration_of_the_loop_go_down_in_one_batch() -> None:
    async with bench() as b:
        await settle()
        before = len(b.driver.batches)
        for _ in range(100):
            b.service.line_busy("101")
            b.service.line_free("101")
        await settle()
        assert [len(batch) for batch in b.driver.batches[before:]] == [200]


# --- a switch that raises -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "what", "failure"),
    [
        ("ring", RingFailed(RingOutcome.BUSY), "caller-busy"),
        ("ring", RingFailed(RingOutcome.NO_ANSWER), "caller-no-answer"),
        ("ring", RingFailed(RingOutcome.DECLINED), "caller-declined"),
        ("ring", RingFailed(RingOutcome.UNREACHABLE), "caller-unreachable"),
        ("ring", RingFailed(RingOutcome.FAILED), "switch-failed"),
        ("ring", NotTried("out of contact"), "not-tried"),
        ("play", LegGone(), "caller-gone"),
        ("connect", ConnectOutcome.BUSY, "callee-busy"),
        ("connect", ConnectOutcome.NO_ANSWER, "callee-no-answer"),
        ("connect", ConnectOutcome.DECLINED, "callee-declined"),
        ("connect", ConnectOutcome.UNREACHABLE, "callee-unreachable"),
        ("connect", ConnectOutcome.CALLER_GONE, "caller-gone"),
        ("connect", ConnectOutcome.FAILED, "switch-failed"),
    ],
)
async def test_each_outcome_reaches_the_engine(method: str, what: object, failure: str) -> None:
    async with bench() as b:
        setattr(b.switch, f"{method}_does", what)
        await b.order(attempts=2)
        await b.recall()
        step = await b.told("attempt-failed")
        assert (step.attempt, step.failure) == (1, failure)
        assert b.service.counters()["switch_errors"] == 0
        assert len(b.service.orders()) == 1


async def test_a_ring_that_was_not_tried_uses_no_attempt(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as b:
        b.switch.ring_does = NotTried("no contact; start it")
        order = await b.order(attempts=1)
        with caplog.at_level(logging.WARNING):
            for times in range(1, 6):
                await b.recall()
                await until(lambda: b.service.counters()["rings_not_tried"] == times)  # noqa: B023
        # One line for the outage, whose every attempt is the first.
        (told,) = [record.getMessage() for record in caplog.records if "could not even" in record.message]
        assert f"order {order}: 102 could not" in told
        assert "no contact; start it" in told
        began = [(step.attempt, step.attempts) for step in b.steps if step.kind == "attempt-began"]
        assert began == [(1, 1)] * 5
        assert [view.attempt for view in b.service.orders()] == [0]
        b.switch.ring_does = "leg"
        await b.recall()
        assert (await b.told("ended")).reason == "completed"
        counters = b.service.counters()
        assert (counters["attempts_void"], counters["switch_errors"]) == (5, 0)


@pytest.mark.parametrize("method", ["ring", "play", "connect", "release"])
@pytest.mark.parametrize("what", [ValueError("broken"), asyncio.CancelledError(), TimeoutError()])
async def test_a_method_that_raises_costs_an_attempt_and_never_the_order(
    method: str, what: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as b:
        b.switch.connect_does = ConnectOutcome.BUSY
        setattr(b.switch, f"{method}_does", what)
        order = await b.order(attempts=2)
        with caplog.at_level(logging.ERROR):
            await b.recall()
            assert (await b.told("attempt-failed")).attempt == 1
        await until(lambda: b.service.counters()["recalls_now"] == 0)
        assert b.service.counters()["switch_errors"] >= 1
        assert f"order {order}" in caplog.text
        assert f"{method}()" in caplog.text
        # It goes on: the switch is mended, the second attempt completes the order.
        setattr(b.switch, f"{method}_does", {"ring": "leg"}.get(method))
        b.switch.connect_does = ConnectOutcome.ANSWERED
        await b.recall()
        assert (await b.told("ended")).reason == "completed"


async def test_a_prompt_that_fails_does_not_keep_the_two_apart() -> None:
    async with bench() as b:
        b.switch.play_does = RuntimeError("no such prompt")
        await b.order()
        await b.recall()
        assert (await b.told("ended")).reason == "completed"


async def test_nonsense_from_connect_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as b:
        b.switch.connect_does = "maybe"
        await b.order()
        await b.recall()
        assert (await b.told("attempt-failed")).failure == "switch-failed"
        assert "'maybe'" in caplog.text


async def test_a_callback_that_raises_is_logged_and_the_order_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(step: Step) -> None:
        raise RuntimeError("no screen")

    async with bench(on_step=broken) as b:
        await b.order()
        await b.recall()
        await until(lambda: b.service.orders() == [])
        assert "connect" in b.switch.names()
        assert b.service.counters()["on_step_errors"] >= 4
        assert "on_step" in caplog.text


async def test_the_phone_rings_before_anybody_is_told() -> None:
    rung: list[bool] = []
    made: list[Bench] = []

    def tell(step: Step) -> None:
        if step.kind == "attempt-began":
            rung.append("ring" in made[0].switch.names())

    async with bench(on_step=tell) as b:
        made.append(b)
        await b.order()
        await b.recall()
        await until(lambda: rung != [])
        assert rung == [True]


# --- a switch that hangs --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ring", "play", "connect"])
async def test_a_method_that_never_returns_is_overdue_and_cancelled(method: str) -> None:
    async with bench() as b:
        setattr(b.switch, f"{method}_does", HANG)
        await b.order(attempts=2)
        await b.recall()
        await until(lambda: method in b.switch.running)
        for _ in range(600):
            b.driver.advance(1)
            await settle()
            if not b.switch.running:
                break
        step = await b.told("attempt-failed")
        assert step.failure == "switch-failed"
        assert b.switch.running == []
        released = [entry for entry in b.switch.heard if entry[0] == "release"]
        assert released == ([] if method == "ring" else [("release", "leg", "overdue")])


async def test_a_release_that_never_returns_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as b:
        b.switch.connect_does = ConnectOutcome.BUSY
        b.switch.release_does = HANG
        order = await b.order(attempts=2)
        await b.recall()
        await b.told("attempt-failed")
        await until(lambda: b.service.counters()["recalls_now"] == 0)
        assert b.service.counters()["switch_overdue"] == 1
        assert f"order {order}" in caplog.text
        b.switch.release_does = None
        await b.recall()


async def test_a_ring_that_ignores_its_cancellation_loses_its_late_leg() -> None:
    async with bench() as b:
        b.switch.ring_does = IGNORE
        order = await b.order()
        await b.recall()
        assert isinstance(await b.service.operator_cancel(order), Cancelled)
        await until(lambda: b.service.counters()["switch_overdue"] == 1)
        assert ("ignored", "ring") in b.switch.heard
        b.switch.finished.set()
        await until(lambda: ("release", "late leg", "overdue") in b.switch.heard)


# --- cancelled at each moment ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ring", "play", "connect", "release"])
async def test_a_cancel_ends_the_recall_at_once_at_any_moment(method: str) -> None:
    async with bench() as b:
        if method == "release":
            b.switch.connect_does = ConnectOutcome.BUSY
        setattr(b.switch, f"{method}_does", HANG)
        await b.order()
        await b.recall()
        await until(lambda: method in b.switch.running)
        assert isinstance(await b.service.cancel("102", "101"), Cancelled)
        assert (await b.told("ended")).reason == "cancelled"
        await until(lambda: b.service.counters()["recalls_now"] == 0 and b.switch.running == [])
        released = [entry for entry in b.switch.heard if entry[0] == "release"]
        assert len(released) == (0 if method == "ring" else 1)


@pytest.mark.parametrize("turns", range(12))
async def test_an_answer_that_crosses_the_cancel_is_released(turns: int) -> None:
    async with bench() as b:
        b.switch.play_does = HANG
        order = await b.order()
        b.driver.advance(10)
        # The cancel meets the recall at each iteration of the loop between its beginning and the prompt.
        for _ in range(turns):
            await asyncio.sleep(0)
        assert isinstance(await b.service.operator_cancel(order), Cancelled)
        await until(lambda: b.service.counters()["recalls_now"] == 0)
        released = b.switch.names().count("release")
        assert released == b.switch.legs_given


async def test_an_asker_that_goes_away_leaves_its_order() -> None:
    async with bench() as b:
        b.service.allow("102", Profile.autodial())
        b.service.call_failed("102", "101")
        asking = asyncio.create_task(b.service.order("102"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: b.service.counters()["replies_unclaimed"] == 1)
        assert len(b.service.orders()) == 1
