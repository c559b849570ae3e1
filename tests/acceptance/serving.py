"""The system under test: ``ccbs serve --config FILE`` in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ccbs.control import ControlError, ask

from .wire import SipMessage, Wire

__all__ = ["CommandFailed", "SwitchFailed", "SwitchProcess", "run_command"]

START_S = 20.0
STOP_S = 10.0


class SwitchFailed(AssertionError):
    """The switch did not start, or died; the message holds what it said."""


class CommandFailed(AssertionError):
    """A ``ccbs`` command did not end well; the message holds what it said."""


async def run_command(*arguments: str, timeout: float = 20.0) -> str:
    """Runs ``ccbs`` as an operator would; returns what it prints.

    :raises CommandFailed: when its exit code is not 0 or it takes longer than ``timeout`` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccbs", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CommandFailed(f"ccbs {' '.join(arguments)} did not end within {timeout:g} s") from None
    if process.returncode:
        said = f"{out.decode()}{err.decode()}"
        raise CommandFailed(f"ccbs {' '.join(arguments)} ended with {process.returncode}: {said}")
    return out.decode()


class SwitchProcess:
    """One running switch. Use :meth:`start` and :meth:`stop`."""

    traces = True
    """Whether it can write down its SIP messages."""

    def __init__(self, label: str, directory: Path, config: Mapping[str, Any]) -> None:
        self.label = label
        self.directory = directory
        self.config_file = directory / "ccbs.yml"
        # A socket's path may have 107 bytes: that of the directory may be longer.
        self._socket_directory = Path(tempfile.mkdtemp(prefix="ccbs-"))
        self.socket = self._socket_directory / "control.sock"
        self.trace_file = directory / "trace.jsonl"
        self.lines: list[str] = []
        """What it printed, stdout and stderr, line by line."""
        self.expected_errors: list[str] = []
        """Parts of lines that tell of errors which a test has made itself."""
        self.on_line: Callable[[SwitchProcess, str], None] | None = None
        self._config = dict(config) | {"control": {"socket": str(self.socket)}}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._printed = asyncio.Event()

    @classmethod
    async def start(cls, label: str, directory: Path, config: Mapping[str, Any]) -> SwitchProcess:
        """Starts a switch and waits until it answers on its control socket.

        :param label: what messages call it.
        :param directory: for its configuration, socket and logs; made.
        :param config: the configuration, without ``control``.
        :raises SwitchFailed: when it does not start.
        """
        switch = cls(label, directory, config)
        try:
            await switch._start()
        except BaseException:
            await switch.stop()
            raise
        return switch

    async def _start(self) -> None:
        self.directory.mkdir(parents=True)
        with self.config_file.open("w", encoding="utf-8") as file:
            YAML().dump(self._config, file)
        await self._run()

    async def _run(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ccbs", "serve", "--config", str(self.config_file),
            *(("--trace", str(self.trace_file)) if self.traces else ()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_S
        while True:
            if self._process.returncode is not None:
                await self._reading
                raise SwitchFailed(f"{self.label} ended with {self._process.returncode}:\n{self.output()}")
            try:
                await self.ask("orders")
                return
            except ControlError:
                if loop.time() > deadline:
                    raise SwitchFailed(
                        f"{self.label} does not answer within {START_S:g} s:\n{self.output()}"
                    ) from None
            await asyncio.sleep(0.05)

    async def kill_and_restart(self, *, away_s: float = 0.0) -> None:
        """Ends the process as a crash would, and starts it again with the same files.

        :param away_s: how long nobody serves in between.
        """
        assert self._process is not None
        assert self._reading is not None
        self._process.kill()
        await self._process.wait()
        await self._reading
        await asyncio.sleep(away_s)
        await self._run()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            self._printed.set()
            self._printed = asyncio.Event()
            if self.on_line:
                self.on_line(self, line)

    def output(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.lines[-40:])

    async def ask(self, name: str, **request: Any) -> Any:
        """Asks the control socket."""
        return await asyncio.to_thread(ask, self.socket, {"ask": name, **request})

    async def command(self, name: str, *options: str) -> Any:
        """Runs ``ccbs NAME --json`` against this switch and returns the JSON."""
        return json.loads(await run_command(name, "--socket", str(self.socket), "--json", *options))

    async def expect_line(self, part: str, *, since: int = 0, timeout: float) -> str:
        """The first printed line after ``since`` that holds ``part``, waiting at most ``timeout`` seconds.

        :raises SwitchFailed: when none comes.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            printed = self._printed
            found = next((line for line in self.lines[since:] if part in line), None)
            if found is not None:
                return found
            try:
                await asyncio.wait_for(printed.wait(), deadline - loop.time())
            except TimeoutError:
                raise SwitchFailed(
                    f"{self.label} printed no line with {part!r} within {timeout:g} s:\n{self.output()}"
                ) from None

    def wire(self) -> Wire:
        """All messages of this switch until now, from its own trace."""
        wire = Wire(self.label)
        with self.trace_file.open(encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # still being written
                entry = json.loads(line)
                ends = (entry["local"], entry["remote"])
                source, target = ends if entry["sent"] else ends[::-1]
                direction = "sent" if entry["sent"] else "received"
                wire.append(SipMessage(entry["at_us"] / 1e6, direction, source, target, entry["message"]))
        return wire

    def check_ended(self) -> None:
        """It has ended with exit code 0 and logged no error on the way.

        :raises SwitchFailed: when not.
        """
        code = self._process.returncode if self._process else None
        errors = [
            line
            for line in self.lines
            if (" ERROR " in line or line.startswith("Traceback"))
            and not any(part in line for part in self.expected_errors)
        ]
        if code != 0 or errors:
            raise SwitchFailed(f"{self.label} ended with {code}; errors: {errors}:\n{self.output()}")

    async def stop(self) -> None:
        """Ends the switch as an operator would, by SIGTERM."""
        process = self._process
        if process is None:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
            return
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal_number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_S)
                break
        if self._reading is not None:
            await self._reading
        shutil.rmtree(self._socket_directory, ignore_errors=True)
        (self.directory / "serve.log").write_text("\n".join(self.lines) + "\n")
