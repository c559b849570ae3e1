"""A switch that misbehaves at random: orders end once, legs are accounted for, nothing is left running."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from virtual_driver import VirtualDriver, settle

from ccbs import (
    CallbackService,
    ConnectOutcome,
    LegGone,
    LineState,
    NotTried,
    Profile,
    RingFailed,
    RingOutcome,
)
from ccbs._ccbs import Accepted, Step

NUMBERS = ("101", "102", "103", "104")


class MisbehavingSwitch:
    """Raises, hangs, ignores, or works, as the dice fall; keeps book of its legs."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.given: list[int] = []
        self.talking: list[int] = []
        self.hung_up: list[int] = []
        self.released: Counter[int] = Counter()

    async def trouble(self) -> None:
        """One time in three something goes wrong."""
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        match self.dice.randrange(12):
            case 0:
                raise ValueError("broken")
            case 1:
                await asyncio.Event().wait()
            case 2:
                raise asyncio.CancelledError
            case 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await asyncio.sleep(0)

    async def ring(self, caller: str, shown_as: str, timeout: float) -> int:
        await self.trouble()
        if self.dice.random() < 0.2:
            raise self.dice.choice((NotTried("no"), *map(RingFailed, RingOutcome)))
        self.given.append(len(self.given))
        return self.given[-1]

    async def play(self, leg: int, prompts: Sequence[str]) -> None:
        await self.trouble()
        if self.dice.random() < 0.2:
            self.hung_up.append(leg)
            raise LegGone

    async def connect(self, leg: int, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        await self.trouble()
        outcome = self.dice.choice(list(ConnectOutcome))
        if outcome is ConnectOutcome.ANSWERED:
            self.talking.append(leg)
        elif outcome is ConnectOutcome.CALLER_GONE:
            self.hung_up.append(leg)
        return outcome

    async def release(self, leg: int, reason: str) -> None:
        self.released[leg] += 1
        await self.trouble()

    async def line_states(self) -> Mapping[str, LineState]:
        return dict.fromkeys(NUMBERS, LineState.FREE)


@pytest.mark.parametrize("seed", range(40))
async def test_every_order_ends_once_and_every_leg_is_accounted_for(seed: int) -> None:
    # The seed stands in the test's name: pytest "tests/unit/test_service_random.py" -k "[SEED]" repeats it.
    dice = random.Random(seed)
    switch = MisbehavingSwitch(dice)
    driver = VirtualDriver()
    steps: list[Step] = []
    accepted: list[int] = []
    service = CallbackService(
        switch, driver=driver, on_step=steps.append, release_timeout=0.02, stop_timeout=0.2
    )
    async with asyncio.timeout(30), service:
        for number in NUMBERS:
            service.allow(number, Profile.autodial(attempts=dice.randint(1, 3), caller_free_guard_s=0))
        for _ in range(60):
            caller, callee = dice.sample(NUMBERS, 2)
            match dice.randrange(7):
                case 0 | 1:
                    service.call_failed(caller, callee)
                    reply = await service.order(caller, callee)
                    if isinstance(reply, Accepted):
                        accepted.append(reply.order)
                case 2:
                    service.line_busy(caller)
                case 3:
                    service.line_free(caller)
                case 4:
                    await service.cancel(caller, callee)
                case 5:
                    driver.advance(dice.choice((1, 10, 45)))
                case 6:
                    service.call_answered(caller, callee)
            await settle(dice.randrange(4))
        for number in NUMBERS:
            service.line_free(number)
        # The life of an order is 45 minutes: nothing can stand after it.
        for _ in range(400):
            await settle(20)
            if not service.orders() and not service.counters()["recalls_now"]:
                break
            if service.counters()["recalls_now"]:
                await asyncio.sleep(0.001)
            driver.advance(10)
        await settle()
        assert service.orders() == []
        assert service.counters()["recalls_now"] == 0
    assert len(accepted) >= 3
    ended = Counter(step.order for step in steps if step.kind == "ended")
    assert ended == Counter(accepted)
    assert switch.released.keys() <= set(switch.given)
    over = set(switch.talking) | set(switch.hung_up) | set(switch.released)
    assert set(switch.given) == over
    # A leg whose connect() was given up may have been answered all the same; then it is released, once.
    assert max(switch.released.values(), default=1) == 1
    await settle()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
