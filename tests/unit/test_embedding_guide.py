"""The snippets of docs/embedding.md run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ccbs import CallbackService

GUIDE = Path(__file__).parents[2] / "docs" / "embedding.md"
EXAMPLES = Path(__file__).parents[2] / "examples"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("snippet", "told"),
    [
        (
            SNIPPETS[0],
            ["order 1: accepted", "leg to 102 hears activated", "order 1: ended completed"],
        ),
        (
            SNIPPETS[1],
            ["request 1 is answered", "step accepted", "ring 102 showing 101", "attempts-exhausted"],
        ),
        (SNIPPETS[2], ["1 action, answers request 7", "[Reply(request=7, reply=NothingOrdered())]"]),
        (SNIPPETS[3], ["no-offer", "Dial(number='101', trunk=None", "To the reception"]),
    ],
    ids=["layer 1", "layer 0", "packed", "route"],
)
def test_a_snippet_runs_and_tells_what_it_should(snippet: str, told: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", snippet], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    at = 0
    for words in told:
        assert words in ran.stdout[at:], ran.stdout
        at = ran.stdout.index(words, at)


def test_the_conformance_kit_runs_from_a_directory_of_one_s_own(tmp_path: Path) -> None:
    file = tmp_path / "test_my_pbx.py"
    file.write_text(SNIPPETS[4], encoding="utf-8")
    # Nothing of ours is set: no asyncio mode, no paths.
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", "-rs", str(file)],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert "test_my_pbx.py" in ran.stdout
    passed = re.search(r"(\d+) passed, (\d+) skipped", ran.stdout)
    assert passed is not None, ran.stdout
    assert int(passed[1]) >= 8
    assert "needs a bench that can 'rings'" in ran.stdout
    assert "Unknown pytest.mark" not in ran.stdout


def test_every_snippet_is_tried() -> None:
    assert len(SNIPPETS) == 5


def test_every_fact_has_its_row() -> None:
    facts = [name for name in vars(CallbackService) if re.match(r"(line|call|remove)_|line$|allow$", name)]
    assert len(facts) > 8
    page = GUIDE.read_text(encoding="utf-8")
    assert [name for name in facts if not re.search(rf"^\| .*`service\.{name}\(", page, re.MULTILINE)] == []
