"""An Asterisk with thousands of phones on four sockets, ``ccbs serve`` and a bare ARI program beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
import time
import wave
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).parent.parent
sys.path.append(str(_ROOT / "tests"))

from acceptance.network import LoopbackNetwork  # noqa: E402
from benches import bare_ari  # noqa: E402
from benches.phones import Bank, Dialog, Message  # noqa: E402
from benches.process import Failed, Switch  # noqa: E402
from benches.side_by_side import carry_out  # noqa: E402
from ccbs.prompts import names  # noqa: E402
from interop.asterisk.exchange import (  # noqa: E402
    ARI_PASSWORD,
    ARI_PORT,
    ARI_USER,
    SIP_PORT,
    Asterisk,
    AsteriskFailed,
    Extension,
)

__all__ = ["BARE", "CCBS", "Office", "Side"]

CCBS, BARE = "ccbs", "bare"
_CALLERS, _CALLEES = "1", "2"
_AT_ONCE = 64
_TALKS_WITH = "900"
_WITHIN_S = 60.0
_DIALPLAN = f"""
[office]
exten => {_TALKS_WITH},1,Answer()
 same => n,Wait(86400)
exten => _{_CALLEES}XXXXX,1,Stasis(ccbs,gate,${{EXTEN}})
 same => n,Dial(PJSIP/${{EXTEN}},60)
 same => n,Stasis(ccbs,after,${{EXTEN}},${{DIALSTATUS}})
 same => n,Hangup()
exten => *37#,1,Stasis(ccbs,set,${{EXTEN}})
 same => n,Congestion(3)
