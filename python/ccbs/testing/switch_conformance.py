"""A conformance kit: whoever implements :class:`ccbs.switch.Switch` runs these tests against it.

A pytest plug-in; it needs pytest and pytest-asyncio, in whatever mode. In the tests of the switch::

    import pytest_asyncio

    pytest_plugins = ["ccbs.testing.switch_conformance"]

    from ccbs.testing.switch_conformance import SwitchConformance

    class TestMySwitch(SwitchConformance):
        @pytest_asyncio.fixture
        async def bench(self):
            bench = await MyBench.start()       # the switch, and three phones to press keys on
            yield bench
            await bench.stop()

A :class:`Bench` says what its phones can do; tests that need more are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import pytest

from ccbs import (
    CallbackService,
    ConnectOutcome,
    Driver,
    LegGone,
    LineState,
    NotTried,
    Profile,
    RingFailed,
    RingOutcome,
    StoreFile,
)
from ccbs.actions import Step
from ccbs.switch import Switch

__all__ = ["ABILITIES", "AwayBench", "Bench", "SwitchConformance"]

ABILITIES: Final = {
    "rings": "its phones ring until somebody answers, declines or gives up",
    "prompts": "a prompt takes time, and a caller can hang up in it",
    "external": "there is a number behind a trunk, `bench.external`",
    "away": "what makes the calls can be out of contact: the bench is an `AwayBench`",
    "restart": "the process with the switch's adapter can be replaced, by `bench.restart()`",
    "unreachable": "there is a number without a phone, `bench.unreachable`",
}
"""What a bench may be able to do."""

SOON_S: Final = 10.0
"""Within this a phone on the same machine has rung, answered or fallen silent (s)."""


class Bench(Protocol):
    """A switch and its phones."""

    caller: str
    """The number that orders."""
    callee: str
    """The number that is called back; its line takes one call."""
    other: str
    """A third number, which keeps the callee busy."""
    external: str | None
    """A number behind a trunk, if there is one; its line takes one call."""
    unreachable: str | None
    """A subscriber's number without a phone, if there is one."""
    can: Collection[str]
    """Of :data:`ABILITIES`."""

    @property
    def switch(self) -> Switch[Any]:
        """The switch."""
        ...

    async def attach(self, service: CallbackService) -> None:
        """The switch feeds its facts to this service from now on; the service has been started.

        Where the switch itself tells the service who may order, :attr:`caller` may.
        """
        ...

    async def restart(self) -> None:
        """The process with the switch's adapter has died and begins anew: :attr:`switch` is another, which no
        service knows. What became of its calls is the switch's own.
        """
        ...

    async def call(self, caller: str, callee: str) -> None:
        """A subscriber dials another. Returns when the other rings, or the call has failed."""
        ...

    async def rings(self, number: str, timeout: float) -> str:
        """Wait until a phone rings in a call that was not looked at before.

        :returns: the number that its display shows.
        :raises TimeoutError: when it does not.
        """
        ...

    async def answer(self, number: str) -> None:
        """Lift the handset of a phone that rings; return when it is connected."""
        ...

    async def hang_up(self, number: str) -> None:
        """Put the handset back, or decline."""
        ...

    async def quiet(self, number: str, timeout: float) -> None:
        """Wait until a phone has no call.

        :raises TimeoutError: when it still has.
        """
        ...


@runtime_checkable
class AwayBench(Bench, Protocol):
    """A bench that can ``away``: the switch is an adapter, and what it is to can be out of contact."""

    async def go_away(self) -> None:
        """What makes the calls is out of contact from now on."""
        ...

    async def come_back(self) -> None:
        """It is there again; return when the switch is in contact with it."""
        ...


