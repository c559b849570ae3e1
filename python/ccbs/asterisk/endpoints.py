"""Which PJSIP endpoint is whose number: by a rule, and by a table for those it does not fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from ccbs.asterisk.ari import Ari, AriRefused
from ccbs.subscribers import NUMBER_PATTERN

__all__ = ["Endpoints", "endpoint_of_channel", "pjsip_endpoints"]

_CHANNEL: Final = re.compile(r"PJSIP/(?P<endpoint>.+)-[0-9a-f]{8,}")


def endpoint_of_channel(name: str) -> str | None:
    """The endpoint of a channel, by the channel's name, which no caller can choose.

    :param name: e.g. ``PJSIP/101-0000002a``.
    :returns: ``101``; ``None`` for a channel of another kind.
    """
    found = _CHANNEL.fullmatch(name)
    return found["endpoint"] if found else None


async def pjsip_endpoints(ari: Ari) -> list[dict[str, Any]]:
    """The endpoints that Asterisk has. As long as there is none it says 404, as for an unknown technology.

    :param ari: the requests.
    :raises AriError: when Asterisk does not say it.
    """
    try:
        return list(await ari.request("GET", "endpoints", "PJSIP"))
    except AriRefused as error:
        if error.status == 404:
            return []
        raise


class Endpoints:
    """The mapping between endpoints and numbers.

    :param rule: the endpoint's name with ``{number}`` in it, e.g. ``{number}`` or ``phone-{number}``.
    :param table: endpoints by number, where the rule does not hold.
    :param trunks: endpoints that are nobody's line.
    :raises ValueError: when the rule has no ``{number}``, or two numbers have one endpoint.
    """

    def __init__(
        self, rule: str = "{number}", table: Mapping[str, str] | None = None, trunks: Collection[str] = ()
    ) -> None:
        if rule.count("{number}") != 1:
            raise ValueError(f"endpoint rule {rule!r}: expected {{number}} in it once, e.g. {{number}}")
        before, after = rule.split("{number}")
        self._rule = rule
        self._expression = re.compile(f"{re.escape(before)}({NUMBER_PATTERN}){re.escape(after)}")
        self._by_number = dict(table or {})
        self._by_endpoint: dict[str, str] = {}
        self.trunks: Final = frozenset(trunks)
        for number, endpoint in self._by_number.items():
            if endpoint in self._by_endpoint:
                raise ValueError(
                    f"endpoint {endpoint!r} is given to {self._by_endpoint[endpoint]} and {number}"
                )
            self._by_endpoint[endpoint] = number

    def become(self, other: Endpoints) -> None:
        """Take another's table, for all who use this mapping; rule and trunks stay."""
        self._by_number, self._by_endpoint = other._by_number, other._by_endpoint

    def number(self, endpoint: str) -> str | None:
        """Whose line an endpoint is, or ``None``: a trunk, or a name that the rule does not fit."""
        if endpoint in self.trunks:
            return None
        if endpoint in self._by_endpoint:
            return self._by_endpoint[endpoint]
        found = self._expression.fullmatch(endpoint)
        # A number with an endpoint of its own is not also that of the rule.
        return found[1] if found and found[1] not in self._by_number else None

    def endpoint(self, number: str) -> str:
        """The endpoint of a number."""
        return self._by_number.get(number) or self._rule.replace("{number}", number)
