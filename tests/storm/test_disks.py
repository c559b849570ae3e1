"""``ccbs serve`` on slow, full and broken disks: it slows down or refuses, and never says what is not so."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from benches.process import Failed

from .office import Load, Office

_FAULTS = Path(__file__).parents[2] / "driver" / "tests" / "crashes" / "faults.c"
_LOAD = Load(callers=8, each=1, timers=(600, 600))
WITHIN_S = 60.0


class Disk:
    """The disk of the store."""

    def __init__(self, directory: Path) -> None:
        self._when = directory / "fault"
        self._met = directory / "fault.met"

    def goes(self, wrong: str) -> None:
        """From now on every write goes wrong so."""
        self._met.unlink(missing_ok=True)
        self._when.write_text(wrong)

    def is_well(self) -> None:
        """As before."""
        self._when.unlink()

    async def met(self) -> None:
        """Waits until something went wrong."""
        await until(self._met.exists)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    for _ in iter(true, True):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shim") / "faults.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(made), str(_FAULTS)], check=True)
    return made


@contextlib.asynccontextmanager
async def office_on(directory: Path, shim: Path) -> AsyncIterator[tuple[Office, Disk]]:
    office = Office(directory / "office", _LOAD, 1)
    office.environment = {
        "LD_PRELOAD": str(shim),
        "FAULTS_UNDER": str(office.store.parent),
        "FAULTS_WHEN": str(directory / "fault"),
    }
    try:
        await office.spawn()
        await office.ready()
        await office.register()
        yield office, Disk(directory)
    finally:
        await office.close()


async def standing(office: Office) -> set[str]:
    found = await office.ask("orders")
    return {f"{order['caller']}→{order['callee']}" for order in found["rows"]}


async def reborn(office: Office) -> None:
    """Killed, and started again; what was promised is there."""
    await office.kill()
    await office.spawn()
    await office.ready()
    assert office.ledger.lost == []


async def test_nobody_hears_of_an_order_before_the_disk_has_it(tmp_path: Path, shim: Path) -> None:
    async with office_on(tmp_path, shim) as (office, disk):
        disk.goes("hang")
        ordering = asyncio.create_task(office.order(0))
        await disk.met()
        # The switch serves on meanwhile.
        status, _ = await office.phones.call(office.callers[1], "storm-password", "8999999")
        assert status == 486
        assert await standing(office) == set()
        assert not ordering.done()
        disk.is_well()
        order = await ordering
        assert office.ledger.is_open(order)
        assert await standing(office) == {order}
        await reborn(office)


async def test_what_is_heard_from_a_disk_that_takes_two_seconds_is_so(tmp_path: Path, shim: Path) -> None:
    async with office_on(tmp_path, shim) as (office, disk):
        disk.goes("slow")
        await asyncio.gather(*(office.order(at) for at in range(4)))
        await disk.met()
        await reborn(office)
        assert office.ledger.counts["accepted"] + office.ledger.counts["unheard"] == 4


async def test_a_full_disk_denies_new_orders_and_keeps_the_old_ones(tmp_path: Path, shim: Path) -> None:
    async with office_on(tmp_path, shim) as (office, disk):
        before = await office.order(0)
        assert office.ledger.is_open(before)
        disk.goes("enospc")
        await office.order(1)
        assert office.ledger.counts["denied"] == 1
        assert await standing(office) == {before}
        await until(lambda: "there is no room for the store" in office.said())
        disk.is_well()
        await until(lambda: "the store keeps inputs again" in office.said())
        after = await office.order(2)
        assert office.ledger.is_open(after)
        assert await standing(office) == {before, after}
        assert (await office.ask("counters"))["driver_orders_denied"] == 1
        await reborn(office)
        assert await standing(office) == {before, after}


@pytest.mark.parametrize("fault", ["eio", "erofs"])
async def test_a_broken_disk_ends_the_server_and_no_order(tmp_path: Path, shim: Path, fault: str) -> None:
    async with office_on(tmp_path, shim) as (office, disk):
        before = await office.order(0)
        disk.goes(fault)
        ordering = asyncio.create_task(office.order(1))
        code, log = await office.ended()
        assert code == 1
        assert f"the disk of the store {office.store} failed" in log
        assert "Start it again" in log
        office.phones.server_died()
        with contextlib.suppress(Failed):
            await ordering
        assert office.ledger.counts["accepted"] == 1
        disk.is_well()
        await office.spawn()
        await office.ready()
        assert office.ledger.lost == []
        assert await standing(office) == {before}
