"""The program: ``ccbs serve`` as a process, small phones on the loopback, and the commands against it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from broken_config import write
from udp_phone import UdpPhone
from virtual_driver import until

import ccbs.configured
import ccbs.listening
import ccbs.server
from ccbs._ccbs import SipEndpoint
from ccbs.config import load
from ccbs.control import ControlError, ask
from ccbs.server import Server, StartError
from ccbs.sip import SipSwitch

WITHIN = 30.0
"""How long a process may take to start, say something or stop, in seconds."""

CONFIG = """\
listen: {{port: {port}, realm: test}}
subscribers:
- {{number: 101, name: Анна, password: secret101}}
- number: 102
  password: secret102
  language: en
  services: {{autodial: {{allowed: true, cb_timer_internal_s: {cb_timer}}}}}
- {{number: 104, password: secret104}}
trunks: [{{name: city, address: 127.0.0.9}}]
numbering: {{internal: [1XX], external: [{{prefix: 9, trunk: city}}]}}
call_log: {{file: calls.jsonl}}
control: {{socket: s}}
"""


class Served:
    """A running server."""

    def __init__(self, directory: Path, process: asyncio.subprocess.Process) -> None:
        self.directory = directory
        self.process = process
        self.said: list[str] = []

    @property
    def address(self) -> tuple[str, int]:
        found = re.search(r"listens on ([0-9.]+):(\d+) ", self.said[0])
        assert found, self.said
        return found[1], int(found[2])

    async def says(self, pattern: str) -> str:
        """Wait for a line on stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN):
            while line := (await self.process.stdout.readline()).decode().rstrip("\n"):
                self.said.append(line)
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"{pattern!r} was never said: {self.said}")

    async def ends(self) -> tuple[int, str]:
        """Wait for the end; the exit code, and stderr."""
        _, log = await asyncio.wait_for(self.process.communicate(), WITHIN)
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()

    async def phone(self, number: str, stack: contextlib.AsyncExitStack) -> UdpPhone:
        """A registered phone."""
        return await self.phone_with(number, f"secret{number}", stack)

    async def phone_with(self, number: str, password: str, stack: contextlib.AsyncExitStack) -> UdpPhone:
        """The same, with a password of its own."""
        phone = await UdpPhone.start(number, password, self.address)
        stack.callback(phone.close)
        assert await phone.register() == 200
        return phone


