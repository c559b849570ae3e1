"""The SIP ladder, from what the switches trace of their wires."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.wire import SipMessage

__all__ = ["FAR_SWITCH", "SWITCH", "Rung", "Trace", "label_of", "merged"]

SWITCH = "switch"
FAR_SWITCH = "trunk switch"
SWITCHES = (SWITCH, FAR_SWITCH)


@dataclass(frozen=True)
class Rung:
    """A SIP message between two columns of the ladder."""

    at: float
    """Unix time (s)."""
    source: str
    target: str
    label: str
    message: SipMessage
    again: bool
    """Whether it repeats an earlier one: a retransmission."""


class Trace:
    """One switch's trace file, which grows.

    :param names: the ladder's columns by address.
    """

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self._path = path
        self._names = names
        self._read = 0
        self._rungs: list[Rung] = []
        self._seen: set[tuple[bool, str]] = set()

    def read(self) -> Sequence[Rung]:
        """All of it so far, registrations left out."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._read += len(line)
                self._take(json.loads(line))
        return self._rungs

    def _take(self, entry: Mapping[str, object]) -> None:
        sent, text = bool(entry["sent"]), str(entry["message"])
        near, far = str(entry["local"]), str(entry["remote"])
        source, target = (near, far) if sent else (far, near)
        at = float(str(entry["at_us"])) / 1e6
        message = SipMessage(at, "sent" if sent else "received", source, target, text)
        ends = [self._names.get(address.rsplit(":", 1)[0], "") for address in (source, target)]
        if message.method in ("REGISTER", "OPTIONS") or not all(ends):
            return
        label = label_of(message, *ends)
        self._rungs.append(Rung(at, ends[0], ends[1], label, message, (sent, text) in self._seen))
        self._seen.add((sent, text))


def merged(traces: Sequence[Sequence[Rung]]) -> list[Rung]:
    """Several switches' traces as one, each message once and after what caused it.

    The traces' clocks count milliseconds, and a message crosses the trunk in less; so what came over the
    trunk waits until it was sent there.
    """
    queues = [deque(trace) for trace in traces]
    sent: set[tuple[str, str]] = set()
    found: list[Rung] = []

    def crossed(rung: Rung) -> bool:
        over_trunk = {rung.source, rung.target} == set(SWITCHES)
        return over_trunk and len(traces) > 1 and rung.message.direction == "received"

    def is_ready(rung: Rung) -> bool:
        return not crossed(rung) or (rung.source, rung.message.text) in sent

    while any(queues):
        heads = [queue for queue in queues if queue]
        ready = [queue for queue in heads if is_ready(queue[0])]
        rung = min(ready or heads, key=lambda queue: queue[0].at).popleft()
        if not crossed(rung):
            found.append(rung)
            if rung.target in SWITCHES:
                sent.add((rung.source, rung.message.text))
    return found


def label_of(message: SipMessage, source: str, target: str) -> str:
    """A message in a few words: method and numbers, or status.

    :param source: the column it comes from.
    :param target: the column it goes to.
    """
    if message.status is not None:
        return message.text.split("\n", 1)[0].strip().removeprefix("SIP/2.0 ")
    if message.method != "INVITE":
        return message.method
    if message.in_dialog:
        return "re-INVITE"
    # To a phone the Request-URI names its contact, which says nothing; who calls is what it shows.
    caller = message.identity("from")
    shown = f" from {caller.number}" if caller and source in SWITCHES else ""
    return f"INVITE{shown}" if target not in SWITCHES else f"INVITE {message.dialled}{shown}"
