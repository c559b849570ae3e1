"""What must hold at every step, seen from the outside: from what the engine was told and what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ccbs import Limits
from ccbs._ccbs import (
    Accepted,
    Action,
    Connect,
    Event,
    LineBusy,
    LineFree,
    LineRemoved,
    LineUnknown,
    LineView,
    OrderView,
    Play,
    Release,
    Released,
    Reply,
    Restarted,
    Ring,
    Step,
)

RELEASE_MS = 10_000
"""How long the engine waits for the legs of a recall to go (docs/engine.md, "Time-outs of the outside")."""


@dataclass
class Recall:
    order: int
    lines: tuple[str, str]
    given_up: int | None = None
    """When its release was asked for."""


@dataclass
class Watch:
    """Keeps book of what was seen so far."""

    limits: Limits
    busy: set[str] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)
    ended: Counter[int] = field(default_factory=Counter)
    expires: dict[int, int] = field(default_factory=dict)
    recalls: dict[int, Recall] = field(default_factory=dict)
    must_end: set[int] = field(default_factory=set)
    begun: list[int] = field(default_factory=list)
    rings: int = 0

    def step(
        self,
        now: int,
        told: Sequence[Event],
        said: Sequence[Action],
        before: Sequence[OrderView],
        after: Sequence[OrderView],
        lines: Sequence[LineView],
    ) -> None:
        """Check one call of ``apply``; a batch of more than one event is looked at as a whole."""
        one_event = len(told) <= 1
        if one_event:
            for event in told:
                self.hear(event)
        for recall in list(self.recalls.values()):
            if recall.given_up is not None and now >= recall.given_up + RELEASE_MS:
                self.over(recall.order)
        for action in said:
            self.see(now, action, one_event)
        assert not self.must_end, f"released because they ended, yet standing: {self.must_end}"
        if not one_event:
            for event in told:
                self.hear(event)
        if one_event:
            self.first_come_first_served(said, before, after, lines)
        self.views_agree(after, lines)

    # --- what it is told ---------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        match event:
            case LineBusy(line):
                self.busy.add(line)
            case LineFree(line) | LineUnknown(line) | LineRemoved(line):
                self.busy.discard(line)
            case Restarted():
                self.busy.clear()
                self.recalls.clear()
            case Released(recall) if recall in self.recalls and self.recalls[recall].given_up is not None:
                del self.recalls[recall]
            case _:
                pass

    # --- what it says ------------------------------------------------------------------------------

    def see(self, now: int, action: Action, one_event: bool) -> None:
        match action:
            case Reply(_, Accepted(order)):
                assert order not in self.accepted, f"order {order} accepted twice"
                self.accepted.add(order)
            case Step(order, _, _, kind):
                assert order in self.accepted, f"step of order {order}, which was never accepted"
                assert not self.ended[order], f"order {order} has ended, then: {action}"
                self.see_step(now, action, kind, one_event)
            case Ring(recall, order, caller, callee):
                self.alive(order, action)
                self.recall_begins(now, recall, order, (caller, callee), one_event)
            case Play(recall, order) | Connect(recall, order):
                self.alive(order, action)
                self.belongs(recall, order, action)
            case Release(recall, order, reason):
                self.alive(order, action)
                if reason == "order-ended":
                    self.must_end.add(order)
                self.belongs(recall, order, action)
                if recall in self.recalls:
                    self.recalls[recall].given_up = now
            case _:
                pass

    def alive(self, order: int, action: Action) -> None:
        assert order in self.accepted, f"order {order} was never accepted: {action}"
        assert not self.ended[order], f"order {order} has ended: {action}"

    def belongs(self, recall: int, order: int, action: Action) -> None:
        known = self.recalls.get(recall)
        assert known is None or known.order == order, f"{action}: this recall is another order's"

    def see_step(self, now: int, step: Step, kind: str, one_event: bool) -> None:
        if step.attempt is not None and step.attempts is not None:
            assert 1 <= step.attempt <= step.attempts, f"more attempts than allowed: {step}"
        if kind == "accepted":
            assert step.expires is not None
            self.expires[step.order] = step.expires
        elif kind == "turned-no-reply":
            assert step.expires is not None
            assert step.expires >= self.expires[step.order], f"a life made shorter: {step}"
            self.expires[step.order] = step.expires
        elif kind == "attempt-began":
            assert now < self.expires[step.order], f"attempt begun after the order's life: {step}"
            if one_event:
                assert step.caller not in self.busy, f"caller is rung while known busy: {step}"
        elif kind == "attempt-failed":
            self.over(step.order)
        elif kind == "ended":
            self.ended[step.order] += 1
            self.must_end.discard(step.order)
            if step.reason == "completed":
                self.over(step.order)

    def over(self, order: int) -> None:
        for number, recall in list(self.recalls.items()):
            if recall.order == order:
                del self.recalls[number]

    def recall_begins(
        self, now: int, recall: int, order: int, lines: tuple[str, str], one_event: bool
    ) -> None:
        assert recall not in self.recalls, f"recall {recall} begins twice"
        if one_event:
            held = {line for other in self.recalls.values() for line in other.lines}
            assert not held & set(lines), f"recall {recall} of {lines}: a line is in another recall"
            assert len(self.recalls) < self.limits.recalls_at_once, "more recalls at once than allowed"
        self.recalls[recall] = Recall(order, lines)
        self.begun = [at for at in self.begun if at > now - 1_000] + [now]
        assert len(self.begun) <= self.limits.recalls_per_second, "more recalls in a second than allowed"
        self.rings += 1

    # --- what it shows -----------------------------------------------------------------------------

    def first_come_first_served(
        self,
        said: Sequence[Action],
        before: Sequence[OrderView],
        after: Sequence[OrderView],
        lines: Sequence[LineView],
    ) -> None:
        queued_before = {view.order for view in before if view.state == "queued"}
        in_recall = {view.line for view in lines if view.in_recall}
        for action in said:
            if isinstance(action, Ring):
                for view in after:
                    passed_over = (
                        view.callee == action.callee
                        and view.order < action.order
                        and view.state == "queued"
                        and view.order in queued_before
                        and view.caller not in in_recall
                    )
                    assert not passed_over, f"{view} was eligible and older: {action}"

    def views_agree(self, after: Sequence[OrderView], lines: Sequence[LineView]) -> None:
        standing = [view.order for view in after]
        assert standing == sorted(set(standing)), "orders() is not oldest first"
        assert set(standing) == {order for order in self.accepted if not self.ended[order]}
        assert max(self.ended.values(), default=0) <= 1, "an order ended twice"
        assert len(standing) <= self.limits.orders_total, "more orders than allowed"
        pairs = [(view.caller, view.callee) for view in after]
        assert len(pairs) == len(set(pairs)), "two orders of one pair"
        for line in lines:
            queue = [view.place for view in after if view.callee == line.line]
            assert queue == list(range(1, line.waiting + 1)), f"places in the queue of {line}"
            assert line.orders == len([view for view in after if view.caller == line.line]), (
                f"orders of {line}"
            )
        assert {view.caller for view in after} | {view.callee for view in after} <= {
            line.line for line in lines
        }
