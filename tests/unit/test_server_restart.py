"""``ccbs serve`` is started anew under phones that know nothing of it."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from test_server import serving


async def test_a_phone_from_before_a_restart_registers_by_itself_and_can_be_called(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path) as before:
            await before.says("listens on")
            callee = await before.phone("101", stack)
            assert [answer.status for answer in await callee.refresh(2)] == [200]
            before.process.send_signal(signal.SIGTERM)
            assert (await before.ends())[0] == 0
        async with serving(tmp_path, port=before.address[1]) as after:
            await after.says("listens on")
            assert after.address == callee.server
            caller = await after.phone("104", stack)
            unreachable = await caller.call("101")
            assert await unreachable.status() == 480

            # Nobody is asked for a password: the phone counts its old nonce on and is told that it is stale.
            stale, accepted = await callee.refresh(3)
            assert (stale.status, accepted.status) == (401, 200)
            assert f"sip:101@{callee.address[0]}:{callee.address[1]}" in accepted["contact"]

            call = await caller.call("101")
            assert await call.status() == 200
            assert (await callee.rings()).invite["from"].startswith("<sip:104@")
            after.process.send_signal(signal.SIGTERM)
            assert (await after.ends())[0] == 0
