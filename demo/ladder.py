"""A procedure's SIP messages drawn as a ladder, SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from acceptance.procedures import Step

from .traces import Rung
from .watch import Scene

__all__ = ["SIGNS", "Note", "draw", "standalone"]

TIME_WIDTH = 78
COLUMN_WIDTH = 225
ROW = 25
HEAD = 40
STEP_SPACE = 4
LONG_GAP_S = 1.5
"""A longer silence on all wires gets a row of its own (s)."""
SIGNS = {"passed": "✔", "failed": "✘", "not reached": "–"}


@dataclass(frozen=True)
class Note:
    """Something at one column, e.g. a prompt that a phone heard."""

    at: float
    """Unix time (s)."""
    column: str
    text: str


def draw(scene: Scene, subtitles: Mapping[str, str], notes: Sequence[Note]) -> str:
    """The ladder of a scene.

    :param subtitles: by column, what stands below its name.
    :param notes: what stands between the messages.
    :returns: an ``svg`` element; its looks are in ``ladder.css``.
    """
    columns = scene.columns
    xs = {name: TIME_WIDTH + COLUMN_WIDTH * (i + 0.5) for i, name in enumerate(columns)}
    width = TIME_WIDTH + COLUMN_WIDTH * len(columns)
    outcome = {verdict.step.number: verdict.outcome for verdict in scene.verdicts}
    rows: list[str] = []
    y = float(HEAD + ROW)
    before: float | None = None
    entries: list[tuple[float, Step | Rung | Note]] = [
        # The traces' clocks count milliseconds: what a step causes is not to stand before it.
        *((math.floor(at * 1000) / 1000, step) for at, step in scene.begun),
        *((rung.at, rung) for rung in scene.rungs()),
        *((note.at, note) for note in notes),
    ]
    for at, entry in sorted(entries, key=lambda pair: pair[0]):
        seconds = max(0.0, at - scene.started)
        if isinstance(entry, Step):
            y += STEP_SPACE
            sign = SIGNS[outcome.get(entry.number, "not reached")]
            rows.append(_step(y, width, f"{entry.number} {sign}", entry.text, seconds))
            y += ROW + STEP_SPACE
            continue
        if before is not None and at - before > LONG_GAP_S:
            rows.append(_gap(y, width, at - before))
            y += ROW
        before = at
        rows.append(
            _message(y, xs, entry, seconds) if isinstance(entry, Rung) else _note(y, xs, entry, seconds)
        )
        y += ROW
    height = y + HEAD
    return "\n".join(
        [
            f'<svg class="ladder" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}"'
            f' width="{width}" height="{height:.0f}" role="img"'
            f' aria-label="{escape(scene.procedure.title)}">',
            _defs(),
            *(
                f'<line class="life" x1="{x}" x2="{x}" y1="{HEAD}" y2="{height - HEAD:.0f}"/>'
                for x in xs.values()
            ),
            *_heads(columns, xs, subtitles, 0),
            *rows,
            *_heads(columns, xs, subtitles, height - HEAD),
            "</svg>",
        ]
    )


def standalone(drawing: str) -> str:
    """What :func:`draw` made, as a file that needs no page around it."""
    style = (Path(__file__).parent / "ladder.css").read_text(encoding="utf-8")
    background = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    return drawing.replace(">", f"><style>{style}</style>{background}", 1)


def _defs() -> str:
    kinds = ("request", "end", "provisional", "success", "refusal")
    return (
        "<defs>"
        + "".join(
            f'<marker id="to-{kind}" class="{kind}" viewBox="0 0 8 8" refX="8" refY="4"'
            ' markerWidth="8" markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker>'
            for kind in kinds
        )
        + "</defs>"
    )


def _heads(
    columns: Sequence[str], xs: Mapping[str, float], subtitles: Mapping[str, str], y: float
) -> list[str]:
    return [
        f'<g class="head"><rect x="{xs[name] - 62}" y="{y + 2:.0f}" width="124" height="36" rx="6"/>'
        f'<text x="{xs[name]}" y="{y + 17:.0f}">{escape(name)}</text>'
        f'<text class="sub" x="{xs[name]}" y="{y + 31:.0f}">{escape(subtitles.get(name, ""))}</text></g>'
        for name in columns
    ]


def _step(y: float, width: int, number: str, text: str, seconds: float) -> str:
    return (
        f'<g class="step"><rect x="0" y="{y - 15:.0f}" width="{width}" height="21"/>'
        f'<text class="time" x="{TIME_WIDTH - 10}" y="{y:.0f}">{seconds:.3f}</text>'
        f'<text x="{TIME_WIDTH}" y="{y:.0f}"><tspan class="number">{escape(number)}</tspan> '
        f"{escape(text)}</text></g>"
    )


def _gap(y: float, width: int, seconds: float) -> str:
    middle = TIME_WIDTH + (width - TIME_WIDTH) / 2
    return f'<text class="gap" x="{middle:.0f}" y="{y:.0f}">⋮ {seconds:.1f} s ⋮</text>'


def _note(y: float, xs: Mapping[str, float], note: Note, seconds: float) -> str:
    return (
        f'<g class="note"><text class="time" x="{TIME_WIDTH - 10}" y="{y + 4:.0f}">{seconds:.3f}</text>'
        f'<text class="label" x="{xs[note.column]}" y="{y + 4:.0f}">{escape(note.text)}</text></g>'
    )


def _kind(rung: Rung) -> str:
    status = rung.message.status
    if status is None:
        return "end" if rung.message.method in ("BYE", "CANCEL") else "request"
    return "provisional" if status < 200 else "success" if status < 300 else "refusal"


def _message(y: float, xs: Mapping[str, float], rung: Rung, seconds: float) -> str:
    kind = _kind(rung)
    begin, end = xs[rung.source], xs[rung.target]
    again = " again" if rung.again else ""
    label = rung.label + (" (again)" if rung.again else "")
    if rung.message.media is not None:
        label += " ♪"
    return (
        f'<g class="message {kind}{again}"><title>{escape(rung.message.text)}</title>'
        f'<rect class="touch" x="{min(begin, end)}" y="{y - 17:.0f}" width="{abs(end - begin)}"'
        f' height="{ROW}"/>'
        f'<text class="time" x="{TIME_WIDTH - 10}" y="{y + 4:.0f}">{seconds:.3f}</text>'
        f'<line x1="{begin}" x2="{end}" y1="{y:.0f}" y2="{y:.0f}" marker-end="url(#to-{kind})"/>'
        f'<text class="label" x="{(begin + end) / 2}" y="{y - 4:.0f}">{escape(label)}</text></g>'
    )
