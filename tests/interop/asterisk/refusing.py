"""Phones that answer every call with one status, for what no real phone does on command."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from .exchange import SIP_PORT

__all__ = ["RINGS_ON", "refusing_phones"]

RINGS_ON = 180
"""The status of a phone that rings and is not answered."""
_COPIED = re.compile(rb"^(?:via|v|from|f|call-id|i|cseq):.*\r\n", re.IGNORECASE | re.MULTILINE)
_TO = re.compile(rb"^(?:to|t):(?P<value>.*)\r\n", re.IGNORECASE | re.MULTILINE)


class _Phone(asyncio.DatagramProtocol):
    def __init__(self, status: int) -> None:
        self._status = status
        self._ringing: bytes | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        method = data.split(b" ", 1)[0]
        if method == b"INVITE":
            self._ringing = data
            self._answer(data, self._status, address)
        elif method == b"CANCEL":
            self._answer(data, 200, address)
            if self._ringing is not None and self._status == RINGS_ON:
                self._answer(self._ringing, 487, address)
        elif method not in (b"ACK", b"SIP/2.0"):
            self._answer(data, 200, address)

    def _answer(self, request: bytes, status: int, address: tuple[str, int]) -> None:
        to = _TO.search(request)
        assert to is not None
        tag = b"" if b"tag=" in to["value"] else b";tag=refusing"
        self._transport.sendto(
            b"SIP/2.0 %d Answer\r\n%bTo:%b%b\r\nContent-Length: 0\r\n\r\n"
            % (status, b"".join(_COPIED.findall(request)), to["value"], tag),
            address,
        )


@asynccontextmanager
async def refusing_phones(phones: Mapping[str, int]) -> AsyncIterator[None]:
    """Phones at these addresses, each with its status."""
    transports = []
    try:
        for address, status in phones.items():
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                functools.partial(_Phone, status), local_addr=(address, SIP_PORT)
            )
            transports.append(transport)
        yield
    finally:
        for transport in transports:
            transport.close()
