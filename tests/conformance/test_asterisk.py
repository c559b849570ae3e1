"""Asterisk, with real phones, as a switch that keeps to the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from ccbs import CallbackService, Profile
from ccbs.asterisk import Ari, AsteriskSwitch, Endpoints
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import Switch
from ccbs.testing.switch_conformance import SwitchConformance, until
from interop.asterisk.exchange import ARI_PASSWORD, ARI_PORT, ARI_USER, Asterisk, Extension
from interop.asterisk.world import install_prompts, office_dialplan

from .phone_bench import NUMBERS, TRUNK, UNREACHABLE, PhoneBench, password


class AsteriskBench(PhoneBench):
    """Asterisk and our adapter, in this process."""

    can = (*PhoneBench.can, "away")
    asterisk: Asterisk
    _switch: AsteriskSwitch

    async def start(self) -> None:
        """Starts Asterisk and the phones."""
        self.asterisk = await Asterisk.start(
            self.address,
            dialplan=office_dialplan(),
            extensions=[Extension(number, password(number)) for number in (*NUMBERS, UNREACHABLE)],
            trunks={TRUNK: self.peer},
        )
        self._prompts = install_prompts(self.asterisk)
        self._switch = self._adapter()
        await self.register()

    def _adapter(self) -> AsteriskSwitch:
        return AsteriskSwitch(
            Ari(f"http://{self.address}:{ARI_PORT}", ARI_USER, ARI_PASSWORD),
            directory=Directory(
                Subscriber(number=number, profile=Profile.autodial() if number == self.caller else None)
                for number in (*NUMBERS, UNREACHABLE)
            ),
            numbering=Numbering(["1XX"], [ExternalPrefix("7", TRUNK)]),
            endpoints=Endpoints(trunks=[TRUNK]),
            context="office",
            prompts=self._prompts,
        )

    async def restart(self) -> None:
        """Another adapter at the same Asterisk, whose calls go on."""
        await self._switch.stop()
        self._switch = self._adapter()

    async def stop(self) -> None:
        """Stops everything; no channel may be left."""
        try:
            await self._switch.stop()
            await self.asterisk.no_channels(5.0)
        finally:
            await self.end_phones()
            await self.asterisk.stop()
            self.close()

    async def go_away(self) -> None:
        """Asterisk is stopped."""
        await self.asterisk.halt()
        await until(lambda: not self._switch.in_contact, "Asterisk is still in contact")

    async def come_back(self) -> None:
        """It is started again; its phones are still known to it."""
        await self.asterisk.run()
        await until(
            lambda: self._switch.in_contact and all(map(self._switch.registered, NUMBERS)),
            "Asterisk or its phones are not in contact again",
            20.0,
        )

    @property
    def switch(self) -> Switch[Any]:
        """The adapter."""
        return self._switch

    async def attach(self, service: CallbackService) -> None:
        """Connects."""
        await self._switch.start(service)
        assert self._switch.in_contact, self._switch.trouble


class TestAsterisk(SwitchConformance):
    @pytest_asyncio.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[AsteriskBench]:
        bench = AsteriskBench(tmp_path)
        await bench.start()
        try:
            yield bench
        finally:
            await bench.stop()
