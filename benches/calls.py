"""Ordinary calls by SIPp: how many a second with none failed and nothing repeated, and what each costs."""

from __future__ import annotations

import asyncio
import csv
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from benches.peers import kamailio
from benches.phones import Bank
from benches.process import Failed, Measured, Switch

__all__ = [
    "SUBSCRIBERS",
    "Calls",
    "Run",
    "Scene",
    "climb",
    "datagram_cost_s",
    "free_port",
    "measure",
    "scene",
    "stat",
]

_HERE = Path(__file__).parent / "sip"
_REALM = "bench.example"
_PASSWORD = "bench-password"
_TRUNK = "127.0.0.42"
PHONES = "127.0.0.43"
"""Where SIPp answers for the subscribers."""
SUBSCRIBERS = 2_000
"""How many callees there are: none is called again before its call is over."""


@dataclass(frozen=True)
class Run:
    """One rate.

    :ivar rate: calls begun a second.
    :ivar calls: how many.
    :ivar failed: of them.
    :ivar repeated: messages that had to be sent again, by either side.
    :ivar cpu_s: of the switch, Python included, for one call, in seconds.
    :ivar rss: growth of the switch's resident memory for one call, in octets, right after the calls: what
        finished calls hold for the 32 s of RFC 3261's timers.
    :ivar datagrams: that the switch received and sent for one call.
    """

    rate: int
    calls: int
    failed: int
    repeated: int
    cpu_s: float
    rss: float
    datagrams: tuple[float, float]

    @property
    def clean(self) -> bool:
        """Whether no call failed and nothing had to be repeated."""
        return self.failed == 0 and self.repeated == 0


@dataclass(frozen=True)
class Calls:
    """All rates that were tried, rising, up to the first that is not clean.

    :ivar alone: SIPp against itself.
    :ivar proxy: the same through Kamailio as a bare proxy, where it is installed: the floor of the transport.
    """

    runs: list[Run]
    alone: Run
    proxy: list[Run] = field(default_factory=list)

    @property
    def highest_clean(self) -> Run | None:
        """The last clean one."""
        return next((run for run in reversed(self.runs) if run.clean), None)


def measure(
    directory: Path, *, rates: Iterable[int], seconds: int, tell: Callable[[Run], None] = lambda run: None
) -> Calls:
    """Measures each rate for some seconds, until one is not clean twice.

    :param directory: for files; made.
    :param tell: hears of each run when it is over.
    :raises Failed: when SIPp or the switch does not run.
    """
    with scene(directory) as bed:
        runs = climb(bed, bed.switch, "switch", rates, seconds, tell)
    highest = next((run.rate for run in reversed(runs) if run.clean), runs[0].rate)
    alone = bed.run(None, "alone", highest, seconds)
    peer = kamailio(directory, bed.phones)
    if peer is None:
        return Calls(runs, alone)
    with peer as proxy:
        return Calls(runs, alone, climb(replace(bed, port=proxy.port), proxy, "proxy", rates, seconds, tell))


def climb(
    bed: Scene,
    process: Measured,
    label: str,
    rates: Iterable[int],
    seconds: int,
    tell: Callable[[Run], None] = lambda run: None,
) -> list[Run]:
    """Tries rates, rising, until one is not clean twice; SIPp that ends or stalls is no clean run."""
    runs: list[Run] = []
    for rate in rates:
        run = bed.run(process, label, rate, seconds)
        if not run.clean:  # once more: another program may have had the machine
            run = bed.run(process, label, rate, seconds)
        runs.append(run)
        tell(run)
        if not run.clean:
            break
    return runs


@contextmanager
def scene(
    directory: Path, limits: Mapping[str, int] | None = None, *, route: str | None = None
) -> Iterator[Scene]:
    """A switch whose subscribers are registered where SIPp will answer.

    :param directory: for files; made.
    :param limits: of the endpoint, where not the defaults.
    :param route: another than the numbering plan, as the configuration names it.
    :raises Failed: when the switch does not run.
    """
    directory.mkdir(parents=True)
    numbers = [str(100_000 + at) for at in range(SUBSCRIBERS)]
    (directory / "callees.csv").write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    port, phones = free_port("127.0.0.1"), free_port(PHONES)
    config = _config(port, numbers) | ({"limits": {"endpoint": dict(limits)}} if limits else {})
    config |= {"route": route} if route else {}
    with Switch(directory / "switch", config) as switch:
        asyncio.run(_register(("127.0.0.1", port), phones, numbers))
        yield Scene(directory, switch, port, phones)


