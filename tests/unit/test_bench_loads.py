"""The loads of the benches do what they say, and a slow-down is seen by the counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benches.counts import Baseline, compare
from benches.office import LIMITS, Office
from benches.process import Failed
from benches.timers import Load, Phases, asyncio_call_later, heapq_lazy

from ccbs import Engine
from reference.model import Model

BASELINE = Baseline(0.03, 0.25, "1.95.0", {"timer-life": 1_000_000, "burst": 2_000_000})


def faults(counts: dict[str, int], compiler: str = "1.95.0") -> dict[str, str]:
    return {verdict.load: verdict.fault for verdict in compare(BASELINE, counts, compiler) if verdict.fault}


def test_counts_within_the_margin_pass() -> None:
    assert faults({"timer-life": 1_030_000, "burst": 1_940_000}) == {}


def test_a_slow_down_beyond_the_margin_is_a_fault() -> None:
    found = faults({"timer-life": 1_030_001, "burst": 2_000_000})
    assert found == {"timer-life": "slower: more than 3% above the baseline"}


def test_a_baseline_that_lies_far_above_is_a_fault() -> None:
    found = faults({"timer-life": 1_000_000, "burst": 1_900_000})
    assert found == {"burst": "faster: more than 3% below the baseline, which is to be renewed"}


def test_another_compiler_has_the_wider_margin() -> None:
    assert faults({"timer-life": 1_250_000, "burst": 2_000_000}, "1.96.0") == {}
    assert list(faults({"timer-life": 1_250_001, "burst": 2_000_000}, "1.96.0")) == ["timer-life"]


def test_no_load_is_dropped_or_added_in_silence() -> None:
    found = faults({"timer-life": 1_000_000, "restore": 5})
    assert found == {"burst": "is in the baseline and not among the loads", "restore": "has no baseline"}


def test_the_baseline_is_kept_as_it_is(tmp_path: Path) -> None:
    BASELINE.write(tmp_path / "baseline.toml")
    assert Baseline.read(tmp_path / "baseline.toml") == BASELINE


@pytest.mark.parametrize("content", ["", "margin = 1", "margin = ", 'margin = "much"\nmargin-otherwise = 1'])
def test_a_damaged_baseline_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "baseline.toml").write_text(content)
    with pytest.raises(Failed, match=r"baseline\.toml: no baseline .*make bench-baseline"):
        Baseline.read(tmp_path / "baseline.toml")


def test_timers_in_python_have_the_load_of_the_rust_part() -> None:
    """The numbers are those that `clock.rs` draws from the same seed."""
    load = Load.of(10)
    assert load.deadlines[:4] == [24_169, 24_351, 35_463, 3_833]
    assert load.left == 2


@pytest.mark.parametrize("candidate", [heapq_lazy, asyncio_call_later])
def test_a_candidate_that_loses_timers_is_found_out(candidate: Callable[[Load], Phases]) -> None:
    assert min(candidate(Load.of(1_000))) >= 0
    deadlines = Load.of(1_000).deadlines
    with pytest.raises(Failed, match="timers expired, 1000 were to"):
        candidate(Load([*deadlines[:-1], 10**9], []))


@pytest.mark.parametrize("decides", [Engine(LIMITS), Model(LIMITS)], ids=["engine", "model"])
def test_every_order_of_the_office_is_completed(decides: Engine | Model) -> None:
    office = Office(decides, 20)
    assert [office.lives_one_at_a_time(), office.lives_batched(), office.lives_one_at_a_time()] == [20] * 3
    assert list(decides.orders()) == []
