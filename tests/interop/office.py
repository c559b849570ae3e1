"""An office on one transport and IP version: a switch, two phones of one kind and one of another."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from acceptance.audio import Samples
from acceptance.listening import hears_tone
from acceptance.network import LoopbackNetwork, Place
from acceptance.phone import Account, Phone
from acceptance.recognise import Recogniser, packaged_recogniser
from acceptance.serving import SwitchProcess
from acceptance.wire import SipMessage, Wire
from acceptance.world import LANGUAGE, REALM, Party, subscriber

from .linphone import Linphone
from .matrix import Network
from .sipp import SippPhone

__all__ = ["LIKE", "OTHER", "SOON_S", "THIRD", "UNDER_TEST", "Handset", "Office", "open_office"]

SOON_S = 15.0
"""Within this a phone here has answered, rung or been released (s), however busy the machine is."""
CB_TIMER_S = 6
MUCH = 20
"""Packets, 0.4 s of sound."""
UNDER_TEST = Party("the phone", "102", "Second", 102, 700.0)
THIRD = Party("its like", "103", "Third", 103, 1_000.0)
OTHER = Party("the other", "101", "First", 101, 1_300.0)
LIKE = Party("its like", "104", "Fourth", 104, 0.0)
"""Has a phone only where the third one is of another kind than the phone under test."""


class Handset(Protocol):
    """A phone whose keys a test can press."""

    label: str
    account: Account
    wire: Wire
    tone_hz: float

    async def dial(self, number: str) -> None: ...
    async def accept(self) -> None: ...
    async def hang_up(self) -> None: ...
    async def hold(self) -> None: ...
    async def resume(self) -> None: ...
    async def transfer(self, number: str) -> None: ...
    async def calls_now(self) -> int: ...
    async def stop(self) -> None: ...
    def sound_since(self, at: float) -> Samples: ...


@dataclass
class Office:
    """Everything that the steps of one kind of phone need."""

    directory: Path
    loopback: LoopbackNetwork
    network: Network
    switch: SwitchProcess
    address: str
    """The switch's: host and port, as in a URI."""
    recogniser: Recogniser
    phones: dict[str, Handset]
    """By number."""
    sipp: dict[str, SippPhone] = field(default_factory=dict)
    """Those that SIPp plays, by number."""

    def phone(self, party: Party) -> Handset:
        """The party's phone."""
        return self.phones[party.number]

    def place(self, party: Party) -> Place:
        """Where the party's phone is."""
        return self.loopback.place(party.host, ipv6=self.network.ipv6)

    async def orders(self) -> list[tuple[str, str]]:
        """Caller and callee of the orders that stand."""
        rows = (await self.switch.ask("orders"))["rows"]
        return [(row["caller"], row["callee"]) for row in rows]

    async def calls(self) -> list[dict[str, Any]]:
        """The call log."""
        rows: list[dict[str, Any]] = (await self.switch.ask("calls", number=None, last=100))["rows"]
        return rows

    async def idle(self) -> None:
        """Ends every call and waits until no phone has one."""
        for phone in self.phones.values():
            if await phone.calls_now():
                with contextlib.suppress(AssertionError):
                    await phone.hang_up()
        deadline = time.monotonic() + SOON_S
        while busy := [phone.label for phone in self.phones.values() if await phone.calls_now()]:
            assert time.monotonic() < deadline, f"calls do not end at {', '.join(busy)}"
            for phone in self.phones.values():
                if await phone.calls_now():
                    with contextlib.suppress(AssertionError):
                        await phone.hang_up()
            await asyncio.sleep(0.2)

    async def ring(self, caller: Handset, callee: Handset) -> SipMessage:
        """The caller dials the callee; returns the INVITE at which the callee's phone rings."""
        before = callee.wire.mark()
        await caller.dial(callee.account.number)
        return await rings(callee, since=before)

    async def answer(self, callee: Handset, invite: SipMessage) -> None:
        """The callee lifts the handset."""
        await callee.accept()
        await callee.wire.expect(
            "ACK", None, "received", where=lambda m: m.call_id == invite.call_id, timeout=SOON_S
        )

    async def connect(self, caller: Handset, callee: Handset) -> SipMessage:
        """The caller dials, the callee answers, both hear each other; returns the callee's INVITE."""
        invite = await self.ring(caller, callee)
        await self.answer(callee, invite)
        await self.talk(caller, callee)
        return invite

    async def talk(self, one: Handset, two: Handset) -> None:
        """Both hear each other from now on."""
        await asyncio.gather(*(hears(one, two), hears(two, one)))


