"""A recall: the caller is rung, hears the prompt, the callee is called, the two talk or the legs go."""

from __future__ import annotations

from ccbs._ccbs import Connect, Play

from .book import SECOND, Order
from .life import LATE_S, PROMPT_S
from .requests import Requests


class Recalls(Requests):
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
        self.actions.append(Play(order.recall, order.id, prompts))
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

    def hung_up(self, recall: int, outcome: str) -> bool:
        if outcome != "caller-gone":
            return False
        for st in ("announcing", "calling", "telling"):
            order = self.in_progress(recall, st)
            if order is not None:
                self.give_up(order, order.failure or "caller-gone")
                return True
        return True

    def played(self, recall: int, outcome: str) -> None:
        if self.hung_up(recall, outcome):
            return
        order = self.in_progress(recall, "announcing")
        if order is not None:
            if outcome == "caller-gone":
                self.give_up(order, "caller-gone")
            else:
                self.call_callee(order)
            return
        order = self.in_progress(recall, "telling")
        if order is not None:
            assert order.failure is not None
            self.give_up(order, order.failure)

    def call_callee(self, order: Order) -> None:
        assert order.recall is not None
        order.state = "calling"
        seconds = order.profile.callee_ring_s
        self.actions.append(Connect(order.recall, order.id, order.caller, order.callee, seconds * SECOND))
        self.step(order, "callee-called")
        self.set_timer("outside", order, seconds + LATE_S)

    def connected(self, recall: int, outcome: str) -> None:
        if self.hung_up(recall, outcome):
            return
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
            if order.attempt == order.profile.attempts:
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

    def attempt_failed(self, order: Order, given_back: bool = False) -> None:
        """The legs are gone and the two have not talked."""
        attempt = order.attempt
        if given_back and not self.has_bug("a cut-off attempt is used"):
            order.attempt -= 1
        spare = 1 if self.has_bug("one attempt too many") else 0
        last = order.attempt >= order.profile.attempts + spare
        reason = "attempts-exhausted" if last else "expired" if self.now >= order.expires else None
        order.state = "waiting"
        if reason is None:
            self.wait(order)
        self.step(
            order,
            "attempt-failed",
            attempt=attempt,
            attempts=order.profile.attempts,
            failure=order.failure,
            due=order.due,
        )
        self.stop_timer("outside", order)
        order.recall = None
        if reason is not None:
            self.end(order, reason)
        self.recall_over(order)
