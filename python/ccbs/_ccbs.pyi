"""The compiled part of ccbs: the engine, its driver, the SIP endpoint.

Everything is frozen and safe to share between threads. Numbers of lines are texts of 1–255 bytes. Ids
(``order``, ``recall``, ``request``, ``leg``, ``token``) are from 0 to 2⁶⁴ − 1. Times are Unix
milliseconds. A value of the wrong type raises :class:`TypeError`, a value outside its range
:class:`InvalidValue`; both name the argument.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NotRequired, Protocol, TypeAlias, TypedDict, final, type_check_only

from typing_extensions import Buffer

class CcbsError(Exception):
    """Base of every error that the compiled part raises.

    Raised itself when the machine gives no thread or no descriptor.
    """

class InvalidValue(CcbsError, ValueError):
    """A value outside its range; the message names the field, the value and the range."""

    field: str
    """The argument or setting, e.g. ``attempts``."""

class SnapshotError(CcbsError, ValueError):
    """A snapshot that cannot be restored: damaged, or written by a version with another format."""

class RecordingError(CcbsError, ValueError):
    """A recording that cannot be made or read, or has not what was asked for."""

class StoreError(CcbsError):
    """A store that cannot be opened, read or written; the message says what to do."""

class Overload(CcbsError):
    """A bounded queue is full; nothing of what was offered was taken."""

class Closed(CcbsError):
    """The driver or endpoint was closed, stopped by itself, or belongs to the process before a fork."""

class ListenError(CcbsError, OSError):
    """The endpoint could not listen: the port is in use or not permitted. ``errno`` is set where known."""

class InvalidPrompt(CcbsError, ValueError):
    """A WAV file that cannot be played."""

# --- profiles and limits (standards.md, "Settings") -----------------------------------------------

@final
class Profile:
    """The service of one subscriber as orderer; frozen. Made by :meth:`autodial` or :meth:`ccbs`.

    A number that the profile does not have is ``None``.
    """

    name: Final[str]
    """``autodial`` or ``ccbs``."""
    offer_window_s: Final[int]
    caller_ring_s: Final[int]
    callee_ring_s: Final[int]
    caller_free_guard_s: Final[int]
    service_duration_s: Final[int]
    orders_per_caller: Final[int]
    waiting_per_callee: Final[int]
    cb_timer_internal_s: Final[int | None]
    cb_timer_external_s: Final[int | None]
    attempts: Final[int | None]
    callee_idle_guard_s: Final[int | None]
    retention: Final[bool | None]
    callee_no_answer_to_nr: Final[bool | None]
    poll_first_s: Final[int | None]
    poll_longest_s: Final[int | None]
    offer_nr: Final[bool | None]
    service_duration_nr_s: Final[int | None]
    offer_nl: Final[bool | None]
    service_duration_nl_s: Final[int | None]
    restart_grace_s: Final[int | None]

    @staticmethod
    def autodial(
        *,
        cb_timer_internal_s: int = 10,
        cb_timer_external_s: int = 20,
        attempts: int = 3,
        offer_window_s: int = 30,
        caller_ring_s: int = 20,
        callee_ring_s: int = 30,
        caller_free_guard_s: int = 2,
        service_duration_s: int = 2_700,
        orders_per_caller: int = 5,
        waiting_per_callee: int = 5,
    ) -> Profile:
        """Return the reference profile: driven by the CB timer, whether or not the callee is free.

        :param cb_timer_internal_s: CB timer for an internal callee, 1–3,600 s.
        :param cb_timer_external_s: CB timer for an external callee, 1–3,600 s.
        :param attempts: how many recalls an order may make, 1–20.
        :param offer_window_s: how long after the failed call an order may be placed, 5–300 s.
        :param caller_ring_s: how long the caller's phone rings at the recall, 5–180 s.
        :param callee_ring_s: how long the callee's phone rings at the recall, 5–180 s.
        :param caller_free_guard_s: how long the caller must be free before a suspended order goes on,
            0–60 s.
        :param service_duration_s: life of an order, 60–86,400 s.
        :param orders_per_caller: orders of one caller at a time, 1–30.
        :param waiting_per_callee: orders waiting for one callee, 1–30.
        :raises InvalidValue: outside the range.

        Source: service.md, "Set-up" 3; standards.md, "Settings".
        """

    @staticmethod
    def ccbs(
        *,
        callee_idle_guard_s: int = 5,
        retention: bool = True,
        callee_no_answer_to_nr: bool = False,
        poll_first_s: int = 60,
        poll_longest_s: int = 900,
        offer_nr: bool = True,
        service_duration_nr_s: int = 10_800,
        offer_nl: bool = True,
        service_duration_nl_s: int = 10_800,
        restart_grace_s: int = 10,
        offer_window_s: int = 30,
        caller_ring_s: int = 20,
        callee_ring_s: int = 30,
        caller_free_guard_s: int = 2,
        service_duration_s: int = 2_700,
        orders_per_caller: int = 5,
        waiting_per_callee: int = 5,
    ) -> Profile:
        """Return the standards' profile: driven by the release of the callee.

        :param callee_idle_guard_s: how long the callee must have been free before the recall, 0–300 s.
        :param retention: whether an order keeps its place when its callee is busy again at the recall.
        :param callee_no_answer_to_nr: whether an order whose callee rang at the recall and did not answer
            turns into kind NR; otherwise it ends.
        :param poll_first_s: first wait where the callee's state can't be seen, or its phone says busy on an
            idle line, 20–3,600 s; it doubles each time.
        :param poll_longest_s: what the wait doubles to at the most, ``poll_first_s``–3,600 s.
        :param offer_nr: whether a call that nobody answered may be ordered (kind NR).
        :param service_duration_nr_s: life of an order of kind NR, 60–86,400 s.
        :param offer_nl: whether a call to a callee without a registered phone may be ordered (kind NL).
        :param service_duration_nl_s: life of an order of kind NL, 60–86,400 s.
        :param restart_grace_s: how long orders wait after a restart for their callee's state, 0–300 s.
        :param service_duration_s: life of an order of kind BS, 60–86,400 s.
        :raises InvalidValue: outside the range.

        The others are those of :meth:`autodial`. Source: standards.md, "Settings" and "Rules".
        """

@final
class Limits:
    """Limits of the whole engine; frozen. Source: standards.md, "Settings"."""

    orders_total: Final[int]
    recalls_at_once: Final[int]
    recalls_per_second: Final[int]
    offers_per_caller: Final[int]
    unconfigured_lines: Final[int]

    def __new__(
        cls,
        *,
        orders_total: int = 100_000,
        recalls_at_once: int = 500,
        recalls_per_second: int = 100,
        offers_per_caller: int = 8,
        unconfigured_lines: int = 100_000,
    ) -> Limits:
        """Check the limits.

        :param orders_total: orders held at a time, 1–10,000,000; more are denied ``overload``.
        :param recalls_at_once: recalls in progress at a time, 1–100,000; more wait.
        :param recalls_per_second: recalls begun per second, 1–10,000; more wait.
        :param offers_per_caller: failed calls of one caller that may be ordered, 1–100; the oldest makes
            room.
        :param unconfigured_lines: numbers known though not configured, 1–10,000,000; a report that another
            such number is busy is counted and not kept.
        :raises InvalidValue: outside the range.
        """

# --- events, re-exported by ccbs.events -------------------------------------------------------------

@final
class Line:
    """A line is configured, or its kind changed.

    :param line: its number.
    :param external: whether it is behind a trunk; decides the CB timer of orders for it (service.md,
        "Set-up" 3).
    """

    __match_args__ = ("line", "external")
    line: Final[str]
    external: Final[bool]
    def __new__(cls, line: str, external: bool = False) -> Line: ...

@final
class LineRemoved:
    """A line left the configuration: its orders end ``caller-gone`` or ``callee-gone``."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineRemoved: ...

