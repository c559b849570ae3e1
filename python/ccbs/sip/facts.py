"""What happened in calls, told to the service."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ccbs._ccbs import InvalidValue

__all__ = ["Facts"]


class Facts:
    """Tells it; numbers come from phones and trunks and may be anything.

    :param logger: is told of those that are none.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._refused = 0

    def counters(self) -> dict[str, int]:
        """``facts_refused``: about numbers that the engine takes for none, empty or overlong."""
        return {"facts_refused": self._refused}

    def tell(self, fact: Callable[..., None], *about: str) -> None:
        """Tell one.

        :param fact: a method of :class:`ccbs.CallbackService`.
        :param about: its arguments, the caller's number and the callee's first.
        """
        try:
            fact(*about)
        except InvalidValue as error:
            self._refused += 1
            self._logger.info("call %s → %s is not told to the service: %s", *about[:2], error)
