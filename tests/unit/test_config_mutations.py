"""Any text at all is either a configuration or a list of what is wrong with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ccbs.config import ConfigError, Problem, load
from ccbs.provisioning import read_pack

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (ROOT / "config" / "ccbs.yml").read_text(encoding="utf-8")
LINES = SAMPLE.splitlines()

VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "~",
            "[]",
            "{}",
            "[[]]",
            "{a: b}",
            "&a [*a]",
            "*a",
            "!!binary x",
            "!!int x",
            "yes",
            ".inf",
            ".nan",
        ]
    ),
    st.sampled_from(
        ["-1", "0", "1e400", "1_0", "0o17", "0x_", "99999999999999999999999", '"\\u0000"', "|", "<<"]
    ),
    st.text(max_size=20),
)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """The sample with some lines' values changed, lines lost, doubled or moved."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case 3:
                lines[at] = " " * draw(st.integers(0, 4)) + lines[at].lstrip()
            case _:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon} {draw(VALUES)}"
        lines = lines or [""]
    return "\n".join(lines)


def faults(reader: Callable[[Path], object], file: Path) -> Sequence[Problem]:
    try:
        reader(file)
    except ConfigError as error:
        return error.problems
    return ()


def told_or_taken(text: str) -> None:
    # YAML knows more line ends than one.
    lines = 2 + sum(text.count(end) for end in "\n\r\x85\u2028\u2029")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ccbs.yml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        for problem in (*faults(load, file), *faults(read_pack, file)):
            assert problem.what
            assert problem.expected
            assert problem.todo
            assert 0 <= problem.line <= lines


@settings(max_examples=150, deadline=None, print_blob=True)
@given(mutations())
def test_a_sample_that_was_tampered_with(text: str) -> None:
    told_or_taken(text)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    told_or_taken(text)
