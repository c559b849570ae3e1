"""Our own SIP switch, with real phones, as a switch that keeps to the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from acceptance.network import SIP_PORT
from ccbs import CallbackService, Profile
from ccbs._ccbs import SipEndpoint
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.prompts import Catalogue
from ccbs.sip import SipSwitch, Trunk
from ccbs.subscribers import Directory, Subscriber, ha1_md5
from ccbs.switch import Switch
from ccbs.testing.switch_conformance import SwitchConformance

from .phone_bench import NUMBERS, TRUNK, UNREACHABLE, PhoneBench, password

_REALM = "ccbs.example"


class SipBench(PhoneBench):
    """The SIP switch, in this process."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        catalogue = Catalogue.load("ru")
        self._prompts = {"ru": {name: catalogue.wav(name) for name in catalogue.names}}
        self._switch = self._made()

    def _made(self) -> SipSwitch:
        return SipSwitch(
            SipEndpoint(listen=(self.address, SIP_PORT), realm=_REALM),
            directory=Directory(
                Subscriber(
                    number=number,
                    ha1_md5=ha1_md5(number, _REALM, password(number)),
                    profile=Profile.autodial() if number == self.caller else None,
                )
                for number in (*NUMBERS, UNREACHABLE)
            ),
            numbering=Numbering(["1XX"], [ExternalPrefix("7", TRUNK)]),
            trunks=[Trunk(name=TRUNK, host=self.peer, port=SIP_PORT, trusted=True)],
            prompts=self._prompts,
        )

    async def restart(self) -> None:
        """Another switch: the calls of before are gone, and the phones register anew."""
        await self.end_phones()
        await self._switch.stop()
        self._switch = self._made()

    async def stop(self) -> None:
        """Stops everything."""
        await self.end_phones()
        await self._switch.stop()
        self.close()

    @property
    def switch(self) -> Switch[Any]:
        """The switch."""
        return self._switch

    async def attach(self, service: CallbackService) -> None:
        """Begins to take calls."""
        await self._switch.start(service)
        await self.register()


class TestSip(SwitchConformance):
    @pytest_asyncio.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[SipBench]:
        bench = SipBench(tmp_path)
        try:
            yield bench
        finally:
            await bench.stop()
