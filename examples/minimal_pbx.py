"""A PBX of one's own with call back on busy in it. Run it: python examples/minimal_pbx.py"""

import asyncio
from collections.abc import Mapping, Sequence

from ccbs import CallbackService, ConnectOutcome, LineState, Profile, RingFailed, RingOutcome
from ccbs.actions import Step


class MinimalPbx:
    """Its phones answer at once when idle; a leg is named by its number."""

    def __init__(self, *numbers: str) -> None:
        self.peer: dict[str, str | None] = dict.fromkeys(numbers)
        self.service = CallbackService(self, on_step=self.step)
        self.ended = asyncio.Event()

    async def ring(self, caller: str, shown_as: str, timeout: float) -> str:
        if self.join(caller, "the service", shown_as) is not ConnectOutcome.ANSWERED:
            raise RingFailed(RingOutcome.BUSY)
        return caller

    async def play(self, leg: str, prompts: Sequence[str]) -> None:
        print(f"{leg} hears {' '.join(prompts)}")

    async def connect(self, leg: str, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        return self.join(callee, leg, shown_as)

    async def release(self, leg: str, reason: str) -> None:
        self.hang_up(leg)

    async def line_states(self) -> Mapping[str, LineState]:
        return {number: LineState.BUSY if peer else LineState.FREE for number, peer in self.peer.items()}

    def join(self, callee: str, caller: str, shown_as: str) -> ConnectOutcome:
        if self.peer[callee]:
            return ConnectOutcome.BUSY
        print(f"{callee}'s phone rings, shows {shown_as} and is answered")
        for line, peer in {callee: caller, caller: callee}.items():
            if line in self.peer:
                self.peer[line] = peer
                self.service.line_busy(line)
        return ConnectOutcome.ANSWERED

    def call(self, caller: str, callee: str) -> None:
        if self.join(callee, caller, shown_as=caller) is ConnectOutcome.ANSWERED:
            self.service.call_answered(caller, callee)
        else:
            print(f"{caller} calls {callee}: busy")
            self.service.call_failed(caller, callee, "busy")

    def hang_up(self, number: str) -> None:
        print(f"{number} hangs up")
        for line in (number, self.peer[number]):
            if line in self.peer:
                self.peer[line] = None
                self.service.line_free(line)

    def step(self, step: Step) -> None:
        print(f"  order {step.order}: {step.kind}")
        if step.kind == "ended":
            self.ended.set()


async def main() -> None:
    pbx = MinimalPbx("101", "102", "104")
    async with pbx.service as service:
        service.allow("102", Profile.autodial(cb_timer_internal_s=1))
        pbx.call("104", "101")
        pbx.call("102", "101")
        print("102 orders a call back:", await service.order("102", "101"))
        pbx.hang_up("101")
        await pbx.ended.wait()
        print("101 talks with", pbx.peer["101"])


if __name__ == "__main__":
    asyncio.run(main())