async def hears(hearer: Handset, speaker: Handset) -> None:
    """The hearer hears the speaker's tone from now on."""
    if isinstance(hearer, Phone) and not await hearer.records():
        # After a hold baresip plays on, but its recorder is no longer in the way of the sound.
        await _receives(hearer)
        return
    await hears_tone(hearer, speaker.tone_hz, since=0.0, timeout=SOON_S, from_now=True)


async def _receives(phone: Phone) -> None:
    """A good deal of media comes in from now on."""
    before, deadline = await phone.received(), time.monotonic() + SOON_S
    while (now := await phone.received()) < before + MUCH:
        assert time.monotonic() < deadline, f"{phone.label} received {now - before} packets in {SOON_S:g} s"
        await asyncio.sleep(0.1)


async def rings(phone: Handset, *, since: int, timeout: float = SOON_S) -> SipMessage:
    """Waits until the phone rings; returns its INVITE."""
    invite = await phone.wire.expect("INVITE", None, "received", initial=True, since=since, timeout=timeout)
    await phone.wire.expect(
        "INVITE", 180, "sent", since=since, where=lambda m: m.call_id == invite.call_id, timeout=SOON_S
    )
    if isinstance(phone, Phone):  # it takes `accept` no sooner
        await phone.expect("CALL_INCOMING", call_id=invite.call_id, timeout=SOON_S)
    return invite


def _config(loopback: LoopbackNetwork, network: Network) -> dict[str, Any]:
    autodial = {
        "allowed": True,
        "cb_timer_internal_s": CB_TIMER_S,
        "attempts": 2,
        "caller_ring_s": 20,
        "callee_ring_s": 20,
    }
    listen = {"address": "::1", "port": 0} if network.ipv6 else {"address": loopback.address(10)}
    return {
        "listen": listen | {"realm": REALM},
        "subscribers": [
            subscriber(UNDER_TEST) | {"services": {"autodial": autodial}},
            subscriber(THIRD),
            subscriber(OTHER),
            subscriber(LIKE),
        ],
        "numbering": {"internal": ["1XX"]},
        "prompts": {"language": LANGUAGE},
    }


async def start_phone(kind: str, party: Party, office: Office) -> Handset:
    """Starts a phone that is driven by its keys: ``baresip`` or ``linphone``."""
    host, _, port = office.address.rpartition(":")
    account = Account(
        party.number, party.password, host, int(port), party.name, transport=office.network.transport
    )
    directory = office.directory / f"{kind}-{party.number}"
    label = f"{party.label} ({kind} {party.number})"
    if kind == "baresip":
        return await Phone.start(label, directory, office.place(party), account, tone_hz=party.says_hz)
    return await Linphone.start(
        label, directory, office.place(party), account, tone_hz=party.says_hz, realm=REALM
    )


@contextlib.asynccontextmanager
async def open_office(directory: Path, network: Network, kinds: dict[Party, str]) -> AsyncIterator[Office]:
    """Starts a switch and the phones, and ends it all.

    :param directory: for configurations, logs and recordings; made.
    :param kinds: what phone each party has.
    """
    loopback = LoopbackNetwork()
    try:
        switch = await SwitchProcess.start("the switch", directory / "switch", _config(loopback, network))
        try:
            greeting = await switch.expect_line("listens on", timeout=SOON_S)
            match = re.search(r"listens on (\S+:\d+) ", greeting)
            assert match is not None, greeting
            recogniser = await asyncio.to_thread(packaged_recogniser, LANGUAGE)
            office = Office(directory, loopback, network, switch, match[1], recogniser, {})
            try:
                starts = (start_phone(kind, party, office) for party, kind in kinds.items() if kind != "sipp")
                for party in (party for party, kind in kinds.items() if kind == "sipp"):
                    directory_ = directory / f"sipp-{party.number}"
                    office.sipp[party.number] = SippPhone(
                        party, office.place(party), network, office.address, directory_
                    )
                started = await asyncio.gather(*starts, return_exceptions=True)
                office.phones |= {p.account.number: p for p in started if not isinstance(p, BaseException)}
                for phone in started:
                    if isinstance(phone, BaseException):
                        raise phone
                yield office
            finally:
                await asyncio.gather(*(phone.stop() for phone in office.phones.values()))
        finally:
            await switch.stop()
    finally:
        loopback.close()
    switch.check_ended()
