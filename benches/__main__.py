"""``python -m benches``: measure, and write docs/performance.md.

What a part found is kept in benches/results/; the page is made of all that is there.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benches import api, asterisk, crowd, lasting, overload, rust, store, switch, timers
from benches.figures import Figure, Result
from benches.machine import machine, versions
from benches.page import page
from benches.process import Failed

_ROOT = Path(__file__).parent.parent
_RESULTS = _ROOT / "benches" / "results"

PARTS = {
    "timers": "a timer's whole life, beside its peers",
    "engine": "lines, lives of orders, memory and a burst, beside the reference model",
    "large": "ten million lines and a million orders (takes some gigabytes)",
    "sip": "calls a second beside Kamailio, and from a release to the recall, by SIPp",
    "lasting": "what a finished call holds, over very many calls",
    "crowd": "orders placed 64 at a time, and all their lines freed at once",
    "store": "recovery, commits beside the disk's own, recalls with and without it",
    "overload": "three times the calls that can be sustained",
    "asterisk": "from a release to the recall through a real Asterisk, beside a bare ARI program",
}
"""What there is to measure, in the order of the page."""


def main() -> int:
    """Measures; 0 when all could be measured."""
    options = argparse.ArgumentParser(
        prog="python -m benches",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts:\n" + "\n".join(f"  {name:<8} {words}" for name, words in PARTS.items()),
    )
    options.add_argument("parts", nargs="*", metavar="PART", help="which; all when none is given")
    options.add_argument("--render", action="store_true", help="measure nothing, write the page anew")
    options.add_argument("--rates", default="300,700,1000,1500,2000,2500,3000", help="sip: calls a second")
    options.add_argument("--seconds", type=int, default=8, help="sip: how long each rate runs")
    options.add_argument("--waiting", type=int, default=5_000, help="sip: orders that wait meanwhile")
    options.add_argument("--recalls", type=int, default=1_000, help="sip: recalls that are timed")
    options.add_argument("--per-second", type=float, default=100.0, help="sip: releases a second")
    options.add_argument("--calls", type=int, default=200_000, help="lasting: how many")
    options.add_argument("--rate", type=int, default=1_200, help="lasting: calls a second")
    options.add_argument("--lines", type=int, default=10_000, help="crowd: busy lines with an order each")
    options.add_argument("--sizes", default="100,1000,5000", help="asterisk: orders that wait")
    options.add_argument("--releases", default="200,500", help="asterisk: at 10 and at 50 a second")
    options.add_argument("--results", type=Path, default=_RESULTS, help="folder of what the parts found")
    options.add_argument(
        "--page", type=Path, default=_ROOT / "docs" / "performance.md", help="what is written"
    )
    given = options.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        options.error(f"no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    failed = []
    for part in [] if given.render else given.parts or PARTS:
        # What one part cannot measure, the others can: a busy machine must not cost all figures.
        try:
            measure(part, given, given.results)
        except (Failed, subprocess.SubprocessError, OSError) as error:
            print(f"{part} could not be measured: {error}", file=sys.stderr)
            failed.append(part)
    try:
        results = {part: Result.read(given.results / f"{part}.json") for part in measured(given.results)}
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    given.page.write_text(page(results), encoding="utf-8")
    print(f"written: {given.page}")
    if failed:
        print(f"not measured, with the figures of before: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def measured(results: Path) -> Sequence[str]:
    """The parts that were ever measured."""
    return [part for part in PARTS if (results / f"{part}.json").exists()]


def measure(part: str, options: argparse.Namespace, results: Path) -> None:
    """Measures a part and keeps what it found.

    :raises Failed: when it could not be measured.
    """
    print(f"== {part}: {PARTS[part]}", flush=True)
    began = time.monotonic()
    found: list[Figure] = []
    raw: Mapping[str, Any] = {}
    if part == "sip":
        raw = switch.measure(
            rates=[int(rate) for rate in options.rates.split(",")],
            seconds=options.seconds,
            waiting=options.waiting,
            recalled=options.recalls,
            per_second=options.per_second,
        ).raw()
    else:
        steps: Mapping[str, Sequence[Callable[[], list[Figure]]]] = {
            "timers": [lambda: rust.measure("timers"), timers.measure],
            "engine": [lambda: rust.measure("engine"), api.measure],
            "large": [lambda: rust.measure("large")],
            "lasting": [lambda: switch.kept("lasting", partial(lasting.measure, **_lasting(options)))],
            "crowd": [lambda: switch.kept("crowd", partial(crowd.measure, lines=options.lines))],
            "store": [lambda: switch.kept("store", partial(store.measure, **_store(options)))],
            "overload": [lambda: switch.kept("overload", partial(overload.measure, **_overload(options)))],
            "asterisk": [lambda: switch.kept("asterisk", partial(asterisk.measure, plan=_plan(options)))],
        }
        for step in steps[part]:
            for figure in step():
                shown = f"{figure.measure:<24} {figure.who:<32} {figure.size:>10,}"
                print(f"  {shown}  {figure.value:,.1f} {figure.unit}")
                found.append(figure)
    results.mkdir(parents=True, exist_ok=True)
    result = Result(part, datetime.datetime.now(datetime.UTC).date(), machine(), versions(part), found, raw)
    result.write(results / f"{part}.json")
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def _lasting(options: argparse.Namespace) -> Mapping[str, Any]:
    return {"calls": options.calls, "rate": options.rate}


def _store(options: argparse.Namespace) -> Mapping[str, Any]:
    return {"waiting": 1_000, "measured": options.recalls // 2, "per_second": options.per_second}


def _overload(options: argparse.Namespace) -> Mapping[str, Any]:
    rates = [int(rate) for rate in options.rates.split(",")]
    return {"rates": rates, "seconds": max(options.seconds // 2, 2)}


def _plan(options: argparse.Namespace) -> asterisk.Plan:
    sizes, releases = (
        [int(number) for number in given.split(",")] for given in (options.sizes, options.releases)
    )
    return asterisk.Plan(sizes, releases)


if __name__ == "__main__":
    sys.exit(main())
