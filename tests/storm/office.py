"""``ccbs serve`` with a store, a thousand callers whose orders wait, and SIPp's calls besides."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.calls import PHONES, free_port, stat
from benches.phones import Bank
from benches.process import Failed
from ruamel.yaml import YAML

import ccbs
from ccbs.control import ControlError, ask

from .ledger import Ledger
from .phones import Phones, Trunk, write_prompts

__all__ = ["Load", "Office"]

REALM = "storm.example"
PASSWORD = "storm-password"
CALLER_HOST, TRUNK_HOST, SIPP_HOST = "127.0.0.45", "127.0.0.46", "127.0.0.47"
START_S = 60.0
HEARS_S = 20.0
TALK_S = 0.2
CLOCKS_S = 0.05
"""By how much the server's clock, which is set at its start, may differ from ours."""
CALLEES = 200
_SIP = Path(__file__).parents[2] / "benches" / "sip"
_STEP = re.compile(r"order \d+ (\d+→\d+) ended: (\S+)")


@dataclass(frozen=True)
class Load:
    """What there is to do.

    :ivar callers: how many.
    :ivar each: orders that each has at a time, to so many callees.
    :ivar rate: calls a second that SIPp begins.
    :ivar timers: between which the callers' CB timers lie, in seconds.
    :ivar cancels: the part of the orders that their callers cancel.
    """

    callers: int = 250
    each: int = 4
    rate: int = 110
    timers: tuple[int, int] = (8, 20)
    cancels: float = 0.1

    @property
    def orders(self) -> int:
        """How many there are at a time, at the most."""
        return self.callers * self.each


