"""An order's step as one line for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccbs._ccbs import Step

__all__ = ["describe", "line"]


def line(step: Step, now: float) -> str:
    """The step with its time of day, e.g. ``12:03:11 order 7 102→101 attempt 2 of 3 began``.

    :param step: the step.
    :param now: when it happened, in Unix seconds.
    """
    return f"{_clock(now)} order {step.order} {step.caller}→{step.callee} {describe(step)}"


def describe(step: Step) -> str:
    """What happened, without time and order."""
    attempt = f"attempt {step.attempt}" + (f" of {step.attempts}" if step.attempts is not None else "")
    match step.kind:
        case "accepted":
            due = f", CB timer expires at {_clock(step.due / 1000)}" if step.due is not None else ""
            return f"accepted, place {step.place}{due}"
        case "suspended":
            return f"suspended: {step.caller} is busy"
        case "resumed":
            return f"resumed: {step.caller} is free"
        case "callee-busy":
            return f"waits: {step.callee} is busy"
        case "callee-free" | "polling":
            what = f"{step.callee} is free" if step.kind == "callee-free" else f"{step.callee} can't be seen"
            until = f"; goes on at {_clock(step.due / 1000)}" if step.due is not None else ""
            return what + until
        case "turned-no-reply":
            return f"{step.callee} did not answer: waits for its next call"
        case "attempt-began":
            return f"{attempt} began"
        case "caller-answered":
            return f"{step.caller} answered"
        case "callee-called":
            return f"{step.callee} is called"
        case "attempt-failed":
            what = "CB timer expires" if step.attempts is not None else "tried again"
            after = f"; {what} at {_clock(step.due / 1000)}" if step.due is not None else ""
            return f"{attempt} failed: {step.failure}{after}"
        case "ended":
            return f"ended: {step.reason}"
        case other:
            return other


def _clock(unix_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(unix_s))
