"""Very many calls at one rate: what a call holds in the 32 s after its end, and what later."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benches.calls import Scene, scene, stat
from benches.figures import Figure
from benches.process import Failed

__all__ = ["measure", "read"]

KEPT_S = 32
"""RFC 3261 timers J and H, RFC 6026 timers L and M: 64·T1."""
_SETTLED_S = KEPT_S + 8


def measure(directory: Path, *, calls: int, rate: int) -> list[Figure]:
    """Runs the calls and watches the switch's resident memory.

    :param directory: for files; made.
    :param calls: how many.
    :param rate: calls begun a second.
    :raises Failed: when SIPp or the switch does not run, or the rate is so high that all is over within 40 s.
    """
    if calls < 2 * _SETTLED_S * rate:
        raise Failed(f"{calls:,} calls at {rate} a second are over before memory settles; take a lower rate")
    with scene(directory) as bed:
        before = bed.switch.cost
        samples, failed = _run(bed, rate, calls)
        after = bed.switch.cost
    return [
        *read(before.rss, samples, calls, rate),
        Figure("lasting-failed", "ccbs", calls, failed, ""),
        Figure("lasting-cpu", "ccbs", calls, (after.cpu_s - before.cpu_s) / calls * 1e6, "µs"),
    ]


def read(before: int, samples: Sequence[tuple[float, int]], calls: int, rate: int) -> list[Figure]:
    """The figures out of samples of the resident memory.

    :param before: octets before the first call.
    :param samples: seconds since the first call, octets.
    """
    last = calls / rate
    settled = [rss for at, rss in samples if _SETTLED_S <= at <= last]
    half = len(settled) // 2
    if half == 0:
        raise Failed("too few samples of the memory: the machine was busy with something else")
    early, late = sum(settled[:half]) / half, sum(settled[half:]) / (len(settled) - half)
    between = (last - _SETTLED_S) * rate / 2
    return [
        Figure("call-bytes", "ccbs", calls, (early - before) / (KEPT_S * rate), "B"),
        Figure("call-bytes-left", "ccbs", calls, (late - early) / between, "B"),
        Figure("calls-rss", "ccbs", calls, max(settled) / 2**20, "MiB"),
        Figure("calls-rate", "ccbs", calls, rate, "calls/s"),
    ]


def _run(bed: Scene, rate: int, calls: int) -> tuple[list[tuple[float, int]], int]:
    samples: list[tuple[float, int]] = []
    over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not over.wait(0.5):
            samples.append((time.monotonic() - began, bed.switch.cost.rss))

    statistics = bed.directory / "lasting.csv"
    watcher = threading.Thread(target=watch)
    with bed.callees("lasting", bed.directory / "lasting-callee.csv"):
        watcher.start()
        try:
            within_s = calls // rate + 60
            bed.callers("caller.xml", "lasting", f"127.0.0.1:{bed.port}", rate, calls, statistics, within_s)
        finally:
            over.set()
            watcher.join()
    return samples, calls - stat(statistics)["SuccessfulCall(C)"]
