"""From SIP's causes to the words of the call log, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ccbs.calls import CallCause
from ccbs.switch import ConnectOutcome

if TYPE_CHECKING:
    from ccbs._ccbs import Cause

__all__ = ["call_cause", "sip_status"]

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


def sip_status(outcome: ConnectOutcome) -> int | None:
    """The status for the Reason header of the BYE that tells the caller why (RFC 3326, sip-served.md)."""
    match outcome:
        case ConnectOutcome.BUSY:
            return 486
        case ConnectOutcome.NO_ANSWER | ConnectOutcome.UNREACHABLE:
            return 480
        case ConnectOutcome.DECLINED:
            return 603
        case _:
            return None
