"""The engine and the model side by side: both are told the same, and what they say is compared."""

from __future__ import annotations

from collections.abc import Sequence

from ccbs import Engine, Limits
from ccbs._ccbs import Action, Event

from .invariants import Watch
from .model import Model

BEGIN = 1_700_000_000_000
"""Where virtual time begins (Unix ms)."""

NOT_COMPARED = ("events_refused", "time_too_late")
"""Counters of what no history has: events that are refused, and times beyond what can be counted to."""


class Disagreement(AssertionError):
    """The engine and the model differ; the message has the history that shows it."""


class Pair:
    """Both, the time, and everything that they were told."""

    def __init__(self, limits: Limits, planted: str | None = None) -> None:
        self.engine = Engine(limits)
        self.model = Model(limits, planted)
        self.watch = Watch(limits)
        self.now = BEGIN
        self.history: list[tuple[int, tuple[Event, ...], list[Action]]] = []
        self.held: list[Event] = []
        self.hold = 0

    def tell(self, *events: Event) -> list[Action]:
        """Tell both; while ``hold`` lasts the events are gathered, to be told in one call."""
        self.held += events
        if self.hold and events:
            self.hold -= 1
            return []
        batch, self.held = tuple(self.held), []
        return self.apply(batch)

    def flush(self) -> None:
        self.hold = 0
        if self.held:
            self.tell()

    def wait_until(self, at: int) -> list[Action]:
        self.flush()
        self.now = max(at, self.now)
        return self.apply(())

    def apply(self, batch: Sequence[Event], back: int = 0) -> list[Action]:
        """Tell both; ``back`` is by how much their clock has gone back (ms)."""
        before = self.engine.orders()
        said = self.engine.apply(batch, self.now - back)
        self.history.append((self.now - back, tuple(batch), said))
        expected = self.model.apply(batch, self.now - back)
        self.compare("actions", said, expected)
        self.compare("orders()", self.engine.orders(), self.model.orders())
        lines = sorted(self.engine.lines(), key=lambda view: view.line)
        self.compare("lines()", lines, self.model.lines())
        counters = {name: count for name, count in self.engine.counters().items() if name not in NOT_COMPARED}
        counts = [(name, self.model.counts[name]) for name in counters]
        self.compare("counters()", list(counters.items()), counts)
        self.compare_deadlines()
        try:
            self.watch.step(self.now, batch, said, before, self.engine.orders(), lines)
        except AssertionError as broken:
            raise Disagreement(f"{broken}\n\n{self.story()}") from broken
        return said

    def compare(self, what: str, engine: Sequence[object], model: Sequence[object]) -> None:
        if list(engine) == list(model):
            return
        if len(engine) == len(model) > 8:
            differing = [(one, other) for one, other in zip(engine, model, strict=True) if one != other]
            engine, model = zip(*differing, strict=True)
        shown = [f"{what} differ", "engine:", *(f"    {item!r}" for item in engine)]
        shown += ["model:", *(f"    {item!r}" for item in model)]
        raise Disagreement("\n".join([*shown, "", self.story()]))

    def compare_deadlines(self) -> None:
        """The engine may want to be woken earlier than the model, never later."""
        engine, model = self.engine.next_deadline(), self.model.next_deadline()
        if model is not None and (engine is None or engine > max(model, self.now)):
            raise Disagreement(f"next_deadline(): engine {engine}, model {model}\n\n{self.story()}")

    def story(self) -> str:
        """The history, as times from the beginning, what was told and what the engine said."""
        lines = ["history:"]
        for now, batch, said in self.history:
            lines.append(f"{(now - BEGIN) / 1_000:>12.3f} s  {list(batch)!r}")
            lines += [f"{'':14}-> {action!r}" for action in said]
        return "\n".join(lines)