@final
class Service:
    """The service of a line as orderer.

    :param profile: its numbers, for orders accepted from now on; ``None`` switches the service off,
        which ends the orders it placed with ``service-off``.
    """

    __match_args__ = ("line", "profile")
    line: Final[str]
    profile: Final[Profile | None]
    def __new__(cls, line: str, profile: Profile | None) -> Service: ...

@final
class LineBusy:
    """The line has a call of any kind, a recall's own leg included."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineBusy: ...

@final
class LineFree:
    """The line has no call."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineFree: ...

@final
class LineUnknown:
    """Nobody can say whether the line has a call."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineUnknown: ...

@final
class LineRegistered:
    """A phone of the line registered: orders of kind NL for it are looked at."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineRegistered: ...

@final
class LineUnregistered:
    """The line has no registered phone any more: orders of profile ccbs for it wait until it has."""

    __match_args__ = ("line",)
    line: Final[str]
    def __new__(cls, line: str) -> LineUnregistered: ...

@final
class CallFailed:
    """A call that is no recall failed: the caller may order the callee within the offer window.

    :param cause: ``busy``, ``no-reply``, ``not-logged-in`` or ``other``; profile autodial offers on ``busy``.
    """

    __match_args__ = ("caller", "callee", "cause")
    caller: Final[str]
    callee: Final[str]
    cause: Final[str]
    def __new__(cls, caller: str, callee: str, cause: str = "busy") -> CallFailed: ...

@final
class CallAnswered:
    """A call that is no recall was answered: orders between the two, either way, are fulfilled."""

    __match_args__ = ("caller", "callee")
    caller: Final[str]
    callee: Final[str]
    def __new__(cls, caller: str, callee: str) -> CallAnswered: ...

@final
class Order:
    """``*37*CALLEE#``, or ``*37#``: the last number that failed. Answered by a :class:`Reply`.

    :param request: a number of your choice that comes back in the reply.
    :param caller: the authenticated subscriber who orders.
    """

    __match_args__ = ("request", "caller", "callee")
    request: Final[int]
    caller: Final[str]
    callee: Final[str | None]
    def __new__(cls, request: int, caller: str, callee: str | None = None) -> Order: ...

@final
class Cancel:
    """``#37*CALLEE#``, or ``#37#``: all orders of the caller. Answered by a :class:`Reply`."""

    __match_args__ = ("request", "caller", "callee")
    request: Final[int]
    caller: Final[str]
    callee: Final[str | None]
    def __new__(cls, request: int, caller: str, callee: str | None = None) -> Cancel: ...

@final
class Query:
    """``*#37#``: what has the caller ordered? Answered by a :class:`Reply`."""

    __match_args__ = ("request", "caller")
    request: Final[int]
    caller: Final[str]
    def __new__(cls, request: int, caller: str) -> Query: ...

@final
class OperatorCancel:
    """The operator ends one order (``cancelled-by-operator``). Answered by a :class:`Reply`."""

    __match_args__ = ("request", "order")
    request: Final[int]
    order: Final[int]
    def __new__(cls, request: int, order: int) -> OperatorCancel: ...

@final
class RingResult:
    """Answer to :class:`Ring`.

    :param outcome: ``answered``, ``busy``, ``no-answer``, ``declined``, ``unreachable``, ``failed`` or
        ``not-tried`` (nothing was sent: the attempt is not used).
    """

    __match_args__ = ("recall", "outcome")
    recall: Final[int]
    outcome: Final[str]
    def __new__(cls, recall: int, outcome: str) -> RingResult: ...

@final
class PlayResult:
    """Answer to :class:`Play`.

    :param play: the number of the play, as the action said.
    :param outcome: ``played``, ``caller-gone`` or ``failed``.
    """

    __match_args__ = ("recall", "play", "outcome")
    recall: Final[int]
    play: Final[int]
    outcome: Final[str]
    def __new__(cls, recall: int, play: int, outcome: str) -> PlayResult: ...

@final
class ConnectResult:
    """Answer to :class:`Connect`.

    :param outcome: ``answered``, ``busy``, ``no-answer``, ``declined``, ``unreachable``, ``caller-gone``
        or ``failed``.
    """

    __match_args__ = ("recall", "outcome")
    recall: Final[int]
    outcome: Final[str]
    def __new__(cls, recall: int, outcome: str) -> ConnectResult: ...

@final
class Released:
    """Answer to :class:`Release`: both legs of the recall are gone."""

    __match_args__ = ("recall",)
    recall: Final[int]
    def __new__(cls, recall: int) -> Released: ...

@final
class Restarted:
    """The process that carried the recalls has started anew: recalls in progress are void and their
    attempts not used, and every line's state is unknown."""

    __match_args__ = ()
    def __new__(cls) -> Restarted: ...

Event: TypeAlias = (
    Line
    | LineRemoved
    | Service
    | LineBusy
    | LineFree
    | LineUnknown
    | LineRegistered
    | LineUnregistered
    | CallFailed
    | CallAnswered
    | Order
    | Cancel
    | Query
    | OperatorCancel
    | RingResult
    | PlayResult
    | ConnectResult
    | Released
    | Restarted
)

# --- replies and actions, re-exported by ccbs.actions ------------------------------------------------

@final
class Accepted:
    """The order was accepted.

    :param place: in the callee's queue, from 1.
    """

    __match_args__ = ("order", "callee", "place")
    order: Final[int]
    callee: Final[str]
    place: Final[int]
    def __new__(cls, order: int, callee: str, place: int) -> Accepted: ...

@final
class Confirmed:
    """The same order stands already; nothing about it changed.

    :param place: in the callee's queue, from 1.
    """

    __match_args__ = ("order", "callee", "place")
    order: Final[int]
    callee: Final[str]
    place: Final[int]
    def __new__(cls, order: int, callee: str, place: int) -> Confirmed: ...

@final
class Denied:
    """The order was refused; no order was made.

    :param denial: ``not-allowed``, ``no-offer``, ``own-number``, ``caller-limit``, ``callee-limit`` or
        ``overload``.
    :param short_term: whether trying again later may succeed (standards.md, "Rules").
    """

    __match_args__ = ("denial", "short_term")
    denial: Final[str]
    short_term: Final[bool]
    def __new__(cls, denial: str, short_term: bool) -> Denied: ...

@final
class Cancelled:
    """These orders were cancelled.

    :param orders: oldest first, never empty.
    """

    __match_args__ = ("orders",)
    orders: Final[tuple[int, ...]]
    def __new__(cls, orders: Sequence[int]) -> Cancelled: ...

@final
class NothingOrdered:
    """There was nothing to cancel, or nothing is ordered."""

    __match_args__ = ()
    def __new__(cls) -> NothingOrdered: ...

@final
class Ordered:
    """The caller's orders.

    :param callees: oldest first, never empty.
    """

    __match_args__ = ("callees",)
    callees: Final[tuple[str, ...]]
    def __new__(cls, callees: Sequence[str]) -> Ordered: ...

AnyReply: TypeAlias = Accepted | Confirmed | Denied | Cancelled | NothingOrdered | Ordered

@final
class Reply:
    """Answer a request.

    :param request: the number that came with the request.
    """

    __match_args__ = ("request", "reply")
    request: Final[int]
    reply: Final[AnyReply]
    def __new__(cls, request: int, reply: AnyReply) -> Reply: ...

@final
class Ring:
    """Call the caller's phone, showing the callee's number. Answered by :class:`RingResult`.

    :param timeout_ms: how long to ring.
    """

    __match_args__ = ("recall", "order", "caller", "callee", "timeout_ms")
    recall: Final[int]
    order: Final[int]
    caller: Final[str]
    callee: Final[str]
    timeout_ms: Final[int]
    def __new__(cls, recall: int, order: int, caller: str, callee: str, timeout_ms: int) -> Ring: ...

