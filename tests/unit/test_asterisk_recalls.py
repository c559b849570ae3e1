"""Recalls through an Asterisk that does not take the call: what is used up by it, and what is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from ccbs.asterisk import Ari, Endpoints
from ccbs.asterisk.endings import Endings
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.player import Player
from ccbs.asterisk.recalls import Recalls
from ccbs.calls import CallLog
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import NotTried, RingFailed, RingOutcome


class Exchange:
    """An HTTP server that answers each call to be made with one status, and writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.message = {"message": "no"}
        self.silent = False
        self.contact = True
        self.waited: list[float] = []
        self.log = CallLog()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/ari/{what:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.ari = Ari(f"http://127.0.0.1:{self._runner.addresses[0][1]}", "ccbs", "secret", timeout=0.5)
        endpoints, directory = Endpoints(), Directory([Subscriber(number="102")])
        logger = logging.getLogger("ccbs.asterisk")
        self.recalls = Recalls(
            self.ari,
            "ccbs",
            "office",
            endpoints=endpoints,
            directory=directory,
            lines=AsteriskLines(endpoints, directory),
            player=Player(self.ari, "prompts", lambda number: "ru", logger=logger),
            endings=Endings(self.ari, logger=logger),
            name=lambda caller, callee: callee,
            contact=self.in_contact,
            contact_wait=1.5,
            log=self.log,
            clock=lambda: 0.0,
            logger=logger,
            settle=0.05,
        )

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def in_contact(self, timeout: float) -> bool:
        self.waited.append(timeout)
        return self.contact

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        if self.silent:
            await asyncio.sleep(60)
        return web.json_response(self.message, status=self.status)


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    await made.start()
    async with asyncio.timeout(20):
        yield made
    await made.ari.close()
    await made.stop()


def nothing_left(exchange: Exchange) -> bool:
    counters = exchange.recalls.counters()
    left = ("recall_legs_now", "recall_legs_doomed", "recall_legs_unanswered")
    return [counters[name] for name in left] == [0, 0, 0] and len(exchange.log) == 0


async def test_out_of_contact_nothing_is_asked_of_asterisk(exchange: Exchange) -> None:
    exchange.contact = False
    with pytest.raises(NotTried, match=r"no contact to Asterisk within 1\.5 s"):
        await exchange.recalls.ring("102", "101", 60.0)
    # Not as long as the phone would ring.
    assert exchange.waited == [1.5]
    assert exchange.asked == []
    assert nothing_left(exchange)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
async def test_a_call_that_asterisk_turns_away_was_not_tried(exchange: Exchange, status: int) -> None:
    exchange.status = status
    with pytest.raises(NotTried, match=f"{status} no"):
        await exchange.recalls.ring("102", "101", 5.0)
    assert exchange.asked == ["POST"]
    assert nothing_left(exchange)


async def test_a_request_that_finds_no_connection_was_not_tried(exchange: Exchange) -> None:
    await exchange.stop()
    with pytest.raises(NotTried, match="Asterisk is not reached"):
        await exchange.recalls.ring("102", "101", 5.0)
    assert nothing_left(exchange)


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        # So it answers for a phone that is not registered.
        (500, {"error": "Allocation failed"}, RingOutcome.UNREACHABLE),
        (500, {"message": "Internal error"}, RingOutcome.FAILED),
        # Of a proxy in between: it may have been carried out.
        (504, {}, RingOutcome.FAILED),
    ],
)
async def test_a_call_that_may_have_been_made_is_an_attempt(
    exchange: Exchange, status: int, message: dict[str, str], outcome: RingOutcome
) -> None:
    exchange.status, exchange.message = status, message
    with pytest.raises(RingFailed) as failed:
        await exchange.recalls.ring("102", "101", 5.0)
    assert failed.value.outcome is outcome


async def test_a_request_that_is_not_answered_is_an_attempt(exchange: Exchange) -> None:
    exchange.silent = True
    with pytest.raises(RingFailed) as failed:
        await exchange.recalls.ring("102", "101", 5.0)
    assert failed.value.outcome is RingOutcome.FAILED
    # It may still be carried out, and is then undone.
    assert exchange.recalls.counters()["recall_legs_unanswered"] == 1


async def test_a_number_that_is_nobodys_is_not_waited_for(exchange: Exchange) -> None:
    with pytest.raises(RingFailed) as failed:
        await exchange.recalls.ring("199", "101", 5.0)
    assert failed.value.outcome is RingOutcome.UNREACHABLE
    assert exchange.waited == []
