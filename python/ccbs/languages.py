"""The language of each subscriber: what is read on a phone at a recall, and which prompts are heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ccbs.subscribers import Directory

__all__ = ["RECALL_NAMES", "Languages"]

RECALL_NAMES: Final[Mapping[str, str]] = {"ru": "Обратный вызов {callee}", "en": "Callback {callee}"}


class Languages:
    """Who reads and hears which.

    :param directory: the subscribers.
    :param default: for those who have none, and for callers who are no subscribers.
    :param recall_names: by language, what the caller's phone shows at a recall; ``{callee}`` is the number.
    """

    def __init__(
        self, directory: Directory, default: str, recall_names: Mapping[str, str] = RECALL_NAMES
    ) -> None:
        self.default: Final = default
        self._directory = directory
        self._recall_names = recall_names

    def of(self, number: str | None) -> str:
        """A subscriber's language.

        :param number: the subscriber's; ``None``: a caller through a trunk.
        """
        subscriber = self._directory.get(number) if number is not None else None
        return subscriber.language if subscriber is not None else self.default

    def recall_name(self, caller: str, callee: str) -> str:
        """What the phone of a caller shows at a recall; the callee's number where no language says more."""
        names = self._recall_names
        name = names.get(self.of(caller)) or names.get(self.default) or "{callee}"
        return name.replace("{callee}", callee)
