"""From Asterisk's words (DIALSTATUS, Q.850 causes) to those of the service and the call log."""

from __future__ import annotations

from typing import Final

from ccbs.calls import CallCause
from ccbs.switch import ConnectOutcome, RingOutcome

__all__ = [
    "BUSY",
    "NOT_FOUND",
    "call_cause",
    "reason_code",
    "ring_outcome",
]

# ITU-T Q.850, as Asterisk uses them.
_UNALLOCATED: Final = 1
_NO_ROUTE: Final = 3
_NORMAL: Final = 16
_USER_BUSY: Final = 17
_NO_RESPONSE: Final = 18
_NO_ANSWER: Final = 19
_SUBSCRIBER_ABSENT: Final = 20
_REJECTED: Final = 21
_OUT_OF_ORDER: Final = 27
_CONGESTION: Final = 34

BUSY: Final = _USER_BUSY
"""The cause of a busy line; PJSIP makes 486 of it."""
NOT_FOUND: Final = _UNALLOCATED
"""The cause of an unknown number; PJSIP makes 404 of it."""

_RING: Final[dict[int, RingOutcome]] = {
    0: RingOutcome.NO_ANSWER,
    _NO_ROUTE: RingOutcome.UNREACHABLE,
    _NORMAL: RingOutcome.NO_ANSWER,
    _USER_BUSY: RingOutcome.BUSY,
    _NO_RESPONSE: RingOutcome.UNREACHABLE,
    _NO_ANSWER: RingOutcome.NO_ANSWER,
    _SUBSCRIBER_ABSENT: RingOutcome.UNREACHABLE,
    _REJECTED: RingOutcome.DECLINED,
    _OUT_OF_ORDER: RingOutcome.UNREACHABLE,
}


def ring_outcome(cause: int) -> RingOutcome:
    """Why a phone that was rung did not answer, by the cause of its channel's end."""
    return _RING.get(cause, RingOutcome.FAILED)


def call_cause(status: str | None, *, dialled: bool, peer_cause: int | None, cause: int | None) -> CallCause:
    """How a call that was not answered ended.

    :param status: its DIALSTATUS, from the dialplan or from the last event ``Dial``; ``None``: it dialled
        nobody.
    :param dialled: whether any phone or trunk was dialled: CHANUNAVAIL without is a callee that has no phone.
    :param peer_cause: of the callee's channel, if it is known: a declined call's status is NOANSWER in the
        event and CHANUNAVAIL in the dialplan.
    :param cause: of the caller's channel, where nobody was dialled: 17 after ``Busy()``.
    """
    if peer_cause == _REJECTED:
        return "declined"
    match status:
        case "BUSY":
            return "busy"
        case "NOANSWER":
            return "no-answer"
        case "CHANUNAVAIL":
            return "declined" if dialled else "unreachable"
        case "CANCEL":
            return "caller-gone"
        case "CONGESTION" | "DONTCALL" | "TORTURE" | "INVALIDARGS":
            return "failed"
    if cause == _USER_BUSY:
        return "busy"
    if cause in (_NO_ROUTE, _SUBSCRIBER_ABSENT, _OUT_OF_ORDER, _CONGESTION):
        return "unreachable"
    if cause == _UNALLOCATED:
        return "unknown-number"
    return "caller-gone" if cause in (None, 0, _NORMAL, 127) else "failed"


def reason_code(outcome: ConnectOutcome | None) -> int:
    """The cause for the release of the caller, who is told by it why (RFC 3326)."""
    match outcome:
        case ConnectOutcome.BUSY:
            return _USER_BUSY
        case ConnectOutcome.NO_ANSWER:
            return _NO_ANSWER
        case ConnectOutcome.UNREACHABLE:
            return _SUBSCRIBER_ABSENT
        case ConnectOutcome.DECLINED:
            return _REJECTED
        case _:
            return _NORMAL
