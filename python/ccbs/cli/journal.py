"""The commands that look at the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ccbs._ccbs import InvalidValue, StoreError, compact_store, export_store, verify_store
from ccbs.cli.output import fail, moment
from ccbs.cli.paths import file_path

__all__ = ["register"]

StorePath = Annotated[Path, typer.Argument(help="The store (store.path).", metavar="FILE", parser=file_path)]

journal = typer.Typer(help="Look at the store: its inputs, and whether it is sound.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(journal, name="journal", rich_help_panel=None)


@journal.command("verify")
def verify(file: StorePath) -> None:
    """Check every page and sum, repeat the inputs, compare with the snapshots. The store may be in use."""
    try:
        found = verify_store(file)
    except StoreError as error:
        fail(f"{error}.")
    typer.echo(
        f"{file} is sound: records {found.records}, snapshots {found.snapshots}, notes {found.notes}, "
        f"orders that stand {found.orders}"
    )
    if found.records:
        typer.echo(f"from {_moment(found.since)} to {_moment(found.until)}")


@journal.command("show")
def show(
    file: StorePath,
    number: Annotated[str | None, typer.Option(help="Only inputs that name this number.")] = None,
    most: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 50,
) -> None:
    """Print the newest inputs, one a line. The store may be in use."""

    def write(lines: str) -> None:
        for line in lines.splitlines():
            record = json.loads(line)
            typer.echo(f"{record['sequence']:>8} {_moment(record['now'])} {_short(record['input'])}")

    try:
        count = export_store(file, write, number=number, most=most)
    except (StoreError, InvalidValue) as error:
        fail(f"{error}.")
    if count > most:
        typer.echo(f"{count - most} older ones are left out; --most shows more.", err=True)


@journal.command("export")
def export(
    file: StorePath,
    number: Annotated[str | None, typer.Option(help="Only inputs that name this number.")] = None,
) -> None:
    """Print all inputs, a line of JSON each. The store may be in use."""
    try:
        export_store(file, lambda lines: typer.echo(lines, nl=False), number=number)
    except (StoreError, InvalidValue) as error:
        fail(f"{error}.")


@journal.command("compact")
def compact(file: StorePath) -> None:
    """Give the room of removed inputs back to the disk. The server must be stopped."""
    try:
        before, after = compact_store(file)
    except StoreError as error:
        fail(f"{error}.")
    typer.echo(f"{file}: {before} bytes before, {after} now")


def _moment(unix_ms: int) -> str:
    return f"{moment(unix_ms):%Y-%m-%d %H:%M:%S}.{unix_ms % 1000:03d}"


def _short(kept: object) -> str:
    """An input in a line: what a person reads of the JSON."""
    match kept:
        case str(word):
            return word.lower()
        case {"Events": [*events]}:
            return "; ".join(_short_event(event) for event in events)
        case {"Lines": [*numbers]}:
            return f"handles of {' '.join(map(str, numbers))}"
        case {"Started": _}:
            return "started anew"
        case _:
            return json.dumps(kept, ensure_ascii=False)


def _short_event(event: object) -> str:
    match event:
        case str(word):
            return word
        case dict() if len(event) == 1:
            ((kind, fields),) = event.items()
            return " ".join([str(kind), *(f"{name}={_short_value(value)}" for name, value in fields.items())])
        case _:
            return json.dumps(event, ensure_ascii=False)


def _short_value(value: object) -> str:
    match value:
        case {"Number": number}:
            return str(number)
        case {"Id": line}:
            return f"#{line}"
        case str():
            return value
        case dict():
            return "…"
        case _:
            return json.dumps(value, ensure_ascii=False)
