"""Phones that fall silent: over real sockets, lines, calls and orders follow."""

from __future__ import annotations

from types import MappingProxyType

from sip_world import world
from virtual_driver import until

from ccbs import Profile

ASKED = MappingProxyType({"qualify_s": 1, "probe_s": 0, "session_s": 0, "t1_ms": 50})
"""Phones are asked each second by OPTIONS alone; 3.2 s without an answer are silence."""


async def test_a_phone_that_does_not_answer_options_is_not_logged_in_until_it_does() -> None:
    async with world(limits=ASKED) as w:
        w.service.allow("102", Profile.ccbs(callee_idle_guard_s=0))
        lost, caller = w.phone("101"), w.phone("102")
        lost.deaf = True
        await until(lambda: w.switch.registered("101") == 0, within=10)
        call = await caller.call("101")
        assert await call.status() == 480
        assert lost.incoming.empty()
        code = await caller.call("*37%23")
        await until(code.ended.is_set)
        (order,) = w.service.orders()
        assert (order.kind, order.state) == ("NL", "watching")
        await w.lines(n101="free", n102="free")
        lost.deaf = False
        await caller.rings()
        assert (await lost.rings()).shown_number == "102"
        assert (await w.told("ended")).reason == "completed"
        assert w.switch.counters()["qualify.reached"] >= 1


async def test_the_calls_of_a_phone_that_does_not_answer_options_end_and_its_line_is_free() -> None:
    async with world(limits=ASKED) as w:
        w.service.allow("102", Profile.ccbs(callee_idle_guard_s=0))
        talk = await w.phone("104").call("101")
        assert await talk.status() == 200
        assert await (await w.phone("102").call("101")).status() == 486
        code = await w.phone("102").call("*37*101%23")
        await until(code.ended.is_set)
        await w.lines(n101="busy", n104="busy", n102="free")
        w.phone("104").deaf = True
        (at_callee,) = [call for call in w.phone("101").calls.values() if call.final.done()]
        await until(at_callee.ended.is_set, within=15)
        await w.lines(n101="free", n104="free")
        assert w.switch.registered("104") == 0
        await w.phone("102").rings()
        assert (await w.told("ended")).reason == "completed"
        records = [(record.caller, record.callee, record.cause) for record in w.switch.calls.records()]
        assert records.count(("104", "101", "answered")) == 1
