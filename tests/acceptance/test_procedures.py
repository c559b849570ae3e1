"""The four procedures of the acceptance document, side by side; each numbered step is a test of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio

from .procedures import PROCEDURES, Observer, Procedure, Step, Verdict, run_procedure
from .world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

Verdicts = dict[tuple[int, str], Verdict]


class _Silent(Observer):
    def world_opened(self, procedure: Procedure, world: World) -> None:
        pass

    def step_began(self, procedure: Procedure, step: Step) -> None:
        pass

    def step_ended(self, procedure: Procedure, verdict: Verdict) -> None:
        print(f"{procedure.number}.{verdict.step.number} {verdict.outcome}: {verdict.evidence}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    directory: Path = tmp_path_factory.mktemp("procedures")
    runs = await asyncio.gather(
        *(run_procedure(number, directory / f"procedure-{number}", _Silent()) for number in PROCEDURES)
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
    verdict = verdicts[procedure, step]
    assert verdict.outcome == "passed", verdict.evidence
