"""The command that writes the prompts to where another switch reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ccbs.cli.configuration import load_any_or_fail
from ccbs.cli.output import fail
from ccbs.prompts import LANGUAGES, Catalogue, PromptError

__all__ = ["register"]

prompts = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The prompts as files.")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(prompts, name="prompts")


@prompts.callback()
def _root() -> None:
    """The prompts as files."""


@prompts.command()
def install(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where Asterisk reads them: asterisk.sounds.")
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Take its prompts.overrides, too.", metavar="FILE"),
    ] = None,
) -> None:
    """Write the prompts of every language, as DIR/LANGUAGE/NAME.wav, readable for everybody."""
    overrides = load_any_or_fail(config).overrides if config is not None else {}
    written = 0
    try:
        for language in LANGUAGES:
            catalogue = Catalogue.load(language, overrides.get(language, {}))
            target = directory / language
            target.mkdir(parents=True, exist_ok=True)
            for made in (directory, target):
                made.chmod(made.stat().st_mode | 0o555)
            for name in catalogue.names:
                _write(target / f"{name}.wav", catalogue.wav(name))
                written += 1
    except PromptError as error:
        fail(str(error))
    except OSError as error:
        fail(
            f"{error.filename or directory} cannot be written: {error.strerror}. "
            "Run it as root, or choose another directory."
        )
    typer.echo(f"{directory}: prompts written: {written}, languages: {', '.join(LANGUAGES)}")


def _write(path: Path, content: bytes) -> None:
    """A prompt is whole or the old one: Asterisk may be playing it."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o644)
    os.replace(new, path)
