"""The kit itself: a switch with a fault in it does not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ccbs import ConnectOutcome, LineState
from ccbs.testing import switch_conformance
from ccbs.testing.switch_conformance import SwitchConformance

from .test_minimal_pbx import MinimalBench


async def _says_answered(leg: str, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
    return ConnectOutcome.ANSWERED


async def _releases_nothing(leg: str, reason: str) -> None:
    return None


async def _sees_nobody() -> Mapping[str, LineState]:
    return dict.fromkeys(("101", "102", "104"), LineState.FREE)


def _tells_no_failure(*_: Any) -> None:
    return None


KIT = SwitchConformance()


@pytest.mark.parametrize(
    ("method", "fault", "test"),
    [
        ("connect", _says_answered, KIT.test_a_busy_callee_is_told_and_the_caller_is_still_there),
        ("connect", _says_answered, KIT.test_caller_and_callee_are_joined),
        ("release", _releases_nothing, KIT.test_a_caller_is_rung_hears_a_prompt_and_is_released),
        ("line_states", _sees_nobody, KIT.test_lines_follow_the_calls),
        ("call", _tells_no_failure, KIT.test_procedure_1_the_callee_is_free_again),
        ("hang_up", _tells_no_failure, KIT.test_lines_follow_the_calls),
    ],
)
async def test_a_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, method: str, fault: Any, test: Callable[[MinimalBench], Any]
) -> None:
    monkeypatch.setattr(switch_conformance, "SOON_S", 0.3)
    bench = MinimalBench()
    setattr(bench.pbx, method, fault)
    with pytest.raises((AssertionError, TimeoutError)):
        await test(bench)
