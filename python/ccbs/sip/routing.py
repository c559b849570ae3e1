"""Who may call whom: the call, what may be done with it, and the route by the numbering plan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from ccbs.codes import ServiceCodes
from ccbs.numbering import External, Internal, Numbering
from ccbs.subscribers import Directory, Subscriber

__all__ = [
    "Answer",
    "Call",
    "Codes",
    "Decision",
    "Dial",
    "NumberingRoute",
    "Party",
    "Reject",
    "Route",
    "RouteFailed",
    "ask_route",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that asks for its way.

    :param number: the calling number: an authenticated subscriber's own, or what the trunk says.
    :param dialled: the dialled number, unescaped.
    :param subscriber: who calls; ``None``: the call comes through a trunk.
    :param trunk: the name of the trunk it comes through, if any.
    :param display: the calling name as the phone or trunk gives it, if any.
    :param call_id: the Call-ID; empty for a recall.
    :param recall: whether the service calls ``dialled`` on the subscriber's behalf; only a :class:`Dial` or
        :class:`Reject` makes sense then.
    :param transferred_by: who wants the party with ``number`` transferred to ``dialled``; ``subscriber`` and
        ``trunk`` are the transferor's then, for it is the transferor who dials. Only a :class:`Dial` or
        :class:`Reject` makes sense.
    :param diverted_by: whose phone diverts the call to ``dialled``; ``subscriber`` is that one then, for
        it is its word. Only a :class:`Dial` or :class:`Reject` makes sense.
    """

    number: str
    dialled: str
    subscriber: Subscriber | None
    trunk: str | None = None
    display: str | None = None
    call_id: str = ""
    recall: bool = False
    transferred_by: str | None = None
    diverted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """Who is at the far end of a leg.

    :param number: the number that leads there.
    :param subscriber: the subscriber, if it is one of this switch.
    :param trunk: the trunk it is behind, if any.
    :param display: the name it gave, if any.
    """

    number: str
    subscriber: Subscriber | None
    trunk: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Call a subscriber's phones or a number behind a trunk, and join the two when it answers.

    :param number: the subscriber's number, or the number to send to the trunk.
    :param trunk: the trunk's name; ``None``: a subscriber of this switch.
    :param shown_number: shown to the called phone; ``None``: the calling number.
    :param shown_name: shown to the called phone; ``None``: the subscriber's name, or what the trunk gave.
    :param timeout: how long it may ring, in seconds; ``None``: the switch's own limit.
    """

    number: str
    trunk: str | None = None
    shown_number: str | None = None
    shown_name: str | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the call.

    :param status: a SIP status code, 300 to 699 (RFC 3261 section 21).
    :raises ValueError: when it is outside.
    """

    status: int

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 699:
            raise ValueError(f"status: {self.status} is outside 300–699")


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with prompts, then hang up.

    :param prompts: names from the prompt catalogue, played one after the other.
    """

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Codes:
    """Take the dialled number for a service code (:class:`ccbs.codes.OrderDesk`)."""


Decision: TypeAlias = Dial | Reject | Answer | Codes
Route: TypeAlias = Callable[[Call], Awaitable[Decision]]
"""What a user may replace: an async function from the call to what is done with it."""


class RouteFailed(Exception):
    """A route said nothing that can be done. Its cause is what the route raised, if it did."""


async def ask_route(route: Route, call: Call, timeout: float) -> Decision:
    """Ask a route for the way of a call.

    :param route: is asked.
    :param call: the call.
    :param timeout: how long it may take, in seconds.
    :returns: what it says.
    :raises RouteFailed: when it raised, took longer, or returned no decision; the message says which.
    """
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            decision: object = await route(call)
    except Exception as error:
        if limit.expired():
            raise RouteFailed(f"its route took longer than {timeout:g} s") from None
        raise RouteFailed(f"its route raised {type(error).__name__}") from error
    if not isinstance(decision, Dial | Reject | Answer | Codes):
        raise RouteFailed(f"its route returned {decision!r}; expected Dial, Reject, Answer or Codes")
    return decision


class NumberingRoute:
    """The route by the numbering plan.

    Service codes of subscribers go to the order desk; internal numbers to the subscriber; prefixes to their
    trunk, with the caller's number as identity. A trunk reaches subscribers only. Anything else is 404.

    :param directory: the subscribers.
    :param numbering: the plan.
    :param codes: the service codes.
    """

    def __init__(self, directory: Directory, numbering: Numbering, codes: ServiceCodes) -> None:
        self._directory = directory
        self._numbering = numbering
        self._codes = codes

    async def __call__(self, call: Call) -> Decision:
        """The way of one call."""
        return self.decide(call)

    def decide(self, call: Call) -> Decision:
        """The same without waiting: the plan needs nobody else's answer."""
        inside = call.subscriber is not None
        by_itself = not (call.recall or call.transferred_by or call.diverted_by)
        if inside and by_itself and self._codes.is_code(call.dialled):
            return Codes()
        match self._numbering.find(call.dialled):
            case Internal(number) if number in self._directory:
                return Dial(number=number)
            case External(trunk, number) if inside:
                return Dial(number=number, trunk=trunk)
            case _:
                return Reject(404)
