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


async def test_do_not_disturb_is_asked_again_after_growing_waits_and_never_spun_on() -> None:
    # 486 of a phone whose line is idle: busy without a release to wait for.
    async with world() as w:
        w.phone("101").does = 486
        w.service.allow(
            "102",
            Profile.ccbs(callee_idle_guard_s=0, caller_free_guard_s=0, poll_first_s=60, poll_longest_s=240),
        )
        assert await (await w.phone("102").call("101")).status() == 486
        code = await w.phone("102").call("*37%23")
        await until(code.ended.is_set)
        await w.lines(n101="free", n102="free")
        (order,) = w.service.orders()
        await w.phone("101").rings()
        for wait in (60, 120, 240, 240):
            recall = await w.phone("102").rings()
            assert (await w.phone("101").rings()).final.result() == 486
            await until(recall.ended.is_set)
            await w.lines(n101="free", n102="free")
            await until(lambda: w.service.orders()[0].state == "retrying")
            w.driver.advance(wait - 1)
            assert w.service.orders()[0].state == "retrying"
            assert w.phone("102").incoming.empty()
            w.driver.advance(1)
        w.phone("101").does = "answer"
        await w.phone("102").rings()
        assert (await w.told("ended")).reason == "completed"
        assert order.kind == "BS"


async def test_do_not_disturb_in_profile_autodial_is_a_matter_of_the_cb_timer() -> None:
    async with world() as w:
        w.phone("101").does = 486
        assert await (await w.phone("102").call("101")).status() == 486
        code = await w.phone("102").call("*37%23")
        await until(code.ended.is_set)
        await w.lines(n101="free", n102="free")
        await w.phone("101").rings()
        for _ in range(3):
            # The CB timer runs from the order, and then from the end of each attempt.
            await until(lambda: w.service.orders()[0].due == w.driver.now + 10_000)
            assert w.phone("102").incoming.empty()
            w.cb_timer()
            recall = await w.phone("102").rings()
            assert (await w.phone("101").rings()).final.result() == 486
            await until(recall.ended.is_set)
            await w.lines(n101="free", n102="free")
        assert (await w.told("ended")).reason == "attempts-exhausted"


async def test_a_phone_that_un_registers_in_a_call_frees_both_lines_and_the_recall_comes() -> None:
    async with world() as w:
        w.service.allow("102", Profile.ccbs(callee_idle_guard_s=0))
        talk = await w.phone("104").call("101")
        assert await talk.status() == 200
        assert await (await w.phone("102").call("101")).status() == 486
        code = await w.phone("102").call("*37*101%23")
        await until(code.ended.is_set)
        await w.lines(n101="busy", n104="busy", n102="free")
        assert await w.phone("104").register(expires=0) == 200
        await until(talk.ended.is_set)
        await w.lines(n104="free")
        await w.phone("102").rings()
        assert (await w.told("ended")).reason == "completed"
