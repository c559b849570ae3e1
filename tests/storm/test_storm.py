"""SIGKILL at random moments under load: nothing that was promised is lost, nothing comes twice.

``CCBS_KILLS`` says how often, ``CCBS_SEED`` from which seed.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from ccbs._ccbs import verify_store

from .office import Load, Office

KILLS = int(os.environ.get("CCBS_KILLS", "50"))
SEED = int(os.environ.get("CCBS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
LIFE_S = (0.05, 1.7)
"""How long a life lasts after the server answers: some longer than `caller_free_guard_s`, before which nobody
is rung whose timer ran out meanwhile."""
STARTING = 0.15
"""The part of the lives that end while the server starts."""
SETTLED_S = 180.0


async def storm(office: Office, kills: int) -> None:
    moments = random.Random(office.random.random())
    await office.spawn()
    await office.ready()
    await office.register()
    office.begin()
    await office.until_open(office.load.orders * 4 // 5)
    for left in range(kills, 0, -1):
        await asyncio.sleep(moments.uniform(*LIFE_S))
        await office.kill()
        await office.spawn()
        if left > 1 and moments.random() < STARTING:
            continue
        await office.ready()
        office.begin()
    await office.settle(SETTLED_S)


async def test_nothing_promised_is_lost_and_nothing_is_doubled(tmp_path: Path) -> None:
    print(f"\nagain: CCBS_SEED={SEED} CCBS_KILLS={KILLS} scripts/test.sh storm")
    office = Office(tmp_path / "office", Load(), SEED)
    try:
        await storm(office, KILLS)
    finally:
        await office.close()
    ledger, counts = office.ledger, office.ledger.counts
    assert (ledger.lost[:10], ledger.doubled[:10]) == ([], []), f"CCBS_SEED={SEED}: {counts}"
    assert counts["accepted"] > office.load.orders
    assert counts["connected"] > office.load.orders / 2
    verify_store(office.store)
    print(
        f"figure: storm: {KILLS} SIGKILLs: lost {len(ledger.lost)}, doubled {len(ledger.doubled)}; "
        f"{counts['accepted']} orders confirmed, {counts['cancelled']} cancelled, {counts['connected']} "
        f"carried out, {counts['ended']} ended with a reason, {counts['cut_off']} recalls made anew; "
        f"{office.calls_a_second:.0f} calls/s by SIPp besides; seed {SEED}"
    )


async def test_the_storm_notices_a_server_that_keeps_nothing(tmp_path: Path) -> None:
    office = Office(
        tmp_path / "office", Load(callers=10, each=2, rate=10, timers=(60, 60), cancels=0), 1, store=False
    )
    try:
        await office.spawn()
        await office.ready()
        await office.register()
        office.begin()
        await office.until_open(office.load.orders)
        await office.kill()
        await office.spawn()
        await office.ready()
    finally:
        await office.close()
    assert len(office.ledger.lost) == office.load.orders
