"""Reading the plain data of a configuration, whatever its shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccbs.config.problem import FieldPath
from ccbs.config.written import as_written

__all__ = ["entries", "section", "text"]


def section(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """The section of these names, one inside the other; empty where there is none or it is no section."""
    for name in names:
        value = data.get(name)
        data = value if isinstance(value, dict) else {}
    return data


def entries(data: dict[str, Any], *names: str) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    """The entries of the list of these names that are sections, each with its path."""
    value = section(data, *names[:-1]).get(names[-1])
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, dict):
            yield (*names, index), entry


def text(value: Any) -> str | None:
    """A text as its author wrote it; None where it is empty or something else."""
    value = as_written(value)
    return value if isinstance(value, str) and value else None
