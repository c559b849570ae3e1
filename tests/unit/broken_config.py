"""Configurations to break: a small sound one, and how to read what is said about a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccbs.config import ConfigError, Problem, load

SOUND = """\
listen: {realm: ccbs.example}
subscribers:
- number: 101
  password: secret-101
numbering:
  internal: [1XX]
"""

MARK = "#!"
"""Ends the line that the problem must name."""


def write(directory: Path, text: str, name: str = "ccbs.yml") -> Path:
    """Write a configuration file that only its owner reads."""
    file = directory / name
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def problems(directory: Path, text: str) -> list[Problem]:
    """Everything that is said about a broken configuration."""
    with pytest.raises(ConfigError) as caught:
        load(write(directory, text))
    return list(caught.value.problems)


def marked_line(text: str) -> int:
    """The number of the line that ends with the mark."""
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line.endswith(MARK)]
    assert len(lines) == 1, lines
    return lines[0]
