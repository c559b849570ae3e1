"""What was promised to whom, and whether it was kept: judged by what phones heard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

__all__ = ["Ledger", "Order"]


@dataclass
class Order:
    """What a caller knows of an order of his.

    :ivar caller: who, and with an arrow whom he wants.
    :ivar heard: he was told that it is accepted.
    :ivar cancel_asked: he has asked to cancel it.
    :ivar cancelled: he was told that it is cancelled.
    :ivar connected: the life of the server in which the two talked, or None.
    :ivar ended: why it ended otherwise, or None.
    :ivar recall: whether a recall is under way.
    :ivar asked: when he last asked for it, in Unix seconds.
    """

    caller: str
    asked: float = 0.0
    heard: bool = False
    cancel_asked: bool = False
    cancelled: bool = False
    connected: int | None = None
    ended: str | None = None
    recall: bool = False


@dataclass
class Ledger:
    """The orders of all callers, each with one at a time to each callee.

    :ivar life: of the server, counted from 1.
    :ivar lost: promises that were broken.
    :ivar doubled: recalls that should not have come.
    :ivar counts: what was seen.
    """

    life: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("accepted", "cancelled", "recalled", "connected", "cut_off", "ended", "unheard", "denied"), 0
        )
    )
    orders: dict[str, Order] = field(default_factory=dict)

    # --- what a caller does and hears ---------------------------------------------------------------

    def asks(self, caller: str, at: float = 0.0) -> None:
        """He orders: from here on there may be an order.

        :param at: when, in Unix seconds.
        """
        there = self.orders.get(caller)
        if there is None or there.connected or there.cancelled or there.ended:
            self.orders[caller] = Order(caller)
        self.orders[caller].asked = at

    def hears_accepted(self, caller: str) -> None:
        """He is told that it is accepted."""
        self.orders[caller].heard = True
        self.counts["accepted"] += 1

    def hears_denied(self, caller: str) -> None:
        """He is told that it is not."""
        self.counts["denied"] += 1
        if not self.orders[caller].heard:
            self.orders[caller].ended = "denied"

    def asks_cancel(self, caller: str) -> None:
        """He cancels: from here on it may be gone."""
        self.orders[caller].cancel_asked = True

    def hears_cancelled(self, caller: str) -> None:
        """He is told that it is cancelled."""
        self.orders[caller].cancelled = True
        self.counts["cancelled"] += 1

    # --- what phones see ----------------------------------------------------------------------------

    def rung(self, caller: str) -> None:
        """His phone gets the INVITE of a recall."""
        self.counts["recalled"] += 1
        order = self.orders.get(caller)
        if order is None:
            self.doubled.append(f"{caller} was recalled and had ordered nothing")
        elif order.cancelled:
            self.doubled.append(f"{caller} was recalled after the cancel was confirmed")
        elif order.connected is not None:
            self.doubled.append(f"{caller} was recalled after a recall in life {order.connected}")
        elif order.recall:
            self.doubled.append(f"{caller} was recalled twice for one attempt")
        elif order.ended is not None:
            self.doubled.append(f"{caller} was recalled after its order ended: {order.ended}")
        else:
            order.recall = True

    def talks(self, caller: str) -> None:
        """The callee has answered and was told so."""
        order = self.orders.get(caller)
        if order is not None and order.connected is None:
            order.connected = self.life
            self.counts["connected"] += 1

    def recall_over(self, caller: str) -> None:
        """The recall's call to his phone is over."""
        if (order := self.orders.get(caller)) is not None:
            order.recall = False

    # --- what the server says -----------------------------------------------------------------------

    def says_ended(self, caller: str, why: str) -> None:
        """A line of the server's: the order is over. It is said only after it is kept."""
        order = self.orders.get(caller)
        if order is not None and why not in ("completed", "cancelled"):
            order.ended = why
            self.counts["ended"] += 1

    # --- the server dies and comes back -------------------------------------------------------------

    def killed(self) -> None:
        """Every call of it is gone."""
        for order in self.orders.values():
            order.recall = False

    def restarted(self, standing: Collection[str], why_ended: Callable[[str, float], str | None]) -> None:
        """The server tells which callers' orders it goes on with.

        :param standing: the callers.
        :param why_ended: the reason why an order of a caller ended after a moment, as the store has it: what
            an earlier order came to says nothing of this one.
        """
        for order in self.orders.values():
            if order.caller in standing:
                if order.cancelled:
                    self.lost.append(f"the cancel of {order.caller} was confirmed, its order stands")
                if order.connected is not None and order.connected < self.life:
                    # The two talked, and the end was not yet kept: it is an attempt that was cut off.
                    order.connected = None
                    self.counts["cut_off"] += 1
            elif self.is_open(order.caller):
                if (why := why_ended(order.caller, order.asked)) is not None:
                    self.says_ended(order.caller, why)
                else:
                    self.lost.append(f"the order of {order.caller} was confirmed and is gone")

    def is_open(self, caller: str) -> bool:
        """Whether something is still owed to him."""
        order = self.orders.get(caller)
        return (
            order is not None
            and order.heard
            and not order.cancel_asked
            and order.connected is None
            and order.ended is None
        )

    def open(self) -> list[str]:
        """To whom something is still owed."""
        return [caller for caller in self.orders if self.is_open(caller)]

    def close(self) -> None:
        """All has had its time: what is still owed is lost."""
        self.lost += [f"{caller} was never recalled" for caller in self.open()]