@dataclass(frozen=True)
class Scene:
    """What SIPp plays in.

    :ivar directory: for its files.
    :ivar switch: the switch.
    :ivar port: where the switch, or another server, listens at 127.0.0.1.
    :ivar phones: the port of the subscribers' phones.
    """

    directory: Path
    switch: Switch
    port: int
    phones: int

    def run(self, process: Measured | None, label: str, rate: int, seconds: int) -> Run:
        """One rate, through a server, or from SIPp to SIPp.

        :param process: the server, whose cost is measured.
        :param label: of the files.
        :raises Failed: when SIPp does not run.
        """
        label = f"{label}-{rate}"
        callee_stat = self.directory / f"{label}-callee.csv"
        caller_stat = self.directory / f"{label}-caller.csv"
        target = f"127.0.0.1:{self.port}" if process else f"{PHONES}:{self.phones}"
        calls = rate * seconds
        switch = process if isinstance(process, Switch) else None
        with self.callees(label, callee_stat):
            before, counted = process.cost if process else None, switch.counters() if switch else {}
            self.callers("caller.xml", label, target, rate, calls, caller_stat, seconds + 60)
            after, counts = process.cost if process else None, switch.counters() if switch else {}
        sent, answered = stat(caller_stat), stat(callee_stat)
        return Run(
            rate=rate,
            calls=calls,
            failed=calls - sent["SuccessfulCall(C)"],
            repeated=sent["Retransmissions(C)"] + answered["Retransmissions(C)"],
            cpu_s=(after.cpu_s - before.cpu_s) / calls if after and before else 0.0,
            rss=(after.rss - before.rss) / calls if after and before else 0.0,
            datagrams=(
                (counts.get("udp.received", 0) - counted.get("udp.received", 0)) / calls,
                (counts.get("udp.sent", 0) - counted.get("udp.sent", 0)) / calls,
            ),
        )

    def callees(self, label: str, statistics: Path) -> AbstractContextManager[Measured]:
        """The phones of the subscribers, as long as the ``with`` block lasts."""
        command = _sipp("callee.xml", PHONES, self.phones, statistics)
        return _Checked(command, self.directory / f"{label}-callee.log")

    def callers(
        self,
        scenario: str,
        label: str,
        target: str,
        rate: int,
        calls: int,
        statistics: Path,
        within_s: int,
        numbers: str = "callees.csv",
    ) -> None:
        """Calls from the trunk, until they are over or ``within_s`` seconds are.

        :param numbers: the file of those who are called in turn.
        :raises Failed: when SIPp breaks down, which some failed calls are not.
        """
        command = [
            *_sipp(scenario, _TRUNK, free_port(_TRUNK), statistics), target,
            "-inf", str(self.directory / numbers), "-r", str(rate), "-m", str(calls), "-l", str(rate * 10),
            "-recv_timeout", "20000", "-timeout", f"{within_s}s",
        ]  # fmt: skip
        log = self.directory / f"{label}-caller.log"
        with log.open("wb") as opened:
            try:
                ended = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=opened, stderr=subprocess.STDOUT, check=False,
                    timeout=within_s + 30,
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise Failed(f"sipp does not end; see {log}") from error
        if ended.returncode not in (0, 1, 97):  # some calls failed; the time was over
            raise Failed(f"sipp ended with {ended.returncode}; see {log}")


def datagram_cost_s(directory: Path, *, echo: Path, datagrams: int) -> float:
    """Processor time to receive a datagram and send it back, in seconds: the bound of any server over UDP.

    :param echo: the program ``udp_echo``.
    """
    address = ("127.0.0.1", free_port("127.0.0.1"))
    with (
        Measured([str(echo), "{}:{}".format(*address)], directory / "echo.log") as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5)
        client.connect(address)
        payload = bytes(range(1, 201)) * 3  # about as long as a SIP message
        end = time.monotonic() + 10
        while True:
            try:
                client.send(payload)
                client.recv(2_000)
                break
            except ConnectionRefusedError:  # it does not listen yet
                process.check()
                if time.monotonic() > end:
                    raise Failed(f"{echo} does not answer within 10 s") from None
                time.sleep(0.01)
        before = process.cost.cpu_s
        window = 32
        for _ in range(window):
            client.send(payload)
        for _ in range(datagrams):
            client.recv(2_000)
            client.send(payload)
        return (process.cost.cpu_s - before) / datagrams


def _config(port: int, numbers: list[str]) -> dict[str, Any]:
    return {
        "listen": {"address": "127.0.0.1", "port": port, "realm": _REALM},
        "switch": "sip",
        "subscribers": [{"number": number, "password": _PASSWORD} for number in numbers],
        "trunks": [{"name": "city", "address": _TRUNK, "trusted": True}],
        "numbering": {"internal": ["1XXXXX"], "external": [{"prefix": "7", "trunk": "city"}]},
    }


async def _register(server: tuple[str, int], phones_port: int, numbers: list[str]) -> None:
    """Registers all callees from the address at which SIPp answers for them later."""
    phones = Bank((PHONES, phones_port), server, _REALM)
    try:
        for at in range(0, len(numbers), 50):
            await asyncio.gather(*(phones.register(number, _PASSWORD) for number in numbers[at : at + 50]))
    finally:
        phones.close()


def _sipp(scenario: str, host: str, port: int, statistics: Path) -> list[str]:
    # A large socket buffer: without it SIPp itself loses what it is sent in bursts.
    return [
        "sipp", "-sf", str(_HERE / scenario), "-i", host, "-p", str(port), "-t", "u1", "-nostdin",
        "-buff_size", "4000000", "-trace_stat", "-stf", str(statistics), "-fd", "1",
    ]  # fmt: skip


class _Checked(Measured):
    """That it still runs at the end is part of it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            super().__exit__(kind, error, trace)


def stat(file: Path) -> dict[str, int]:
    """The last line of SIPp's statistics: its cumulative whole numbers."""
    with file.open(newline="") as opened:
        last = list(csv.DictReader(opened, delimiter=";"))[-1]
    return {name: int(value) for name, value in last.items() if name and value and value.isdigit()}


def free_port(host: str) -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port
