"""Call back on busy, for any switch.

Layer 0 is :class:`Engine`: events in, actions out, no clock, no event loop (:mod:`ccbs.events`,
:mod:`ccbs.actions`, in bulk :mod:`ccbs.packed`). Layer 1 is :class:`CallbackService`, which needs of a
switch the five methods of :class:`Switch`. Layer 2 is the program ``ccbs serve``.
"""

import warnings

from ccbs import actions, events, packed
from ccbs._ccbs import (
    ACTION_DTYPE,
    EVENT_DTYPE,
    CcbsError,
    Closed,
    Driver,
    Engine,
    InvalidPrompt,
    InvalidValue,
    Limits,
    LineView,
    ListenError,
    OrderView,
    Overload,
    Profile,
    RecordingError,
    Recovered,
    SnapshotError,
    StoreError,
    StoreFile,
    Stories,
    Story,
    build_info,
    explain,
)
from ccbs.service import CallbackService
from ccbs.simulation import simulate
from ccbs.switch import (
    ConnectOutcome,
    LegGone,
    LineState,
    NotTried,
    PromptFailed,
    RingFailed,
    RingOutcome,
    Switch,
    current_order,
)

__all__ = [
    "ACTION_DTYPE",
    "EVENT_DTYPE",
    "CallbackService",
    "CcbsError",
    "Closed",
    "ConnectOutcome",
    "Driver",
    "Engine",
    "InvalidPrompt",
    "InvalidValue",
    "LegGone",
    "Limits",
    "LineState",
    "LineView",
    "ListenError",
    "NotTried",
    "OrderView",
    "Overload",
    "Profile",
    "PromptFailed",
    "RecordingError",
    "Recovered",
    "RingFailed",
    "RingOutcome",
    "SnapshotError",
    "StoreError",
    "StoreFile",
    "Stories",
    "Story",
    "Switch",
    "__version__",
    "actions",
    "build_info",
    "current_order",
    "events",
    "explain",
    "packed",
    "simulate",
]

__version__ = build_info()["version"]

if build_info()["profile"] == "debug":
    warnings.warn(
        "this ccbs was built without optimisation and is slow: build it with 'maturin develop --release'",
        RuntimeWarning,
        stacklevel=2,
    )
