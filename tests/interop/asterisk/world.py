"""A world whose phones are registered at a real Asterisk, with ``ccbs serve`` beside it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acceptance.network import LoopbackNetwork
from acceptance.phone import Phone
from acceptance.recognise import packaged_recogniser
from acceptance.serving import SwitchProcess
from acceptance.world import (
    CALLEE,
    FAR_TRUNK,
    KEEPER,
    LANGUAGE,
    ORDERER,
    Party,
    Settings,
    World,
    far_config,
    start_phone,
)
from ccbs.prompts import Catalogue

from .exchange import ARI_PASSWORD, ARI_PORT, ARI_USER, Asterisk, Extension

__all__ = [
    "PAGE",
    "SECOND",
    "THIRD",
    "AsteriskWorld",
    "Beside",
    "install_prompts",
    "office_dialplan",
    "open_asterisk_world",
    "page_block",
]

PAGE = Path(__file__).parents[3] / "docs" / "asterisk.md"
_GATE = "Stasis(ccbs,gate,${EXTEN})\n same => n,"
_TRUNK = "\n[from-trunk]\nexten => _1XX,1,Goto(office,${EXTEN},1)\n"
SECOND = Party("№5", "105", "Пятый", 105, 2_000.0)
THIRD = Party("№6", "106", "Шестой", 106, 2_300.0)
_OFFICE = (CALLEE, ORDERER, KEEPER, SECOND, THIRD)


class Beside(SwitchProcess):
    """``ccbs serve`` beside an Asterisk."""

    traces = False


@dataclass
class AsteriskWorld(World):
    """The same, with Asterisk."""

    asterisk: Asterisk = field(kw_only=True)

    async def close(self) -> None:
        """Stops phones, switches and Asterisk; the directory stays."""
        await asyncio.gather(*(phone.stop() for phone in self.phones.values()), return_exceptions=True)
        try:
            for switch in (self.switch, self.far_switch):
                if switch is not None:
                    await switch.stop()
        finally:
            self.directory.mkdir(parents=True, exist_ok=True)
            await self.asterisk.stop()
            (self.directory / "asterisk.log").write_text("\n".join(self.asterisk.log) + "\n")
            self.network.close()


def office_dialplan(*, gate: bool = True) -> str:
    """The dialplan as the operator's page has it.

    :param gate: with the line before the subscribers' ``Dial()``.
    """
    block = page_block("[office]")
    assert _GATE in block
    if not gate:
        block = block.replace(_GATE, "")
    return block + _TRUNK


def page_block(part: str) -> str:
    """The one block of the operator's page that holds something, as it would stand in a file."""
    blocks = re.findall(
        r"^ *```(?:ini|yaml)\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (block,) = [textwrap.dedent(block) for block in blocks if part in block]
    return block


def install_prompts(asterisk: Asterisk, *, leave_out: tuple[str, ...] = ()) -> str:
    """Writes the prompts where Asterisk reads them; returns the directory as it sees it."""
    for language in ("ru", "en"):
        directory = asterisk.directory / "sounds" / language
        directory.mkdir(parents=True, exist_ok=True)
        catalogue = Catalogue.load(language)
        for name in catalogue.names:
            if name not in leave_out:
                (directory / f"{name}.wav").write_bytes(catalogue.wav(name))
    return f"{asterisk.inside}/sounds"


def beside_config(asterisk: Asterisk, sounds: str, profile: dict[str, Any]) -> dict[str, Any]:
    """The configuration of ``ccbs serve``."""
    subscribers: list[dict[str, Any]] = [{"number": party.number, "name": party.name} for party in _OFFICE]
    for entry in subscribers:
        if entry["number"] not in (CALLEE.number, KEEPER.number):
            entry["services"] = profile
    return {
        "switch": "asterisk",
        "asterisk": {
            "url": f"http://{asterisk.address}:{ARI_PORT}",
            "username": ARI_USER,
            "password": ARI_PASSWORD,
            "context": "office",
            "sounds": sounds,
            "watch_s": 1,
        },
        "subscribers": subscribers,
        "numbering": {"internal": ["1XX"], "external": [{"prefix": "7", "trunk": FAR_TRUNK}]},
        "prompts": {"language": LANGUAGE},
    }


@contextlib.asynccontextmanager
async def open_asterisk_world(
    directory: Path,
    *parties: Party,
    settings: Settings | None = None,
    profile: dict[str, Any] | None = None,
    edit: Callable[[dict[str, Any]], None] = lambda config: None,
    dialplan: str | None = None,
    leave_out: tuple[str, ...] = (),
    further: Callable[[LoopbackNetwork], Sequence[Extension]] = lambda network: (),
    files: Mapping[str, str] | None = None,
    contacts: Mapping[str, int] | None = None,
) -> AsyncIterator[AsteriskWorld]:
    """Starts Asterisk, ``ccbs serve`` and the phones of the parties, and ends it all.

    :param directory: for configurations, logs and recordings; made.
    :param parties: whose phones there are; an external one brings a switch behind the trunk.
    :param profile: the services of those who may order; ``autodial`` with the settings unless given.
    :param edit: changes the configuration of ``ccbs serve`` before it is written.
    :param dialplan: another than the one of the documentation.
    :param leave_out: prompts that Asterisk is not given.
    :param further: more phones that Asterisk knows, given the addresses.
    :param files: more files of Asterisk's configuration, by name.
    :param contacts: by number, how many phones may register as it; 1 unless given.
    """
    settings = settings or Settings()
    services = profile or {"autodial": {"allowed": True, **vars(settings)}}
    network = LoopbackNetwork()
    started: list[SwitchProcess] = []
    asterisk: Asterisk | None = None
    try:
        asterisk = await Asterisk.start(
            network.address(10),
            dialplan=dialplan or office_dialplan(),
            extensions=[
                *(
                    Extension(party.number, party.password, party.name, (contacts or {}).get(party.number, 1))
                    for party in _OFFICE
                ),
                *further(network),
            ],
            trunks={FAR_TRUNK: network.address(20)},
            further=files,
        )
        print(f"interop: {asterisk.version}")
        sounds = install_prompts(asterisk, leave_out=leave_out)
        config = beside_config(asterisk, sounds, services)
        edit(config)
        started.append(await Beside.start("ccbs", directory / "switch", config))
        if any(party.external for party in parties):
            started.append(
                await SwitchProcess.start("the far switch", directory / "far", far_config(network))
            )
        world = AsteriskWorld(
            directory,
            network,
            settings,
            recogniser=await asyncio.to_thread(packaged_recogniser, LANGUAGE),
            switch=started[0],
            far_switch=started[1] if started[1:] else None,
            callback_key="*37#",
            busy_reason="Q.850;cause=17",
            asterisk=asterisk,
        )
    except BaseException:
        for switch in started:
            await switch.stop()
        if asterisk is not None:
            await asterisk.stop()
        network.close()
        raise
    try:
        phones = await asyncio.gather(
            *(start_phone(world, party) for party in parties), return_exceptions=True
        )
        for phone in phones:
            if isinstance(phone, Phone):
                world.phones[phone.account.number] = phone
        for phone in phones:
            if isinstance(phone, BaseException):
                raise phone
        yield world
    finally:
        await world.close()
    world.check_switches()


QUICK = replace(Settings(), cb_timer_internal_s=2, cb_timer_external_s=3, attempts=2, callee_ring_s=5)
