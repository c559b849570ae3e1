"""Phones that listen: thousands on one socket, each of which tells by its RTP which prompt it heard."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import wave
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benches.phones import Bank, Dialog, Message
from benches.process import Failed

from acceptance.g711 import decode

__all__ = ["LEVELS", "Phones", "Trunk", "write_prompts"]

LEVELS = {
    "order-accepted": 1_000,
    "order-cancelled": 3_000,
    "all-cancelled": 6_000,
    "nothing-ordered": 10_000,
    "too-many-orders": 15_000,
    "not-allowed": 20_000,
    "number-was-not-busy": 27_000,
    "activated": -2_000,
    "callee-busy-again": -9_000,
    "callee-no-answer": -20_000,
}
"""Each of these prompts is a level of its own, so that one packet tells it."""

_RTP = struct.Struct("!BBHII")
_PACKETS = 3


def write_prompts(directory: Path) -> dict[str, str]:
    """Writes the prompts; returns them as the configuration names them."""
    directory.mkdir()
    for name, level in LEVELS.items():
        with wave.open(str(directory / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(struct.pack("<h", level) * 160 * _PACKETS)
    return {name: str(directory / f"{name}.wav") for name in LEVELS}


def _octet(level: int) -> int:
    """The octet of G.711 µ-law that is nearest to a level."""
    levels = decode(bytes(range(256)), "PCMU") * 32_768
    return min(range(256), key=lambda octet: abs(levels[octet] - level))


class _Mortal(Bank):
    """Whose server may die: then every question is over at once."""

    def server_died(self) -> None:
        """Whoever waits for it waits in vain."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Failed("the server was killed"))


class Phones(_Mortal):
    """The callers' phones.

    :param rung: is told at the INVITE of a recall: the number, ``→``, and the number that it shows.
    :param over: is told the same when the recall's call has ended.
    """

    def __init__(
        self,
        address: tuple[str, int],
        server: tuple[str, int],
        realm: str,
        *,
        rung: Callable[[str], None],
        over: Callable[[str], None],
    ) -> None:
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.setblocking(False)
        self._rtp.bind((address[0], 0))
        super().__init__(address, server, realm)
        asyncio.get_running_loop().add_reader(self._rtp, self._hear)
        self._rung, self._over = rung, over
        self._by_port: dict[int, str] = {}
        self._heard: dict[str, Counter[str]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._recalls: dict[str, tuple[str, str, Dialog]] = {}
        self._names = {_octet(level): name for name, level in LEVELS.items()}

    def close(self) -> None:
        """Frees the addresses."""
        asyncio.get_running_loop().remove_reader(self._rtp)
        self._rtp.close()
        super().close()

    async def dial_code(self, number: str, password: str, code: str, within_s: float) -> str | None:
        """Dials a service code and listens until the switch hangs up.

        :returns: the prompt; None when none was heard.
        """
        status, dialog = await self.call(number, password, code)
        if dialog is None:
            return f"status {status}"
        ended = self._ended[dialog.call_id]
        try:
            await asyncio.wait_for(ended.wait(), within_s)
        except TimeoutError:
            pass
        finally:
            self._ended.pop(dialog.call_id, None)
            heard = self._heard.pop(dialog.call_id, Counter())
        return heard.most_common(1)[0][0] if heard else None

    async def hang_up_recall(self, number: str) -> None:
        """Ends the recall that its phone has answered."""
        if (found := self._recalls.pop(number, None)) is not None:
            _, order, dialog = found
            await self.bye(dialog)
            self._over(order)

    def server_died(self) -> None:
        """Calls are dead, too."""
        super().server_died()
        self._recalls.clear()
        for ended in self._ended.values():
            ended.set()

    def _sdp(self) -> str:
        return super()._sdp().replace("audio 9 ", f"audio {self._rtp.getsockname()[1]} ")

    def _answered(self, dialog: Dialog, answer: Message) -> None:
        self._ended[dialog.call_id] = asyncio.Event()
        self._heard[dialog.call_id] = Counter()
        if (port := re.search(r"m=audio (\d+)", answer.body)) is not None:
            self._by_port[int(port[1])] = dialog.call_id

    def _hear(self) -> None:
        for _ in range(256):
            try:
                data, (_, port) = self._rtp.recvfrom(2_048)
            except BlockingIOError:
                return
            name = self._names.get(data[_RTP.size + 80]) if len(data) > _RTP.size + 80 else None
            call = self._by_port.get(port)
            if name is not None and call in self._heard:
                self._heard[call][name] += 1

    def _on_request(self, message: Message) -> None:
        new = (message.vias[0], message.method) not in self._replies
        super()._on_request(message)
        call_id = message.headers["call-id"]
        if message.method == "INVITE" and new and "tag=" not in message.headers["to"]:
            number = message.start.split()[1].removeprefix("sip:").partition("@")[0]
            reply = Message.parse(self._replies[message.vias[0], "INVITE"], 0)
            target = re.search(r"<([^>]+)>", message.headers["contact"])
            assert target is not None
            dialog = Dialog(number, call_id, reply.headers["to"], message.headers["from"], target[1], 0)
            shown = message.headers["from"].partition("sip:")[2].partition("@")[0]
            self._recalls[number] = (call_id, f"{number}→{shown}", dialog)
            self._rung(f"{number}→{shown}")
        elif message.method in ("BYE", "CANCEL") and new:
            if call_id in self._ended:
                self._ended[call_id].set()
            for number, (recall, order, _) in list(self._recalls.items()):
                if recall == call_id:
                    del self._recalls[number]
                    self._over(order)


class Trunk(_Mortal):
    """The callees, behind a trunk.

    :param talks: is told the callee's number when its answer was acknowledged.
    """

    def __init__(
        self, address: tuple[str, int], server: tuple[str, int], realm: str, *, talking: Callable[[str], None]
    ) -> None:
        super().__init__(address, server, realm)
        self._talking = talking
        self._answering: dict[str, str] = {}

    def _on_request(self, message: Message) -> None:
        super()._on_request(message)
        call_id = message.headers["call-id"]
        if message.method == "INVITE" and "tag=" not in message.headers["to"]:
            number = message.start.split()[1].removeprefix("sip:").partition("@")[0]
            if b" 200 " in self._replies[message.vias[0], "INVITE"][:16]:
                self._answering[call_id] = number
        elif message.method == "ACK" and (answered := self._answering.pop(call_id, None)) is not None:
            self._talking(answered)
