"""Limits of the endpoint that depend on each other, or on which other checks depend."""

from __future__ import annotations

from typing import Any

from ccbs.config.document import Document
from ccbs.config.limits import EndpointLimits
from ccbs.config.plain import section

__all__ = ["check_limits", "limit"]

# (field, not below, not above)
_ORDERED = (
    ("default_expires_s", "min_expires_s", "max_expires_s"),
    ("t2_ms", "t1_ms", None),
)


def limit(data: dict[str, Any], field: str) -> int:
    """A limit of the endpoint: as written, or the default where that is nothing or wrong."""
    known = EndpointLimits.model_fields[field]
    written = section(data, "limits", "endpoint").get(field)
    low, high = (next(getattr(m, e) for m in known.metadata if hasattr(m, e)) for e in ("ge", "le"))
    if isinstance(written, int) and not isinstance(written, bool) and low <= written <= high:
        return int(written)
    default: int = known.default
    return default


def check_limits(document: Document, data: dict[str, Any]) -> None:
    """Note limits that contradict each other."""
    for field, low, high in _ORDERED:
        value = limit(data, field)
        for other, wrong, word in (
            (low, value < limit(data, low), "below"),
            (high or "", high is not None and value > limit(data, high), "above"),
        ):
            if wrong:
                document.problem(
                    ("limits", "endpoint", field),
                    f"{value} is {word} {other}, {limit(data, other)}",
                    f"a number not {word} {other}",
                    f"set {field} and {other} so that they agree",
                )
