"""The player's packets as a phone receives them (RFC 3550, RFC 3551; 20 ms of G.711 a packet)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .audio import Samples
from .g711 import decode
from .recognise import packaged_recogniser
from .rtp import RtpPacket, RtpReceiver, Timing
from .sipp_phone import SippPhone
from .world import LANGUAGE, ORDERER, open_world

PROMPT = "number-was-not-busy"
PAYLOADS = {"PCMU": 0, "PCMA": 8}
TRIES = 3
"""Timing is judged by the best of this many: another program may hold the processor, but not the player."""


async def _received(directory: Path, codec: str, calls: int) -> list[list[RtpPacket]]:
    """The packets of one prompt, for each of so many calls by a phone that knows only this codec."""
    streams = []
    async with open_world(directory) as world:
        address = world.network.address(ORDERER.host)
        with RtpReceiver(address) as receiver:
            phone = SippPhone(
                ORDERER.number,
                ORDERER.password,
                address,
                world.network.address(10),
                world.directory / "sipp",
                receiver.address,
            )
            await phone.run("register")
            for _ in range(calls):
                receiver.packets.clear()
                await phone.run("dial_prompt", dialled="*37*101#", payload=str(PAYLOADS[codec]), codec=codec)
                streams.append(list(receiver.packets))
    return streams


@pytest.mark.parametrize("codec", sorted(PAYLOADS))
async def test_packets_are_right_and_regular(codec: str, tmp_path: Path) -> None:
    streams = await _received(tmp_path / "world", codec, TRIES)
    for packets in streams:
        assert len(packets) > 100
        first = packets[0]
        assert {packet.version for packet in packets} == {2}
        assert {packet.payload_type for packet in packets} == {PAYLOADS[codec]}
        assert {packet.source for packet in packets} == {first.source}
        assert {len(packet.payload) for packet in packets} == {160}
        assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
        for index, packet in enumerate(packets):
            assert packet.sequence == (first.sequence + index) % 2**16
            assert packet.timestamp == (first.timestamp + 160 * index) % 2**32
        assert packaged_recogniser(LANGUAGE).names(_sound(packets)) == [f"{LANGUAGE}/{PROMPT}"]
    assert len({packets[0].source for packets in streams}) == len(streams)
    timings = [Timing.of(packets) for packets in streams]
    assert any(abs(timing.mean_ms - 20.0) <= 0.1 and timing.p99_jitter_ms <= 5.0 for timing in timings), (
        timings
    )


def _sound(packets: list[RtpPacket]) -> Samples:
    law = {number: name for name, number in PAYLOADS.items()}[packets[0].payload_type]
    return decode(b"".join(packet.payload for packet in packets), law)