async def command(*arguments: str | Path) -> tuple[int, str, str]:
    """Run ``ccbs``; exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ccbs",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def counters_of(path: Path, served: Served) -> dict[str, int]:
    """Ask a server that may still be starting."""
    while True:
        try:
            counters: dict[str, int] = await asyncio.to_thread(ask, path, {"ask": "counters"})
        except ControlError:
            assert served.process.returncode is None
            await asyncio.sleep(0.02)
        else:
            return counters


@contextlib.asynccontextmanager
async def serving(
    directory: Path,
    *arguments: str | Path,
    port: int = 0,
    cb_timer: int = 3600,
    config: str = CONFIG,
    stdout: int = asyncio.subprocess.PIPE,
) -> AsyncIterator[Served]:
    write(directory, config.format(port=port, cb_timer=cb_timer))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ccbs",
        "serve",
        "--config",
        str(directory / "ccbs.yml"),
        *map(str, arguments),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Served(directory, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def busy_order(served: Served, stack: contextlib.AsyncExitStack) -> dict[str, UdpPhone]:
    """104 talks with 101, 102 hears busy and presses the key; returns the phones."""
    phones = {number: await served.phone(number, stack) for number in ("101", "102", "104")}
    talk = await phones["104"].call("101")
    assert await talk.status() == 200
    failed = await phones["102"].call("101")
    assert await failed.status() == 486
    ordered = await phones["102"].call("*37%23")
    assert await ordered.status() == 200
    return phones


async def test_it_says_where_it_listens_and_leaves_with_0_at_sigterm(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        line = await served.says("listens on")
        assert re.fullmatch(
            r"ccbs \S+ listens on 127\.0\.0\.1:\d+ \(UDP, TCP\), realm test; subscribers: 3, trunks: 1; "
            rf"control socket {re.escape(str(tmp_path))}/s",
            line,
        )
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        served.process.send_signal(signal.SIGTERM)
        assert await served.ends() == (0, "")
        assert not (tmp_path / "s").exists()


async def test_sigint_is_a_clean_stop_as_well(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.says("listens on")
        served.process.send_signal(signal.SIGINT)
        code, _ = await served.ends()
        assert code == 0


async def test_an_order_is_told_step_by_step_and_seen_by_the_commands(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        await busy_order(served, stack)
        line = await served.says("accepted")
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d order \d+ 102→101 accepted, place 1, CB timer expires at \d\d:\d\d:\d\d", line
        )
        order = line.split()[2]
        config = tmp_path / "ccbs.yml"

        code, out, _ = await command("orders", "--config", config)
        assert code == 0
        row = out.splitlines()[1].split()
        assert row[:3] == [order, "102", "101"]
        assert "0 of 3" in out

        _, out, _ = await command("orders", "--socket", tmp_path / "s", "--json")
        (told,) = json.loads(out)
        assert (str(told["order"]), told["caller"], told["callee"]) == (order, "102", "101")

        _, out, _ = await command("lines", "--config", config, "--json")
        lines = {line["line"]: line for line in json.loads(out)}
        assert lines["101"]["state"] == "busy"
        assert lines["101"]["name"] == "Анна"
        assert lines["101"]["waiting"] == 1
        assert lines["102"]["orders"] == 1
        assert lines["102"]["phones"] == 1

        _, out, _ = await command("calls", "--config", config, "--json", "--number", "102")
        assert ("101", "busy") in {(call["callee"], call["cause"]) for call in json.loads(out)}

        _, out, _ = await command("counters", "--config", config)
        assert re.search(r"^orders_accepted +1$", out, re.MULTILINE)

        assert await command("cancel", order, "--config", config) == (0, f"Order {order} is cancelled.\n", "")
        await served.says(f"order {order} 102→101 ended: cancelled-by-operator")
        code, out, err = await command("cancel", order, "--config", config)
        assert (code, out) == (1, "")
        assert err == f"There is no order {order}; `ccbs orders` shows those that stand.\n"
        assert await command("orders", "--config", config) == (0, "No orders.\n", "")


async def test_a_recall_reaches_both_phones_and_the_logs(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.touch(0o644)
    async with (
        serving(tmp_path, "--trace", trace, cb_timer=1) as served,
        contextlib.AsyncExitStack() as stack,
    ):
        await served.says("listens on")
        phones = await busy_order(served, stack)
        for call in tuple(phones["104"].calls.values()):
            phones["104"].hang_up(call)
        await served.says("attempt 1 of 3 began")
        recall = await phones["102"].rings()
        assert recall.shown_number == "101"
        assert recall.shown_name == "Callback 101"
        await served.says("102 answered")
        await served.says("101 is called")
        await served.says("ended: completed")
        served.process.send_signal(signal.SIGTERM)
        code, log = await served.ends()
        assert (code, "ERROR" in log) == (0, False)

    records = [
        json.loads(line) for line in (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    (record,) = [record for record in records if record["recall"]]
    assert (record["caller"], record["callee"], record["cause"]) == ("102", "101", "answered")
    messages = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    host, port = served.address
    assert {message["local"] for message in messages} == {f"{host}:{port}"}
    remote = "{}:{}".format(*phones["102"].address)
    recalled = [
        message
        for message in messages
        if message["sent"] and message["remote"] == remote and message["message"].startswith("INVITE ")
    ]
    assert recalled
    assert all(isinstance(message["at_us"], int) for message in messages)
    assert [message["at_us"] for message in messages] == sorted(message["at_us"] for message in messages)
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


async def test_calls_in_progress_are_released_at_the_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        one, other = await served.phone("104", stack), await served.phone("101", stack)
        call = await one.call("101")
        assert await call.status() == 200
        served.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(call.ended.wait(), WITHIN)
        (answered,) = other.calls.values()
        await asyncio.wait_for(answered.ended.wait(), WITHIN)
        assert (await served.ends())[0] == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        # A phone that never answers the BYE keeps the stop busy until its bound.
        phone = await served.phone("104", stack)
        other = await served.phone("101", stack)
        call = await phone.call("101")
        assert await call.status() == 200
        phone.close()
        other.close()
        served.process.send_signal(signal.SIGTERM)
        await served.says("stopping")
        served.process.send_signal(signal.SIGTERM)
        code, log = await served.ends()
        assert code == 128 + signal.SIGTERM
        assert "second signal" in log
        assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("part", ["SIP endpoint", "engine"])
async def test_a_part_that_ends_by_a_fault_ends_the_server_with_1(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parts: dict[str, ccbs.Driver | SipEndpoint] = {}

    def endpoint(**settings: Any) -> SipEndpoint:
        parts["SIP endpoint"] = made = SipEndpoint(**settings)
        return made

    def driver(*settings: Any, **more: Any) -> ccbs.Driver:
        parts["engine"] = made = ccbs.Driver(*settings, **more)
        return made

    monkeypatch.setattr(ccbs.listening, "SipEndpoint", endpoint)
    monkeypatch.setattr(ccbs.configured, "Driver", driver)
    file = tmp_path / "ccbs.yml"
    file.write_text(CONFIG.format(port=0, cb_timer=10), encoding="utf-8")
    said: list[str] = []
    serving = asyncio.create_task(Server(load(file), say=said.append).serve())
    await until(lambda: bool(said), within=WITHIN)
    # As a fault in its thread would end it.
    parts[part].close()
    assert await asyncio.wait_for(serving, WITHIN) == 1
    assert said[1:] == ["stopping", "stopped"]
    assert f"The {part} has ended by a fault of its own, so the server stops. Start it again." in caplog.text
    assert not (tmp_path / "s").exists()


async def test_a_port_in_use_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        async with serving(tmp_path, port=port) as served:
            code, log = await served.ends()
    assert code == 2
    assert log == (
        f"The switch cannot listen on 127.0.0.1 port {port} (UDP, TCP): it is in use by another program. "
        "Stop that program or set listen.port.\n"
    )


async def test_an_address_of_another_machine_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    config = CONFIG.replace("{{port: {port},", "{{address: 192.0.2.1, port: {port},")
    async with serving(tmp_path, config=config) as served:
        code, log = await served.ends()
    assert (code, len(log.splitlines())) == (2, 1)
    assert "this machine has no such address" in log


async def test_a_control_socket_in_use_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    async with serving(tmp_path) as first:
        await first.says("listens on")
        async with serving(tmp_path) as second:
            code, log = await second.ends()
        assert (code, len(log.splitlines())) == (2, 1)
        assert log.startswith(f"Another server listens on {tmp_path}/s.")
        code, _, _ = await command("orders", "--socket", tmp_path / "s")
        assert code == 0


@pytest.mark.parametrize("method", ["start", "load_prompts"])
async def test_more_than_the_endpoint_s_queue_holds_is_one_sentence(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ccbs.Overload("the endpoint's command queue is full")

    monkeypatch.setattr(SipSwitch, method, full)
    file = write(tmp_path, CONFIG.format(port=0, cb_timer=10))
    with pytest.raises(StartError, match=r"Raise limits\.endpoint\.queue\.$"):
        await asyncio.wait_for(Server(load(file)).serve(), WITHIN)


async def test_a_server_that_cannot_listen_leaves_the_trace_of_the_one_that_does(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("what the other has seen\n", encoding="utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        async with serving(tmp_path, "--trace", trace, port=other.getsockname()[1]) as served:
            code, _ = await served.ends()
    assert code == 2
    assert trace.read_text(encoding="utf-8") == "what the other has seen\n"


async def test_a_trace_that_cannot_be_written_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    async with serving(tmp_path, "--trace", tmp_path / "nowhere" / "t") as served:
        code, log = await served.ends()
    assert (code, len(log.splitlines())) == (2, 1)
    assert "cannot be written: No such file or directory. Give --trace another path." in log


async def test_a_call_log_that_cannot_be_written_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").mkdir()
    async with serving(tmp_path) as served:
        code, log = await served.ends()
    assert (code, len(log.splitlines())) == (2, 1)
    assert log.startswith(f"The call log {tmp_path}/calls.jsonl cannot be written: Is a directory.")


async def test_sighup_opens_the_call_log_anew(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phone = await served.phone("102", stack)
        await (await phone.call("199")).status()
        # The phone may know the end of its call before it is logged.
        await until(lambda: (tmp_path / "calls.jsonl").stat().st_size > 0, within=WITHIN)
        os.rename(tmp_path / "calls.jsonl", tmp_path / "calls.old")
        served.process.send_signal(signal.SIGHUP)
        # The signal is dealt with before a request that is asked after it.
        assert (await command("orders", "--socket", tmp_path / "s"))[0] == 0
        await (await phone.call("198")).status()
        served.process.send_signal(signal.SIGTERM)
        assert (await served.ends())[0] == 0
    callees = [
        [json.loads(line)["callee"] for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("calls.old", "calls.jsonl")
    ]
    assert callees == [["199"], ["198"]]


async def test_nobody_reads_what_it_says_and_it_serves_on(tmp_path: Path) -> None:
    """A pipe that is full, as behind a pager: the switch must not wait for it."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        async with serving(tmp_path, stdout=writing) as served, asyncio.timeout(WITHIN):
            assert (await counters_of(tmp_path / "s", served))["lines_written"] == 0
            served.process.send_signal(signal.SIGTERM)
            assert (await served.ends())[0] == 0
    finally:
        os.close(reading)
        os.close(writing)


