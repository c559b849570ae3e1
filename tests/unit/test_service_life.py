"""The service from its start to its stop, and when the engine ends first."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from scripted_switch import HANG, IGNORE, Bench, ScriptedSwitch, bench
from virtual_driver import VirtualDriver, settle, until

import ccbs
from ccbs import CallbackService, ConnectOutcome, Profile
from ccbs._ccbs import Accepted, Closed, NothingOrdered, Step

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
        counters = b.service.counters()
        assert counters["events_not_taken"] == 1
        # What the engine counts is not hidden by what is counted around it.
        assert counters | b.driver.counters() == counters


async def test_nothing_is_carried_out_before_the_switch_is_prepared() -> None:
    switch = ScriptedSwitch()
    driver = VirtualDriver()
    ordering = CallbackService(ScriptedSwitch(), driver=driver)
    await ordering.start()
    await Bench(ordering, switch, driver).order()
    asyncio.get_running_loop().remove_reader(driver.fileno())
    # As of an engine with a store: what it wants waits before anybody asks.
    driver.advance(10)
    service = CallbackService(switch, driver=driver)
    told: list[list[object]] = []

    async def prepare() -> None:
        for _ in range(10):
            await settle()
        told.append(switch.names())

    await service.start(prepare)
    assert told == [["line_states"]]
    await until(lambda: "ring" in switch.names())
    await service.stop()


async def test_a_switch_that_cannot_be_prepared_ends_the_start() -> None:
    driver = VirtualDriver()
    service = CallbackService(ScriptedSwitch(), driver=driver)

    async def prepare() -> None:
        raise ccbs.Overload("too much")

    with pytest.raises(ccbs.Overload):
        await service.start(prepare)
    assert driver.closed


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
