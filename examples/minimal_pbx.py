"""A PBX of one's own with call back on busy in it. Run it alone: python examples/minimal_pbx.py"""

import asyncio
from collections.abc import Mapping, Sequence

from ccbs import CallbackService, ConnectOutcome, LineState, Profile, RingFailed, RingOutcome
from ccbs.actions import Step


class MinimalPbx:
    """Its phones answer at once when idle; a leg of a recall is named by the caller's number."""

    def __init__(self, *numbers: str) -> None:
        self.peers: dict[str, str | None] = dict.fromkeys(numbers)
        self.service = CallbackService(self, on_step=self.step)
        self.order_ended = asyncio.Event()

    # What the service asks of a PBX.
    async def ring(self, caller: str, shown_as: str, timeout: float) -> str:
        if self.peers[caller] is not None:
            raise RingFailed(RingOutcome.BUSY)
        print(f"{caller}'s phone rings and shows {shown_as}")
        self.join(caller, "the service")
        return caller

    async def play(self, leg: str, prompts: Sequence[str]) -> None:
        print(f"{leg} hears {' '.join(prompts)}")

    async def connect(self, leg: str, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        if self.peers[callee] is not None:
            return ConnectOutcome.BUSY
        print(f"{callee}'s phone rings and shows {shown_as}")
        self.join(leg, callee)
        return ConnectOutcome.ANSWERED

    async def release(self, leg: str, reason: str) -> None:
        self.hang_up(leg)

    async def line_states(self) -> Mapping[str, LineState]:
        return {number: LineState.BUSY if peer else LineState.FREE for number, peer in self.peers.items()}

    # What the PBX does by itself, and tells.
    def call(self, caller: str, callee: str) -> None:
        if self.peers[callee] is not None:
            print(f"{caller} calls {callee}: busy")
            self.service.call_failed(caller, callee, "busy")
        else:
            print(f"{caller} calls {callee}: answered")
            self.join(caller, callee)
            self.service.call_answered(caller, callee)

    def join(self, one: str, other: str) -> None:
        for number, peer in ((one, other), (other, one)):
            if number in self.peers:
                self.peers[number] = peer
                self.service.line_busy(number)

    def hang_up(self, number: str) -> None:
        for line in (number, self.peers[number]):
            if line in self.peers:
                self.peers[line] = None
                self.service.line_free(line)
        print(f"{number} hangs up")

    def step(self, step: Step) -> None:
        print(f"  order {step.order}: {step.kind} {step.failure or step.reason or ''}".rstrip())
        if step.kind == "ended":
            self.order_ended.set()


async def main() -> None:
    pbx = MinimalPbx("101", "102", "104")
    async with pbx.service as service:
        service.allow("102", Profile.autodial(cb_timer_internal_s=1, caller_free_guard_s=0))
        pbx.call("104", "101")
        pbx.call("102", "101")
        print("102 orders a call back:", await service.order("102", "101"))
        pbx.hang_up("101")
        await pbx.order_ended.wait()
        print("101 talks with", pbx.peers["101"])


if __name__ == "__main__":
    asyncio.run(main())
