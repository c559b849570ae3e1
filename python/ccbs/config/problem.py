"""What is wrong with a configuration, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ConfigError", "FieldPath", "Problem", "field_path"]

FieldPath = tuple[str | int, ...]


def field_path(path: FieldPath) -> str:
    """Write a path the way people read it: ``subscribers[2].services.autodial.attempts``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    :ivar file: the file it is in.
    :ivar line: its line, from 1; 0 when the file as a whole is meant.
    :ivar path: the field, empty when no field is meant.
    :ivar what: what is wrong.
    :ivar expected: what would be right.
    :ivar todo: what to do.
    """

    file: Path
    line: int
    path: FieldPath
    what: str
    expected: str
    todo: str

    @property
    def field(self) -> str:
        """The field as people read it."""
        return field_path(self.path)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        field = f" {self.field}:" if self.path else ""
        return f"{where}:{field} {self.what}; expected {self.expected}; {self.todo}"


class ConfigError(Exception):
    """A configuration that cannot be used.

    :ivar problems: everything that is wrong with it, in the order of the lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(problems, key=lambda p: (str(p.file), p.line, p.field))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def count(self) -> str:
        """How many there are, in words: ``1 error``, ``2 errors``."""
        count = len(self.problems)
        return f"{count} error{'s' if count > 1 else ''}"
