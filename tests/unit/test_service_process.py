"""The service and its process: a fork, an exit in the middle of a recall, a loop that ends without stop()."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SWITCH = """
import asyncio, os
from ccbs import CallbackService, Closed, ConnectOutcome, LineState, Profile

class Switch:
    def __init__(self):
        self.ringing = asyncio.Event()
    async def ring(self, caller, shown_as, timeout):
        self.ringing.set()
        await asyncio.Event().wait()
    async def play(self, leg, prompts): ...
    async def connect(self, leg, callee, shown_as, timeout): return ConnectOutcome.ANSWERED
    async def release(self, leg, reason): ...
    async def line_states(self): return {"101": LineState.FREE, "102": LineState.FREE}

async def ordered(service):
    service.allow("102", Profile.autodial(cb_timer_internal_s=1, caller_free_guard_s=0))
    service.call_failed("102", "101")
    return await service.order("102")
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SWITCH + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("leaving", ["return", "raise SystemExit(0)"])
def test_an_exit_in_the_middle_of_a_recall_does_not_hang(leaving: str) -> None:
    ran = run(f"""
        async def main():
            switch = Switch()
            service = CallbackService(switch)
            await service.start()
            await ordered(service)
            await switch.ringing.wait()
            print("ringing")
            {leaving}

        asyncio.run(main())
    """)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "ringing\n"
    assert ran.stderr == ""


def test_a_fork_leaves_the_parent_working_and_tells_the_child() -> None:
    ran = run("""
        async def main():
            async with CallbackService(Switch()) as service:
                child = os.fork()
                if child == 0:
                    try:
                        service.orders()
                    except Closed:
                        os._exit(7)
                    os._exit(1)
                _, status = os.waitpid(child, 0)
                print("child", os.waitstatus_to_exitcode(status))
                print((await ordered(service)).place)

        asyncio.run(main())
    """)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["child", "7", "1"]