"""


class Phones(Bank):
    """A bank that tells when the other side hung up, and can hang up as soon as it is connected."""

    def __init__(self, address: tuple[str, int], server: tuple[str, int]) -> None:
        super().__init__(address, server, "bench.example")
        self.hangs_up = False
        """Whether a phone that was called hangs up when it is connected."""
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._connected: dict[str, Dialog] = {}

    def ended(self, call_id: str) -> asyncio.Future[None]:
        """When the other side has hung up."""
        return self._ended.setdefault(call_id, asyncio.get_running_loop().create_future())

    def _id(self, number: str) -> str:
        # Of Asterisk's transactions the branch alone is looked at: two banks must not have one in common.
        return f"{super()._id(number)}x{self.host.rpartition('.')[2]}"

    def _sdp(self) -> str:
        return f"{super()._sdp()}a=rtcp-mux\r\n"

    def _answered(self, dialog: Dialog, answer: Message) -> None:
        self.ended(dialog.call_id)

    def _on_request(self, message: Message) -> None:
        super()._on_request(message)
        call_id = message.headers["call-id"]
        if message.method == "BYE" and (ended := self._ended.pop(call_id, None)) and not ended.done():
            ended.set_result(None)
        if message.method == "ACK" and self.hangs_up and "tag=" in message.headers["to"]:
            self._hang_up_as_called(message)

    def _hang_up_as_called(self, ack: Message) -> None:
        number = ack.start.split()[1].removeprefix("sip:").partition("@")[0]
        call_id = ack.headers["call-id"]
        if number not in self.talks or call_id in self._connected:
            return
        target = f"sip:{self.server[0]}:{self.server[1]}"
        remote, local = ack.headers["from"], ack.headers["to"]
        self._connected[call_id] = Dialog(number, call_id, local, remote, target, 1)
        data = self._request("BYE", target, local, remote, call_id, 1, "", "")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[call_id, "1 BYE"] = answer
        asyncio.get_running_loop().call_later(0.5, self._repeat_until_answered, answer, data, 0.5)
        self._send(data)


class Side:
    """The callers and callees of one of the two programs.

    :param who: which.
    :param lines: how many callees, and as many callers.
    """

    def __init__(
        self, who: str, lines: int, callers: Phones, callees: Phones, prefixes: Sequence[str]
    ) -> None:
        self.who = who
        self.lines = lines
        self._callers = callers
        self._callees = callees
        self._prefixes = prefixes
        self._talks: dict[int, Dialog] = {}

    def caller(self, at: int) -> str:
        """The number of a caller."""
        return f"{self._prefixes[0]}{at:05d}"

    def callee(self, at: int) -> str:
        """The number of its callee."""
        return f"{self._prefixes[1]}{at:05d}"

    async def talk(self, positions: range) -> None:
        """These callees are in a call from now on."""
        await carry_out((self._one_talks(at) for at in positions), _AT_ONCE)

    async def _one_talks(self, at: int) -> None:
        status, dialog = await self._callees.call(self.callee(at), "", _TALKS_WITH)
        if dialog is None:
            raise Failed(f"call of {self.callee(at)}: {status}")
        self._talks[at] = dialog

    async def order(self, positions: range) -> None:
        """These callers find their callees busy and order, 64 at a time."""
        await carry_out((self._one_orders(at) for at in positions), _AT_ONCE)

    async def _one_orders(self, at: int) -> None:
        caller = self.caller(at)
        status, _ = await self._callers.call(caller, "", self.callee(at))
        if status != 486:
            raise Failed(f"call of {caller} to a busy line: {status}")
        status, dialog = await self._callers.call(caller, "", "*37#")
        if dialog is None:
            raise Failed(f"order of {caller}: {status}")
        await asyncio.wait_for(self._callers.ended(dialog.call_id), _WITHIN_S)

    def rung(self, at: int) -> asyncio.Future[Message]:
        """The next INVITE to a caller."""
        return self._callers.expect_invite(self.caller(at))

    def called(self, at: int) -> asyncio.Future[Message]:
        """The next INVITE to a callee."""
        return self._callees.expect_invite(self.callee(at))

    async def hang_up(self, at: int) -> float:
        """A callee hangs up; when its BYE was handed to the kernel, Unix time in seconds."""
        return await self._callees.bye(self._talks.pop(at))

    async def hang_up_all(self, positions: range, at_once: int) -> None:
        """Callees hang up as fast as Asterisk answers."""
        await self._callees.bye_all([self._talks.pop(at) for at in positions], at_once)

    def answer_from_now_on(self) -> None:
        """Callers and callees answer, and callees hang up when they are connected."""
        self._callers.talks = {self.caller(at) for at in range(self.lines)}
        self._callees.talks = {self.callee(at) for at in range(self.lines)}
        self._callees.hangs_up = True

    def decline_from_now_on(self) -> None:
        """Callers decline."""
        self._callers.talks = set()


class Office:
    """Everything; use :meth:`open`.

    :ivar sides: of ccbs, and of the bare program.
    """

    def __init__(self, asterisk: Asterisk, ccbs: Switch, bare: asyncio.subprocess.Process) -> None:
        self.sides: tuple[Side, Side]
        self._asterisk = asterisk
        self._ccbs = ccbs
        self._bare = bare
        self._serves = True

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, lines: int, of_bare: int, rung: int) -> AsyncIterator[Self]:
        """Starts all of it.

        :param directory: for files; made.
        :param lines: callees of ccbs.
        :param of_bare: callees of the bare program.
        :param rung: callers that the bare program has at least.
        :raises Failed: when something does not start.
        """
        network = LoopbackNetwork()
        prefixes = (_CALLERS, _CALLEES, bare_ari.CALLERS, bare_ari.CALLEES)
        counts = (lines, lines, max(of_bare, rung), of_bare)
        addresses = [network.address(101 + index) for index in range(4)]
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(network.close)
            try:
                asterisk = await Asterisk.start(
                    network.address(10),
                    dialplan=_DIALPLAN,
                    extensions=[
                        # A socket less a call: with thousands of calls files are what is scarce.
                        Extension(f"{prefix}{at:05d}", "", contact=address, direct_media=False, rtcp_mux=True)
                        for prefix, count, address in zip(prefixes, counts, addresses, strict=True)
                        for at in range(count)
                    ],
                    verbose=False,
                    further={"http.conf": _http(network.address(10))},
                )
            except AsteriskFailed as error:
                raise Failed(str(error)) from error
            stack.push_async_callback(asterisk.stop)
            sounds = _sounds(asterisk)
            banks = [Phones((address, SIP_PORT), (asterisk.address, SIP_PORT)) for address in addresses]
            for bank in banks:
                bank.refuse_with = 603
                stack.callback(bank.close)
            ccbs = Switch(directory / "ccbs", _config(asterisk, sounds, lines))
            await asyncio.to_thread(ccbs.__enter__)
            office = cls(asterisk, ccbs, await _start_bare(asterisk, directory))
            stack.push_async_callback(office._stop)
            office.sides = (
                Side(CCBS, lines, banks[0], banks[1], prefixes[:2]),
                Side(BARE, of_bare, banks[2], banks[3], prefixes[2:]),
            )
            await office._in_contact()
            yield office

    async def _in_contact(self) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not (await self._counters())["ari_contact"]:
            if time.monotonic() > deadline:
                raise Failed("ccbs is not in contact with Asterisk")
            await asyncio.sleep(0.1)

    async def _counters(self) -> dict[str, int]:
        return await asyncio.to_thread(self._ccbs.counters)

    async def orders(self) -> int:
        """How many orders stand."""
        return int((await asyncio.to_thread(self._ccbs.ask, "orders"))["total"])

    async def lag_us(self) -> int:
        """The longest that an event waited between the reader and its handler, in microseconds."""
        return (await self._counters())["ari_lag_max_us"]

    async def originate(self, count: int) -> tuple[float, list[float]]:
        """The bare program rings so many callers of its own at once, who decline.

        :returns: when it was told to, and when each INVITE came, sorted; Unix time in seconds.
        """
        side = self.sides[1]
        side.decline_from_now_on()
        invited = [side.rung(at) for at in range(count)]
        began = time.time()
        assert self._bare.stdin is not None
        self._bare.stdin.write(f"originate {side.caller(0)} {count}\n".encode())
        await asyncio.wait(invited, timeout=_WITHIN_S)
        return began, sorted(one.result().at for one in invited if one.done())

    async def stop_ccbs(self) -> None:
        """ccbs serves no more."""
        if self._serves:
            self._serves = False
            await asyncio.to_thread(self._ccbs.__exit__, None, None, None)

    async def _stop(self) -> None:
        await self.stop_ccbs()
        assert self._bare.stdin is not None
        self._bare.stdin.close()
        try:
            await asyncio.wait_for(self._bare.wait(), 10.0)
        except TimeoutError:
            self._bare.kill()
            await self._bare.wait()


def _http(address: str) -> str:
    # Two programs with 64 connections each, and their streams, are more than the 100 it has by default.
    return f"[general]\nenabled=yes\nbindaddr={address}\nbindport={ARI_PORT}\nsessionlimit=500\n"


def _sounds(asterisk: Asterisk) -> str:
    """Prompts of 20 ms: thousands of some seconds would measure how long they are."""
    directory = asterisk.directory / "sounds" / "ru"
    directory.mkdir(parents=True)
    for name in names():
        with wave.open(str(directory / f"{name}.wav"), "wb") as prompt:
            prompt.setnchannels(1)
            prompt.setsampwidth(2)
            prompt.setframerate(8_000)
            prompt.writeframes(struct.pack("<160h", *([0] * 160)))
    return f"{asterisk.inside}/sounds"


def _config(asterisk: Asterisk, sounds: str, lines: int) -> dict[str, Any]:
    services = {"ccbs": {"allowed": True, "offer_window_s": 300}}
    return {
        "switch": "asterisk",
        "asterisk": {
            "url": f"http://{asterisk.address}:{ARI_PORT}",
            "username": ARI_USER,
            "password": ARI_PASSWORD,
            "context": "office",
            "sounds": sounds,
        },
        "subscribers": [
            subscriber
            for at in range(lines)
            for subscriber in (
                {"number": f"{_CALLERS}{at:05d}", "services": services},
                {"number": f"{_CALLEES}{at:05d}"},
            )
        ],
        "profiles": {
            "ccbs": {"caller_free_guard_s": 0, "callee_idle_guard_s": 0, "service_duration_s": 86_400}
        },
        "numbering": {"internal": [f"{_CALLERS}XXXXX", f"{_CALLEES}XXXXX"]},
        "limits": {"engine": {"recalls_at_once": 500, "recalls_per_second": 1_000}},
    }


async def _start_bare(asterisk: Asterisk, directory: Path) -> asyncio.subprocess.Process:
    with (directory / "bare.log").open("wb") as log:
        bare = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benches.bare_ari", f"http://{asterisk.address}:{ARI_PORT}",
            ARI_USER, ARI_PASSWORD, cwd=_ROOT, env=os.environ,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    assert bare.stdout is not None
    if await asyncio.wait_for(bare.stdout.readline(), _WITHIN_S) != b"ready\n":
        raise Failed(f"the bare ARI program did not start; see {directory / 'bare.log'}")
    return bare
