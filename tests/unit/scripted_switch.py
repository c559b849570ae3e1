"""A switch that does what a test wrote for it, and a service over it on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from virtual_driver import VirtualDriver, until

from ccbs import CallbackService, ConnectOutcome, LineState, Profile, current_order
from ccbs._ccbs import Accepted, Step

HANG = "hang"
IGNORE = "ignore"
"""Hang, and swallow the cancellation once."""


class ScriptedSwitch:
    """Does what the test wrote for each method: return, raise, hang, or ignore its cancellation."""

    def __init__(self) -> None:
        self.ring_does: object = "leg"
        self.play_does: object = None
        self.connect_does: object = ConnectOutcome.ANSWERED
        self.release_does: object = None
        self.line_states_does: object = {"101": LineState.FREE, "102": LineState.FREE, "104": LineState.FREE}
        self.heard: list[tuple[object, ...]] = []
        self.orders: list[int | None] = []
        self.running: list[str] = []
        self.legs_given = 0
        self.finished = asyncio.Event()

    def names(self) -> list[object]:
        return [entry[0] for entry in self.heard]

    async def _do(self, name: str, what: object) -> object:
        self.orders.append(current_order.get())
        self.running.append(name)
        try:
            if what in (HANG, IGNORE):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if what == HANG:
                        raise
                    self.heard.append(("ignored", name))
                    await self.finished.wait()
                    return "late leg"
            if isinstance(what, BaseException):
                raise what
            return what
        finally:
            self.running.remove(name)

    async def ring(self, caller: str, shown_as: str, timeout: float) -> object:
        self.heard.append(("ring", caller, shown_as, timeout))
        leg = await self._do("ring", self.ring_does)
        self.legs_given += 1
        return leg

    async def play(self, leg: object, prompts: Sequence[str]) -> None:
        self.heard.append(("play", leg, *prompts))
        await self._do("play", self.play_does)

    async def connect(self, leg: object, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        self.heard.append(("connect", leg, callee, shown_as, timeout))
        return await self._do("connect", self.connect_does)  # type: ignore[return-value]

    async def release(self, leg: object, reason: str) -> None:
        self.heard.append(("release", leg, reason))
        await self._do("release", self.release_does)

    async def line_states(self) -> Mapping[str, LineState]:
        self.heard.append(("line_states",))
        return await self._do("line_states", self.line_states_does)  # type: ignore[return-value]


class Bench:
    """A service over a scripted switch, on virtual time, with 102 allowed to order."""

    def __init__(self, service: CallbackService, switch: ScriptedSwitch, driver: VirtualDriver) -> None:
        self.service = service
        self.switch = switch
        self.driver = driver
        self.steps: list[Step] = []

    async def order(self, attempts: int = 3) -> int:
        """102 finds 101 busy and orders; returns the order."""
        self.service.allow("102", Profile.autodial(attempts=attempts))
        self.service.call_failed("102", "101", "busy")
        reply = await self.service.order("102", "101")
        assert isinstance(reply, Accepted)
        return reply.order

    async def recall(self) -> None:
        """The CB timer expires and the switch is asked to ring."""
        before = self.switch.names().count("ring")
        self.driver.advance(10)
        await until(lambda: self.switch.names().count("ring") > before)

    async def told(self, kind: str) -> Step:
        """Wait for a step of an order."""
        await until(lambda: any(step.kind == kind for step in self.steps))
        return next(step for step in self.steps if step.kind == kind)


@contextlib.asynccontextmanager
async def bench(**settings: object) -> AsyncIterator[Bench]:
    switch = ScriptedSwitch()
    driver = VirtualDriver()
    steps: list[Step] = []
    settings.setdefault("on_step", steps.append)
    settings.setdefault("release_timeout", 0.05)
    service = CallbackService(switch, driver=driver, **settings)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        async with service:
            made = Bench(service, switch, driver)
            made.steps = steps
            yield made
    assert driver.closed
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def states(service: CallbackService) -> dict[str, str]:
    """The lines that the service knows, with their states."""
    return {view.line: view.state for view in service.lines()}
