"""The services of the subscribers: one profile for each, and numbers that fit together."""

from __future__ import annotations

from typing import Any

from ccbs._ccbs import Profile
from ccbs.config.document import Document
from ccbs.config.plain import entries, section
from ccbs.config.problem import FieldPath

__all__ = ["check_services"]


def check_services(document: Document, data: dict[str, Any]) -> None:
    """Note subscribers of two profiles, and waits whose longest is below the first."""
    common = section(data, "profiles", "ccbs")
    _check_waits(document, ("profiles", "ccbs"), common, common)
    for path, subscriber in entries(data, "subscribers"):
        services = section(subscriber, "services")
        allowed = [name for name in ("autodial", "ccbs") if section(services, name).get("allowed") is True]
        if len(allowed) > 1:
            document.problem(
                (*path, "services", "ccbs", "allowed"),
                "the subscriber has two profiles, autodial and ccbs",
                "one of them",
                "allow one and not the other",
            )
        own = section(services, "ccbs")
        _check_waits(document, (*path, "services", "ccbs"), own, {**common, **own})


def _check_waits(document: Document, path: FieldPath, own: dict[str, Any], settings: dict[str, Any]) -> None:
    written = next((name for name in ("poll_longest_s", "poll_first_s") if name in own), None)
    if written is None:
        return
    first, longest = (_wait(settings, name) for name in ("poll_first_s", "poll_longest_s"))
    if longest < first:
        document.problem(
            (*path, written),
            f"poll_longest_s, {longest}, is below poll_first_s, {first}",
            "a longest wait that is not below the first",
            "change one of the two",
        )


def _wait(settings: dict[str, Any], name: str) -> int:
    """As written, or the profile's own where that is nothing or wrong."""
    value = settings.get(name)
    return value if isinstance(value, int) else int(getattr(Profile.ccbs(), name))
