"""The engine against the model: the same random histories, action by action.

Short in the normal run, at length with ``--hypothesis-profile=long``. A failure shows the history that led
to it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from reference import moves
from reference.pair import Disagreement, Pair
from reference.planted import PLANTED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "design" / "model.md").read_text(encoding="utf-8")
LONG = settings.get_current_profile_name() == "long"
BLOCKS = 400 if LONG else 16
"""How many blocks of walks; each walk has its own seed."""
SEED = int(os.environ.get("CCBS_SEED", random.randrange(2**32)))
"""What Hypothesis's choices follow from."""
WALKS = 250
MOVES = 60

dice = st.randoms(use_true_random=True)
"""Which rule comes next is Hypothesis's to choose and to shrink; the details follow from one seed a rule."""


def walk(seed: int, planted: str | None = None) -> Pair:
    """One random history from its beginning to its end."""
    dice = random.Random(seed)
    pair = moves.begin(dice, planted)
    for _ in range(MOVES):
        moves.any_move(dice, pair)
    moves.finish(pair)
    return pair


@seed(SEED)
class Histories(RuleBasedStateMachine):
    """Whatever may happen, in any order."""

    pair: Pair

    @initialize(dice=dice)
    def begin(self, dice: random.Random) -> None:
        note(f'to repeat: CCBS_SEED={SEED} pytest "tests/reference/test_model.py::TestHistories"')
        self.pair = moves.begin(dice)

    @rule(dice=dice)
    def fail_and_order(self, dice: random.Random) -> None:
        moves.fail_and_order(dice, self.pair)

    @rule(dice=dice)
    def two_orders(self, dice: random.Random) -> None:
        moves.fail_and_order(dice, self.pair)
        moves.fail_and_order(dice, self.pair)

    @rule(dice=dice)
    def line_state(self, dice: random.Random) -> None:
        moves.line_state(dice, self.pair)

    @rule(dice=dice)
    def flap(self, dice: random.Random) -> None:
        moves.flap(dice, self.pair)

    @rule(dice=dice)
    def registration(self, dice: random.Random) -> None:
        moves.registration(dice, self.pair)

    @rule(dice=dice)
    def outcome(self, dice: random.Random) -> None:
        moves.outcome(dice, self.pair)

    @rule(dice=dice)
    def outcome_or_time(self, dice: random.Random) -> None:
        (moves.outcome if self.pair.model.recalled() else moves.to_deadline)(dice, self.pair)

    @rule(dice=dice)
    def stray_outcome(self, dice: random.Random) -> None:
        moves.stray_outcome(dice, self.pair)

    @rule(dice=dice)
    def call(self, dice: random.Random) -> None:
        moves.call(dice, self.pair)

    @rule(dice=dice)
    def request(self, dice: random.Random) -> None:
        moves.request(dice, self.pair)

    @rule(dice=dice)
    def configure(self, dice: random.Random) -> None:
        moves.configure(dice, self.pair)

    @rule(dice=dice)
    def restart(self, dice: random.Random) -> None:
        moves.restart(dice, self.pair)

    @rule(dice=dice)
    def restore(self, dice: random.Random) -> None:
        moves.restore(dice, self.pair)

    @rule(dice=dice)
    def to_deadline(self, dice: random.Random) -> None:
        moves.to_deadline(dice, self.pair)

    @rule(dice=dice)
    def pass_time(self, dice: random.Random) -> None:
        moves.pass_time(dice, self.pair)

    @rule(dice=dice)
    def gather(self, dice: random.Random) -> None:
        moves.gather(dice, self.pair)

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            moves.finish(self.pair)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=10_000 if LONG else 200,
    stateful_step_count=60,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_every_move_is_a_rule_too() -> None:
    rules = {rule.function.__name__ for rule in Histories().rules}
    assert {move.__name__ for move, _ in moves.MOVES} <= rules


@pytest.mark.parametrize("block", range(BLOCKS))
def test_walks(block: int, record_property: Callable[[str, object], None]) -> None:
    calls = recalls = 0
    for number in range(block * WALKS, (block + 1) * WALKS):
        try:
            pair = walk(number)
        except AssertionError as error:
            again = f'pytest "tests/reference/test_model.py::test_walks[{block}]"'
            pytest.fail(f"seed {number}; to repeat: {again}\n{error}")
        calls += len(pair.history)
        recalls += pair.watch.rings
    record_property("histories", WALKS)
    record_property("calls of apply", calls)
    record_property("recalls", recalls)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str, record_property: Callable[[str, object], None]) -> None:
    for number in range(3_000):
        try:
            walk(number, planted=bug)
        except Disagreement as disagreement:
            differing = str(disagreement).split("\n", 1)[0]
            what = differing.removesuffix(" differ")
            row = f"| {bug} | `{what}` |" if what.endswith("()") else f"| {bug} | {what} |"
            assert row in PAGE, f"docs/design/model.md lacks the row {row}"
            record_property("caught", f"{bug}: {differing}, history {number + 1:,}")
            return
    pytest.fail(f"3,000 walks and not one shows that {bug!r}")
