"""What a part of the benchmarks found, as it is kept between runs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["Figure", "Figures", "Result"]


@dataclass(frozen=True)
class Figure:
    """One figure.

    :ivar measure: what was measured, e.g. ``timer-life``.
    :ivar who: of whom: ours, or one of the peers.
    :ivar size: how many timers, lines or orders there were.
    :ivar value: in ``unit``.
    :ivar unit: ``ns``, ``ms``, ``s``, ``B`` or nothing for plain numbers.
    """

    measure: str
    who: str
    size: int
    value: float
    unit: str


class Figures:
    """Figures of all parts, by measure, who and size."""

    def __init__(self, figures: Iterable[Figure] = ()) -> None:
        self._all = {(figure.measure, figure.who, figure.size): figure for figure in figures}

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._all.values())

    def value(self, measure: str, who: str, size: int) -> float | None:
        """That figure, ``None`` where it was not measured."""
        found = self._all.get((measure, who, size))
        return None if found is None else found.value

    def ratio(self, over: tuple[str, str, int], under: tuple[str, str, int]) -> float | None:
        """One figure over another, ``None`` where one of them is missing."""
        one, other = self.value(*over), self.value(*under)
        return None if one is None or not other else one / other

    def whose(self, measure: str) -> list[str]:
        """Of whom there is such a figure, in the order of measuring."""
        return list(dict.fromkeys(figure.who for figure in self if figure.measure == measure))

    def sizes(self, measure: str) -> list[int]:
        """The sizes at which it was measured, rising."""
        return sorted({figure.size for figure in self if figure.measure == measure})


@dataclass(frozen=True)
class Result:
    """One part, measured once.

    :ivar part: its name.
    :ivar date: of the measurement, UTC.
    :ivar machine: processor, memory, kernel.
    :ivar versions: of everything that was measured or measured with.
    :ivar figures: what was found.
    :ivar raw: what a part of its own form found instead.
    """

    part: str
    date: datetime.date
    machine: str
    versions: Mapping[str, str]
    figures: list[Figure]
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Self:
        """:raises ValueError: when the file is not what :meth:`write` writes; says which file."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            found["date"] = datetime.date.fromisoformat(found["date"])
            found["figures"] = [Figure(**figure) for figure in found["figures"]]
            return cls(**found)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{file}: no result of a benchmark ({error}); remove it and measure again"
            raise ValueError(message) from error

    def write(self, file: Path) -> None:
        """Writes the file, a line a figure, so that changes can be read in a diff."""
        parts = asdict(self) | {"date": self.date.isoformat()}
        figures, raw = (json.dumps(parts.pop(name), ensure_ascii=False) for name in ("figures", "raw"))
        figures = figures.replace("}, {", "},\n    {")
        head = json.dumps(parts, ensure_ascii=False, indent=2).removesuffix("\n}")
        file.write_text(f'{head},\n  "raw": {raw},\n  "figures": {figures}\n}}\n', encoding="utf-8")
