"""The example runs alone and does what it shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_pbx.py"


def test_the_minimal_pbx_calls_back() -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    told = ran.stdout.splitlines()
    expected = [
        "101's phone rings, shows 104 and is answered",
        "102 calls 101: busy",
        "  order 1: accepted",
        "101 hangs up",
        "102's phone rings, shows 101 and is answered",
        "  order 1: attempt-began",
        "  order 1: caller-answered",
        "102 hears activated",
        "  order 1: callee-called",
        "101's phone rings, shows 102 and is answered",
        "  order 1: ended",
        "101 talks with 102",
    ]
    at = -1
    for line in expected:
        assert line in told[at + 1 :], f"{line!r} is not told after line {at}:\n{ran.stdout}"
        at = told.index(line, at + 1)
