"""What happens around the procedures at a real Asterisk; all scenes run side by side."""

from __future__ import annotations

import pytest
import pytest_asyncio

from acceptance.side_by_side import play

from . import checking, dying, failing, faults, newcomer, offering, standard

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCENES = (
    *standard.SCENES,
    *checking.SCENES,
    *newcomer.SCENES,
    *failing.SCENES,
    *faults.SCENES,
    *dying.SCENES,
    *offering.SCENES,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def raised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    # Asterisk, and not a Python process of ours, makes the calls: there is room for more than elsewhere.
    return await play(SCENES, tmp_path_factory.mktemp("scenes"), at_once=8)


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
async def test_scene(raised: dict[str, BaseException | None], scene: str) -> None:
    if (error := raised[scene]) is not None:
        raise error
