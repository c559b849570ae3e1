"""Layer 0 on virtual time: orders, values, snapshots, errors that name their field."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest

from ccbs import Engine, InvalidValue, Limits, Profile, SnapshotError
from ccbs.actions import (
    Accepted,
    Action,
    Cancelled,
    Confirmed,
    Connect,
    Denied,
    NothingOrdered,
    Ordered,
    Play,
    Release,
    Reply,
    Ring,
    Step,
)
from ccbs.events import (
    CallFailed,
    Cancel,
    ConnectResult,
    Event,
    Line,
    LineBusy,
    LineFree,
    LineUnknown,
    OperatorCancel,
    Order,
    PlayResult,
    Query,
    Released,
    RingResult,
    Service,
)

T = TypeVar("T")

BEGIN = 1_700_000_000_000
"""Where virtual time begins (Unix ms)."""


class World:
    """An engine with №1 (callee), №2 (orders), №7 (external), and a clock that a test moves."""

    def __init__(self, engine: Engine | None = None, now: int = BEGIN) -> None:
        self.engine = engine or Engine()
        self.now = now
        self.requests = itertools.count(1)

    @classmethod
    def refused(cls, callee: str = "1", profile: Profile | None = None) -> World:
        """№2 has just been refused by the callee."""
        world = cls()
        world.tell(
            Line("1"), Line("2"), Line("7", external=True), Service("2", profile or Profile.autodial())
        )
        world.tell(LineFree("2"), LineBusy("1"), CallFailed("2", callee))
        return world

    def tell(self, *told: Event) -> list[Action]:
        return self.engine.apply(told, self.now)

    def later(self, seconds: float) -> list[Action]:
        self.now += round(seconds * 1_000)
        return self.engine.apply([], self.now)

    def ask(self, make: Callable[[int], Event]) -> object:
        """The answer to one request."""
        request = next(self.requests)
        (reply,) = [a for a in self.tell(make(request)) if isinstance(a, Reply)]
        assert reply.request == request
        return reply.reply

    def order(self, callee: str | None = "1") -> object:
        return self.ask(lambda request: Order(request, "2", callee))


def only(kind: type[T], told: list[Action]) -> T:
    (found,) = [action for action in told if isinstance(action, kind)]
    return found


def steps(told: list[Action]) -> list[str]:
    return [action.kind for action in told if isinstance(action, Step)]


# --- the life of an order ---------------------------------------------------------------------------


def test_an_order_is_recalled_by_the_cb_timer_and_completed() -> None:
    world = World.refused()
    assert world.order() == Accepted(order=1, callee="1", place=1)
    assert world.engine.next_deadline() == BEGIN + 10_000
    assert world.later(9.999) == []

    ring = only(Ring, world.later(0.001))
    assert (ring.caller, ring.callee, ring.timeout_ms) == ("2", "1", 20_000)
    play = only(Play, world.tell(RingResult(ring.recall, "answered")))
    assert play == Play(ring.recall, ring.order, 1, ("activated",))
    connect = only(Connect, world.tell(PlayResult(ring.recall, 1, "played")))
    assert (connect.caller, connect.callee, connect.timeout_ms) == ("2", "1", 30_000)

    ended = only(Step, world.tell(ConnectResult(ring.recall, "answered")))
    assert (ended.kind, ended.reason) == ("ended", "completed")
    assert world.engine.orders() == []
    assert world.engine.counters()["orders_completed"] == 1


def test_the_external_timer_is_for_external_callees() -> None:
    world = World.refused("7")
    world.order("7")
    assert world.engine.next_deadline() == BEGIN + 20_000


def test_attempts_are_used_up_while_the_callee_stays_busy() -> None:
    world = World.refused()
    world.order()
    reasons = []
    for attempt in (1, 2, 3):
        told = world.later(10)
        began = next(a for a in told if isinstance(a, Step))
        assert (began.kind, began.attempt, began.attempts) == ("attempt-began", attempt, 3)
        recall = only(Ring, told).recall
        world.tell(RingResult(recall, "answered"))
        world.tell(PlayResult(recall, 1, "played"))
        told = world.tell(ConnectResult(recall, "busy"))
        assert only(Play, told).prompts == (
            ("callee-busy-again", "attempts-used-up") if attempt == 3 else ("callee-busy-again",)
        )
        told = world.tell(PlayResult(recall, 2, "played"))
        assert only(Release, told).reason == "attempt-failed"
        told = world.tell(Released(recall))
        failed = next((a for a in told if isinstance(a, Step) and a.kind == "attempt-failed"), None)
        assert failed is not None
        assert (failed.failure, failed.due) == (
            "callee-busy",
            None if attempt == 3 else world.now + 10_000,
        )
        reasons += [a.reason for a in told if isinstance(a, Step) and a.kind == "ended"]
    assert reasons == ["attempts-exhausted"]
    assert world.engine.next_deadline() is None


def test_an_order_waits_while_its_caller_is_busy() -> None:
    world = World.refused()
    world.order()
    world.tell(LineBusy("2"))
    assert steps(world.later(10)) == ["suspended"]
    assert world.engine.orders()[0].state == "suspended"
    world.tell(LineFree("2"))
    told = world.later(2)
    assert "resumed" in steps(told)
    assert only(Ring, told).caller == "2"


def test_every_reply_and_its_word() -> None:
    world = World.refused()
    assert world.ask(lambda r: Query(r, "2")) == NothingOrdered()
    assert world.order("9") == Denied("no-offer", short_term=False)
    assert world.order("2") == Denied("own-number", short_term=False)
    assert world.ask(lambda r: Order(r, "1", "2")) == Denied("not-allowed", short_term=False)
    assert world.order(None) == Accepted(1, "1", 1)
    assert world.order() == Confirmed(1, "1", 1)
    assert world.ask(lambda r: Query(r, "2")) == Ordered(("1",))
    assert world.ask(lambda r: Cancel(r, "2", "1")) == Cancelled((1,))
    assert world.ask(lambda r: Cancel(r, "2")) == NothingOrdered()

    world.tell(CallFailed("2", "1"))
    assert world.order() == Accepted(2, "1", 1)
    assert world.ask(lambda r: OperatorCancel(r, 2)) == Cancelled((2,))


def test_limits_deny_for_a_short_term() -> None:
    world = World(Engine(Limits(orders_total=1)))
    world.tell(Service("2", Profile.autodial()), LineFree("2"), CallFailed("2", "1"), CallFailed("2", "3"))
    assert world.order("1") == Accepted(1, "1", 1)
    assert world.order("3") == Denied("overload", short_term=True)


def test_views_show_orders_and_lines() -> None:
    world = World.refused("7")
    world.order("7")
    (order,) = world.engine.orders()
    assert (order.order, order.caller, order.callee, order.place) == (1, "2", "7", 1)
    assert (order.state, order.attempt, order.attempts) == ("waiting", 0, 3)
    assert (order.due, order.expires) == (BEGIN + 20_000, BEGIN + 2_700_000)
    world.tell(LineUnknown("1"))
    lines = {view.line: view for view in world.engine.lines()}
    assert (lines["1"].state, lines["2"].state, lines["7"].external) == ("unknown", "free", True)
    assert (lines["2"].orders, lines["7"].waiting, lines["7"].in_recall) == (1, 1, False)


def test_switching_the_service_off_ends_its_orders() -> None:
    world = World.refused()
    world.order()
    ended = only(Step, world.tell(Service("2", None)))
    assert (ended.kind, ended.reason) == ("ended", "service-off")


# --- determinism, snapshots -------------------------------------------------------------------------


def script(world: World) -> list[Action]:
    """A stretch with a recall in it, from whatever state the world is in."""
    told = world.later(10)
    told += [
        reply for r in (1, 2) for reply in world.tell(RingResult(r, "answered"), PlayResult(r, 1, "played"))
    ]
    told += world.tell(ConnectResult(1, "no-answer"), PlayResult(1, 2, "played"), Released(1))
    return told + world.later(60) + world.tell(Query(77, "2"))


def test_the_same_inputs_give_the_same_outputs() -> None:
    told = []
    for _ in range(2):
        world = World.refused()
        world.order()
        told.append((script(world), world.engine.snapshot()))
    assert told[0] == told[1]
    assert told[0][0]


def test_a_restored_engine_goes_on_like_the_original() -> None:
    world = World.refused()
    world.order()
    world.later(3)
    restored = World(Engine.restore(world.engine.snapshot()), world.now)
    assert restored.engine.orders() == world.engine.orders()
    assert restored.engine.lines() == world.engine.lines()
    assert restored.engine.counters() == world.engine.counters()
    assert script(restored) == script(world)
    assert restored.engine.snapshot() == world.engine.snapshot()


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "inside"])
def test_a_damaged_snapshot_is_an_error(damage: str) -> None:
    snapshot = World.refused().engine.snapshot()
    half = len(snapshot) // 2
    damaged, said = {
        "empty": (b"", "it ends after 0 bytes, cut short"),
        "cut": (snapshot[:half], f"it ends after {half} bytes, cut short"),
        "noise": (b"\xff" * 64, "it does not begin as one"),
        "inside": (
            snapshot[:14] + b"\xff" * 90,
            r"what stands before byte \d+ of 104 is not what the engine writes",
        ),
    }[damage]
    way_out = "take another copy, or begin with an empty engine"
    with pytest.raises(SnapshotError, match=f"^not a snapshot of the engine, or damaged: {said}; {way_out}$"):
        Engine.restore(damaged)


def test_a_snapshot_comes_in_any_contiguous_buffer() -> None:
    snapshot = World.refused().engine.snapshot()
    for given in (bytearray(snapshot), memoryview(snapshot), np.frombuffer(snapshot, np.uint8)):
        assert Engine.restore(given).snapshot() == snapshot
    with pytest.raises(TypeError, match=r"^snapshot: expected bytes or another buffer, got str$"):
        Engine.restore("text")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^snapshot: the buffer is not C-contiguous"):
        Engine.restore(memoryview(snapshot)[::2])


def test_an_engine_may_be_used_from_several_threads() -> None:
    world = World.refused()
    counts: list[int] = []

    def ask() -> None:
        for request in range(500):
            counts.append(len(world.engine.apply([Query(request, "2")], BEGIN)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1] * 2_000


def test_time_that_goes_back_is_counted_and_moves_nothing() -> None:
    world = World.refused()
    world.order()
    world.engine.apply([], BEGIN - 60_000)
    assert world.engine.counters()["time_went_back"] == 1
    assert world.engine.next_deadline() == BEGIN + 10_000
