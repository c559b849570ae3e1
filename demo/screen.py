"""The terminal view: the procedures side by side."""

from __future__ import annotations

import time

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .traces import FAR_SWITCH, SWITCH, Rung
from .watch import Scene, Watch, phone_state

__all__ = ["Screen", "verdict_table"]

NARROW = 150
"""Below this width the procedures stand two by two."""
SIGNS = {"passed": ("✔", "bold green"), "failed": ("✘", "bold red"), "not reached": ("–", "dim")}
STATE_STYLES = {"talks": "green", "rings": "bold yellow", "busy": "red", "release": "red", "dials": "cyan"}


class Screen:
    """Drawn anew from what is known at each refresh."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fill the terminal."""
        width, height = options.max_width, options.height or console.height
        scenes = list(self._watch.scenes.values())
        per_row = len(scenes) if width >= NARROW else min(2, len(scenes))
        rows = [scenes[start : start + per_row] for start in range(0, len(scenes), per_row)]
        whole = Layout()
        whole.split_column(
            Layout(self._title(), size=1), *(Layout(name=f"row {i}") for i in range(len(rows)))
        )
        for i, row in enumerate(rows):
            each = (height - 1) // len(rows) - 2
            whole[f"row {i}"].split_row(*(Layout(_panel(scene, each)) for scene in row))
        yield whole

    def _title(self) -> Text:
        passed = sum(v.outcome == "passed" for s in self._watch.scenes.values() for v in s.verdicts)
        total = sum(len(scene.procedure.steps) for scene in self._watch.scenes.values())
        return Text.assemble(
            (" ccbs: call back on busy ", "bold reverse"),
            f"  {time.time() - self._watch.began:5.1f} s   {passed} of {total} steps passed   ",
            ("№1, №7 callees; №2 orders; №4 keeps the callee busy", "dim"),
        )


def _panel(scene: Scene, height: int) -> Panel:
    procedure = scene.procedure
    parts: list[RenderableType] = [
        _phones(scene),
        _order(scene),
        Text(),
        _steps(scene, room=max(3, (height - 7) // 3)),
        Text(),
    ]
    used = len(scene.parties) + 3 + max(3, (height - 7) // 3)
    parts.append(_ladder(scene, max(1, height - used)))
    done = len(scene.verdicts) == len(procedure.steps)
    style = "red" if scene.failed else "green" if done else "blue"
    return Panel(
        Group(*parts), title=f"[bold]{procedure.number}. {procedure.title}", title_align="left",
        border_style=style, padding=(0, 1),
    )  # fmt: skip


def _phones(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold", width=3)
    table.add_column(style="dim")
    table.add_column(no_wrap=True)
    for party in scene.parties:
        state = phone_state(scene.messages_of(party), time.time())
        style = STATE_STYLES.get(state.split()[0].rstrip(","), "dim" if state == "idle" else "")
        table.add_row(party.label, party.number, Text(state, style=style))
    return table


def _order(scene: Scene) -> Text:
    order = scene.order
    if order is None:
        last = scene.order_lines[-1][1].split(" ", 2)[-1] if scene.order_lines else "no order yet"
        return Text(last, style="dim", no_wrap=True, overflow="ellipsis")
    text = Text(f"order: {order['state']}", style="bold magenta", no_wrap=True, overflow="ellipsis")
    text.append(f"  attempt {order['attempt']} of {order['attempts']}", style="magenta")
    if order["due"] is not None:
        text.append(f"  CB {max(order['due'] / 1000 - time.time(), 0):4.1f} s", style="bold yellow")
    return text


def _steps(scene: Scene, room: int) -> Table:
    steps = scene.procedure.steps
    done = len(scene.verdicts)
    first = max(0, min(done - room // 2, len(steps) - room))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(width=3, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for i, step in enumerate(steps[first : first + room], first):
        if i < done:
            sign, style = SIGNS[scene.verdicts[i].outcome]
            table.add_row(Text(sign, style), step.number, Text(step.text))
        elif step is scene.current:
            table.add_row(Text("▸", "bold yellow"), step.number, Text(step.text, "bold"))
        else:
            table.add_row("", Text(step.number, "dim"), Text(step.text, "dim"))
    return table


def _ladder(scene: Scene, room: int) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", style="dim", width=5)
    table.add_column(no_wrap=True, width=8)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for rung in scene.rungs()[-room:]:
        table.add_row(f"{rung.at - scene.started:.1f}", _arrow(rung), Text(rung.label, _style(rung)))
    return table


def _arrow(rung: Rung) -> str:
    names = {SWITCH: "■", FAR_SWITCH: "□"}
    source, target = names.get(rung.source, rung.source), names.get(rung.target, rung.target)
    if rung.source == SWITCH or (rung.source == FAR_SWITCH and rung.target != SWITCH):
        return f"{target:>2} ◀── {source}"
    return f"{source:>2} ──▶ {target}"


def _style(rung: Rung) -> str:
    status = rung.message.status
    if rung.again:
        return "dim"
    if status is None:
        return "yellow" if rung.message.method in ("BYE", "CANCEL") else "cyan"
    return "dim" if status < 200 else "green" if status < 300 else "red"


def verdict_table(watch: Watch) -> Table:
    """The verdict of each numbered step."""
    table = Table(title="The four procedures, step by step", title_justify="left", box=None, padding=(0, 1))
    table.add_column("step", justify="right")
    table.add_column("")
    table.add_column("what happens, and what the phones saw", overflow="fold")
    for scene in watch.scenes.values():
        table.add_row("", "", Text(f"\n{scene.procedure.number}. {scene.procedure.title}", "bold"))
        for verdict in scene.verdicts:
            sign, style = SIGNS[verdict.outcome]
            text = Text(verdict.step.text)
            if verdict.outcome == "not reached":
                table.add_row(verdict.step.number, Text(sign, style), text.append("  not reached", "dim"))
                continue
            text.append(f"\n{verdict.evidence}", "dim" if verdict.outcome == "passed" else "red")
            table.add_row(verdict.step.number, Text(sign, style), text)
    return table