async def test_a_route_of_the_operator_decides(tmp_path: Path) -> None:
    (tmp_path / "house_rules.py").write_text(
        "from ccbs.sip import Reject\n\n\nasync def route(call):\n    return Reject(410)\n", encoding="utf-8"
    )
    config = CONFIG + "route: house_rules:route\n"
    async with serving(tmp_path, config=config) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phone = await served.phone("102", stack)
        assert await (await phone.call("101")).status() == 410


async def test_the_rules_of_diversions_reach_the_switch(tmp_path: Path) -> None:
    far = await UdpPhone.start("far", None, ("127.0.0.1", 9), "127.0.0.9")
    at = f"address: 127.0.0.9, port: {far.address[1]}, diversions: {{}}"
    try:
        for of_all, of_trunk in (("off", "internal"), ("internal", "off")):
            config = CONFIG.replace("address: 127.0.0.9", at.format(of_trunk))
            config = config.replace("numbering: {{", f"numbering: {{{{diversions: {of_all}, ")
            async with serving(tmp_path, config=config) as served, contextlib.AsyncExitStack() as stack:
                await served.says("listens on")
                far.server = served.address
                phones = {number: await served.phone(number, stack) for number in ("101", "102", "104")}
                for diverting, dialled, rule in ((phones["101"], "101", of_all), (far, "95", of_trunk)):
                    diverting.does, diverting.diverts_to = 302, "104"
                    call = await phones["102"].call(dialled)
                    assert await call.status() == (480 if rule == "off" else 200), (dialled, rule)
                    if rule != "off":
                        phones["102"].hang_up(call)
                        await until((await phones["104"].rings()).ended.is_set)
    finally:
        far.close()


