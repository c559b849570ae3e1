"""A bare ARI program: it rings a caller when a callee is released, and does no more.

    python -m benches.bare_ari URL USER PASSWORD

On a line ``originate FIRST COUNT`` it rings so many callers as fast as it can.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ccbs.asterisk import Ari, AriRefused
from ccbs.asterisk.endpoints import endpoint_of_channel
from ccbs.asterisk.switch import EVENT_TYPES

__all__ = ["APP", "CALLEES", "CALLERS"]

APP = "bare"
CALLERS, CALLEES = "3", "4"
"""What the numbers of its phones begin with."""


async def serve(url: str, user: str, password: str) -> None:
    """Until its input ends."""
    ari = Ari(url, user, password, timeout=60.0)
    loop = asyncio.get_running_loop()
    calls: set[asyncio.Task[Any]] = set()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def ring(caller: str) -> None:
        query = {"endpoint": f"PJSIP/{caller}", "app": APP, "timeout": "20"}
        try:
            await ari.request("POST", "channels", query=query)
        except AriRefused as error:
            print(f"{caller}: {error}", file=sys.stderr, flush=True)

    def start(caller: str) -> None:
        task = loop.create_task(ring(caller))
        calls.add(task)
        task.add_done_callback(calls.discard)

    async def follow(stream: Any) -> None:
        async for message in stream:
            event = json.loads(message.data)
            if event["type"] == "ChannelDestroyed":
                released = endpoint_of_channel(event["channel"]["name"]) or ""
                if released.startswith(CALLEES):
                    start(f"{CALLERS}{released[1:]}")

    async with ari.events(APP) as stream:
        allowed = {"allowed": [{"type": name} for name in EVENT_TYPES]}
        await ari.request("PUT", "applications", APP, "eventFilter", body=allowed)
        following = loop.create_task(follow(stream))
        print("ready", flush=True)
        while line := (await lines.readline()).decode().split():
            _, first, count = line
            for number in range(int(first), int(first) + int(count)):
                start(str(number))
        following.cancel()
    await ari.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
