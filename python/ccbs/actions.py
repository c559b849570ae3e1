"""What to do: the outputs of :class:`ccbs.Engine` and :class:`ccbs.Driver`.

Frozen classes made for ``match``::

    match action:
        case Ring(recall, order, caller, callee, timeout_ms): ...
        case Reply(request, Denied(denial)): ...
"""

from ccbs._ccbs import (
    Accepted,
    Action,
    AnyReply,
    Cancelled,
    Confirmed,
    Connect,
    Denied,
    NothingOrdered,
    Ordered,
    Play,
    Release,
    Reply,
    Ring,
    Step,
)

__all__ = [
    "Accepted",
    "Action",
    "AnyReply",
    "Cancelled",
    "Confirmed",
    "Connect",
    "Denied",
    "NothingOrdered",
    "Ordered",
    "Play",
    "Release",
    "Reply",
    "Ring",
    "Step",
]
