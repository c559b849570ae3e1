"""A recall: the caller is rung, hears the prompt, the callee is called, the two talk or the legs go."""

from __future__ import annotations

from ccbs._ccbs import Connect, Play

from .book import Order
from .failures import Failures
from .life import LATE_S, PROMPT_S
from .terms import SECOND


class Recalls(Failures):
    def in_progress(self, recall: int, state: str) -> Order | None:
        """The order whose recall waits for this outcome; nothing waits for one that is late or unknown."""
        for order in self.recalled():
            if order.recall == recall and order.state == state:
                return order
            late = order.state == "releasing" and state in ("ringing", "announcing", "calling")
            if late and order.recall == recall and self.has_bug("a late outcome counts"):
                return order
        return None

    def play(self, order: Order, state: str, prompts: list[str]) -> None:
        assert order.recall is not None
        order.state = state
        order.plays += 1
        self.actions.append(Play(order.recall, order.id, order.plays, prompts))
        self.set_timer("outside", order, PROMPT_S)

    def rung(self, recall: int, outcome: str) -> None:
        order = self.in_progress(recall, "ringing")
        if order is None:
            return
        if outcome == "answered":
            self.play(order, "announcing", ["activated"])
            self.step(order, "caller-answered")
        else:
            order.failure = "switch-failed" if outcome == "failed" else f"caller-{outcome}"
            self.attempt_failed(order)

    def played(self, recall: int, play: int, outcome: str) -> None:
        order = self.in_progress(recall, "announcing")
        if order is not None and order.plays == play:
            if outcome == "caller-gone":
                self.give_up(order, "caller-gone")
            else:
                self.call_callee(order)
            return
        order = self.in_progress(recall, "telling")
        if order is not None and order.plays == play:
            assert order.failure is not None
            self.give_up(order, order.failure)

    def call_callee(self, order: Order) -> None:
        assert order.recall is not None
        order.state = "calling"
        order.seen_at_connect = self.line(order.callee).state
        seconds = order.terms.callee_ring_s
        self.actions.append(Connect(order.recall, order.id, order.caller, order.callee, seconds * SECOND))
        self.step(order, "callee-called")
        self.set_timer("outside", order, seconds + LATE_S)

    def connected(self, recall: int, outcome: str) -> None:
        order = self.in_progress(recall, "calling")
        if order is None:
            return
        if outcome == "answered":
            self.talk(order)
        elif outcome == "caller-gone":
            self.give_up(order, "caller-gone")
        else:
            order.failure = "switch-failed" if outcome == "failed" else f"callee-{outcome}"
            busy = outcome == "busy" or self.has_bug("a prompt about a busy callee for a silent one")
            prompts = ["callee-busy-again" if busy else "callee-no-answer"]
            if self.ends_by(order):
                prompts.append("attempts-used-up")
            self.play(order, "telling", prompts)

    def talk(self, order: Order) -> None:
        """The recall succeeded; it is over, and a call between the two like any other goes on."""
        self.stop_timer("outside", order)
        order.recall = None
        self.end(order, "completed")
        self.fulfil(order.caller, order.callee)
        self.recall_over(order)

    def fulfil(self, caller: str, callee: str) -> None:
        """The two talk: nothing that they ordered or might order of each other is left."""
        self.drop_offers(lambda offer: {offer.caller, offer.callee} == {caller, callee})
        orders = self.between(caller, callee)
        for order in orders[:1] if self.has_bug("a talk fulfils one direction only") else orders:
            self.end(order, "fulfilled-by-other-call")

    def give_up(self, order: Order, failure: str) -> None:
        order.failure = failure
        self.release(order, "overdue" if failure == "overdue" else "attempt-failed")
        order.state = "releasing"

    def released(self, recall: int) -> None:
        order = self.in_progress(recall, "releasing")
        if order is not None:
            self.attempt_failed(order)
        order = self.in_progress(recall, "clearing")
        if order is not None:
            self.cleared(order)

    def outside_silent(self, order: Order) -> None:
        """No outcome came in its time."""
        if order.state == "clearing":
            self.cleared(order)
        elif order.state == "releasing":
            self.attempt_failed(order)
        else:
            order.failure = order.failure or "switch-failed"
            self.release(order, "overdue")
            order.state = "releasing"

    def ends_by(self, order: Order) -> bool:
        """Whether the failure of this attempt ends the order (its life apart)."""
        if not order.is_ccbs:
            return order.attempt == order.terms.attempts
        return self.reason_to_end(order) is not None

    def attempt_failed(self, order: Order, given_back: bool = False) -> None:
        """The legs are gone and the two have not talked."""
        if order.is_ccbs:
            self.ccbs_attempt_failed(order, given_back)
            return
        attempt = order.attempt
        if given_back and not self.has_bug("a cut-off attempt is used"):
            order.attempt -= 1
        spare = 1 if self.has_bug("one attempt too many") else 0
        last = order.attempt >= order.terms.attempts + spare
        reason = "attempts-exhausted" if last else "expired" if self.now >= order.expires else None
        order.state = "waiting"
        if reason is None:
            self.wait(order)
        self.step(
            order,
            "attempt-failed",
            attempt=attempt,
            attempts=order.terms.attempts,
            failure=order.failure,
            due=order.due,
        )
        self.stop_timer("outside", order)
        order.recall = None
        if reason is not None:
            self.end(order, reason)
        self.recall_over(order)
