"""The SIP switch with a route of one's own, and from its start to its stop."""

from __future__ import annotations

import asyncio

import pytest
from sip_world import REALM, world
from virtual_driver import until

from ccbs import ConnectOutcome
from ccbs._ccbs import SipEndpoint, SipEvent
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.sip import Answer, Call, Decision, Dial, Reject, Route, SipSwitch
from ccbs.sip.routing import RouteFailed
from ccbs.subscribers import Directory, Subscriber, ha1_sha256

# --- a route of one's own -------------------------------------------------------------------------


async def raises(call: Call) -> Decision:
    raise LookupError("no such table")


async def hangs(call: Call) -> Decision:
    await asyncio.Event().wait()
    return Reject(404)


async def nonsense(call: Call) -> Decision:
    return "101"  # type: ignore[return-value]


FAILING = [
    (raises, "raised LookupError"),
    (hangs, "took longer than 0.1 s"),
    (nonsense, "returned '101'; expected Dial"),
]


@pytest.mark.parametrize(("route", "why"), FAILING)
async def test_a_route_that_fails_is_answered_500_and_logged(
    route: Route, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(route=route, route_timeout=0.1) as w:
        assert await (await w.phone("102").call("101")).status() == 500
        (record,) = await w.logged(1)
        assert record.cause == "failed"
        assert f"call 102 → 101: its route {why}" in caplog.text
        # Only where the route itself raised is there a place to look at.
        assert ("Traceback" in caplog.text) == (route is raises)
        assert w.switch.counters()["routes_failed"] == 1


@pytest.mark.parametrize(("route", "why"), FAILING)
async def test_a_route_that_fails_a_recall_or_a_transfer(
    route: Route, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(call: Call) -> Decision:
        return await route(call) if call.recall or call.transferred_by else Dial(number=call.dialled)

    async with world(route=fails, route_timeout=0.1) as w:
        leg = await w.switch.ring("102", "101", 5)
        with pytest.raises(RouteFailed, match=why):
            await w.switch.connect(leg, "101", "102", 5)
        await w.switch.release(leg, "attempt-failed")
        call = await w.phone("102").call("104")
        assert await call.status() == 200
        seen = await w.phone("104").rings()
        await until(seen.acknowledged.is_set)
        assert await w.phone("104").refer(seen, "101") == 202
        await until(lambda: seen.told[-1:] == ["SIP/2.0 500 Server Internal Error"])
        assert f"transfer 102 → 101 by 104: its route {why}" in caplog.text
        assert w.switch.counters()["transfer_routes_failed"] == 1
        w.phone("102").hang_up(call)


async def test_a_route_decides() -> None:
    asked: list[Call] = []

    async def route(call: Call) -> Decision:
        asked.append(call)
        await asyncio.sleep(0)
        match call.dialled:
            case "reception":
                return Dial(number="101", shown_name="To the reception", timeout=0.2)
            case "closed":
                return Reject(403)
            case "busy":
                return Reject(486)
            case _:
                return Answer(("nothing-ordered",))

    async with world(route=route) as w:
        w.phone("101").does = "ring"
        assert await (await w.phone("102").call("reception")).status() == 480
        assert (await w.phone("101").rings()).shown_name == "To the reception"
        assert await (await w.phone("102").call("closed")).status() == 403
        announced = await w.phone("102").call("prompt")
        assert await announced.status() == 200
        await until(announced.ended.is_set)
        assert asked[0].subscriber is not None
        assert (asked[0].number, asked[0].subscriber.name, asked[0].recall) == ("102", "Name 102", False)
        assert [(record.callee, record.cause) for record in await w.logged(3)] == [
            ("101", "no-answer"),
            ("closed", "failed"),
            ("prompt", "answered"),
        ]


async def test_a_recall_takes_the_caller_s_own_route() -> None:
    asked: list[Call] = []

    async def route(call: Call) -> Decision:
        asked.append(call)
        return Dial(number="101" if call.dialled == "boss" else call.dialled)

    async with world(route=route) as w:
        leg = await w.switch.ring("102", "boss", 5)
        assert await w.switch.connect(leg, "boss", "102", 5) is ConnectOutcome.ANSWERED
        assert asked[-1].recall
        assert asked[-1].dialled == "boss"
        assert (await w.phone("101").rings()).shown_number == "102"


# --- its life -------------------------------------------------------------------------------------


async def test_stopping_ends_every_call() -> None:
    async with world() as w:
        call = await w.phone("104").call("101")
        w.phone("103").does = "ring"
        ringing = w.phone("102").invite("103")
        await until(ringing.rung.is_set)
        await w.switch.stop()
        await until(call.ended.is_set)
        seen = await w.phone("101").rings()
        await until(seen.ended.is_set)
        assert call.bye is not None
        assert seen.bye is not None
        assert {record.cause for record in w.switch.calls} == {"answered", "cancelled"}


async def test_a_stop_without_time_logs_its_calls_all_the_same() -> None:
    async with world() as w:
        assert await (await w.phone("104").call("101")).status() == 200
        await w.lines(n101="busy", n104="busy")
        await w.switch.stop(timeout=0)
        assert [record.cause for record in w.switch.calls] == ["answered"]


async def test_a_wait_for_calls_that_is_cancelled_as_the_last_one_ends() -> None:
    async with world() as w:
        call = await w.phone("104").call("101")
        assert await call.status() == 200
        await w.lines(n101="busy", n104="busy")
        for turns in range(6):
            waiting = asyncio.create_task(w.switch.finish_calls(60))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            w.switch._empty.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            # Over before it could be cancelled, or cancelled: nothing in between.
            if waiting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await waiting


async def test_an_endpoint_that_ends_by_itself_leaves_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as w:
        await w.order()
        w.phone("102").does = "ring"
        w.cb_timer()
        await w.phone("102").rings()
        talk = await w.phone("104").call("101")
        assert await talk.status() == 200
        await w.lines(n101="busy", n102="busy", n103="free", n104="busy")
        logged = len(w.switch.calls)
        # Ended under the switch's feet, as a fault in its thread would.
        w.switch.endpoint.close()
        assert (await w.told("attempt-failed")).failure == "switch-failed"
        await until(lambda: w.closed == ["endpoint"])
        assert {record.cause for record in w.switch.calls.records()[logged:]} <= {
            "answered",
            "cancelled",
            "failed",
        }
        assert len(w.switch.calls) == logged + 2
        await w.lines(n101="unknown", n102="unknown", n103="unknown", n104="unknown")
        assert w.service.counters()["recalls_now"] == 0
        assert "the SIP endpoint has ended by a fault of its own" in caplog.text


async def test_an_observer_that_raises_disturbs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: SipEvent) -> None:
        raise RuntimeError("no screen")

    async with world(on_event=broken, handler_errors=True) as w:
        assert await (await w.phone("104").call("101")).status() == 200
        assert await (await w.phone("102").call("101")).status() == 486
        assert "no screen" in caplog.text


async def test_a_removed_subscriber_takes_its_orders_along() -> None:
    async with world() as w:
        await w.order()
        w.switch.remove_subscriber("101")
        assert (await w.told("ended")).reason == "callee-gone"
        assert await (await w.phone("102").call("101")).status() == 404


async def test_a_subscriber_that_may_no_longer_order() -> None:
    async with world() as w:
        await w.order()
        w.switch.put_subscriber(
            Subscriber(number="102", ha1_sha256=ha1_sha256("102", REALM, "secret102"), language="en")
        )
        assert (await w.told("ended")).reason == "service-off"


async def test_the_plan_leads_to_known_trunks_only() -> None:
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm=REALM)
    try:
        with pytest.raises(ValueError, match="leads to city"):
            SipSwitch(endpoint, directory=Directory(), numbering=Numbering([], [ExternalPrefix("9", "city")]))
    finally:
        endpoint.close()
