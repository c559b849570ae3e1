"""``python -m benches.counts``: fails when a load needs more instructions than its baseline allows.

The loads are those of ``benches/instructions``; Valgrind's callgrind counts from the beginning of ``counted``
to its end. Processor time depends on what else the machine does; a count is the same in every run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benches.process import Failed
from benches.rust import built

__all__ = ["Baseline", "Verdict", "compare", "count"]

_BASELINE = Path(__file__).parent / "instructions" / "baseline.toml"
_RENEW = "make bench-baseline"
_COLLECTED = re.compile(r"^==\d+== Collected : (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Baseline:
    """What the loads needed when this was written.

    :ivar margin: share by which a count may differ from its baseline.
    :ivar margin_otherwise: the same where another rustc compiled the loads.
    :ivar compiler: version of rustc that the counts belong to.
    :ivar counts: instructions of each load.
    """

    margin: float
    margin_otherwise: float
    compiler: str
    counts: Mapping[str, int]

    @classmethod
    def read(cls, file: Path = _BASELINE) -> Baseline:
        """:raises Failed: when the file is not what :meth:`write` writes; says what to do."""
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
            margins = float(found["margin"]), float(found["margin-otherwise"])
            return cls(*margins, str(found["rustc"]), dict(found["instructions"]))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise Failed(f"{file}: no baseline ({error}); write it anew: {_RENEW}") from error

    def write(self, file: Path = _BASELINE) -> None:
        """Writes the file."""
        counts = "".join(f"{name} = {count:_}\n" for name, count in self.counts.items())
        file.write_text(
            f"# Written by `{_RENEW}`, which keeps the margins; otherwise: for another rustc than this.\n"
            f"margin = {self.margin}\nmargin-otherwise = {self.margin_otherwise}\n"
            f'rustc = "{self.compiler}"\n\n[instructions]\n{counts}',
            encoding="utf-8",
        )


@dataclass(frozen=True)
class Verdict:
    """A load's count beside its baseline.

    :ivar baseline: ``None`` for a load that has none yet.
    :ivar count: ``None`` for a load that is gone.
    :ivar fault: what is wrong, nothing when it is as it should be.
    """

    load: str
    baseline: int | None
    count: int | None
    fault: str = ""

    def __str__(self) -> str:
        change = f"{self.count / self.baseline - 1:+8.2%}" if self.count and self.baseline else " " * 8
        count, baseline = (f"{value or 0:>13,}" for value in (self.count, self.baseline))
        return f"{self.load:<22}{count}{baseline}  {change}  {self.fault}".rstrip()


def compare(baseline: Baseline, counts: Mapping[str, int], compiler: str) -> Sequence[Verdict]:
    """Each load's verdict; a load on one side only is a fault, else one could be dropped in silence.

    A count below the baseline by more than the margin is a fault too: an old baseline would let a slow-down
    pass up to what was gained.
    """
    margin = baseline.margin if compiler == baseline.compiler else baseline.margin_otherwise
    verdicts = []
    for load in dict.fromkeys([*baseline.counts, *counts]):
        was, now = baseline.counts.get(load), counts.get(load)
        fault = ""
        if was is None:
            fault = "has no baseline"
        elif now is None:
            fault = "is in the baseline and not among the loads"
        elif now > was * (1 + margin):
            fault = f"slower: more than {margin:.0%} above the baseline"
        elif now < was * (1 - margin):
            fault = f"faster: more than {margin:.0%} below the baseline, which is to be renewed"
        verdicts.append(Verdict(load, was, now, fault))
    return verdicts


def count() -> Mapping[str, int]:
    """The instructions of each load.

    :raises Failed: when Valgrind is missing or a load does not run.
    """
    # Of the whole workspace, so that this build is the tests' build.
    program = built("--workspace", "--examples") / "examples" / "instructions"
    listed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {load: _count(program, load) for load in listed.split()}


def _count(program: Path, load: str) -> int:
    command = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
        "--toggle-collect=ccbs_instructions::counted*", str(program), load,
    ]  # fmt: skip
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failed("valgrind is missing; on Debian: apt-get install valgrind") from None
    found = _COLLECTED.search(ended.stderr)
    if ended.returncode or found is None or int(found[1]) == 0:
        raise Failed(f"{' '.join(command)} counted nothing:\n{ended.stderr}")
    return int(found[1])


def _compiler() -> str:
    said = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout
    return said.split()[1]


def main() -> int:
    """0 when every load is within its margin."""
    options = argparse.ArgumentParser(prog="python -m benches.counts", description=__doc__)
    options.add_argument("--write", action="store_true", help="write the baseline anew")
    given = options.parse_args()
    try:
        counts = count()
        compiler = _compiler()
        if given.write:
            replace(Baseline.read(), compiler=compiler, counts=counts).write()
            print(f"written: {_BASELINE}")
            return 0
        baseline = Baseline.read()
    except (Failed, subprocess.SubprocessError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    verdicts = compare(baseline, counts, compiler)
    print(f"{'instructions':<22}{'counted':>13}{'baseline':>13}")
    print(*verdicts, sep="\n")
    if all(not verdict.fault for verdict in verdicts):
        return 0
    if compiler != baseline.compiler:
        print(f"The baseline is of rustc {baseline.compiler}, this is {compiler}.", file=sys.stderr)
    print(
        f"Wanted? Then write the baseline anew ({_RENEW}) and say why in the commit. Not wanted? "
        "valgrind --tool=callgrind --dump-instr=yes shows where they go (callgrind_annotate).",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
