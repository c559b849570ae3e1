"""Phones for measuring: thousands of them on one UDP socket, with the kernel's own receive times."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Self

from benches.process import Failed

__all__ = ["Bank", "Dialog", "Message"]

_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_WITHIN_S = 20.0
_REPEAT_S = 0.5
_LONGEST_REPEAT_S = 4.0


@dataclass(frozen=True)
class Message:
    """A SIP message, read as far as a phone needs.

    :ivar at: when the kernel received it, Unix time in seconds.
    :ivar body: what follows the headers.
    """

    start: str
    headers: dict[str, str]
    vias: tuple[str, ...]
    at: float
    body: str = ""

    @classmethod
    def parse(cls, data: bytes, at: float) -> Self:
        """Reads a datagram; headers are found by lower-case name."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers: dict[str, str] = {}
        vias = []
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            if name in ("via", "v"):
                vias.append(value.strip())
            headers.setdefault(name, value.strip())
        return cls(start, headers, tuple(vias), at, body)

    @property
    def status(self) -> int:
        """The status code; 0 of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """Of the transaction."""
        return self.headers["cseq"].split()[1]


@dataclass
class Dialog:
    """A call that was answered."""

    number: str
    call_id: str
    local: str
    remote: str
    target: str
    cseq: int


class Bank:
    """All phones at one address.

    :param address: the local address; port 0 takes any.
    :param server: where the switch listens.
    :param realm: of the digest.
    """

    def __init__(self, address: tuple[str, int], server: tuple[str, int], realm: str) -> None:
        self.server = server
        self.realm = realm
        self.refuse_with = 486
        self.talks: set[str] = set()
        """Called numbers that answer; all others refuse with ``refuse_with``."""
        self.invited: dict[str, asyncio.Future[Message]] = {}
        """By number: set when an INVITE for it arrives."""
        self.repeated = 0
        """Messages that had to be sent again."""
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._replies: dict[tuple[str, str], bytes] = {}
        self._count = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        with contextlib.suppress(PermissionError):  # only root may have more than rmem_max
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
        self._socket.setblocking(False)
        self._socket.bind(address)
        self.host, self.port = self._socket.getsockname()
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Frees the address."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def register(self, number: str, password: str, expires_s: int = 3600) -> None:
        """:raises Failed: when the switch does not accept it."""
        to = f"<sip:{number}@{self.realm}>"
        extra = f"Expires: {expires_s}\r\n"
        answer = await self._ask(
            "REGISTER", f"sip:{self.realm}", number, to, self._id(number), extra, "", password
        )
        if answer.status != 200:
            raise Failed(f"REGISTER of {number}: {answer.start}")

    async def call(self, number: str, password: str, dialled: str) -> tuple[int, Dialog | None]:
        """Calls; the final status, and the dialog if it was answered."""
        uri = f"sip:{dialled.replace('#', '%23')}@{self.server[0]}:{self.server[1]}"
        call_id = self._id(number)
        answer = await self._ask(
            "INVITE",
            uri,
            number,
            f"<{uri}>",
            call_id,
            "Content-Type: application/sdp\r\n",
            self._sdp(),
            password,
        )
        if answer.status >= 300:
            return answer.status, None
        target = _uri(answer.headers["contact"])
        cseq = int(answer.headers["cseq"].split()[0])
        dialog = Dialog(number, call_id, answer.headers["from"], answer.headers["to"], target, cseq)
        self._answered(dialog, answer)
        self._send(self._request("ACK", target, dialog.local, dialog.remote, call_id, cseq, "", ""))
        return answer.status, dialog

    def _answered(self, dialog: Dialog, answer: Message) -> None:
        """A call of ours was answered."""

    async def bye(self, dialog: Dialog) -> float:
        """Hangs up; when the BYE was handed to the kernel, Unix time in seconds."""
        cseq = dialog.cseq + 1
        data = self._request("BYE", dialog.target, dialog.local, dialog.remote, dialog.call_id, cseq, "", "")
        sent = time.time()
        answer = await self._transact(dialog.call_id, f"{cseq} BYE", data)
        if answer.status != 200:
            raise Failed(f"BYE of {dialog.number}: {answer.start}")
        return sent

    async def bye_all(self, dialogs: list[Dialog], at_once: int) -> float:
        """Hangs up all, so many unanswered at a time, for less of the phones' own time than :meth:`bye`.

        :returns: when the last answer came, Unix time in seconds.
        :raises Failed: when one is not answered.
        """
        loop = asyncio.get_running_loop()
        requests = [
            (
                dialog,
                self._request(
                    "BYE", dialog.target, dialog.local, dialog.remote, dialog.call_id, dialog.cseq + 1, "", ""
                ),
            )
            for dialog in dialogs
        ]
        room = asyncio.Semaphore(at_once)
        answers: list[asyncio.Future[Message]] = []
        for dialog, data in requests:
            await room.acquire()
            answer: asyncio.Future[Message] = loop.create_future()
            answer.add_done_callback(lambda _: room.release())
            self._waiting[dialog.call_id, f"{dialog.cseq + 1} BYE"] = answer
            answers.append(answer)
            loop.call_later(_REPEAT_S, self._repeat_until_answered, answer, data, _REPEAT_S)
            self._send(data)
        _, unanswered = await asyncio.wait(answers, timeout=_WITHIN_S)
        for dialog in dialogs:
            del self._waiting[dialog.call_id, f"{dialog.cseq + 1} BYE"]
        if unanswered:
            raise Failed(f"{len(unanswered)} of {len(dialogs)} BYE are not answered within {_WITHIN_S:g} s")
        return max(answer.result().at for answer in answers)

    def _repeat_until_answered(self, answer: asyncio.Future[Message], data: bytes, pause: float) -> None:
        if answer.done():
            return
        self.repeated += 1
        self._send(data)
        pause = min(2 * pause, _LONGEST_REPEAT_S)
        asyncio.get_running_loop().call_later(pause, self._repeat_until_answered, answer, data, pause)

    def expect_invite(self, number: str) -> asyncio.Future[Message]:
        """The next INVITE for a number."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.invited[number] = future
        return future

    # --- the wire -------------------------------------------------------------------------------------

    def _readable(self) -> None:
        for _ in range(256):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(8192, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            message = Message.parse(data, seconds + nanoseconds / 1e9)
            if message.status:
                self._on_response(message)
            else:
                self._on_request(message)

    def _on_response(self, message: Message) -> None:
        if message.status < 200:
            return
        waiting = self._waiting.get((message.headers["call-id"], message.headers["cseq"]))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _on_request(self, message: Message) -> None:
        key = (message.vias[0], message.method)
        if key in self._replies:
            self._send(self._replies[key])
        elif message.method == "INVITE":
            number = message.start.split()[1].removeprefix("sip:").partition("@")[0]
            waiting = self.invited.pop(number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            answers = number in self.talks or "tag=" in message.headers["to"]
            self._reply(message, 200 if answers else self.refuse_with, number)
        elif message.method != "ACK":
            self._reply(message, 200, "")

    def _reply(self, request: Message, status: int, number: str) -> None:
        lines = [
            f"SIP/2.0 {status} {'OK' if status == 200 else 'Refused'}",
            *(f"Via: {via}" for via in request.vias),
        ]
        to = request.headers["to"]
        lines += [
            f"From: {request.headers['from']}",
            f"To: {to}" if "tag=" in to else f"To: {to};tag=t{self._id('')}",
            f"Call-ID: {request.headers['call-id']}",
            f"CSeq: {request.headers['cseq']}",
        ]
        body = ""
        if status == 200 and request.method == "INVITE":
            body = self._sdp()
            lines += [f"Contact: <sip:{number}@{self.host}:{self.port}>", "Content-Type: application/sdp"]
        data = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
        self._replies[request.vias[0], request.method] = data
        self._send(data)

    async def _ask(
        self, method: str, uri: str, number: str, to: str, call_id: str, extra: str, body: str, password: str
    ) -> Message:
        """A request outside a dialog; answers one challenge."""
        local = f"<sip:{number}@{self.realm}>;tag={call_id}"
        authorization = ""
        for cseq in (1, 2):
            data = self._request(method, uri, local, to, call_id, cseq, authorization + extra, body)
            answer = await self._transact(call_id, f"{cseq} {method}", data)
            if method == "INVITE" and answer.status >= 300:
                branch = re.search(rb"branch=([^;\r]+)", data)
                assert branch is not None
                remote = answer.headers["to"]
                self._send(
                    self._request("ACK", uri, local, remote, call_id, cseq, "", "", branch[1].decode())
                )
            if answer.status not in (401, 407):
                return answer
            authorization = _authorization(answer, method, uri, number, password)
        return answer

    async def _transact(self, call_id: str, cseq: str, data: bytes) -> Message:
        waiting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[call_id, cseq] = waiting
        end = time.monotonic() + _WITHIN_S
        self._send(data)
        pause = _REPEAT_S
        try:
            while True:
                done, _ = await asyncio.wait([waiting], timeout=pause)
                if done:
                    return waiting.result()
                if time.monotonic() > end:
                    raise Failed(f"no answer to {cseq} of {call_id} within {_WITHIN_S:g} s")
                self.repeated += 1
                pause = min(2 * pause, _LONGEST_REPEAT_S)
                self._send(data)
        finally:
            del self._waiting[call_id, cseq]

    def _request(
        self, method: str, uri: str, local: str, remote: str, call_id: str, cseq: int, extra: str, body: str,
        branch: str | None = None,
    ) -> bytes:  # fmt: skip
        branch = branch or f"z9hG4bK{self._id('')}"
        number = local.partition("sip:")[2].partition("@")[0]
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{number}@{self.host}:{self.port}>\r\n"
            f"{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _sdp(self) -> str:
        # Port 9 is "discard": nobody listens to what is played.
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def _id(self, number: str) -> str:
        self._count += 1
        return f"{number}x{self._count}x{self.port}"

    def _send(self, data: bytes) -> None:
        self._socket.sendto(data, self.server)


def _uri(contact: str) -> str:
    found = re.search(r"<([^>]+)>", contact)
    return found[1] if found else contact


def _authorization(answer: Message, method: str, uri: str, number: str, password: str) -> str:
    """MD5 with qop (RFC 2617), which is what plain phones answer."""
    name = "www-authenticate" if answer.status == 401 else "proxy-authenticate"
    asked = dict(re.findall(r'(\w+)="?([^",]+)"?', answer.headers[name].removeprefix("Digest ")))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    ha1 = md5(f"{number}:{asked['realm']}:{password}")
    response = md5(f"{ha1}:{asked['nonce']}:00000001:b:auth:{md5(f'{method}:{uri}')}")
    header = "Authorization" if answer.status == 401 else "Proxy-Authorization"
    return (
        f'{header}: Digest username="{number}", realm="{asked["realm"]}", '
        f'nonce="{asked["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="b"\r\n'
    )
