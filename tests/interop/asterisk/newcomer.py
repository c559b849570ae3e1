"""A new user: Debian's Asterisk as it comes, and nothing but the blocks of docs/asterisk.md."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from acceptance.course import SOON_S
from acceptance.listening import hears_prompts
from acceptance.network import SIP_PORT, LoopbackNetwork
from acceptance.phone import Account, Phone
from acceptance.recognise import packaged_recogniser
from acceptance.serving import SwitchProcess, run_command
from acceptance.side_by_side import Scene

from .exchange import ARI_PORT, Asterisk
from .world import Beside, page_block

__all__ = ["SCENES"]

# By file, by what its block is known on the page.
_BLOCKS = {
    "http.conf": "bindaddr=127.0.0.1",
    "ari.conf": "[ccbs]",
    "pjsip.conf": "[transport-udp]",
    "extensions.conf": "[office]",
}
_SECTION = re.compile(r"^\[[^\]]+\].*$", re.MULTILINE)
_TIMER_S = 10.0
"""Of profile ``autodial`` when nothing is said."""
_PHONES = ("101", "102", "104")


def added(text: str, block: str) -> str:
    """A file with the lines of a block: a section that is there gets its lines, another comes to the end."""
    starts = [*(found.start() for found in _SECTION.finditer(block)), len(block)]
    for begin, end in itertools.pairwise(starts):
        header, _, lines = block[begin:end].partition("\n")
        there = re.search(rf"^{re.escape(header)}(?=[ \t]*(?:;.*)?$)", text, re.MULTILINE)
        # Phones have several sections of one name on purpose.
        if there is not None and header == "[general]":
            text = f"{text[: there.end()]}\n{lines}{text[there.end() :]}"
        else:
            text = f"{text}\n{header}\n{lines}"
    return text


class StockAsterisk(Asterisk):
    """Debian's configuration with the page's blocks.

    Other than on a machine of its own are the addresses, the paths of ``asterisk.conf``, and the modules and
    ports that several Asterisks on one machine cannot share.
    """

    def _configuration(self) -> dict[str, str]:
        ours = super()._configuration()
        stock = {
            path.name: path.read_text(encoding="utf-8", errors="replace")
            for path in (self.root / "etc" / "asterisk").glob("*.conf")
        }
        for name, part in _BLOCKS.items():
            text = added(stock.get(name, ""), page_block(part))
            stock[name] = text.replace("127.0.0.1", self.address).replace("0.0.0.0", self.address)
        noload = "".join(line for line in ours["modules.conf"].splitlines(True) if line.startswith("noload"))
        stock["modules.conf"] = added(stock["modules.conf"], f"[modules]\n{noload}")
        return stock | {name: ours[name] for name in ("asterisk.conf", "logger.conf", "rtp.conf")}


def _page_config(asterisk: Asterisk) -> dict[str, Any]:
    config: dict[str, Any] = YAML(typ="safe").load(page_block("switch: asterisk"))
    config["asterisk"]["url"] = f"http://{asterisk.address}:{ARI_PORT}"
    config["asterisk"]["sounds"] = f"{asterisk.inside}/sounds"
    return config


async def _phone(number: str, directory: Path, network: LoopbackNetwork) -> Phone:
    account = Account(number, f"choose-{number}", network.address(10), SIP_PORT)
    return await Phone.start(number, directory / number, network.address(int(number)), account)


async def a_new_user_gets_a_recall_from_the_page_alone(directory: Path) -> None:
    network = LoopbackNetwork()
    recogniser = await asyncio.to_thread(packaged_recogniser, "ru")
    asterisk = await StockAsterisk.start(network.address(10), dialplan="", extensions=())
    ccbs: SwitchProcess | None = None
    phones: dict[str, Phone] = {}
    try:
        await run_command("prompts", "install", str(asterisk.directory / "sounds"))
        config = _page_config(asterisk)
        ccbs = await Beside.start("ccbs", directory / "ccbs", config)
        said = await run_command("check", str(ccbs.config_file), "--connect", timeout=60.0)
        assert "errors: 0" in said, said
        # The trunk of the page leads nowhere here, as it does for a new user.
        for number in _PHONES:
            phones[number] = await _phone(number, directory, network)
        callee, caller, keeper = (phones[number] for number in _PHONES)
        before, events = callee.wire.mark(), callee.mark()
        await keeper.dial("101")
        await callee.rings(since=before, timeout=SOON_S)
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        before = caller.wire.mark()
        await caller.dial("101")
        await caller.wire.expect("INVITE", 486, "received", since=before, timeout=SOON_S)
        before, began = caller.wire.mark(), time.time()
        await caller.dial("*37#")
        await hears_prompts(caller, recogniser, "ru/order-accepted", since=began, timeout=SOON_S * 2)
        await caller.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        before = caller.wire.mark()
        await callee.hang_up()
        display = await caller.rings(since=before, timeout=_TIMER_S + SOON_S)
        assert display.event.number == "101", display.event
        before, events = callee.wire.mark(), callee.mark()
        await caller.accept()
        shown = await callee.rings(since=before, timeout=SOON_S * 2)
        assert (shown.event.number, shown.event.name) == ("102", "Workshop"), shown.event
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=events, timeout=SOON_S)
        await ccbs.expect_line("ended: completed", timeout=SOON_S)
        await caller.hang_up()
        await asterisk.no_channels(SOON_S)
    finally:
        await asyncio.gather(*(phone.stop() for phone in phones.values()), return_exceptions=True)
        if ccbs is not None:
            await ccbs.stop()
        await asterisk.stop()
        network.close()
    ccbs.check_ended()


SCENES: tuple[Scene, ...] = (a_new_user_gets_a_recall_from_the_page_alone,)