class Office:
    """The server, which is killed and started again, and everybody around it.

    :param directory: for files; made.
    :param seed: of all that is random.
    :param store: whether it keeps anything: the test of this test.
    :param kept_records: that stay readable in the store.
    :ivar environment: what the server's process has beside our own.
    """

    def __init__(
        self, directory: Path, load: Load, seed: int, *, store: bool = True, kept_records: int = 1_000_000
    ) -> None:
        (directory / "store").mkdir(parents=True)
        self.directory, self.load = directory, load
        self.ledger = Ledger()
        self.random = random.Random(seed)
        self.port = free_port("127.0.0.1")
        self._trunk_port = free_port(TRUNK_HOST)
        self.callers = [str(200_000 + at) for at in range(load.callers)]
        self.answered_s = 0.0
        self.environment: dict[str, str] = {}
        self._numbers = [str(100_000 + at) for at in range(CALLEES)]
        (directory / "callees.csv").write_text("SEQUENTIAL\n" + "".join(f"{n};\n" for n in self._numbers))
        with (directory / "ccbs.yml").open("w", encoding="utf-8") as file:
            kept = {"path": "store/orders.db", "snapshot_records": 2_000, "retention_records": kept_records}
            YAML().dump({**self._config(), **({"store": kept} if store else {})}, file)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._over = False
        self._living: list[asyncio.Task[None]] = []
        self._hanging_up: set[asyncio.Task[None]] = set()
        self._sipp: subprocess.Popen[bytes] | None = None
        self._sipp_port = free_port(PHONES)
        server = ("127.0.0.1", self.port)
        rung, over, talking = self.ledger.rung, self.ledger.recall_over, self._talking
        self.phones = Phones((CALLER_HOST, 0), server, REALM, rung=rung, over=over)
        self.trunk = Trunk((TRUNK_HOST, self._trunk_port), server, REALM, talking=talking)
        self._callees: subprocess.Popen[bytes] | None = None

    def _config(self) -> dict[str, Any]:
        def caller(number: str) -> dict[str, Any]:
            autodial = {"allowed": True, "cb_timer_external_s": self.random.randint(*self.load.timers)}
            return {"number": number, "password": PASSWORD, "services": {"autodial": autodial}}

        return {
            "listen": {"address": "127.0.0.1", "port": self.port, "realm": REALM},
            "subscribers": [
                *({"number": number, "password": PASSWORD} for number in self._numbers),
                *(caller(number) for number in self.callers),
            ],
            "profiles": {"autodial": {"caller_free_guard_s": 1, "attempts": 5}},
            "trunks": [
                {"name": "city", "address": SIPP_HOST, "trusted": True},
                {"name": "far", "address": TRUNK_HOST, "port": self._trunk_port, "trusted": True},
            ],
            "numbering": {
                "internal": ["1XXXXX", "2XXXXX"],
                "external": [{"prefix": "7", "trunk": "city"}, {"prefix": "8", "trunk": "far"}],
            },
            "prompts": {"language": "ru", "overrides": {"ru": write_prompts(self.directory / "prompts")}},
            "control": {"socket": "s"},
        }

    # --- the server ---------------------------------------------------------------------------------

    @property
    def store(self) -> Path:
        """Its store."""
        return self.directory / "store" / "orders.db"

    @property
    def pid(self) -> int:
        """Of the server's process."""
        assert self._process is not None
        return self._process.pid

    async def spawn(self) -> None:
        """Starts the process."""
        self.ledger.life += 1
        log = (self.directory / f"life-{self.ledger.life}.log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ccbs", "serve", "--config", str(self.directory / "ccbs.yml"),
            stdout=asyncio.subprocess.PIPE, stderr=log, env=os.environ | self.environment,
        )  # fmt: skip
        log.close()
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.endswith(b"\n") and (found := _STEP.search(line.decode())) is not None:
                self.ledger.says_ended(found[1], found[2])

    async def ready(self) -> None:
        """Waits until the server answers, and looks at what it goes on with."""
        began = time.monotonic()
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                raise AssertionError(f"the server ended with {self._process.returncode}:\n{self.said()}")
            try:
                standing = await self.ask("orders")
                break
            except ControlError:
                assert time.monotonic() - began < START_S, "the server does not answer"
                await asyncio.sleep(0.02)
        if self.ledger.life > 1:
            stand = {f"{order['caller']}→{order['callee']}" for order in standing["rows"]}
            self.ledger.restarted(stand, self._why_ended)

    async def register(self) -> None:
        """All phones register, once for all lives of the server."""
        bank = Bank((PHONES, self._sipp_port), self.phones.server, REALM)
        try:
            await self._all_register(bank, self._numbers)
        finally:
            bank.close()
        self._callees = self._start_sipp("callee.xml", PHONES, self._sipp_port, "callees-")
        await self._all_register(self.phones, self.callers)

    async def _all_register(self, bank: Bank, numbers: list[str]) -> None:
        for at in range(0, len(numbers), 50):
            await asyncio.gather(*(bank.register(number, PASSWORD) for number in numbers[at : at + 50]))

    async def ask(self, name: str) -> Any:
        """Asks the control socket."""
        return await asyncio.to_thread(ask, self.directory / "s", {"ask": name})

    def _why_ended(self, order: str, after: float) -> str | None:
        caller, _, callee = order.partition("→")
        with contextlib.suppress(ccbs.CcbsError):
            for story in ccbs.explain(self.store, number=caller).stories:
                if story.callee == callee:
                    told = [
                        s for s in story.sentences if "ended" in s.text and s.at >= (after - CLOCKS_S) * 1e3
                    ]
                    if told:
                        return told[-1].text
        return None

    async def ended(self) -> tuple[int, str]:
        """Waits for the end of the process by itself: exit code and log."""
        assert self._process is not None
        code = await asyncio.wait_for(self._process.wait(), START_S)
        return code, self.said()

    def said(self) -> str:
        """What this life has logged."""
        return (self.directory / f"life-{self.ledger.life}.log").read_text()

    async def kill(self) -> None:
        """SIGKILL; every call is dead with it."""
        assert self._process is not None
        assert self._reading is not None
        self._up.clear()
        self._stop_calls()
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        # What it had said before is heard to its end.
        await self._reading
        self.phones.server_died()
        self.trunk.server_died()
        self.ledger.killed()

    # --- everybody else -----------------------------------------------------------------------------

    def begin(self) -> None:
        """SIPp's calls begin, and the callers order."""
        self._up.set()
        self._sipp = self._start_sipp(
            "caller.xml", SIPP_HOST, free_port(SIPP_HOST), f"calls-{self.ledger.life}",
            f"127.0.0.1:{self.port}", "-inf", str(self.directory / "callees.csv"), "-r", str(self.load.rate),
            "-l", str(self.load.rate * 10), "-recv_timeout", "20000",
        )  # fmt: skip
        self.answered_s -= time.monotonic()
        if not self._living:
            self.phones.talks.update(self.callers)
            self._living = [
                asyncio.create_task(self._live(caller, f"8{caller}{at}", lock))
                for caller in self.callers
                for lock in [asyncio.Lock()]
                for at in range(self.load.each)
            ]

    def _stop_calls(self) -> None:
        if self._sipp is not None:
            self.answered_s += time.monotonic()
            self._end(self._sipp)
            self._sipp = None

    def _start_sipp(
        self, scenario: str, host: str, port: int, label: str, *more: str
    ) -> subprocess.Popen[bytes]:
        with (self.directory / f"{label}.log").open("wb") as log:
            return subprocess.Popen(
                ["sipp", "-sf", str(_SIP / scenario), "-i", host, "-p", str(port), "-t", "u1", "-nostdin",
                 "-buff_size", "4000000", "-trace_stat", "-fd", "1",
                 "-stf", str(self.directory / f"{label}.csv"), *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    async def _live(self, caller: str, callee: str, line: asyncio.Lock) -> None:
        """A caller finds a number busy, orders, waits; then again."""
        order = f"{caller}→{callee}"
        choice = random.Random(f"{order} {self.random.random()}")
        while not self._over:
            await self._up.wait()
            if not self.ledger.is_open(order):
                with contextlib.suppress(Failed):
                    async with line:
                        await self._order(caller, callee, order)
                    if self.ledger.is_open(order) and choice.random() < self.load.cancels:
                        await asyncio.sleep(choice.uniform(0, 3))
                        await self._up.wait()
                        async with line:
                            await self._cancel(caller, callee, order)
            await asyncio.sleep(choice.uniform(0.2, 1.0))

    async def order(self, at: int) -> str:
        """The caller of that place orders once; the order's name. What was heard stands in the ledger."""
        caller = self.callers[at]
        callee = f"8{caller}0"
        await self._order(caller, callee, f"{caller}→{callee}")
        return f"{caller}→{callee}"

    async def _order(self, caller: str, callee: str, order: str) -> None:
        self.trunk.talks.discard(callee)
        try:
            status, _ = await self.phones.call(caller, PASSWORD, callee)
            if status != 486:
                raise Failed(f"{order}: {status}")
            self.ledger.asks(order, time.time())
            heard = await self.phones.dial_code(caller, PASSWORD, f"*37*{callee}#", HEARS_S)
        finally:
            self.trunk.talks.add(callee)
        if heard == "order-accepted":
            self.ledger.hears_accepted(order)
        elif heard in ("too-many-orders", "number-was-not-busy", "not-allowed"):
            self.ledger.hears_denied(order)
        else:
            self.ledger.counts["unheard"] += 1

    async def _cancel(self, caller: str, callee: str, order: str) -> None:
        self.ledger.asks_cancel(order)
        if await self.phones.dial_code(caller, PASSWORD, f"#37*{callee}#", HEARS_S) == "order-cancelled":
            self.ledger.hears_cancelled(order)

    def _talking(self, callee: str) -> None:
        caller = callee[1:7]
        self.ledger.talks(f"{caller}→{callee}")
        task = asyncio.create_task(self._hang_up(caller))
        self._hanging_up.add(task)
        task.add_done_callback(self._hanging_up.discard)

    async def _hang_up(self, caller: str) -> None:
        await asyncio.sleep(TALK_S)
        with contextlib.suppress(Failed):
            await self.phones.hang_up_recall(caller)

    @property
    def calls_a_second(self) -> float:
        """How many of SIPp's calls came through in a second in which the server took calls."""
        return stat(self.directory / "callees-.csv")["IncomingCall(C)"] / self.answered_s

    async def until_open(self, orders: int) -> None:
        """Waits until so many wait to be carried out."""
        end = time.monotonic() + START_S
        for _ in iter(lambda: len(self.ledger.open()) >= orders, True):
            assert time.monotonic() < end, self.ledger.counts
            await asyncio.sleep(0.1)

    async def settle(self, within_s: float) -> None:
        """Nobody orders any more; waits until nothing is owed, or the time is over."""
        self._over = True
        end = time.monotonic() + within_s
        for _ in iter(lambda: bool(self.ledger.open()) and time.monotonic() < end, False):
            await asyncio.sleep(0.2)
        self.ledger.close()
        self._stop_calls()

    async def close(self) -> None:
        """Ends everything."""
        for task in (*self._living, *self._hanging_up):
            task.cancel()
        await asyncio.gather(*self._living, *self._hanging_up, return_exceptions=True)
        self._stop_calls()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading
        if self._callees is not None:
            self._end(self._callees)
        self.phones.close()
        self.trunk.close()


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
