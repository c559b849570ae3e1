"""What happened: the inputs of :class:`ccbs.Engine` and :class:`ccbs.Driver`.

Frozen classes, made positionally or by keyword; a value outside its range raises :class:`ccbs.InvalidValue`.
"""

from ccbs._ccbs import (
    CallAnswered,
    CallFailed,
    Cancel,
    ConnectResult,
    Event,
    Line,
    LineBusy,
    LineFree,
    LineRegistered,
    LineRemoved,
    LineUnknown,
    LineUnregistered,
    OperatorCancel,
    Order,
    PlayResult,
    Query,
    Released,
    Restarted,
    RingResult,
    Service,
)

__all__ = [
    "CallAnswered",
    "CallFailed",
    "Cancel",
    "ConnectResult",
    "Event",
    "Line",
    "LineBusy",
    "LineFree",
    "LineRegistered",
    "LineRemoved",
    "LineUnknown",
    "LineUnregistered",
    "OperatorCancel",
    "Order",
    "PlayResult",
    "Query",
    "Released",
    "Restarted",
    "RingResult",
    "Service",
]
