"""The four procedures of the acceptance document, step by step, and how one is run.

The tests and the demo run the same steps; each looks on as an :class:`Observer`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from .course import Course
from .world import CALLEE, EXTERNAL, KEEPER, ORDERER, Party, World, open_world

__all__ = ["PROCEDURES", "Observer", "Procedure", "Step", "Verdict", "run_procedure", "steps_of"]

Outcome = Literal["passed", "failed", "not reached"]


@dataclass(frozen=True)
class Step:
    """A numbered step of a procedure."""

    number: str
    text: str
    act: Callable[[Course], Awaitable[str]]
    """Carries the step out and asserts it; returns the evidence."""


@dataclass(frozen=True)
class Procedure:
    """A procedure of service.md."""

    number: int
    title: str
    callee: Party
    steps: tuple[Step, ...]

    @property
    def parties(self) -> tuple[Party, ...]:
        """Whose phones take part."""
        return (self.callee, ORDERER, KEEPER)


@dataclass(frozen=True)
class Verdict:
    """What came of a step."""

    procedure: int
    step: Step
    outcome: Outcome
    evidence: str
    """What the phones saw, or why the step failed or was not reached."""
    took_s: float


class Observer(Protocol):
    """Looks on while a procedure runs. Called from the event loop; must return at once."""

    def world_opened(self, procedure: Procedure, world: World) -> None:
        """Phones are registered. Their ``on_change`` and the switch's ``on_line`` may be set here."""

    def step_began(self, procedure: Procedure, step: Step) -> None:
        """A step is carried out now."""

    def step_ended(self, procedure: Procedure, verdict: Verdict) -> None:
        """A step has passed, failed or was not reached."""


def _opening(callee: Party) -> tuple[Step, ...]:
    name = callee.label
    return (
        Step("1", "№4 lifts the handset: dial tone.", lambda course: course.lifts_handset(KEEPER)),
        Step(
            "2",
            f"№4 dials {name}: ringback tone at №4; the call arrives at {name}.",
            lambda course: course.keeper_calls(),
        ),
        Step(
            "3",
            f"{name} answers: {name} and №4 are connected.",
            lambda course: course.callee_answers_keeper(),
        ),
        Step("4", "№2 lifts the handset: dial tone.", lambda course: course.lifts_handset(ORDERER)),
        Step("5", f"№2 dials {name}: busy tone at №2.", lambda course: course.orderer_finds_busy()),
        Step(
            "6",
            '№2 presses the context key "Call-back": it hears the prompt that the order succeeded.',
            lambda course: course.orderer_presses_key(),
        ),
    )


def _release(callee: Party) -> Step:
    return Step(
        "7",
        f"{callee.label} hangs up: the other end hears the release tone; the call logs show the numbers.",
        lambda course: course.callee_hangs_up(),
    )


def _recall(number: str, timer_s: int) -> Step:
    return Step(
        number,
        f"The CB timer expires ({timer_s} s): №2's phone rings; №2 answers and hears "
        "«Активирована услуга Автодозвон».",
        lambda course: course.orderer_is_recalled(),
    )


def _connection(callee: Party, timer_s: int) -> tuple[Step, ...]:
    name = callee.label
    return (
        *_opening(callee),
        _release(callee),
        _recall("8", timer_s),
        Step(
            "9",
            f"{name} receives a call from №2: it rings, its display shows the number of №2.",
            lambda course: course.callee_rings(),
        ),
        Step(
            "10",
            f"{name} answers: {name} and №2 are connected.",
            lambda course: course.callee_answers_recall(),
        ),
        Step("end", "№2 hangs up: the call log holds the recall.", lambda course: course.recall_is_logged()),
    )


def _callee_stays_busy() -> tuple[Step, ...]:
    steps = list(_opening(CALLEE))
    for number in (7, 9, 11):
        steps += [
            Step(str(number), "№1 is in conversation with №4.", lambda course: course.still_talking()),
            Step(
                str(number + 1),
                "The CB timer expires (10 s): №2's phone rings; №2 answers and hears "
                "«Активирована услуга Автодозвон»; №1 is busy.",
                _recall_finds_busy,
            ),
        ]
    return (
        *steps,
        Step(
            "13",
            "After the third attempt the call to №2 is released. Attempts stop: the order has ended.",
            lambda course: course.attempts_stop("busy"),
        ),
    )


async def _recall_finds_busy(course: Course) -> str:
    recalled = await course.orderer_is_recalled()
    return f"{recalled}; {await course.callee_is_found_busy()}"


def _callee_does_not_answer() -> tuple[Step, ...]:
    steps = [*_opening(CALLEE), _release(CALLEE)]
    for number in (8, 10, 12):
        steps += [
            _recall(str(number), 10),
            Step(
                str(number + 1),
                "№1's phone rings and shows the number of №2; №1 does not answer.",
                lambda course: course.callee_does_not_answer(),
            ),
        ]
    return (
        *steps,
        Step(
            "14",
            "After the third attempt, attempts stop: the order has ended.",
            lambda course: course.attempts_stop("no-answer"),
        ),
    )


PROCEDURES: dict[int, Procedure] = {
    procedure.number: procedure
    for procedure in (
        Procedure(1, "Callee internal, order by softkey", CALLEE, _connection(CALLEE, 10)),
        Procedure(2, "Callee external", EXTERNAL, _connection(EXTERNAL, 20)),
        Procedure(3, "Number of attempts, callee stays busy", CALLEE, _callee_stays_busy()),
        Procedure(4, "Number of attempts, callee does not answer", CALLEE, _callee_does_not_answer()),
    )
}
"""By number."""


def steps_of(number: int) -> tuple[Step, ...]:
    """The steps of a procedure, by its number."""
    return PROCEDURES[number].steps


async def run_procedure(
    number: int,
    directory: Path,
    observer: Observer,
    *,
    opening: Callable[..., AbstractAsyncContextManager[World]] = open_world,
) -> list[Verdict]:
    """Runs a procedure in a world of its own and returns the verdict of each step.

    :param number: 1 to 4.
    :param directory: for configurations, logs and recordings; made.
    :param opening: opens the world, given the directory and the parties.
    """
    procedure = PROCEDURES[number]
    verdicts: list[Verdict] = []

    def end(step: Step, outcome: Outcome, evidence: str, took_s: float = 0.0) -> None:
        verdicts.append(Verdict(number, step, outcome, evidence, took_s))
        observer.step_ended(procedure, verdicts[-1])

    trouble = "the world did not open"
    try:
        async with opening(directory, *procedure.parties) as world:
            observer.world_opened(procedure, world)
            trouble, course = "", Course(world, procedure.callee)
            for step in procedure.steps:
                if trouble:
                    end(step, "not reached", trouble)
                    continue
                observer.step_began(procedure, step)
                began = time.monotonic()
                try:
                    end(step, "passed", await step.act(course), time.monotonic() - began)
                except Exception as error:
                    end(step, "failed", _told(error), time.monotonic() - began)
                    trouble = f"step {step.number} failed"
    except Exception as error:
        if verdicts:
            # The steps went well, the end of the switch did not.
            end(verdicts.pop().step, "failed", _told(error))
        for step in procedure.steps[len(verdicts) :]:
            end(step, "not reached", f"{trouble}: {_told(error)}")
    return verdicts


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) and str(error) else repr(error)
