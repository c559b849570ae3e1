"""Receives RTP with the kernel's time of arrival, to judge the player's packets as they are on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

import numpy as np

__all__ = ["RtpPacket", "RtpReceiver", "Timing"]

_SO_TIMESTAMPNS = 35  # Linux; the socket module does not name it
_TIMESPEC = struct.Struct("@qq")


@dataclass(frozen=True)
class RtpPacket:
    """An RTP packet (RFC 3550 section 5.1)."""

    at_ns: int
    """When the kernel received it (Unix time, ns)."""
    version: int
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    source: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes, at_ns: int) -> RtpPacket:
        """Reads a packet without extension and padding.

        :raises ValueError: when it has another form.
        """
        if len(data) < 12 or data[0] & 0x3F:
            raise ValueError(f"no plain RTP packet: {data[:16].hex()}")
        first, second, sequence, timestamp, source = struct.unpack_from("!BBHII", data)
        return cls(
            at_ns, first >> 6, bool(second >> 7), second & 0x7F, sequence, timestamp, source, data[12:]
        )


@dataclass(frozen=True)
class Timing:
    """How regularly packets of one stream arrived."""

    mean_ms: float
    """The mean interval (ms), over the whole stream."""
    p99_jitter_ms: float
    """The 99th percentile of how far an arrival is from the regular raster through the stream (ms)."""

    @classmethod
    def of(cls, packets: list[RtpPacket], frame_ms: float = 20.0) -> Timing:
        """Judges a stream without pauses, at least two packets."""
        at = np.array([packet.at_ns for packet in packets], float) / 1e6
        raster = at - frame_ms * np.arange(len(at))
        return cls(
            mean_ms=float((at[-1] - at[0]) / (len(at) - 1)),
            p99_jitter_ms=float(np.percentile(np.abs(raster - np.median(raster)), 99)),
        )


class RtpReceiver:
    """A UDP socket that keeps what it gets. It must be read from an event loop."""

    def __init__(self, host: str, *, echo: bool = False) -> None:
        """:param echo: it sends back what it gets."""
        self.echo = echo
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((host, 0))
        self.packets: list[RtpPacket] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._socket.getsockname()
        return str(host), int(port)

    def __enter__(self) -> RtpReceiver:
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def send(self, packet: bytes, to: tuple[str, int]) -> None:
        """Sends a packet from where it listens."""
        self._socket.sendto(packet, to)

    def _read(self) -> None:
        while True:
            try:
                data, ancillary, _, sender = self._socket.recvmsg(2_048, socket.CMSG_SPACE(_TIMESPEC.size))
            except BlockingIOError:
                return
            if self.echo:
                with contextlib.suppress(OSError):  # the far side is gone, or its queue is full
                    self._socket.sendto(data, sender)
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][: _TIMESPEC.size])
            self.packets.append(RtpPacket.parse(data, seconds * 1_000_000_000 + nanoseconds))
