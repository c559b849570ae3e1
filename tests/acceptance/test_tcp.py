"""Phones we did not write, over TCP: baresip registers and answers, SIPp calls it; IPv6 beside it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .audio import encode_wav, silence_or_tone
from .network import LoopbackNetwork
from .phone import MODULES
from .serving import SwitchProcess

SCENARIOS = Path(__file__).parent / "sipp"
PATIENCE_S = 20.0

_PHONE = """\
sip_listen {address}:5060
audio_source aufile,{sound}
audio_player aufile,{heard}
module_path {modules}
module g711.so
module aufile.so
module_app account.so
module_app menu.so
"""


@asynccontextmanager
async def _switch(directory: Path) -> AsyncIterator[tuple[SwitchProcess, LoopbackNetwork]]:
    network = LoopbackNetwork()
    config = {
        "listen": {
            "address": network.address(10),
            "realm": "tcp.test",
            "also": [{"address": "::1", "port": 0}],
        },
        "subscribers": [{"number": "101", "password": "secret"}],
        "trunks": [{"name": "sipp", "address": network.address(20), "transport": "tcp", "trusted": True}],
        "numbering": {"internal": ["1XX"]},
    }
    switch = await SwitchProcess.start("the switch", directory / "switch", config)
    try:
        yield switch, network
    finally:
        await switch.stop()
        network.close()
    switch.check_ended()


async def _sipp(directory: Path, *arguments: str) -> str:
    """One call by SIPp; what it said when it was not as it should be."""
    sipp = shutil.which("sipp")
    assert sipp is not None, "SIPp is not installed; install the Debian package sip-tester"
    process = await asyncio.create_subprocess_exec(
        sipp, *arguments, "-m", "1", "-l", "1", "-nostdin", "-timeout", "15s", "-timeout_error",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=directory,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return "" if process.returncode == 0 else output.decode("utf-8", "replace")[-1_500:]


def _written(directory: Path, address: str, switch: str) -> None:
    """The configuration of a phone that answers at once."""
    directory.mkdir()
    sound, heard = directory / "said.wav", directory / "heard.wav"
    sound.write_bytes(encode_wav(silence_or_tone(0.0, 30.0)))
    text = _PHONE.format(address=address, modules=MODULES, sound=sound, heard=heard)
    (directory / "config").write_text(text)
    account = f"<sip:101@{switch};transport=tcp>;auth_pass=secret;answermode=auto;audio_codecs=PCMU/8000/1\n"
    (directory / "accounts").write_text(account)
    (directory / "contacts").write_text("")


@asynccontextmanager
async def _answering_phone(directory: Path, address: str, switch: str) -> AsyncIterator[None]:
    _written(directory, address, switch)
    process = await asyncio.create_subprocess_exec(
        "baresip", "-f", ".", "-t", "60",
        cwd=directory, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


@pytest.mark.parametrize("transport", ["t1", "u1"])
async def test_a_call_over_tcp_reaches_a_phone_over_tcp(transport: str, tmp_path: Path) -> None:
    async with _switch(tmp_path) as (switch, network):
        address = network.address(10)
        async with _answering_phone(tmp_path / "phone", network.address(1), address):
            await switch.expect_line("line 101: registered phones: 1", timeout=PATIENCE_S)
            said = await _sipp(
                tmp_path, f"{address}:5060",
                "-sn", "uac", "-t", transport, "-i", network.address(20), "-s", "101",
            )  # fmt: skip
            assert not said
        await switch.expect_line("line 101: registered phones: 0", timeout=PATIENCE_S)
        vias = {
            message.header("via")[:11]  # type: ignore[index]
            for message in switch.wire().select("INVITE", None, "sent")
        }
        assert vias == {"SIP/2.0/TCP"}, "to the phone, over the connection of its registration"


@pytest.mark.parametrize("transport", ["t1", "u1"])
async def test_sipp_is_answered_over_ipv6(transport: str, tmp_path: Path) -> None:
    async with _switch(tmp_path) as (switch, _):
        greeting = await switch.expect_line("listens on", timeout=PATIENCE_S)
        match = re.search(r"\[::1\]:(\d+) \(UDP, TCP\)", greeting)
        assert match is not None, greeting
        said = await _sipp(
            tmp_path, f"[::1]:{match[1]}", "-sf", str(SCENARIOS / "options.xml"), "-key", "user", "x",
            "-t", transport, "-i", "[::1]",
        )  # fmt: skip
        assert not said
