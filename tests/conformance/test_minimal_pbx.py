"""The example of the embedding guide as a switch that keeps to the protocol."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ccbs import CallbackService
from ccbs.switch import Switch
from ccbs.testing.switch_conformance import SwitchConformance

_EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_pbx.py"


class MinimalBench:
    """Its phones answer at once; see :class:`ccbs.testing.switch_conformance.Bench`."""

    caller, callee, other = "102", "101", "104"
    external: str | None = None
    unreachable: str | None = None
    can = ("restart",)

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("minimal_pbx", _EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.pbx = module.MinimalPbx(self.caller, self.callee, self.other)

    @property
    def switch(self) -> Switch[Any]:
        """The PBX."""
        switch: Switch[Any] = self.pbx
        return switch

    async def attach(self, service: CallbackService) -> None:
        """Its facts go to this service."""
        self.pbx.service = service

    async def restart(self) -> None:
        """The PBX goes on; the service in it is another, by :meth:`attach`."""

    async def call(self, caller: str, callee: str) -> None:
        """Dials."""
        self.pbx.call(caller, callee)

    async def rings(self, number: str, timeout: float) -> str:
        """Its phones do not ring: they answer."""
        raise NotImplementedError

    async def answer(self, number: str) -> None:
        """Its phones answer by themselves."""

    async def hang_up(self, number: str) -> None:
        """Puts the handset back."""
        self.pbx.hang_up(number)

    async def quiet(self, number: str, timeout: float) -> None:
        """Waits until the phone has no call."""
        async with asyncio.timeout(timeout):
            while self.pbx.peer[number] is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


class TestMinimalPbx(SwitchConformance):
    @pytest.fixture
    def bench(self) -> MinimalBench:
        return MinimalBench()
