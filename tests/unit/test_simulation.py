"""``ccbs simulate`` and :func:`ccbs.simulate`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import ccbs
from ccbs import InvalidValue, _ccbs
from ccbs.cli.app import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_the_same_seed_gives_the_same_text() -> None:
    settings = [("calls", "5000"), ("fault_rate", "0.1"), ("seed", "9")]
    assert _ccbs.simulate(settings) == _ccbs.simulate(settings)
    first = run("--calls", "3000", "--json").stdout
    assert first == run("--calls", "3000", "--json").stdout
    assert first != run("--calls", "3000", "--seed", "2", "--json").stdout


def test_a_report_as_a_dictionary() -> None:
    report = ccbs.simulate(calls=4_000, profile="ccbs", retention=False)
    assert report["calls"]["placed"] == 4_000
    assert report["settings"]["retention"] == "false"
    assert sum(report["orders"]["ended"].values()) == report["orders"]["accepted"]


def test_compare_shows_both_and_the_difference() -> None:
    result = run("--calls", "4000", "--compare", "attempts=5,cb_timer_internal_s=20")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "attempts 3, cb_timer_internal_s 10" in lines[1]
    assert "attempts 5, cb_timer_internal_s 20" in lines[1]
    assert lines[1].endswith("difference")
    assert any(line.startswith("orders.success_percent") for line in lines)
    both = json.loads(run("--calls", "2000", "--compare", "profile=ccbs", "--json").stdout)["reports"]
    assert [report["settings"]["profile"] for report in both] == ["autodial", "ccbs"]


def test_another_profile_is_compared_though_the_first_has_numbers_of_its_own() -> None:
    result = run("--calls", "500", "--set", "attempts=5", "--compare", "profile=ccbs,callee_idle_guard_s=10")
    assert result.exit_code == 0, result.output
    assert "profile ccbs has no attempts: left out of its run" in result.stderr
    heads = result.stdout.splitlines()[1].strip()
    assert heads == "profile autodial, attempts 5  profile ccbs, callee_idle_guard_s 10  difference"


def test_each_comparison_is_a_run_of_its_own() -> None:
    result = run("--calls", "500", "--compare", "attempts=5", "--compare", "attempts=7", "--json")
    reports = json.loads(result.stdout)["reports"]
    assert [report["settings"]["attempts"] for report in reports] == ["3", "5", "7"]
    heads = run("--calls", "500", "--compare", "attempts=5", "--compare", "attempts=7").stdout.splitlines()[1]
    assert heads.strip() == "attempts 3  attempts 5  attempts 7"


def test_nothing_runs_before_every_variant_is_checked() -> None:
    result = run("--calls", "500", "--compare", "attempts=5", "--compare", "attempts=21")
    assert (result.exit_code, result.stderr) == (2, "attempts: 21 is outside 1–20.\n")


def test_every_setting_is_listed_and_taken() -> None:
    listed = run("--settings").stdout
    of_ccbs = set(_ccbs.simulate_names("ccbs"))
    names = {name for name, *_ in _ccbs.simulate_settings()}
    assert names == of_ccbs | set(_ccbs.simulate_names("autodial"))
    for name, default, *_ in _ccbs.simulate_settings():
        assert name in listed
        given = {"profile": "ccbs" if name in of_ccbs else "autodial"} | {name: default.replace("_", "")}
        ccbs.simulate(given | {"calls": 10})
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
    report = ccbs.simulate(calls=10)
    for section in ("calls", "orders", "attempts", "waiting_s", "traffic", "faults", "checks"):
        assert section in report
        assert f"`{section}." in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "attempts=21"), "attempts: 21 is outside 1–20"),
        (("--set", "attempts"), "--set: expected NAME=VALUE, got 'attempts'."),
        (("--set", "nothing=1"), "nothing: no such setting of this profile; there are seed calls"),
        (("--profile", "other"), "profile: 'other' is not one of autodial, ccbs"),
        (("--compare", "callee_idle_guard_s=1"), "it belongs to profile ccbs: add profile=ccbs."),
        (("--set", "attempts=-1"), "attempts: -1 is outside 1–20."),
        (("--subscribers", "1000000"), "set external_numbers to 0 or subscribers to at most 999500."),
        (("--set", "attempts=5,attempts=7"), "--set: attempts is given twice, as 5 and as 7. Leave one"),
        (("--set", "attempts=5", "--set", "attempts=7"), "--set: attempts is given twice, as 5 and as 7."),
        (("--compare", "attempts=5,attempts=7"), "--compare: attempts is given twice, as 5 and as 7."),
        (("--seed", "5", "--set", "seed=7"), "seed is given twice, by --seed and by --set. Leave one of"),
        (
            ("--faults", "0.1", "--set", "fault_rate=0.2"),
            "fault_rate is given twice, by --faults and by --set.",
        ),
    ],
)
def test_a_wrong_setting_leaves_with_2(arguments: tuple[str, ...], said: str) -> None:
    result = run("--calls", "100", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_field_of_a_wrong_setting_is_named() -> None:
    with pytest.raises(InvalidValue) as raised:
        ccbs.simulate(answer_share=2)
    assert raised.value.field == "answer_share"


def test_control_c_ends_it() -> None:
    code = (
        "import ccbs, threading, os, signal\n"
        # A shell starts what it puts in the background with the signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    ccbs.simulate(calls=1_000_000_000)\n"
        "except KeyboardInterrupt:\n"
        "    print('ended')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr
