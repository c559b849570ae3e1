"""Legs of recalls: a request that is late, crossed or never answered; channels that do not end at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from ccbs.asterisk import Ari, AriRefused
from ccbs.asterisk.endings import Endings
from ccbs.asterisk.legs import MARK, Legs
from ccbs.asterisk.recall_leg import RecallLeg

CHANNEL = "1700000000.7"
LOG = logging.getLogger("test")


class Channels:
    """An HTTP server with as much of ARI's channels as legs ask for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.status = 200
        self.ended: list[str] = []
        self.end_status = 204
        self.marks: dict[str, str] = {}

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/ari/channels", self.originate)
        app.router.add_delete("/ari/channels/{id}", self.end)
        app.router.add_get("/ari/channels/{id}/variable", self.variable)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def originate(self, request: web.Request) -> web.Response:
        self.marks[CHANNEL] = (await request.json())["variables"][MARK]
        assert request.query["appArgs"].endswith(self.marks[CHANNEL])
        assert "channelId" not in request.query
        self.asked.set()
        await self.answer.wait()
        # So it answers for a phone that is not registered.
        found = {"id": CHANNEL} if self.status == 200 else {"error": "Allocation failed"}
        return web.json_response(found, status=self.status)

    async def end(self, request: web.Request) -> web.Response:
        self.ended.append(request.match_info["id"])
        return web.json_response({"message": "no"}, status=self.end_status)

    async def variable(self, request: web.Request) -> web.Response:
        assert request.query["variable"] == MARK
        return web.json_response({"value": self.marks.get(request.match_info["id"], "")})


class Bench:
    """Legs over that server."""

    def __init__(self, server: Channels, url: str) -> None:
        self.server = server
        self.now = 1_000.0
        self.ari = Ari(url, "ccbs", "secret", timeout=0.5)
        self.endings = Endings(self.ari, logger=LOG, clock=lambda: self.now)
        self.gone: list[tuple[RecallLeg, int]] = []
        self.legs = Legs(
            self.ari, "ccbs", endings=self.endings, on_end=self.end, logger=LOG, clock=lambda: self.now
        )

    def end(self, leg: RecallLeg, cause: int) -> None:
        if self.legs.remove(leg):
            leg.gone.set_result(cause)
            self.gone.append((leg, cause))

    def ring(self) -> tuple[RecallLeg, asyncio.Task[None]]:
        leg = RecallLeg("102", "101", 0.0)
        self.legs.add(leg)
        return leg, asyncio.ensure_future(self.legs.originate(leg, "102", "<101>", 5.0))


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    server = Channels()
    bench = Bench(server, await server.start())
    yield bench
    server.answer.set()
    await bench.ari.close()
    await server.stop()


async def test_the_answer_tells_the_channel(bench: Bench) -> None:
    bench.server.answer.set()
    leg, ring = bench.ring()
    await ring
    assert (leg.channel, bench.legs.find(CHANNEL)) == (CHANNEL, leg)
    bench.legs.destroyed(CHANNEL, 17)
    assert bench.gone == [(leg, 17)]
    assert bench.legs.find(CHANNEL) is None


async def test_a_channel_that_goes_before_the_answer_is_not_waited_for(bench: Bench) -> None:
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    bench.legs.destroyed("1700000000.6", 16)
    bench.legs.destroyed(CHANNEL, 17)
    bench.server.answer.set()
    await ring
    assert bench.gone == [(leg, 17)]


async def test_a_channel_that_is_answered_before_the_answer_is_known(bench: Bench) -> None:
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    assert bench.legs.started(CHANNEL, leg.mark) is leg
    assert bench.legs.find(CHANNEL) is leg
    bench.server.answer.set()
    await ring
    assert bench.gone == []


async def test_what_comes_of_a_request_that_was_cancelled_is_ended(bench: Bench) -> None:
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    ring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ring
    giving_up = asyncio.ensure_future(bench.legs.give_up(leg, 16, settle=0.4))
    await asyncio.sleep(0)
    # Answered meanwhile, it is nobody's.
    assert bench.legs.started(CHANNEL, leg.mark) is None
    assert bench.server.ended == []
    bench.server.answer.set()
    await giving_up
    assert bench.server.ended == [CHANNEL]
    assert bench.legs.started(CHANNEL, leg.mark) is None
    # Until Asterisk has told its end.
    assert CHANNEL in bench.endings


