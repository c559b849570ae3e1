"""The command that runs the switch."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ccbs.cli.configuration import load_any_or_fail, warn_of_exposed
from ccbs.cli.output import fail
from ccbs.cli.paths import clash, file_path
from ccbs.config import AsteriskConfig

__all__ = ["register"]

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")],
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write each SIP message as a JSON line to this file.", metavar="FILE", parser=file_path
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Write the engine's inputs to this file, for `ccbs explain`.",
            metavar="FILE",
            parser=file_path,
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="How much is logged to stderr.")
    ] = "info",
) -> None:
    """Run the switch until SIGTERM or SIGINT."""
    loaded = load_any_or_fail(config)
    warn_of_exposed(loaded)
    if (refusal := clash(loaded, trace=trace, record=record)) is not None:
        fail(refusal)
    # Only this command needs the whole switch.
    from ccbs.line_writer import LineHandler, LineWriter
    from ccbs.server import StartError, run

    out, log = LineWriter(sys.stdout.fileno(), name="lines"), LineWriter(sys.stderr.fileno(), name="log")
    handler = LineHandler(log)
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT, handlers=[handler])
    try:
        if isinstance(loaded, AsteriskConfig):
            from ccbs.asterisk.server import run as run_beside_asterisk

            if trace is not None:
                raise StartError(
                    "With switch: asterisk there are no SIP messages to trace; `pjsip set logger on` in "
                    "Asterisk's console shows them. Leave --trace out."
                )
            code = run_beside_asterisk(loaded, record=record, say=out.write, outputs=(out, log))
        else:
            code = run(loaded, trace=trace, record=record, say=out.write, outputs=(out, log))
    except StartError as error:
        fail(str(error))
    finally:
        logging.getLogger().removeHandler(handler)
        out.close()
        log.close()
    raise typer.Exit(code)
