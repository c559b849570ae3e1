"""Profile ``ccbs``: what follows when the legs of a recall are gone and the two have not talked."""

from __future__ import annotations

from .book import Order
from .requests import Requests
from .terms import SECOND


class Failures(Requests):
    def reason_to_end(self, order: Order) -> str | None:
        """What the failure of the attempt ends the order with, its life apart."""
        terms = order.terms
        match order.failure:
            case "caller-no-answer" | "caller-declined":
                return "caller-no-answer"
            case "caller-gone" if not self.has_bug("a hang-up in the prompt keeps the order"):
                return "cancelled"
            case "callee-declined":
                return "callee-declined"
            case "callee-no-answer" if not terms.callee_no_answer_to_nr:
                return "callee-no-answer"
            case "callee-busy" if not terms.retention and order.seen_at_connect != "unknown":
                if not self.has_bug("no retention, yet the place is kept"):
                    return "attempts-exhausted"
        return None

    def ccbs_attempt_failed(self, order: Order, given_back: bool) -> None:
        attempt = order.attempt
        self.count("attempts_failed")
        cut_off = given_back and order.failure != "not-tried"
        reason = None
        if given_back:
            order.attempt -= 1
            self.count("attempts_void")
            turns_nr = False
            reason = "expired" if self.now >= order.expires else None
        else:
            reason = self.reason_to_end(order)
            turns_nr = order.failure == "callee-no-answer" and reason is None
            life = self.life_as_no_reply(order) if turns_nr else order.expires
            if reason is None and self.now >= life:
                reason = "expired"
        self.stop_timer("outside", order)
        order.recall = None
        order.state = "over"
        goes_on = reason is None and not cut_off and not turns_nr
        waits_for_caller = goes_on and self.caller_not_reached(order)
        suspends = waits_for_caller and self.is_busy(order.caller)
        if waits_for_caller and not suspends:
            order.state = "retrying-caller"
            self.set_wait(order)
        elif goes_on and not waits_for_caller and self.must_retry(order):
            order.state = "retrying"
            self.set_wait(order)
        self.step(order, "attempt-failed", attempt=attempt, failure=order.failure, due=order.due)
        if suspends:
            self.suspend(order)
        if reason is not None:
            self.end(order, reason)
        elif cut_off:
            self.poll_after_restart(order)
        elif turns_nr:
            self.turn_no_reply(order)
        self.recall_over(order)
        if order.state == "over" and reason is None:
            order.state = "watching"
            self.look(order)

    def caller_not_reached(self, order: Order) -> bool:
        """A caller that is busy at its recall: its order is suspended as soon as its line is seen so.

        Only if the callee could be called: it is not away, and has not just had a call after which it has to
        be free for its guard.
        """
        failed = order.failure in ("caller-busy", "caller-unreachable")
        return failed and self.sees(order) != "no" and not self.line(order.callee).had_leg

    def must_retry(self, order: Order) -> bool:
        """A phone is busy or out of reach while its line is seen idle: no event will tell when it is not."""
        if self.sees(order) == "no" or self.has_bug("a phone that is busy on an idle line is tried at once"):
            return False
        match order.failure:
            case "callee-busy" | "callee-unreachable" | "not-tried":
                return self.sees(order) == "yes"
        return order.failure == "switch-failed"

    def life_as_no_reply(self, order: Order) -> int:
        if self.has_bug("an order turned no-reply keeps its life"):
            return order.expires
        return max(order.expires, order.accepted + order.terms.service_duration_nr_s * SECOND)

    def turn_no_reply(self, order: Order) -> None:
        order.kind = "NR"
        order.newly_answered = False
        order.expires = self.life_as_no_reply(order)
        self.stop_timer("life", order)
        self.set_timer_at("life", order, order.expires)
        self.step(order, "turned-no-reply", expires=order.expires)

    def poll_after_restart(self, order: Order) -> None:
        self.stop_waiting(order)
        order.state = "polling"
        order.due = self.set_timer("callee", order, order.terms.restart_grace_s)
        self.step(order, "polling", due=order.due)