async def test_what_comes_of_a_request_that_was_not_answered_is_known_by_its_mark(bench: Bench) -> None:
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    ring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ring
    await bench.legs.give_up(leg, 16, settle=0.01)
    assert bench.gone == [(leg, 0)]
    assert not bench.legs.is_awaited("PJSIP/103-0000002a")
    assert bench.legs.is_awaited("PJSIP/102-0000002a")
    assert not await bench.legs.identify("1700000000.8"), "it has no mark"
    assert bench.server.ended == []
    assert not await bench.legs.identify(CHANNEL), "it is ours"
    assert bench.server.ended == [CHANNEL]
    assert not bench.legs.is_awaited("PJSIP/102-0000002a")


async def test_an_answer_that_comes_too_late_ends_its_channel(bench: Bench) -> None:
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    ring.cancel()
    await bench.legs.give_up(leg, 16, settle=0.01)
    bench.server.answer.set()
    assert leg.asking is not None
    await leg.asking
    assert bench.server.ended == [CHANNEL]


async def test_a_refusal_leaves_nothing_to_wait_for(bench: Bench) -> None:
    bench.server.status = 500
    bench.server.answer.set()
    _, ring = bench.ring()
    with pytest.raises(AriRefused, match="Allocation failed"):
        await ring
    assert not bench.legs.is_awaited("PJSIP/102-0000002a")


async def test_a_channel_of_a_process_that_died_is_ended_and_that_of_a_living_leg_is_not(
    bench: Bench,
) -> None:
    bench.server.marks["1700000000.9"] = "of-another-process"
    assert await bench.legs.identify("1700000000.9")
    assert bench.server.ended == ["1700000000.9"]
    leg, ring = bench.ring()
    await bench.server.asked.wait()
    assert not await bench.legs.identify(CHANNEL)
    assert bench.server.ended == ["1700000000.9"]
    assert leg.channel == CHANNEL
    bench.server.answer.set()
    await ring


@pytest.mark.parametrize(
    ("name", "state", "exten", "application", "may_be"),
    [
        # So Asterisk 22 shows one that it rings for an originate.
        ("PJSIP/102-0000002a", "Ringing", "s", "AppDial2", True),
        ("PJSIP/102-0000002a", "Down", "", "", True),
        ("PJSIP/102-0000002a", "Up", "s", "AppDial2", False),
        ("PJSIP/102-0000002a", "Ring", "101", "Dial", False),
        ("PJSIP/102-0000002a", "Ringing", "", "AppDial", False),
        ("Local/101@office-00000001;1", "Ringing", "s", "AppDial2", False),
    ],
)
async def test_which_channels_may_be_legs(
    bench: Bench, name: str, state: str, exten: str, application: str, may_be: bool
) -> None:
    channel = {"name": name, "state": state, "dialplan": {"exten": exten, "app_name": application}}
    assert bench.legs.may_be_ours(CHANNEL, channel) is may_be


async def test_a_channel_that_was_not_ended_is_tried_again(bench: Bench) -> None:
    bench.server.end_status = 500
    assert not await bench.endings.hang_up(CHANNEL)
    assert CHANNEL in bench.endings
    bench.server.end_status = 204
    await bench.endings.again()
    assert bench.server.ended == [CHANNEL, CHANNEL]
    bench.endings.gone(CHANNEL)
    await bench.endings.again()
    assert bench.server.ended == [CHANNEL, CHANNEL]


async def test_a_channel_that_asterisk_does_not_know_may_still_come_for_a_minute(bench: Bench) -> None:
    bench.server.end_status = 404
    assert await bench.endings.hang_up(CHANNEL), "gone is no error"
    bench.endings.doom(CHANNEL)
    bench.now += 59.0
    await bench.endings.again()
    assert CHANNEL in bench.endings
    bench.now += 1.0
    await bench.endings.again()
    assert CHANNEL not in bench.endings
