"""The page docs/performance.md, out of what the parts found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benches.aims import AIMS, Aim, asterisk_runs, asterisk_share, outcome
from benches.figures import Figure, Figures, Result
from benches.switch import Sip
from benches.targets import Reading, Target, read

__all__ = ["page"]

_SHOWN = (
    *("timer-life", "timer-set", "timer-cancel", "timer-expire", "timer-bytes"),
    *("line-event", "line-event-allocations", "order-life", "order-life-allocations"),
    *("life-one-at-a-time", "life-batched", "number-bytes", "line-bytes", "order-bytes"),
    *("burst-first", "burst-all", "large-make", "large-bytes", "large-event"),
)

_OF_CALLS = (
    "call-",
    "calls-",
    "lasting-",
    "order-cpu",
    "order-time",
    "orders-",
    "freed-",
    "recalls-",
    "overload-",
    "recovery",
    "commit-",
    "recalled-",
    "asterisk-",
)
"""What the figures of the SIP side begin with."""

_PARTS = "`timers`, `engine`, `large`, `sip`, `lasting`, `crowd`, `store`, `overload`, `asterisk`"

_NEXT = {"ns": "µs", "µs": "ms", "ms": "s"}


def page(results: Mapping[str, Result]) -> str:
    """The page in Markdown; the same for the same results.

    :param results: by part, in the order in which they are to stand, without parts never measured.
    """
    figures = Figures(figure for result in results.values() for figure in result.figures)
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"amount": _amount, "thousands": _thousands}
    sip = results.get("sip")
    calls = None if sip is None else Sip.of(sip.raw)
    return pages.get_template("performance.md.j2").render(
        parts=_PARTS,
        results=list(results.values()),
        figures=figures,
        targets=[_row(reading) for reading in read(figures)],
        missed=sum(reading.outcome == "missed" for reading in read(figures)),
        timers=_compared(figures, "timer-life", "ccbs-timers"),
        phases=_phases(figures),
        others=[
            figure
            for figure in figures
            if figure.measure not in _SHOWN and not figure.measure.startswith(_OF_CALLS)
        ],
        sip=calls,
        aims=[_aim(aim, aim.of(calls, figures)) for aim in AIMS],
        asterisk=_asterisk(figures),
    )


def _row(reading: Reading) -> Mapping[str, str]:
    target = reading.target
    sign = "≥" if target.at_least else "≤"
    outcome = f"**{reading.outcome}**" if reading.outcome != "reached" else reading.outcome
    return {
        "measure": target.measure,
        "target": f"{sign} {_amount(target.bound, target.unit)}",
        "found": "–" if reading.value is None else _beside(reading.value, target),
        "outcome": outcome,
    }


def _aim(aim: Aim, value: float | None) -> Mapping[str, str]:
    sign = "≥" if aim.at_least else "≤"
    found = outcome(aim, value)
    return {
        "measure": aim.measure,
        "must": f"{sign} {_amount(aim.must, aim.unit)}".strip(),
        "goal": "" if aim.goal is None else f"{sign} {_amount(aim.goal, aim.unit)}",
        "found": "–" if value is None else _amount(value, aim.unit).strip(),
        "outcome": found if "reached" in found else f"**{found}**",
    }


def _beside(value: float, target: Target) -> str:
    """With more digits where fewer would make it look like its bound."""
    digits = 0
    while value != target.bound and round(value, digits) == target.bound and digits < 6:
        digits += 1
    return _amount(value, target.unit, digits)


def _asterisk(figures: Figures) -> Sequence[Sequence[str]]:
    """A row for each number of orders and rate: bare, ccbs, and our share, each p50 and p99 in ms."""
    rows = []
    for size, rate in asterisk_runs(figures):
        row = [f"{size:,}", str(rate)]
        for who in ("bare", "ccbs"):
            found = [figures.value(f"asterisk-p{share}-{rate}", who, size) for share in (50, 99)]
            row.append(" / ".join("–" if value is None else f"{value:.1f}" for value in found))
        shares = [asterisk_share(figures, share, size, rate) for share in (50, 99)]
        row.append(" / ".join("–" if value is None else f"{value:.2f}" for value in shares))
        rows.append(row)
    return rows


def _compared(figures: Figures, measure: str, ours: str) -> Sequence[Sequence[str]]:
    """A row for each who: its figure at each size, and how many times ours that is."""
    sizes = figures.sizes(measure)
    rows = []
    for who in figures.whose(measure):
        row = [who]
        for size in sizes:
            value = figures.value(measure, who, size)
            ratio = figures.ratio((measure, who, size), (measure, ours, size))
            row.append("–" if value is None else _amount(value, ""))
            row.append("–" if ratio is None else f"{_amount(ratio, '×')}")
        rows.append(row)
    return rows


def _phases(figures: Figures) -> Sequence[Sequence[str]]:
    rows = []
    for phase in ("set", "cancel", "expire"):
        values = [
            figures.value(f"timer-{phase}", "ccbs-timers", size) for size in figures.sizes("timer-life")
        ]
        rows.append([phase, *("–" if value is None else _amount(value, "") for value in values)])
    return rows


def _amount(value: float | Figure | None, unit: str = "", least: int = 0) -> str:
    """With two or three digits that count, and ``least`` behind the point: 7.1 µs, 38 ns, 1,204 B."""
    if value is None:
        return "–"
    if isinstance(value, Figure):
        return _amount(value.value, value.unit)
    while value >= 10_000 and unit in _NEXT:
        value, unit = value / 1e3, _NEXT[unit]
    digits = 0 if abs(value) >= 20 or value == int(value) else 1 if abs(value) >= 2 else 2
    return f"{value:,.{max(digits, least)}f}{'' if unit in ('', '×') else ' '}{unit}"


def _thousands(size: int) -> str:
    """10 k, 1 M."""
    if size >= 1_000_000 and size % 1_000_000 == 0:
        return f"{size // 1_000_000} M"
    return f"{size // 1_000} k" if size >= 10_000 and size % 1_000 == 0 else f"{size:,}"
