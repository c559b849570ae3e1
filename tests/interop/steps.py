"""The steps of the matrix for phones whose keys a test can press."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from acceptance.audio import RATE
from acceptance.listening import hears_prompts
from acceptance.phone import Phone
from acceptance.recognise import tone_bursts
from acceptance.world import LANGUAGE

from .linphone import Linphone
from .office import CB_TIMER_S, OTHER, SOON_S, THIRD, UNDER_TEST, Handset, Office, rings

__all__ = ["PROOFS", "STEPS"]

QUIET_S = 1.0
IN_FLIGHT_S = 0.5
"""What is on its way when a call is put on hold may still be heard."""
GUARD_S = 2.0
"""How long after the CB timer's expiry a recall that was cancelled is watched for."""


async def register(office: Office) -> None:
    """The phone is registered over this transport, by digest."""
    phone = office.phone(UNDER_TEST)
    [accepted, *_] = phone.wire.select("REGISTER", 200, "received")
    request = [m for m in phone.wire.select("REGISTER", direction="sent") if m.cseq == accepted.cseq][-1]
    assert (request.header("authorization") or "").startswith("Digest "), request.text
    via = f"SIP/2.0/{office.network.transport.upper()} "
    assert (request.header("via") or "").startswith(via), request.text
    assert f"<sip:{UNDER_TEST.number}" in (accepted.header("contact") or ""), accepted.text
    await office.switch.expect_line(f"line {UNDER_TEST.number}: registered phones: 1", timeout=SOON_S)


async def _called(office: Office, caller: Handset, callee: Handset, ends: Handset) -> None:
    invite = await office.connect(caller, callee)
    other = callee if ends is caller else caller
    before = other.wire.mark()
    await ends.hang_up()
    await other.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
    assert invite.media is not None
    record = (await office.calls())[-1]
    numbers = (caller.account.number, callee.account.number, "answered")
    assert (record["caller"], record["callee"], record["cause"]) == numbers, record


async def same(office: Office) -> None:
    """It calls its like."""
    phone = office.phone(UNDER_TEST)
    await _called(office, phone, office.phone(THIRD), phone)


async def out(office: Office) -> None:
    """It calls another kind of phone."""
    phone = office.phone(UNDER_TEST)
    await _called(office, phone, office.phone(OTHER), phone)


async def in_(office: Office) -> None:
    """Another kind of phone calls it."""
    phone = office.phone(UNDER_TEST)
    await _called(office, office.phone(OTHER), phone, phone)


async def hold(office: Office) -> None:
    """It puts another kind of phone on hold, and resumes."""
    phone, other = office.phone(UNDER_TEST), office.phone(OTHER)
    await office.connect(phone, other)
    await hold_and_resume(office, phone, other)


async def held(office: Office) -> None:
    """Another kind of phone puts it on hold, and resumes."""
    phone, other = office.phone(UNDER_TEST), office.phone(OTHER)
    await office.connect(other, phone)
    await hold_and_resume(office, other, phone)


async def hold_and_resume(office: Office, holder: Handset, held: Handset) -> None:
    """Directions change on both wires, the holder hears nothing meanwhile, then both hear each other."""
    held_before, before = held.wire.mark(), holder.wire.mark()
    await holder.hold()
    await agreed(held, "offer", ("sendonly", "inactive"), since=held_before)
    await agreed(holder, "answer", ("recvonly", "inactive"), since=before)
    await hears_nothing(holder, held.tone_hz)
    held_before, before = held.wire.mark(), holder.wire.mark()
    await holder.resume()
    await agreed(held, "offer", ("sendrecv",), since=held_before)
    await agreed(holder, "answer", ("sendrecv",), since=before)
    await office.talk(holder, held)


async def agreed(phone: Handset, part: str, directions: tuple[str, ...], *, since: int) -> None:
    """The phone receives a re-INVITE, or the answer to its own, with one of these directions of media."""
    status, initial = (None, False) if part == "offer" else (200, None)
    message = await phone.wire.expect(
        "INVITE", status, "received", initial=initial, since=since,
        where=lambda m: m.media is not None and m.media.direction in directions, timeout=SOON_S,
    )  # fmt: skip
    assert message.media is not None
    assert message.media.port, message.text


async def hears_nothing(phone: Handset, tone_hz: float) -> None:
    """For a while the phone does not hear that tone."""
    if isinstance(phone, Phone):  # its recorder stops with the hold
        await asyncio.sleep(IN_FLIGHT_S)
        before = await phone.received()
        await asyncio.sleep(QUIET_S)
        assert (came := await phone.received()) == before, (
            f"{phone.label} is on hold; packets: {came - before}"
        )
        return
    start = len(await asyncio.to_thread(phone.sound_since, 0.0)) + int(IN_FLIGHT_S * RATE)
    await asyncio.sleep(QUIET_S)
    sound = (await asyncio.to_thread(phone.sound_since, 0.0))[start:]
    bursts = tone_bursts(sound, tone_hz)
    assert not bursts, f"{phone.label} is on hold and hears {tone_hz:.0f} Hz: {bursts}"


async def blind(office: Office) -> None:
    """It transfers another kind of phone to its like."""
    phone, third, other = office.phone(UNDER_TEST), office.phone(THIRD), office.phone(OTHER)
    await office.connect(phone, other)
    before, third_before = phone.wire.mark(), third.wire.mark()
    await phone.transfer(third.account.number)
    await phone.wire.expect("REFER", 202, "received", since=before, timeout=SOON_S)
    await office.answer(third, await rings(third, since=third_before))
    await office.talk(other, third)
    await transferred(office, phone, since=before)


