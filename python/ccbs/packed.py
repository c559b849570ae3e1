"""Packed batches: events and actions as fixed records, without a Python object for each.

:meth:`ccbs.Engine.apply` and :meth:`ccbs.Driver.submit` take any C-contiguous buffer of event records,
:meth:`ccbs.Engine.apply_packed` and :meth:`ccbs.Driver.drain_packed` give action records. NumPy is not
needed: ``EVENT_DTYPE`` and ``ACTION_DTYPE`` are what ``numpy.dtype`` takes, ``EVENT_FORMAT`` and
``ACTION_FORMAT`` what :mod:`struct` takes. The layouts are in docs/embedding.md.
"""

from enum import IntEnum

from ccbs._ccbs import (
    ACTION_CODES,
    ACTION_DETAILS,
    ACTION_DTYPE,
    ACTION_FORMAT,
    ACTION_KINDS,
    EVENT_CODES,
    EVENT_DTYPE,
    EVENT_FORMAT,
    EVENT_KINDS,
    IN_NUMBERS,
    NO_LINE,
    NO_TIME,
)

__all__ = [
    "ACTION_CODES",
    "ACTION_DETAILS",
    "ACTION_DTYPE",
    "ACTION_FORMAT",
    "ACTION_KINDS",
    "EVENT_CODES",
    "EVENT_DTYPE",
    "EVENT_FORMAT",
    "EVENT_KINDS",
    "IN_NUMBERS",
    "NO_LINE",
    "NO_TIME",
    "ActionKind",
    "EventKind",
]


class EventKind(IntEnum):
    """``kind`` of a packed event; each is the class of the same name in :mod:`ccbs.events`."""

    LINE = 1
    LINE_REMOVED = 2
    SERVICE_OFF = 3
    """:class:`ccbs.events.Service` without a profile."""
    LINE_BUSY = 4
    LINE_FREE = 5
    LINE_UNKNOWN = 6
    LINE_REGISTERED = 7
    LINE_UNREGISTERED = 8
    CALL_FAILED = 9
    CALL_ANSWERED = 10
    ORDER = 11
    CANCEL = 12
    QUERY = 13
    RING_RESULT = 14
    PLAY_RESULT = 15
    CONNECT_RESULT = 16
    RELEASED = 17
    RESTARTED = 18


class ActionKind(IntEnum):
    """``kind`` of a packed action; each is the class of the same name in :mod:`ccbs.actions`."""

    REPLY = 1
    RING = 2
    PLAY = 3
    CONNECT = 4
    RELEASE = 5
    STEP = 6
