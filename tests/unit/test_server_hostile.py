"""``ccbs serve`` under broken and hostile SIP: it goes on, keeps nothing of it, and serves those who are
well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from hostile import Hostile
from test_server import Served, counters_of, serving

SECONDS = float(os.environ.get("CCBS_HOSTILE_S", "4"))
"""How long it lasts for each seed; ``CCBS_HOSTILE_SEED`` repeats one."""
SEEDS = [int(os.environ["CCBS_HOSTILE_SEED"])] if "CCBS_HOSTILE_SEED" in os.environ else [1, 2]

CONFIG = """\
listen: {{port: {port}, realm: test}}
subscribers:
- {{number: 101, password: secret101}}
- {{number: 102, password: secret102, services: {{autodial: {{allowed: true}}}}}}
- {{number: 104, password: secret104}}
trunks: [{{name: city, address: 127.0.0.9}}]
numbering: {{internal: [1XX], external: [{{prefix: 9, trunk: city}}]}}
control: {{socket: s}}
limits: {{endpoint: {{message_s: 1, t1_ms: 50, session_s: 0, probe_s: 2}}}}
"""


def _resident_kib(served: Served) -> int:
    status = Path(f"/proc/{served.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


class _Trunk:
    """The address that the trunk calls from: what it says needs no password."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.9", 0))
        self.socket.connect(server)
        self.socket.setblocking(False)
        self.dialog: tuple[str, str, str] | None = None
        self._calls = 0

    def call(self) -> None:
        """Call 104, which answers; what it says then is of this call."""
        self._calls += 1
        host, port = self.socket.getsockname()
        invite = (
            f"INVITE sip:104@test SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bKc{self._calls}\r\n"
            f"From: <sip:7@far>;tag=t\r\nTo: <sip:104@test>\r\nCall-ID: c{self._calls}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:7@{host}:{port}>\r\nContent-Length: 0\r\n\r\n"
        )
        self.socket.send(invite.encode())

    def hear(self) -> None:
        """Take what came, and the call's name out of it."""
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                text = self.socket.recv(65_535).decode("utf-8", "replace")
                to = re.search(r"^To: (.*;tag=.*?)\r$", text, re.MULTILINE | re.IGNORECASE)
                call = re.search(r"^Call-ID: (c\d+)\r$", text, re.MULTILINE | re.IGNORECASE)
                if to and call and re.match(r"SIP/2\.0 (18|20)0", text):
                    self.dialog = (call[1], "<sip:7@far>;tag=t", to[1])


def _send_stream(hostile: Hostile, server: tuple[str, int]) -> None:
    """A connection with some messages in odd pieces, left half-sent or cut."""
    with contextlib.suppress(OSError), socket.create_connection(server, 5) as stream:
        stream.settimeout(1)
        octets = b"".join(hostile.message("TCP") for _ in range(hostile.random.randrange(1, 5)))
        while octets:
            cut = hostile.random.randrange(1, 900)
            stream.send(octets[:cut])
            octets = octets[cut:]
        if hostile.random.random() < 0.3:
            stream.recv(100)


def _attack(hostile: Hostile, server: tuple[str, int], until: float) -> int:
    sent = 0
    trunk = _Trunk(server)
    hostile.dialog = lambda: trunk.dialog
    with trunk.socket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.66", 0))
        stranger.connect(server)
        while time.monotonic() < until:
            if sent % 200 == 0:
                trunk.call()
            if sent % 100 == 0:
                _send_stream(hostile, server)
            sender = trunk.socket if hostile.random.random() < 0.5 else stranger
            with contextlib.suppress(OSError):
                sender.send(hostile.message("UDP"))
            sent += 1
            if sent % 16 == 0:
                trunk.hear()
                # So that it is the reading that is tried, not the queue before it.
                time.sleep(0.002)
    return sent


@pytest.mark.parametrize("seed", SEEDS)
async def test_it_goes_on_and_keeps_nothing(tmp_path: Path, seed: int) -> None:
    async with serving(tmp_path, config=CONFIG) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phones = {number: await served.phone(number, stack) for number in ("101", "102", "104")}
        talk = await phones["102"].call("101")
        assert await talk.status() == 200
        began = _resident_kib(served)
        hostile = Hostile(seed)
        repeat = f"repeat with: CCBS_HOSTILE_SEED={seed} .venv/bin/pytest tests/unit/test_server_hostile.py"

        sent = await asyncio.to_thread(_attack, hostile, served.address, time.monotonic() + SECONDS)

        assert served.process.returncode is None, repeat
        assert not talk.ended.is_set(), f"a call in progress ended; {repeat}"
        phones["102"].hang_up(talk)
        # The trunk never hangs up, and is silent when it is asked for its calls: they end after 64 T1.
        deadline = time.monotonic() + 30
        while (counters := await counters_of(tmp_path / "s", served))["calls_now"] or counters["tcp.open"]:
            assert time.monotonic() < deadline, (counters, repeat)
            await asyncio.sleep(0.1)
        assert counters["sip_handler_errors"] == 0, repeat
        assert counters["request.malformed"] + counters["datagram.unparsable"] > sent / 100, (
            counters,
            repeat,
        )
        grown = _resident_kib(served) - began
        assert grown < 65_536, f"{grown} KiB more after {sent} messages; {repeat}"
        # Whoever is well is served as before.
        assert await phones["101"].register() == 200
        again = await phones["101"].call("102")
        assert await again.status() == 200
        phones["101"].hang_up(again)
        busy = await phones["104"].call("102")
        assert await busy.status() in (200, 486)
        phones["104"].hang_up(busy)
        print(f"{sent} messages, {grown} KiB more, {counters['request.malformed']} malformed requests")
        served.process.send_signal(signal.SIGTERM)
        code, log = await served.ends()
        assert (code, "Traceback" in log, "panicked" in log) == (0, False, False), f"{log}\n{repeat}"
