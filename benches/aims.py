"""What the SIP side shall reach, with what it is to aim at, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benches.figures import Figures
from benches.switch import Sip

__all__ = ["AIMS", "Aim", "asterisk_runs", "asterisk_share", "outcome"]

_Of = Callable[[Sip | None, Figures], float | None]


@dataclass(frozen=True)
class Aim:
    """One figure with two bounds.

    :ivar measure: in words.
    :ivar of: the figure; ``None`` where it was not measured.
    :ivar must: the bound that is required, in ``unit``.
    :ivar goal: the one that is aimed at; ``None`` where the first is all.
    :ivar unit: e.g. ``ms``.
    :ivar at_least: whether the figure shall not be below the bounds, instead of not above them.
    """

    measure: str
    of: _Of
    must: float
    goal: float | None
    unit: str
    at_least: bool = False


def outcome(aim: Aim, value: float | None) -> str:
    """``goal reached``, ``reached``, ``missed`` or ``not measured``."""
    if value is None:
        return "not measured"

    def within(bound: float) -> bool:
        return value >= bound if aim.at_least else value <= bound

    if aim.goal is not None and within(aim.goal):
        return "goal reached"
    return "reached" if within(aim.must) else "missed"


def _sip(of: Callable[[Sip], float | None]) -> _Of:
    return lambda sip, figures: None if sip is None else of(sip)


def _rate(sip: Sip) -> float | None:
    highest = sip.calls.highest_clean
    return None if highest is None else highest.rate


def _figure(measure: str, who: str = "ccbs") -> _Of:
    """The figure at the largest size at which it was measured."""

    def of(sip: Sip | None, figures: Figures) -> float | None:
        sizes = figures.sizes(measure)
        return figures.value(measure, who, sizes[-1]) if sizes else None

    return of


def _growth(measure: str) -> _Of:
    """The last tenth over the first."""

    def of(sip: Sip | None, figures: Figures) -> float | None:
        sizes = figures.sizes(measure)
        if not sizes:
            return None
        return figures.ratio((measure, "last tenth", sizes[-1]), (measure, "first tenth", sizes[-1]))

    return of


def asterisk_runs(figures: Figures) -> Sequence[tuple[int, int]]:
    """The numbers of orders and the releases a second at which Asterisk was measured, rising."""
    return sorted(
        {
            (figure.size, int(figure.measure.rpartition("-")[2]))
            for figure in figures
            if figure.measure.startswith("asterisk-p50-")
        }
    )


def asterisk_share(figures: Figures, share: int, size: int, rate: int) -> float | None:
    """What ccbs takes beyond the bare program of the same run, in ms.

    :param share: the percentile.
    :param size: orders waiting.
    :param rate: releases a second.
    """
    measure = f"asterisk-p{share}-{rate}"
    ours, bare = figures.value(measure, "ccbs", size), figures.value(measure, "bare", size)
    return None if ours is None or bare is None else ours - bare


def _largest_share(share: int) -> _Of:
    def of(sip: Sip | None, figures: Figures) -> float | None:
        found = [asterisk_share(figures, share, size, rate) for size, rate in asterisk_runs(figures)]
        return max((one for one in found if one is not None), default=None)

    return of


def _most(measure: str, who: str = "ccbs") -> _Of:
    """The largest figure of all sizes."""

    def of(sip: Sip | None, figures: Figures) -> float | None:
        found = [figures.value(measure, who, size) for size in figures.sizes(measure)]
        return max((one for one in found if one is not None), default=None)

    return of


AIMS = [
    Aim("ordinary calls, none failed, nothing repeated", _sip(_rate), 700, 1_500, "calls/s", at_least=True),
    Aim("CPU a call, Python included", _sip(lambda sip: sip.cheapest.cpu_s * 1e6), 700, 450, "µs"),
    Aim("memory a call in the 32 s after its end", _figure("call-bytes"), 12_000, 8_000, "B"),
    Aim("what is left of a call later, over 200,000 calls", _figure("call-bytes-left"), 100, 10, "B"),
    Aim("calls that failed meanwhile", _figure("lasting-failed"), 0, None, ""),
    Aim("BYE → recall INVITE, p50", _sip(lambda sip: sip.recalls.percentile(0.5) * 1e3), 3, 1, "ms"),
    Aim("the same, p99", _sip(lambda sip: sip.recalls.percentile(0.99) * 1e3), 20, 5, "ms"),
    Aim(
        "10,000 lines freed at once: recalls that miss their callee",
        _figure("recalls-missing", "callees"),
        0,
        None,
        "",
    ),
    Aim("the same: last INVITE to a caller", _figure("recalls-last", "callers"), 20, 5, "s"),
    Aim("orders placed 64 at a time, 10,000 waiting: lost", _figure("orders-lost"), 0, None, ""),
    Aim("the same: CPU of an order, last tenth over first", _growth("order-cpu"), 1.5, 1.1, "×"),
    Aim("the same: time of an order, last tenth over first", _growth("order-time"), 1.5, 1.1, "×"),
    Aim(
        "three times the sustainable rate: calls neither taken nor refused",
        _figure("overload-lost"),
        0,
        None,
        "",
    ),
    Aim("the same: calls in progress that failed", _figure("overload-held-failed"), 0, None, ""),
    Aim("the same: growth of memory", _figure("overload-peak"), 512, 256, "MiB"),
    Aim(
        "the same, afterwards at the sustainable rate: failed", _figure("overload-after-failed"), 0, None, ""
    ),
    Aim("Asterisk, BYE → recall INVITE: our share of p50, the largest", _largest_share(50), 1, None, "ms"),
    Aim("the same: our share of p99, the largest", _largest_share(99), 5, None, "ms"),
    Aim("Asterisk, orders placed 64 at a time: lost", _most("asterisk-orders-lost"), 0, None, ""),
    Aim(
        "Asterisk, 5,000 lines freed at once: recalls that miss their callee",
        _figure("asterisk-missing", "callees"),
        0,
        None,
        "",
    ),
]
