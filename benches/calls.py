"""Ordinary calls by SIPp: how many a second with none failed and nothing repeated, and what each costs."""

from __future__ import annotations

import asyncio
import csv
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.phones import Bank
from benches.process import Failed, Measured, Switch

__all__ = ["SUBSCRIBERS", "Calls", "Run", "datagram_cost_s", "measure"]

_HERE = Path(__file__).parent / "sip"
_REALM = "bench.example"
_PASSWORD = "bench-password"
_TRUNK = "127.0.0.42"
_PHONES = "127.0.0.43"
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
    """All rates that were tried, rising, up to the first that is not clean; and SIPp against itself."""

    runs: list[Run]
    alone: Run

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
    directory.mkdir(parents=True)
    numbers = [str(100_000 + at) for at in range(SUBSCRIBERS)]
    (directory / "callees.csv").write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    port, phones_port = _free("127.0.0.1"), _free(_PHONES)
    runs: list[Run] = []
    with Switch(directory / "switch", _config(port, numbers)) as switch:
        asyncio.run(_register(("127.0.0.1", port), phones_port, numbers))
        for rate in rates:
            run = _run(directory, switch, port, phones_port, rate, seconds)
            if not run.clean:  # once more: another program may have had the machine
                run = _run(directory, switch, port, phones_port, rate, seconds)
            runs.append(run)
            tell(run)
            if not run.clean:
                break
    highest = next((run.rate for run in reversed(runs) if run.clean), runs[0].rate)
    return Calls(runs, _run(directory, None, _free(_PHONES), phones_port, highest, seconds))


def datagram_cost_s(directory: Path, *, echo: Path, datagrams: int) -> float:
    """Processor time to receive a datagram and send it back, in seconds: the bound of any server over UDP.

    :param echo: the program ``udp_echo``.
    """
    address = ("127.0.0.1", _free("127.0.0.1"))
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
    phones = Bank((_PHONES, phones_port), server, _REALM)
    try:
        for at in range(0, len(numbers), 50):
            await asyncio.gather(*(phones.register(number, _PASSWORD) for number in numbers[at : at + 50]))
    finally:
        phones.close()


def _run(directory: Path, switch: Switch | None, port: int, phones_port: int, rate: int, seconds: int) -> Run:
    """One rate, through the switch or from SIPp to SIPp."""
    label = f"{'switch' if switch else 'alone'}-{rate}"
    callee_stat, caller_stat = directory / f"{label}-callee.csv", directory / f"{label}-caller.csv"
    callee = _sipp("callee.xml", _PHONES, phones_port, callee_stat)
    target = f"127.0.0.1:{port}" if switch else f"{_PHONES}:{phones_port}"
    calls = rate * seconds
    with _running(callee, directory / f"{label}-callee.log"):
        before, counted = (switch.cost, switch.counters()) if switch else (None, {})
        caller = [
            *_sipp("caller.xml", _TRUNK, _free(_TRUNK), caller_stat), target,
            "-inf", str(directory / "callees.csv"), "-r", str(rate), "-m", str(calls), "-l", str(rate * 10),
            "-recv_timeout", "20000", "-timeout", f"{seconds + 60}s",
        ]  # fmt: skip
        with (directory / f"{label}-caller.log").open("wb") as log:
            ended = subprocess.run(
                caller, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
                timeout=seconds + 90,
            )  # fmt: skip
        if ended.returncode not in (0, 1):
            raise Failed(f"sipp ended with {ended.returncode}; see {log.name}")
        after, counts = (switch.cost, switch.counters()) if switch else (None, {})
    sent, answered = _stat(caller_stat), _stat(callee_stat)
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


def _sipp(scenario: str, host: str, port: int, statistics: Path) -> list[str]:
    # A large socket buffer: without it SIPp itself loses what it is sent in bursts.
    return [
        "sipp", "-sf", str(_HERE / scenario), "-i", host, "-p", str(port), "-t", "u1", "-nostdin",
        "-buff_size", "4000000", "-trace_stat", "-stf", str(statistics), "-fd", "1",
    ]  # fmt: skip


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with Measured(command, log) as process:
        yield
        process.check()


def _stat(file: Path) -> dict[str, int]:
    """The last line of SIPp's statistics: its cumulative whole numbers."""
    with file.open(newline="") as opened:
        last = list(csv.DictReader(opened, delimiter=";"))[-1]
    return {name: int(value) for name, value in last.items() if name and value and value.isdigit()}


def _free(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port
