"""Lines for a pipe or terminal that must never hold up the switch, however slowly they are read."""

from __future__ import annotations

import logging
import os
import queue
import threading

__all__ = ["LineHandler", "LineWriter"]


class LineWriter:
    """Writes lines on a thread of its own. When too many wait, new ones are dropped and counted.

    :param descriptor: the open file to write to, e.g. 1 for stdout.
    :param limit: how many lines may wait.
    :param name: what its counters begin with.
    """

    def __init__(self, descriptor: int, *, limit: int = 10_000, name: str = "lines") -> None:
        self._descriptor = descriptor
        self._name = name
        # The queue that takes and gives without running Python, so that the caller waits for no turn of ours.
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._limit = limit
        self._written = 0
        self._dropped = 0
        self._broken = False
        self._thread = threading.Thread(target=self._run, name=f"ccbs-{name}", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Hand over one line, without its end; returns at once."""
        if self._waiting.qsize() < self._limit:
            self._waiting.put(line)
        else:
            self._dropped += 1

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, for at most ``timeout`` seconds."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def counters(self) -> dict[str, int]:
        """``NAME_written`` and ``NAME_dropped``: too many waited, or nobody reads any more."""
        return {f"{self._name}_written": self._written, f"{self._name}_dropped": self._dropped}

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            if self._broken:
                self._dropped += 1
                continue
            try:
                self._write(f"{line}\n".encode("utf-8", "backslashreplace"))
                self._written += 1
            except OSError:
                # The reader is gone; the switch is not there for its sake.
                self._broken = True
                self._dropped += 1

    def _write(self, data: bytes) -> None:
        # Past Python's own buffer: its lock, held by a thread that hangs, would spoil the interpreter's exit.
        while data:
            data = data[os.write(self._descriptor, data) :]


class LineHandler(logging.Handler):
    """Logs to a :class:`LineWriter`."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record."""
        try:
            self._writer.write(self.format(record))
        except Exception:
            self.handleError(record)
