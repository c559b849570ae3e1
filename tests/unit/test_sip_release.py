"""Profile ccbs over the SIP switch: what the phones do drives the recall."""

from __future__ import annotations

from sip_world import NUMBERS, world
from virtual_driver import until

from ccbs import Profile


async def test_the_release_of_the_callee_brings_the_recall_after_its_guard() -> None:
    async with world() as w:
        w.service.allow("102", Profile.ccbs())
        await w.order()
        await w.told("callee-free")
        w.driver.advance(4.9)
        assert w.service.orders()[0].state == "callee-guard"
        w.driver.advance(0.1)
        rung = await w.phone("102").rings()
        assert rung.shown_number == "101"
        assert (await w.phone("101").rings()).shown_number == "102"
        assert (await w.told("ended")).reason == "completed"


async def test_a_callee_without_a_phone_is_called_when_it_has_one() -> None:
    registered = tuple(number for number in NUMBERS if number != "104")
    async with world(registered=registered) as w:
        w.service.allow("102", Profile.ccbs(callee_idle_guard_s=0))
        assert await (await w.phone("102").call("104")).status() == 480
        key = await w.phone("102").call("*37%23")
        await until(key.ended.is_set)
        (order,) = w.service.orders()
        assert (order.kind, order.state) == ("NL", "watching")
        await w.lines(n102="free")
        assert await w.phone("104").register() == 200
        await w.phone("102").rings()
        assert (await w.phone("104").rings()).shown_number == "102"
        assert (await w.told("ended")).reason == "completed"
