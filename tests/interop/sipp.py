"""A phone that is SIPp: each call is a run of it; its sound is taken and echoed here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acceptance.audio import Samples
from acceptance.g711 import decode
from acceptance.network import Place
from acceptance.rtp import RtpReceiver
from acceptance.sipp_phone import run_sipp
from acceptance.world import Party

from .matrix import Network

__all__ = ["SippCall", "SippPhone"]

CALL_S = 60.0


@dataclass
class SippCall:
    """A call that SIPp plays."""

    label: str
    name: str
    """The beginning of its Call-ID, and its tag."""
    ear: RtpReceiver
    playing: asyncio.Task[str]

    def sound_since(self, at: float) -> Samples:
        """What was heard in this call."""
        octets = b"".join(packet.payload for packet in self.ear.packets if packet.payload_type == 0)
        return decode(octets, "PCMU") if octets else np.zeros(0)

    async def ended(self) -> str:
        """Waits for the scenario's end; returns its messages.

        :raises SippFailed: when it did not go as written.
        """
        return await self.playing


@dataclass
class SippPhone:
    """A subscriber's phone; each call is a process."""

    party: Party
    place: Place
    network: Network
    switch: str
    directory: Path
    _runs: int = field(default=0)

    @contextlib.asynccontextmanager
    async def call(self, scenario: str, *, port: int = 0, **keys: str) -> AsyncIterator[SippCall]:
        """Starts a run, and ends it if it goes on.

        :param scenario: its text, from :mod:`interop.sipp_script`.
        :param port: where it listens; 0: the phone's own port.
        :param keys: what the scenario asks for besides the account.
        """
        self._runs += 1
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / f"{self._runs}.xml"
        file.write_text(scenario)
        port = port or self.place.port
        with RtpReceiver(self.place.address, echo=True) as ear:
            named = {
                "user": self.party.number, "via": self.network.transport, "ip": str(self.network.version),
                "rtp_host": ear.address[0], "rtp_port": str(ear.address[1]),
                "tag": f"sipp{self._runs}", "cid": f"sipp{self._runs}",
            }  # fmt: skip
            playing = asyncio.create_task(
                run_sipp(
                    self.switch, file, "-i", self.place.host, "-p", str(port),
                    "-t", f"{self.network.transport[0]}1",
                    "-au", self.party.number, "-ap", self.party.password,
                    "-auth_uri", self.switch,  # of itself it leaves out the brackets of an IPv6 address
                    timeout=CALL_S, record=file.with_suffix(".log"), keys=named | keys,
                )
            )  # fmt: skip
            try:
                yield SippCall(f"{self.party.label} (sipp {self.party.number})", named["cid"], ear, playing)
            finally:
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError, AssertionError):
                    await playing

    async def play(self, scenario: str, **keys: str) -> str:
        """Plays a scenario to its end; returns its messages."""
        async with self.call(scenario, port=0, **keys) as call:
            return await call.ended()

    async def listens(self, call: SippCall, *, timeout: float) -> None:
        """Waits until SIPp has its port."""
        deadline = time.monotonic() + timeout
        while not _bound(self.place, self.network.transport):
            assert not call.playing.done(), f"{call.label} ended before it listened: {await call.playing}"
            assert time.monotonic() < deadline, f"{call.label} does not listen within {timeout:g} s"
            await asyncio.sleep(0.02)


def _bound(place: Place, transport: str) -> bool:
    """Whether a socket waits at the place, as the kernel lists it."""
    packed = ipaddress.ip_address(place.address).packed
    words = (int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4))
    local = "".join(f"{word:08X}" for word in words) + f":{place.port:04X}"
    table = Path(f"/proc/net/{transport}{'6' if ':' in place.address else ''}").read_text()
    waiting = {"udp": "07", "tcp": "0A"}[transport]
    rows = (line.split() for line in table.splitlines()[1:])
    return any(row[1] == local and row[3] == waiting for row in rows)
