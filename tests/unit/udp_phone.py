"""A small SIP phone over UDP for tests: it does what it is told, and keeps what it saw."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import re
from dataclasses import dataclass, field
from typing import Any, Self, cast

WITHIN = 5.0
"""How long anything on the loopback may take, in seconds."""


@dataclass
class Message:
    """One SIP message."""

    start: str
    headers: list[tuple[str, str]]
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        return cls(
            start,
            [
                (name.strip().lower(), value.strip())
                for name, _, value in (line.partition(":") for line in lines)
            ],
            body,
        )

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        return values[0] if values else ""

    @property
    def status(self) -> int | None:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None

    @property
    def method(self) -> str:
        return self["cseq"].split()[1]

    def bytes(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return (
            "\r\n".join([*lines, f"content-length: {len(self.body.encode())}"]) + "\r\n\r\n" + self.body
        ).encode()


@dataclass
class PhoneCall:
    """One call of the phone, in either direction."""

    call_id: str
    invite: Message
    outgoing: bool
    tag: str
    remote: str = ""
    target: str = ""
    cseq: int = 1
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    final: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    bye: Message | None = None
    reinvites: int = 0
    told: list[str] = field(default_factory=list)
    """What the switch told of a REFER, e.g. ``SIP/2.0 200 OK``."""

    async def status(self) -> int:
        async with asyncio.timeout(WITHIN):
            return await asyncio.shield(self.final)

    @property
    def shown_number(self) -> str:
        found = re.search(r"sips?:([^@;>]+)@", self.invite["from"])
        return found[1] if found else ""

    @property
    def shown_name(self) -> str:
        return self.invite["from"].split("<")[0].strip().strip('"')


class UdpPhone(asyncio.DatagramProtocol):
    """A phone, or a whole trunk when it has no password.

    ``does`` is what it does with a call: ``answer``, ``ring`` (only), ``nothing``, or a status to refuse it.
    ``diverts_to`` is the number in the Contact of a 3xx; a trunk answers what comes for that number.
    A ``deaf`` one hears nothing: it has vanished, or the network to it.
    ``loses`` takes one datagram in twenty, either way.
    ``codecs`` are the payload types it offers: PCMU and PCMA unless told otherwise.
    """

    def __init__(self, number: str, password: str | None, server: tuple[str, int]) -> None:
        self.number = number
        self.password = password
        self.server = server
        self.does: str | int = "answer"
        self.deaf = False
        self.loses: random.Random | None = None
        self.codecs = "0 8"
        self.diverts_to = number
        self.calls: dict[str, PhoneCall] = {}
        self.incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._answers: dict[str, bytes] = {}
        self._challenge: Message | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(
        cls, number: str, password: str | None, server: tuple[str, int], host: str = "127.0.0.1"
    ) -> Self:
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(
            lambda: cls(number, password, server), local_addr=(host, 0)
        )
        return phone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        return cast("tuple[str, int]", self._transport.get_extra_info("sockname")[:2])

    @property
    def contact(self) -> str:
        return f"<sip:{self.number}@{self.address[0]}:{self.address[1]}>"

    # --- what it does by itself -------------------------------------------------------------------

    async def register(self, expires: int = 300) -> int:
        """REGISTER with digest; returns the final status."""
        request = self._registration(expires)
        answer = await self._ask(request)
        if answer.status == 401:
            self._challenge = answer
            answer = await self._ask(self._authorized(request, answer))
        assert answer.status is not None
        return answer.status

    async def refresh(self, count: int) -> list[Message]:
        """REGISTER again with the nonce of the last challenge, and with a new one when told that it is stale.

        :param count: the nonce count.
        :returns: the answers, one or two.
        """
        assert self._challenge is not None
        request = self._authorized(self._registration(300), self._challenge, count)
        answers = [await self._ask(request)]
        if answers[0].status == 401 and "stale=true" in answers[0]["www-authenticate"]:
            self._challenge = answers[0]
            bare = Message(request.start, [(n, v) for n, v in request.headers if n != "authorization"])
            answers.append(await self._ask(self._authorized(bare, answers[0])))
        return answers

    def _registration(self, expires: int) -> Message:
        host = f"{self.server[0]}:{self.server[1]}"
        request = self._request("REGISTER", f"sip:{host}", f"<sip:{self.number}@{host}>", self._id(), "r", 1)
        request.headers += [("contact", self.contact), ("expires", str(expires))]
        return request

    def invite(self, dialled: str, *, number: str | None = None) -> PhoneCall:
        """Begin a call; returns at once."""
        host = f"{self.server[0]}:{self.server[1]}"
        call_id, tag = self._id(), self._id()
        request = self._request(
            "INVITE", f"sip:{dialled}@{host}", f"<sip:{dialled}@{host}>", call_id, tag, 1, number
        )
        request.headers += [("contact", self.contact), ("content-type", "application/sdp")]
        request.body = self._sdp()
        call = self.calls[call_id] = PhoneCall(call_id, request, True, tag)
        self._send(request)
        return call

    async def call(self, dialled: str, *, number: str | None = None) -> PhoneCall:
        """Call and wait for the final response."""
        call = self.invite(dialled, number=number)
        await call.status()
        return call

    def hang_up(self, call: PhoneCall) -> None:
        """CANCEL a call that is not answered, BYE one that is."""
        if call.outgoing and not call.final.done():
            cancel = Message(
                call.invite.start.replace("INVITE", "CANCEL", 1),
                [
                    (name, value.replace("INVITE", "CANCEL"))
                    for name, value in call.invite.headers
                    if name in ("via", "max-forwards", "from", "to", "call-id", "cseq")
                ],
            )
            self._send(cancel)
            return
        self._send(self._inside(call, "BYE"))
        call.ended.set()

    async def refer(self, call: PhoneCall, to: str) -> int:
        """REFER: transfer the other end of an answered call.

        :param call: the call.
        :param to: the number.
        :returns: the status of the answer.
        """
        request = self._inside(call, "REFER")
        request.headers += [("refer-to", f"<sip:{to}@{self.server[0]}>"), ("contact", self.contact)]
        answer = await self._ask(request)
        assert answer.status is not None
        return answer.status

    async def attend(self, call: PhoneCall, consult: PhoneCall) -> int:
        """REFER with Replaces: bring the other ends of two calls of ours together.

        :returns: the status of the answer.
        """
        ours, theirs = self._sides(consult)
        tags = [side.partition("tag=")[2] for side in (theirs, ours)]
        replaces = f"{consult.call_id}%3Bto-tag%3D{tags[0]}%3Bfrom-tag%3D{tags[1]}"
        request = self._inside(call, "REFER")
        uri = f"<sip:anybody@{self.server[0]}?Replaces={replaces}>"
        request.headers += [("refer-to", uri), ("contact", self.contact)]
        answer = await self._ask(request)
        assert answer.status is not None
        return answer.status

    def _sides(self, call: PhoneCall) -> tuple[str, str]:
        mine = call.invite["from"] if call.outgoing else f"{call.invite['to']};tag={call.tag}"
        return mine, call.remote

    def _inside(self, call: PhoneCall, method: str) -> Message:
        call.cseq += 1
        request = self._request(method, call.target, "", call.call_id, "", call.cseq)
        mine, theirs = self._sides(call)
        request.headers = [(n, v) for n, v in request.headers if n not in ("from", "to")] + [
            ("from", mine),
            ("to", theirs),
        ]
        return request

    def _on_notify(self, message: Message) -> None:
        self._answer(message, 200, "")
        if call := self.calls.get(message["call-id"]):
            call.told.append(message.body.strip())

    async def rings(self) -> PhoneCall:
        """Wait for a call to come in."""
        async with asyncio.timeout(WITHIN):
            return await self.incoming.get()

    # --- the wire ---------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self.deaf or self._lost():
            return
        message = Message.parse(data)
        if message.status is not None:
            self._on_response(message)
        elif message["via"] + message.method in self._answers:
            self._raw(self._answers[message["via"] + message.method])
        else:
            getattr(self, f"_on_{message.method.lower()}", self._on_other)(message)

    def _on_response(self, message: Message) -> None:
        assert message.status is not None
        waiting = self._waiting.get(message["call-id"] + message["cseq"])
        if waiting is not None and message.status >= 200 and not waiting.done():
            waiting.set_result(message)
        call = self.calls.get(message["call-id"])
        if call is None or message.method != "INVITE" or not call.outgoing:
            return
        if message.status < 200:
            if message.status > 100:
                call.rung.set()
            return
        ack = Message(
            f"ACK {call.invite.start.split()[1]} SIP/2.0",
            [
                (n, v.replace("INVITE", "ACK"))
                for n, v in call.invite.headers
                if n in ("max-forwards", "from", "call-id", "cseq")
            ]
            + [("to", message["to"])],
        )
        if message.status >= 300:
            self._send_with(ack, call.invite["via"])
            if message.status in (401, 407) and "authorization" not in str(call.invite.headers):
                call.invite = self._authorized(call.invite, message)
                self._send(call.invite)
                return
        else:
            call.remote = message["to"]
            call.target = _uri(message["contact"])
            ack.start = f"ACK {call.target} SIP/2.0"
            self._send_with(ack, self._via())
        if not call.final.done():
            call.final.set_result(message.status)

    def _on_invite(self, message: Message) -> None:
        call = self.calls.get(message["call-id"])
        if call is not None and "tag=" in message["to"]:
            call.reinvites += 1
            self._answer(message, 200, call.tag, sdp=True)
            return
        if call is not None:  # repeated while it rings
            if self.does != "nothing":
                self._answer(message, 180, call.tag)
            return
        call = PhoneCall(
            message["call-id"], message, False, self._id(), message["from"], _uri(message["contact"])
        )
        self.calls[call.call_id] = call
        self.incoming.put_nowait(call)
        if self.does == "nothing":
            return
        here = f"sip:{self.diverts_to}@" in message.start and self.diverts_to != self.number
        if isinstance(self.does, int) and not here:
            self._answer(message, self.does, call.tag)
            call.final.set_result(self.does)
            return
        self._answer(message, 180, call.tag)
        if self.does == "answer" or here:
            self.answer(call)

    def answer(self, call: PhoneCall) -> None:
        """Lift the handset."""
        self._answer(call.invite, 200, call.tag, sdp=True)
        call.final.set_result(200)

    def refuse(self, call: PhoneCall, status: int) -> None:
        """Refuse a call that rings."""
        self._answer(call.invite, status, call.tag)
        call.final.set_result(status)

    def _on_ack(self, message: Message) -> None:
        if call := self.calls.get(message["call-id"]):
            call.acknowledged.set()

    def _on_cancel(self, message: Message) -> None:
        call = self.calls.get(message["call-id"])
        if call is None:
            self._answer(message, 481, "")
            return
        self._answer(message, 200, call.tag)
        if not call.final.done():
            self._answer(call.invite, 487, call.tag)
            call.final.set_result(487)
        call.ended.set()

    def _on_bye(self, message: Message) -> None:
        self._answer(message, 200, "")
        if call := self.calls.get(message["call-id"]):
            call.bye = message
            call.ended.set()

    def _on_other(self, message: Message) -> None:
        call = self.calls.get(message["call-id"])
        over = "tag=" in message["to"] and (call is None or call.ended.is_set())
        self._answer(message, 481 if over else 501, "")

    # --- messages ---------------------------------------------------------------------------------

    def _request(
        self, method: str, uri: str, to: str, call_id: str, tag: str, cseq: int, number: str | None = None
    ) -> Message:
        who = f"<sip:{number or self.number}@{self.server[0]}>;tag={tag}"
        return Message(
            f"{method} {uri} SIP/2.0",
            [
                ("via", self._via()),
                ("max-forwards", "70"),
                ("from", who),
                ("to", to),
                ("call-id", call_id),
                ("cseq", f"{cseq} {method}"),
            ],
        )

    def _authorized(self, request: Message, challenge: Message, count: int = 1) -> Message:
        name = "www-authenticate" if challenge.status == 401 else "proxy-authenticate"
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge[name].removeprefix("Digest ")))
        hashed = hashlib.sha256 if asked.get("algorithm", "MD5").upper() == "SHA-256" else hashlib.md5

        def h(text: str) -> str:
            return hashed(text.encode()).hexdigest()

        method, uri, _ = request.start.split()
        ha1 = h(f"{self.number}:{asked['realm']}:{self.password}")
        response = h(f"{ha1}:{asked['nonce']}:{count:08x}:abc:auth:{h(f'{method}:{uri}')}")
        fields = {
            "username": self.number,
            "realm": asked["realm"],
            "nonce": asked["nonce"],
            "uri": uri,
            "response": response,
            "cnonce": "abc",
        }
        quoted = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        credentials = f"Digest {quoted}, algorithm={asked.get('algorithm', 'MD5')}, qop=auth, nc={count:08x}"
        cseq, _ = request["cseq"].split()
        headers = [(n, v) for n, v in request.headers if n not in ("via", "cseq")]
        header = "authorization" if challenge.status == 401 else "proxy-authorization"
        more = [("via", self._via()), ("cseq", f"{int(cseq) + 1} {method}"), (header, credentials)]
        call = self.calls.get(request["call-id"])
        if call is not None:
            call.cseq = int(cseq) + 1
        return Message(request.start, more + headers, request.body)

    def _answer(self, request: Message, status: int, tag: str, *, sdp: bool = False) -> None:
        to = request["to"] if "tag=" in request["to"] or not tag else f"{request['to']};tag={tag}"
        copied = [
            (n, v) for n, v in request.headers if n in ("via", "from", "call-id", "cseq", "record-route")
        ]
        contact = f"<sip:{self.diverts_to}@{self.server[0]}>" if 300 <= status < 400 else self.contact
        answer = Message(f"SIP/2.0 {status} Status", [*copied, ("to", to), ("contact", contact)])
        if sdp:
            answer.headers.append(("content-type", "application/sdp"))
            answer.body = self._sdp()
        if status >= 200:
            self._answers[request["via"] + request.method] = answer.bytes()
        self._raw(answer.bytes())

    async def _ask(self, request: Message) -> Message:
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[request["call-id"] + request["cseq"]] = waiting
        self._send(request)
        async with asyncio.timeout(WITHIN):
            return await waiting

    def _sdp(self) -> str:
        # Port 9 is "discard": nobody listens to what is said.
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.address[0]}\r\ns=-\r\nc=IN IP4 {self.address[0]}\r\nt=0 0\r\n"
            f"m=audio 9 RTP/AVP {self.codecs}\r\na=sendrecv\r\n"
        )

    def _id(self) -> str:
        return f"{self.number}-{self.address[1]}-{next(self._ids)}"

    def _via(self) -> str:
        return f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};rport;branch=z9hG4bK-{self._id()}"

    def _send(self, message: Message) -> None:
        self._raw(message.bytes())

    def _send_with(self, message: Message, via: str) -> None:
        self._send(Message(message.start, [("via", via), *message.headers], message.body))

    def _lost(self) -> bool:
        return self.loses is not None and self.loses.random() < 0.05

    def _raw(self, data: bytes) -> None:
        assert self._transport is not None
        if self._lost():
            return
        self._transport.sendto(data, self.server)


def _uri(contact: str) -> str:
    found = re.search(r"<([^>]+)>", contact)
    return found[1] if found else contact
