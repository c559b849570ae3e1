"""The steps of the matrix for SIPp: the scenario is its user, the far side ends the calls."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from acceptance.listening import hears_prompts, hears_tone
from acceptance.wire import Identity
from acceptance.world import LANGUAGE

from . import sipp_script as script
from .office import CB_TIMER_S, LIKE, OTHER, SOON_S, THIRD, UNDER_TEST, Handset, Office, hears, rings
from .sipp import SippCall, SippPhone
from .steps import GUARD_S, IN_FLIGHT_S, QUIET_S, agreed, hears_nothing

__all__ = ["STEPS"]

AT_SWITCH = f"sip:{THIRD.number}@[remote_ip]:[remote_port]"
"""The third phone's address, in SIPp's words."""
FRAME = b"\x80" + bytes(11) + b"\xd5" * 160
"""An RTP packet of PCMU."""


def _sipp(office: Office) -> SippPhone:
    return office.sipp[UNDER_TEST.number]


async def _echoed(phone: Handset) -> None:
    """What its user says comes back: it was received by SIPp's side, and SIPp's side was heard."""
    await hears(phone, phone)


async def _answered(office: Office, callee: Handset, *, since: int) -> None:
    await office.answer(callee, await rings(callee, since=since))
    await _echoed(callee)


async def register(office: Office) -> None:
    """It is challenged, and registered."""
    for phone in office.sipp.values():
        said = await phone.play(script.register(), dialled=phone.party.number)
        assert "WWW-Authenticate: Digest" in said, said
    await office.switch.expect_line(f"line {UNDER_TEST.number}: registered phones: 1", timeout=SOON_S)


async def same(office: Office) -> None:
    """It calls its like; media sent to where each was told arrives at the other."""
    like = office.sipp[LIKE.number]
    before = len(office.switch.wire().messages)
    async with like.call(script.called()) as callee:
        await like.listens(callee, timeout=SOON_S)
        async with _sipp(office).call(script.dialled("bye"), dialled=LIKE.number) as caller:
            caller.ear.echo = False
            await _until(lambda: _acknowledged(office, before), "the like does not answer")
            seen = list(office.switch.wire().messages[before:])
            offers = [m.media for m in seen if m.method == "INVITE" and m.direction == "sent" and m.media]
            [answer] = [m for m in offers if (m.address, m.port) == callee.ear.address]
            [offer] = [m for m in offers if (m.address, m.port) == caller.ear.address]
            assert answer.direction == offer.direction == "sendrecv"
            caller.ear.send(FRAME, (answer.address, answer.port))
            await _until(lambda: bool(caller.ear.packets), "what the like echoes does not come back")
            assert callee.ear.packets[0].payload == caller.ear.packets[0].payload == FRAME[12:]
            await asyncio.gather(caller.ended(), callee.ended())


def _acknowledged(office: Office, since: int) -> bool:
    return bool(list(office.switch.wire().select("ACK", None, "sent", since=since)))


async def _until(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline, f"{otherwise} within {SOON_S:g} s"
        await asyncio.sleep(0.1)


async def out(office: Office) -> None:
    """It calls another kind of phone, which hears its own sound echoed."""
    other = office.phone(OTHER)
    before = other.wire.mark()
    async with _sipp(office).call(script.dialled(), dialled=OTHER.number) as call:
        await _answered(office, other, since=before)
        await other.hang_up()
        await call.ended()
        await hears_tone(call, OTHER.says_hz, since=0.0, timeout=SOON_S)


async def in_(office: Office) -> None:
    """Another kind of phone calls it."""
    other = office.phone(OTHER)
    async with _sipp(office).call(script.called()) as call:
        await _sipp(office).listens(call, timeout=SOON_S)
        await other.dial(UNDER_TEST.number)
        await hears_tone(call, OTHER.says_hz, since=0.0, timeout=SOON_S)
        await _echoed(other)
        await other.hang_up()
        await call.ended()


async def hold(office: Office) -> None:
    """It puts another kind of phone on hold, and resumes."""
    other = office.phone(OTHER)
    before = other.wire.mark()
    async with _sipp(office).call(script.dialled("hold"), dialled=OTHER.number) as call:
        await _answered(office, other, since=before)
        await agreed(other, "offer", ("sendonly",), since=before)
        await _receives_nothing(call)
        await agreed(other, "offer", ("sendrecv",), since=other.wire.mark())
        await _echoed(other)
        await other.hang_up()
        said = await call.ended()
        assert re.search(r"a=(recvonly|inactive)", said), said


async def _receives_nothing(call: SippCall) -> None:
    await asyncio.sleep(IN_FLIGHT_S)
    before = len(call.ear.packets)
    await asyncio.sleep(QUIET_S)
    came = len(call.ear.packets) - before
    assert not came, f"{call.label} holds the other and receives {came} packets"


async def held(office: Office) -> None:
    """Another kind of phone puts it on hold, and resumes."""
    other = office.phone(OTHER)
    async with _sipp(office).call(script.called(held=True)) as call:
        await _sipp(office).listens(call, timeout=SOON_S)
        await other.dial(UNDER_TEST.number)
        await _echoed(other)
        before = other.wire.mark()
        await other.hold()
        await agreed(other, "answer", ("recvonly", "inactive"), since=before)
        call.ear.echo = False
        await hears_nothing(other, OTHER.says_hz)
        before = other.wire.mark()
        await other.resume()
        await agreed(other, "answer", ("sendrecv",), since=before)
        call.ear.echo = True
        await _echoed(other)
        await other.hang_up()
        await call.ended()


def _told_of_success(said: str) -> None:
    told = re.findall(r"NOTIFY sip.*?\r?\n\r?\n(SIP/2\.0 \d+)", said, re.DOTALL)
    assert told, said
    assert told[-1] == "SIP/2.0 200", told


async def blind(office: Office) -> None:
    """It transfers another kind of phone to a third one."""
    third, other = office.phone(THIRD), office.phone(OTHER)
    before, third_before = other.wire.mark(), third.wire.mark()
    refer = script.dialled("refer", refer_to=AT_SWITCH)
    async with _sipp(office).call(refer, dialled=OTHER.number) as call:
        await _answered(office, other, since=before)
        await office.answer(third, await rings(third, since=third_before))
        await office.talk(other, third)
        _told_of_success(await call.ended())


async def attended(office: Office) -> None:
    """It talks with a third phone and with another, each call a run of SIPp, and joins the two."""
    third, other = office.phone(THIRD), office.phone(OTHER)
    before, third_before = other.wire.mark(), third.wire.mark()
    consulting = _sipp(office).call(script.dialled(), port=_sipp(office).place.rtp[0], dialled=THIRD.number)
    async with consulting as consult:
        await _answered(office, third, since=third_before)
        [answer] = [
            m for m in office.switch.wire().select("INVITE", 200, "sent")
            if m.call_id.startswith(f"{consult.name}///") or m.call_id == consult.name
        ]  # fmt: skip
        tag = (answer.header("to") or "").partition(";tag=")[2]
        replaces = quote(f"{answer.call_id};to-tag={tag};from-tag={consult.name}", safe="")
        refer = script.dialled("refer", refer_to=f"{AT_SWITCH}?Replaces={replaces}")
        async with _sipp(office).call(refer, dialled=OTHER.number) as call:
            await _answered(office, other, since=before)
            _told_of_success(await call.ended())
            await consult.ended()
            await office.talk(other, third)


async def _busy(office: Office) -> None:
    await office.connect(office.phone(THIRD), office.phone(OTHER))
    await _sipp(office).play(script.dialled(refused=486), dialled=OTHER.number)


async def _dial_code(office: Office, code: str, prompt: str) -> None:
    async with _sipp(office).call(script.dialled(), dialled=code.replace("#", "%23")) as call:
        call.ear.echo = False
        await call.ended()
        await hears_prompts(call, office.recogniser, f"{LANGUAGE}/{prompt}", since=0.0, timeout=SOON_S)


async def order(office: Office) -> None:
    """It finds the other busy and orders the call back by the code."""
    await _busy(office)
    await _dial_code(office, "*37#", "order-accepted")
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)]


async def recall(office: Office) -> None:
    """The order of the step before is carried out."""
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)], "the order was not made"
    other = office.phone(OTHER)
    before = other.wire.mark()
    async with _sipp(office).call(script.called()) as call:
        await _sipp(office).listens(call, timeout=SOON_S)
        await other.hang_up()
        invite = await rings(other, since=before, timeout=CB_TIMER_S + 2 * SOON_S)
        assert invite.identity("from") == Identity(UNDER_TEST.number, UNDER_TEST.name), invite.text
        await hears_prompts(call, office.recogniser, f"{LANGUAGE}/activated", since=0.0, timeout=SOON_S)
        await office.answer(other, invite)
        await _echoed(other)
        assert await office.orders() == []
        await other.hang_up()
        await call.ended()
        await hears_tone(call, OTHER.says_hz, since=0.0, timeout=SOON_S)
    record = (await office.calls())[-1]
    assert (record["recall"], record["cause"]) == (True, "answered"), record


async def cancel(office: Office) -> None:
    """It orders by number and cancels by number; when the other is free, no recall comes."""
    await _busy(office)
    await _dial_code(office, f"*37*{OTHER.number}#", "order-accepted")
    ordered = time.monotonic()
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)]
    await _dial_code(office, f"#37*{OTHER.number}#", "order-cancelled")
    assert await office.orders() == []
    before = len(office.switch.wire().messages)
    await office.phone(OTHER).hang_up()
    await asyncio.sleep(max(ordered + CB_TIMER_S + GUARD_S - time.monotonic(), GUARD_S))
    called = list(office.switch.wire().select("INVITE", None, "sent", since=before))
    assert not called, f"cancelled, and yet: {called[0]}"


STEPS: dict[str, Callable[[Office], Awaitable[None]]] = {
    "register": register,
    "same": same,
    "out": out,
    "in": in_,
    "hold": hold,
    "held": held,
    "blind": blind,
    "attended": attended,
    "order": order,
    "recall": recall,
    "cancel": cancel,
}
