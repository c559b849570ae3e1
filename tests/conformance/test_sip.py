"""Our own SIP switch, with real phones, as a switch that keeps to the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from acceptance.network import SIP_PORT
from ccbs import CallbackService
from ccbs._ccbs import SipEndpoint
from ccbs.numbering import Numbering
from ccbs.prompts import Catalogue
from ccbs.sip import SipSwitch
from ccbs.subscribers import Directory, Subscriber, ha1_md5
from ccbs.switch import Switch
from ccbs.testing.switch_conformance import SwitchConformance

from .phone_bench import NUMBERS, PhoneBench, password

_REALM = "ccbs.example"


class SipBench(PhoneBench):
    """The SIP switch, in this process."""

    _attached = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        catalogue = Catalogue.load("ru")
        self._switch = SipSwitch(
            SipEndpoint(listen=(self.address, SIP_PORT), realm=_REALM),
            directory=Directory(
                Subscriber(number=number, ha1_md5=ha1_md5(number, _REALM, password(number)))
                for number in NUMBERS
            ),
            numbering=Numbering(["1XX"]),
            prompts={"ru": {name: catalogue.wav(name) for name in catalogue.names}},
        )

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
