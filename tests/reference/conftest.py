"""Prints what the comparison looked at, after the tests."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen: Counter[str] = Counter()
    caught: list[str] = []
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "caught":
                caught.append(value)
            else:
                seen[name] += value
    if seen:
        figures = ", ".join(f"{count:,} {name}" for name, count in seen.items())
        terminalreporter.write_line(f"figure: model: engine and model agree over {figures}")
    if caught:
        missed = [
            report
            for report in terminalreporter.stats.get("failed", [])
            if "test_a_planted_bug_is_caught" in report.nodeid
        ]
        terminalreporter.write_line(
            f"figure: model: {len(caught)} of {len(caught) + len(missed)} planted bugs caught"
        )
    for line in sorted(caught):
        terminalreporter.write_line(f"planted: {line}")
