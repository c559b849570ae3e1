"""What the commands print of a running server, and do to it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from test_server import CONFIG, busy_order, command, serving

STANDARD = CONFIG.replace(
    "autodial: {{allowed: true, cb_timer_internal_s: {cb_timer}}}", "ccbs: {{allowed: true}}"
)


async def test_attempts_that_do_not_count_towards_an_end_are_told_without_one(tmp_path: Path) -> None:
    async with serving(tmp_path, config=STANDARD) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        await busy_order(served, stack)
        _, out, _ = await command("orders", "--config", tmp_path / "ccbs.yml")
        assert out.splitlines()[0].split()[:6] == ["order", "caller", "callee", "state", "place", "attempt"]
        assert out.splitlines()[1].split()[:6] == ["1", "102", "101", "watching", "1", "0"]


async def test_calls_are_told_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phones = {number: await served.phone(number, stack) for number in ("101", "102", "104")}
        talk = await phones["104"].call("101")
        assert await talk.status() == 200
        assert await (await phones["102"].call("101")).status() == 486
        phones["104"].hang_up(talk)
        config = tmp_path / "ccbs.yml"
        kept: list[str] = []
        while len(kept) < 2:
            _, out, _ = await command("calls", "--config", config, "--json")
            kept = [call["caller"] for call in json.loads(out)]
        assert kept == ["102", "104"]
        _, out, _ = await command("calls", "--config", config)
        assert [line.split()[2] for line in out.splitlines()[1:]] == ["104", "102"]


async def test_call_waiting_switched_on_moves_no_order_before_the_last_call_ends(tmp_path: Path) -> None:
    config = STANDARD.replace("trunks:", "- {{number: 103, password: secret103}}\ntrunks:")
    async with serving(tmp_path, config=config) as served, contextlib.AsyncExitStack() as stack:
        await served.says("listens on")
        phones = {number: await served.phone(number, stack) for number in ("101", "102", "103", "104")}
        first = await phones["104"].call("101")
        assert await first.status() == 200
        assert await (await phones["102"].call("101")).status() == 486
        assert await (await phones["102"].call("*37%23")).status() == 200
        file = tmp_path / "ccbs.yml"
        file.write_text(file.read_text().replace("name: Анна,", "name: Анна, call_waiting: true,"))
        assert (await command("reload", "--config", file))[0] == 0
        second = await phones["103"].call("101")
        assert await second.status() == 200
        phones["104"].hang_up(first)
        _, out, _ = await command("lines", "--config", file, "--json")
        while {line["line"]: line["state"] for line in json.loads(out)}["104"] != "free":
            _, out, _ = await command("lines", "--config", file, "--json")
        _, out, _ = await command("orders", "--config", file, "--json")
        assert [order["state"] for order in json.loads(out)] == ["watching"]
        phones["103"].hang_up(second)
        await served.says("101 is free")
