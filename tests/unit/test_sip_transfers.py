"""Transfers over the SIP switch: records, offers and lines stay right."""

from __future__ import annotations

from sip_world import World, world
from udp_phone import PhoneCall
from virtual_driver import until

from ccbs.sip import Call, Decision, Dial, Reject


async def _talk(w: World, caller: str, callee: str) -> tuple[PhoneCall, PhoneCall]:
    """The call as its caller and as its callee has it."""
    call = await w.phone(caller).call(callee)
    assert await call.status() == 200
    seen = await w.phone(callee).rings()
    await until(seen.acknowledged.is_set)
    return call, seen


async def test_a_blind_transfer_frees_the_line_and_leaves_two_records() -> None:
    async with world() as w:
        call, seen = await _talk(w, "101", "102")
        assert await w.phone("102").refer(seen, "103") == 202
        third = await w.phone("103").rings()
        assert (third.shown_number, third.shown_name) == ("101", "Name 101")
        await until(seen.ended.is_set)
        assert seen.told == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]
        await w.lines(n101="busy", n102="free", n103="busy")
        w.phone("103").hang_up(third)
        await until(call.ended.is_set)
        first, second = await w.logged(2)
        assert (first.caller, first.callee, first.cause) == ("101", "102", "answered")
        assert (second.caller, second.callee, second.cause) == ("101", "103", "answered")
        assert second.answered is not None
        assert w.switch.counters()["transfers"] == 1


async def test_a_transfer_to_a_busy_number_lets_the_transferred_one_order() -> None:
    async with world() as w:
        w.phone("101").does = 486
        call, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "101") == 202
        await until(lambda: seen.told[-1:] == ["SIP/2.0 486 Busy Here"])
        await w.lines(n102="busy", n104="busy")
        (failed,) = await w.logged(1)
        assert (failed.caller, failed.callee, failed.cause) == ("102", "101", "busy")
        w.phone("104").hang_up(seen)
        await until(call.ended.is_set)
        code = await w.phone("102").call("*37#")
        await until(code.ended.is_set)
        assert len(w.service.orders()) == 1
        code = await w.phone("104").call("*37#")
        await until(code.ended.is_set)
        assert len(w.service.orders()) == 1, "who transferred was refused nothing"


async def test_a_transfer_that_may_not_be_diverted() -> None:
    async with world() as w:
        w.phone("101").does = 302
        w.phone("101").diverts_to = "95551234"
        _, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "101") == 202
        await until(lambda: seen.told[-1:] == ["SIP/2.0 480 Temporarily Unavailable"])
        assert w.switch.counters()["diversions_refused"] == 1


async def test_a_transfer_that_is_diverted_leaves_the_record_of_the_talk_before_it() -> None:
    async with world() as w:
        w.phone("101").does = 302
        w.phone("101").diverts_to = "103"
        call, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "101") == 202
        third = await w.phone("103").rings()
        await until(seen.ended.is_set)
        w.phone("103").hang_up(third)
        await until(call.ended.is_set)
        records = [(r.caller, r.callee, r.cause) for r in await w.logged(2)]
        assert records == [("102", "104", "answered"), ("102", "103", "answered")]
        assert w.switch.counters()["decisions_failed"] == 0


async def test_a_transfer_of_which_the_service_can_make_nothing() -> None:
    async with world(diversions="any") as w:
        w.phone("far").does = 486
        call, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "9" * 300) == 202
        await until(lambda: seen.told[-1:] == ["SIP/2.0 486 Busy Here"])
        assert w.switch.counters()["facts_refused"] == 1
        w.phone("102").hang_up(call)


async def test_a_transfer_that_the_endpoint_does_not_take() -> None:
    async def route(call: Call) -> Decision:
        return Dial(number=call.dialled, timeout=-1.0 if call.transferred_by else None)

    async with world(route=route) as w:
        call, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "101") == 202
        await until(lambda: w.switch.counters()["transfer_decisions_failed"] == 1)
        w.phone("102").hang_up(call)


async def test_an_attended_transfer_frees_both_lines_of_who_transfers() -> None:
    async with world() as w:
        call, _ = await _talk(w, "103", "101")
        consult, third = await _talk(w, "103", "104")
        assert await w.phone("103").attend(call, consult) == 202
        await until(call.ended.is_set)
        await until(consult.ended.is_set)
        await w.lines(n101="busy", n103="free", n104="busy")
        w.phone("104").hang_up(third)
        await w.lines(n101="free", n104="free")
        records = [(r.caller, r.callee, r.cause) for r in await w.logged(3)]
        assert records == [("103", "101", "answered"), ("103", "104", "answered"), ("101", "104", "answered")]


async def test_a_transferor_that_has_hung_up_is_rung_when_the_transfer_fails() -> None:
    async with world() as w:
        w.phone("101").does = "ring"
        call, seen = await _talk(w, "102", "104")
        assert await w.phone("104").refer(seen, "101") == 202
        ringing = await w.phone("101").rings()
        w.phone("104").hang_up(seen)
        await w.lines(n104="free")
        w.phone("101")._answer(ringing.invite, 603, ringing.tag)
        back = await w.phone("104").rings()
        assert back.shown_number == "102"
        await w.lines(n102="busy", n104="busy", n101="free")
        await until(lambda: w.switch.counters()["transfers"] == 1)
        w.phone("102").hang_up(call)
        await until(back.ended.is_set)
        records = [(r.caller, r.callee, r.cause) for r in await w.logged(3)]
        assert sorted(records) == [
            ("102", "101", "declined"),
            ("102", "104", "answered"),
            ("102", "104", "answered"),
        ]


async def test_a_recall_may_be_transferred() -> None:
    async with world() as w:
        await w.order()
        w.cb_timer()
        recall = await w.phone("102").rings()
        seen = await w.phone("101").rings()
        await until(seen.acknowledged.is_set)
        await until(lambda: not w.service.orders())
        assert await w.phone("101").refer(seen, "103") == 202
        third = await w.phone("103").rings()
        assert third.shown_number == "102"
        await until(seen.ended.is_set)
        await w.lines(n101="free", n102="busy", n103="busy")
        w.phone("103").hang_up(third)
        await until(recall.ended.is_set)
        await w.lines(n102="free", n103="free")
        last, moved = w.switch.calls.records()[-2:]
        assert (last.caller, last.callee, last.recall, last.cause) == ("102", "101", True, "answered")
        assert (moved.caller, moved.callee, moved.recall, moved.cause) == ("102", "103", False, "answered")


async def test_the_route_says_where_a_transferred_party_goes() -> None:
    asked: list[Call] = []

    async def route(call: Call) -> Decision:
        asked.append(call)
        return Reject(403) if call.dialled == "199" else Dial(number=call.dialled)

    async with world(route=route) as w:
        call, seen = await _talk(w, "101", "102")
        assert await w.phone("102").refer(seen, "199") == 202
        await until(lambda: seen.told[-1:] == ["SIP/2.0 403 Forbidden"])
        transfer = asked[-1]
        assert (transfer.number, transfer.dialled, transfer.transferred_by) == ("101", "199", "102")
        assert transfer.subscriber is not None
        assert transfer.subscriber.number == "102"
        w.phone("101").hang_up(call)
        await until(seen.ended.is_set)
        await w.lines(n101="free", n102="free")
