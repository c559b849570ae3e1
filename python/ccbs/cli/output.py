"""How the commands speak: tables and JSON on stdout, one clear sentence on stderr when something is wrong."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["CANNOT", "REFUSED", "fail", "moment", "print_json", "print_table"]

REFUSED = 1
"""Exit code: the running server did not carry the request out."""

CANNOT = 2
"""Exit code: nothing could be done: wrong configuration, port in use, no server, wrong usage."""


def fail(sentence: str, code: int = CANNOT) -> NoReturn:
    """Say on stderr what is wrong and leave.

    :param sentence: one sentence, or several lines.
    :param code: the exit code.
    """
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


def moment(unix_ms: int) -> datetime.datetime:
    """A moment in the time of this machine.

    :param unix_ms: milliseconds since 1970.
    """
    try:
        return datetime.datetime.fromtimestamp(unix_ms // 1000).astimezone()
    except (OverflowError, ValueError, OSError):
        # A clock may have said anything.
        return datetime.datetime.max


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print a table: drawn by Rich on a terminal, else columns aligned by spaces.

    :param columns: the heads.
    :param rows: the cells of each row.
    :param empty: what is said instead when there are no rows.
    """
    if not rows:
        typer.echo(empty)
        return
    if sys.stdout.isatty():
        table = Table(*columns)
        for row in rows:
            # Cells hold names given by callers: they are no markup.
            table.add_row(*(Text(_printable(cell)) for cell in row))
        Console().print(table)
        return
    lines = [list(columns), *([_printable(cell) or "-" for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in text)
