"""Programs that tests run in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def python(program: str) -> str:
    """Run a program and return what it printed; it must end by itself, well, without a word on stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
