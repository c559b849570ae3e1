"""Ordering from the phone: the service codes and what the subscriber hears. Shared by all adapters.

The codes are those of service.md ("cancel, ask") and TS 22.030: ``*37*B#`` orders a call back from B,
``*37#`` from the number that failed last, ``#37*B#`` cancels one order, ``#37#`` all, ``*#37#`` asks what is
ordered.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote

from ccbs._ccbs import (
    Accepted,
    Cancelled,
    Confirmed,
    Denied,
    InvalidValue,
    NothingOrdered,
    Ordered,
    Overload,
)

__all__ = ["CodeRequest", "CodeVerb", "OrderDesk", "Orders", "ServiceCodes", "UnknownCode", "sign_prompt"]


_SIGNS: Final = {str(digit): f"digit-{digit}" for digit in range(10)} | {
    "+": "plus",
    "*": "star",
    "#": "hash",
}


def sign_prompt(sign: str) -> str:
    """The name of the prompt that says a key.

    :param sign: a digit, ``*`` or ``#``.
    :raises KeyError: for anything else.
    """
    return _SIGNS[sign]


# A letter is read out as the key that bears it (ITU-T E.161), which is also how a keypad dials it.
_KEYS: Final = {
    letter: f"digit-{key}"
    for key, letters in enumerate(("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"), start=2)
    for letter in letters
}
# What only groups the digits is heard as nothing, as in ccbs.prompts.
_GROUPING: Final = frozenset(" .-_()")


class UnknownCode(Exception):
    """What was dialled is no service code of ours; a switch answers it as an unknown number."""


class CodeVerb(enum.Enum):
    """What a service code asks for."""

    ORDER = "order"
    CANCEL = "cancel"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """A service code, understood.

    :param verb: what it asks for.
    :param callee: the number in it, if any.
    """

    verb: CodeVerb
    callee: str | None = None


class ServiceCodes:
    """The grammar of the service codes.

    :param digits: the digits of the service, two or three (TS 22.030).
    :raises ValueError: when ``digits`` is anything else.
    """

    def __init__(self, digits: str = "37") -> None:
        if not re.fullmatch(r"[0-9]{2,3}", digits):
            raise ValueError(f"service code {digits!r}: expected two or three digits, e.g. 37")
        self.digits = digits
        # Many phones take a final # as their send key and leave it out.
        self._one = re.compile(rf"([*#]){digits}(?:\*([^*#]{{1,64}}))?#?")
        self._ask = re.compile(rf"\*#{digits}#?")

    def is_code(self, dialled: str) -> bool:
        """Whether a dialled number is a service code at all, ours or not: it begins with ``*`` or ``#``."""
        return unquote(dialled)[:1] in ("*", "#")

    def parse(self, dialled: str) -> CodeRequest:
        """Understand a service code.

        :param dialled: as dialled; ``%23`` and ``%2A`` stand for ``#`` and ``*``.
        :raises UnknownCode: when it is none of the five.
        """
        code = unquote(dialled)
        if self._ask.fullmatch(code):
            return CodeRequest(CodeVerb.ASK)
        found = self._one.fullmatch(code)
        if found is None:
            raise UnknownCode(f"{dialled!r} is no service code of the service {self.digits}")
        verb = CodeVerb.ORDER if found[1] == "*" else CodeVerb.CANCEL
        return CodeRequest(verb, found[2])


class Orders(Protocol):
    """The part of :class:`ccbs.CallbackService` that the desk asks."""

    async def order(self, caller: str, callee: str | None = None) -> Accepted | Confirmed | Denied: ...

    async def cancel(self, caller: str, callee: str | None = None) -> Cancelled | NothingOrdered: ...

    async def ordered(self, caller: str) -> Ordered | NothingOrdered: ...


class OrderDesk:
    """Carries a dialled code to the service and the answer back as prompts.

    :param service: whom to ask.
    :param codes: the grammar.
    """

    def __init__(self, service: Orders, codes: ServiceCodes | None = None) -> None:
        self.codes = codes or ServiceCodes()
        self._service = service
        self._not_read_out = 0

    def counters(self) -> dict[str, int]:
        """``signs_not_read_out``: of ordered numbers, characters that no recording says."""
        return {"signs_not_read_out": self._not_read_out}

    async def answer(self, caller: str, dialled: str) -> tuple[str, ...]:
        """Do what a dialled code asks for.

        :param caller: the authenticated subscriber who dialled.
        :param dialled: the code as dialled.
        :returns: the names of the prompts to play, in this order (``ccbs.prompts``).
        :raises UnknownCode: when it is no service code of ours.
        """
        request = self.codes.parse(dialled)
        try:
            match request.verb:
                case CodeVerb.ORDER:
                    reply = await self._service.order(caller, request.callee)
                    return (_denied(reply),) if isinstance(reply, Denied) else ("order-accepted",)
                case CodeVerb.CANCEL:
                    if not isinstance(await self._service.cancel(caller, request.callee), Cancelled):
                        return ("nothing-ordered",)
                    return ("order-cancelled",) if request.callee is not None else ("all-cancelled",)
                case CodeVerb.ASK:
                    asked = await self._service.ordered(caller)
                    return (
                        self._read_out(asked.callees) if isinstance(asked, Ordered) else ("nothing-ordered",)
                    )
        except Overload:
            return ("too-many-orders",)
        except InvalidValue:
            # What cannot be a number was never refused to anybody.
            return ("number-was-not-busy",) if request.verb is CodeVerb.ORDER else ("nothing-ordered",)

    def _read_out(self, callees: tuple[str, ...]) -> tuple[str, ...]:
        prompts = ["ordered"]
        for callee in callees:
            prompts.append("pause")
            for sign in callee:
                if (prompt := _SIGNS.get(sign) or _KEYS.get(sign.lower())) is not None:
                    prompts.append(prompt)
                elif sign not in _GROUPING:
                    self._not_read_out += 1
        return tuple(prompts)


def _denied(reply: Denied) -> str:
    if reply.short_term:
        return "too-many-orders"
    return "number-was-not-busy" if reply.denial == "no-offer" else "not-allowed"
