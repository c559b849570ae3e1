"""What the demo knows of each procedure while it runs: steps, phones, the order, the SIP ladder."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from acceptance.procedures import Procedure, Step, Verdict
from acceptance.wire import SipMessage
from acceptance.world import PARTIES, Party, World
from ccbs.control import ControlError

from .traces import FAR_SWITCH, SWITCH, Rung, Trace, merged

__all__ = ["News", "Scene", "Watch", "phone_state"]

POLL_S = 0.5
TONE_SHOWN_S = 3.0
"""How long after the end of a call its busy or release tone is shown (s)."""
_ORDER_LINE = re.compile(r"\border \d+ ")

News = Callable[["Scene", str], None]


@dataclass
class Scene:
    """One procedure as far as it has come."""

    procedure: Procedure
    world: World | None = None
    started: float = 0.0
    """Unix time (s) of the first step."""
    current: Step | None = None
    begun: list[tuple[float, Step]] = field(default_factory=list)
    """When each step began (Unix time, s)."""
    verdicts: list[Verdict] = field(default_factory=list)
    order: dict[str, Any] | None = None
    """The order as ``ccbs orders`` tells it, while it stands."""
    attempts_begun: int = 0
    order_lines: list[tuple[float, str]] = field(default_factory=list)
    """What the switch printed of the order, with Unix time (s)."""
    _traces: list[Trace] = field(default_factory=list)

    @property
    def parties(self) -> tuple[Party, ...]:
        """Who takes part, in the order of the ladder's columns."""
        callee, orderer, keeper = self.procedure.parties
        return (keeper, orderer, callee)

    @property
    def columns(self) -> tuple[str, ...]:
        """The ladder's columns."""
        keeper, orderer, callee = (party.label for party in self.parties)
        switches = (SWITCH, FAR_SWITCH) if self.procedure.callee.external else (SWITCH,)
        return (keeper, orderer, *switches, callee)

    @property
    def failed(self) -> bool:
        """Whether a step has failed."""
        return any(verdict.outcome != "passed" for verdict in self.verdicts)

    def messages_of(self, party: Party) -> list[SipMessage]:
        """What went over the wire of a party's phone."""
        phone = self.world.phones.get(party.number) if self.world else None
        return phone.wire.messages if phone else []

    def rungs(self) -> list[Rung]:
        """The ladder so far, registrations left out, each message after what caused it."""
        if self.world is None:
            return []
        network = self.world.network
        names = {network.address(party.host): party.label for party in self.parties}
        names |= {network.address(10): SWITCH, network.address(20): FAR_SWITCH}
        if not self._traces:
            switches = (self.world.switch, self.world.far_switch)
            self._traces = [Trace(switch.trace_file, names) for switch in switches if switch]
        return merged([trace.read() for trace in self._traces])


def phone_state(messages: Iterable[SipMessage], now: float) -> str:
    """What a phone does, told from its wire alone.

    :param messages: all of it, in order.
    :param now: Unix time (s).
    """
    state, call_id, ended = "idle", None, -math.inf
    registered = False
    for message in messages:
        if message.method == "REGISTER":
            registered = registered or message.status == 200
            continue
        is_first = message.method == "INVITE" and message.status is None and not message.in_dialog
        if is_first and call_id is None:
            call_id = message.call_id
            caller = message.identity("from")
            state = (
                f"dials {message.dialled}"
                if message.direction == "sent"
                else f"rings, shows {caller.number if caller else '?'}"
            )
        if message.call_id != call_id or is_first:
            continue
        status = message.status
        if message.method == "INVITE" and status == 180 and message.direction == "received":
            state = "hears ringback"
        elif message.method == "INVITE" and status is not None and 200 <= status < 300:
            state = "talks"
        elif message.method == "INVITE" and status is not None and status >= 300:
            # A refused re-INVITE ends nothing, and a challenge is answered by the phone itself.
            if state == "talks" or status in (401, 407):
                continue
            busy = message.direction == "received" and status in (486, 600)
            state, call_id, ended = "busy tone" if busy else "idle", None, message.at
        elif message.method in ("BYE", "CANCEL") and status is None:
            released = message.method == "BYE" and message.direction == "received"
            state, call_id, ended = "release tone" if released else "idle", None, message.at
    if call_id is None and now - ended > TONE_SHOWN_S:
        return "idle" if registered else "not registered"
    return state


class Watch:
    """Looks on at all procedures; an :class:`acceptance.procedures.Observer`.

    :param procedures: which ones will run.
    :param news: called with each event worth a line of text.
    """

    def __init__(self, procedures: Iterable[Procedure], news: News | None = None) -> None:
        self.scenes = {procedure.number: Scene(procedure) for procedure in procedures}
        self.began = time.time()
        self._news = news

    def world_opened(self, procedure: Procedure, world: World) -> None:
        """Phones and switches are up."""
        scene = self.scenes[procedure.number]
        scene.world, scene.started = world, time.time()
        phones = ", ".join(
            f"{party.label} {party.number}" for party in PARTIES if party.number in world.phones
        )
        self._tell(scene, f"phones registered: {phones}")
        world.switch.on_line = lambda _, line: self._printed(scene, line)

    def step_began(self, procedure: Procedure, step: Step) -> None:
        """A step is carried out now."""
        scene = self.scenes[procedure.number]
        scene.current = step
        scene.begun.append((time.time(), step))

    def step_ended(self, procedure: Procedure, verdict: Verdict) -> None:
        """A step has its verdict."""
        scene = self.scenes[procedure.number]
        scene.current = None
        scene.verdicts.append(verdict)
        if verdict.outcome == "not reached":
            if len(scene.verdicts) == 1 or scene.verdicts[-2].outcome != "not reached":
                number = verdict.step.number
                self._tell(scene, f"step {number} and what follows was not reached: {verdict.evidence}")
            return
        sign = "✔" if verdict.outcome == "passed" else "✘"
        self._tell(scene, f"step {verdict.step.number} {sign} {verdict.step.text}\n      {verdict.evidence}")

    def _printed(self, scene: Scene, line: str) -> None:
        if _ORDER_LINE.search(line):
            scene.order_lines.append((time.time(), line))
            self._tell(scene, line)

    def _tell(self, scene: Scene, text: str) -> None:
        if self._news:
            self._news(scene, text)

    async def follow_orders(self) -> None:
        """Asks each switch for its order again and again, until cancelled."""
        while True:
            await asyncio.gather(*(self._ask(scene) for scene in self.scenes.values()))
            await asyncio.sleep(POLL_S)

    async def _ask(self, scene: Scene) -> None:
        if scene.world is None or len(scene.verdicts) == len(scene.procedure.steps):
            scene.order = None
            return
        with contextlib.suppress(ControlError):
            rows = (await scene.world.switch.ask("orders"))["rows"]
            scene.order = rows[0] if rows else None
            if scene.order:
                scene.attempts_begun = scene.order["attempt"]
