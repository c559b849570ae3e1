"""Callers whom the dialplan sends to us, when something goes wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from virtual_driver import until

from ccbs._ccbs import Closed
from ccbs.asterisk import Ari, Endpoints
from ccbs.asterisk.calls import DialplanCalls
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.player import Player
from ccbs.asterisk.visitors import Visitors
from ccbs.calls import CallLog
from ccbs.codes import OrderDesk
from ccbs.numbering import Numbering
from ccbs.subscribers import Directory, Subscriber

CHANNEL = {"id": "1.1", "name": "PJSIP/102-00000001", "state": "Ring"}


class Exchange(Ari):
    """Asterisk's requests; each is done."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", "user", "password")
        self.asked: list[tuple[str, ...]] = []

    async def request(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        within: float | None = None,
    ) -> Any:
        self.asked.append((method, *path))
        return {}


class Ended:
    """A service that has ended by a fault of its own: whatever it is asked, it raises."""

    def __getattr__(self, name: str) -> Any:
        def raises(*arguments: Any) -> None:
            raise Closed("the engine has ended")

        return raises


def visitors_of(exchange: Exchange) -> Visitors:
    service: Any = Ended()
    logger = logging.getLogger("ccbs.test")
    endpoints, directory = Endpoints(), Directory([Subscriber(number="102")])
    return Visitors(
        exchange,
        desk=OrderDesk(service),
        service=service,
        directory=directory,
        endpoints=endpoints,
        lines=AsteriskLines(endpoints, directory),
        calls=DialplanCalls(
            endpoints,
            directory,
            Numbering(["1XX"], []),
            groups=(),
            is_recall=lambda channel: False,
            log=CallLog(),
            clock=lambda: 0.0,
        ),
        player=Player(exchange, "prompts", lambda number: "ru", logger=logger),
        offer_digit=None,
        offer_wait=8.0,
        logger=logger,
    )


async def test_a_fault_of_ours_leaves_no_caller_on_an_open_line(caplog: pytest.LogCaptureFixture) -> None:
    exchange = Exchange()
    visitors = visitors_of(exchange)
    visitors.came(CHANNEL, ["set", "*37*101#"])
    await until(lambda: visitors.counters()["visitors_now"] == 0)
    assert exchange.asked == [
        ("POST", "channels", "1.1", "answer"),
        ("POST", "channels", "1.1", "continue"),
    ]
    assert visitors.counters()["visitors_failed"] == 1
    assert "PJSIP/102-00000001" in caplog.text
    assert "the engine has ended" in caplog.text


async def test_keys_that_nobody_looks_at_are_counted() -> None:
    exchange = Exchange()
    visitors = visitors_of(exchange)
    visitors.digit("1.1", "5")
    visitors.came(CHANNEL, ["gate", "101"])
    for _ in range(40):
        visitors.digit("1.1", "5")
    assert visitors.counters()["digits_dropped"] == 8
    await until(lambda: visitors.counters()["visitors_now"] == 0)
