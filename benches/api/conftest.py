"""The fixture by which every bench here is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest


class Timed(Protocol):
    """Times a function and names the figure."""

    def __call__(
        self, function: Callable[[], object], *, measure: str, who: str, size: int, per: int, rounds: int = 5
    ) -> Any:
        """:param per: how many events or lives one call is; the figure is the least time of one."""
        ...


@pytest.fixture
def timed(benchmark: Any) -> Timed:
    def run(
        function: Callable[[], object], *, measure: str, who: str, size: int, per: int, rounds: int = 5
    ) -> Any:
        benchmark.extra_info.update(measure=measure, who=who, size=size, per=per)
        return benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)

    return run
