"""SIP messages as they went over the wire, one JSON line each."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ccbs._ccbs import Trace

__all__ = ["TraceFile"]

_LOG = logging.getLogger("ccbs.trace")


class TraceFile:
    """A file of SIP messages, each a line ``{"at_us": …, "sent": …, "local": …, "remote": …, "message": …}``.

    ``at_us`` is Unix time in microseconds, addresses are ``ADDRESS:PORT``, bytes that are no UTF-8 are
    written ``\\xNN``. Each line is in the file at once, so that it can be followed. A file that cannot be
    written never disturbs a call: what is missing is counted.

    :param path: the file; what it holds is replaced. Digest answers stand in it, so its mode is 600.
    :raises OSError: when it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] = open(path, "w", encoding="utf-8", opener=_private)  # noqa: SIM115
        self._written = 0
        self._lost = 0

    def write(self, message: Trace) -> None:
        """Append one message."""
        record = {
            "at_us": message.at_us,
            "sent": message.sent,
            "local": _address(message.local),
            "remote": _address(message.remote),
            "message": message.message.decode("utf-8", "backslashreplace"),
        }
        try:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
            self._written += 1
        except OSError as error:
            # A full disk would otherwise write one complaint for each message.
            if self._lost == 0:
                _LOG.error("trace %s: %s; messages are missing from it from here on", self._path, error)
            self._lost += 1

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            _LOG.error("trace %s: %s", self._path, error)

    def counters(self) -> dict[str, int]:
        """``trace_written``, ``trace_lost``."""
        return {"trace_written": self._written, "trace_lost": self._lost}


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _private(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    # A file that was there keeps its mode; a terminal or /dev/null is not ours to change.
    if stat.S_ISREG(os.fstat(handle).st_mode):
        try:
            os.fchmod(handle, 0o600)
        except OSError:
            os.close(handle)
            raise
    return handle
