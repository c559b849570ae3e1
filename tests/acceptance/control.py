"""The control channel of a baresip phone: netstrings of JSON over TCP (its module ``ctrl_tcp``)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ControlChannel", "ControlError", "PhoneEvent"]


class ControlError(AssertionError):
    """The phone refused a command or closed its control channel."""


@dataclass(frozen=True)
class PhoneEvent:
    """An event of the phone, e.g. ``CALL_INCOMING``."""

    at: float
    """Unix time (s)."""
    kind: str
    peer: str
    """URI of the far side, empty if the event is not a call's."""
    detail: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.kind} {self.peer} {self.detail}".rstrip()


async def _read_netstring(reader: asyncio.StreamReader) -> bytes:
    length = (await reader.readuntil(b":"))[:-1]
    payload = await reader.readexactly(int(length))
    await reader.readexactly(1)  # the comma
    return payload


class ControlChannel:
    """Sends commands, one answer each, and hands events to ``on_event``."""

    def __init__(self, on_event: Callable[[PhoneEvent], None]) -> None:
        self._on_event = on_event
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._next_token = 0

    async def open(self, host: str, port: int, timeout: float) -> None:
        """Connects, trying again until the phone listens, at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(host, port)
                break
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise ControlError(f"no control channel at {host}:{port} within {timeout:g} s") from None
                await asyncio.sleep(0.02)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                message = json.loads((await _read_netstring(reader)).decode("utf-8", "replace"))
                if message.get("event"):
                    self._on_event(
                        PhoneEvent(
                            at=time.time(),
                            kind=message.get("type", ""),
                            peer=message.get("peeruri", ""),
                            detail=message.get("param", ""),
                            fields=message,
                        )
                    )
                elif (answer := self._answers.pop(message.get("token", ""), None)) and not answer.done():
                    answer.set_result(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ControlError("the phone closed its control channel"))

    async def command(self, name: str, params: str | None = None, *, timeout: float = 5.0) -> str:
        """Runs a command; returns what the phone says.

        :raises ControlError: when the phone refuses it or does not answer in time.
        """
        if self._writer is None:
            raise ControlError("the control channel is not open")
        self._next_token += 1
        token = str(self._next_token)
        request = {"command": name, "token": token} | ({"params": params} if params is not None else {})
        payload = json.dumps(request).encode()
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        self._writer.write(b"%d:%s," % (len(payload), payload))
        await self._writer.drain()
        try:
            said = await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            raise ControlError(f"the phone did not answer {name!r} within {timeout:g} s") from None
        if not said.get("ok"):
            raise ControlError(f"the phone refused {name!r} {params or ''}: {said.get('data')}")
        return str(said.get("data", ""))

    async def close(self) -> None:
        """Closes the channel."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._writer is not None:
            self._writer.close()
