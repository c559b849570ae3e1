"""A SIP switch with the real endpoint, small phones on the loopback, and the CB timer moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from silence import wav
from udp_phone import UdpPhone
from virtual_driver import VirtualDriver, until

from ccbs import CallbackService, Profile, prompts
from ccbs._ccbs import SipEndpoint, SipEvent, Step
from ccbs.calls import CallRecord
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.sip import Diversions, Route, SipSwitch, Trunk
from ccbs.subscribers import Directory, Subscriber, ha1_md5, ha1_sha256

REALM = "test"
NUMBERS = ("101", "102", "103", "104")


def subscriber(number: str) -> Subscriber:
    """101 callee, 102 orders, 103 English with call waiting and ordering, 104 keeps 101 in conversation."""
    return Subscriber(
        number=number,
        name=f"Name {number}",
        ha1_md5=ha1_md5(number, REALM, f"secret{number}"),
        ha1_sha256=ha1_sha256(number, REALM, f"secret{number}"),
        call_waiting=number == "103",
        profile=Profile.autodial() if number in ("102", "103") else None,
        language="en" if number == "103" else "ru",
    )


class World:
    """A switch, its phones, and one trunk with everything behind it."""

    def __init__(self, switch: SipSwitch, service: CallbackService, driver: VirtualDriver) -> None:
        self.switch = switch
        self.service = service
        self.driver = driver
        self.phones: dict[str, UdpPhone] = {}
        self.steps: list[Step] = []
        self.events: list[SipEvent] = []
        self.closed: list[str] = []

    def phone(self, number: str) -> UdpPhone:
        return self.phones[number]

    async def lines(self, **expected: str) -> None:
        """Wait until the service knows the lines so."""
        await until(
            lambda: (
                {f"n{view.line}": view.state for view in self.service.lines() if f"n{view.line}" in expected}
                == expected
            )
        )

    async def logged(self, count: int) -> list[CallRecord]:
        """Wait for so many records in the call log."""
        await until(lambda: len(self.switch.calls) >= count)
        assert len(self.switch.calls) == count
        return self.switch.calls.records()

    async def told(self, kind: str) -> Step:
        """Wait for a step of an order."""
        await until(lambda: any(step.kind == kind for step in self.steps))
        return next(step for step in self.steps if step.kind == kind)

    async def order(self, caller: str = "102", callee: str = "101") -> None:
        """``caller`` finds ``callee`` in conversation with 104 and orders; then all hang up."""
        talk = await self.phone("104").call(callee)
        assert await talk.status() == 200
        assert await (await self.phone(caller).call(callee)).status() == 486
        code = await self.phone(caller).call(f"*37*{callee}%23")
        assert await code.status() == 200
        await until(code.ended.is_set)
        self.phone("104").hang_up(talk)
        await until(lambda: len(self.service.orders()) == 1)
        await self.lines(**{f"n{callee}": "free", "n104": "free", f"n{caller}": "free"})
        for phone in self.phones.values():
            while not phone.incoming.empty():
                phone.incoming.get_nowait()

    def cb_timer(self, seconds: float = 10) -> None:
        """The CB timer expires."""
        self.driver.advance(seconds)


@contextlib.asynccontextmanager
async def world(
    *,
    route: Route | None = None,
    route_timeout: float = 3.0,
    diversions: Diversions = "internal",
    trunk_diversions: Diversions | None = None,
    registered: Sequence[str] = NUMBERS,
    strip: bool = True,
    languages: Sequence[str] = ("ru", "en"),
    on_event: Callable[[SipEvent], None] | None = None,
    handler_errors: bool = False,
    limits: Mapping[str, Any] = MappingProxyType({}),
    rtp_ports: tuple[int, int] = (40_000, 40_998),
    within: float = 30.0,
) -> AsyncIterator[World]:
    steps: list[Step] = []
    events: list[SipEvent] = []
    closed: list[str] = []
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm=REALM, rtp_ports=rtp_ports, **limits)
    far = await UdpPhone.start("5551234", None, endpoint.local_address, "127.0.0.2")
    switch = SipSwitch(
        endpoint,
        directory=Directory(subscriber(number) for number in NUMBERS),
        numbering=Numbering(["1XX"], [ExternalPrefix("9", "city", strip=strip)]),
        trunks=[
            Trunk(
                name="city",
                host=far.address[0],
                port=far.address[1],
                trusted=True,
                diversions=trunk_diversions,
            )
        ],
        prompts={language: {name: wav() for name in prompts.names()} for language in languages},
        route=route,
        route_timeout=route_timeout,
        diversions=diversions,
        on_event=on_event or events.append,
        on_closed=lambda: closed.append("endpoint"),
    )
    driver = VirtualDriver()
    service = CallbackService(switch, driver=driver, on_step=steps.append)
    made = World(switch, service, driver)
    made.steps, made.events, made.closed = steps, events, closed
    async with asyncio.timeout(within):
        async with service:
            await switch.start(service)
            try:
                for number in NUMBERS:
                    made.phones[number] = await UdpPhone.start(
                        number, f"secret{number}", endpoint.local_address
                    )
                made.phones["far"] = far
                for number in registered:
                    assert await made.phones[number].register() == 200
                yield made
            finally:
                await switch.stop()
                for phone in made.phones.values():
                    phone.close()
    assert (switch.counters()["sip_handler_errors"] > 0) == handler_errors
