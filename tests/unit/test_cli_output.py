"""Tables: drawn on a terminal, aligned columns elsewhere; the names in them do no harm in either."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from ccbs.cli.output import print_table

PRINT = """\
from ccbs.cli.output import print_table
print_table(("line", "name"), [("101", "[red]Анна[/red]\\x1b[31m"), ("102", "")], "none")
"""


def test_columns_are_aligned_and_empty_cells_marked(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("line", "name"), [("101", "Анна\x1b[31m"), ("9555", "")], "none")
    assert capsys.readouterr().out == "line  name\n101   Анна�[31m\n9555  -\n"


def test_no_rows_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("line",), [], "No lines.")
    assert capsys.readouterr().out == "No lines.\n"


def test_a_terminal_gets_a_drawn_table_with_nothing_executed_in_it() -> None:
    main, side = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-c", PRINT],
        stdout=side,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(side)
    assert started.wait(60) == 0
    drawn = os.read(main, 65_536).decode()
    os.close(main)
    assert "│ 101  │ [red]Анна[/red]�[31m │" in drawn
    assert "\x1b[31m" not in drawn
