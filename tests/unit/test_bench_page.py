"""The performance page, out of figures: every target stands in it, a missed one too."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benches.__main__ import PARTS, measured
from benches.aims import AIMS
from benches.figures import Figure, Figures, Result
from benches.page import page
from benches.process import Failed
from benches.rust import read as read_lines
from benches.targets import TARGETS, Reading, Target, read

ROOT = Path(__file__).parents[2]
MILLION = 1_000_000


def result(part: str, *figures: Figure) -> Result:
    return Result(part, datetime.date(2026, 1, 2), "a machine", {"rustc": "1.0"}, list(figures))


def life(who: str, ns: float, size: int = MILLION) -> Figure:
    return Figure("timer-life", who, size, ns, "ns")


def row(text: str, measure: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {measure} |"))


def test_a_target_that_is_reached() -> None:
    text = page({"timers": result("timers", life("ccbs-timers", 38.4))})
    assert row(text, "timer's whole life, 1 M timers") == (
        "| timer's whole life, 1 M timers | ≤ 40 ns | 38 ns | reached |"
    )
    assert "None is missed." in text


def test_a_target_that_is_missed_is_shown_and_counted() -> None:
    slow = life("ccbs-timers", 40.1), life("tokio-util DelayQueue", 320)
    text = page({"timers": result("timers", *slow)})
    assert row(text, "timer's whole life, 1 M timers").endswith("| ≤ 40 ns | 40.1 ns | **missed** |")
    assert row(text, "the same, tokio-util DelayQueue over ours").endswith("| ≥ 12× | 8.0× | **missed** |")
    assert f"2 of {len(TARGETS)} are missed" in text


def test_what_was_not_measured_says_so() -> None:
    text = page({})
    assert text.count("**not measured**") == len(TARGETS) + len(AIMS)
    assert "Ten million lines, a million orders\n\nNot measured." in text


@pytest.mark.parametrize(
    ("value", "at_least", "outcome"),
    [
        (10.0, False, "reached"),
        (10.01, False, "missed"),
        (10.0, True, "reached"),
        (9.99, True, "missed"),
        (None, True, "not measured"),
        (None, False, "not measured"),
    ],
)
def test_the_bound_itself_is_within(value: float | None, at_least: bool, outcome: str) -> None:
    target = Target("it", lambda figures: value, 10, "ns", at_least)
    assert Reading(target, target.of(Figures())).outcome == outcome


def test_a_figure_just_beyond_its_bound_does_not_look_like_the_bound() -> None:
    text = page({"timers": result("timers", life("ccbs-timers", 40.04))})
    assert row(text, "timer's whole life, 1 M timers").endswith("| ≤ 40 ns | 40.04 ns | **missed** |")


def test_growth_of_a_burst_is_of_a_line() -> None:
    burst = [Figure("burst-all", "ccbs", size, ms, "ms") for size, ms in [(25_000, 20.0), (100_000, 320.0)]]
    growth = next(reading for reading in read(Figures(burst)) if "quadratic" in reading.target.measure)
    assert (growth.value, growth.outcome) == (4.0, "missed")


def test_peers_stand_with_their_ratio_to_ours() -> None:
    text = page({"timers": result("timers", life("ccbs-timers", 40), life("asyncio.call_later", 6_400))})
    assert "| ccbs-timers | 40 | 1× |" in text
    assert "| asyncio.call_later | 6,400 | 160× |" in text


def test_a_figure_that_the_page_does_not_know_is_listed() -> None:
    text = page({"engine": result("engine", Figure("turn", "ccbs", 20_000, 12_345.0, "ns"))})
    assert "| turn | ccbs | 20 k | 12.3 µs |" in text


def test_each_part_stands_with_its_machine_and_versions() -> None:
    text = page({"timers": result("timers"), "engine": replace(result("engine"), machine="another")})
    assert "- `timers`, 2026-01-02: a machine; rustc 1.0." in text
    assert "- `engine`, 2026-01-02: another; rustc 1.0." in text


def test_results_are_kept_as_they_are(tmp_path: Path) -> None:
    kept = replace(
        result("timers", life("ccbs-timers", 38.4), life("ours", 1.5)), raw={"a": [1, {"b": None}]}
    )
    kept.write(tmp_path / "timers.json")
    assert Result.read(tmp_path / "timers.json") == kept
    assert measured(tmp_path) == ["timers"]


@pytest.mark.parametrize("content", ["", "[]", '{"part": "timers"}', '{"date": "today"}'])
def test_a_damaged_result_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "timers.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"timers\.json: no result of a benchmark .* measure again"):
        Result.read(file)


def test_lines_of_the_rust_part() -> None:
    figure = Figure("timer-life", "BinaryHeap, lazy", 10_000, 70.25, "ns")
    assert read_lines([json.dumps(figure.__dict__)]) == [figure]
    with pytest.raises(Failed, match=r"no figure: '\| 1 \|'"):
        read_lines(["| 1 |"])


def test_the_page_is_the_one_of_the_results_kept() -> None:
    results = ROOT / "benches" / "results"
    kept = {part: Result.read(results / f"{part}.json") for part in measured(results)}
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page(kept), (
        "run: python -m benches --render"
    )


def test_parts_measured_before_stay_when_another_is_measured(tmp_path: Path) -> None:
    result("engine", Figure("line-event", "packed", MILLION, 77.0, "ns")).write(tmp_path / "engine.json")
    result("timers", life("ccbs-timers", 33.0)).write(tmp_path / "timers.json")
    written = tmp_path / "page.md"
    command = [sys.executable, "-m", "benches", "--render", f"--results={tmp_path}", f"--page={written}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    text = written.read_text(encoding="utf-8")
    assert "| 77 ns | reached |" in text
    assert "| 33 ns | reached |" in text


def test_an_unknown_part_is_refused_by_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benches", "timer", f"--page={tmp_path / 'page.md'}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"no part timer; the parts are {', '.join(PARTS)}" in ended.stderr
    assert not (tmp_path / "page.md").exists()


def through_asterisk(size: int, rate: int, **times: float) -> list[Figure]:
    """Of a run: ``bare50=2.0`` is the bare program's p50 in ms."""
    return [
        Figure(f"asterisk-p{who[4:]}-{rate}", who[:4], size, value, "ms") for who, value in times.items()
    ] + [Figure(f"asterisk-releases-{rate}", "ccbs", size, 200, "")]


