"""The command ``ccbs``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command and leave the process with its exit code."""
    import io
    import sys

    from ccbs.cli.app import app

    # Names and labels are in any script, whatever the locale.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    app(prog_name="ccbs")