async def transferred(office: Office, phone: Handset, *, since: int) -> None:
    """The transferor is told that it is done, and is out of the call."""
    await phone.wire.expect(
        "NOTIFY", None, "received", since=since,
        where=lambda m: m.body.startswith("SIP/2.0 200"), timeout=SOON_S,
    )  # fmt: skip
    await phone.wire.expect("BYE", 200, since=since, timeout=SOON_S)
    deadline = time.monotonic() + SOON_S
    while calls := await phone.calls_now():
        assert time.monotonic() < deadline, f"{phone.label} transferred its call and still has {calls}"
        await asyncio.sleep(0.1)


async def attended(office: Office) -> None:
    """It holds another kind of phone, asks its like, and joins the two."""
    phone, third, other = office.phone(UNDER_TEST), office.phone(THIRD), office.phone(OTHER)
    assert isinstance(phone, Linphone)
    await office.connect(phone, other)
    other_before = other.wire.mark()
    await phone.hold()
    await agreed(other, "offer", ("sendonly", "inactive"), since=other_before)
    invite = await office.ring(phone, third)
    await office.answer(third, invite)
    await office.talk(phone, third)
    before = phone.wire.mark()
    await phone.join()
    refer = await phone.wire.expect("REFER", None, "sent", since=before, timeout=SOON_S)
    assert "Replaces=" in (refer.header("refer-to") or ""), refer.text
    await phone.wire.expect("REFER", 202, "received", since=before, timeout=SOON_S)
    await office.talk(other, third)
    await transferred(office, phone, since=before)


async def find_busy(office: Office) -> None:
    """Its like talks with the other, and it is refused when it dials the other."""
    phone, third, other = office.phone(UNDER_TEST), office.phone(THIRD), office.phone(OTHER)
    await office.connect(third, other)
    before = phone.wire.mark()
    await phone.dial(other.account.number)
    await phone.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)


async def dial_code(office: Office, code: str, prompt: str) -> None:
    """It dials a service code, hears the prompt and is released."""
    phone = office.phone(UNDER_TEST)
    before, began = phone.wire.mark(), time.time()
    await phone.dial(code)
    await phone.wire.expect("INVITE", 200, "received", since=before, timeout=SOON_S)
    sent = next(phone.wire.select("INVITE", direction="sent", since=before))
    assert sent.dialled == code, f"{phone.label} dialled {sent.dialled} for {code}"
    await hears_prompts(phone, office.recogniser, f"{LANGUAGE}/{prompt}", since=began, timeout=SOON_S)
    await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)


async def order(office: Office) -> None:
    """It finds the other busy and orders the call back by the code."""
    await find_busy(office)
    await dial_code(office, "*37#", "order-accepted")
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)]


async def recall(office: Office) -> None:
    """The order of the step before is carried out: the phone rings, then the other, and both talk."""
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)], "the order was not made"
    phone, other = office.phone(UNDER_TEST), office.phone(OTHER)
    before, other_before, began = phone.wire.mark(), other.wire.mark(), time.time()
    await other.hang_up()
    invite = await rings(phone, since=before, timeout=CB_TIMER_S + SOON_S)
    caller = invite.identity("from")
    assert caller is not None
    assert caller.number == OTHER.number, invite.text
    await office.answer(phone, invite)
    await hears_prompts(phone, office.recogniser, f"{LANGUAGE}/activated", since=began, timeout=SOON_S)
    await office.answer(other, await rings(other, since=other_before))
    await office.talk(phone, other)
    assert await office.orders() == []
    await phone.hang_up()
    await other.wire.expect("BYE", None, "received", since=other_before, timeout=SOON_S)
    record = (await office.calls())[-1]
    assert (record["recall"], record["cause"]) == (True, "answered"), record


async def cancel(office: Office) -> None:
    """It orders by number and cancels by number; when the other is free, no recall comes."""
    await find_busy(office)
    await dial_code(office, f"*37*{OTHER.number}#", "order-accepted")
    ordered = time.monotonic()
    assert await office.orders() == [(UNDER_TEST.number, OTHER.number)]
    await dial_code(office, f"#37*{OTHER.number}#", "order-cancelled")
    assert await office.orders() == []
    phone, other = office.phone(UNDER_TEST), office.phone(OTHER)
    before = phone.wire.mark()
    await other.hang_up()
    watched = ordered + CB_TIMER_S + GUARD_S - time.monotonic()
    await phone.wire.expect_none(
        "INVITE", "received", since=before, initial=True, during=max(watched, GUARD_S)
    )


async def no_attended_transfer(office: Office) -> None:
    """baresip's list of commands in a call has a transfer, and no other word of it."""
    phone = office.phone(UNDER_TEST)
    assert isinstance(phone, Phone)
    await office.connect(phone, office.phone(OTHER))
    listed = [line.split()[0] for line in (await phone.commands()).splitlines() if "ransfer" in line]
    assert listed == ["/transfer"], listed


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

PROOFS: dict[tuple[str, str], Callable[[Office], Awaitable[None]]] = {
    ("baresip", "attended"): no_attended_transfer,
}
"""That a phone cannot do a step, by kind and step."""
