"""The command line: its global options, and the parts it is made of."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from ccbs.cli import client, configuration, explain, prompts, serve, simulate

__all__ = ["app"]

app = typer.Typer(
    name="ccbs",
    help="Call back on busy: a SIP switch that rings you back when the number you called is free.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ccbs {importlib.metadata.version('ccbs')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and leave.")
    ] = False,
) -> None:
    """Options before the command."""


serve.register(app)
configuration.register(app)
client.register(app)
explain.register(app)
simulate.register(app)
prompts.register(app)
