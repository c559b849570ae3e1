"""``ccbs serve`` told to stop: calls may finish, orders stay in the store; what a supervisor hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
from pathlib import Path

import pytest
import typer.main
from test_server import CONFIG, WITHIN, busy_order, command, serving
from virtual_driver import until

from ccbs.cli.app import app
from ccbs.server import STOP_BOUND_S
from ccbs.supervisor import Supervisor

STORED = CONFIG + "store: {{path: orders.db}}\nstop: {{calls_s: {calls}}}\n"


def stopping(calls: int) -> str:
    return STORED.replace("{calls}", str(calls))


async def test_calls_in_progress_finish_and_new_ones_are_refused(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=stopping(300)) as before:
            await before.says("listens on")
            phones = await busy_order(before, stack)
            (talk,) = [call for call in phones["104"].calls.values() if call.final.result() == 200]
            await before.says("accepted")
            before.process.send_signal(signal.SIGTERM)
            await before.says("stopping")
            refused = await phones["102"].call("*%2337%23")
            while await refused.status() != 503:
                # The signal was heard; the switch turns calls away in its next step.
                refused = await phones["102"].call("*%2337%23")
            assert before.process.returncode is None
            assert not talk.ended.is_set()
            phones["104"].hang_up(talk)
            code, log = await before.ends()
            assert (code, "are not over" in log) == (0, False)
        async with serving(tmp_path, config=stopping(0)) as after:
            assert "orders: 1, " in await after.says("store ")
            _, told, _ = await command("calls", "--config", tmp_path / "ccbs.yml", "--json")
            assert [call["cause"] for call in json.loads(told) if call["caller"] == "104"] == ["answered"]


async def test_calls_that_outlast_the_time_are_released(tmp_path: Path) -> None:
    async with serving(tmp_path, config=stopping(1)) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phones = await busy_order(served, stack)
        (talk,) = [call for call in phones["104"].calls.values() if call.final.result() == 200]
        served.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            await talk.ended.wait()
        code, log = await served.ends()
        assert code == 0
        assert "1 calls are not over after 1 s; they are released" in log
    kept = [json.loads(value)["cause"] for value in noted(tmp_path / "orders.db", "calls")]
    assert kept.count("answered") == 1


def noted(store: Path, part: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(store)) as opened:
        return [value for (value,) in opened.execute("SELECT value FROM notes WHERE part = ?", (part,))]


async def test_the_supervisor_hears_ready_alive_reloading_and_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        loop = asyncio.get_running_loop()
        heard: list[str] = []

        async def hears(begin: str) -> None:
            async with asyncio.timeout(WITHIN):
                while not (heard and heard[-1].startswith(begin)):
                    heard.append((await loop.sock_recv(listening, 4096)).decode())

        async with serving(tmp_path, config=stopping(0)) as served:
            await hears("READY=1")
            assert heard[0] in ("READY=1", "WATCHDOG=1")
            await hears("WATCHDOG=1")
            served.process.send_signal(signal.SIGHUP)
            await hears("RELOADING=1\nMONOTONIC_USEC=")
            await hears("READY=1")
            served.process.send_signal(signal.SIGTERM)
            await hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000")
            assert (await served.ends())[0] == 0


async def test_an_engine_that_does_not_answer_is_not_called_alive(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.setblocking(False)
        supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "30000"})
        asked, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hung() -> None:
            loop.call_soon_threadsafe(asked.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(WITHIN)

        watch = asyncio.create_task(supervisor.watch(hung))
        async with asyncio.timeout(WITHIN):
            await asked.wait()
            with pytest.raises(BlockingIOError):
                listening.recv(100)
            go_on.set()
            assert await loop.sock_recv(listening, 100) == b"WATCHDOG=1"
        watch.cancel()


def test_without_a_supervisor_nothing_is_told() -> None:
    assert Supervisor({}).watchdog_s is None
    Supervisor({}).ready()
    Supervisor({"NOTIFY_SOCKET": "@nobody-listens-here"}).ready()
    assert Supervisor({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Supervisor({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 2.0


async def test_a_reload_is_whole_and_loses_no_order(tmp_path: Path) -> None:
    async with serving(tmp_path, config=stopping(0)) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        await busy_order(served, stack)
        await served.says("accepted")
        file, at = tmp_path / "ccbs.yml", ("--config", tmp_path / "ccbs.yml")
        written = file.read_text()

        file.write_text(written.replace("number: 104,", "number: 105,"))
        code, out, _ = await command("reload", *at)
        assert (code, out) == (
            0,
            "The configuration was read anew: subscribers added: 1, subscribers removed: 1.\n",
        )
        newcomer = await served.phone_with("105", "secret104", stack)
        assert await (await newcomer.call("199")).status() == 404
        assert "102" in (await command("orders", *at))[1]

        file.write_text(
            written.replace("secret101", "other").replace("[1XX]", "[1X]").replace("cb_timer", "cb_tmer")
        )
        code, _, error = await command("reload", *at)
        assert code == 1
        assert "number: '102' fits none of the internal patterns" in error or "numbering.internal" in error
        assert "cb_tmer_internal_s" in error
        assert "what was in force stays in force" in error

        file.write_text(written.replace("realm: test", "realm: other").replace("file: calls", "file: more"))
        code, _, error = await command("reload", *at)
        assert code == 1
        assert "call_log.file, listen: a change here needs a restart. Nothing has changed" in error
        assert "105" in (await command("lines", *at))[1]

        file.write_text(written.replace("cb_timer_internal_s: 3600", "cb_timer_internal_s: 1"))
        served.process.send_signal(signal.SIGHUP)
        await shows('"104"', "lines", *at, "--json")
        # The order that stands has the numbers that it was accepted with.
        assert "102" in (await command("orders", *at))[1]

        file.write_text(written.replace("autodial: {allowed: true,", "autodial: {allowed: false,"))
        assert (await command("reload", *at))[0] == 0
        await served.says("ended: ")
        assert (await command("orders", *at))[1] == "No orders.\n"


async def shows(pattern: str, *arguments: str | Path) -> str:
    """Ask again until the answer has it."""
    async with asyncio.timeout(WITHIN):
        while True:
            _, told, _ = await command(*arguments)
            if re.search(pattern, told):
                return told


async def test_trunks_numbering_and_prompts_change_while_it_runs(tmp_path: Path) -> None:
    async with serving(tmp_path, config=stopping(0)) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phone = await served.phone("102", stack)
        assert await (await phone.call("85")).status() == 404
        file = tmp_path / "ccbs.yml"
        written = file.read_text()
        changed = written.replace(
            "trunks: [{name: city,", "trunks: [{name: far, address: 127.0.0.8}, {name: city,"
        )
        changed = changed.replace("external: [", "external: [{prefix: 8, trunk: far}, ")
        file.write_text(changed)
        code, out, error = await command("reload", "--config", file)
        assert (code, out, error) == (0, "The configuration was read anew: trunks added: 1.\n", "")
        call = phone.invite("85")
        assert not call.final.done()
        phone.hang_up(call)
        file.write_text(written)
        code, out, _ = await command("reload", "--config", file)
        assert (code, out) == (0, "The configuration was read anew: trunks removed: 1.\n")
        assert await (await phone.call("85")).status() == 404


async def test_the_call_log_outlives_a_kill(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=stopping(0)) as before:
            await before.says("listens on")
            await busy_order(before, stack)
            calls = ("calls", "--config", tmp_path / "ccbs.yml", "--json")
            told = await shows('"cause": "service-code"', *calls)
            wanted = told.count('"callee"')

            def kept() -> int:
                with contextlib.closing(sqlite3.connect(tmp_path / "orders.db")) as opened:
                    (found,) = opened.execute("SELECT count(*) FROM notes WHERE part = 'calls'").fetchone()
                return int(found)

            await until(lambda: kept() == wanted, within=WITHIN)
            before.process.send_signal(signal.SIGKILL)
            await before.process.wait()
        async with serving(tmp_path, config=stopping(0)) as after:
            await after.says("store ")
            assert (await command(*calls))[1] == told
            assert wanted >= 2


def test_the_sample_unit_starts_and_reloads_what_there_is() -> None:
    unit = (Path(__file__).parents[2] / "config" / "ccbs.service").read_text(encoding="utf-8")
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, does in (("ExecStart", "serve"), ("ExecReload", "reload")):
        assert re.fullmatch(rf"/opt/ccbs/bin/ccbs {does} --config /etc/ccbs/ccbs.yml", settings[name])
        assert "--config" in [option for found in commands[does].params for option in found.opts]
    assert (settings["Type"], settings["NotifyAccess"]) == ("notify", "main")
    assert int(settings["WatchdogSec"]) > 0
    # Calls may go on for the minute that the unit's head advises, and stopping takes its time besides.
    assert int(settings["TimeoutStopSec"]) > 60 + STOP_BOUND_S
