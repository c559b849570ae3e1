"""A TCP relay between ``ccbs serve`` and Asterisk's ARI that can be cut, slowed, or answer with errors."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Literal

__all__ = ["Relay"]

Mode = Literal["pass", "refuse", "fail"]
_ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
)


class Relay:
    """Use :meth:`begin` and :meth:`stop`.

    :ivar mode: ``pass``; ``refuse``: new connections are closed at once; ``fail``: requests are answered
        500, the stream of events goes on.
    :ivar refuses: what requests begin with that are answered 500, whatever the mode; empty: none.
    :ivar delay_s: by how much each piece that Asterisk sends in answer to a request is late, in seconds.
    """

    def __init__(self, host: str, port: int, target: str) -> None:
        self.host = host
        self.port = port
        self.mode: Mode = "pass"
        self.refuses = b""
        self.delay_s = 0.0
        self.failed = 0
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Listens from now on."""
        listening = socket.create_server((self.host, self.port))
        listening.setblocking(False)
        self._starting = asyncio.ensure_future(asyncio.start_server(self._connected, sock=listening))

    def cut(self) -> None:
        """Breaks every connection there is."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def stop(self) -> None:
        """Closes everything."""
        (await self._starting).close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            there_reader, there = await asyncio.open_connection(self._target, self.port)
            self._writers.add(there)
            await asyncio.gather(self._requests(reader, writer, there), self._answers(there_reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(UnboundLocalError):
                self._writers.discard(there)
                there.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamWriter
    ) -> None:
        events = False
        while data := await reader.read(65_536):
            events = events or data.startswith(b"GET /ari/events")
            refused = bool(self.refuses) and data.startswith(self.refuses)
            if (self.mode == "fail" or refused) and not events:
                self.failed += 1
                writer.write(_ERROR)
                await writer.drain()
                continue
            if self.delay_s and not events:
                await asyncio.sleep(self.delay_s)
            there.write(data)
            await there.drain()
        there.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
