"""The programs in Rust that measure: built, run, their figures read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benches.figures import Figure
from benches.process import Failed

__all__ = ["built", "measure", "read"]

_ROOT = Path(__file__).parent.parent
_FOLDER = _ROOT / "benches" / "engine"


def built(*options: str, folder: Path = _ROOT) -> Path:
    """Builds in release mode; where the programs are.

    :param options: of ``cargo build``: which program.
    :raises Failed: when it does not build.
    """
    target = Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target")).absolute()
    command = ["cargo", "build", "--quiet", "--release", "--locked", f"--target-dir={target}", *options]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise Failed(f"{' '.join(command)} failed in {folder}")
    return target / "release"


def measure(load: str) -> list[Figure]:
    """Runs one load of ``benches/engine``.

    :param load: ``timers``, ``engine`` or ``large``.
    :raises Failed: when it does not build or run.
    """
    program = built(folder=_FOLDER) / "ccbs-engine-bench"
    ended = subprocess.run([program, load], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise Failed(f"{program} {load} ended with {ended.returncode}")
    return read(ended.stdout.splitlines())


def read(lines: Iterable[str]) -> list[Figure]:
    """The figures out of lines of JSON.

    :raises Failed: at a line that is none; names it.
    """
    figures = []
    for line in lines:
        try:
            figures.append(Figure(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise Failed(f"no figure: {line!r} ({error})") from error
    return figures
