"""What is tried with which phone, and what a phone cannot do; the tests and the docs' table follow it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

__all__ = ["CANNOT", "KINDS", "NETWORKS", "STEPS", "Case", "Network", "cases", "table"]

KINDS = {"baresip": "baresip 1.0.0", "linphone": "linphonec 5.1.65", "sipp": "SIPp 3.6.1"}
"""The phones, in Debian 12, by the names that the tests give them."""
STEPS = {
    "register": "registers by digest",
    "same": "calls its like; both hear each other",
    "out": "calls another phone; both hear each other",
    "in": "is called by another phone; both hear each other",
    "hold": "holds the other and resumes",
    "held": "is held by the other and resumed",
    "blind": "transfers the other, blind",
    "attended": "transfers the other, attended",
    "order": "is refused as busy, dials `*37#` and hears the order confirmed",
    "recall": "is recalled, hears so, and is joined with the callee",
    "cancel": "orders by `*37*101#`, cancels by `#37*101#`; no recall comes",
}
CANNOT = {
    ("baresip", "attended"): "baresip 1.0.0 has no command for it: its `/help` lists `transfer` alone",
}
"""Why a phone does not do a step; that it is so is tried as well."""


@dataclass(frozen=True)
class Network:
    """A transport over an IP version."""

    transport: str
    version: int

    @property
    def ipv6(self) -> bool:
        """Whether addresses are IPv6."""
        return self.version == 6

    def __str__(self) -> str:
        return f"{self.transport.upper()}, IPv{self.version}"


NETWORKS = [Network(transport, version) for version, transport in product((4, 6), ("udp", "tcp"))]


@dataclass(frozen=True)
class Case:
    """One cell of the table."""

    kind: str
    step: str
    network: Network


def cases(version: int) -> list[Case]:
    """What is tried with this IP version; of what a phone cannot do, that it cannot."""
    return [
        Case(kind, step, network)
        for network, kind, step in product(NETWORKS, KINDS, STEPS)
        if network.version == version
    ]


def table() -> str:
    """The table of the docs, in Markdown; it holds for each transport and IP version."""
    rows = ["| the phone … | " + " | ".join(KINDS.values()) + " |", "|---" * (len(KINDS) + 1) + "|"]
    for step, words in STEPS.items():
        cells = [f"n/a: {CANNOT[kind, step]}" if (kind, step) in CANNOT else "yes" for kind in KINDS]
        rows.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
