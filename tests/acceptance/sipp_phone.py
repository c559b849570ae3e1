"""A phone that misbehaves on purpose: SIPp with one of the scenarios in ``sipp/``."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .network import SIP_PORT

__all__ = ["SippFailed", "SippPhone", "run_sipp"]

SCENARIOS = Path(__file__).parent / "sipp"


class SippFailed(AssertionError):
    """A scenario did not go as written; the message holds what SIPp said."""


def _read(record: Path) -> str:
    return record.read_text(errors="replace") if record.exists() else ""


async def run_sipp(
    switch: str, scenario: Path, *options: str, timeout: float, record: Path, keys: Mapping[str, str]
) -> str:
    """Runs one call of SIPp.

    :param switch: address and port of the far side.
    :param scenario: its file; what SIPp writes goes beside it.
    :param timeout: how long it may take (s).
    :param record: the file for the messages.
    :param keys: what the scenario asks for.
    :returns: all messages, as SIPp recorded them.
    :raises SippFailed: when a message was missing or another one came.
    """
    sipp = shutil.which("sipp")
    if sipp is None:
        raise SippFailed("SIPp is not installed; install the Debian package sip-tester")
    process = await asyncio.create_subprocess_exec(
        sipp, switch, "-sf", str(scenario), *options,
        "-m", "1", "-l", "1", "-nostdin", "-timeout", f"{timeout:.0f}s", "-timeout_error",
        "-trace_msg", "-message_file", str(record),
        *(part for name, value in keys.items() for part in ("-key", name, value)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=scenario.parent,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout + 5.0)
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise SippFailed(f"{scenario.stem}: SIPp did not end within {timeout:g} s") from None
        raise
    messages = _read(record)
    if process.returncode:
        said = output.decode("utf-8", "replace")[-1_500:]
        ended = f"{scenario.stem}: SIPp ended with {process.returncode}"
        raise SippFailed(f"{ended}\n{said}\n{messages[-3_000:]}")
    return messages


@dataclass(frozen=True)
class SippPhone:
    """A subscriber's phone at an address of its own; each scenario is a run of SIPp on its SIP port.

    :ivar directory: for the record of messages.
    :ivar switch: the switch's address.
    :ivar rtp: address and port that its session descriptions give.
    """

    number: str
    password: str
    address: str
    switch: str
    directory: Path
    rtp: tuple[str, int]

    async def run(self, scenario: str, *, timeout: float = 15.0, **keys: str) -> str:
        """Runs one call through a scenario.

        :param scenario: the name of a file in ``sipp/``, without ``.xml``.
        :param timeout: how long it may take (s).
        :param keys: what the scenario asks for, e.g. ``dialled`` or ``status``.
        :returns: all messages, as SIPp recorded them.
        :raises SippFailed: when a message was missing or another one came.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        run = f"{scenario}-{len(list(self.directory.iterdir()))}"
        record = self.directory / f"{run}.log"
        # SIPp takes no keyword for the status of a response: it is written into a copy.
        written = (SCENARIOS / f"{scenario}.xml").read_text().replace("[status]", keys.pop("status", ""))
        (self.directory / f"{run}.xml").write_text(written)
        named = {"user": self.number, "rtp_host": self.rtp[0], "rtp_port": str(self.rtp[1])}
        named |= {"payload": "0", "codec": "PCMU"} | keys
        return await run_sipp(
            f"{self.switch}:{SIP_PORT}", self.directory / f"{run}.xml",
            "-i", self.address, "-p", str(SIP_PORT),
            "-au", self.number, "-ap", self.password,
            timeout=timeout, record=record, keys=named,
        )  # fmt: skip
