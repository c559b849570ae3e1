"""A small office at random through the real adapter, endpoint and engine.

Datagrams are lost, people hang up, order and transfer, phones vanish. In the end no line is busy, no call
without its record, no order without its end.

``CCBS_SEED`` repeats one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from types import MappingProxyType

import pytest
from sip_world import NUMBERS, World, world
from udp_phone import PhoneCall, UdpPhone
from virtual_driver import until

from ccbs import Profile
from ccbs._ccbs import Incoming, LineLegs

SEEDS = [int(os.environ["CCBS_SEED"])] if "CCBS_SEED" in os.environ else range(6)
DEEDS = 60
QUICK = MappingProxyType({"t1_ms": 50, "t2_ms": 400, "t4_ms": 500, "probe_s": 1})
"""3.2 s are silence; each second the phones of calls are asked whether they are still in them."""
CALLEES = ("101", "101", "101", "102", "103", "104", "105", "95551", "*37%23", "*%2337%23", "%2337%23")


class Office:
    """What its people do."""

    def __init__(self, w: World, dice: random.Random, *, transfers: bool) -> None:
        self.w = w
        self.dice = dice
        self.transfers = transfers
        self.done: Counter[str] = Counter()
        self.talks: list[tuple[UdpPhone, PhoneCall]] = []

    async def deed(self) -> None:
        """One thing happens."""
        phone = self.w.phone(self.dice.choice(NUMBERS))
        match self.dice.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                callee = self.dice.choice(CALLEES)
                self.done["codes" if "%23" in callee else "calls"] += 1
                self.talks.append((phone, phone.invite(callee)))
            case 5 | 6 | 7:
                self.hang_up()
            case 8:
                phone.does = self.dice.choice(("answer", "answer", "answer", "ring", 486, 603, 480))
            case 9:
                await self.transfer()
            case 10:
                self.done["vanished"] += 1
                phone.deaf = not phone.deaf
            case _:
                self.done["CB timers"] += 1
                self.w.driver.advance(self.dice.choice((1, 11, 31)))
        for known in self.w.phones.values():
            while not known.incoming.empty():
                self.talks.append((known, known.incoming.get_nowait()))

    def hang_up(self) -> None:
        """A call or a talk, whichever it is."""
        if self.talks:
            self.done["hung up"] += 1
            _give_up(*self.talks.pop(self.dice.randrange(len(self.talks))))

    async def transfer(self) -> None:
        """Blindly, to somebody."""
        if not self.transfers:
            return
        up = [(phone, call) for phone, call in self.talks if _is_up(call) and not phone.deaf]
        if up:
            self.done["transfers"] += 1
            phone, call = self.dice.choice(up)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await phone.refer(call, self.dice.choice(NUMBERS))

    async def closes(self) -> None:
        """Everybody is there again, hangs up, and cancels."""
        for phone in self.w.phones.values():
            phone.deaf, phone.does, phone.loses = False, 486, None
        while any(view.state != "free" for view in self.w.service.lines() if view.line in NUMBERS):
            for phone in self.w.phones.values():
                for call in list(phone.calls.values()):
                    _give_up(phone, call)
            await asyncio.sleep(0.1)  # between two tries; the end of the loop is what is waited for
        # Past the life of every order, with what its steps do on the way.
        for _ in range(80):
            if not self.w.service.orders():
                break
            self.w.driver.advance(60)
            await asyncio.sleep(0.02)


def _is_up(call: PhoneCall) -> bool:
    return call.final.done() and call.final.result() == 200 and not call.ended.is_set()


def _give_up(phone: UdpPhone, call: PhoneCall) -> None:
    """Whatever it is, it ends; what gets lost of that the other side finds out."""
    if call.outgoing and not call.final.done():
        phone.hang_up(call)
    elif not call.final.done():
        phone.refuse(call, 486)
    elif _is_up(call):
        phone.hang_up(call)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_random_office_comes_to_rest(seed: int) -> None:
    dice = random.Random(seed)
    async with world(limits=QUICK, within=60) as w:
        profile = Profile.ccbs(callee_idle_guard_s=0) if seed % 2 else Profile.autodial()
        for number in NUMBERS:
            w.service.allow(number, profile)
        for phone in w.phones.values():
            phone.loses = random.Random(f"{seed} {phone.number}")
        office = Office(w, dice, transfers=seed % 3 == 0)
        for _ in range(DEEDS):
            await office.deed()
            await asyncio.sleep(dice.random() * 0.03)  # the office's own pace
        await office.closes()
        told = f"seed {seed}, CCBS_SEED={seed} repeats what people do: {dict(office.done)}"
        print(told)
        await until(lambda: not w.service.orders(), within=20)
        await until(lambda: all(view.state == "free" for view in w.service.lines() if view.line in NUMBERS))
        accepted = Counter(step.order for step in w.steps if step.kind == "accepted")
        ended = Counter(step.order for step in w.steps if step.kind == "ended")
        assert accepted == ended, told
        assert set(ended.values()) <= {1}, told
        legs = {event.number: event.legs for event in w.events if isinstance(event, LineLegs)}
        assert not any(legs.values()), (told, legs)
        records = w.switch.calls.records()
        began = Counter(
            (e.number, e.dialled) for e in w.events if isinstance(e, Incoming) and e.from_trunk is None
        )
        kept = Counter((record.caller, record.callee) for record in records if not record.recall)
        # A transfer adds a record of the talk that comes of it, or of its failure.
        assert not began - kept, (told, began - kept)
        assert office.transfers or began == kept, (told, kept - began)
        assert office.done["calls"] > 5, told
