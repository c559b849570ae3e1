"""The service between a switch and the engine: whatever the switch does, no order is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from virtual_driver import VirtualDriver, settle, until

import ccbs
from ccbs import (
    CallbackService,
    ConnectOutcome,
    LegGone,
    LineState,
    Profile,
    RingFailed,
    RingOutcome,
    current_order,
)
from ccbs._ccbs import Accepted, Cancelled, Closed, Confirmed, Denied, NothingOrdered, Ordered, Overload, Step

HANG = "hang"
IGNORE = "ignore"
"""Hang, and swallow the cancellation once."""


class ScriptedSwitch:
    """Does what the test wrote for each method: return, raise, hang, or ignore its cancellation."""

    def __init__(self) -> None:
        self.ring_does: object = "leg"
        self.play_does: object = None
        self.connect_does: object = ConnectOutcome.ANSWERED
        self.release_does: object = None
        self.line_states_does: object = {"101": LineState.FREE, "102": LineState.FREE, "104": LineState.FREE}
        self.heard: list[tuple[object, ...]] = []
        self.orders: list[int | None] = []
        self.running: list[str] = []
        self.legs_given = 0
        self.finished = asyncio.Event()

    def names(self) -> list[object]:
        return [entry[0] for entry in self.heard]

    async def _do(self, name: str, what: object) -> object:
        self.orders.append(current_order.get())
        self.running.append(name)
        try:
            if what in (HANG, IGNORE):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if what == HANG:
                        raise
                    self.heard.append(("ignored", name))
                    await self.finished.wait()
                    return "late leg"
            if isinstance(what, BaseException):
                raise what
            return what
        finally:
            self.running.remove(name)

    async def ring(self, caller: str, shown_as: str, timeout: float) -> object:
        self.heard.append(("ring", caller, shown_as, timeout))
        leg = await self._do("ring", self.ring_does)
        self.legs_given += 1
        return leg

    async def play(self, leg: object, prompts: Sequence[str]) -> None:
        self.heard.append(("play", leg, *prompts))
        await self._do("play", self.play_does)

    async def connect(self, leg: object, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        self.heard.append(("connect", leg, callee, shown_as, timeout))
        return await self._do("connect", self.connect_does)  # type: ignore[return-value]

    async def release(self, leg: object, reason: str) -> None:
        self.heard.append(("release", leg, reason))
        await self._do("release", self.release_does)

    async def line_states(self) -> Mapping[str, LineState]:
        self.heard.append(("line_states",))
        return await self._do("line_states", self.line_states_does)  # type: ignore[return-value]


class Bench:
    """A service over a scripted switch, on virtual time, with 102 allowed to order."""

    def __init__(self, service: CallbackService, switch: ScriptedSwitch, driver: VirtualDriver) -> None:
        self.service = service
        self.switch = switch
        self.driver = driver
        self.steps: list[Step] = []

    async def order(self, attempts: int = 3) -> int:
        """102 finds 101 busy and orders; returns the order."""
        self.service.allow("102", Profile.autodial(attempts=attempts))
        self.service.call_failed("102", "101", "busy")
        reply = await self.service.order("102", "101")
        assert isinstance(reply, Accepted)
        return reply.order

    async def recall(self) -> None:
        """The CB timer expires and the switch is asked to ring."""
        before = self.switch.names().count("ring")
        self.driver.advance(10)
        await until(lambda: self.switch.names().count("ring") > before)

    async def told(self, kind: str) -> Step:
        """Wait for a step of an order."""
        await until(lambda: any(step.kind == kind for step in self.steps))
        return next(step for step in self.steps if step.kind == kind)


@contextlib.asynccontextmanager
async def bench(**settings: object) -> AsyncIterator[Bench]:
    switch = ScriptedSwitch()
    driver = VirtualDriver()
    steps: list[Step] = []
    settings.setdefault("on_step", steps.append)
    settings.setdefault("release_timeout", 0.05)
    service = CallbackService(switch, driver=driver, **settings)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        async with service:
            made = Bench(service, switch, driver)
            made.steps = steps
            yield made
    assert driver.closed
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


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


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ring", "play", "connect", "release"])
@pytest.mark.parametrize("what", [HANG, IGNORE])
async def test_stop_during_a_recall_is_bounded(method: str, what: str) -> None:
    async with bench(stop_timeout=0.2) as b:
        b.switch.connect_does = ConnectOutcome.BUSY
        setattr(b.switch, f"{method}_does", what)
        await b.order()
        await b.recall()
        await until(lambda: method in b.switch.running)
        await b.service.stop()
        if what == HANG:
            assert b.switch.running == []
        b.switch.finished.set()
        await until(lambda: b.switch.running == [])
        await settle()
        if method in ("play", "connect"):
            assert ("release", "leg", "service-stopped") in b.switch.heard


async def test_what_is_asked_of_a_stopped_service_is_refused_and_facts_are_not() -> None:
    async with bench() as b:
        waiting = asyncio.create_task(b.service.ordered("102"))
        await asyncio.sleep(0)
        await b.service.stop()
        await b.service.stop()
        with contextlib.suppress(Closed):
            assert isinstance(await waiting, NothingOrdered)
        with pytest.raises(Closed, match="not running"):
            await b.service.order("102")
        with pytest.raises(Closed):
            b.service.orders()
        b.service.line_busy("101")
        with pytest.raises(RuntimeError, match="started already"):
            await b.service.start()


async def test_a_service_that_was_not_started_says_so() -> None:
    service = CallbackService(ScriptedSwitch())
    with pytest.raises(Closed, match="start"):
        service.line_busy("101")
    with pytest.raises(Closed, match="start"):
        await service.order("102")
    await service.stop()


async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    switch = ScriptedSwitch()
    switch.line_states_does = HANG
    driver = VirtualDriver()
    service = CallbackService(switch, driver=driver)
    starting = asyncio.create_task(service.start())
    await until(lambda: switch.running == ["line_states"])
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await until(lambda: switch.running == [])
    assert driver.closed


@pytest.mark.parametrize("method", ["ring", "play", "connect"])
async def test_an_engine_that_ends_by_itself_leaves_nobody_waiting(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []
    async with bench(on_closed=lambda: closed.append("engine")) as b:
        await b.order()
        setattr(b.switch, f"{method}_does", HANG)
        await b.recall()
        await until(lambda: method in b.switch.running)
        b.driver.fail()
        await until(lambda: b.switch.running == [])
        if method != "ring":
            await until(lambda: ("release", "leg", "service-stopped") in b.switch.heard)
        with pytest.raises(Closed):
            await b.service.order("102")
        assert closed == ["engine"]
        assert "ended by a fault of its own (the store failed)" in caplog.text


async def test_a_request_under_way_when_the_engine_ends_is_closed() -> None:
    async with bench() as b:
        b.driver.submit = lambda events: None  # type: ignore[method-assign]
        asking = asyncio.create_task(b.service.ordered("102"))
        await settle()
        b.driver.fail()
        with pytest.raises(Closed, match="the store failed"):
            await asking


async def test_a_stop_that_is_cancelled_closes_the_engine_all_the_same() -> None:
    switch = ScriptedSwitch()
    switch.ring_does = IGNORE
    driver = VirtualDriver()
    service = CallbackService(switch, driver=driver, release_timeout=60)
    await service.start()
    made = Bench(service, switch, driver)
    await made.order()
    await made.recall()
    stopping = asyncio.create_task(service.stop())
    await until(lambda: ("ignored", "ring") in switch.heard)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert driver.closed
    switch.finished.set()
    await until(lambda: switch.running == [])


async def test_requests_in_a_batch_that_the_engine_refuses_are_answered() -> None:
    async with bench() as b:
        await settle()

        def refuse(events: object) -> None:
            raise ccbs.CcbsError("no")

        b.driver.submit = refuse  # type: ignore[method-assign]
        with pytest.raises(ccbs.CcbsError, match="no"):
            await b.service.cancel("102")
        assert b.service.counters()["events_refused"] == 1


# --- line states ----------------------------------------------------------------------------------


def states(service: CallbackService) -> dict[str, str]:
    return {view.line: view.state for view in service.lines()}


async def test_line_states_are_asked_at_the_start_and_after_a_loss_of_contact() -> None:
    async with bench() as b:
        await until(lambda: states(b.service) == {"101": "free", "102": "free", "104": "free"})
        b.service.lost_contact()
        await until(lambda: states(b.service) == {"101": "unknown", "102": "unknown", "104": "unknown"})
        b.switch.line_states_does = {"101": LineState.BUSY, "102": LineState.FREE}
        b.service.refresh()
        await until(lambda: states(b.service) == {"101": "busy", "102": "free", "104": "unknown"})
        assert b.switch.names().count("line_states") == 2
        assert not any(view.external for view in b.service.lines())


async def test_a_fact_is_newer_than_the_answer_that_crosses_it() -> None:
    async with bench() as b:
        gate = asyncio.Event()
        answer = b.switch.line_states_does

        async def slow() -> object:
            await gate.wait()
            return answer

        b.switch.line_states = slow  # type: ignore[method-assign,assignment]
        b.service.refresh()
        await settle()
        b.service.line_busy("101")
        gate.set()
        await settle()
        assert states(b.service)["101"] == "busy"


async def test_who_asks_anew_is_not_told_what_was_true_before() -> None:
    async with bench() as b:
        await settle()
        gates = [asyncio.Event(), asyncio.Event()]
        answers = [{"101": LineState.BUSY}, {"101": LineState.FREE, "102": LineState.BUSY}]
        asked = 0

        async def slow() -> object:
            nonlocal asked
            asked += 1
            turn = asked - 1
            await gates[turn].wait()
            return answers[turn]

        b.switch.line_states = slow  # type: ignore[method-assign,assignment]
        b.service.refresh()
        await settle()
        # Contact was lost and found again while the answer was on its way.
        b.service.lost_contact()
        b.service.refresh()
        gates[0].set()
        await until(lambda: asked == 2)
        assert states(b.service)["101"] == "unknown"
        gates[1].set()
        await until(lambda: states(b.service) == {"101": "free", "102": "busy", "104": "unknown"})
        await settle()
        assert asked == 2


async def test_a_fact_crosses_two_questions_at_once() -> None:
    switch = ScriptedSwitch()
    gates = [asyncio.Event(), asyncio.Event()]
    asked = 0

    async def slow() -> object:
        nonlocal asked
        asked += 1
        await gates[asked - 1].wait()
        return {"101": LineState.FREE, "102": LineState.FREE}

    switch.line_states = slow  # type: ignore[method-assign,assignment]
    driver = VirtualDriver()
    service = CallbackService(switch, driver=driver)
    starting = asyncio.create_task(service.start())
    await until(lambda: asked == 1)
    service.refresh()
    await until(lambda: asked == 2)
    gates[0].set()
    await starting
    service.line_busy("101")
    gates[1].set()
    await settle()
    assert states(service) == {"101": "busy", "102": "free"}
    await service.stop()


async def test_a_line_of_which_nothing_can_be_said_is_unknown() -> None:
    async with bench() as b:
        b.service.line_busy("101")
        b.service.line_unknown("101")
        await until(lambda: states(b.service).get("101") == "unknown")


async def test_what_the_switch_says_of_an_external_line_leaves_it_external() -> None:
    async with bench() as b:
        b.service.line("7101", external=True)
        b.switch.line_states_does = {"7101": LineState.BUSY}
        b.service.refresh()
        await until(lambda: states(b.service).get("7101") == "busy")
        assert [view.line for view in b.service.lines() if view.external] == ["7101"]


@pytest.mark.parametrize("what", [OSError("no contact"), {"101": "perhaps"}, {"": LineState.FREE}, HANG])
async def test_a_switch_that_cannot_tell_its_lines_is_asked_again(
    what: object, caplog: pytest.LogCaptureFixture
) -> None:
    switch = ScriptedSwitch()
    switch.line_states_does = what
    driver = VirtualDriver()
    async with CallbackService(switch, driver=driver, line_states_timeout=0.05) as service:
        assert service.counters()["line_states_failed"] == 1
        assert "line_states()" in caplog.text
        switch.line_states_does = {"101": LineState.BUSY}
        await until(lambda: states(service) == {"101": "busy"})


# --- overload -------------------------------------------------------------------------------------


async def test_an_overloaded_engine_denies_requests_and_keeps_facts(caplog: pytest.LogCaptureFixture) -> None:
    async with bench() as b:
        await b.order()
        await settle()
        b.driver.overloaded = True
        b.service.line_busy("104")
        assert await b.service.order("102", "101") == Denied("overload", True)
        with pytest.raises(Overload):
            await b.service.cancel("102")
        assert b.service.counters()["facts_waiting"] == 1
        assert "overloaded" in caplog.text
        b.driver.overloaded = False
        await until(lambda: states(b.service)["104"] == "busy")
        assert b.service.counters()["facts_waiting"] == 0
        assert b.service.counters()["requests_denied"] == 2
        assert isinstance(await b.service.cancel("102"), Cancelled)


async def test_facts_beyond_the_limit_are_shed_counted_and_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench(facts_limit=16) as b:
        await settle()
        b.driver.overloaded = True
        for _ in range(40):
            b.service.line_busy("101")
        b.service.allow("104", Profile.autodial())
        await settle()
        counters = b.service.counters()
        assert counters["facts_shed"] + counters["facts_waiting"] == 40
        assert counters["facts_waiting"] <= 16
        assert caplog.text.count("the oldest are shed") == 1
        b.driver.overloaded = False
        # The switch is asked anew, since a shed fact may have been the last word about a line.
        await until(lambda: b.switch.names().count("line_states") == 2)
        await until(lambda: states(b.service)["101"] == "free")
        # Configuration is never shed.
        b.service.call_failed("104", "101")
        assert isinstance(await b.service.order("104"), Accepted)


async def test_outcomes_of_recalls_wait_out_an_overload() -> None:
    async with bench() as b:
        await b.order()
        b.switch.ring_does = HANG
        b.driver.advance(10)
        await until(lambda: "ring" in b.switch.running)
        b.driver.overloaded = True
        assert b.service.counters()["recalls_now"] == 1
        b.switch.finished.set()
        b.driver.overloaded = False
        b.driver.advance(300)
        await b.told("attempt-failed")


# --- on the real driver and the real clock --------------------------------------------------------


async def test_the_real_driver_recalls_after_the_cb_timer() -> None:
    switch = ScriptedSwitch()
    steps: list[Step] = []
    async with asyncio.timeout(10), CallbackService(switch, on_step=steps.append) as service:
        service.allow("102", Profile.autodial(cb_timer_internal_s=1, caller_free_guard_s=0))
        service.call_failed("102", "101")
        assert isinstance(await service.order("102"), Accepted)
        await until(lambda: any(step.kind == "ended" for step in steps), within=8)
    assert steps[-1].reason == "completed"
    assert switch.names() == ["line_states", "ring", "play", "connect"]


async def test_a_burst_larger_than_the_driver_s_queue_arrives_whole() -> None:
    switch = ScriptedSwitch()
    switch.line_states_does = {}
    driver = ccbs.Driver(queue_limit=2_048)
    async with asyncio.timeout(20), CallbackService(switch, driver=driver) as service:
        for number in range(20_000):
            service.line(str(number))
        await until(lambda: len(service.lines()) == 20_000, within=15)
        assert service.counters()["facts_shed"] == 0


async def test_a_driver_that_closes_fails_requests_instead_of_hanging() -> None:
    driver = ccbs.Driver()
    async with asyncio.timeout(10), CallbackService(ScriptedSwitch(), driver=driver) as service:
        await settle()
        driver.close()
        with pytest.raises(Closed):
            await service.order("102")
