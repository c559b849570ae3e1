"""Real phones over IPv4: each cell of the matrix is a test of its own."""

from __future__ import annotations

import pytest
import pytest_asyncio

from .matrix import Case, cases
from .running import Verdicts, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    return await run(4, tmp_path_factory.mktemp("ipv4"))


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.kind}, {c.network}: {c.step}") for c in cases(4)])
async def test_step(verdicts: Verdicts, case: Case) -> None:
    failed = verdicts[case]
    if failed is not None:
        raise failed
