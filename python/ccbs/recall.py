"""Carries out on the switch what the engine decides about recalls, and tells it what became of them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ccbs._ccbs import Connect, ConnectResult, Event, Play, PlayResult, Release, Released, Ring, RingResult
from ccbs.switch import (
    ConnectOutcome,
    LegGone,
    NotTried,
    PromptFailed,
    RingFailed,
    RingOutcome,
    Switch,
    current_order,
)

__all__ = ["RecallCarrier", "bounded", "first_of"]

_NOT_TRIED: Final = "not-tried"


async def bounded(task: asyncio.Task[Any], timeout: float) -> bool:
    """Wait for a task, and after ``timeout`` seconds cancel it and wait no longer.

    ``asyncio.timeout`` would wait on when the task swallows its cancellation.

    :returns: whether it ended in time.
    """
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
    return bool(done)


async def first_of(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:
    """Wait for one of several futures; unlike awaiting it, a cancellation leaves the future alone.

    :param timeout: how long at the most, in seconds.
    """
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _asked_to_end() -> bool:
    """Whether a CancelledError is meant for the running task; if not, it leaked out of the switch."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Recall:
    """One recall in progress."""

    __slots__ = ("callee", "caller", "given_up", "has_leg", "id", "leg", "order", "releasing", "step")

    def __init__(self, action: Ring) -> None:
        self.id: Final = action.recall
        self.order: Final = action.order
        self.caller: Final = action.caller
        self.callee: Final = action.callee
        self.leg: Any = None
        self.has_leg = False
        self.step: asyncio.Task[None] | None = None
        self.releasing = False
        self.given_up = False


