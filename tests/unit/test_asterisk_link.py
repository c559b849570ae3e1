"""The stream of events kept up: filter first, bounded queue, watchdog, waits between connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, encode_basic_auth, web

from ccbs.asterisk import Ari, AriRefused, AriUnreachable, Link

USER, PASSWORD = "ccbs", "secret"
TYPES = ("Dial", "StasisStart")


class Exchange:
    """An HTTP server with as much of ARI as the link asks for; what it is asked is written down."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.streams: list[web.WebSocketResponse] = []
        self.connected = asyncio.Event()
        self.refusing = False
        self.silent = asyncio.Event()
        self.filter: list[dict[str, str]] = []
        self.filtered = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ari/events", self.events)
        app.router.add_put("/ari/applications/ccbs/eventFilter", self.set_filter)
        app.router.add_delete("/ari/applications/ccbs/subscription", self.leave)
        app.router.add_get("/ari/applications/ccbs", self.application)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        for stream in self.streams:
            await stream.close()
        await self._runner.cleanup()

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("events")
        if self.silent.is_set():
            await asyncio.sleep(60)
        if request.headers["Authorization"] != encode_basic_auth(USER, PASSWORD):
            return web.json_response({"message": "Authentication required"}, status=401)
        if self.refusing:
            return web.json_response({"message": "not now"}, status=503)
        assert request.query == {"app": "ccbs", "subscribeAll": "true"}
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self.streams.append(stream)
        self.connected.set()
        async for message in stream:
            assert message.type is WSMsgType.TEXT
        return stream

    async def set_filter(self, request: web.Request) -> web.Response:
        self.asked.append("filter")
        self.filter = (await request.json())["allowed"]
        self.filtered.set()
        return web.json_response({})

    async def leave(self, request: web.Request) -> web.Response:
        self.asked.append(f"leave {request.query['eventSource']}")
        return web.json_response({"message": "Event source was not subscribed to"}, status=422)

    async def application(self, request: web.Request) -> web.Response:
        self.asked.append("application")
        if self.silent.is_set():
            await asyncio.sleep(60)
        return web.json_response({"name": "ccbs", "events_allowed": self.filter})

    async def send(self, *events: Any) -> None:
        for event in events:
            await self.streams[-1].send_str(event if isinstance(event, str) else json.dumps(event))


