"""From SIP's causes to the words of the call log and of the Switch protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ccbs.calls import CallCause
from ccbs.switch import ConnectOutcome, RingOutcome

if TYPE_CHECKING:
    from ccbs._ccbs import Cause

__all__ = ["call_cause", "connect_outcome", "fail_cause", "ring_cause", "ring_outcome", "sip_status"]

# RFC 3261 section 21; 480 is told apart by whether a phone rang.
_BY_STATUS: Final[dict[int, CallCause]] = {
    404: "unknown-number",
    408: "no-answer",
    410: "unknown-number",
    484: "unknown-number",
    486: "busy",
    487: "no-answer",
    600: "busy",
    603: "declined",
    604: "unknown-number",
}

_CONNECT: Final[dict[CallCause, ConnectOutcome]] = {
    "busy": ConnectOutcome.BUSY,
    "no-answer": ConnectOutcome.NO_ANSWER,
    "declined": ConnectOutcome.DECLINED,
    "unreachable": ConnectOutcome.UNREACHABLE,
    "unknown-number": ConnectOutcome.UNREACHABLE,
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


def call_cause(cause: Cause, *, reachable: bool) -> CallCause:
    """How a call that was not answered ended.

    :param cause: of the leg, as the endpoint tells it.
    :param reachable: whether a phone rang, or one is registered to ring: our own 480 then means that it
        rang out, and otherwise that there was no phone to ring.
    """
    kind, status = cause
    if kind in ("remote", "transferred"):
        return "caller-gone"
    if kind == "local":
        return "cancelled"
    if kind == "timeout":
        return "unreachable"
    if status == 480:
        return "unreachable" if kind == "refused" and not reachable else "no-answer"
    return "failed" if status is None else _BY_STATUS.get(status, "failed")


def connect_outcome(cause: CallCause) -> ConnectOutcome:
    """The same as the outcome of :meth:`ccbs.switch.Switch.connect`."""
    return _CONNECT.get(cause, ConnectOutcome.FAILED)


def ring_outcome(cause: CallCause) -> RingOutcome:
    """The same as the outcome of :meth:`ccbs.switch.Switch.ring`."""
    return _RING.get(cause, RingOutcome.FAILED)


def ring_cause(outcome: RingOutcome) -> CallCause:
    """The call log's word for a recall that its caller did not take."""
    return _RING_CAUSE[outcome]


def fail_cause(cause: CallCause) -> str | None:
    """The service's word for a failed call (``CallFailed``), or ``None`` when it is none of its business."""
    match cause:
        case "busy":
            return "busy"
        case "no-answer":
            return "no-reply"
        case "unreachable":
            return "not-logged-in"
        case "declined" | "unknown-number" | "failed":
            return "other"
        case _:
            return None


def sip_status(outcome: ConnectOutcome) -> int | None:
    """The status for the Reason header of the BYE that tells the caller why (sip.md, RFC 3326)."""
    match outcome:
        case ConnectOutcome.BUSY:
            return 486
        case ConnectOutcome.NO_ANSWER | ConnectOutcome.UNREACHABLE:
            return 480
        case ConnectOutcome.DECLINED:
            return 603
        case _:
            return None
