"""What the commands print of a running server."""

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
