"""What happens to an order outside its recalls: it waits, its turn comes, it ends."""

from __future__ import annotations

from collections.abc import Callable

from ccbs._ccbs import Release, Ring

from .book import PLACED, Offer, Order
from .callees import Callees
from .terms import SECOND

RELEASE_S = 10
"""How long the legs of a recall may take to go."""

LATE_S = 10
"""How long an outcome may come later than the time that was given."""

PROMPT_S = 180
"""How long a prompt may take."""


class Life(Callees):
    # --- waiting -----------------------------------------------------------------------------------

    def wait(self, order: Order) -> None:
        """The CB timer runs, from now."""
        order.state = "waiting"
        external = self.line(order.callee).external and not self.has_bug("the internal timer for everyone")
        terms = order.terms
        seconds = terms.cb_timer_external_s if external else terms.cb_timer_internal_s
        order.due = self.set_timer("cb", order, seconds)

    def callee_wait_over(self, order: Order) -> None:
        """The CB timer expired, the callee was free for the guard time, or one not seen is to be tried."""
        order.due = None
        if self.is_busy(order.caller) and not self.in_recall(order.caller):
            self.suspend(order)
        else:
            self.queue(order)

    def queue(self, order: Order) -> None:
        order.state = "queued"
        order.turn = self.now

    def suspend(self, order: Order) -> None:
        if self.has_bug("a suspended order uses an attempt"):
            order.attempt += 1
        order.state = "suspended"
        self.step(order, "suspended")

    def guard(self, order: Order, state: str) -> None:
        """The caller has just become free: not rung in the same instant."""
        order.state = state
        seconds = 0 if self.has_bug("no guard for the caller") else order.terms.caller_free_guard_s
        self.set_timer("guard", order, seconds)

    def guard_over(self, order: Order) -> None:
        if order.state == "guarding":
            self.step(order, "resumed")
        self.queue(order)

    # --- lines -------------------------------------------------------------------------------------

    def line_changed(self, number: str, state: str) -> None:
        line = self.line(number)
        if line.state == state:
            return
        line.state = state
        if state == "busy" and self.in_recall(number):
            line.had_leg = True
        if not self.in_recall(number) or self.has_bug("legs of a recall suspend its caller's orders"):
            self.look_at_caller(number)
            self.look_at_callee(number)
        if state == "free" and self.has_bug("the CB timer starts anew when the callee is free"):
            for order in self.waiting_for(number):
                if order.state == "waiting":
                    self.wait(order)

    def look_at_caller(self, number: str) -> None:
        """The line is in no recall: its orders wait for it while it is busy."""
        states = ["queued", "pausing", "retrying-caller"]
        if self.has_bug("a caller whose phone said busy first is not waited for"):
            states.remove("retrying-caller")
        if self.has_bug("a busy caller shortens the waits after its callee's failures"):
            states.append("retrying")
        for order in self.placed_by(number):
            if self.is_busy(number):
                if order.state in states:
                    self.stop_waiting(order)
                    self.suspend(order)
                elif order.state == "guarding":
                    self.stop_timer("guard", order)
                    order.state = "suspended"
            elif order.state == "suspended":
                self.guard(order, "guarding")

    def taken_for_recall(self, number: str) -> None:
        """The line is in a recall from now on: guards for its orders are off."""
        for order in self.placed_by(number):
            if order.state == "pausing":
                self.stop_timer("guard", order)
                self.queue(order)
            elif order.state == "guarding":
                self.stop_timer("guard", order)
                order.state = "suspended"

    def recall_over(self, order: Order) -> None:
        """The legs are gone, or the two talk: the lines are nobody's any more."""
        self.stop_timer("outside", order)
        order.recall = None
        if self.restarting:
            self.line(order.caller).had_leg = self.line(order.callee).had_leg = False
            return
        for number in (order.caller, order.callee):
            if not self.is_busy(number):
                for other in self.placed_by(number):
                    if other.state == "queued":
                        self.guard(other, "pausing")
            self.look_at_caller(number)
        called = order.seen_at_connect is not None
        for number, had_leg in ((order.caller, True), (order.callee, called)):
            if had_leg or self.line(number).had_leg:
                self.callee_had_a_leg(number)
            else:
                self.look_at_callee(number)
            self.line(number).had_leg = False
        for other in self.waiting_for(order.caller) + self.waiting_for(order.callee):
            if other.state == "queued":
                other.turn = self.now

    # --- turns -------------------------------------------------------------------------------------

    def is_eligible(self, order: Order) -> bool:
        if order.state != "queued" or self.in_recall(order.caller):
            return False
        if self.has_bug("a suspended order blocks its queue") and any(
            other.id < order.id for other in self.waiting_for(order.callee) if other.state == "suspended"
        ):
            return False
        if self.has_bug("the callee of a recall may be in another"):
            return True
        return not self.in_recall(order.callee)

    def give_turns(self) -> None:
        while self.may_begin():
            order = self.next_turn()
            if order is None:
                return
            if order.turn != self.now:
                self.count("turns_delayed_by_limit")
            self.begin_recall(order)

    def may_begin(self) -> bool:
        begun = [at for at in self.recalls_begun if at > self.now - SECOND]
        if self.has_bug("recalls of a second are counted by the clock's second"):
            begun = [at for at in begun if at // SECOND == self.now // SECOND]
        at_once = len(self.recalled())
        return len(begun) < self.limits.recalls_per_second and at_once < self.limits.recalls_at_once

    def next_turn(self) -> Order | None:
        """The first to have become eligible, or who is older among those for its callee or A→B and B→A."""
        eligible = [order for order in self.standing if self.is_eligible(order)]
        if not eligible:
            return None
        first = min(eligible, key=lambda order: (order.turn, order.id))
        while (older := self.oldest_rival(first, eligible)) is not first:
            first = older
        return first

    def oldest_rival(self, order: Order, eligible: list[Order]) -> Order:
        rivals = [
            other
            for other in eligible
            if other.callee == order.callee or (other.caller, other.callee) == (order.callee, order.caller)
        ]
        if self.has_bug("the youngest goes first"):
            return max(rivals, key=lambda other: other.id)
        return min(rivals, key=lambda other: other.id)

    def begin_recall(self, order: Order) -> None:
        self.last_recall += 1
        order.recall = self.last_recall
        self.count("attempts_begun")
        order.attempt += 1
        order.state = "ringing"
        order.failure = None
        order.seen_at_connect = None
        order.plays = 0
        order.asked = {"ring": "awaited"}
        self.recalls_begun = [at for at in self.recalls_begun if at > self.now - SECOND] + [self.now]
        seconds = order.terms.caller_ring_s
        self.actions.append(Ring(order.recall, order.id, order.caller, order.callee, seconds * SECOND))
        self.step(order, "attempt-began", attempt=order.attempt, attempts=order.attempts)
        self.set_timer("outside", order, seconds + LATE_S)
        for number in (order.caller, order.callee):
            self.taken_for_recall(number)

    # --- the end -----------------------------------------------------------------------------------

    def life_over(self, order: Order) -> None:
        if order.state in PLACED or self.has_bug("the life ends a recall in progress"):
            self.end(order, "expired")

    def end(self, order: Order, reason: str) -> None:
        """Once for each order; in a recall its legs have to go first."""
        self.standing.remove(order)
        for kind in ("cb", "callee", "guard", "life"):
            self.stop_timer(kind, order)
        if order.recall is not None:
            if order.state != "releasing" and not self.has_bug("a cancelled recall is not released"):
                self.release(order, "order-ended")
            order.state = "clearing"
            self.clearing.append(order)
        self.step(order, "ended", reason=reason)
        self.count(f"orders_{reason}")

    def release(self, order: Order, reason: str) -> None:
        assert order.recall is not None
        for asked, came in order.asked.items():
            if came == "awaited":
                order.asked[asked] = "given up"
        order.asked["release"] = "awaited"
        self.actions.append(Release(order.recall, order.id, reason))
        if self.has_bug("silence on a release holds the lines for ever"):
            self.stop_timer("outside", order)
        else:
            self.set_timer("outside", order, RELEASE_S)

    def cleared(self, order: Order) -> None:
        self.clearing.remove(order)
        self.recall_over(order)

    def drop_offers(self, which: Callable[[Offer], bool]) -> None:
        for offer in list(self.offers):
            if which(offer):
                self.stop_timer("offer", offer)
                self.offers.remove(offer)