@final
class Play:
    """Play prompts, one after the other, to the caller. Answered by :class:`PlayResult`.

    :param play: which play of the recall, from 1; comes back in the answer.
    :param prompts: of ``activated``, ``callee-busy-again``, ``callee-no-answer``, ``attempts-used-up``.
    """

    __match_args__ = ("recall", "order", "play", "prompts")
    recall: Final[int]
    order: Final[int]
    play: Final[int]
    prompts: Final[tuple[str, ...]]
    def __new__(cls, recall: int, order: int, play: int, prompts: Sequence[str]) -> Play: ...

@final
class Connect:
    """Call the callee, showing the caller's number, and join the two. Answered by :class:`ConnectResult`.

    :param timeout_ms: how long to ring.
    """

    __match_args__ = ("recall", "order", "caller", "callee", "timeout_ms")
    recall: Final[int]
    order: Final[int]
    caller: Final[str]
    callee: Final[str]
    timeout_ms: Final[int]
    def __new__(cls, recall: int, order: int, caller: str, callee: str, timeout_ms: int) -> Connect: ...

@final
class Release:
    """End whatever the recall has: a call that rings, a prompt, a leg. Answered by :class:`Released`.

    :param reason: ``attempt-failed``, ``order-ended`` or ``overdue``.
    """

    __match_args__ = ("recall", "order", "reason")
    recall: Final[int]
    order: Final[int]
    reason: Final[str]
    def __new__(cls, recall: int, order: int, reason: str) -> Release: ...

@final
class Step:
    """A step in the life of an order, for logs and pages. Needs no answer.

    :param kind: ``accepted`` (with place, due, expires), ``suspended``, ``resumed``, ``attempt-began``
        (attempt, attempts), ``caller-answered``, ``callee-called``, ``attempt-failed`` (attempt,
        attempts, failure, due) or ``ended`` (reason); of profile ccbs also ``callee-busy``, ``callee-free``
        (due), ``polling`` (due) and ``turned-no-reply`` (expires).
    :param place: in the callee's queue, from 1.
    :param due: when the CB timer, the idle guard or the wait for the next try is over (Unix ms).
    :param expires: when the order's life is over (Unix ms).
    :param attempt: which, from 1, out of ``attempts`` (``None`` where only the order's life bounds them).
    :param failure: ``caller-no-answer``, ``caller-busy``, ``caller-declined``, ``caller-unreachable``,
        ``caller-gone``, ``callee-busy``, ``callee-no-answer``, ``callee-declined``,
        ``callee-unreachable``, ``switch-failed`` or ``not-tried`` (the attempt is not used).
    :param reason: one of standards.md, "Rules": ``completed``, ``attempts-exhausted``, ``expired``, …
    """

    __match_args__ = (
        "order",
        "caller",
        "callee",
        "kind",
        "place",
        "due",
        "expires",
        "attempt",
        "attempts",
        "failure",
        "reason",
    )
    order: Final[int]
    caller: Final[str]
    callee: Final[str]
    kind: Final[str]
    place: Final[int | None]
    due: Final[int | None]
    expires: Final[int | None]
    attempt: Final[int | None]
    attempts: Final[int | None]
    failure: Final[str | None]
    reason: Final[str | None]
    def __new__(
        cls,
        order: int,
        caller: str,
        callee: str,
        kind: str,
        place: int | None = None,
        due: int | None = None,
        expires: int | None = None,
        attempt: int | None = None,
        attempts: int | None = None,
        failure: str | None = None,
        reason: str | None = None,
    ) -> Step: ...

Action: TypeAlias = Reply | Ring | Play | Connect | Release | Step

# --- packed batches, re-exported by ccbs.packed -------------------------------------------------------

# Key for key what numpy.dtype takes, so that a checker knows it for that.
@type_check_only
class Layout(TypedDict):
    names: Sequence[str]
    formats: Sequence[Any]
    offsets: NotRequired[Sequence[int]]
    titles: NotRequired[Sequence[Any]]
    itemsize: NotRequired[int]
    aligned: NotRequired[bool]

# Arrays of NumPy are buffers, but say so to checkers only from Python 3.12 on.
@type_check_only
class Array(Protocol):
    @property
    def __array_struct__(self) -> object: ...

EVENT_DTYPE: Final[Layout]
"""Layout of a packed event, 24 bytes, as ``numpy.dtype`` takes it; docs/embedding.md has the table."""
ACTION_DTYPE: Final[Layout]
"""Layout of a packed action, 64 bytes, as ``numpy.dtype`` takes it; docs/embedding.md has the table."""
EVENT_FORMAT: Final[str]
"""Layout of a packed event as :mod:`struct` takes it."""
ACTION_FORMAT: Final[str]
"""Layout of a packed action as :mod:`struct` takes it."""
NO_LINE: Final[int]
"""In ``callee`` of a packed order or cancel: none is named."""
IN_NUMBERS: Final[int]
"""In ``caller`` or ``callee`` of a packed action: without this bit, the place in the numbers beside it."""
NO_TIME: Final[int]
"""In ``due`` of a packed step: there is none."""
EVENT_KINDS: Final[tuple[str, ...]]
"""The kinds of packed events; the first has number 1."""
ACTION_KINDS: Final[tuple[str, ...]]
"""The kinds of packed actions; the first has number 1."""
EVENT_CODES: Final[dict[str, tuple[str, ...]]]
"""What ``code`` means in events of a kind, by number from 0."""
ACTION_CODES: Final[dict[str, tuple[str, ...]]]
"""What ``code`` means in actions of a kind, by number from 0."""
ACTION_DETAILS: Final[dict[str, tuple[str, ...]]]
"""What ``detail`` means in ``denied``, ``attempt-failed`` and ``ended``, by number from 0."""

# --- what is -----------------------------------------------------------------------------------------

@final
class OrderView:
    """One order as it stands.

    :param kind: ``BS`` (busy), ``NR`` (no reply) or ``NL`` (not logged in).
    :param state: the word of its state in the transition table.
    :param place: in the callee's queue, from 1.
    :param attempt: how many attempts it has begun, out of ``attempts``.
    :param due: when the CB timer, idle guard or wait is over (Unix ms), while it runs.
    :param expires: when its life is over (Unix ms).
    """

    __match_args__ = (
        "order",
        "caller",
        "callee",
        "kind",
        "state",
        "place",
        "attempt",
        "attempts",
        "due",
        "expires",
    )
    order: Final[int]
    caller: Final[str]
    callee: Final[str]
    kind: Final[str]
    state: Final[str]
    place: Final[int]
    attempt: Final[int]
    attempts: Final[int | None]
    due: Final[int | None]
    expires: Final[int]
    def __new__(
        cls,
        order: int,
        caller: str,
        callee: str,
        kind: str,
        state: str,
        place: int,
        attempt: int,
        attempts: int | None,
        due: int | None,
        expires: int,
    ) -> OrderView: ...

@final
class LineView:
    """One line as the engine knows it.

    :param state: ``free``, ``busy`` or ``unknown``.
    :param in_recall: whether a recall holds it, in either role.
    :param registered: whether it has a registered phone; ``None`` when nobody can say.
    :param orders: how many orders it has placed.
    :param waiting: how many orders wait for it.
    """

    __match_args__ = ("line", "external", "state", "in_recall", "registered", "orders", "waiting")
    line: Final[str]
    external: Final[bool]
    state: Final[str]
    in_recall: Final[bool]
    registered: Final[bool | None]
    orders: Final[int]
    waiting: Final[int]
    def __new__(
        cls,
        line: str,
        external: bool,
        state: str,
        in_recall: bool,
        registered: bool | None,
        orders: int,
        waiting: int,
    ) -> LineView: ...

