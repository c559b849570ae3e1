"""The compiled part of ccbs: the engine, its driver, the SIP endpoint."""

from collections.abc import Sequence
from typing import final

class CcbsError(Exception):
    """Base of every error that the compiled part raises."""

class InvalidValue(CcbsError, ValueError):
    """A value outside its range; the message names the field, the value and the range."""

    field: str

class SnapshotError(CcbsError, ValueError):
    """A snapshot that cannot be restored."""

class Overload(CcbsError):
    """A bounded queue is full; what was offered was not taken."""

class Closed(CcbsError):
    """The driver or endpoint was closed, or belongs to the process before a fork."""

class ListenError(CcbsError, OSError):
    """The endpoint could not listen: the port is in use or not permitted."""

class InvalidPrompt(CcbsError, ValueError):
    """A WAV file that cannot be played."""

# --- profiles and limits (standards.md, "Settings") -----------------------------------------------

@final
class Profile:
    """The service of one subscriber as orderer; frozen."""

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
        service_duration_s: int = 2700,
        orders_per_caller: int = 5,
        waiting_per_callee: int = 5,
    ) -> Profile: ...

@final
class Limits:
    """Limits of the whole engine; frozen."""

    def __new__(
        cls,
        *,
        orders_total: int = 100_000,
        recalls_at_once: int = 500,
        recalls_per_second: int = 100,
        offers_per_caller: int = 8,
    ) -> Limits: ...

# --- events: frozen, positional or keyword, re-exported by ccbs.events -----------------------------
# `line`, `caller`, `callee` are numbers.

@final
class Line:
    def __new__(cls, line: str, external: bool = False) -> Line: ...

@final
class LineRemoved:
    def __new__(cls, line: str) -> LineRemoved: ...

@final
class Service:
    def __new__(cls, line: str, profile: Profile | None) -> Service: ...

@final
class LineBusy:
    def __new__(cls, line: str) -> LineBusy: ...

@final
class LineFree:
    def __new__(cls, line: str) -> LineFree: ...

@final
class LineUnknown:
    def __new__(cls, line: str) -> LineUnknown: ...

@final
class CallFailed:
    # cause: "busy" | "no-reply" | "not-logged-in"
    def __new__(cls, caller: str, callee: str, cause: str = "busy") -> CallFailed: ...

@final
class CallAnswered:
    def __new__(cls, caller: str, callee: str) -> CallAnswered: ...

@final
class Order:
    def __new__(cls, request: int, caller: str, callee: str | None = None) -> Order: ...

@final
class Cancel:
    def __new__(cls, request: int, caller: str, callee: str | None = None) -> Cancel: ...

@final
class Query:
    def __new__(cls, request: int, caller: str) -> Query: ...

@final
class OperatorCancel:
    def __new__(cls, request: int, order: int) -> OperatorCancel: ...

@final
class RingResult:
    # outcome: "answered" or a value of ccbs.RingOutcome
    def __new__(cls, recall: int, outcome: str) -> RingResult: ...

@final
class PlayResult:
    # outcome: "played" | "caller-gone" | "failed"
    def __new__(cls, recall: int, outcome: str) -> PlayResult: ...

@final
class ConnectResult:
    # outcome: a value of ccbs.ConnectOutcome
    def __new__(cls, recall: int, outcome: str) -> ConnectResult: ...

@final
class Released:
    def __new__(cls, recall: int) -> Released: ...

@final
class Restarted:
    def __new__(cls) -> Restarted: ...

Event = (
    Line | LineRemoved | Service | LineBusy | LineFree | LineUnknown | CallFailed | CallAnswered
    | Order | Cancel | Query | OperatorCancel | RingResult | PlayResult | ConnectResult | Released | Restarted
)

# --- replies and actions: frozen, with __match_args__, re-exported by ccbs.actions ------------------

@final
class Accepted:
    order: int
    callee: str
    place: int

@final
class Confirmed:
    order: int
    callee: str
    place: int

@final
class Denied:
    denial: str  # "not-allowed" | "no-offer" | "own-number" | "caller-limit" | "callee-limit" | "overload"
    short_term: bool

@final
class Cancelled:
    orders: tuple[int, ...]

@final
class NothingOrdered: ...

@final
class Ordered:
    callees: tuple[str, ...]

AnyReply = Accepted | Confirmed | Denied | Cancelled | NothingOrdered | Ordered

@final
class Reply:
    request: int
    reply: AnyReply

@final
class Ring:
    recall: int
    order: int
    caller: str
    callee: str
    timeout_ms: int

@final
class Play:
    recall: int
    order: int
    prompts: tuple[str, ...]  # "activated" | "callee-busy-again" | "callee-no-answer" | "attempts-used-up"

@final
class Connect:
    recall: int
    order: int
    caller: str
    callee: str
    timeout_ms: int

@final
class Release:
    recall: int
    order: int
    reason: str  # "attempt-failed" | "order-ended" | "overdue"

