"""``python -m demo``: runs the procedures side by side, shows them, writes the report."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The phones and the steps are those of the acceptance tests.
sys.path.insert(0, str(ROOT / "tests"))

from rich.console import Console  # noqa: E402
from rich.live import Live  # noqa: E402

from acceptance.procedures import PROCEDURES, run_procedure  # noqa: E402

from .report import write_report  # noqa: E402
from .screen import Screen, verdict_table  # noqa: E402
from .watch import Scene, Watch  # noqa: E402

REFRESH_S = 0.25


async def run(watch: Watch, directory: Path, live: Live | None) -> None:
    """Runs the procedures of the watch side by side."""

    async def refresh() -> None:
        while live:
            live.refresh()
            await asyncio.sleep(REFRESH_S)

    beside = [asyncio.create_task(watch.follow_orders()), asyncio.create_task(refresh())]
    try:
        async with asyncio.TaskGroup() as group:
            for number in watch.scenes:
                group.create_task(run_procedure(number, directory / f"procedure-{number}", watch))
    finally:
        for task in beside:
            task.cancel()
        for task in beside:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def main() -> int:
    """Run; the exit code is 0 when every step passed, 1 when one did not, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="demo", description="The four procedures between real SIP phones, live."
    )
    parser.add_argument("procedures", nargs="*", type=int, metavar="N", help="only these (1 to 4)")
    parser.add_argument("--plain", action="store_true", help="lines of text, also on a terminal")
    parser.add_argument("--report", type=Path, default=ROOT / "demo-report", help="directory of the report")
    options = parser.parse_args()
    if unknown := set(options.procedures) - PROCEDURES.keys():
        parser.error(f"there is no procedure {min(unknown)}; there are {', '.join(map(str, PROCEDURES))}")
    chosen = [PROCEDURES[number] for number in sorted(set(options.procedures)) or PROCEDURES]
    console = Console()
    plain = options.plain or not console.is_terminal
    began = time.monotonic()

    def tell(scene: Scene, text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  procedure {scene.procedure.number}  {text}", flush=True)

    watch = Watch(chosen, tell if plain else None)
    # Outside the repository: a control socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ccbs-demo-"))
    try:
        if plain:
            asyncio.run(run(watch, directory, None))
        else:
            with Live(Screen(watch), console=console, auto_refresh=False, screen=True) as live:
                asyncio.run(run(watch, directory, live))
    except KeyboardInterrupt:
        console.print(f"Interrupted; what there is stands in {directory}")
        return 130
    took_s = time.monotonic() - began
    console.print(verdict_table(watch))
    page = write_report(watch, directory, options.report, took_s)
    verdicts = [verdict for scene in watch.scenes.values() for verdict in scene.verdicts]
    passed = sum(verdict.outcome == "passed" for verdict in verdicts)
    good = passed == len(verdicts) == sum(len(procedure.steps) for procedure in chosen)
    colour = "green" if good else "red"
    console.print(
        f"\n[bold {colour}]{passed} of {len(verdicts)} steps passed[/] in {took_s:.0f} s. Report: {page}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