async def test_the_reader_of_its_lines_is_gone_and_it_serves_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        assert served.process.stdout is not None
        served.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        phones = await busy_order(served, stack)
        assert phones["102"]
        code, out, _ = await command("orders", "--socket", tmp_path / "s", "--json")
        assert (code, len(json.loads(out))) == (0, 1)
        served.process.send_signal(signal.SIGTERM)
        assert (await served.ends())[0] == 0


UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.mark.skipif(
    not UNPRIVILEGED.exists() or int(UNPRIVILEGED.read_text(encoding="ascii")) <= 7,
    reason="every user may listen on every port here",
)
def test_a_port_without_permission_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "ccbs.yml"
    text = CONFIG.replace("call_log: {{file: calls.jsonl}}\n", "")
    file.write_text(text.format(port=7, cb_timer=10), encoding="utf-8")
    file.chmod(0o600)
    # Root may listen everywhere, so that right is taken from it.
    without_right = ["setpriv", "--bounding-set=-net_bind_service"] if os.geteuid() == 0 else []
    ran = subprocess.run(
        [*without_right, sys.executable, "-m", "ccbs", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.strip() == (
        "The switch cannot listen on 127.0.0.1 port 7 (UDP, TCP): there is no permission. "
        "Choose listen.port from 1024 on."
    )
