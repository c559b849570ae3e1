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

from .book import Offer, Order
from .life import Life
from .terms import SECOND


class Requests(Life):
    def offer(self, caller: str, callee: str, cause: str) -> None:
        """A failed call may be ordered within the offer window (autodial: only if the callee was busy)."""
        terms = self.line(caller).terms
        kind = {"busy": "BS", "no-reply": "NR", "not-logged-in": "NL", "other": None}[cause]
        if terms is None or caller == callee or kind is None or not terms.offers(kind):
            self.line(caller).last_without_offer = True
            self.count("calls_without_offer")
            return
        self.line(caller).last_without_offer = False
        self.drop_offers(lambda offer: (offer.caller, offer.callee) == (caller, callee))
        offer = Offer(caller, self.line(callee).number, kind)
        self.offers.append(offer)
        self.count("offers_opened")
        if not self.has_bug("an offer lasts for ever"):
            self.set_timer("offer", offer, terms.offer_window_s)
        own = [offer for offer in self.offers if offer.caller == caller]
        if len(own) > self.limits.offers_per_caller:
            self.count("offers_displaced")
            self.drop_offers(lambda offer: offer is own[0])

    def order(self, request: int, caller: str, callee: str | None) -> None:
        terms = self.line(caller).terms
        if terms is None:
            self.deny(request, "not-allowed")
            return
        offered = {
            offer.callee: offer.kind
            for offer in self.offers
            if offer.caller == caller and terms.offers(offer.kind)
        }
        if callee is None:
            if not offered or self.line(caller).last_without_offer:
                self.deny(request, "no-offer")
                return
            callee = list(offered)[-1]
        if callee == caller:
            self.deny(request, "own-number")
            return
        for order in self.placed_by(caller):
            if order.callee == callee:
                if self.has_bug("a repeated order lengthens the life"):
                    order.expires = self.set_timer("life", order, order.terms.service_duration_s)
                self.count("orders_confirmed")
                self.reply(request, Confirmed(order.id, callee, self.place(order)))
                return
        if callee not in offered:
            self.deny(request, "no-offer")
        elif len(self.placed_by(caller)) >= terms.orders_per_caller:
            self.deny(request, "caller-limit")
        elif len(self.waiting_for(callee)) >= terms.waiting_per_callee:
            self.deny(request, "callee-limit")
        elif len(self.standing) >= self.limits.orders_total:
            self.deny(request, "overload")
        else:
            self.accept(request, caller, callee, offered[callee])

    def deny(self, request: int, denial: str) -> None:
        """Limits may have room later; the others may not."""
        self.count(f"orders_denied_{denial}")
        self.reply(request, Denied(denial, denial in ("caller-limit", "callee-limit", "overload")))

    def accept(self, request: int, caller: str, callee: str, kind: str) -> None:
        terms = self.line(caller).terms
        assert terms is not None
        self.count("orders_accepted")
        self.last_order += 1
        life = terms.life_s(kind)
        expires = self.now + life * SECOND
        order = Order(self.last_order, caller, callee, kind, terms, self.now, expires)
        self.standing.append(order)
        self.set_timer("life", order, life)
        if order.is_ccbs:
            order.state = "watching"
            order.wait_s = terms.poll_first_s
        else:
            self.wait(order)
        place = self.place(order)
        self.reply(request, Accepted(order.id, callee, place))
        self.step(order, "accepted", place=place, due=order.due, expires=expires)
        if order.is_ccbs and not self.in_recall(callee):
            self.look(order)

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
