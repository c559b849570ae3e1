"""What may happen next, drawn at random; dice are a ``random.Random``, Hypothesis's own included."""

from __future__ import annotations

import random
from collections.abc import Callable

from ccbs import Engine, Limits, Profile
from ccbs._ccbs import (
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

from .pair import BEGIN, Pair

NUMBERS = ("1", "2", "3", "4", "7")
"""№7 is external; №4 is not configured at first."""

STRANGERS = ("8", "9")
"""Numbers that nothing is known of but what is reported of their lines."""

RING = ("answered", "busy", "no-answer", "declined", "unreachable", "failed", "not-tried")
PLAY = ("played", "caller-gone", "failed")
CONNECT = ("answered", "busy", "no-answer", "declined", "unreachable", "caller-gone", "failed")
CAUSES = ("busy", "busy", "no-reply", "not-logged-in", "other")
DAY = 86_400_000


def autodial(dice: random.Random) -> Profile:
    return Profile.autodial(
        cb_timer_internal_s=dice.choice((10, 1, 60)),
        cb_timer_external_s=dice.choice((20, 2)),
        attempts=dice.choice((1, 2, 3)),
        offer_window_s=dice.choice((30, 5)),
        caller_ring_s=dice.choice((20, 5)),
        callee_ring_s=dice.choice((30, 5)),
        caller_free_guard_s=dice.choice((2, 0, 10)),
        service_duration_s=dice.choice((60, 70, 2_700)),
        orders_per_caller=dice.choice((1, 2, 5)),
        waiting_per_callee=dice.choice((1, 2, 5)),
    )


def ccbs(dice: random.Random) -> Profile:
    first = dice.choice((60, 20))
    return Profile.ccbs(
        offer_window_s=dice.choice((30, 5)),
        caller_ring_s=dice.choice((20, 5)),
        callee_ring_s=dice.choice((30, 5)),
        caller_free_guard_s=dice.choice((2, 0, 10)),
        service_duration_s=dice.choice((60, 300, 2_700)),
        orders_per_caller=dice.choice((1, 2, 5)),
        waiting_per_callee=dice.choice((1, 2, 5)),
        callee_idle_guard_s=dice.choice((5, 0, 30)),
        retention=dice.choice((True, True, False)),
        callee_no_answer_to_nr=dice.choice((True, False)),
        poll_first_s=first,
        poll_longest_s=dice.choice((first, 60, 900)),
        offer_nr=dice.choice((True, True, False)),
        service_duration_nr_s=dice.choice((60, 10_800)),
        offer_nl=dice.choice((True, True, False)),
        service_duration_nl_s=dice.choice((60, 10_800)),
        restart_grace_s=dice.choice((10, 0)),
    )


def any_profile(dice: random.Random) -> Profile:
    return dice.choice((autodial, ccbs, ccbs))(dice)


def limits(dice: random.Random) -> Limits:
    return Limits(
        orders_total=dice.choice((100_000, 2, 4)),
        recalls_at_once=dice.choice((500, 1, 2)),
        recalls_per_second=dice.choice((100, 1, 2)),
        offers_per_caller=dice.choice((8, 1, 2)),
        unconfigured_lines=dice.choice((100_000, 1, 2)),
    )


def begin(dice: random.Random, planted: str | None = None) -> Pair:
    """A world in which most lines are configured and may order."""
    pair = Pair(limits(dice), planted)
    for number in ("1", "2", "3", "7"):
        pair.tell(Line(number, number == "7"))
    kind = dice.choice((autodial, ccbs, any_profile))
    same = kind(dice)
    for number in NUMBERS:
        pair.tell(Service(number, dice.choice((same, same, kind(dice)))))
    return pair


def two(dice: random.Random) -> tuple[str, str]:
    caller, callee = dice.sample(NUMBERS, 2)
    return caller, callee


def fail_and_order(dice: random.Random, pair: Pair) -> None:
    caller, callee = two(dice)
    pair.tell(CallFailed(caller, callee, dice.choice(("busy", "busy", "busy", "no-reply", "not-logged-in"))))
    pair.tell(Order(1, caller, dice.choice((callee, callee, None))))


def line_state(dice: random.Random, pair: Pair) -> None:
    kinds: tuple[Callable[[str], Event], ...] = (LineBusy, LineFree, LineBusy, LineFree, LineUnknown)
    pair.tell(dice.choice(kinds)(dice.choice((*NUMBERS, *NUMBERS, *STRANGERS))))


def registration(dice: random.Random, pair: Pair) -> None:
    kinds: tuple[Callable[[str], Event], ...] = (LineRegistered, LineRegistered, LineUnregistered)
    pair.tell(dice.choice(kinds)(dice.choice((*NUMBERS, *NUMBERS, *STRANGERS))))


def flap(dice: random.Random, pair: Pair) -> None:
    number = dice.choice(NUMBERS)
    pair.tell(LineBusy(number))
    pair.tell(LineFree(number))


def outcome(dice: random.Random, pair: Pair) -> None:
    """The answer that a recall waits for, most often a good one."""
    waits = pair.model.recalled()
    if not waits:
        return
    order = dice.choice(waits)
    assert order.recall is not None
    match order.state:
        case "ringing":
            pair.tell(RingResult(order.recall, dice.choice(("answered",) * 6 + RING)))
        case "announcing" | "telling":
            pair.tell(PlayResult(order.recall, order.plays, dice.choice(("played",) * 4 + PLAY)))
        case "calling":
            pair.tell(ConnectResult(order.recall, dice.choice(CONNECT)))
        case _:
            pair.tell(Released(order.recall))


def stray_outcome(dice: random.Random, pair: Pair) -> None:
    """Late, double, out of order, of a recall that is over or never was."""
    recall = max(1, pair.model.last_recall + dice.choice((0, 0, 0, -1, -1, -2, 1)))
    kind = dice.randrange(4)
    if kind == 0:
        pair.tell(RingResult(recall, dice.choice(RING)))
    elif kind == 1:
        pair.tell(PlayResult(recall, dice.choice((1, 1, 2, 2, 0, 3)), dice.choice(PLAY)))
    elif kind == 2:
        pair.tell(ConnectResult(recall, dice.choice(CONNECT)))
    else:
        pair.tell(Released(recall))


def call(dice: random.Random, pair: Pair) -> None:
    caller, callee = two(dice)
    if dice.randrange(4) == 0:
        callee = dice.choice((callee, caller))
    if dice.randrange(3):
        pair.tell(CallFailed(caller, callee, dice.choice(CAUSES)))
    else:
        pair.tell(CallAnswered(caller, callee))


def request(dice: random.Random, pair: Pair) -> None:
    caller, callee = two(dice)
    kind = dice.randrange(8)
    if kind == 0:
        pair.tell(Cancel(2, caller, dice.choice((callee, None))))
    elif kind == 1:
        pair.tell(OperatorCancel(3, max(0, pair.model.last_order - dice.randrange(3))))
    elif kind == 2:
        pair.tell(Query(4, caller))
    elif kind == 3:
        pair.tell(Order(5, caller, caller))
    else:
        standing = pair.model.standing
        if standing and kind == 4:
            again = dice.choice(standing)
            caller, callee = again.caller, again.callee
        pair.tell(Order(6, caller, dice.choice((callee, callee, None))))


def configure(dice: random.Random, pair: Pair) -> None:
    number = dice.choice(NUMBERS)
    kind = dice.randrange(8)
    if kind == 0:
        pair.tell(LineRemoved(number))
        return
    if kind == 1:
        pair.tell(Service(number, None))
        return
    if kind in (2, 3):
        pair.tell(Line(number, dice.choice((False, True))))
    pair.tell(Service(number, any_profile(dice)))


def restart(dice: random.Random, pair: Pair) -> None:
    pair.tell(Restarted())


def restore(dice: random.Random, pair: Pair) -> None:
    """The engine is put aside and goes on elsewhere; nothing of it shows."""
    pair.flush()
    pair.engine = Engine.restore(pair.engine.snapshot())


def to_deadline(dice: random.Random, pair: Pair) -> None:
    """To the next deadline of either, or a millisecond beside it."""
    deadlines = [at for at in (pair.engine.next_deadline(), pair.model.next_deadline()) if at is not None]
    if deadlines:
        pair.wait_until(min(deadlines) + dice.choice((0, 0, 0, 0, -1, 1)))


def pass_time(dice: random.Random, pair: Pair) -> None:
    """From standing still to a jump of sixty days; or back, which counts as standing still."""
    step = dice.choice((0, 1, 999, 1_000, 1_000, 2_000, 5_000, 10_000, 60_000, 70_000, 3_600_000, 60 * DAY))
    pair.wait_until(pair.now + step)
    if step == 0:
        pair.apply((), back=DAY)


def gather(dice: random.Random, pair: Pair) -> None:
    """The next events are told in one call."""
    pair.hold = dice.choice((1, 2, 4))


MOVES: tuple[tuple[Callable[[random.Random, Pair], None], int], ...] = (
    (fail_and_order, 12),
    (line_state, 10),
    (flap, 2),
    (registration, 3),
    (outcome, 45),
    (stray_outcome, 4),
    (call, 4),
    (request, 6),
    (configure, 3),
    (restart, 1),
    (restore, 1),
    (to_deadline, 24),
    (pass_time, 3),
    (gather, 2),
)


def any_move(dice: random.Random, pair: Pair) -> None:
    (move,) = dice.choices([move for move, _ in MOVES], [weight for _, weight in MOVES])
    move(dice, pair)


def finish(pair: Pair) -> None:
    """Everything comes to its end, and nothing is left."""
    pair.flush()
    for number in (*NUMBERS, *STRANGERS):
        pair.tell(LineFree(number))
        pair.tell(LineRemoved(number))
    for _ in range(4):
        pair.wait_until(pair.now + 60 * DAY)
    assert pair.engine.orders() == []
    assert pair.engine.lines() == []
    assert pair.engine.next_deadline() is None
    assert pair.now > BEGIN
