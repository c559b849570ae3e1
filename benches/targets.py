"""What the figures shall reach, and whether they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benches.figures import Figures

__all__ = ["TARGETS", "Reading", "Target", "read"]

_MILLION = 1_000_000
_OURS = ("timer-life", "ccbs-timers", _MILLION)


@dataclass(frozen=True)
class Target:
    """One figure and its bound.

    :ivar measure: in words.
    :ivar of: the figure out of all; ``None`` where it was not measured.
    :ivar bound: in ``unit``.
    :ivar unit: ``ns``, ``µs``, ``ms``, ``B`` or ``×``.
    :ivar at_least: whether the figure shall not be below the bound, instead of not above it.
    """

    measure: str
    of: Callable[[Figures], float | None]
    bound: float
    unit: str
    at_least: bool = False


@dataclass(frozen=True)
class Reading:
    """A target and what was found.

    :ivar value: ``None`` when it was not measured.
    """

    target: Target
    value: float | None

    @property
    def outcome(self) -> str:
        """``reached``, ``missed`` or ``not measured``."""
        if self.value is None:
            return "not measured"
        within = self.value >= self.target.bound if self.target.at_least else self.value <= self.target.bound
        return "reached" if within else "missed"


def read(figures: Figures) -> list[Reading]:
    """Each target with its figure."""
    return [Reading(target, target.of(figures)) for target in TARGETS]


def _value(measure: str, who: str, size: int, per: float = 1.0) -> Callable[[Figures], float | None]:
    def of(figures: Figures) -> float | None:
        found = figures.value(measure, who, size)
        return None if found is None else found / per

    return of


def _ratio(over: tuple[str, str, int], under: tuple[str, str, int]) -> Callable[[Figures], float | None]:
    return lambda figures: figures.ratio(over, under)


def _life_ratio(way: str) -> Callable[[Figures], float | None]:
    measure = f"life-{way}"
    return _ratio((measure, "reference model", 50), (measure, "ccbs", 50))


def _growth(figures: Figures) -> float | None:
    """By how much a line costs more in a burst four times as large."""
    ratio = figures.ratio(("burst-all", "ccbs", 100_000), ("burst-all", "ccbs", 25_000))
    return None if ratio is None else ratio / 4


_EVENT = ("line-event", "packed", _MILLION)

_BARE = "write and fdatasync"


def _commit(measure: str, events: int) -> Callable[[Figures], float | None]:
    return _ratio((measure, "ccbs", events), (measure, _BARE, events))


def _commits(events: int) -> Callable[[Figures], float | None]:
    return _ratio(("commit-events", _BARE, events), ("commit-events", "ccbs", events))


TARGETS = [
    Target("timer's whole life, 1 M timers", _value(*_OURS), 40, "ns"),
    Target(
        "the same, tokio-util DelayQueue over ours",
        _ratio(("timer-life", "tokio-util DelayQueue", _MILLION), _OURS),
        12,
        "×",
        at_least=True,
    ),
    Target(
        "the same, asyncio.call_later over ours",
        _ratio(("timer-life", "asyncio.call_later", _MILLION), _OURS),
        150,
        "×",
        at_least=True,
    ),
    Target("the same, 1 M over 10 k timers", _ratio(_OURS, ("timer-life", "ccbs-timers", 10_000)), 2, "×"),
    Target(
        "line busy or free without an order, 1 M lines, packed batch from Python", _value(*_EVENT), 100, "ns"
    ),
    Target(
        "the same, reference model over ours",
        _ratio(("line-event", "reference model", _MILLION), _EVENT),
        50,
        "×",
        at_least=True,
    ),
    Target(
        "the same, reference model with 100 lines over ours with 1 M",
        _ratio(("line-event", "reference model", 100), _EVENT),
        50,
        "×",
        at_least=True,
    ),
    Target("order's whole life, in Rust", _value("order-life", "in Rust", 1_000, per=1_000), 1.5, "µs"),
    Target(
        "the same by Python objects one at a time, reference model over ours",
        _life_ratio("one-at-a-time"),
        10,
        "×",
        at_least=True,
    ),
    Target(
        "the same by Python objects batched, reference model over ours",
        _life_ratio("batched"),
        50,
        "×",
        at_least=True,
    ),
    Target("idle line beyond its number", _value("line-bytes", "ccbs", _MILLION), 24, "B"),
    Target("waiting order, profile ccbs, timers included", _value("order-bytes", "ccbs", 250_000), 128, "B"),
    Target(
        "waiting order, profile autodial, timers included",
        _value("order-bytes", "autodial", 250_000),
        128,
        "B",
    ),
    Target(
        "100 k lines freed in one tick with 100 k orders waiting, to the last action",
        _value("burst-all", "ccbs", 100_000),
        100,
        "ms",
    ),
    Target("the same, a line at 100 k over a line at 25 k (quadratic: 4)", _growth, 2, "×"),
    Target(
        "restart with 100,000 orders on 100,000 lines, to the first recall",
        _value("recovery", "ccbs", 100_000),
        2_000,
        "ms",
    ),
    Target("commit of one input over the disk's own, half of them", _commit("commit-p50", 1), 1.5, "×"),
    Target("the same of 64 inputs", _commit("commit-p50", 64), 1.5, "×"),
    Target("inputs a second, one a commit, the disk's own over ours", _commits(1), 1.5, "×"),
    Target("the same, 64 a commit", _commits(64), 1.5, "×"),
]
