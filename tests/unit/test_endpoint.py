"""The SIP endpoint from Python: listening, calls with small phones on the loopback, bad input, fork, exit."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
from silence import wav
from udp_phone import WITHIN, UdpPhone

from ccbs._ccbs import (
    Answered,
    Bridged,
    ConnectFailed,
    Ended,
    Incoming,
    LineLegs,
    Played,
    Registration,
    Ringing,
    SipEndpoint,
    SipEvent,
    Trace,
)

REALM = "test"
T = TypeVar("T")


def ha1(number: str) -> str:
    return hashlib.md5(f"{number}:{REALM}:secret{number}".encode()).hexdigest()


class World:
    """An endpoint with its phones; keeps every event."""

    def __init__(self) -> None:
        self.endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm=REALM, trace=True)
        self.seen: list[SipEvent] = []
        self.phones: list[UdpPhone] = []
        self._came = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(self.endpoint.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        self.seen += self.endpoint.drain()
        task = asyncio.create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def until(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> T:
        """The first such event, seen or to come."""

        def found() -> T | None:
            return next((event for event in self.seen if isinstance(event, kind) and where(event)), None)

        async with asyncio.timeout(WITHIN), self._came:
            await self._came.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    async def phone(self, number: str) -> UdpPhone:
        """A registered phone of a new subscriber."""
        self.endpoint.set_subscriber(number, ha1_md5=ha1(number), ha1_sha256=None, capacity=1)
        phone = await UdpPhone.start(number, f"secret{number}", self.endpoint.local_address)
        self.phones.append(phone)
        assert await phone.register() == 200
        assert (await self.until(Registration, lambda event: event.number == number)).contacts == 1
        return phone

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.endpoint.fileno())
        for phone in self.phones:
            phone.close()
        await asyncio.to_thread(self.endpoint.close)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


# --- calls ------------------------------------------------------------------------------------------


async def test_an_ordinary_call(world: World) -> None:
    caller, callee = await world.phone("102"), await world.phone("101")
    call = caller.invite("101")
    incoming = await world.until(Incoming)
    assert (incoming.number, incoming.dialled, incoming.from_trunk) == ("102", "101", None)
    assert incoming.call_id == call.call_id
    world.endpoint.dial(incoming.leg, "101", shown_number="102", shown_name="Второй", timeout_s=WITHIN)
    bridged = await world.until(Bridged)
    assert bridged.leg == incoming.leg
    assert await call.status() == 200
    rung = await callee.rings()
    assert (rung.shown_number, rung.shown_name) == ("102", "Второй")
    assert (await world.until(LineLegs, lambda event: event.number == "101")).legs == 1

    caller.hang_up(call)
    assert (await world.until(Ended, lambda event: event.leg == incoming.leg)).cause == ("remote", None)
    assert (await world.until(Ended, lambda event: event.leg == bridged.peer)).cause == ("peer", None)
    assert (await world.until(LineLegs, lambda event: event.number == "101" and event.legs == 0)).legs == 0


async def test_an_incoming_leg_is_rejected(world: World) -> None:
    caller = await world.phone("102")
    call = caller.invite("*37#")
    incoming = await world.until(Incoming)
    assert incoming.dialled == "*37#"
    world.endpoint.reject(incoming.leg, 404)
    assert await call.status() == 404
    assert await world.until(Ended) == Ended(incoming.leg, ("refused", 404))


async def test_a_recall_with_a_prompt_and_a_busy_callee(world: World) -> None:
    caller, callee = await world.phone("102"), await world.phone("101")
    assert world.endpoint.load_prompt("activated", wav(0.1)) == pytest.approx(0.1)
    leg = world.endpoint.ring("102", shown_number="101", timeout_s=WITHIN)
    assert (await world.until(Ringing)).leg == leg
    assert (await world.until(Answered)).leg == leg
    assert (await caller.rings()).shown_number == "101"

    token = world.endpoint.play(leg, ["activated"])
    assert await world.until(Played) == Played(leg, token, "finished")
    missing = world.endpoint.play(leg, ("nobody loaded this",))
    assert (await world.until(Played, lambda event: event.token == missing)).outcome == "failed"

    callee.does = 486
    world.endpoint.connect(leg, "101", shown_number="102", timeout_s=WITHIN)
    assert (await world.until(ConnectFailed)) == ConnectFailed(leg, ("status", 486))
    callee.does = "answer"
    world.endpoint.connect(leg, "101", shown_number="102", timeout_s=WITHIN)
    assert (await world.until(Bridged)).leg == leg
    world.endpoint.release(leg, cause=486)
    assert (await world.until(Ended, lambda event: event.leg == leg)).cause == ("local", None)


async def test_messages_are_traced(world: World) -> None:
    phone = await world.phone("102")
    trace = await world.until(Trace, lambda event: not event.sent)
    assert trace.message.startswith(b"REGISTER sip:")
    assert (trace.local, trace.remote) == (world.endpoint.local_address, phone.address)
    answer = await world.until(Trace, lambda event: event.sent)
    assert answer.message.startswith(b"SIP/2.0 401 ")
    assert answer.at_us >= trace.at_us > 1_600_000_000_000_000


async def test_a_call_to_who_has_no_phone_is_refused(world: World) -> None:
    world.endpoint.set_subscriber("103", ha1_md5=ha1("103"), ha1_sha256=None, capacity=1)
    leg = world.endpoint.ring("103", shown_number="101", timeout_s=WITHIN)
    assert (await world.until(Ended)) == Ended(leg, ("refused", 480))
    world.endpoint.remove_subscriber("103")
    leg = world.endpoint.ring("103", shown_number="101", timeout_s=WITHIN)
    assert (await world.until(Ended, lambda event: event.leg == leg)).cause == ("refused", 404)


async def test_a_trunk_is_called(world: World) -> None:
    far = await UdpPhone.start("700", None, world.endpoint.local_address, "127.0.0.2")
    world.phones.append(far)
    world.endpoint.set_trunk("far", address=far.address, trusted=True)
    leg = world.endpoint.ring("7", trunk="far", shown_number="102", timeout_s=WITHIN)
    rung = await far.rings()
    assert rung.shown_number == "102"
    assert "102" in rung.invite["p-asserted-identity"]
    assert rung.invite.start.startswith("INVITE sip:7@")
    assert (await world.until(Answered)).leg == leg


async def test_a_released_leg_stops_ringing(world: World) -> None:
    phone = await world.phone("102")
    phone.does = "ring"
    leg = world.endpoint.ring("102", shown_number="101", timeout_s=WITHIN)
    rung = await phone.rings()
    await world.until(Ringing)
    world.endpoint.release(leg)
    async with asyncio.timeout(WITHIN):
        await rung.ended.wait()
    assert (await world.until(Ended)) == Ended(leg, ("local", None))


async def test_close_ends_the_calls(world: World) -> None:
    phone = await world.phone("102")
    world.endpoint.ring("102", shown_number="101", timeout_s=WITHIN)
    rung = await phone.rings()
    await world.until(Answered)
    await asyncio.to_thread(world.endpoint.close)
    async with asyncio.timeout(WITHIN):
        await rung.ended.wait()