@final
class Engine:
    """Layer 0: the state machine itself, synchronous. Time is Unix milliseconds and only what you pass.

    Deterministic: the same calls give the same actions. Needs no event loop, no thread and no clock.
    """

    def __new__(cls, limits: Limits | None = None) -> Engine:
        """Make an engine that knows no line and holds no order.

        :param limits: limits of the whole engine; the defaults of :class:`Limits` when not given.
        """

    def line(self, number: str) -> int:
        """Return a number's handle, which packed events name its line by.

        The engine keeps the number for its life, so a handle never comes to mean another line: have handles
        given for lines of your own, not for whatever is dialled.

        :param number: known or not; a new one becomes an external line.
        :returns: the handle, below 2³⁰; the same for each call.
        :raises InvalidValue: no number of a line.
        """

    def handles(self, numbers: Sequence[str]) -> list[int]:
        """Return the handles of many numbers, in their order; see :meth:`line`.

        :param numbers: as many as you like.
        :raises InvalidValue: one of them is no number of a line; then none was given a handle.
        """

    def number(self, line: int) -> str:
        """Return the number of a handle.

        :param line: a handle that :meth:`line` or :meth:`handles` gave.
        :raises InvalidValue: any other number.
        """

    def apply(self, events: Sequence[Event] | Buffer | Array, now: int) -> list[Action]:
        """Fire the timers due at ``now``, apply the events in their order, and return what to do.

        A batch is taken whole or not at all, in either form: where an error is raised nothing was applied
        and no timer fired.

        :param events: any number, also none: to fire timers only. A sequence of events; or packed ones,
            that is any C-contiguous buffer of records of ``EVENT_DTYPE`` or of their bytes. ``bytes`` are
            read in place, anything else is copied first. Other threads run meanwhile.
        :param now: Unix time in milliseconds; a time before that of an earlier call counts as the
            earlier one (counter ``time_went_back``).
        :returns: what to do, in this order.
        :raises TypeError: ``events`` is neither a sequence of events nor a buffer.
        :raises InvalidValue: a buffer that is no row of records, or a record that is none; names the field,
            e.g. ``events[17].code``.
        """

    def apply_packed(
        self, events: Sequence[Event] | Buffer | Array, now: int
    ) -> tuple[bytes, tuple[str, ...]]:
        """As :meth:`apply`, with the actions packed.

        :returns: records of ``ACTION_DTYPE``, and the numbers of lines without a handle that they name.
        """

    def pack_events(self, events: Sequence[Event]) -> bytes:
        """Return events as packed records of ``EVENT_DTYPE``; nothing is applied.

        :param events: of lines that have a handle. A :class:`Service` with its profile and an
            :class:`OperatorCancel` have no packed form.
        :raises InvalidValue: names the event and its field, e.g. ``events[2].line``.
        """

    def unpack_actions(self, records: Buffer | Array, numbers: Sequence[str] = ()) -> list[Action]:
        """Return the actions of packed records, as :meth:`apply_packed` gave them.

        :param records: records of ``ACTION_DTYPE``, or their bytes.
        :param numbers: the numbers that came with them.
        :returns: the actions, in this order.
        :raises InvalidValue: names the record and its field, e.g. ``records[3].callee``.
        """

    def next_deadline(self) -> int | None:
        """Return when the next timer is due (Unix ms): call :meth:`apply` then, or earlier with events.

        :returns: the time, or ``None`` when no timer is set.
        """

    def snapshot(self) -> bytes:
        """Return the whole state, for :meth:`restore`."""

    @staticmethod
    def restore(snapshot: Buffer | Array) -> Engine:
        """Return an engine that goes on where the snapshot was taken.

        :param snapshot: what :meth:`snapshot` returned, here or in another process; any C-contiguous buffer.
        :raises SnapshotError: damaged, or of another format; with what to do.
        """

    def orders(self) -> list[OrderView]:
        """Return the orders that stand, oldest first."""

    def lines(self) -> list[LineView]:
        """Return the lines that are configured or referred to."""

    def counters(self) -> dict[str, int]:
        """Return what was counted since the engine was made, by name."""

@final
class StoreFile:
    """A store in an SQLite file: inputs, snapshots and notes.

    :param path: the file, made with mode 600 where there is none; ``PATH.lock`` beside it is held while it
        is in use.
    :param snapshot_records: records between two snapshots, at least 1: what a restart repeats at most.
    :param retention_s: how long records stay readable at least, unless there are too many (s).
    :param retention_records: how many records stay readable, and up to an eighth more.
    """

    __match_args__ = ("path", "snapshot_records", "retention_s", "retention_records")
    path: Final[Path]
    snapshot_records: Final[int]
    retention_s: Final[int]
    retention_records: Final[int]
    def __new__(
        cls,
        path: str | os.PathLike[str],
        snapshot_records: int = 10_000,
        retention_s: int = 86_400,
        retention_records: int = 1_000_000,
    ) -> StoreFile: ...

@final
class Recovered:
    """What a driver has found in its store.

    :param restarted: whether anything was kept.
    :param records: how many records were repeated after the newest snapshot.
    :param until: the time of the last one (Unix ms).
    :param orders: how many orders stand after the restart.
    :param behind_ms: by how much the clock is behind ``until`` (ms).
    """

    __match_args__ = ("restarted", "records", "until", "orders", "behind_ms")
    restarted: Final[bool]
    records: Final[int]
    until: Final[int]
    orders: Final[int]
    behind_ms: Final[int]
    def __new__(cls, restarted: bool, records: int, until: int, orders: int, behind_ms: int) -> Recovered: ...

@final
class Verified:
    """What a check of a store has found in order.

    :param snapshots: how many; each but the first was compared with the state that the records before it
        lead to.
    :param records: how many were repeated through the engine.
    :param notes: how many values other parts keep.
    :param orders: how many stand after the last record.
    :param since: the time of the first record (Unix ms); 0 without one.
    :param until: the time of the last record (Unix ms); 0 without one.
    """

    __match_args__ = ("snapshots", "records", "notes", "orders", "since", "until")
    snapshots: Final[int]
    records: Final[int]
    notes: Final[int]
    orders: Final[int]
    since: Final[int]
    until: Final[int]
    def __new__(
        cls, snapshots: int, records: int, notes: int, orders: int, since: int, until: int
    ) -> Verified: ...

def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a store, and no recording.

    :param path: the file; one that is not there is none.
    """

def verify_store(path: str | os.PathLike[str]) -> Verified:
    """Check a store, which may be in use: its pages, its sums, and that its records lead from snapshot to
    snapshot.

    :param path: the file.
    :raises StoreError: what is wrong first.
    """

def compact_store(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Give the room of what was removed back to the disk; the store must not be in use.

    :param path: the file.
    :returns: its bytes before and after.
    :raises StoreError: it is in use, damaged, or there is no room for the copy.
    """

def export_store(
    path: str | os.PathLike[str],
    write: Callable[[str], object],
    *,
    number: str | None = None,
    most: int | None = None,
) -> int:
    """Give the records of a store, which may be in use, as lines of JSON.

    :param path: the file.
    :param write: is called with some lines at a time, oldest first.
    :param number: only records that name it.
    :param most: only so many, the newest.
    :returns: how many there are, also those that ``most`` leaves out.
    :raises StoreError: it cannot be read.
    """

