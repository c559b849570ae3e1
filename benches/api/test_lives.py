"""Whole lives of orders through Python objects, by the engine and by the reference model."""

from __future__ import annotations

import pytest

from benches.api.conftest import Timed
from benches.office import LIMITS, Decides, Office
from ccbs import Engine
from reference.model import Model

PAIRS = 50
"""A small office: the model's time grows with the square of it, the engine's does not."""


def decider(who: str) -> Decides:
    return Engine(LIMITS) if who == "ccbs" else Model(LIMITS)


@pytest.mark.parametrize("who", ["ccbs", "reference model"])
@pytest.mark.parametrize("way", ["one at a time", "batched"])
def test_whole_lives(timed: Timed, who: str, way: str) -> None:
    office = Office(decider(who), PAIRS)
    repeats = 40 if who == "ccbs" else 1

    def lives() -> int:
        one_round = office.lives_batched if way == "batched" else office.lives_one_at_a_time
        return sum(one_round() for _ in range(repeats))

    completed = timed(
        lives, measure=f"life-{way.replace(' ', '-')}", who=who, size=PAIRS, per=repeats * PAIRS
    )
    assert completed == repeats * PAIRS


@pytest.mark.parametrize("way", ["one at a time", "batched"])
def test_whole_lives_in_a_large_office(timed: Timed, way: str) -> None:
    pairs = 10_000
    office = Office(Engine(LIMITS), pairs)
    lives = office.lives_batched if way == "batched" else office.lives_one_at_a_time
    completed = timed(lives, measure=f"life-{way.replace(' ', '-')}", who="ccbs", size=pairs, per=pairs)
    assert completed == pairs
