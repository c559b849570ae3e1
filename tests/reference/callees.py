"""Profile ``ccbs``: what is seen of the callee decides when its orders may go on."""

from __future__ import annotations

from .book import Book, Order

CCBS_PLACED = ("watching", "callee-guard", "polling", "retrying", "retrying-caller")
FOR_THE_CALLER = ("queued", "suspended", "guarding", "pausing")
"""The callee was available; what the order waits for now is its caller or its turn."""


class Callees(Book):
    def sees(self, order: Order) -> str:
        """Whether the callee is available to this order: ``yes``, ``no`` or ``unseen``."""
        line = self.line(order.callee)
        if line.registered is False or line.state == "busy":
            return "no"
        if (
            order.kind == "NR"
            and not order.newly_answered
            and not self.has_bug("no reply: no new call needed")
        ):
            return "no" if line.state == "free" else "unseen"
        if order.kind == "NL":
            return "yes" if line.registered else "unseen"
        return "yes" if line.state == "free" else "unseen"

    def watch(self, order: Order) -> None:
        """Wait for the callee; it is looked at at once, unless it is in a recall."""
        self.stop_waiting(order)
        order.state = "watching"
        if not self.in_recall(order.callee):
            self.look(order)

    def look(self, order: Order) -> None:
        """The callee is in no recall, and something about it may have changed."""
        seen = self.sees(order)
        if order.state in (*CCBS_PLACED, *FOR_THE_CALLER):
            if (
                seen == "no"
                and order.state == "callee-guard"
                and self.has_bug("the guard goes on while busy")
            ):
                return
            if seen == "no":
                order.wait_s = order.terms.poll_first_s
                if order.state != "watching":
                    self.stop_waiting(order)
                    order.state = "watching"
                    self.step(order, "callee-busy")
            elif seen == "yes" and order.state in ("watching", "polling"):
                self.begin_callee_guard(order)
            elif seen == "unseen" and order.state in ("watching", "callee-guard"):
                self.poll(order)

    def begin_callee_guard(self, order: Order) -> None:
        self.stop_waiting(order)
        order.wait_s = order.terms.poll_first_s
        order.state = "callee-guard"
        seconds = 0 if self.has_bug("no guard for the callee") else order.terms.callee_idle_guard_s
        order.due = self.set_timer("callee", order, seconds)
        self.step(order, "callee-free", due=order.due)

    def poll(self, order: Order) -> None:
        self.stop_waiting(order)
        order.state = "polling"
        self.set_wait(order)
        self.step(order, "polling", due=order.due)

    def set_wait(self, order: Order) -> None:
        """The next wait is twice as long."""
        order.due = self.set_timer("callee", order, order.wait_s)
        if not self.has_bug("polling does not back off"):
            order.wait_s = min(2 * order.wait_s, order.terms.poll_longest_s)

    def stop_waiting(self, order: Order) -> None:
        for kind in ("callee", "guard"):
            self.stop_timer(kind, order)
        order.due = None

    def look_at_callee(self, number: str) -> None:
        for order in self.waiting_for(number):
            if order.is_ccbs:
                self.look(order)

    def callee_had_a_leg(self, number: str) -> None:
        """Its recall is over: it has to be free for the guard time anew."""
        for order in self.waiting_for(number):
            anew = not self.has_bug("the next order goes without a guard")
            if order.is_ccbs and order.state in ("callee-guard", *FOR_THE_CALLER) and anew:
                self.watch(order)
            elif order.is_ccbs:
                self.look(order)

    def newly_answered(self, number: str) -> None:
        """A call of this line was answered: what kind NR waits for first."""
        for order in self.waiting_for(number):
            if order.kind == "NR" and not order.newly_answered:
                order.newly_answered = True
                if not self.in_recall(number):
                    self.look(order)

    def registration_changed(self, number: str, registered: bool) -> None:
        if number not in self.known:
            self.count("registrations_not_kept")
            return
        line = self.line(number)
        if line.registered is not registered:
            line.registered = registered
            if not self.in_recall(number) and not self.has_bug("a registration wakes nobody"):
                self.look_at_callee(number)
