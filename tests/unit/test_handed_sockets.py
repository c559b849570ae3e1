"""Sockets that a supervisor bound: the endpoint uses them, and what arrives while no switch runs waits
there.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from broken_config import write
from test_server import CONFIG, WITHIN, Served

from ccbs._ccbs import InvalidValue, SipEndpoint
from ccbs.supervisor import handed_sockets

# Puts the given descriptors where sd_listen_fds(3) says, and becomes `ccbs serve`.
_BECOME = """\
import os, sys
given = [os.dup(int(number)) for number in sys.argv[1].split(",")]
for place, number in enumerate(given):
    os.dup2(number, 3 + place)
    os.set_inheritable(3 + place, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": "sip:sip"}
os.execv(sys.executable, [sys.executable, "-m", "ccbs", "serve", "--config", sys.argv[2]])
"""


def _bound() -> tuple[socket.socket, socket.socket]:
    """One port over UDP and TCP."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket()
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            tcp.listen()
            return udp, tcp


def _options(number: int) -> bytes:
    return (
        f"OPTIONS sip:test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKo{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: o{number}\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def _serve(directory: Path, sockets: tuple[socket.socket, ...]) -> Served:
    numbers = [made.fileno() for made in sockets]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _BECOME,
        ",".join(map(str, numbers)),
        str(directory / "ccbs.yml"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=numbers,
    )
    return Served(directory, process)


async def test_what_arrives_while_no_server_runs_is_answered_by_the_next(tmp_path: Path) -> None:
    udp, tcp = _bound()
    with udp, tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        port = udp.getsockname()[1]
        write(tmp_path, CONFIG.format(port=port, cb_timer=3600))
        for number in range(2):
            # Nobody serves yet, or no longer.
            far.sendto(_options(number), udp.getsockname())
            served = await _serve(tmp_path, (udp, tcp))
            answer = await asyncio.wait_for(loop.sock_recv(far, 2_048), WITHIN)
            assert answer.startswith(b"SIP/2.0 200 ")
            await served.says("listens on")
            _, connection = await asyncio.open_connection("127.0.0.1", port)
            connection.close()
            assert served.process.returncode is None
            served.process.send_signal(signal.SIGTERM)
            code, log = await served.ends()
            assert (code, log) == (0, "")


async def test_a_server_says_which_socket_it_has_no_use_for(tmp_path: Path) -> None:
    udp, tcp = _bound()
    with udp, tcp:
        write(tmp_path, CONFIG.format(port=0, cb_timer=3600))
        served = await _serve(tmp_path, (udp, tcp))
        code, log = await served.ends()
        assert code == 2, log
        where = re.escape(f"UDP 127.0.0.1:{udp.getsockname()[1]}")
        assert re.search(where + ".*not listened on", log.replace("\n", " "), re.IGNORECASE), log
        assert "Traceback" not in log


def test_the_environment_names_them_once_and_for_one_process() -> None:
    mine = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0", "LISTEN_FDNAMES": "", "HOME": "/"}
    assert handed_sockets(mine) == []
    assert mine == {"HOME": "/"}
    for process, count in (("1", "2"), ("", "2"), (str(os.getpid()), "many"), (str(os.getpid()), "")):
        assert handed_sockets({"LISTEN_PID": process, "LISTEN_FDS": count}) == []


def test_the_endpoint_keeps_its_own_of_a_socket_and_refuses_what_is_none(tmp_path: Path) -> None:
    udp, tcp = _bound()
    with udp, tcp:
        address = udp.getsockname()
        endpoint = SipEndpoint(listen=address, realm="test", sockets=[udp.fileno(), tcp.fileno()])
        assert endpoint.local_address == address
        endpoint.close()
        assert udp.getsockname() == address, "the caller's is open"
        for given, why in (
            ([udp.fileno(), -1], "-1 is no file descriptor"),
            ([1 << 40], "is no file descriptor"),
            ([1_000_000], "file descriptor 1000000: "),
        ):
            with pytest.raises(InvalidValue, match=why):
                SipEndpoint(listen=address, realm="test", sockets=given)
        with (tmp_path / "file").open("w") as file, pytest.raises(InvalidValue, match="expected a bound UDP"):
            SipEndpoint(listen=address, realm="test", sockets=[file.fileno()])
        with pytest.raises(InvalidValue, match="hand in no socket"):
            SipEndpoint(listen=("127.0.0.1", 0), realm="test", sockets=[udp.fileno()])