@final
class Driver:
    """The engine with a clock and a commit point, on a thread of its own.

    Events are stamped with the time, committed to the store (memory, or a file), and only then applied;
    actions wait to be drained. The thread never needs the interpreter. Not closed, it is closed when it is
    collected and at the interpreter's exit. After a fork the child must make its own: every method
    raises :class:`Closed` there.
    """

    def __new__(
        cls,
        limits: Limits | None = None,
        *,
        queue_limit: int = 65_536,
        record: str | os.PathLike[str] | None = None,
        store: StoreFile | None = None,
    ) -> Driver:
        """Start the thread.

        :param limits: limits of the whole engine.
        :param queue_limit: events that may wait to be applied, and actions that may wait to be drained;
            when so many wait, no more events are applied until :meth:`drain` is called. At least 1.
        :param record: a file that gets every committed input, mode 600, for :func:`explain`; an older
            recording there is kept as the same name with ``.1`` appended, anything else is refused. One that
            cannot go on (disk full) ends, is told by :meth:`recording_failure`, and disturbs no order.
        :param store: where inputs are kept so that orders outlive the process; ``None``: in memory. What it
            has kept is restored first, told that the process has started anew, and found in
            :meth:`recovered`. Held by one process at a time.
        :raises InvalidValue: ``queue_limit`` is below 1.
        :raises RecordingError: the file cannot be begun, or something else is there.
        :raises StoreError: the store is damaged, of another version, in use, or cannot be written.
        :raises CcbsError: the machine gave no thread or no descriptor.
        """

    def recovered(self) -> Recovered | None:
        """Return what was found in the store; ``None`` for a driver without one."""

    def notes(self, part: str) -> dict[str, bytes]:
        """Return what a part had noted before the driver was started, by key.

        :param part: whose notes.
        """

    def note(self, part: str, key: str, value: bytes | None) -> None:
        """Have a value kept with the store, soon and in the place of an earlier one of its key.

        :param part: whose it is.
        :param key: what it is about.
        :param value: the value; ``None`` forgets it.
        :raises Overload: too many notes wait.
        :raises Closed: the driver was closed, or has stopped because its store failed.
        """

    def store_trouble(self) -> str | None:
        """Return why the store keeps nothing at the moment, if it does not: there is no room, or another
        program holds it.

        Events wait meanwhile, and new orders are denied (``overload``).
        """

    def fileno(self) -> int:
        """Return an eventfd that is readable when :meth:`drain` has something, for ``loop.add_reader``.

        It belongs to the driver and is open until the driver is collected, also after :meth:`close`.
        """

    def submit(self, events: Sequence[Event] | Buffer | Array) -> None:
        """Offer a batch of events, which is taken whole or not at all, and return at once.

        :param events: in the order in which they happened: a sequence of events, or packed ones as
            :meth:`Engine.apply` takes them.
        :raises Overload: they do not fit into the queue; drain, then submit again.
        :raises Closed: the driver was closed, or has stopped because its store failed.
        :raises TypeError: ``events`` is neither a sequence of events nor a buffer.
        :raises InvalidValue: a buffer that is no row of records, or a record that is none; names the field,
            e.g. ``events[17].code``.
        """

    def line(self, number: str) -> int:
        """Return a number's handle, which packed events name its line by.

        The driver keeps the number for its life, so a handle never comes to mean another line: have handles
        given for lines of your own, not for whatever is dialled. It is an input like an event: committed
        after what was submitted before, and in the recording. This call waits for that, so it is for the
        start; for many numbers use :meth:`handles`.

        :param number: known or not; a new one becomes an external line.
        :returns: the handle, below 2³⁰; the same for each call.
        :raises InvalidValue: no number of a line.
        :raises Overload: so many actions wait to be drained that nothing goes in.
        :raises Closed: the driver was closed, or has stopped because its store failed.
        """

    def handles(self, numbers: Sequence[str]) -> list[int]:
        """Return the handles of many numbers, in their order, by one commit; see :meth:`line`.

        :param numbers: as many as you like.
        :raises InvalidValue: one of them is no number of a line; then none was given a handle.
        :raises Overload: so many actions wait to be drained that nothing goes in.
        :raises Closed: the driver was closed, or has stopped because its store failed.
        """

    def number(self, line: int) -> str:
        """Return the number of a handle.

        :param line: a handle that :meth:`line` or :meth:`handles` gave.
        :raises InvalidValue: any other number.
        """

    def drain(self) -> list[Action]:
        """Take all actions that are out, oldest first, and make the eventfd unreadable.

        :returns: the actions; empty when there are none at the moment.
        :raises Closed: the driver was closed, or has stopped because its store failed, and everything was
            drained.
        """

    def drain_packed(self) -> tuple[bytes, tuple[str, ...]]:
        """As :meth:`drain`, with the actions packed.

        :returns: records of ``ACTION_DTYPE``, and the numbers of lines without a handle that they name.
        :raises Closed: as :meth:`drain` does.
        """

    def unpack_actions(self, records: Buffer | Array, numbers: Sequence[str] = ()) -> list[Action]:
        """Return the actions of packed records, as :meth:`drain_packed` gave them.

        :param records: records of ``ACTION_DTYPE``, or their bytes.
        :param numbers: the numbers that came with them.
        :returns: the actions, in this order.
        :raises InvalidValue: names the record and its field, e.g. ``records[3].callee``.
        """

    def orders(self) -> list[OrderView]:
        """Return the orders that stand, oldest first; also after :meth:`close`."""

    def lines(self) -> list[LineView]:
        """Return the lines that are configured or referred to; also after :meth:`close`."""

    def counters(self) -> dict[str, int]:
        """Return the counts of the engine, of the driver (``driver_…``) and of a recording
        (``recording_records``, ``recording_bytes``, ``recording_lost``); also after :meth:`close`.
        """

    def recording_failure(self) -> str | None:
        """Return why the recording ended before the driver, in a sentence; ``None`` when it did not."""

    def close(self) -> None:
        """Apply what was submitted, end the thread, and take no more events.

        What is then out can still be drained. A second call does nothing.
        """

# --- stories and simulation -------------------------------------------------------------------------

@final
class Sentence:
    """One thing that happened to an order, at ``at`` (Unix ms)."""

    __match_args__ = ("at", "text")
    at: Final[int]
    text: Final[str]
    def __new__(cls, at: int, text: str) -> Sentence: ...

@final
class Story:
    """The life of one order, out of a recording; its sentences oldest first."""

    __match_args__ = ("order", "caller", "callee", "sentences")
    order: Final[int]
    caller: Final[str]
    callee: Final[str]
    sentences: Final[tuple[Sentence, ...]]
    def __new__(cls, order: int, caller: str, callee: str, sentences: Sequence[Sentence]) -> Story: ...

@final
class Stories:
    """What a recording tells.

    :param stories: oldest order first.
    :param left_out: how many older orders of the number were left out.
    :param records: how many records were read.
    :param until: when the last of them was (Unix ms).
    :param torn_bytes: how many bytes at the end belong to a record that was not written to its end;
        ``None`` when there is none.
    """

    __match_args__ = ("stories", "left_out", "records", "until", "torn_bytes")
    stories: Final[tuple[Story, ...]]
    left_out: Final[int]
    records: Final[int]
    until: Final[int]
    torn_bytes: Final[int | None]
    def __new__(
        cls, stories: Sequence[Story], left_out: int, records: int, until: int, torn_bytes: int | None
    ) -> Stories: ...

def explain(
    path: str | os.PathLike[str],
    *,
    order: int | None = None,
    number: str | None = None,
    most: int = 1000,
) -> Stories:
    """Tell the life of an order, or of each order by or for a number, out of a recording.

    :param path: what ``ccbs serve --record`` or ``Driver(record=…)`` wrote. One that is being written is
        read to its last whole record.
    :param order: the order's identity.
    :param number: a subscriber's or an external number; give this or ``order``.
    :param most: how many orders of the number are told, the newest.
    :raises RecordingError: no recording, a damaged one, or it has no such order or number.
    :raises InvalidValue: not exactly one of ``order`` and ``number``.
    """

def simulate(settings: Sequence[tuple[str, str]]) -> str:
    """Run a simulated office on virtual time; see :func:`ccbs.simulate`.

    :param settings: names and values.
    :returns: the report as JSON; the same settings give the same text, byte for byte.
    :raises InvalidValue: no such setting, or a value outside its range.
    :raises CcbsError: the engine broke one of its rules; the message names the seed.
    """

