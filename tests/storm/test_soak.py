"""An hour of mixed traffic: nothing grows. ``CCBS_SOAK_S`` says how long; without it, not at all."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from .office import Load, Office, descriptors

SOAK_S = float(os.environ.get("CCBS_SOAK_S", "0"))
SEED = int(os.environ.get("CCBS_SEED", "1"))
SETTLING = 0.25
"""The part of the time in which caches and queues fill."""
GROWTH = {
    "rss_mib": 0.10,
    "descriptors": 0.10,
    "threads": 0.0,
    "timers": 0.25,
    "tasks": 0.25,
    "store_mib": 0.25,
}
"""By how much the mean of the last quarter may exceed that of the second."""
SLACK = {
    "rss_mib": 8.0,
    "descriptors": 4.0,
    "threads": 0.5,
    "timers": 200.0,
    "tasks": 50.0,
    "store_mib": 16.0,
}


def sample(office: Office, counters: dict[str, int]) -> dict[str, float]:
    status = Path(f"/proc/{office.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "rss_mib": int(fields["VmRSS"].split()[0]) / 1024,
        "threads": int(fields["Threads"]),
        "descriptors": descriptors(office.pid),
        "timers": counters["driver_timers"],
        "tasks": counters["tasks_now"],
        "store_mib": sum(file.stat().st_size for file in office.store.parent.iterdir()) / 2**20,
    }


@pytest.mark.skipif(not SOAK_S, reason="CCBS_SOAK_S says how long, in seconds")
async def test_nothing_grows(tmp_path: Path) -> None:
    # What the store keeps to be read is a setting: small enough that it is at its bound all the time.
    office = Office(tmp_path / "office", Load(), SEED, kept_records=20_000)
    samples: list[dict[str, float]] = []
    try:
        await office.spawn()
        await office.ready()
        await office.register()
        office.begin()
        end = time.monotonic() + SOAK_S
        for _ in iter(lambda: time.monotonic() < end, False):
            await asyncio.sleep(min(5.0, SOAK_S / 60))
            samples.append(sample(office, await office.ask("counters")))
        await office.settle(120)
    finally:
        await office.close()
    ledger, counts = office.ledger, office.ledger.counts
    quarter = int(len(samples) * SETTLING)
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]

    def mean(of: list[dict[str, float]], name: str) -> float:
        return sum(found[name] for found in of) / len(of)

    words = ", ".join(f"{name} {mean(before, name):.0f} to {mean(after, name):.0f}" for name in GROWTH)
    print(
        f"\nfigure: soak: {SOAK_S:.0f} s, {office.calls_a_second:.0f} calls/s by SIPp, {counts['accepted']} "
        f"orders confirmed, {counts['connected']} carried out, lost {len(ledger.lost)}, doubled "
        f"{len(ledger.doubled)}; second and last quarter: {words}"
    )
    assert (ledger.lost[:10], ledger.doubled[:10]) == ([], [])
    for name, growth in GROWTH.items():
        bound = mean(before, name) * (1 + growth) + SLACK[name]
        assert mean(after, name) <= bound, (name, mean(before, name), mean(after, name))
