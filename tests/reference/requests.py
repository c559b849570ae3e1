"""What subscribers and the operator ask for: order, cancel, query."""

from __future__ import annotations

from ccbs._ccbs import (
    Accepted,
    Cancelled,
    Confirmed,
    Denied,
    NothingOrdered,
    Ordered,
)

from .book import SECOND, Offer, Order
from .life import Life


class Requests(Life):
    def offer(self, caller: str, callee: str, cause: str) -> None:
        """A failed call may be ordered within the offer window (autodial: if the callee was busy)."""
        profile = self.line(caller).profile
        if profile is None or caller == callee or cause != "busy":
            return
        self.drop_offers(lambda offer: (offer.caller, offer.callee) == (caller, callee))
        self.line(callee).gone = False
        offer = Offer(caller, self.line(callee).number)
        self.offers.append(offer)
        if not self.has_bug("an offer lasts for ever"):
            self.set_timer("offer", offer, profile.offer_window_s)
        own = [offer for offer in self.offers if offer.caller == caller]
        if len(own) > self.limits.offers_per_caller:
            self.drop_offers(lambda offer: offer is own[0])

    def order(self, request: int, caller: str, callee: str | None) -> None:
        profile = self.line(caller).profile
        if profile is None:
            self.reply(request, Denied("not-allowed", False))
            return
        offered = [offer.callee for offer in self.offers if offer.caller == caller]
        if callee is None:
            if not offered:
                self.reply(request, Denied("no-offer", False))
                return
            callee = offered[-1]
        if callee == caller:
            self.reply(request, Denied("own-number", False))
            return
        for order in self.placed_by(caller):
            if order.callee == callee:
                if self.has_bug("a repeated order lengthens the life"):
                    order.expires = self.set_timer("life", order, order.profile.service_duration_s)
                self.reply(request, Confirmed(order.id, callee, self.place(order)))
                return
        if callee not in offered or self.line(callee).gone:
            self.reply(request, Denied("no-offer", False))
        elif len(self.placed_by(caller)) >= profile.orders_per_caller:
            self.reply(request, Denied("caller-limit", True))
        elif len(self.waiting_for(callee)) >= profile.waiting_per_callee:
            self.reply(request, Denied("callee-limit", True))
        elif len(self.standing) >= self.limits.orders_total:
            self.reply(request, Denied("overload", True))
        else:
            self.accept(request, caller, callee)

    def accept(self, request: int, caller: str, callee: str) -> None:
        profile = self.line(caller).profile
        assert profile is not None
        self.last_order += 1
        expires = self.now + profile.service_duration_s * SECOND
        order = Order(self.last_order, caller, callee, profile, expires)
        self.standing.append(order)
        self.set_timer("life", order, profile.service_duration_s)
        self.wait(order)
        place = self.place(order)
        self.reply(request, Accepted(order.id, callee, place))
        self.step(order, "accepted", place=place, due=order.due, expires=expires)

    def cancel(self, request: int, caller: str, callee: str | None) -> None:
        found = [order for order in self.placed_by(caller) if callee in (None, order.callee)]
        self.end_on_request(request, found, "cancelled")

    def operator_cancel(self, request: int, order_id: int) -> None:
        found = [order for order in self.standing if order.id == order_id]
        self.end_on_request(request, found, "cancelled-by-operator")

    def end_on_request(self, request: int, found: list[Order], reason: str) -> None:
        if not found:
            self.reply(request, NothingOrdered())
            return
        for order in found:
            self.end(order, reason)
        self.reply(request, Cancelled([order.id for order in found]))

    def query(self, request: int, caller: str) -> None:
        callees = [order.callee for order in self.placed_by(caller)]
        self.reply(request, Ordered(callees) if callees else NothingOrdered())