def simulate_check(settings: Sequence[tuple[str, str]]) -> None:
    """Check the settings of an office without running it.

    :param settings: names and values.
    :raises InvalidValue: no such setting, or a value outside its range.
    """

def simulate_names(profile: str) -> list[str]:
    """Return the names of all settings that an office of a profile has.

    :param profile: ``autodial`` or ``ccbs``.
    :raises InvalidValue: another.
    """

def simulate_settings() -> list[tuple[str, str, str, str, str]]:
    """Return the settings of an office, those of both profiles: name, default, least, most, what it is."""

# --- SIP: see sip/src/api.rs for what each command and event means ----------------------------------

Cause: TypeAlias = tuple[str, int | None]
"""Why a leg ended or failed: ``("status", 486)`` the far side's final status, ``("refused", 486)`` our own,
``("remote", None)`` the far side hung up, ``("local", None)`` we did, ``("peer", None)`` what it was
joined to ended, ``("timeout", None)`` the far side fell silent, ``("transferred", None)`` its
peer went to somebody else on its own wish."""

@final
class Incoming:
    """A phone or trunk begins a call; to be answered by ``reject``, ``dial`` or ``answer``.

    :param from_trunk: the trunk's name; ``None`` when the subscriber ``number`` calls, authenticated.
    :param number: the calling number: the subscriber's own, or what the trunk says.
    :param display: the calling name, if any.
    :param dialled: user part of the Request-URI, unescaped (``%23`` is ``#``).
    """

    __match_args__ = ("leg", "from_trunk", "number", "display", "dialled", "call_id")
    leg: Final[int]
    from_trunk: Final[str | None]
    number: Final[str]
    display: Final[str | None]
    dialled: Final[str]
    call_id: Final[str]
    def __new__(
        cls,
        leg: int,
        from_trunk: str | None,
        number: str,
        display: str | None,
        dialled: str,
        call_id: str,
    ) -> Incoming: ...

@final
class Ringing:
    """The far side of a ``ring`` (or of the callee of a ``dial`` or ``connect``) rings."""

    __match_args__ = ("leg",)
    leg: Final[int]
    def __new__(cls, leg: int) -> Ringing: ...

@final
class Answered:
    """A ``ring`` was answered by the phone, or an ``answer`` was acknowledged."""

    __match_args__ = ("leg",)
    leg: Final[int]
    def __new__(cls, leg: int) -> Answered: ...

@final
class Bridged:
    """A ``dial`` or ``connect`` succeeded: the two talk.

    :param peer: the callee's leg.
    """

    __match_args__ = ("leg", "peer")
    leg: Final[int]
    peer: Final[int]
    def __new__(cls, leg: int, peer: int) -> Bridged: ...

@final
class ConnectFailed:
    """A ``connect`` failed; the leg is up, with our media."""

    __match_args__ = ("leg", "cause")
    leg: Final[int]
    cause: Final[Cause]
    def __new__(cls, leg: int, cause: Cause) -> ConnectFailed: ...

@final
class Diverted:
    """The phone of a callee diverts the call (3xx); to be answered as before, with the way to this number.

    :param leg: the leg named in ``dial``, ``connect`` or ``transfer``; doing nothing after ``connect`` is
        giving up.
    :param dialled: the number it shall go to, unescaped.
    """

    __match_args__ = ("leg", "dialled")
    leg: Final[int]
    dialled: Final[str]
    def __new__(cls, leg: int, dialled: str) -> Diverted: ...

@final
class Played:
    """A ``play`` ended.

    :param token: what ``play`` returned.
    :param outcome: ``finished``, ``stopped`` or ``failed``.
    """

    __match_args__ = ("leg", "token", "outcome")
    leg: Final[int]
    token: Final[int]
    outcome: Final[str]
    def __new__(cls, leg: int, token: int, outcome: str) -> Played: ...

@final
class Transfer:
    """A phone wants its peer transferred (RFC 3515); to be answered by ``transfer`` or ``reject_transfer``.

    :param leg: the leg to be transferred.
    :param by: the leg of the transferor.
    :param dialled: the number it shall go to, unescaped.
    """

    __match_args__ = ("leg", "by", "dialled")
    leg: Final[int]
    by: Final[int]
    dialled: Final[str]
    def __new__(cls, leg: int, by: int, dialled: str) -> Transfer: ...

@final
class Transferred:
    """A transfer succeeded: the leg and its new peer talk. An attended one has no other event.

    :param leg: the leg that was transferred.
    :param by: the leg of the transferor; ``None`` when it has hung up.
    :param peer: the leg it talks to now.
    :param number: the number of ``leg``: the calling one of a leg that called us, else the called one.
    :param peer_number: the number of ``peer``.
    """

    __match_args__ = ("leg", "by", "peer", "number", "peer_number")
    leg: Final[int]
    by: Final[int | None]
    peer: Final[int]
    number: Final[str]
    peer_number: Final[str]
    def __new__(cls, leg: int, by: int | None, peer: int, number: str, peer_number: str) -> Transferred: ...

@final
class TransferFailed:
    """A transfer failed; the leg and the transferor talk on.

    :param leg: the leg that was to be transferred.
    :param cause: why.
    :param alone: the transferor has hung up: ``transfer``, ``reject_transfer`` or ``release`` the leg.
    """

    __match_args__ = ("leg", "cause", "alone")
    leg: Final[int]
    cause: Final[Cause]
    alone: Final[bool]
    def __new__(cls, leg: int, cause: Cause, alone: bool) -> TransferFailed: ...

@final
class Ended:
    """A leg is gone; exactly one for each leg."""

    __match_args__ = ("leg", "cause")
    leg: Final[int]
    cause: Final[Cause]
    def __new__(cls, leg: int, cause: Cause) -> Ended: ...

@final
class LineLegs:
    """A subscriber's number of calls became more or less; ringing ones count too."""

    __match_args__ = ("number", "legs")
    number: Final[str]
    legs: Final[int]
    def __new__(cls, number: str, legs: int) -> LineLegs: ...

@final
class Registration:
    """A subscriber's phones changed.

    :param contacts: how many are registered now and can be reached (``qualify_s``).
    """

    __match_args__ = ("number", "contacts")
    number: Final[str]
    contacts: Final[int]
    def __new__(cls, number: str, contacts: int) -> Registration: ...

@final
class Bindings:
    """What is to be kept of a subscriber's registrations; only with ``keep_bindings=True``.

    :param bindings: for :meth:`SipEndpoint.restore_bindings`; empty when there are none.
    """

    __match_args__ = ("number", "bindings")
    number: Final[str]
    bindings: Final[str]
    def __new__(cls, number: str, bindings: str) -> Bindings: ...

@final
class TrunkRegistration:
    """A REGISTER of ours at a trunk had an outcome.

    :param registered: whether we are registered there now.
    :param status: the final status; 408 when nobody answered, 503 when it could not be sent.
    :param again_ms: how long until the next REGISTER, in milliseconds.
    """

    __match_args__ = ("trunk", "registered", "status", "again_ms")
    trunk: Final[str]
    registered: Final[bool]
    status: Final[int]
    again_ms: Final[int]
    def __new__(cls, trunk: str, registered: bool, status: int, again_ms: int) -> TrunkRegistration: ...

@final
class Trace:
    """A SIP message as it went over the wire; only with ``trace=True``.

    :param at_us: Unix time in microseconds.
    :param sent: whether we sent it.
    :param local: our address and port.
    :param remote: the far address and port.
    """

    __match_args__ = ("at_us", "sent", "local", "remote", "message")
    at_us: Final[int]
    sent: Final[bool]
    local: Final[tuple[str, int]]
    remote: Final[tuple[str, int]]
    message: Final[bytes]
    def __new__(
        cls,
        at_us: int,
        sent: bool,
        local: tuple[str, int],
        remote: tuple[str, int],
        message: bytes,
    ) -> Trace: ...

