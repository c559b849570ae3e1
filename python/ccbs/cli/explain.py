"""The command that tells an order's life out of a recording or the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ccbs._ccbs import InvalidValue, RecordingError, StoreError, Stories, Story, explain
from ccbs.cli.output import fail, moment, print_json
from ccbs.cli.paths import file_path

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(tell)


def tell(
    file: Annotated[Path, typer.Argument(help="The store or a recording.", metavar="FILE", parser=file_path)],
    order: Annotated[
        int | None,
        typer.Option(metavar="ID", help="The order's number, as `ccbs orders` shows it.", min=0),
    ] = None,
    number: Annotated[str | None, typer.Option(help="Every order by or for this number.")] = None,
    most: Annotated[
        int | None, typer.Option(help="How many orders of the number, the newest; 1000 unless given.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell an order's whole life in plain sentences, with why it did not move."""
    if (order is None) == (number is None):
        fail("Give either --order ID or --number NUMBER.")
    if order is not None and most is not None:
        fail("--most goes with --number; with --order there is one order. Leave it out.")
    try:
        told = explain(file, order=order, number=number, most=1_000 if most is None else most)
    except (RecordingError, StoreError, InvalidValue) as error:
        fail(f"{error}.")
    if as_json:
        print_json(_as_data(told))
        return
    for place, story in enumerate(told.stories):
        if place:
            typer.echo()
        _print(story)
    if told.left_out:
        typer.echo(f"{told.left_out} older orders are left out; --most shows more.", err=True)
    if told.torn_bytes is not None:
        typer.echo(
            f"{file} ends within a record: its last {told.torn_bytes} bytes are left out. "
            "It is still being written, or its writer was stopped.",
            err=True,
        )


def _print(story: Story) -> None:
    typer.echo(f"Order {story.order}: {story.caller} waits for {story.callee}")
    day = None
    for sentence in story.sentences:
        at = moment(sentence.at)
        if at.date() != day:
            day = at.date()
            typer.echo(f"{day}")
        typer.echo(f"{at:%H:%M:%S}.{sentence.at % 1000:03d} {sentence.text}")


def _as_data(told: Stories) -> dict[str, object]:
    return {
        "stories": [
            {
                "order": story.order,
                "caller": story.caller,
                "callee": story.callee,
                "sentences": [{"at": sentence.at, "text": sentence.text} for sentence in story.sentences],
            }
            for story in told.stories
        ],
        "left_out": told.left_out,
        "records": told.records,
        "until": told.until,
        "torn_bytes": told.torn_bytes,
    }
