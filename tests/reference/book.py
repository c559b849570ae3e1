"""What the model remembers, its timers, and the views of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ccbs import Limits
from ccbs._ccbs import Action, AnyReply, LineView, OrderView, Reply, Step

from .terms import SECOND, Terms

PLACED = (
    *("waiting", "queued", "suspended", "guarding", "pausing"),
    *("watching", "callee-guard", "polling", "retrying", "retrying-caller"),
)
"""States outside a recall; in all others the order has one."""


@dataclass
class Line:
    """A number and what is known of it."""

    number: str
    configured: bool = False
    external: bool = True
    """A number that nobody has configured is taken to be behind a trunk."""
    state: str = "unknown"
    registered: bool | None = None
    had_leg: bool = False
    """Whether it was busy at some time of the recall that it is in."""
    terms: Terms | None = None
    last_without_offer: bool = False
    """Whether the last call of this caller that failed opened no offer."""


@dataclass
class Offer:
    """A failed call that its caller may order."""

    caller: str
    callee: str
    kind: str


@dataclass
class Order:
    """A callback, from its acceptance to its end."""

    id: int
    caller: str
    callee: str
    kind: str
    terms: Terms
    accepted: int
    expires: int
    state: str = "waiting"
    due: int | None = None
    attempt: int = 0
    failure: str | None = None
    recall: int | None = None
    plays: int = 0
    """How many prompts its recall has had."""
    asked: dict[str, str] = field(default_factory=dict)
    """What its recall asked of the outside: ``awaited``, ``came`` or ``given up``."""
    turn: int = 0
    """When it became eligible."""
    wait_s: int = 0
    """Profile ccbs: how long the next wait is, when the callee cannot be seen."""
    newly_answered: bool = False
    """Kind NR: whether a call of the callee has been answered since."""
    seen_at_connect: str | None = None
    """State of the callee's line when it was called in this attempt; ``None`` while it was not."""

    @property
    def is_ccbs(self) -> bool:
        return self.terms.is_ccbs

    @property
    def attempts(self) -> int | None:
        return None if self.is_ccbs else self.terms.attempts


@dataclass
class Timer:
    """Something to be done at a time; those of one time in the order in which they were set."""

    at: int
    rank: int
    kind: str
    of: Order | Offer


@dataclass
class Book:
    """The state, and what can be read from it."""

    limits: Limits = field(default_factory=Limits)
    planted: str | None = None
    """Name of the bug that the model is to have, see ``planted.py``."""
    now: int = 0
    known: dict[str, Line] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    """Oldest first."""
    standing: list[Order] = field(default_factory=list)
    """Oldest first."""
    clearing: list[Order] = field(default_factory=list)
    """Orders that ended in a recall whose legs are not gone yet."""
    timers: list[Timer] = field(default_factory=list)
    recalls_begun: list[int] = field(default_factory=list)
    """When each recall of the last second began."""
    restarting: bool = False
    last_order: int = 0
    last_recall: int = 0
    last_rank: int = 0
    actions: list[Action] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """What was counted, by the names of the engine's counters."""

    def has_bug(self, name: str) -> bool:
        return self.planted == name

    def count(self, name: str) -> None:
        self.counts[name.replace("-", "_")] += 1

    def next_rank(self) -> int:
        self.last_rank += 1
        return self.last_rank

    # --- lines -------------------------------------------------------------------------------------

    def line(self, number: str) -> Line:
        if number not in self.known:
            self.known[number] = Line(number)
        return self.known[number]

    def may_keep(self, number: str) -> bool:
        """Whether a number is known, or there is room for one more that nobody configured."""
        unconfigured = [line for line in self.known.values() if not line.configured]
        return number in self.known or len(unconfigured) < self.limits.unconfigured_lines

    def is_busy(self, number: str) -> bool:
        return self.line(number).state == "busy"

    def in_recall(self, number: str) -> bool:
        return any(number in (order.caller, order.callee) for order in self.recalled())

    def recalled(self) -> list[Order]:
        """The orders that have a recall, ended or not."""
        return [order for order in self.standing if order.recall is not None] + self.clearing

    def forget_lines(self) -> None:
        """A number that nothing refers to is not kept."""
        for number, line in list(self.known.items()):
            referred = (
                line.configured
                or line.terms is not None
                or line.state == "busy"
                or any(number in (offer.caller, offer.callee) for offer in self.offers)
                or any(number in (order.caller, order.callee) for order in self.standing)
                or self.in_recall(number)
            )
            if not referred:
                del self.known[number]

    # --- orders ------------------------------------------------------------------------------------

    def placed_by(self, caller: str) -> list[Order]:
        return [order for order in self.standing if order.caller == caller]

    def waiting_for(self, callee: str) -> list[Order]:
        return [order for order in self.standing if order.callee == callee]

    def place(self, order: Order) -> int:
        return self.waiting_for(order.callee).index(order) + 1

    def between(self, caller: str, callee: str) -> list[Order]:
        """The orders of the two for each other, this caller's first."""
        one_way = [order for order in self.placed_by(caller) if order.callee == callee]
        return one_way + [order for order in self.placed_by(callee) if order.callee == caller]

    # --- timers ------------------------------------------------------------------------------------

    def set_timer(self, kind: str, of: Order | Offer, seconds: int) -> int:
        """Set the timer anew and return when it is due."""
        self.stop_timer(kind, of)
        return self.set_timer_at(kind, of, self.now + seconds * SECOND)

    def set_timer_at(self, kind: str, of: Order | Offer, at: int) -> int:
        self.timers.append(Timer(at, self.next_rank(), kind, of))
        return at

    def stop_timer(self, kind: str, of: Order | Offer) -> None:
        self.timers = [timer for timer in self.timers if not (timer.kind == kind and timer.of is of)]

    def take_due_timer(self) -> Timer | None:
        due = [timer for timer in self.timers if timer.at <= self.now]
        if not due:
            return None
        first = min(due, key=lambda timer: (timer.at, timer.rank))
        self.timers.remove(first)
        return first

    # --- what is said and shown --------------------------------------------------------------------

    def reply(self, request: int, reply: AnyReply) -> None:
        self.actions.append(Reply(request, reply))

    def step(
        self,
        order: Order,
        kind: str,
        *,
        place: int | None = None,
        due: int | None = None,
        expires: int | None = None,
        attempt: int | None = None,
        attempts: int | None = None,
        failure: str | None = None,
        reason: str | None = None,
    ) -> None:
        self.actions.append(
            Step(
                order.id,
                order.caller,
                order.callee,
                kind,
                place,
                due,
                expires,
                attempt,
                attempts,
                failure,
                reason,
            )
        )

    def orders(self) -> list[OrderView]:
        return [
            OrderView(
                order=order.id,
                caller=order.caller,
                callee=order.callee,
                kind=order.kind,
                state=order.state,
                place=self.place(order),
                attempt=order.attempt,
                attempts=order.attempts,
                due=order.due,
                expires=order.expires,
            )
            for order in self.standing
        ]

    def lines(self) -> list[LineView]:
        """By number; the engine shows them in an order of its own."""
        return [
            LineView(
                line=number,
                external=line.external,
                state=line.state,
                registered=line.registered,
                in_recall=self.in_recall(number),
                orders=len(self.placed_by(number)),
                waiting=len(self.waiting_for(number)),
            )
            for number, line in sorted(self.known.items())
        ]
