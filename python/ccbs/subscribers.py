"""The subscribers of a switch: who they are and what each may do. Shared by all adapters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ccbs._ccbs import Profile

__all__ = ["NUMBER_PATTERN", "Directory", "Subscriber", "ha1_md5", "ha1_sha256"]

NUMBER_PATTERN: Final = r"\+?[0-9A-Za-z][0-9A-Za-z._-]{0,63}"
"""What a subscriber's number may be."""

_NUMBER = re.compile(NUMBER_PATTERN)
_HEX = re.compile(r"[0-9a-f]+")


def ha1_md5(number: str, realm: str, password: str) -> str:
    """The stored secret for digest with MD5 (RFC 7616 section 3.4.2, ``A1``).

    :param number: the digest user name: the subscriber's number.
    :param realm: the switch's realm.
    :param password: the password, not kept.
    :returns: 32 lower-case hex digits.
    """
    return hashlib.md5(f"{number}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


def ha1_sha256(number: str, realm: str, password: str) -> str:
    """The stored secret for digest with SHA-256 (RFC 7616 section 3.4.2, ``A1``).

    :param number: the digest user name: the subscriber's number.
    :param realm: the switch's realm.
    :param password: the password, not kept.
    :returns: 64 lower-case hex digits.
    """
    return hashlib.sha256(f"{number}:{realm}:{password}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One subscriber and what the operator gave him.

    :param number: 1 to 64 letters, digits, ``.``, ``_``, ``-``, with an optional leading ``+``.
    :param name: shown to the called phone, if any.
    :param ha1_md5: from :func:`ha1_md5`, ``None`` when this algorithm may not be used.
    :param ha1_sha256: from :func:`ha1_sha256`, ``None`` when this algorithm may not be used.
    :param call_waiting: whether a second call rings at a busy line (service.md, "Set-up" 4).
    :param profile: the numbers of the service as orderer (service.md, "Set-up" 3); ``None``: ordering
        is not allowed.
    :param language: of the prompts and names he is given, e.g. ``ru`` or ``en``.
    :param softkey_pack: the name of the softkey preset of his phone (service.md, "Set-up" 2), if any.
    :raises ValueError: with the field and what was expected.
    """

    number: str
    name: str | None = None
    ha1_md5: str | None = None
    ha1_sha256: str | None = None
    call_waiting: bool = False
    profile: Profile | None = None
    language: str = "ru"
    softkey_pack: str | None = None

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.number):
            raise ValueError(
                f"number: {self.number!r} is not 1 to 64 letters, digits, '.', '_' or '-' "
                "(with an optional leading '+')"
            )
        for field, secret, length in (
            ("ha1_md5", self.ha1_md5, 32),
            ("ha1_sha256", self.ha1_sha256, 64),
        ):
            # The secret itself stays out of the message: messages end in logs.
            if secret is not None and not (len(secret) == length and _HEX.fullmatch(secret)):
                raise ValueError(f"{field} of {self.number}: expected {length} lower-case hex digits")

    @property
    def capacity(self) -> int:
        """How many calls the line may have at once: 1 without call waiting, else 2."""
        return 2 if self.call_waiting else 1


class Directory:
    """The subscribers by number.

    :param subscribers: whom it begins with.
    :raises ValueError: when two have one number.
    """

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._by_number: dict[str, Subscriber] = {}
        for subscriber in subscribers:
            if subscriber.number in self._by_number:
                raise ValueError(f"number: {subscriber.number} is given to two subscribers")
            self._by_number[subscriber.number] = subscriber

    def get(self, number: str) -> Subscriber | None:
        """The subscriber of a number, or ``None``."""
        return self._by_number.get(number)

    def put(self, subscriber: Subscriber) -> None:
        """Add a subscriber, or replace the one of the same number."""
        self._by_number[subscriber.number] = subscriber

    def remove(self, number: str) -> Subscriber | None:
        """Remove the subscriber of a number.

        :returns: who was removed, or ``None``.
        """
        return self._by_number.pop(number, None)

    def __contains__(self, number: object) -> bool:
        return number in self._by_number

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(tuple(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)
