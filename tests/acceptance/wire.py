"""SIP messages as a phone saw them on its own wire, parsed as far as an assertion needs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

__all__ = ["Direction", "Identity", "MediaDescription", "SipMessage", "TraceReader", "Wire", "WireTimeout"]

Direction = str  # "sent" | "received"

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
}
_ADDRESS = re.compile(r'^\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<"]*?))\s*<(?P<uri>[^>]*)>')
_URI_USER = re.compile(r"^(?:sips?:(?P<user>[^@;>]*)@|tel:(?P<tel>[^;>]*))", re.IGNORECASE)


class WireTimeout(AssertionError):
    """A message that was expected did not come in time."""


@dataclass(frozen=True)
class Identity:
    """Number and name as a display would show them."""

    number: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.number} {self.name}" if self.name else self.number

    @classmethod
    def parse(cls, header: str) -> Identity:
        """Reads a ``From``, ``To`` or ``P-Asserted-Identity`` value (RFC 3261 section 20.10)."""
        match = _ADDRESS.match(header)
        uri = match["uri"] if match else header.split(";", 1)[0].strip()
        name = None
        if match:
            quoted = match["quoted"]
            name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match["plain"].strip()
        user = _URI_USER.match(uri)
        number = unquote((user["user"] or user["tel"] or "") if user else "")
        return cls(number.split(":", 1)[0], name or None)


@dataclass(frozen=True)
class MediaDescription:
    """The audio line of an SDP body (RFC 8866)."""

    address: str
    port: int
    payloads: tuple[int, ...]
    direction: str

    @classmethod
    def parse(cls, body: str) -> MediaDescription | None:
        address, port, direction = "", 0, "sendrecv"
        payloads: tuple[int, ...] = ()
        in_audio = False
        for line in body.splitlines():
            if line.startswith("c=IN "):
                address = line.split()[-1]
            elif line.startswith("m="):
                if in_audio:
                    break
                kind, port_text, _, *rest = line[2:].split()
                if kind == "audio":
                    in_audio, port, payloads = True, int(port_text.split("/")[0]), tuple(map(int, rest))
            elif line[2:] in ("sendrecv", "sendonly", "recvonly", "inactive"):
                direction = line[2:]
        return cls(address, port, payloads, direction) if in_audio else None


@dataclass(frozen=True)
class SipMessage:
    """One message on a phone's wire."""

    at: float
    """Unix time (s) at which the phone's trace showed it."""
    direction: Direction
    source: str
    target: str
    text: str
    """The whole message."""

    @cached_property
    def _head(self) -> tuple[str, list[tuple[str, str]], str]:
        head, _, body = self.text.replace("\r\n", "\n").partition("\n\n")
        start, *lines = head.split("\n")
        headers: list[tuple[str, str]] = []
        for line in lines:
            if line[:1] in " \t" and headers:
                headers[-1] = (headers[-1][0], headers[-1][1] + " " + line.strip())
                continue
            name, _, value = line.partition(":")
            lowered = name.strip().lower()
            headers.append((_COMPACT.get(lowered, lowered), value.strip()))
        return start, headers, body

    @property
    def status(self) -> int | None:
        """The status code of a response."""
        start = self._head[0]
        return int(start.split()[1]) if start.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The method of a request; of a response the one in CSeq."""
        return self._head[0].split()[0] if self.status is None else (self.header("cseq") or " ").split()[-1]

    @property
    def request_uri(self) -> str | None:
        """The Request-URI of a request."""
        return self._head[0].split()[1] if self.status is None else None

    @property
    def dialled(self) -> str | None:
        """The user part of the Request-URI, unescaped."""
        return Identity.parse(f"<{self.request_uri}>").number if self.request_uri else None

    @property
    def body(self) -> str:
        """What follows the empty line."""
        return self._head[2]

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.header("call-id") or ""

    @property
    def cseq(self) -> int:
        """The number in CSeq."""
        return int((self.header("cseq") or "0").split()[0])

    @property
    def media(self) -> MediaDescription | None:
        """The audio line of the SDP body, if there is one."""
        return MediaDescription.parse(self.body)

    @property
    def in_dialog(self) -> bool:
        """Whether To has a tag: for an INVITE, whether it is a re-INVITE."""
        return ";tag=" in (self.header("to") or "").lower()

    def header(self, name: str) -> str | None:
        """The first header of that name, case-insensitive, or None."""
        return next(iter(self.headers(name)), None)

    def headers(self, name: str) -> list[str]:
        """All headers of that name, in order."""
        return [value for key, value in self._head[1] if key == name.lower()]

    def identity(self, name: str) -> Identity | None:
        """The number and name in an address header, or None when it is absent."""
        value = self.header(name)
        return Identity.parse(value) if value is not None else None

    def __str__(self) -> str:
        arrow = "->" if self.direction == "sent" else "<-"
        return f"{self.at:.3f} {arrow} {self._head[0]} [{self.call_id}]"


Predicate = Callable[[SipMessage], bool]


@dataclass
class Wire:
    """All messages of one phone, in order, and a way to wait for the next."""

    owner: str
    messages: list[SipMessage] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def append(self, message: SipMessage) -> None:
        """Adds a message and wakes whoever waits."""
        self.messages.append(message)
        self._arrived.set()
        self._arrived = asyncio.Event()

    def mark(self) -> int:
        """A place in the record, for ``since``."""
        return len(self.messages)

    def select(
        self,
        method: str | None = None,
        status: int | None = None,
        direction: Direction | None = None,
        *,
        since: int = 0,
        initial: bool | None = None,
        where: Predicate | None = None,
    ) -> Iterator[SipMessage]:
        """The messages that match; a ``status`` asks for responses, without one for requests.

        :param initial: of INVITEs, only those outside (True) or inside (False) a dialog.
        :param since: a mark; earlier messages are left out.
        """
        for message in self.messages[since:]:
            if (method is None or message.method == method) and message.status == status:
                if direction is not None and message.direction != direction:
                    continue
                if initial is not None and message.in_dialog is initial:
                    continue
                if where is None or where(message):
                    yield message

    async def expect(
        self,
        method: str | None = None,
        status: int | None = None,
        direction: Direction | None = None,
        *,
        since: int = 0,
        initial: bool | None = None,
        where: Predicate | None = None,
        timeout: float,
    ) -> SipMessage:
        """The first message that matches, waiting for it at most ``timeout`` seconds.

        :raises WireTimeout: with what did pass meanwhile.
        """
        wanted = f"{direction or 'any'} {status or ''} {method or ''}".replace("  ", " ")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            arrived = self._arrived
            found = next(
                self.select(method, status, direction, since=since, initial=initial, where=where), None
            )
            if found is not None:
                return found
            try:
                await asyncio.wait_for(arrived.wait(), deadline - loop.time())
            except TimeoutError:
                seen = "\n".join(f"  {message}" for message in self.messages[since:]) or "  (nothing)"
                raise WireTimeout(
                    f"{self.owner}: no {wanted} within {timeout:g} s; it saw:\n{seen}"
                ) from None

    async def expect_none(
        self,
        method: str,
        direction: Direction,
        *,
        since: int = 0,
        initial: bool | None = None,
        during: float,
    ) -> None:
        """Watches for ``during`` seconds that no such request comes.

        :raises WireTimeout: when one does, at once.
        """
        try:
            found = await self.expect(method, None, direction, since=since, initial=initial, timeout=during)
        except WireTimeout:
            return
        raise WireTimeout(f"{self.owner}: no {method} was to be {direction}, but: {found}")


_BEGIN = re.compile(rb"\x1b\[36;1m[^\n]*#\n")  # later releases put the time before the #
_END = b"\x1b[;m\n"
_ROUTE = re.compile(rb"^(?P<transport>UDP|TCP|TLS) (?P<source>\S+) -> (?P<target>\S+)\n")


class TraceReader:
    """Splits the output of ``baresip -s`` into SIP messages and log lines."""

    def __init__(self, own: str, far: str | None = None) -> None:
        """
        :param own: the phone's address; with ``far`` its address and port.
        :param far: address and port of the switch.
        """
        self._own = own
        self._far = far
        self._buffer = b""

    def feed(self, data: bytes, at: float) -> tuple[list[SipMessage], list[str]]:
        """Takes what was read at Unix time ``at`` (s); returns what became whole."""
        self._buffer += data
        messages: list[SipMessage] = []
        lines: list[str] = []
        while True:
            begin = _BEGIN.search(self._buffer)
            text_end = begin.start() if begin else self._buffer.rfind(b"\n") + 1
            # A begin mark cut by the read boundary stays for the next read: it has no line end before it.
            for line in self._buffer[:text_end].decode("utf-8", "replace").splitlines():
                plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip("\r ")
                if plain:
                    lines.append(plain)
            self._buffer = self._buffer[text_end:]
            if begin is None:
                return messages, lines
            start = begin.end() - begin.start()
            end = self._buffer.find(_END, start)
            if end < 0:
                return messages, lines
            message = self._message(self._buffer[start:end], at)
            if message is not None:
                messages.append(message)
            self._buffer = self._buffer[end + len(_END) :]

    def _message(self, block: bytes, at: float) -> SipMessage | None:
        route = _ROUTE.match(block)
        text = block[route.end() :] if route else b""
        if route is None or not text.strip():  # an empty datagram keeps a NAT binding open
            return None
        source, target = route["source"].decode(), route["target"].decode()
        if self._far is None:
            from_here = source.rsplit(":", 1)[0] == self._own
        else:  # over TCP its own end may have any address and port
            from_here = source != self._far and target != self._own
        direction = "sent" if from_here else "received"
        return SipMessage(at, direction, source, target, text.decode("utf-8", "replace"))