SipEvent: TypeAlias = (
    Incoming
    | Ringing
    | Answered
    | Bridged
    | ConnectFailed
    | Diverted
    | Played
    | Transfer
    | Transferred
    | TransferFailed
    | Ended
    | LineLegs
    | Registration
    | Bindings
    | TrunkRegistration
    | Trace
)

@final
class SipEndpoint:
    """A SIP switch on a thread of its own; commands return at once, events come by :meth:`drain`.

    Every command may raise :class:`Closed` (closed, or of the process before a fork) and
    :class:`Overload` (the queue of commands is full). A command for a leg that is gone is no error: its
    ``Ended`` has said so. Not closed, it is closed when it is collected and at the interpreter's exit.
    """

    def __new__(
        cls,
        *,
        listen: tuple[str, int],
        realm: str,
        advertise: str | None = None,
        transports: Sequence[str] = ("udp", "tcp"),
        also: Sequence[tuple[str, int, str | None, Sequence[str]]] = (),
        rtp_ports: tuple[int, int] = (16_384, 32_766),
        user_agent: str = "ccbs",
        trace: bool = False,
        late_offer: bool = False,
        keep_bindings: bool = False,
        sockets: Sequence[int] = (),
        events: int = 65_536,
        commands: int = 65_536,
        datagrams: int = 16_384,
        connections: int = 8_192,
        connections_per_address: int = 1_024,
        message_kib: int = 64,
        message_s: int = 10,
        connection_idle_s: int = 600,
        connection_probe_s: int = 60,
        connect_ms: int = 4_000,
        write_queue_kib: int = 256,
        write_stall_s: int = 20,
        receive_buffer_kib: int = 4_096,
        legs: int = 20_000,
        transactions: int = 400_000,
        lag_ms: int = 500,
        lag_waiting: int = 100,
        retry_after_s: int = 5,
        forks: int = 10,
        contacts: int = 10,
        min_expires_s: int = 30,
        default_expires_s: int = 3_600,
        max_expires_s: int = 7_200,
        probe_s: int = 300,
        qualify_s: int = 0,
        qualifies_per_second: int = 100,
        session_s: int = 1_800,
        diversions: int = 5,
        lamps: int = 10_000,
        lamps_each: int = 200,
        lamp_apart_ms: int = 500,
        decision_s: int = 10,
        t1_ms: int = 500,
        t2_ms: int = 4_000,
        t4_ms: int = 5_000,
        nonce_life_s: int = 300,
        nonces: int = 100_000,
        guesses: int = 20,
        guess_window_s: int = 60,
        guess_sources: int = 10_000,
        streams: int = 2_000,
        prompt_s: int = 60,
        close_ms: int = 1_000,
    ) -> SipEndpoint:
        """Listen and start.

        :param listen: IP address and port; port 0 takes a free one, see :attr:`local_address`.
        :param realm: of the digest (RFC 7616 §3.3); HA1s are made with it.
        :param advertise: IP address to write into Via, Contact and SDP, where ``listen`` is not what
            others see.
        :param transports: ``udp``, ``tcp`` or both, on the one port.
        :param also: further addresses, for instance of IPv6, at most 15: each with its port, the address
            to advertise or ``None``, and its transports. Phones of any of them can call each other.
        :param rtp_ports: first and last UDP port for prompts; RTP takes the even ones (RFC 3550 §11).
        :param user_agent: value of the header fields User-Agent and Server.
        :param trace: whether every SIP message comes as a :class:`Trace` as well.
        :param late_offer: whether ``ring`` calls without a description, so that the phone offers all it can
            and wideband codecs are kept (RFC 3725 §4.3).
        :param keep_bindings: whether registrations come as :class:`Bindings`, to be kept.
        :param sockets: file descriptors of sockets that are bound already, UDP sockets and TCP listeners in
            any order: each takes the place of the one that would have been bound to its address. They are
            duplicated; the given ones stay the caller's.
        :param events: events that may wait to be drained, 1–10,000,000.
        :param commands: commands that may wait, 1–10,000,000; one more raises :class:`Overload`.
        :param datagrams: received datagrams that may wait, 16–1,000,000; more are shed and counted.
        :param connections: TCP connections that others began, at once, 1–1,000,000; more are refused.
        :param connections_per_address: the same of one address (IPv6: of one /64).
        :param message_kib: longest message over TCP, 4–1,024 KiB; a longer one ends its connection.
        :param message_s: how long a message over TCP may take to arrive, and a new connection to bring
            its first, 1–300 s.
        :param connection_idle_s: how long a connection that no phone is registered over and no call needs
            may be silent, 10–86,400 s.
        :param connection_probe_s: how long a connection may be silent before the system asks whether the
            far side is still there, 10–7,200 s.
        :param connect_ms: how long opening a connection may take, 100–30,000 ms.
        :param write_queue_kib: what may wait to be written to one connection, 64–65,536 KiB; one that
            reads too slowly is closed.
        :param write_stall_s: how long it may wait while the far side reads nothing, 1–300 s.
        :param receive_buffer_kib: receive buffer asked of the kernel, 64–1,048,576 KiB.
        :param legs: legs at once, 1–1,000,000; an INVITE beyond is answered 503.
        :param transactions: transactions at once, 16–10,000,000; a request beyond is shed and
            counted. When seven of eight are taken, new calls are answered 503.
        :param lag_ms: how long the oldest received datagram or undrained event may have waited,
            10–60,000 ms; above it new calls are answered 503 with Retry-After, until the lag is half of it.
        :param lag_waiting: how many must wait besides, 1–10,000,000.
        :param retry_after_s: the least that a caller who gets that 503 is told to wait, 1–3,600 s; by chance
            up to twice as long, so that not all come back at once.
        :param forks: phones of one subscriber that ring together, 1–100.
        :param contacts: phones of one subscriber that may be registered, 1–100; one more takes the
            place of the one refreshed longest ago.
        :param min_expires_s: shortest registration, 1–3,600 s; less is answered 423.
        :param default_expires_s: what a REGISTER without Expires gets, 1–86,400 s; from
            ``min_expires_s`` to ``max_expires_s``.
        :param max_expires_s: longest registration, 1–86,400 s; more is cut to it.
        :param probe_s: how often the phone of a call is asked whether it is still in it, 0–86,400 s;
            0 is never.
        :param qualify_s: how often a registered phone is asked by OPTIONS whether it can be reached,
            0–86,400 s; one that does not answer is not called and does not count as registered until it is
            heard of again. 0 is never.
        :param qualifies_per_second: most phones that are so asked in a second, 1–10,000; more wait.
        :param session_s: the session timer that is asked for (RFC 4028), 0–86,400 s; less than 90 is 90, 0 is
            none. Half of it is how often the phone of a call is refreshed.
        :param diversions: how often a call may be diverted by 3xx before it fails, 0–20.
        :param lamps: busy lamps (subscriptions to ``Event: dialog``, RFC 4235) at once, 0–1,000,000.
        :param lamps_each: busy lamps of one subscriber, 0–10,000.
        :param lamp_apart_ms: shortest time between two NOTIFYs of one busy lamp, 0–60,000 ms.
        :param decision_s: how long an :class:`Incoming` may go unanswered, 1–300 s; then the caller
            gets 500.
        :param t1_ms: RFC 3261 T1, 50–2,000 ms; 64 of it are waited for an answer.
        :param t2_ms: RFC 3261 T2, longest wait between repeats, 50–32,000 ms; not below T1.
        :param t4_ms: RFC 3261 T4, how long a message may be under way, 50–32,000 ms.
        :param nonce_life_s: how long a digest nonce is good, 10–86,400 s.
        :param nonces: digest nonces in use that are remembered, against replays, 100–10,000,000.
        :param guesses: refused credentials that one address (IPv6: one /64) may send in
            ``guess_window_s``, 1–1,000,000; then all its credentials are refused unread until that is over.
        :param guess_window_s: the time in which they are counted, 1–86,400 s.
        :param guess_sources: addresses whose refused credentials are counted, 16–10,000,000.
        :param streams: streams of prompts and ringback at once, 1–16,384.
        :param prompt_s: longest prompt, 1–80 s.
        :param close_ms: how long :meth:`close` waits for phones to answer, 0–5,000 ms.
        :raises ListenError: the port is in use, or not permitted, or the address is not this machine's.
        :raises InvalidValue: an argument outside its range, no IP address, or a socket of another address.
        """

    @property
    def local_address(self) -> tuple[str, int]:
        """IP address and port that it listens on."""

    @property
    def local_addresses(self) -> list[tuple[str, int]]:
        """Every IP address and port that it listens on: that of ``listen``, then those of ``also``."""

    @property
    def limits(self) -> dict[str, int]:
        """The limits in force, by the names of the arguments."""

    def fileno(self) -> int:
        """Return an eventfd that is readable when :meth:`drain` has something, for ``loop.add_reader``.

        It belongs to the endpoint and is open until the endpoint is collected, also after :meth:`close`.
        """

    def drain(self) -> list[SipEvent]:
        """Take all events that wait, oldest first, and make the eventfd unreadable."""

    def set_subscriber(
        self, number: str, *, ha1_md5: str | None, ha1_sha256: str | None, capacity: int
    ) -> None:
        """Add or change a subscriber; its registrations stay.

        :param number: also the digest's user name and the user part of the address of record.
        :param ha1_md5: hex of MD5(number:realm:password), if this algorithm may be used (RFC 7616
            §3.4.2).
        :param ha1_sha256: the same with SHA-256.
        :param capacity: calls at once, 1–65,535; 1 is call waiting off.
        :raises InvalidValue: a digest that is not hex of the right length, or neither given; a capacity
            of 0.
        """

    def remove_subscriber(self, number: str) -> None:
        """Remove a subscriber: its registrations go and its calls end."""

    def restore_bindings(self, number: str, bindings: str) -> None:
        """Put registrations in place that an earlier process kept; those that have ended are left out.

        Comes back as a :class:`Registration`.

        :param number: the subscriber's.
        :param bindings: what :class:`Bindings` had.
        """

    def set_trunk(
        self,
        name: str,
        *,
        address: tuple[str, int],
        username: str | None = None,
        password: str | None = None,
        trusted: bool = False,
        transport: str = "udp",
        register: tuple[str, int] | None = None,
    ) -> None:
        """Add or change a trunk.

        :param address: IP address and port; requests from this IP address, any port, are from this trunk.
        :param username: for its digest challenges, together with ``password``.
        :param trusted: whether its P-Asserted-Identity is believed (RFC 3325); ours is sent to it in any
            case.
        :param transport: ``udp`` or ``tcp``: over what requests go; they may come over either.
        :param register: to register there under ``username`` (RFC 3261 §10.2): the host part of the
            address of record, and for how long, 60–86,400 s. Its outcomes come as
            :class:`TrunkRegistration`.
        :raises InvalidValue: no IP address, or only one of ``username`` and ``password``.
        """

    def remove_trunk(self, name: str) -> None:
        """Remove a trunk; its calls go on."""

    def load_prompt(self, name: str, wav: bytes) -> float:
        """Make a prompt playable; a prompt of this name is replaced.

        :param name: for :meth:`play`.
        :param wav: a WAV file of any rate, converted to mono and 8 kHz.
        :returns: its length in seconds.
        :raises InvalidPrompt: it cannot be played, with the reason.
        """

    def reject(self, leg: int, status: int) -> None:
        """Refuse an incoming leg. Answered by :class:`Ended`.

        :param status: SIP status, 300–699.
        :raises InvalidValue: outside the range.
        """

    def dial(
        self,
        leg: int,
        number: str,
        *,
        trunk: str | None = None,
        shown_number: str,
        shown_name: str | None = None,
        timeout_s: float,
    ) -> None:
        """Call on behalf of an incoming leg and join the two. Answered by :class:`Bridged` or :class:`Ended`.

        :param leg: the incoming leg.
        :param number: a subscriber, or with ``trunk`` what to ask the trunk for.
        :param trunk: the trunk's name.
        :param shown_number: what the callee's display shows (From, P-Asserted-Identity).
        :param shown_name: the same, the name.
        :param timeout_s: how long it may ring, in seconds, above 0.
        """

    def answer(self, leg: int) -> None:
        """Answer an incoming leg with our own media. Answered by :class:`Answered` or :class:`Ended`."""

    def ring(
        self,
        number: str,
        *,
        trunk: str | None = None,
        shown_number: str,
        shown_name: str | None = None,
        timeout_s: float,
    ) -> int:
        """Call with our own media, as a recall begins. Answered by :class:`Answered` or :class:`Ended`.

        The arguments are those of :meth:`dial`.

        :returns: the new leg.
        """

    def play(self, leg: int, prompts: Sequence[str]) -> int:
        """Play prompts, one after the other, on an answered leg. Answered by :class:`Played`.

        :param prompts: names given to :meth:`load_prompt`.
        :returns: the token of the answer.
        """

    def stop_play(self, leg: int) -> None:
        """End a play in progress, if any."""

    def connect(
        self,
        leg: int,
        number: str,
        *,
        trunk: str | None = None,
        shown_number: str,
        shown_name: str | None = None,
        timeout_s: float,
    ) -> None:
        """Call the number for an answered leg with our media and join the two by re-INVITE (RFC 3725 §4.4).

        Answered by :class:`Bridged`, :class:`ConnectFailed` (the leg is up) or :class:`Ended`. The
        arguments are those of :meth:`dial`.
        """

    def stop_connect(self, leg: int) -> None:
        """Give up a connect. Answered by :class:`ConnectFailed`, or :class:`Bridged` if that won."""

    def transfer(
        self,
        leg: int,
        number: str,
        *,
        trunk: str | None = None,
        shown_number: str,
        shown_name: str | None = None,
        timeout_s: float,
    ) -> None:
        """Say where a leg goes whose peer's phone wants it transferred (:class:`Transfer`).

        Answered by :class:`Transferred`, :class:`TransferFailed` or :class:`Ended`. The arguments are those
        of :meth:`dial`.
        """

    def reject_transfer(self, leg: int, status: int) -> None:
        """Refuse a transfer; the two talk on. Answered by :class:`TransferFailed` or :class:`Ended`.

        :param status: what the transferor is told, 300–699.
        :raises InvalidValue: outside the range.
        """

    def release(self, leg: int, cause: int | None = None) -> None:
        """End a leg in any state, and what is joined to it. Answered by :class:`Ended`.

        :param cause: SIP status for the Reason header field of BYE or CANCEL (RFC 3326), 300–699.
        :raises InvalidValue: outside the range.
        """

    def counters(self) -> dict[str, int]:
        """Return what was counted since the start, by name."""

    def close(self) -> None:
        """End all calls, stop listening and end the thread. A second call does nothing."""

def prompt_seconds(wav: bytes, *, prompt_s: int = 60) -> float:
    """Decode a WAV file as :meth:`SipEndpoint.load_prompt` does.

    :param wav: the whole file.
    :param prompt_s: longest prompt, 1–80 s.
    :returns: its length in seconds.
    :raises InvalidPrompt: it cannot be played, with the reason.
    """

def build_info() -> dict[str, str]:
    """Return ``version``, ``profile`` (``debug`` or ``release``) and ``compiler`` of this module."""
