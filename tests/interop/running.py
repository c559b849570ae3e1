"""Runs the steps of each kind of phone in an office of its own, side by side; each cell gets its verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path

from . import sipp_steps, steps
from .matrix import CANNOT, NETWORKS, STEPS, Case, Network
from .office import LIKE, OTHER, THIRD, UNDER_TEST, Office, open_office

__all__ = ["Verdicts", "run"]

Verdicts = dict[Case, BaseException | None]
AT_ONCE = 6
PHONES = {
    "baresip": {UNDER_TEST: "baresip", THIRD: "baresip", OTHER: "linphone"},
    "sipp": {UNDER_TEST: "sipp", LIKE: "sipp", THIRD: "baresip", OTHER: "linphone"},
    "linphone": {UNDER_TEST: "linphone", THIRD: "linphone", OTHER: "baresip"},
}


async def run(version: int, directory: Path) -> Verdicts:
    """Runs the matrix of one IP version; returns for each cell what went wrong, or None."""
    places = asyncio.Semaphore(AT_ONCE)
    verdicts: Verdicts = {}

    async def one(kind: str, network: Network) -> None:
        async with places:
            try:
                async with open_office(
                    directory / f"{kind}-{network.transport}", network, PHONES[kind]
                ) as office:
                    await _steps(kind, network, office, verdicts)
            except Exception as error:
                # Also what is found at the end, when the steps have passed: an error in the switch's log.
                for step in STEPS:
                    if verdicts.get(Case(kind, step, network)) is None:
                        verdicts[Case(kind, step, network)] = error

    networks = [network for network in NETWORKS if network.version == version]
    await asyncio.gather(*(one(kind, network) for network in networks for kind in PHONES))
    return verdicts


async def _steps(kind: str, network: Network, office: Office, verdicts: Verdicts) -> None:
    for step in STEPS:
        usual = sipp_steps.STEPS if kind == "sipp" else steps.STEPS
        act = steps.PROOFS[kind, step] if (kind, step) in CANNOT else usual[step]
        failed: BaseException | None = None
        try:
            if step != "recall":  # it goes on from the order
                await office.idle()
            await act(office)
        except Exception as error:
            failed = error
        verdicts[Case(kind, step, network)] = failed
