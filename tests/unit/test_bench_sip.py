"""The benches of the SIP side: what they conclude, and that a busy machine costs one part only."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benches import crowd, lasting
from benches.__main__ import PARTS
from benches.aims import AIMS, Aim, outcome
from benches.figures import Figure, Figures, Result
from benches.page import page
from benches.process import Cost, Failed, Measured

ROOT = Path(__file__).parents[2]

LEAST = Aim("it", lambda sip, figures: None, 700, 1_500, "calls/s", at_least=True)
MOST = Aim("it", lambda sip, figures: None, 12_000, 8_000, "B")
NONE = Aim("it", lambda sip, figures: None, 0, None, "")


@pytest.mark.parametrize(
    ("aim", "value", "expected"),
    [
        (LEAST, 1_500, "goal reached"),
        (LEAST, 1_499, "reached"),
        (LEAST, 700, "reached"),
        (LEAST, 699, "missed"),
        (MOST, 8_000, "goal reached"),
        (MOST, 8_001, "reached"),
        (MOST, 12_001, "missed"),
        (NONE, 0, "reached"),
        (NONE, 1, "missed"),
        (MOST, None, "not measured"),
    ],
)
def test_must_and_goal_are_told_apart(aim: Aim, value: float | None, expected: str) -> None:
    assert outcome(aim, value) == expected


def test_every_aim_has_its_row_and_one_that_is_missed_stands_out() -> None:
    text = page({})
    for aim in AIMS:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {aim.measure} |")]
        assert row.endswith("| – | **not measured** |"), row


def test_figures_of_the_parts_reach_their_rows(tmp_path: Path) -> None:
    figures = [
        Figure("recalls-missing", "callees", 10_000, 1, ""),
        Figure("order-cpu", "first tenth", 10_000, 400.0, "µs"),
        Figure("order-cpu", "last tenth", 10_000, 420.0, "µs"),
        Figure("overload-lost", "ccbs", 1, 0, ""),
    ]
    found = {aim.measure: aim.of(None, Figures(figures)) for aim in AIMS}
    assert found["10,000 lines freed at once: recalls that miss their callee"] == 1
    assert found["the same: CPU of an order, last tenth over first"] == pytest.approx(1.05)
    assert found["three times the sustainable rate: calls neither taken nor refused"] == 0
    assert found["ordinary calls, none failed, nothing repeated"] is None


def memory(held: float, left: float, rate: int, seconds: int) -> list[tuple[float, int]]:
    """Resident memory, each second, of a switch that holds a call for 32 s and forgets a part of it never."""
    return [
        (float(at), round(1e8 + min(at, 32) * rate * held + max(at - 40, 0) * rate * left))
        for at in range(seconds + 1)
    ]


@pytest.mark.parametrize("left", [0.0, 64.0])
def test_memory_a_call_and_what_is_left_of_it(left: float) -> None:
    figures = Figures(lasting.read(100_000_000, memory(2_500, left, 1_000, 200), 200_000, 1_000))
    held = figures.value("call-bytes", "ccbs", 200_000)
    assert figures.value("call-bytes-left", "ccbs", 200_000) == pytest.approx(left, rel=0.05, abs=0.1)
    assert held == pytest.approx(2_500 + left * 40_000 / 32_000, rel=0.05)


def test_a_run_that_is_over_too_soon_says_so(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="over before memory settles; take a lower rate"):
        lasting.measure(tmp_path / "lasting", calls=1_000, rate=1_000)
    with pytest.raises(Failed, match="too few samples"):
        lasting.read(0, [(1.0, 1)], 200_000, 1_000)


def test_the_cost_of_a_process_is_also_that_of_what_it_started(tmp_path: Path) -> None:
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
    command = [
        sys.executable,
        "-c",
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])",
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while (found := Cost(process.pid)).cpu_s < 0.3:
            assert process.poll() is None
        assert found.rss > 0
    finally:
        process.communicate(b"\n")


def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with Measured(command, tmp_path / "log") as process, pytest.raises(Failed, match="no such port"):
        process.until_bound("127.0.0.1", 9, within_s=60)


def test_a_part_that_cannot_be_measured_leaves_the_others_their_page(tmp_path: Path) -> None:
    """The rate is too high for so few calls: found out before anything is started."""
    written = tmp_path / "page.md"
    Result.read(ROOT / "benches" / "results" / "engine.json").write(tmp_path / "engine.json")
    command = [sys.executable, "-m", "benches", "lasting", "--calls=10", "--rate=100"]
    command += [f"--results={tmp_path}", f"--page={written}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    if shutil.which("sipp"):
        assert "lasting could not be measured: 10 calls at 100 a second" in ended.stderr
    assert "not measured, with the figures of before: lasting" in ended.stderr
    assert "| idle line beyond its number |" in written.read_text(encoding="utf-8")
    assert "lasting" in PARTS


def test_a_small_crowd_orders_and_is_called_back(tmp_path: Path) -> None:
    figures = Figures(crowd.measure(tmp_path / "crowd", lines=20))
    assert figures.value("orders-lost", "ccbs", 20) == 0
    assert figures.value("recalls-missing", "callers", 20) == 0
    assert figures.value("recalls-missing", "callees", 20) == 0
    last = [figures.value("recalls-last", who, 20) for who in ("callers", "callees")]
    assert None not in last
    assert 0 < (last[0] or 0) <= (last[1] or 0)
