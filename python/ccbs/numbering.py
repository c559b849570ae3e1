"""The numbering plan: which dialled numbers are internal and which go to a trunk. Shared by all adapters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["DialPattern", "External", "ExternalPrefix", "Internal", "Numbering"]

_SETS: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_SET = re.compile(r"\[(?:[0-9](?:-[0-9])?)+\]")


@dataclass(frozen=True, slots=True)
class Internal:
    """The number is a subscriber's."""

    number: str


@dataclass(frozen=True, slots=True)
class External:
    """The number lies behind a trunk.

    :param trunk: the trunk's name.
    :param number: the number to send to it.
    """

    trunk: str
    number: str


class DialPattern:
    """A pattern of numbers as operators write it.

    Digits, ``+``, ``*``, ``#`` and lower-case letters stand for themselves; ``X`` is 0 to 9, ``Z`` 1 to 9,
    ``N`` 2 to 9, ``[1-35]`` one of 1, 2, 3, 5; a final ``.`` is one or more digits.

    :param pattern: e.g. ``1XX``.
    :raises ValueError: with the place in the pattern that is wrong.
    """

    def __init__(self, pattern: str) -> None:
        if not pattern:
            raise ValueError("a dial pattern is empty; expected e.g. 1XX")
        self.pattern: Final = pattern
        parts: list[str] = []
        at = 0
        while at < len(pattern):
            sign = pattern[at]
            if sign in _SETS:
                parts.append(_SETS[sign])
            elif sign == "[":
                found = _SET.match(pattern, at)
                if found is None:
                    raise ValueError(
                        f"dial pattern {pattern!r}, character {at + 1}: expected a set such as [1-35]"
                    )
                for low, high in re.findall(r"([0-9])-([0-9])", found.group()):
                    if low > high:
                        raise ValueError(
                            f"dial pattern {pattern!r}, character {at + 1}: {low}-{high} is no range"
                        )
                parts.append(found.group())
                at = found.end()
                continue
            elif sign == "." and at == len(pattern) - 1:
                parts.append("[0-9]+")
            elif sign in "0123456789+*#" or ("a" <= sign <= "z"):
                parts.append(re.escape(sign))
            else:
                raise ValueError(
                    f"dial pattern {pattern!r}, character {at + 1}: {sign!r} is none of 0-9 + * # a-z X Z N "
                    "[...] or a final '.'"
                )
            at += 1
        self._expression = re.compile("".join(parts))

    def matches(self, number: str) -> bool:
        """Whether the whole number fits."""
        return self._expression.fullmatch(number) is not None

    def __eq__(self, other: object) -> bool:
        return self.pattern == other.pattern if isinstance(other, DialPattern) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"DialPattern({self.pattern!r})"


@dataclass(frozen=True, slots=True)
class ExternalPrefix:
    """Numbers that begin so go to a trunk.

    :param prefix: what they begin with, e.g. ``9``.
    :param trunk: the trunk's name.
    :param strip: whether the prefix is taken off before the number is sent.
    :raises ValueError: when the prefix is empty or holds anything but digits, ``+``, ``*``, ``#``.
    """

    prefix: str
    trunk: str
    strip: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9+*#]+", self.prefix):
            raise ValueError(f"prefix {self.prefix!r}: expected one or more of 0-9 + * #")


class Numbering:
    """The plan: internal patterns are tried first, then the longest prefix.

    :param internal: patterns of the subscribers' numbers (see :class:`DialPattern`).
    :param external: the prefixes of the trunks.
    :raises ValueError: when a pattern is wrong or a prefix is given twice.
    """

    def __init__(self, internal: Sequence[str], external: Sequence[ExternalPrefix] = ()) -> None:
        self._internal = tuple(DialPattern(pattern) for pattern in internal)
        prefixes = [rule.prefix for rule in external]
        for prefix in prefixes:
            if prefixes.count(prefix) > 1:
                raise ValueError(f"prefix {prefix!r} is given twice; each prefix leads to one trunk")
        self._external = tuple(sorted(external, key=lambda rule: -len(rule.prefix)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Numbering):
            return NotImplemented
        return (self._internal, self._external) == (other._internal, other._external)

    # It can become another plan.
    __hash__ = None  # type: ignore[assignment]

    @property
    def trunks(self) -> frozenset[str]:
        """The names of the trunks that the plan leads to."""
        return frozenset(rule.trunk for rule in self._external)

    def become(self, other: Numbering) -> None:
        """Change into another plan, for all who use this one."""
        self._internal, self._external = other._internal, other._external

    def find(self, dialled: str) -> Internal | External | None:
        """Where a dialled number leads.

        :param dialled: the number as dialled.
        :returns: the way, or ``None`` for an unknown number.
        """
        if any(pattern.matches(dialled) for pattern in self._internal):
            return Internal(dialled)
        for rule in self._external:
            # A prefix that is taken off must leave something to send.
            if dialled.startswith(rule.prefix) and (len(dialled) > len(rule.prefix) or not rule.strip):
                number = dialled[len(rule.prefix) :] if rule.strip else dialled
                return External(rule.trunk, number)
        return None

    def as_dialled(self, trunk: str, number: str) -> str | None:
        """The number by which a subscriber would reach a party that called through a trunk.

        A trunk may show any number, one of ours too: what does not lead back through it names nobody.

        :param trunk: the trunk's name.
        :param number: the calling number as the trunk gives it.
        :returns: the number to dial, or ``None`` when no number that a subscriber can dial leads there.
        """
        wanted = External(trunk, number)
        added = [rule.prefix + number for rule in self._external if rule.trunk == trunk and rule.strip]
        return next((dialled for dialled in [number, *added] if self.find(dialled) == wanted), None)
