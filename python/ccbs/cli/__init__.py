"""The command ``ccbs``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command and leave the process with its exit code."""
    from ccbs.cli.app import app

    app(prog_name="ccbs")
