"""The protocol that a switch implements to have call back on busy.

Five methods; facts go the other way, by the methods of :class:`ccbs.CallbackService`
(``line_busy``, ``line_free``, ``call_failed``, ``call_answered``, ``order``, ``cancel``, ``ordered``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final, Protocol, TypeVar

__all__ = [
    "ConnectOutcome",
    "LegGone",
    "LineState",
    "NotTried",
    "PromptFailed",
    "RingFailed",
    "RingOutcome",
    "Switch",
    "current_order",
]

Leg = TypeVar("Leg")

current_order: Final[ContextVar[int | None]] = ContextVar("current_order", default=None)
"""The order whose recall the running method of a switch serves: for its logs and call records."""


class LineState(enum.Enum):
    """What a switch knows of a line."""

    FREE = "free"
    BUSY = "busy"
    UNKNOWN = "unknown"


class RingOutcome(enum.Enum):
    """Why the caller's phone did not answer the recall."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class ConnectOutcome(enum.Enum):
    """How the call to the callee ended."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    CALLER_GONE = "caller-gone"
    FAILED = "failed"


class RingFailed(Exception):
    """Raised by :meth:`Switch.ring` when the caller's phone did not answer."""

    def __init__(self, outcome: RingOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class NotTried(Exception):
    """Raised by :meth:`Switch.ring` when the ringing could not even be tried: nothing was sent, so no phone
    can have rung. The attempt is not used; the order waits and is tried again.

    :param message: why, and what its operator can do.
    """


class LegGone(Exception):
    """Raised by :meth:`Switch.play` when the caller hung up."""


class PromptFailed(Exception):
    """Raised by :meth:`Switch.play` when a prompt could not be played; the caller is still there.

    :param message: which, and what its operator can do.
    """


class Switch(Protocol[Leg]):
    """What a switch does for the service. Every method may be cancelled and then undoes what it began."""

    async def ring(self, caller: str, shown_as: str, timeout: float) -> Leg:
        """Call the caller's phone.

        :param caller: the number to ring.
        :param shown_as: the number its display shows: the callee's.
        :param timeout: how long to ring, in seconds.
        :returns: the answered leg, of any type the switch likes.
        :raises RingFailed: when the phone did not answer.
        :raises NotTried: when nothing was sent, for the switch is out of contact or has no room: tell it
            soon, rather than wait as long as the phone would ring. Where the call may have been sent, or
            there is no phone to ring, it is ``RingFailed``.

        Cancelled: the phone stops ringing; an answer that won the race is released.
        """
        ...

    async def play(self, leg: Leg, prompts: Sequence[str]) -> None:
        """Play prompts, one after the other; return when the last was heard.

        :param leg: what :meth:`ring` returned.
        :param prompts: names from the prompt catalogue (``ccbs.prompts``).
        :raises LegGone: when the caller hung up.
        :raises PromptFailed: when the caller heard none of them, by a fault of the prompts; the recall goes
            on without.

        Cancelled: the prompt stops.
        """
        ...

    async def connect(self, leg: Leg, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        """Call the callee on the caller's behalf and join the two when it answers.

        :param leg: what :meth:`ring` returned; it hears ringback meanwhile.
        :param callee: the number to call, internal or external.
        :param shown_as: the number the callee's display shows: the caller's.
        :param timeout: how long to ring, in seconds.
        :returns: the outcome; after ``ANSWERED`` the call is the switch's own and is not released by the
            service, after anything but ``CALLER_GONE`` the leg is still up for a prompt. A switch that
            could not hold it says how the call ended all the same; the prompt then finds the leg gone.

        Cancelled: the callee's phone stops ringing; the leg stays up.
        """
        ...

    async def release(self, leg: Leg, reason: str) -> None:
        """End a leg; return when it is gone. A leg that is gone already is no error.

        :param leg: what :meth:`ring` returned.
        :param reason: one word for the log (``attempt-failed``, ``order-ended``, ``overdue``,
            ``service-stopped``).
        """
        ...

    async def line_states(self) -> Mapping[str, LineState]:
        """The truth about the internal lines, by number.

        Asked at the start and after each loss of contact; later changes come as facts.
        """
        ...
