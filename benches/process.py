"""Processes that are measured: the switch, the echo; what they cost the machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruamel.yaml import YAML

from ccbs.control import ControlError, ask

__all__ = ["Cost", "Failed", "Measured", "Switch"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A measurement that could not be made; the message says why."""


class Cost:
    """What a process and its children have used so far.

    :ivar cpu_s: processor time, user and system, in seconds.
    :ivar rss: resident memory in octets.
    """

    def __init__(self, pid: int) -> None:
        self.cpu_s, self.rss = 0.0, 0
        for process in _family(pid):
            try:
                fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):
                if process == pid:
                    raise
                continue  # a child that has just ended
            self.cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS
            self.rss += pages * _PAGE


def _family(pid: int) -> list[int]:
    """A process and what it started, in turn."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # a kernel that does not tell
        children = []
    return [pid, *(member for child in children for member in _family(int(child)))]


class Measured:
    """A process that is ended with the ``with`` block.

    :param command: what is run.
    :param log: where it writes.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def cost(self) -> Cost:
        """What it has used so far."""
        assert self._process is not None
        return Cost(self._process.pid)

    def until_bound(self, host: str, port: int, within_s: float = 10.0) -> None:
        """Waits until it has a UDP port.

        :raises Failed: when it ends before, or takes longer.
        """
        end = time.monotonic() + within_s
        while True:
            self.check()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return
            if time.monotonic() > end:
                raise Failed(f"{self._command[0]} does not listen within {within_s:g} s; see {self.log}")
            time.sleep(0.05)

    def check(self) -> None:
        """:raises Failed: when it has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            end = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
            raise Failed(f"{self._command[0]} ended with {self._process.returncode}:\n{end}")


class Switch(Measured):
    """``ccbs serve`` with a configuration.

    :param directory: for its files; made.
    :param config: the configuration without ``control``.
    """

    def __init__(self, directory: Path, config: Mapping[str, Any]) -> None:
        directory.mkdir(parents=True)
        self._socket = directory / "control.sock"
        file = directory / "ccbs.yml"
        with file.open("w", encoding="utf-8") as opened:
            YAML().dump({**config, "control": {"socket": str(self._socket)}}, opened)
        command = [sys.executable, "-m", "ccbs", "serve", "--config", str(file), "--log-level", "warning"]
        super().__init__(command, directory / "serve.log")

    def __enter__(self) -> Self:
        super().__enter__()
        end = time.monotonic() + 60
        while True:
            self.check()
            try:
                self.ask("counters")
                return self
            except ControlError as error:
                if time.monotonic() > end:
                    raise Failed(f"the switch does not answer within 60 s: {error}") from error
            time.sleep(0.05)

    def ask(self, name: str) -> Any:
        """Asks its control socket."""
        return ask(self._socket, {"ask": name})

    def counters(self) -> dict[str, int]:
        """What it counts, by name."""
        found = self.ask("counters")
        assert isinstance(found, dict)
        return found