class RecallCarrier:
    """Rings, plays, connects and releases; each step of a recall is a task of its own.

    Whatever the switch does (raise, hang, return nonsense), the engine hears an outcome: at once when a
    method raised, and after its own ``Release`` when one does not return.

    :param switch: whose methods are called.
    :param tell: takes the outcomes.
    :param release_timeout: how long the switch may take to release a leg, and to give up what was cancelled,
        in seconds.
    :param logger: errors name the order.
    """

    def __init__(
        self,
        switch: Switch[Any],
        tell: Callable[[Event], None],
        *,
        release_timeout: float,
        logger: logging.Logger,
    ) -> None:
        self._switch = switch
        self._tell_engine = tell
        self._release_timeout = release_timeout
        self._logger = logger
        self._recalls: dict[int, _Recall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._tried = True
        self._counts: Final = {
            "switch_errors": 0,
            "switch_overdue": 0,
            "prompts_unheard": 0,
            "rings_not_tried": 0,
        }

    def counters(self) -> dict[str, int]:
        """``recalls_now``, ``switch_errors`` (a method raised), ``switch_overdue`` (it did not return in
        time), ``prompts_unheard`` (a prompt could not be played), ``rings_not_tried`` (a phone could not even
        be tried to ring).
        """
        return {"recalls_now": len(self._recalls), **self._counts}

    # --- what the engine asks for -----------------------------------------------------------------

    def ring(self, action: Ring) -> None:
        """A recall begins."""
        if self._stopping:
            return
        recall = self._recalls[action.recall] = _Recall(action)
        recall.step = self._spawn(recall.order, self._ring(recall, action.timeout_ms / 1000))

    def play(self, action: Play) -> None:
        """The caller hears prompts."""
        recall = self._recalls.get(action.recall)
        if recall is None or not recall.has_leg:
            self._tell(PlayResult(action.recall, action.play, "caller-gone"))
        elif not recall.releasing:
            recall.step = self._spawn(recall.order, self._play(recall, action))

    def connect(self, action: Connect) -> None:
        """The callee is called."""
        recall = self._recalls.get(action.recall)
        if recall is None or not recall.has_leg:
            self._tell(ConnectResult(action.recall, ConnectOutcome.CALLER_GONE.value))
        elif not recall.releasing:
            recall.step = self._spawn(recall.order, self._connect(recall, action.timeout_ms / 1000))

    def release(self, action: Release) -> None:
        """Whatever the recall has is ended."""
        recall = self._recalls.get(action.recall)
        if recall is None:
            self._tell(Released(action.recall))
        elif not recall.releasing:
            recall.releasing = True
            self._spawn(recall.order, self._release(recall, action.reason))

    async def stop(self, timeout: float) -> None:
        """Give up all recalls without telling the engine: nothing more is decided about them.

        :param timeout: in seconds; what the switch has not given up then is left behind and logged.
        """
        self._stopping = True
        for recall in list(self._recalls.values()):
            if not recall.releasing:
                recall.releasing = True
                self._spawn(recall.order, self._release(recall, "service-stopped"))
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)
        left = {task for task in self._tasks if not task.done()}
        for task in left:
            task.cancel()
        if left:
            _, ignoring = await asyncio.wait(left, timeout=min(timeout, 0.5))
            if ignoring:
                self._counts["switch_overdue"] += len(ignoring)
                self._logger.error(
                    "%d calls of the switch's methods ignore their cancellation and are left behind",
                    len(ignoring),
                )

    # --- one step each ----------------------------------------------------------------------------

    async def _ring(self, recall: _Recall, timeout: float) -> None:
        outcome = RingOutcome.FAILED.value
        tried = True
        try:
            recall.leg = await self._switch.ring(recall.caller, recall.callee, timeout)
            recall.has_leg = True
        except RingFailed as failed:
            if isinstance(failed.outcome, RingOutcome):
                outcome = failed.outcome.value
        except NotTried as error:
            outcome, tried = _NOT_TRIED, False
            self._not_tried(recall, error)
        except asyncio.CancelledError as error:
            if _asked_to_end():
                raise
            self._raised(recall, "ring", error)
        except Exception as error:
            self._raised(recall, "ring", error)
        self._tried = tried
        if recall.releasing:
            # The switch ignored its cancellation; the leg it made in the end is nobody's unless released
            # here.
            if recall.given_up and recall.has_leg:
                await self._release_leg(recall, "overdue")
            return
        if recall.has_leg:
            self._tell(RingResult(recall.id, "answered"))
        else:
            self._forget(recall)
            self._tell(RingResult(recall.id, outcome))

    async def _play(self, recall: _Recall, action: Play) -> None:
        outcome = "failed"
        try:
            await self._switch.play(recall.leg, action.prompts)
            outcome = "played"
        except LegGone:
            outcome = "caller-gone"
        except PromptFailed as error:
            self._counts["prompts_unheard"] += 1
            self._logger.warning("order %d: %s hears no prompt: %s", recall.order, recall.caller, error)
        except asyncio.CancelledError as error:
            if _asked_to_end():
                raise
            self._raised(recall, "play", error)
        except Exception as error:
            self._raised(recall, "play", error)
        if recall.releasing:
            return
        if outcome == "caller-gone":
            self._forget(recall)
        self._tell(PlayResult(recall.id, action.play, outcome))

    async def _connect(self, recall: _Recall, timeout: float) -> None:
        outcome = ConnectOutcome.FAILED
        try:
            told = await self._switch.connect(recall.leg, recall.callee, recall.caller, timeout)
            outcome = ConnectOutcome(told)
        except asyncio.CancelledError as error:
            if _asked_to_end():
                raise
            self._raised(recall, "connect", error)
        except Exception as error:
            self._raised(recall, "connect", error)
        if recall.releasing:
            return
        if outcome in (ConnectOutcome.ANSWERED, ConnectOutcome.CALLER_GONE):
            self._forget(recall)
        self._tell(ConnectResult(recall.id, outcome.value))

    async def _release(self, recall: _Recall, reason: str) -> None:
        step = recall.step
        if step is not None and not step.done():
            step.cancel()
            # Cancelled once only: what it still does after that may be the undoing.
            done, _ = await asyncio.wait({step}, timeout=self._release_timeout)
            if not done:
                recall.given_up = True
                self._overdue(recall, "gives up no call")
        if recall.has_leg:
            await self._release_leg(recall, reason)
        self._forget(recall)
        self._tell(Released(recall.id))

    async def _release_leg(self, recall: _Recall, reason: str) -> None:
        leg, recall.leg, recall.has_leg = recall.leg, None, False
        task = self._spawn(recall.order, self._call_release(recall, leg, reason))
        if not await bounded(task, self._release_timeout):
            self._overdue(recall, "did not release a leg")

    async def _call_release(self, recall: _Recall, leg: Any, reason: str) -> None:
        try:
            await self._switch.release(leg, reason)
        except asyncio.CancelledError as error:
            if _asked_to_end():
                raise
            self._raised(recall, "release", error)
        except Exception as error:
            self._raised(recall, "release", error)

    # --- book-keeping -----------------------------------------------------------------------------

    def _spawn(self, order: int, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        context = contextvars.copy_context()
        context.run(current_order.set, order)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _tell(self, event: Event) -> None:
        if not self._stopping:
            self._tell_engine(event)

    def _forget(self, recall: _Recall) -> None:
        self._recalls.pop(recall.id, None)

    def _raised(self, recall: _Recall, method: str, error: BaseException) -> None:
        self._counts["switch_errors"] += 1
        self._logger.error(
            "order %d: %s() of the switch failed in the recall of %s for %s",
            recall.order,
            method,
            recall.caller,
            recall.callee,
            exc_info=error,
        )

    def _not_tried(self, recall: _Recall, error: NotTried) -> None:
        self._counts["rings_not_tried"] += 1
        # One line for each outage: every order that waits comes here again and again until it is over.
        self._logger.log(
            logging.WARNING if self._tried else logging.DEBUG,
            "order %d: %s could not even be tried to ring, the attempt is not used: %s",
            recall.order,
            recall.caller,
            error,
        )

    def _overdue(self, recall: _Recall, what: str) -> None:
        self._counts["switch_overdue"] += 1
        self._logger.error(
            "order %d: the switch %s within %g s in the recall of %s for %s; the order goes on without it",
            recall.order,
            what,
            self._release_timeout,
            recall.caller,
            recall.callee,
        )