class Told:
    """Who is told by the link."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.reads = 0
        self.lost = 0
        self.waits: list[float] = []
        self.changed = asyncio.Event()

    def handle(self, event: dict[str, Any]) -> None:
        if event.get("raise"):
            raise KeyError("no such call")
        self.events.append(event.get("n"))
        self.changed.set()

    async def read_state(self) -> None:
        self.reads += 1
        self.changed.set()

    def on_lost(self) -> None:
        self.lost += 1
        self.changed.set()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.changed.set()
        await asyncio.sleep(0)

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(10.0):
            while not what():
                self.changed.clear()
                await self.changed.wait()


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    await exchange.start()
    yield exchange
    await exchange.stop()


@pytest_asyncio.fixture
async def told() -> Told:
    return Told()


def link_to(exchange: Exchange, told: Told, **options: Any) -> tuple[Link, Ari]:
    ari = Ari(f"http://127.0.0.1:{exchange.port}/", USER, options.pop("password", PASSWORD), timeout=2.0)
    given: dict[str, Any] = {"sleep": told.sleep, "jitter": lambda: 0.0, "watch": 60.0} | options
    link = Link(
        ari,
        "ccbs",
        types=TYPES,
        handle=told.handle,
        read_state=told.read_state,
        on_lost=told.on_lost,
        **given,
    )
    return link, ari


async def test_filter_is_set_and_device_states_left_before_anything_else(
    exchange: Exchange, told: Told
) -> None:
    link, ari = link_to(exchange, told)
    link.start()
    assert await link.contact(5.0)
    assert exchange.asked == ["events", "filter", "leave deviceState:"]
    assert exchange.filter == [{"type": name} for name in TYPES]
    assert told.reads == 1
    await exchange.send({"type": "Dial", "n": 1}, {"type": "StasisStart", "n": 2})
    await told.until(lambda: told.events == [1, 2])
    await link.stop()
    await ari.close()


async def test_what_cannot_be_understood_or_dealt_with_is_counted(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told)
    link.start()
    await link.contact(5.0)
    await exchange.send(
        "no json", "[]", '{"type": 5}', {"type": "Dial", "raise": True}, {"type": "Dial", "n": 7}
    )
    await told.until(lambda: told.events == [7])
    counters = link.counters()
    assert (counters["ari_events"], counters["ari_events_malformed"], counters["ari_handler_errors"]) == (
        5,
        3,
        1,
    )
    assert counters["ari_losses"] == 0
    await link.stop()
    await ari.close()


async def test_who_falls_behind_drops_all_and_reads_the_state_anew(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told, queue=10)
    link.start()
    await link.contact(5.0)
    await exchange.send(*({"type": "Dial", "n": n} for n in range(5_000)))
    await exchange.send({"type": "Dial", "n": "last"})
    await told.until(lambda: told.events[-1:] == ["last"])
    counters = link.counters()
    assert counters["ari_events_dropped"] > 0
    assert counters["ari_events_dropped"] + counters["ari_events"] == 5_001
    assert told.reads > 1
    assert told.lost == 0
    await link.stop()
    await ari.close()


async def test_a_lost_stream_is_told_and_made_anew(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told)
    link.start()
    await link.contact(5.0)
    await exchange.streams[-1].close()
    await told.until(lambda: told.reads == 2)
    assert told.lost == 1
    assert exchange.asked == ["events", "filter", "leave deviceState:"] * 2
    await link.stop()
    await ari.close()


@pytest.mark.parametrize(("jitter", "part"), [(0.0, 1.0), (1.0, 0.5)])
async def test_waits_double_up_to_the_longest(
    exchange: Exchange, told: Told, jitter: float, part: float
) -> None:
    exchange.refusing = True
    link, ari = link_to(exchange, told, first_wait=0.25, longest_wait=2.0, jitter=lambda: jitter)
    link.start()
    await told.until(lambda: len(told.waits) >= 6)
    assert told.waits[:6] == [wait * part for wait in (0.25, 0.5, 1.0, 2.0, 2.0, 2.0)]
    assert "503" in (link.trouble or "")
    assert told.lost == 0
    exchange.refusing = False
    assert await link.contact(5.0)
    told.waits.clear()
    await exchange.streams[-1].close()
    await told.until(lambda: bool(told.waits))
    assert told.waits[0] == 0.25 * part
    await link.stop()
    await ari.close()


async def test_the_watchdog_gives_up_an_exchange_that_does_not_answer(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told, watch=0.05, answer_within=0.2)
    link.start()
    await link.contact(5.0)
    exchange.silent.set()
    await told.until(lambda: told.lost == 1)
    exchange.silent.clear()
    await told.until(lambda: told.reads >= 2)
    await link.stop()
    await ari.close()


async def test_the_watchdog_sets_a_filter_that_went_lost(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told, watch=0.02)
    link.start()
    await link.contact(5.0)
    exchange.filter = []
    exchange.filtered.clear()
    await asyncio.wait_for(exchange.filtered.wait(), 5.0)
    assert exchange.filter == [{"type": name} for name in TYPES]
    assert told.lost == 0
    await link.stop()
    await ari.close()


async def test_a_wrong_password_is_told(exchange: Exchange, told: Told) -> None:
    link, ari = link_to(exchange, told, password="wrong")
    link.start()
    await link.tried()
    assert not link.in_contact
    assert "401" in (link.trouble or "")
    await link.stop()
    await ari.close()


async def test_nobody_there_and_an_error_are_two_things(exchange: Exchange) -> None:
    ari = Ari(f"http://127.0.0.1:{exchange.port}", USER, PASSWORD)
    with pytest.raises(AriRefused, match="404") as refused:
        await ari.request("GET", "no/such thing")
    assert refused.value.status == 404
    await ari.close()
    await exchange.stop()
    with pytest.raises(AriUnreachable):
        await ari.request("GET", "applications", "ccbs")
    await exchange.start()
    assert ari.counters() == {"ari_requests": 2, "ari_refused": 1, "ari_unreachable": 1}
    await ari.close()


async def test_a_stream_that_does_not_open_in_time_is_told(exchange: Exchange) -> None:
    exchange.silent.set()
    ari = Ari(f"http://127.0.0.1:{exchange.port}", USER, PASSWORD, timeout=0.05)
    try:
        with pytest.raises(AriUnreachable, match="TimeoutError"):
            async with ari.events("ccbs"):
                pass
    finally:
        await ari.close()
