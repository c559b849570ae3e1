"""The leg to the caller of a recall, as long as it is ours and for the call log afterwards."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from ccbs.asterisk.causes import ring_outcome
from ccbs.calls import CallCause
from ccbs.causes import recall_cause, ring_cause
from ccbs.switch import ConnectOutcome, current_order

__all__ = ["RecallLeg"]


class RecallLeg:
    """The leg to the caller of a recall; what :meth:`AsteriskSwitch.ring` returns."""

    def __init__(self, caller: str, callee: str, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.mark: Final = uuid.uuid4().hex
        """What it is asked for with."""
        self.channel = ""
        """The identity of what came of it, as soon as it is known."""
        self.endpoint = ""
        self.asking: asyncio.Task[None] | None = None
        """The request for it."""
        self.given_up = False
        self.caller: Final = caller
        self.callee: Final = callee
        self.began: Final = began
        self.order: Final = current_order.get()
        self.answered: Final[asyncio.Future[None]] = loop.create_future()
        self.gone: Final[asyncio.Future[int]] = loop.create_future()
        """The cause of its end."""
        self.returned: asyncio.Future[ConnectOutcome] | None = None
        """While the callee is called: how that ended."""
        self.peers: Final[dict[str, str]] = {}
        """The callee's channels while they are called: by identity, the last status."""
        self.dialled_any = False
        self.status: str | None = None
        self.cut: ConnectOutcome | None = None
        """Why we end the call to the callee ourselves."""
        self.outcome: ConnectOutcome | None = None
        self.peer_cause: int | None = None
        self.bridged: float | None = None

    def __repr__(self) -> str:
        return f"<RecallLeg {self.channel or self.mark} to {self.caller} for order {self.order}>"

    def logged(self, cause: int, *, cancelled: bool) -> CallCause:
        """The call log's word for it.

        :param cause: of the channel's end.
        :param cancelled: whether we ended it.
        """
        if self.bridged is not None:
            return "answered"
        if not self.answered.done():
            return "cancelled" if cancelled else ring_cause(ring_outcome(cause))
        return recall_cause(self.outcome, "caller-gone")
