"""A recall: the caller is rung, hears the prompt, the callee is called, the two talk or the legs go."""

from __future__ import annotations

from ccbs._ccbs import Connect, Play

from .book import Order
from .failures import Failures
from .life import LATE_S, PROMPT_S
from .terms import SECOND


class Recalls(Failures):
    def awaited(self, recall: int, asked: str) -> Order | None:
        """The order whose recall waits for this outcome; any other outcome is counted and changes nothing."""
        for order in self.recalled():
            if order.recall == recall:
                came = order.asked.get(asked)
                if came == "awaited" or (came == "given up" and self.has_bug("a late outcome counts")):
                    order.asked[asked] = "came"
                    return order
                self.count("outcomes_unexpected")
                if came is None:
                    self.count("outcomes_out_of_order")
                elif came == "came":
                    self.count("outcomes_double")
                else:
                    ended = order.state == "clearing"
                    self.count("outcomes_for_ended_order" if ended else "outcomes_late")
                return None
        known = 1 <= recall <= self.last_recall
        self.count("outcomes_for_ended_recall" if known else "outcomes_for_unknown_recall")
        return None

    def play(self, order: Order, state: str, prompts: list[str]) -> None:
        assert order.recall is not None
        order.state = state
        order.plays += 1
        order.asked[f"play {order.plays}"] = "awaited"
        self.actions.append(Play(order.recall, order.id, order.plays, prompts))
        self.set_timer("outside", order, PROMPT_S)

    def rung(self, recall: int, outcome: str) -> None:
        order = self.awaited(recall, "ring")
        if order is None:
            return
        if outcome == "answered":
            self.play(order, "announcing", ["activated"])
            self.step(order, "caller-answered")
        elif outcome == "not-tried":
            # Nothing was sent, so no attempt has begun.
            order.failure = outcome
            self.attempt_failed(order, given_back=not self.has_bug("an attempt that was not tried is used"))
        else:
            order.failure = "switch-failed" if outcome == "failed" else f"caller-{outcome}"
            self.attempt_failed(order)

    def played(self, recall: int, play: int, outcome: str) -> None:
        order = self.awaited(recall, f"play {play}")
        if order is None:
            return
        if order.failure is not None:
            self.give_up(order, order.failure)
        elif outcome == "caller-gone":
            self.give_up(order, "caller-gone")
        else:
            self.call_callee(order)

    def call_callee(self, order: Order) -> None:
        assert order.recall is not None
        order.state = "calling"
        order.asked["connect"] = "awaited"
        order.seen_at_connect = self.line(order.callee).state
        seconds = order.terms.callee_ring_s
        self.actions.append(Connect(order.recall, order.id, order.caller, order.callee, seconds * SECOND))
        self.step(order, "callee-called")
        self.set_timer("outside", order, seconds + LATE_S)

    def connected(self, recall: int, outcome: str) -> None:
        order = self.awaited(recall, "connect")
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

    def give_up(self, order: Order, failure: str, why: str = "attempt-failed") -> None:
        order.failure = failure
        self.release(order, why)
        order.state = "releasing"

    def released(self, recall: int) -> None:
        order = self.awaited(recall, "release")
        if order is not None:
            self.legs_gone(order)

    def legs_gone(self, order: Order) -> None:
        if order.state == "clearing":
            self.cleared(order)
        else:
            self.attempt_failed(order)

    def outside_silent(self, order: Order) -> None:
        """No outcome came in its time."""
        (late,) = [asked for asked, came in order.asked.items() if came == "awaited"]
        self.count(f"overdue_{late.split()[0]}")
        if late == "release":
            self.legs_gone(order)
        else:
            self.give_up(order, order.failure or "switch-failed", "overdue")

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
        self.count("attempts_failed")
        if given_back and not self.has_bug("a cut-off attempt is used"):
            order.attempt -= 1
            self.count("attempts_void")
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