def test_our_share_of_a_recall_through_asterisk_is_what_the_bare_program_does_not_take() -> None:
    text = page(
        {
            "asterisk": result(
                "asterisk",
                *through_asterisk(100, 10, bare50=2.0, bare99=6.0, ccbs50=2.75, ccbs99=7.0),
                *through_asterisk(5_000, 50, bare50=2.5, bare99=9.0, ccbs50=3.75, ccbs99=12.0),
                Figure("asterisk-orders-rate", "ccbs", 100, 80.0, "orders/s"),
                Figure("asterisk-orders-lost", "ccbs", 100, 0, ""),
                Figure("asterisk-lag", "ccbs", 100, 12.0, "ms"),
            )
        }
    )
    assert "| 100 | 10 | 200 | 2.0 / 6.0 | 2.8 / 7.0 | 0.75 / 1.00 |" in text
    assert "| 5,000 | 50 | 200 | 2.5 / 9.0 | 3.8 / 12.0 | 1.25 / 3.00 |" in text
    # The largest of all runs counts.
    p50 = row(text, "Asterisk, BYE → recall INVITE: our share of p50, the largest")
    assert p50.endswith("| ≤ 1 ms |  | 1.25 ms | **missed** |")
    assert row(text, "the same: our share of p99, the largest").endswith("| 3 ms | reached |")
    assert "| 100 | 0 | 80 | 12 ms |" in text
    assert "freed at once (in" not in text.partition("## Through a real Asterisk")[2]


def test_orders_lost_at_any_size_are_shown_as_missed() -> None:
    lost = [Figure("asterisk-orders-lost", "ccbs", size, count, "") for size, count in [(100, 3), (1_000, 0)]]
    text = page({"asterisk": result("asterisk", *lost)})
    assert row(text, "Asterisk, orders placed 64 at a time: lost").endswith("| 3 | **missed** |")


def test_the_crowd_at_asterisk_stands_beside_the_rate_of_the_bare_program() -> None:
    figures = [
        *through_asterisk(5_000, 10, bare50=2.0, bare99=6.0, ccbs50=2.75, ccbs99=7.0),
        Figure("asterisk-orders-rate", "ccbs", 5_000, 80.0, "orders/s"),
        Figure("asterisk-missing", "callers", 5_000, 0, ""),
        Figure("asterisk-missing", "callees", 5_000, 2, ""),
        Figure("asterisk-last", "callers", 5_000, 21.0, "s"),
        Figure("asterisk-last", "callees", 5_000, 22.0, "s"),
        Figure("asterisk-freed-within", "ccbs", 5_000, 4.0, "s"),
        Figure("asterisk-originates", "ccbs", 5_000, 455.0, "/s"),
        Figure("asterisk-originates", "bare", 5_000, 800.0, "/s"),
    ]
    text = page({"asterisk": result("asterisk", *figures)})
    assert "455 /s phones rung" not in text
    assert "22 s: 455 phones rung a second" in " ".join(text.split())
    assert "rang 800 a second" in " ".join(text.split())
    missed = row(text, "Asterisk, 5,000 lines freed at once: recalls that miss their callee")
    assert missed.endswith("| 2 | **missed** |")