@final
class Step:
    order: int
    caller: str
    callee: str
    # "accepted" | "suspended" | "resumed" | "attempt-began" | "caller-answered" | "callee-called"
    # | "attempt-failed" | "ended"
    kind: str
    place: int | None
    due: int | None  # Unix ms
    expires: int | None  # Unix ms
    attempt: int | None
    attempts: int | None
    failure: str | None  # "caller-no-answer", "callee-busy", …
    reason: str | None  # "completed", "attempts-exhausted", … (standards.md, "Rules")

Action = Reply | Ring | Play | Connect | Release | Step

@final
class OrderView:
    order: int
    caller: str
    callee: str
    state: str
    place: int
    attempt: int
    attempts: int
    due: int | None  # Unix ms
    expires: int  # Unix ms

@final
class LineView:
    line: str
    external: bool
    state: str  # "free" | "busy" | "unknown"
    in_recall: bool
    orders: int
    waiting: int

@final
class Engine:
    """Layer 0: the state machine itself, synchronous. Time is Unix milliseconds and only what you pass."""

    def __new__(cls, limits: Limits | None = None) -> Engine: ...
    def apply(self, events: Sequence[Event], now: int) -> list[Action]: ...
    def next_deadline(self) -> int | None: ...
    def snapshot(self) -> bytes: ...
    @staticmethod
    def restore(snapshot: bytes) -> Engine: ...
    def orders(self) -> list[OrderView]: ...
    def lines(self) -> list[LineView]: ...
    def counters(self) -> dict[str, int]: ...

@final
class Driver:
    """The engine with a clock and a commit point, on a thread of its own."""

    def __new__(cls, limits: Limits | None = None, *, queue_limit: int = 65_536) -> Driver: ...
    def fileno(self) -> int: ...  # eventfd, readable when drain() has something
    def submit(self, events: Sequence[Event]) -> None: ...
    def drain(self) -> list[Action]: ...
    def orders(self) -> list[OrderView]: ...
    def lines(self) -> list[LineView]: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...

# --- SIP: see sip/src/api.rs for what each command and event means ----------------------------------
# cause: ("status", 486) | ("refused", 486) | ("remote", None) | ("local", None) | ("peer", None) | ("timeout", None)

Cause = tuple[str, int | None]

@final
class Incoming:
    leg: int
    from_trunk: str | None  # the trunk's name; None: from the subscriber `number`
    number: str
    display: str | None
    dialled: str
    call_id: str

@final
class Ringing:
    leg: int

@final
class Answered:
    leg: int

@final
class Bridged:
    leg: int
    peer: int

@final
class ConnectFailed:
    leg: int
    cause: Cause

@final
class Played:
    leg: int
    token: int
    outcome: str  # "finished" | "stopped" | "failed"

@final
class Ended:
    leg: int
    cause: Cause

@final
class LineLegs:
    number: str
    legs: int

@final
class Registration:
    number: str
    contacts: int

@final
class Trace:
    at_us: int
    sent: bool
    local: tuple[str, int]
    remote: tuple[str, int]
    message: bytes

SipEvent = (
    Incoming | Ringing | Answered | Bridged | ConnectFailed | Played | Ended | LineLegs | Registration | Trace
)

@final
class SipEndpoint:
    """A SIP switch on a thread of its own; commands return at once, events come by drain()."""

    def __new__(
        cls,
        *,
        listen: tuple[str, int],
        realm: str,
        advertise: str | None = None,
        rtp_ports: tuple[int, int] = (16_384, 32_766),
        user_agent: str = "ccbs",
        trace: bool = False,
        queue_limit: int = 65_536,
    ) -> SipEndpoint: ...
    @property
    def local_address(self) -> tuple[str, int]: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[SipEvent]: ...
    def set_subscriber(
        self, number: str, *, ha1_md5: str | None, ha1_sha256: str | None, capacity: int
    ) -> None: ...
    def remove_subscriber(self, number: str) -> None: ...
    def set_trunk(
        self,
        name: str,
        *,
        address: tuple[str, int],
        username: str | None = None,
        password: str | None = None,
        trusted: bool = False,
    ) -> None: ...
    def remove_trunk(self, name: str) -> None: ...
    def load_prompt(self, name: str, wav: bytes) -> float: ...  # its length in seconds
    def reject(self, leg: int, status: int) -> None: ...
    def dial(
        self, leg: int, number: str, *, trunk: str | None = None,
        shown_number: str, shown_name: str | None = None, timeout_s: float,
    ) -> None: ...
    def answer(self, leg: int) -> None: ...
    def ring(
        self, number: str, *, trunk: str | None = None,
        shown_number: str, shown_name: str | None = None, timeout_s: float,
    ) -> int: ...
    def play(self, leg: int, prompts: Sequence[str]) -> int: ...  # the token
    def stop_play(self, leg: int) -> None: ...
    def connect(
        self, leg: int, number: str, *, trunk: str | None = None,
        shown_number: str, shown_name: str | None = None, timeout_s: float,
    ) -> None: ...
    def stop_connect(self, leg: int) -> None: ...
    def release(self, leg: int, cause: int | None = None) -> None: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...

def build_info() -> dict[str, str]:
    """Version, profile (debug or release) and compiler of the compiled part."""
