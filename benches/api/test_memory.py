"""What the reference model takes of memory, by tracemalloc."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import asdict
from typing import Any

from benches.figures import Figure
from benches.office import LIMITS, START, Office, number
from ccbs._ccbs import Line
from reference.model import Model

LINES = 1_000
ORDERS = 200


def test_memory(benchmark: Any) -> None:
    """Bytes of an idle line beyond its number, and of an order that waits."""
    tracemalloc.start()
    try:
        line, order = benchmark.pedantic(lambda: (_of_a_line(LINES), _of_an_order(ORDERS)), rounds=1)
    finally:
        tracemalloc.stop()
    found = [
        Figure("line-bytes", "reference model", LINES, line, "B"),
        Figure("order-bytes", "reference model", ORDERS, order, "B"),
    ]
    benchmark.extra_info["figures"] = [asdict(figure) for figure in found]


def _of_a_line(lines: int) -> float:
    numbers = [number(index) for index in range(lines)]
    model = Model(LIMITS)
    before = _in_use()
    for text in numbers:
        model.apply([Line(text, False)], START)
    model.actions = []
    return (_in_use() - before) / lines


def _of_an_order(orders: int) -> float:
    model = Model(LIMITS)
    office = Office(model, orders)
    model.actions = []
    before = _in_use()
    office.wait()
    model.actions = []
    assert len(model.standing) == orders
    return (_in_use() - before) / orders


def _in_use() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
