"""The SIP switch with the real endpoint, small phones on the loopback, and the CB timer moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from silence import wav
from udp_phone import UdpPhone
from virtual_driver import VirtualDriver, until

from ccbs import (
    CallbackService,
    ConnectOutcome,
    LegGone,
    LineState,
    Profile,
    RingFailed,
    RingOutcome,
    prompts,
)
from ccbs._ccbs import Incoming, SipEndpoint, SipEvent, Step
from ccbs.calls import CallRecord
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.sip import Answer, Call, Decision, Dial, Reject, Route, SipSwitch, Trunk
from ccbs.subscribers import Directory, Subscriber, ha1_md5, ha1_sha256

REALM = "test"
NUMBERS = ("101", "102", "103", "104")


def subscriber(number: str) -> Subscriber:
    """101 callee, 102 orders, 103 English with call waiting and ordering, 104 keeps 101 in conversation."""
    return Subscriber(
        number=number,
        name=f"Name {number}",
        ha1_md5=ha1_md5(number, REALM, f"secret{number}"),
        ha1_sha256=ha1_sha256(number, REALM, f"secret{number}"),
        call_waiting=number == "103",
        autodial=Profile.autodial() if number in ("102", "103") else None,
        language="en" if number == "103" else "ru",
    )


class World:
    """A switch, its phones, and one trunk with everything behind it."""

    def __init__(self, switch: SipSwitch, service: CallbackService, driver: VirtualDriver) -> None:
        self.switch = switch
        self.service = service
        self.driver = driver
        self.phones: dict[str, UdpPhone] = {}
        self.steps: list[Step] = []
        self.events: list[SipEvent] = []
        self.closed: list[str] = []

    def phone(self, number: str) -> UdpPhone:
        return self.phones[number]

    async def lines(self, **expected: str) -> None:
        """Wait until the service knows the lines so."""
        await until(
            lambda: (
                {f"n{view.line}": view.state for view in self.service.lines() if f"n{view.line}" in expected}
                == expected
            )
        )

    async def logged(self, count: int) -> list[CallRecord]:
        """Wait for so many records in the call log."""
        await until(lambda: len(self.switch.calls) >= count)
        assert len(self.switch.calls) == count
        return self.switch.calls.records()

    async def told(self, kind: str) -> Step:
        """Wait for a step of an order."""
        await until(lambda: any(step.kind == kind for step in self.steps))
        return next(step for step in self.steps if step.kind == kind)

    async def order(self, caller: str = "102", callee: str = "101") -> None:
        """``caller`` finds ``callee`` in conversation with 104 and orders; then all hang up."""
        talk = await self.phone("104").call(callee)
        assert await talk.status() == 200
        assert await (await self.phone(caller).call(callee)).status() == 486
        code = await self.phone(caller).call(f"*37*{callee}%23")
        assert await code.status() == 200
        await until(code.ended.is_set)
        self.phone("104").hang_up(talk)
        await until(lambda: len(self.service.orders()) == 1)
        await self.lines(**{f"n{callee}": "free", "n104": "free", f"n{caller}": "free"})
        for phone in self.phones.values():
            while not phone.incoming.empty():
                phone.incoming.get_nowait()

    def cb_timer(self, seconds: float = 10) -> None:
        """The CB timer expires."""
        self.driver.advance(seconds)


@contextlib.asynccontextmanager
async def world(
    *,
    route: Route | None = None,
    route_timeout: float = 3.0,
    registered: Sequence[str] = NUMBERS,
    strip: bool = True,
    languages: Sequence[str] = ("ru", "en"),
    on_event: Callable[[SipEvent], None] | None = None,
    handler_errors: bool = False,
) -> AsyncIterator[World]:
    steps: list[Step] = []
    events: list[SipEvent] = []
    closed: list[str] = []
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm=REALM, rtp_ports=(40_000, 40_998))
    far = await UdpPhone.start("5551234", None, endpoint.local_address, "127.0.0.2")
    switch = SipSwitch(
        endpoint,
        directory=Directory(subscriber(number) for number in NUMBERS),
        numbering=Numbering(["1XX"], [ExternalPrefix("9", "city", strip=strip)]),
        trunks=[Trunk(name="city", host=far.address[0], port=far.address[1], trusted=True)],
        prompts={language: {name: wav() for name in prompts.names()} for language in languages},
        route=route,
        route_timeout=route_timeout,
        on_event=on_event or events.append,
        on_closed=lambda: closed.append("endpoint"),
    )
    driver = VirtualDriver()
    service = CallbackService(switch, driver=driver, on_step=steps.append)
    made = World(switch, service, driver)
    made.steps, made.events, made.closed = steps, events, closed
    async with asyncio.timeout(30):
        async with service:
            await switch.start(service)
            try:
                for number in NUMBERS:
                    made.phones[number] = await UdpPhone.start(
                        number, f"secret{number}", endpoint.local_address
                    )
                made.phones["far"] = far
                for number in registered:
                    assert await made.phones[number].register() == 200
                yield made
            finally:
                await switch.stop()
                for phone in made.phones.values():
                    phone.close()
    assert (switch.counters()["sip_handler_errors"] > 0) == handler_errors


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
        assert w.switch.counters()["unknown_codes"] == (1 if dialled.startswith("*") else 0)


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


# --- the Switch protocol by itself ----------------------------------------------------------------


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
        with pytest.raises(RuntimeError, match="no-such-prompt"):
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


# --- a route of one's own -------------------------------------------------------------------------


async def raises(call: Call) -> Decision:
    raise LookupError("no such table")


async def hangs(call: Call) -> Decision:
    await asyncio.Event().wait()
    return Reject(404)


async def nonsense(call: Call) -> Decision:
    return "101"  # type: ignore[return-value]


@pytest.mark.parametrize("route", [raises, hangs, nonsense])
async def test_a_route_that_fails_is_answered_500_and_logged(
    route: Route, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(route=route, route_timeout=0.1) as w:
        assert await (await w.phone("102").call("101")).status() == 500
        (record,) = await w.logged(1)
        assert record.cause == "failed"
        assert "102 → 101" in caplog.text
        assert w.switch.counters()["routes_failed"] == 1


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
