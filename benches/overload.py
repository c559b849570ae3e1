"""Three times what can be sustained: who is refused, what goes on, what it takes, and afterwards."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from benches.calls import Run, Scene, climb, scene, stat
from benches.figures import Figure
from benches.process import Failed

__all__ = ["measure"]

_LONG = 100
"""Calls that are in progress meanwhile."""
_FACTOR = 3


def measure(directory: Path, *, rates: list[int], seconds: int) -> list[Figure]:
    """Finds the sustainable rate, offers three times as much, then the sustainable rate again.

    The route costs a millisecond: SIPp shares the processors, and else would be overloaded first.

    :param directory: for files; made.
    :param rates: calls a second that are tried, rising.
    :param seconds: how long each runs, and the overload.
    :raises Failed: when SIPp or the switch does not run, or no rate is clean.
    """
    with scene(directory, route="benches.dear_route:route") as bed:
        runs = climb(bed, bed.switch, "before", rates, seconds)
        clean = [run.rate for run in runs if run.clean]
        if not clean:
            raise Failed("no rate was clean: the machine was busy with something else")
        sustainable = clean[-1]
        before = bed.switch.cost.rss
        found = _offer(bed, sustainable * _FACTOR, seconds)
        time.sleep(2)
        again = _again(bed, sustainable, seconds)
        return [
            Figure("overload-sustainable", "ccbs", 1, sustainable, "calls/s"),
            *found,
            Figure("overload-memory", "ccbs", 1, (bed.switch.cost.rss - before) / 2**20, "MiB"),
            Figure("overload-after-failed", "ccbs", 1, again.failed, ""),
            Figure("overload-after-repeated", "ccbs", 1, again.repeated, ""),
        ]


def _again(bed: Scene, rate: int, seconds: int) -> Run:
    run = bed.run(bed.switch, "after", rate, seconds)
    return run if run.clean else bed.run(bed.switch, "after", rate, seconds)


def _offer(bed: Scene, rate: int, seconds: int) -> list[Figure]:
    """Offers so many calls a second while long ones are in progress."""
    target = f"127.0.0.1:{bed.port}"
    held, refused = bed.directory / "held.csv", bed.directory / "refused.csv"
    counted = bed.switch.counters()
    trouble: list[Failed | subprocess.SubprocessError] = []
    peak = bed.switch.cost.rss
    began_with = peak

    def hold() -> None:
        try:
            bed.callers("long.xml", "held", target, 50, _LONG, held, 60)
        except (Failed, subprocess.SubprocessError) as error:
            trouble.append(error)

    def offer() -> None:
        try:
            within_s = 3 * seconds + 30
            bed.callers(
                "refused.xml", "refused", target, rate, rate * seconds, refused, within_s, "others.csv"
            )
        except (Failed, subprocess.SubprocessError) as error:
            trouble.append(error)

    # Who talks is busy: the others are called.
    head, *numbers = (bed.directory / "callees.csv").read_text().splitlines(keepends=True)
    (bed.directory / "others.csv").write_text("".join([head, *numbers[_LONG:]]))
    with bed.callees("overload", bed.directory / "overload-callee.csv"):
        holding = threading.Thread(target=hold)
        holding.start()
        time.sleep(_LONG / 50 + 1)  # all of them talk now
        began = time.monotonic()
        offering = threading.Thread(target=offer)
        offering.start()
        while offering.is_alive():
            offering.join(0.2)
            peak = max(peak, bed.switch.cost.rss)
        took = time.monotonic() - began
        holding.join()
    if trouble:
        raise Failed(f"overload: {trouble[0]}")
    counts, offered = bed.switch.counters(), stat(refused)
    calls = offered["TotalCallCreated"]
    names = ("overload.refused", "overload.begun", "udp.shed", "request.shed", "events.full")
    return [
        Figure("overload-offered", "ccbs", 1, calls / took, "calls/s"),
        Figure("overload-accepted", "ccbs", 1, offered.get("GenericCounter2(C)", 0) / took, "calls/s"),
        Figure("overload-refused", "ccbs", 1, offered.get("GenericCounter1(C)", 0), ""),
        Figure("overload-lost", "ccbs", 1, calls - offered["SuccessfulCall(C)"], ""),
        Figure("overload-held", "ccbs", 1, _LONG, ""),
        Figure("overload-held-failed", "ccbs", 1, _LONG - stat(held)["SuccessfulCall(C)"], ""),
        Figure("overload-peak", "ccbs", 1, (peak - began_with) / 2**20, "MiB"),
        *(
            Figure(f"overload-{name.replace('.', '-')}-counted", "ccbs", 1, _grown(counts, counted, name), "")
            for name in names
        ),
    ]


def _grown(after: dict[str, int], before: dict[str, int], name: str) -> int:
    return after.get(name, 0) - before.get(name, 0)
