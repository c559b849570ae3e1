"""What the store costs: a restart, a commit beside the disk's own, and a recall with and without it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benches import recalls
from benches.figures import Figure
from benches.process import Failed
from benches.rust import built, read

__all__ = ["measure"]

_DISK = Path(__file__).parent.parent / ".cache"


def measure(directory: Path, *, waiting: int, measured: int, per_second: float) -> list[Figure]:
    """Measures commits on the disk of this project's folder, and recalls.

    :param directory: for the switches' files; made.
    :param waiting: orders that stand while recalls are timed.
    :param measured: how many recalls are timed, each way.
    :param per_second: releases a second.
    :raises Failed: when a step does not go as it should.
    """
    program = built("-p", "ccbs-driver", "--example", "store_figures") / "examples" / "store_figures"
    directory.mkdir(parents=True, exist_ok=True)
    # The folder of temporary files may be memory; a store lies on a disk.
    _DISK.mkdir(parents=True, exist_ok=True)
    disk = Path(tempfile.mkdtemp(prefix="bench-store-", dir=_DISK))
    try:
        ended = subprocess.run([program, str(disk)], stdout=subprocess.PIPE, text=True, check=False)
    finally:
        shutil.rmtree(disk)
    if ended.returncode:
        raise Failed(f"{program} ended with {ended.returncode}")
    figures = read(ended.stdout.splitlines())
    for who, store in (("in memory", False), ("stored", True)):
        found = recalls.measure(
            directory / f"recalls-{store}",
            waiting=waiting,
            measured=measured,
            per_second=per_second,
            store=store,
        )
        for share in (50, 99):
            delay = found.percentile(share / 100)
            figures.append(Figure(f"recalled-p{share}", who, waiting, delay * 1e6, "µs"))
    return figures
