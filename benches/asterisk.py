"""From a release to the recall on the wires, through a real Asterisk: ccbs beside a bare ARI program.

    PYTHONPATH=tests python -m benches.asterisk [ORDERS RATE]...

Every callee talks, every caller has ordered; then 200 callees are released at the rate. Both times are taken
at one socket, which is everybody's phone. The bare program rings the caller at the callee's release, no more.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from acceptance.network import LoopbackNetwork
from ccbs import CallbackService, Limits, Profile
from ccbs._ccbs import Driver
from ccbs.asterisk import Ari, AsteriskSwitch, Endpoints
from ccbs.asterisk.endpoints import endpoint_of_channel
from ccbs.asterisk.switch import EVENT_TYPES
from ccbs.numbering import Numbering
from ccbs.subscribers import Directory, Subscriber
from interop.asterisk.exchange import ARI_PASSWORD, ARI_PORT, ARI_USER, SIP_PORT, Asterisk, Extension

RELEASES = 200
_COPIED = re.compile(rb"^(?:via|from|call-id|cseq):.*\r\n", re.IGNORECASE | re.MULTILINE)
_TO = re.compile(rb"^to:(?P<value>.*)\r\n", re.IGNORECASE | re.MULTILINE)
_USER = re.compile(rb"^[A-Z]+ sip:(\d+)@")


class Phones(asyncio.DatagramProtocol):
    """Callees (2…) answer at once, callers (1…) decline."""

    def __init__(self, address: str) -> None:
        self._address = address.encode()
        self.released: dict[str, float] = {}
        self.rung: dict[str, float] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        now, found = time.perf_counter(), _USER.match(data)
        if found is None or data.startswith(b"ACK"):
            return
        number = found[1].decode()
        status, body = 200, b""
        if data.startswith(b"INVITE"):
            if number.startswith("1"):
                self.rung.setdefault(number, now)
                status = 486
            else:
                body = (
                    b"v=0\r\no=- 1 1 IN IP4 %b\r\ns=-\r\nc=IN IP4 %b\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
                    % (self._address, self._address)
                )
        elif data.startswith(b"BYE"):
            self.released.setdefault(number, now)
        to = _TO.search(data)
        assert to is not None
        tag = b"" if b"tag=" in to["value"] else b";tag=phone"
        content = b"Content-Type: application/sdp\r\n" if body else b""
        self._transport.sendto(
            b"SIP/2.0 %d Answer\r\n%bTo:%b%b\r\nContact: <sip:%b@%b:%d>\r\n%bContent-Length: %d\r\n\r\n%b"
            % (
                status, b"".join(_COPIED.findall(data)), to["value"], tag, number.encode(), self._address,
                SIP_PORT, content, len(body), body,
            ),
            address,
        )  # fmt: skip


def caller_of(callee: str) -> str:
    return f"1{callee[1:]}"


async def serve_ccbs(url: str, orders: int) -> None:
    callees = [str(20_000 + index) for index in range(orders)]
    profile = Profile.ccbs(callee_idle_guard_s=0, caller_free_guard_s=0)
    switch = AsteriskSwitch(
        Ari(url, ARI_USER, ARI_PASSWORD),
        directory=Directory(
            [Subscriber(number=number) for number in callees]
            + [Subscriber(number=caller_of(number), profile=profile) for number in callees]
        ),
        numbering=Numbering(["1XXXX", "2XXXX"]),
        endpoints=Endpoints(),
        context="office",
        prompts="/nowhere",
    )
    limits = Limits(recalls_at_once=10_000, recalls_per_second=10_000)
    async with CallbackService(switch, driver=Driver(limits)) as service:
        await switch.start(service)
        for number in callees:
            service.call_failed(caller_of(number), number)
        began = time.perf_counter()
        for first in range(0, orders, 64):
            await asyncio.gather(
                *(service.order(caller_of(number), number) for number in callees[first : first + 64])
            )
        print(json.dumps({"ready": time.perf_counter() - began, "orders": len(service.orders())}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(switch.counters()), flush=True)
        await switch.stop()


async def serve_bare(url: str, orders: int) -> None:
    ari = Ari(url, ARI_USER, ARI_PASSWORD)
    calls: set[asyncio.Task[Any]] = set()
    async with ari.events("ccbs") as stream:
        allowed = {"allowed": [{"type": name} for name in EVENT_TYPES]}
        await ari.request("PUT", "applications", "ccbs", "eventFilter", body=allowed)
        print(json.dumps({"ready": 0.0, "orders": orders}), flush=True)

        async def ring() -> None:
            async for message in stream:
                event = json.loads(message.data)
                if event["type"] != "ChannelDestroyed":
                    continue
                callee = endpoint_of_channel(event["channel"]["name"]) or ""
                if callee.startswith("2"):
                    query = {"endpoint": f"PJSIP/{caller_of(callee)}", "app": "ccbs", "timeout": "5"}
                    task = asyncio.ensure_future(ari.request("POST", "channels", query=query))
                    calls.add(task)
                    task.add_done_callback(calls.discard)

        ringing = asyncio.create_task(ring())
        await asyncio.to_thread(sys.stdin.readline)
        ringing.cancel()
    await ari.close()
    print("{}", flush=True)


async def measure(who: str, orders: int, rate: float) -> dict[str, float]:
    """Starts Asterisk, phones and the program; releases; returns times in ms."""
    network = LoopbackNetwork()
    numbers = [str(20_000 + index) for index in range(orders)]
    phones_at = network.address(100)
    asterisk = await Asterisk.start(
        network.address(10),
        dialplan="[office]\nexten => _X.,1,Hangup()\n",
        extensions=[
            Extension(number, "-", contact=phones_at)
            for callee in numbers
            for number in (callee, caller_of(callee))
        ],
    )
    transport, phones = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Phones(phones_at), local_addr=(phones_at, SIP_PORT)
    )
    url = f"http://{asterisk.address}:{ARI_PORT}"
    ari = Ari(url, ARI_USER, ARI_PASSWORD)
    try:
        async with ari.events("load") as stream:
            await ari.request(
                "PUT", "applications", "load", "eventFilter", body={"allowed": [{"type": "StasisStart"}]}
            )
            for number in numbers:
                await ari.request(
                    "POST", "channels", f"load-{number}",
                    query={"endpoint": f"PJSIP/{number}", "app": "load", "timeout": "20"},
                )  # fmt: skip
            up = 0
            while up < orders:
                message = await asyncio.wait_for(stream.receive(), 30.0)
                up += json.loads(message.data)["type"] == "StasisStart"
            reading = asyncio.ensure_future(_drain(stream))
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benches.asterisk", f"--{who}", url, str(orders),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert program.stdout is not None
            assert program.stdin is not None
            ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 60.0))
            assert ready["orders"] == orders, ready
            released = numbers[: min(RELEASES, orders)]
            began = time.perf_counter()
            deletes = []
            for index, number in enumerate(released):
                await asyncio.sleep(max(0.0, began + index / rate - time.perf_counter()))
                deletes.append(asyncio.ensure_future(ari.request("DELETE", "channels", f"load-{number}")))
            await asyncio.gather(*deletes)
            deadline = time.perf_counter() + 10.0
            while len(phones.rung) < len(released) and time.perf_counter() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            program.stdin.write(b"\n")
            await asyncio.wait_for(program.stdout.readline(), 10.0)
            await asyncio.wait_for(program.wait(), 20.0)
            reading.cancel()
        took = sorted(
            (phones.rung[caller_of(number)] - phones.released[number]) * 1e3
            for number in released
            if caller_of(number) in phones.rung
        )
        return {
            "rung": len(took),
            "of": len(released),
            "p50": took[len(took) // 2],
            "p99": took[min(len(took) - 1, len(took) * 99 // 100)],
            "placed": ready["ready"],
        }
    finally:
        await ari.close()
        transport.close()
        await asterisk.stop()
        network.close()


async def _drain(stream: Any) -> None:
    while True:
        await stream.receive()


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] in (["--ccbs"], ["--bare"]):
        serve = serve_ccbs if arguments[0] == "--ccbs" else serve_bare
        asyncio.run(serve(arguments[1], int(arguments[2])))
        return
    pairs = list(zip(map(int, arguments[::2]), map(float, arguments[1::2]), strict=True))
    print("| orders | releases a second | who | rung | p50 ms | p99 ms | 64 at a time, orders a second |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for orders, rate in pairs or [(100, 10.0), (100, 50.0), (1_000, 10.0), (1_000, 50.0)]:
        for who in ("bare", "ccbs"):
            found = asyncio.run(measure(who, orders, rate))
            placed = f"{orders / found['placed']:.0f}" if found["placed"] else "–"
            print(
                f"| {orders} | {rate:g} | {who} | {found['rung']:.0f} of {found['of']:.0f} "
                f"| {found['p50']:.1f} | {found['p99']:.1f} | {placed} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
