"""Calls that a callee's phone or a trunk diverts by 3xx: which it may, and the number to dial for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from ccbs.numbering import Internal, Numbering

__all__ = ["Diversions", "Diverting"]

Diversions: TypeAlias = Literal["off", "internal", "any"]
"""Which calls a callee's phone may divert (3xx): none, those to numbers of this switch, any that its own
subscriber could make."""


class Diverting:
    """Shared by all that calls come of, so that what is refused is counted once.

    :param numbering: the plan.
    :param rule: where calls may be diverted to, by the name of the trunk that does (``None``: a phone).
    """

    def __init__(self, numbering: Numbering, rule: Callable[[str | None], Diversions]) -> None:
        self._numbering = numbering
        self._rule = rule
        self._refused = 0

    def counters(self) -> dict[str, int]:
        """``diversions_refused``: an ordinary call and a transfer is answered 480 then, and the callee of a
        recall is unreachable.
        """
        return {"diversions_refused": self._refused}

    def target(self, trunk: str | None, number: str) -> str | None:
        """The number to dial for the one that a 3xx names.

        :param trunk: the trunk that says so, which gives numbers as it knows them; ``None``: a phone.
        :param number: the number in its Contact.
        :returns: the number as a subscriber dials it; ``None``: the call may not be diverted there.
        """
        to = number
        if trunk is not None and not isinstance(self._numbering.find(number), Internal):
            to = self._numbering.as_dialled(trunk, number) or number
        rule = self._rule(trunk)
        if rule == "any" or (rule == "internal" and isinstance(self._numbering.find(to), Internal)):
            return to
        self._refused += 1
        return None
