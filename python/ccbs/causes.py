"""How a call ended, in the words of call log, Switch protocol and service: shared by all adapters."""

from __future__ import annotations

from typing import Final

from ccbs.calls import CallCause
from ccbs.switch import ConnectOutcome, RingOutcome

__all__ = ["connect_outcome", "fail_cause", "recall_cause", "ring_cause", "ring_outcome"]

_CONNECT: Final[dict[CallCause, ConnectOutcome]] = {
    "busy": ConnectOutcome.BUSY,
    "no-answer": ConnectOutcome.NO_ANSWER,
    "declined": ConnectOutcome.DECLINED,
    "unreachable": ConnectOutcome.UNREACHABLE,
    "unknown-number": ConnectOutcome.UNREACHABLE,
    "caller-gone": ConnectOutcome.CALLER_GONE,
}

_RECALL: Final[dict[ConnectOutcome, CallCause]] = {
    ConnectOutcome.BUSY: "busy",
    ConnectOutcome.NO_ANSWER: "no-answer",
    ConnectOutcome.DECLINED: "declined",
    ConnectOutcome.UNREACHABLE: "unreachable",
    ConnectOutcome.FAILED: "failed",
}

_RING: Final[dict[CallCause, RingOutcome]] = {
    "busy": RingOutcome.BUSY,
    "no-answer": RingOutcome.NO_ANSWER,
    "declined": RingOutcome.DECLINED,
    "unreachable": RingOutcome.UNREACHABLE,
    "unknown-number": RingOutcome.UNREACHABLE,
}

_RING_CAUSE: Final[dict[RingOutcome, CallCause]] = {
    RingOutcome.BUSY: "caller-busy",
    RingOutcome.NO_ANSWER: "caller-no-answer",
    RingOutcome.DECLINED: "caller-declined",
    RingOutcome.UNREACHABLE: "caller-unreachable",
    RingOutcome.FAILED: "failed",
}

_FAIL: Final[dict[CallCause, str]] = {
    "busy": "busy",
    "no-answer": "no-reply",
    "unreachable": "not-logged-in",
    "declined": "other",
    "unknown-number": "other",
    "failed": "other",
}


def connect_outcome(cause: CallCause) -> ConnectOutcome:
    """The outcome of :meth:`ccbs.switch.Switch.connect` for a call to the callee that ended so."""
    return _CONNECT.get(cause, ConnectOutcome.FAILED)


def recall_cause(outcome: ConnectOutcome | None, otherwise: CallCause) -> CallCause:
    """The call log's word for a recall whose caller took it and whose callee was not joined.

    :param outcome: of the call to the callee; ``None``: it was not called.
    :param otherwise: where the outcome does not say it.
    """
    return otherwise if outcome is None else _RECALL.get(outcome, otherwise)


def ring_outcome(cause: CallCause) -> RingOutcome:
    """The outcome of :meth:`ccbs.switch.Switch.ring` for a call to the caller that ended so."""
    return _RING.get(cause, RingOutcome.FAILED)


def ring_cause(outcome: RingOutcome) -> CallCause:
    """The call log's word for a recall that its caller did not take."""
    return _RING_CAUSE[outcome]


def fail_cause(cause: CallCause) -> str | None:
    """The service's word for a failed call (``CallFailed``), or ``None`` when it is none of its business."""
    return _FAIL.get(cause)
