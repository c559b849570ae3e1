"""The command ``ccbs``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command and leave the process with its exit code."""
    import contextlib
    import errno
    import io
    import os
    import sys

    from ccbs.cli.app import app
    from ccbs.cli.output import CANNOT

    # Names and labels are in any script, whatever the locale.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app(prog_name="ccbs")
    except OSError as error:
        # Of a closed pipe nothing is said; what else a command could not do it has told itself.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        # Where stderr goes to the same disk, the exit code alone tells it.
        with contextlib.suppress(OSError):
            print(
                f"The output cannot be written: {error.strerror}; make room or write elsewhere.",
                file=sys.stderr,
            )
        # What was not written is not tried once more when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        sys.exit(CANNOT)
