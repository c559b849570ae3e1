"""A bench of real phones, for whichever switch they are registered at."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from acceptance.network import SIP_PORT, LoopbackNetwork
from acceptance.phone import Account, Phone, PhoneFailed
from acceptance.wire import Identity
from ccbs import CallbackService
from ccbs.switch import Switch

__all__ = ["EXTERNAL", "NUMBERS", "TRUNK", "UNREACHABLE", "PhoneBench", "password"]

NUMBERS = ("101", "102", "104")
UNREACHABLE = "103"
"""A subscriber's, who has no phone."""
EXTERNAL = "7001"
TRUNK = "city"
"""Behind it is one phone, which takes one call."""


def password(number: str) -> str:
    """Of a phone."""
    return f"secret-of-{number}"


class PhoneBench(ABC):
    """Three baresip phones; see :class:`ccbs.testing.switch_conformance.Bench`."""

    caller, callee, other = "102", "101", "104"
    external: str | None = EXTERNAL
    unreachable: str | None = UNREACHABLE
    can: tuple[str, ...] = ("rings", "prompts", "external", "unreachable", "restart")

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network = LoopbackNetwork()
        self.address = self.network.address(10)
        self.peer = self.network.address(20)
        """Of the trunk."""
        self.phones: dict[str, Phone] = {}
        self._looked_at: dict[str, int] = {}
        self._started = 0

    @property
    @abstractmethod
    def switch(self) -> Switch[Any]:
        """The switch."""

    @abstractmethod
    async def attach(self, service: CallbackService) -> None:
        """Feeds the switch's facts to the service."""

    async def register(self) -> None:
        """Starts the phones; each is registered then."""
        await asyncio.gather(*map(self._register, NUMBERS))

    async def _register(self, number: str) -> None:
        self._started += 1
        self.phones[number] = await Phone.start(
            number,
            self.directory / f"{number}-{self._started}",
            self.network.address(int(number)),
            Account(number, password(number), self.address, SIP_PORT),
        )

    @abstractmethod
    async def restart(self) -> None:
        """Another switch, or another adapter, in the place of the one there is."""

    async def _external(self) -> None:
        """The phone behind the trunk, which is there when somebody calls it."""
        self.phones[EXTERNAL] = await Phone.start(
            EXTERNAL,
            self.directory / EXTERNAL,
            self.peer,
            Account(EXTERNAL, "-", self.peer, SIP_PORT, register_s=0, max_calls=1),
        )

    async def end_phones(self) -> None:
        """Ends the phones, before their switch: a phone waits long for the answer to its farewell."""
        await asyncio.gather(*(phone.stop() for phone in self.phones.values()))
        self.phones.clear()
        self._looked_at.clear()

    def close(self) -> None:
        """Gives the addresses back; nothing may use them any more."""
        self.network.close()

    async def call(self, caller: str, callee: str) -> None:
        """Dials; returns when the other rings, or the call has failed."""
        if callee == EXTERNAL and EXTERNAL not in self.phones:
            await self._external()
        phone = self.phones[caller]
        since = phone.mark()
        await phone.dial(callee)
        waits = [
            asyncio.ensure_future(phone.expect(kind, since=since, timeout=10.0))
            for kind in ("CALL_RINGING", "CALL_CLOSED")
        ]
        done, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in left:
            wait.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for wait in done:
            wait.result()

    async def rings(self, number: str, timeout: float) -> str:
        """Waits until the phone rings; returns the number it shows."""
        phone = self.phones[number]
        since = self._looked_at.get(number, 0)
        try:
            event = await phone.expect("CALL_INCOMING", since=since, timeout=timeout)
        except PhoneFailed as error:
            raise TimeoutError(str(error)) from None
        self._looked_at[number] = phone.events.index(event, since) + 1
        return Identity.parse(f"<{event.peer}>").number

    async def answer(self, number: str) -> None:
        """Lifts the handset; returns when it is connected."""
        phone = self.phones[number]
        since = phone.mark()
        await phone.accept()
        await phone.expect("CALL_ESTABLISHED", since=since, timeout=10.0)

    async def hang_up(self, number: str) -> None:
        """Puts the handset back."""
        await self.phones[number].hang_up()

    async def quiet(self, number: str, timeout: float) -> None:
        """Waits until the phone has no call."""
        deadline = asyncio.get_running_loop().time() + timeout
        while await self.phones[number].calls_now():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"the phone {number} still has a call after {timeout:g} s")
            await asyncio.sleep(0.05)
