"""The call log: one record for each call, in memory and, if wanted, as JSON lines. Shared by all adapters."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

__all__ = ["CallCause", "CallLog", "CallRecord"]

CallCause = Literal[
    "answered",
    "busy",
    "no-answer",
    "declined",
    "unreachable",
    "unknown-number",
    "caller-gone",
    "caller-busy",
    "caller-no-answer",
    "caller-declined",
    "caller-unreachable",
    "service-code",
    "cancelled",
    "failed",
]
"""How a call ended: ``answered`` for a talk, ``service-code`` for an order, cancel or question by code,
``cancelled`` when the switch itself gave it up before an answer (the order was cancelled, the switch stops).
A recall that did not get past its caller ends ``caller-busy``, ``caller-no-answer``, ``caller-declined`` or
``caller-unreachable``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call.

    :param caller: the calling number; of a recall: who ordered it.
    :param callee: the called number as dialled.
    :param began: when the call began, in Unix seconds.
    :param answered: when the talk began, in Unix seconds; ``None`` if there was none.
    :param ended: when the last leg was gone, in Unix seconds.
    :param cause: how it ended.
    :param recall: whether the call-back service made the call.
    :param order: the order that a recall served.
    :param caller_trunk: the trunk that the call came through, whose word the calling number is; ``None``: the
        caller is a subscriber.
    """

    caller: str
    callee: str
    began: float
    answered: float | None
    ended: float
    cause: CallCause
    recall: bool = False
    order: int | None = None
    caller_trunk: str | None = None


class CallLog:
    """The last calls, oldest first. A file that cannot be written never disturbs a call: it is counted.

    :param limit: how many records are kept in memory; at least 1.
    :param path: a file that each record is appended to as one JSON object a line; ``None``: memory only.
    :param logger: where trouble with the file is told.
    :ivar keep: is given each record with its number, and the number of the one that made room for it; what it
        kept, :meth:`restore` takes in a later process.
    :raises ValueError: when ``limit`` is below 1.
    """

    def __init__(
        self, *, limit: int = 10_000, path: Path | None = None, logger: logging.Logger | None = None
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit: {limit} is below 1; the call log keeps at least one record")
        self.keep: Callable[[int, CallRecord, int | None], None] | None = None
        self._records: deque[CallRecord] = deque(maxlen=limit)
        self._next = 0
        self._path = path
        self._logger = logger or logging.getLogger("ccbs.calls")
        self._file: IO[bytes] | None = None
        self._torn = False
        self._failing = False
        self._added = 0
        self._displaced = 0
        self._unwritten = 0
        self._open()

    @property
    def limit(self) -> int:
        """How many records are kept in memory."""
        return self._records.maxlen or 0

    def restore(self, records: Iterable[tuple[int, CallRecord]]) -> None:
        """Put the records of earlier processes, oldest first with their numbers, before those to come."""
        for number, record in records:
            self._records.append(record)
            self._next = number + 1

    def add(self, record: CallRecord) -> None:
        """Add one record; the oldest makes room when the memory is full."""
        full = len(self._records) == self.limit
        if full:
            self._displaced += 1
        self._records.append(record)
        self._added += 1
        if self.keep is not None:
            self.keep(self._next, record, self._next - self.limit if full else None)
        self._next += 1
        if self._path is None:
            return
        if self._file is None:
            self._unwritten += 1
            return
        line = json.dumps(dataclasses.asdict(record), ensure_ascii=False).encode() + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            # Unbuffered: a line that failed must not come out later, behind the count.
            self._torn = (self._file.write(line) or 0) != len(line)
        except OSError as error:
            self._unwritten += 1
            self._trouble(error)
        else:
            self._unwritten += self._torn
            self._failing = False

    def records(self, number: str | None = None) -> list[CallRecord]:
        """The records in memory, oldest first.

        :param number: only calls from or to this number.
        """
        return [
            record for record in self._records if number is None or number in (record.caller, record.callee)
        ]

    def reopen(self) -> None:
        """Close and open the file again, after the operator has moved it away (rotation)."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close the file; records go on being kept in memory."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._trouble(error)

    def counters(self) -> dict[str, int]:
        """``calls_logged``, ``calls_displaced`` (made room in memory), ``calls_unwritten`` (not in the
        file).
        """
        return {
            "calls_logged": self._added,
            "calls_displaced": self._displaced,
            "calls_unwritten": self._unwritten,
        }

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(tuple(self._records))

    def _open(self) -> None:
        if self._path is None:
            return
        try:
            # Lines hold numbers of people: not for everybody's eyes.
            self._file = open(self._path, "ab", buffering=0, opener=_private)  # noqa: SIM115
        except OSError as error:
            self._trouble(error)
        else:
            self._failing = False

    def _trouble(self, error: OSError) -> None:
        # A full disk would otherwise write one complaint for each call.
        if not self._failing:
            self._logger.error(
                "call log %s: %s; calls go on and are kept in memory, reopen the log when it is writable",
                self._path,
                error,
            )
        self._failing = True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)
