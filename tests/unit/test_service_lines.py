"""What the service knows of lines, and what it keeps and sheds while the engine is overloaded."""

from __future__ import annotations

import asyncio

import pytest
from scripted_switch import HANG, ScriptedSwitch, bench, states
from virtual_driver import VirtualDriver, settle, until

from ccbs import CallbackService, LineState, Profile
from ccbs._ccbs import Accepted, Cancelled, Denied, Overload

# --- line states ----------------------------------------------------------------------------------


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
