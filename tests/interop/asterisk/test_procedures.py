"""The four procedures between real phones at a real Asterisk; each numbered step is a test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio

from acceptance.procedures import PROCEDURES, Verdict, run_procedure
from acceptance.test_procedures import Verdicts, _Silent

from .world import open_asterisk_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    directory: Path = tmp_path_factory.mktemp("asterisk")
    runs = await asyncio.gather(
        *(
            run_procedure(number, directory / f"procedure-{number}", _Silent(), opening=open_asterisk_world)
            for number in PROCEDURES
        )
    )
    return {(verdict.procedure, verdict.step.number): verdict for run in runs for verdict in run}


@pytest.mark.parametrize(
    ("procedure", "step"),
    [
        pytest.param(procedure.number, step.number, id=f"{procedure.number}.{step.number} {step.text}")
        for procedure in PROCEDURES.values()
        for step in procedure.steps
    ],
)
async def test_step(verdicts: Verdicts, procedure: int, step: str) -> None:
    verdict: Verdict = verdicts[procedure, step]
    assert verdict.outcome == "passed", verdict.evidence
