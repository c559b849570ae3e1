"""Calls that the callee's phone diverts (3xx), over the SIP switch."""

from __future__ import annotations

import pytest
from sip_world import world
from virtual_driver import until

from ccbs.sip import Diversions


@pytest.mark.parametrize(
    ("diversions", "to", "status"),
    [
        ("internal", "103", 200),
        ("internal", "95551234", 480),
        ("any", "95551234", 200),
        ("off", "103", 480),
        ("any", "199", 404),
    ],
)
async def test_a_call_goes_where_the_policy_lets_it(diversions: Diversions, to: str, status: int) -> None:
    async with world(diversions=diversions) as w:
        w.phone("101").does = 302
        w.phone("101").diverts_to = to
        call = await w.phone("102").call("101")
        assert await call.status() == status
        if status == 200:
            there = w.phone("103" if to == "103" else "far")
            seen = await there.rings()
            assert seen.shown_number == "102"
            w.phone("102").hang_up(call)
            await until(seen.ended.is_set)
        (record,) = await w.logged(1)
        assert record.caller == "102"
        assert (record.answered is not None) == (status == 200)
        assert w.switch.counters()["diversions_refused"] == (status == 480)
        await w.lines(n101="free", n102="free", n103="free")


async def test_a_call_diverted_to_a_busy_phone_lets_the_caller_order() -> None:
    async with world() as w:
        w.phone("101").does = 302
        w.phone("101").diverts_to = "103"
        w.phone("103").does = 486
        assert await (await w.phone("102").call("101")).status() == 486
        code = await w.phone("102").call("*37#")
        await until(code.ended.is_set)
        (order,) = w.service.orders()
        assert order.callee == "103"


async def test_a_recall_follows_its_callee() -> None:
    async with world() as w:
        await w.order()
        w.phone("101").does = 302
        w.phone("101").diverts_to = "103"
        w.cb_timer()
        recall = await w.phone("102").rings()
        seen = await w.phone("103").rings()
        assert seen.shown_number == "102"
        await until(lambda: not w.service.orders())
        w.phone("103").hang_up(seen)
        await until(recall.ended.is_set)


async def test_a_recall_that_may_not_follow_its_callee() -> None:
    async with world() as w:
        await w.order()
        w.phone("101").does = 302
        w.phone("101").diverts_to = "95551234"
        w.cb_timer()
        assert (await w.told("attempt-failed")).failure == "callee-unreachable"
        assert w.switch.counters()["diversions_refused"] == 1


@pytest.mark.parametrize(
    ("of_all", "of_trunk", "to", "status"),
    [
        ("any", "off", "103", 480),
        ("off", "internal", "103", 200),
        ("off", "internal", "5559999", 480),
        ("off", "any", "5559999", 200),
        ("internal", None, "103", 200),
        ("off", None, "103", 480),
    ],
)
async def test_a_trunk_has_a_rule_of_its_own(
    of_all: Diversions, of_trunk: Diversions | None, to: str, status: int
) -> None:
    async with world(diversions=of_all, trunk_diversions=of_trunk) as w:
        far = w.phone("far")
        far.does, far.diverts_to = 302, to
        call = await w.phone("102").call("95551234")
        assert await call.status() == status
        dialled = [(await far.rings()).invite.start.split()[1] for _ in range(far.incoming.qsize())]
        assert (f"sip:5559999@{far.address[0]}:{far.address[1]}" in dialled) == (
            to == "5559999" and status == 200
        )
        w.phone("102").hang_up(call)
        await w.lines(n102="free", n103="free")
        # A phone of ours is not meant by it.
        w.phone("101").does, w.phone("101").diverts_to = 302, "103"
        assert await (await w.phone("102").call("101")).status() == (480 if of_all == "off" else 200)
