"""``python -m benches``: measure, and write docs/performance.md."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benches import calls, recalls
from benches.process import Failed
from benches.report import page

_ROOT = Path(__file__).parent.parent


def main() -> int:
    """Measures; 0 when all could be measured."""
    options = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    options.add_argument(
        "--rates", default="300,500,700,1000,1250,1500,1750,2000,2250,2500", help="calls a second"
    )
    options.add_argument("--seconds", type=int, default=10, help="how long each rate runs")
    options.add_argument("--waiting", type=int, default=5_000, help="orders that wait meanwhile")
    options.add_argument("--recalls", type=int, default=1_000, help="recalls that are timed")
    options.add_argument("--per-second", type=float, default=100.0, help="releases a second")
    options.add_argument(
        "--page", type=Path, default=_ROOT / "docs" / "performance.md", help="what is written"
    )
    given = options.parse_args()
    if shutil.which("sipp") is None:
        print("sipp is missing; on Debian: apt-get install sip-tester", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="ccbs-bench-"))
    try:
        print("the bound: a datagram there and back", flush=True)
        echo_s = calls.datagram_cost_s(directory, echo=_echo(), datagrams=200_000)
        print(f"  {echo_s * 1e6:.1f} µs\nordinary calls", flush=True)
        rates = [int(rate) for rate in given.rates.split(",")]
        made = calls.measure(directory / "calls", rates=rates, seconds=given.seconds, tell=_tell)
        print("from a release to the recall", flush=True)
        timed = recalls.measure(
            directory / "recalls", waiting=given.waiting, measured=given.recalls, per_second=given.per_second
        )
        p50, p99 = timed.percentile(0.5) * 1e3, timed.percentile(0.99) * 1e3
        print(f"  p50 {p50:.2f} ms, p99 {p99:.2f} ms", flush=True)
    except (Failed, subprocess.SubprocessError, OSError) as error:
        print(f"{error}\nfiles are kept in {directory}", file=sys.stderr)
        return 1
    given.page.write_text(
        page(made, timed, seconds=given.seconds, subscribers=calls.SUBSCRIBERS, echo_s=echo_s),
        encoding="utf-8",
    )
    shutil.rmtree(directory)
    print(f"written: {given.page}")
    return 0


def _tell(run: calls.Run) -> None:
    clean = "clean" if run.clean else f"{run.failed} failed, {run.repeated} repeated"
    print(f"  {run.rate} calls/s: {clean}, {run.cpu_s * 1e6:.0f} µs a call", flush=True)


def _echo() -> Path:
    """The comparison program, built."""
    command = [
        "cargo",
        "build",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "ccbs-sip",
        "--example",
        "udp_echo",
    ]
    subprocess.run(command, cwd=_ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target"))
    return target / "release" / "examples" / "udp_echo"


if __name__ == "__main__":
    sys.exit(main())
