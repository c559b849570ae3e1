"""The switch under calls by SIPp, and its recalls: what was found, in a form that can be kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benches import calls, recalls
from benches.calls import Calls, Run
from benches.figures import Figure
from benches.process import Failed
from benches.recalls import Recalls
from benches.rust import built

__all__ = ["Sip", "kept", "measure"]


@dataclass(frozen=True)
class Sip:
    """What was found.

    :ivar seconds: how long each rate ran.
    :ivar subscribers: how many were called.
    :ivar echo_s: processor time of a datagram there and back, in seconds.
    :ivar calls: the rates that were tried.
    :ivar recalls: the recalls that were timed.
    """

    seconds: int
    subscribers: int
    echo_s: float
    calls: Calls
    recalls: Recalls

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Out of what :meth:`raw` gave."""
        made = raw["calls"]
        runs = [_run(run) for run in made["runs"]]
        return cls(
            seconds=raw["seconds"],
            subscribers=raw["subscribers"],
            echo_s=raw["echo_s"],
            calls=Calls(runs, _run(made["alone"]), [_run(run) for run in made.get("proxy", [])]),
            recalls=Recalls(**raw["recalls"]),
        )

    def raw(self) -> Mapping[str, Any]:
        """As plain values; delays by the microsecond."""
        plain = asdict(self)
        plain["recalls"]["delays_s"] = [round(delay, 6) for delay in self.recalls.delays_s]
        return plain

    @property
    def cheapest(self) -> Run:
        """The clean rate at which a call costs least."""
        clean = [run for run in self.calls.runs if run.clean] or self.calls.runs
        return min(clean, key=lambda run: run.cpu_s)

    @property
    def proxy_cheapest(self) -> Run | None:
        """The same of the bare proxy."""
        clean = [run for run in self.calls.proxy if run.clean] or self.calls.proxy
        return min(clean, key=lambda run: run.cpu_s, default=None)

    @property
    def proxy_highest(self) -> int | None:
        """The highest clean rate of the bare proxy."""
        return max((run.rate for run in self.calls.proxy if run.clean), default=None)

    @property
    def bound_s(self) -> float:
        """What the datagrams of such a call cost alone, in seconds."""
        return self.echo_s * sum(self.cheapest.datagrams) / 2


def measure(*, rates: Sequence[int], seconds: int, waiting: int, recalled: int, per_second: float) -> Sip:
    """Measures with switches and phones of its own; prints what it does.

    :param rates: calls a second, rising.
    :param seconds: how long each runs.
    :param waiting: orders that wait while recalls are timed.
    :param recalled: how many recalls are timed.
    :param per_second: releases a second.
    :raises Failed: when a step does not go as it should; its files are kept and named.
    """
    if shutil.which("sipp") is None:
        raise Failed("sipp is missing; on Debian: apt-get install sip-tester")
    echo = built("-p", "ccbs-sip", "--example", "udp_echo") / "examples" / "udp_echo"
    directory = Path(tempfile.mkdtemp(prefix="ccbs-bench-"))
    try:
        print("the bound: a datagram there and back", flush=True)
        echo_s = calls.datagram_cost_s(directory, echo=echo, datagrams=200_000)
        print(f"  {echo_s * 1e6:.1f} µs\nordinary calls", flush=True)
        made = calls.measure(directory / "calls", rates=rates, seconds=seconds, tell=_tell)
        print("from a release to the recall", flush=True)
        timed = recalls.measure(
            directory / "recalls", waiting=waiting, measured=recalled, per_second=per_second
        )
    except Failed as error:
        raise Failed(f"{error}\nfiles are kept in {directory}") from error
    p50, p99 = timed.percentile(0.5) * 1e3, timed.percentile(0.99) * 1e3
    print(f"  p50 {p50:.2f} ms, p99 {p99:.2f} ms", flush=True)
    shutil.rmtree(directory)
    return Sip(seconds, calls.SUBSCRIBERS, echo_s, made, timed)


def kept(part: str, measure: Callable[[Path], list[Figure]]) -> list[Figure]:
    """Measures in a folder of its own, which is kept, and named, when that fails.

    :raises Failed: when it could not be measured.
    """
    if shutil.which("sipp") is None:
        raise Failed("sipp is missing; on Debian: apt-get install sip-tester")
    directory = Path(tempfile.mkdtemp(prefix=f"ccbs-bench-{part}-"))
    try:
        found = measure(directory / part)
    except Failed as error:
        raise Failed(f"{error}\nfiles are kept in {directory}") from error
    shutil.rmtree(directory)
    return found


def _tell(run: Run) -> None:
    clean = "clean" if run.clean else f"{run.failed} failed, {run.repeated} repeated"
    print(f"  {run.rate} calls/s: {clean}, {run.cpu_s * 1e6:.0f} µs a call", flush=True)


def _run(raw: Mapping[str, Any]) -> Run:
    received, sent = raw["datagrams"]
    return Run(**{**raw, "datagrams": (received, sent)})
