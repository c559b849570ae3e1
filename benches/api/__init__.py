"""The Python face of the engine beside the reference model, by pytest-benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benches.figures import Figure
from benches.process import Failed

__all__ = ["measure"]

_HERE = Path(__file__).parent


def measure() -> list[Figure]:
    """Runs the benches of this folder and reads their figures.

    :raises Failed: when one of them fails.
    """
    with tempfile.TemporaryDirectory(prefix="ccbs-bench-") as directory:
        file = Path(directory) / "figures.json"
        command = [sys.executable, "-m", "pytest", "-c", str(_HERE / "pytest.ini"), str(_HERE), "-q"]
        if subprocess.run([*command, f"--benchmark-json={file}"], check=False).returncode:
            raise Failed(f"{' '.join(command)} failed")
        benches = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    figures = []
    for bench in benches:
        about = bench["extra_info"]
        if "figures" in about:
            figures += [Figure(**figure) for figure in about["figures"]]
            continue
        value = bench["stats"]["min"] / about["per"] * 1e9
        figures.append(Figure(about["measure"], about["who"], about["size"], value, "ns"))
    return figures