@contextlib.asynccontextmanager
async def serving(
    bench: Bench, *, orders: Path | None = None, attempts: int = 2
) -> AsyncIterator[tuple[CallbackService, list[Step]]]:
    """The service over the bench's switch, with short timers, and the steps of its orders.

    :param orders: the file that keeps them; ``None``: in memory.
    :param attempts: of each order.
    """
    steps: list[Step] = []
    driver = Driver(store=StoreFile(orders)) if orders is not None else None
    service = CallbackService(bench.switch, on_step=steps.append, driver=driver)
    await service.start()
    try:
        await bench.attach(service)
        for number in (bench.caller, bench.callee, bench.other):
            service.line(number)
        if bench.external is not None:
            service.line(bench.external, external=True)
        profile = Profile.autodial(
            cb_timer_internal_s=1, cb_timer_external_s=1, attempts=attempts, caller_ring_s=5, callee_ring_s=5
        )
        service.allow(bench.caller, profile)
        yield service, steps
    finally:
        await service.stop()


async def until(what: Callable[[], bool], why: str, timeout: float = SOON_S) -> None:
    """Wait until something holds.

    :raises AssertionError: with ``why`` when it does not within ``timeout`` seconds.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    while not what():
        assert asyncio.get_running_loop().time() < deadline, why
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
class SwitchConformance:
    """The tests. A subclass gives the fixture ``bench``."""

    # --- ring, play, release ----------------------------------------------------------------------

    async def _leg(self, bench: Bench) -> Any:
        async with self._ringing(bench, bench.switch.ring(bench.caller, bench.callee, 10.0)) as ring:
            if "rings" in bench.can:
                shown = await bench.rings(bench.caller, SOON_S)
                assert shown == bench.callee, f"the caller's display shows {shown}, not whom it will reach"
            await bench.answer(bench.caller)
            return await asyncio.wait_for(ring, SOON_S)

    @contextlib.asynccontextmanager
    async def _ringing(
        self, bench: Bench, ring: Coroutine[Any, Any, Any]
    ) -> AsyncIterator[asyncio.Task[Any]]:
        task = asyncio.get_running_loop().create_task(ring)
        try:
            yield task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=SOON_S)

    async def test_a_caller_is_rung_hears_a_prompt_and_is_released(self, bench: Bench) -> None:
        async with serving(bench):
            leg = await self._leg(bench)
            await asyncio.wait_for(bench.switch.play(leg, ("activated",)), 30.0)
            await asyncio.wait_for(bench.switch.release(leg, "attempt-failed"), SOON_S)
            await bench.quiet(bench.caller, SOON_S)
            # A leg that is gone already is no error.
            await asyncio.wait_for(bench.switch.release(leg, "order-ended"), SOON_S)

    async def test_a_caller_who_does_not_answer(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            with pytest.raises(RingFailed) as failed:
                await asyncio.wait_for(bench.switch.ring(bench.caller, bench.callee, 2.0), SOON_S)
            assert failed.value.outcome is RingOutcome.NO_ANSWER
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_caller_who_declines(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            async with self._ringing(bench, bench.switch.ring(bench.caller, bench.callee, 10.0)) as ring:
                await bench.rings(bench.caller, SOON_S)
                await bench.hang_up(bench.caller)
                with pytest.raises(RingFailed) as failed:
                    await asyncio.wait_for(ring, SOON_S)
            # Many phones say 486 when a call is declined.
            assert failed.value.outcome in (RingOutcome.DECLINED, RingOutcome.BUSY)

    async def test_a_ring_that_cannot_be_tried_is_told_soon(self, bench: Bench) -> None:
        _need(bench, "away")
        assert isinstance(bench, AwayBench)
        async with serving(bench):
            await bench.go_away()
            with pytest.raises(NotTried):
                await asyncio.wait_for(bench.switch.ring(bench.caller, bench.callee, 60.0), SOON_S)
            await bench.come_back()
            # Nothing of it is carried out afterwards, and the next one is.
            await bench.quiet(bench.caller, SOON_S)
            leg = await self._leg(bench)
            await asyncio.wait_for(bench.switch.release(leg, "attempt-failed"), SOON_S)
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_ring_that_is_cancelled_leaves_nothing(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            async with self._ringing(bench, bench.switch.ring(bench.caller, bench.callee, 10.0)) as ring:
                await bench.rings(bench.caller, SOON_S)
                ring.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await ring
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_ring_that_is_cancelled_at_once_leaves_nothing(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            for turns in range(4):
                async with self._ringing(bench, bench.switch.ring(bench.caller, bench.callee, 10.0)) as ring:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    ring.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await ring
                await bench.quiet(bench.caller, SOON_S)

    async def test_a_ring_that_is_cancelled_as_it_is_answered_leaves_nothing(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            async with self._ringing(bench, bench.switch.ring(bench.caller, bench.callee, 10.0)) as ring:
                await bench.rings(bench.caller, SOON_S)
                answer = asyncio.ensure_future(bench.answer(bench.caller))
                ring.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    # The answer may have won: then the leg is ours to release.
                    await bench.switch.release(await ring, "order-ended")
                await asyncio.wait((answer,))
                # A phone that was stopped before it was answered says so; that is no fault of the switch.
                answer.exception()
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_caller_without_a_phone(self, bench: Bench) -> None:
        _need(bench, "unreachable")
        assert bench.unreachable is not None
        async with serving(bench):
            with pytest.raises(RingFailed) as failed:
                await asyncio.wait_for(bench.switch.ring(bench.unreachable, bench.callee, 5.0), SOON_S)
            assert failed.value.outcome is RingOutcome.UNREACHABLE

    async def test_a_caller_who_hangs_up_in_the_prompt(self, bench: Bench) -> None:
        _need(bench, "rings", "prompts")
        async with serving(bench):
            leg = await self._leg(bench)
            play = asyncio.ensure_future(bench.switch.play(leg, ("activated", "order-accepted")))
            await bench.hang_up(bench.caller)
            with pytest.raises(LegGone):
                await asyncio.wait_for(play, SOON_S)
            with pytest.raises(LegGone):
                await asyncio.wait_for(bench.switch.play(leg, ("activated",)), SOON_S)
            assert await bench.switch.connect(leg, bench.callee, bench.caller, 2.0) is (
                ConnectOutcome.CALLER_GONE
            )
            await bench.switch.release(leg, "attempt-failed")

    async def test_a_prompt_that_is_cancelled_leaves_the_leg(self, bench: Bench) -> None:
        _need(bench, "prompts")
        async with serving(bench):
            leg = await self._leg(bench)
            play = asyncio.ensure_future(bench.switch.play(leg, ("activated",)))
            await asyncio.sleep(0.3)
            play.cancel()
            with pytest.raises(asyncio.CancelledError):
                await play
            await asyncio.wait_for(bench.switch.play(leg, ("order-accepted",)), 30.0)
            await bench.switch.release(leg, "attempt-failed")
            await bench.quiet(bench.caller, SOON_S)

    # --- connect ----------------------------------------------------------------------------------

    def _connect(self, bench: Bench, leg: Any, timeout: float = 10.0) -> asyncio.Future[ConnectOutcome]:
        return asyncio.ensure_future(bench.switch.connect(leg, bench.callee, bench.caller, timeout))

    async def test_caller_and_callee_are_joined(self, bench: Bench) -> None:
        async with serving(bench) as (service, _):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg)
            if "rings" in bench.can:
                shown = await bench.rings(bench.callee, SOON_S)
                assert shown == bench.caller, f"the callee's display shows {shown}, not who calls"
            await bench.answer(bench.callee)
            assert await asyncio.wait_for(connect, SOON_S) is ConnectOutcome.ANSWERED
            states = await bench.switch.line_states()
            assert {states[bench.caller], states[bench.callee]} == {LineState.BUSY}
            await bench.hang_up(bench.callee)
            for number in (bench.caller, bench.callee):
                await bench.quiet(number, SOON_S)
            await _lines(service, bench, "free", bench.caller, bench.callee)

    async def test_a_busy_callee_is_told_and_the_caller_is_still_there(self, bench: Bench) -> None:
        async with serving(bench):
            await _talk(bench)
            leg = await self._leg(bench)
            outcome = await asyncio.wait_for(self._connect(bench, leg), SOON_S)
            assert outcome is ConnectOutcome.BUSY
            await asyncio.wait_for(bench.switch.play(leg, ("callee-busy-again",)), 30.0)
            await bench.switch.release(leg, "attempt-failed")
            await bench.quiet(bench.caller, SOON_S)
            await bench.hang_up(bench.callee)

    async def test_a_silent_callee_is_told_and_the_caller_is_still_there(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg, 2.0)
            await bench.rings(bench.callee, SOON_S)
            assert await asyncio.wait_for(connect, SOON_S) is ConnectOutcome.NO_ANSWER
            await bench.quiet(bench.callee, SOON_S)
            await asyncio.wait_for(bench.switch.play(leg, ("callee-no-answer",)), 30.0)
            await bench.switch.release(leg, "attempt-failed")

    async def test_a_caller_who_hangs_up_while_the_callee_rings(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg)
            await bench.rings(bench.callee, SOON_S)
            await bench.hang_up(bench.caller)
            assert await asyncio.wait_for(connect, SOON_S) is ConnectOutcome.CALLER_GONE
            await bench.quiet(bench.callee, SOON_S)
            await bench.switch.release(leg, "attempt-failed")

    async def test_a_connect_that_is_cancelled_leaves_the_caller(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg)
            await bench.rings(bench.callee, SOON_S)
            connect.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connect
            await bench.quiet(bench.callee, SOON_S)
            await asyncio.wait_for(bench.switch.play(leg, ("order-cancelled",)), 30.0)
            await bench.switch.release(leg, "order-ended")
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_callee_who_declines_is_told_and_the_caller_is_still_there(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg)
            await bench.rings(bench.callee, SOON_S)
            await bench.hang_up(bench.callee)
            outcome = await asyncio.wait_for(connect, SOON_S)
            # Many phones say 486 when a call is declined.
            assert outcome in (ConnectOutcome.DECLINED, ConnectOutcome.BUSY)
            await asyncio.wait_for(bench.switch.play(leg, ("callee-busy-again",)), 30.0)
            await bench.switch.release(leg, "attempt-failed")
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_callee_without_a_phone_is_told_and_the_caller_is_still_there(self, bench: Bench) -> None:
        _need(bench, "unreachable")
        assert bench.unreachable is not None
        async with serving(bench):
            leg = await self._leg(bench)
            connect = bench.switch.connect(leg, bench.unreachable, bench.caller, 5.0)
            outcome = await asyncio.wait_for(connect, SOON_S)
            # Not every switch tells a phone that is not there from one that is not answered.
            assert outcome in (ConnectOutcome.UNREACHABLE, ConnectOutcome.NO_ANSWER)
            await asyncio.wait_for(bench.switch.play(leg, ("callee-no-answer",)), 30.0)
            await bench.switch.release(leg, "attempt-failed")
            await bench.quiet(bench.caller, SOON_S)

    async def test_a_connect_that_is_cancelled_at_once_leaves_the_caller(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            for turns in (0, 1, 4):
                leg = await self._leg(bench)
                connect = self._connect(bench, leg)
                for _ in range(turns):
                    await asyncio.sleep(0)
                connect.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connect
                await bench.quiet(bench.callee, SOON_S)
                await asyncio.wait_for(bench.switch.release(leg, "order-ended"), SOON_S)
                await bench.quiet(bench.caller, SOON_S)

    async def test_a_connect_that_is_cancelled_as_it_is_answered(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench):
            leg = await self._leg(bench)
            connect = self._connect(bench, leg)
            await bench.rings(bench.callee, SOON_S)
            answer = asyncio.ensure_future(bench.answer(bench.callee))
            connect.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                # The answer may have won: then the two talk.
                assert await connect is ConnectOutcome.ANSWERED
                await asyncio.wait_for(answer, SOON_S)
                await bench.hang_up(bench.callee)
            await asyncio.wait((answer,), timeout=SOON_S)
            await bench.quiet(bench.callee, SOON_S)
            await asyncio.wait_for(bench.switch.release(leg, "order-ended"), SOON_S)
            await bench.quiet(bench.caller, SOON_S)
            if answer.done():
                answer.exception()

    async def test_a_release_that_is_cancelled_can_be_asked_for_again(self, bench: Bench) -> None:
        async with serving(bench):
            leg = await self._leg(bench)
            release = asyncio.ensure_future(bench.switch.release(leg, "attempt-failed"))
            await asyncio.sleep(0)
            release.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await release
            await asyncio.wait_for(bench.switch.release(leg, "attempt-failed"), SOON_S)
            await bench.quiet(bench.caller, SOON_S)

    # --- lines and facts --------------------------------------------------------------------------

    async def test_lines_follow_the_calls(self, bench: Bench) -> None:
        async with serving(bench) as (service, _):
            await _lines(service, bench, "free", bench.caller, bench.callee, bench.other)
            await _talk(bench)
            await _lines(service, bench, "busy", bench.callee, bench.other)
            states = await bench.switch.line_states()
            assert states[bench.callee] is states[bench.other] is LineState.BUSY
            assert states[bench.caller] is LineState.FREE
            await bench.hang_up(bench.callee)
            await _lines(service, bench, "free", bench.callee, bench.other)

    async def test_only_a_number_that_was_busy_can_be_ordered(self, bench: Bench) -> None:
        async with serving(bench) as (service, _):
            assert getattr(await service.order(bench.caller, bench.callee), "denial", None) == "no-offer"
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)

    async def test_a_call_by_hand_fulfils_the_order(self, bench: Bench) -> None:
        async with serving(bench) as (service, steps):
            await _ordered(service, bench)
            service.allow(bench.caller, Profile.autodial(cb_timer_internal_s=60))
            await bench.hang_up(bench.callee)
            await _lines(service, bench, "free", bench.callee, bench.other)
            await bench.call(bench.caller, bench.callee)
            await bench.answer(bench.callee)
            await until(
                lambda: _ended(steps) == ["fulfilled-by-other-call"], f"the order did not end: {steps}"
            )
            await bench.hang_up(bench.callee)

    # --- the procedures (service.md) --------------------------------------------------------------

    async def test_procedure_1_the_callee_is_free_again(self, bench: Bench) -> None:
        async with serving(bench) as (service, steps):
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)
            for number in (bench.caller, bench.callee):
                if "rings" in bench.can:
                    await bench.rings(number, SOON_S)
                await bench.answer(number)
            await until(lambda: _ended(steps) == ["completed"], f"the order did not end: {steps}")
            await bench.hang_up(bench.callee)
            await bench.quiet(bench.caller, SOON_S)

    async def test_procedure_2_the_callee_is_external(self, bench: Bench) -> None:
        _need(bench, "rings", "external")
        assert bench.external is not None
        async with serving(bench) as (service, steps):
            await bench.call(bench.other, bench.external)
            await bench.rings(bench.external, SOON_S)
            await bench.answer(bench.external)
            await bench.call(bench.caller, bench.external)
            await _order(service, bench.caller, bench.external)
            await bench.hang_up(bench.external)
            shown = await bench.rings(bench.caller, SOON_S)
            assert shown == bench.external, f"the caller's display shows {shown}, not whom it will reach"
            await bench.answer(bench.caller)
            shown = await bench.rings(bench.external, SOON_S)
            assert shown == bench.caller, f"behind the trunk {shown} is shown, not who calls"
            await bench.answer(bench.external)
            await until(lambda: _ended(steps) == ["completed"], f"the order did not end: {steps}")
            await bench.hang_up(bench.caller)
            await bench.quiet(bench.external, SOON_S)

    async def test_procedure_3_the_callee_stays_busy(self, bench: Bench) -> None:
        async with serving(bench) as (service, steps):
            await _ordered(service, bench)
            for _ in range(2):
                if "rings" in bench.can:
                    await bench.rings(bench.caller, SOON_S * 2)
                await bench.answer(bench.caller)
            await until(
                lambda: _ended(steps) == ["attempts-exhausted"], f"the order did not end: {steps}", SOON_S * 3
            )
            await bench.quiet(bench.caller, SOON_S)
            await bench.hang_up(bench.callee)

    async def test_procedure_4_the_callee_does_not_answer(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench) as (service, steps):
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)
            for _ in range(2):
                await bench.rings(bench.caller, SOON_S * 2)
                await bench.answer(bench.caller)
                await bench.rings(bench.callee, SOON_S)
            await until(
                lambda: _ended(steps) == ["attempts-exhausted"], f"the order did not end: {steps}", SOON_S * 3
            )
            for number in (bench.caller, bench.callee):
                await bench.quiet(number, SOON_S)

    async def test_a_cancel_stops_the_ringing(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench) as (service, steps):
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)
            await bench.rings(bench.caller, SOON_S)
            await service.cancel(bench.caller)
            await bench.quiet(bench.caller, SOON_S)
            assert _ended(steps) == ["cancelled"]

    # --- restart ----------------------------------------------------------------------------------

    async def test_an_order_that_waits_outlives_a_restart(self, bench: Bench, tmp_path: Path) -> None:
        _need(bench, "restart")
        async with serving(bench, orders=tmp_path / "orders.db", attempts=20) as (service, _):
            await _ordered(service, bench)
            waits = [order.order for order in service.orders()]
        await bench.restart()
        async with serving(bench, orders=tmp_path / "orders.db") as (service, steps):
            assert [order.order for order in service.orders()] == waits
            await self._free_and_recalled(bench, steps)

    async def test_a_recall_that_a_restart_cut_off_is_made_anew(self, bench: Bench, tmp_path: Path) -> None:
        _need(bench, "rings", "restart")
        async with serving(bench, orders=tmp_path / "orders.db", attempts=20) as (service, _):
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)
            await bench.rings(bench.caller, SOON_S)
        await bench.quiet(bench.caller, SOON_S)
        await bench.restart()
        async with serving(bench, orders=tmp_path / "orders.db") as (service, steps):
            await self._free_and_recalled(bench, steps)

    async def _free_and_recalled(self, bench: Bench, steps: list[Step]) -> None:
        """Whoever still talks hangs up; the one order is recalled and completed."""
        await bench.hang_up(bench.callee)
        for number in (bench.callee, bench.other):
            await bench.quiet(number, SOON_S)
        for number in (bench.caller, bench.callee):
            if "rings" in bench.can:
                await bench.rings(number, SOON_S * 2)
            await bench.answer(number)
        await until(lambda: _ended(steps) == ["completed"], f"the order did not end: {steps}")
        await bench.hang_up(bench.callee)
        await bench.quiet(bench.caller, SOON_S)

    async def test_a_service_that_stops_leaves_no_phone_ringing(self, bench: Bench) -> None:
        _need(bench, "rings")
        async with serving(bench) as (service, _):
            await _ordered(service, bench)
            await bench.hang_up(bench.callee)
            await bench.rings(bench.caller, SOON_S)
        await bench.quiet(bench.caller, SOON_S)


def _need(bench: Bench, *abilities: str) -> None:
    for ability in abilities:
        if ability not in bench.can:
            pytest.skip(f"needs a bench that can {ability!r}: {ABILITIES[ability]}")


def _ended(steps: list[Step]) -> list[str | None]:
    return [step.reason for step in steps if step.kind == "ended"]


async def _talk(bench: Bench) -> None:
    """The other keeps the callee busy."""
    await bench.call(bench.other, bench.callee)
    if "rings" in bench.can:
        await bench.rings(bench.callee, SOON_S)
    await bench.answer(bench.callee)


async def _ordered(service: CallbackService, bench: Bench) -> None:
    """The callee is busy; the caller has found it so and ordered."""
    await _talk(bench)
    await _lines(service, bench, "busy", bench.callee, bench.other)
    await bench.call(bench.caller, bench.callee)
    await _order(service, bench.caller, bench.callee)


async def _order(service: CallbackService, caller: str, callee: str) -> None:
    """Order as soon as the busy call was told to the service."""
    deadline = asyncio.get_running_loop().time() + SOON_S
    while getattr(reply := await service.order(caller, callee), "denial", None) == "no-offer":
        assert asyncio.get_running_loop().time() < deadline, "the busy call was not told to the service"
        await asyncio.sleep(0.02)
    assert not hasattr(reply, "denial"), reply


async def _lines(service: CallbackService, bench: Bench, state: str, *numbers: str) -> None:
    def found() -> dict[str, str]:
        return {view.line: view.state for view in service.lines() if view.line in numbers}

    await until(
        lambda: found() == dict.fromkeys(numbers, state), f"the service was to know {numbers} as {state}"
    )
