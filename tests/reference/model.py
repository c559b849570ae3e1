"""The model: takes the same events as :class:`ccbs.Engine` and gives the same actions."""

from __future__ import annotations

from collections.abc import Sequence

from ccbs import Profile
from ccbs._ccbs import (
    Action,
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

from . import book
from .recalls import Recalls
from .terms import Terms


class Model(Recalls):
    def apply(self, events: Sequence[Event], now: int) -> list[Action]:
        """Timers that are due, then the event, then turns; for each event.

        A restart goes before the timers: nobody was there when they ran out.
        """
        if now < self.now:
            self.count("time_went_back")
        self.now = max(now, self.now)
        self.actions = []
        for event in events or (None,):
            if not isinstance(event, Restarted):
                self.fire_timers()
                self.forget_lines()
            if event is not None:
                self.happen(event)
                self.fire_timers()
            self.give_turns()
            self.forget_lines()
        return self.actions

    def next_deadline(self) -> int | None:
        return min((timer.at for timer in self.timers), default=None)

    def fire_timers(self) -> None:
        while (timer := self.take_due_timer()) is not None:
            if isinstance(timer.of, book.Offer):
                self.count("offers_lapsed")
                self.offers.remove(timer.of)
            elif timer.kind in ("cb", "callee"):
                self.callee_wait_over(timer.of)
            elif timer.kind == "guard":
                self.guard_over(timer.of)
            elif timer.kind == "life":
                self.life_over(timer.of)
            else:
                self.outside_silent(timer.of)

    def happen(self, event: Event) -> None:
        match event:
            case Line(number, external):
                self.line(number).configured = True
                self.line(number).external = external
            case LineRemoved(number):
                self.line_removed(number)
            case Service(number, profile):
                self.service(number, profile)
            case LineBusy(number):
                if self.may_keep(number):
                    self.line_changed(number, "busy")
                else:
                    self.count("busy_reports_not_kept")
            case LineFree(number):
                self.line_changed(number, "free")
            case LineUnknown(number):
                self.line_changed(number, "unknown")
            case LineRegistered(number):
                self.registration_changed(number, True)
            case LineUnregistered(number):
                self.registration_changed(number, False)
            case CallFailed(caller, callee, cause):
                self.offer(caller, callee, cause)
            case CallAnswered(caller, callee):
                self.fulfil(caller, callee)
                self.newly_answered(caller)
                self.newly_answered(callee)
            case Order(request, caller, callee):
                self.order(request, caller, callee)
            case Cancel(request, caller, callee):
                self.cancel(request, caller, callee)
            case Query(request, caller):
                self.query(request, caller)
            case OperatorCancel(request, order):
                self.operator_cancel(request, order)
            case RingResult(recall, outcome):
                self.rung(recall, outcome)
            case PlayResult(recall, play, outcome):
                self.played(recall, play, outcome)
            case ConnectResult(recall, outcome):
                self.connected(recall, outcome)
            case Released(recall):
                self.released(recall)
            case Restarted():
                self.restarted()

    def line_removed(self, number: str) -> None:
        line = self.line(number)
        line.configured = False
        line.external = True
        line.terms = None
        line.state = "unknown"
        line.registered = None
        self.drop_offers(lambda offer: number in (offer.caller, offer.callee))
        for order in self.placed_by(number):
            self.end(order, "caller-gone")
        for order in self.waiting_for(number):
            self.end(order, "callee-gone")

    def service(self, number: str, profile: Profile | None) -> None:
        self.line(number).terms = Terms.of(profile) if profile is not None else None
        if profile is None:
            self.drop_offers(lambda offer: offer.caller == number)
            for order in self.placed_by(number):
                self.end(order, "service-off")

    def restarted(self) -> None:
        """No recall goes on, and nothing is known of the lines until they are reported anew."""
        for line in self.known.values():
            line.state = "unknown"
            line.registered = None
        self.restarting = True
        for order in self.clearing + self.standing:
            if order.recall is not None:
                self.cut_off(order)
            elif order.is_ccbs:
                self.poll_after_restart(order)
            elif order.state == "waiting" and order.due is not None and order.due <= self.now:
                self.stop_timer("cb", order)
                order.due = None
                self.guard(order, "pausing")
            elif order.state in ("queued", "pausing"):
                self.guard(order, "pausing")
            elif order.state in ("suspended", "guarding"):
                self.guard(order, "guarding")
        self.restarting = False

    def cut_off(self, order: book.Order) -> None:
        self.stop_timer("outside", order)
        if order.state == "clearing":
            self.clearing.remove(order)
            order.recall = None
        elif order.failure is not None:
            self.attempt_failed(order)
        else:
            order.failure = "switch-failed"
            self.attempt_failed(order, given_back=True)
