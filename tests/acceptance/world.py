"""A world: one switch or two, and phones №1, №2, №4 and №7 around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccbs.subscribers import ha1_md5

from .network import SIP_PORT, LoopbackNetwork
from .phone import Account, Phone
from .recognise import Recogniser, packaged_recogniser
from .serving import SwitchProcess, run_command
from .wire import Identity

__all__ = [
    "CALLEE",
    "EXTERNAL",
    "KEEPER",
    "ORDERER",
    "PARTIES",
    "Party",
    "Settings",
    "World",
    "far_config",
    "open_world",
    "start_phone",
    "subscriber",
]

LANGUAGE = "ru"
REALM = "ccbs.example"
PRESETS = Path(__file__).parents[2] / "config" / "presets" / "softkey_pack_presets"
FAR_TRUNK = "city"


@dataclass(frozen=True)
class Party:
    """A subscriber of the procedures (service.md, "Words")."""

    label: str
    number: str
    name: str
    host: int
    """The last part of the phone's address."""
    says_hz: float
    """The tone that this party's microphone hears: by it the other side's recording is known."""
    external: bool = False

    @property
    def password(self) -> str:
        """The digest password."""
        return f"secret-of-{self.number}"


CALLEE = Party("№1", "101", "Первый", 101, 700.0)
ORDERER = Party("№2", "102", "Второй", 102, 1_000.0)
KEEPER = Party("№4", "104", "Четвёртый", 104, 1_300.0)
EXTERNAL = Party("№7", "7001", "Седьмой", 107, 1_700.0, external=True)
PARTIES = (CALLEE, ORDERER, KEEPER, EXTERNAL)


@dataclass(frozen=True)
class Settings:
    """The reference's settings (service.md, "Set-up" 3), with a short ringing of the callee."""

    cb_timer_internal_s: int = 10
    cb_timer_external_s: int = 20
    attempts: int = 3
    caller_ring_s: int = 20
    callee_ring_s: int = 8


@dataclass
class World:
    """Everything that one procedure needs, and its clean-up."""

    directory: Path
    network: LoopbackNetwork
    settings: Settings
    recogniser: Recogniser
    switch: SwitchProcess
    far_switch: SwitchProcess | None
    callback_key: str
    """What №2's context key dials, as its phone reads it in the settings made for it."""
    busy_reason: str = "cause=486"
    """What the Reason of a BYE holds that tells of a busy callee (RFC 3326)."""
    phones: dict[str, Phone] = field(default_factory=dict)
    """By number."""

    def phone(self, party: Party) -> Phone:
        """The party's phone."""
        return self.phones[party.number]

    async def calls(self) -> list[dict[str, Any]]:
        """The call log, from the control socket."""
        rows: list[dict[str, Any]] = (await self.switch.ask("calls", number=None, last=100))["rows"]
        return rows

    async def orders(self) -> list[dict[str, Any]]:
        """The orders that stand, from the control socket."""
        rows: list[dict[str, Any]] = (await self.switch.ask("orders"))["rows"]
        return rows

    def far_identities(self) -> list[tuple[Identity | None, Identity | None]]:
        """Who each INVITE over the trunk said is calling: From, P-Asserted-Identity."""
        assert self.far_switch is not None
        invites = self.far_switch.wire().select("INVITE", direction="received", initial=True)
        return [
            (message.identity("from"), message.identity("p-asserted-identity"))
            for message in invites
            if message.source.startswith(f"{self.network.address(10)}:")
        ]

    async def close(self) -> None:
        """Stops phones and switches; the directory stays."""
        await asyncio.gather(*(phone.stop() for phone in self.phones.values()), return_exceptions=True)
        try:
            for switch in (self.switch, self.far_switch):
                if switch is not None:
                    await switch.stop()
        finally:
            self.network.close()

    def check_switches(self) -> None:
        """Each switch has ended as it should and logged no error on the way.

        :raises SwitchFailed: when not.
        """
        for switch in (self.switch, self.far_switch):
            if switch is not None:
                switch.check_ended()


def _listen(address: str) -> dict[str, Any]:
    return {"address": address, "port": SIP_PORT, "realm": REALM}


def subscriber(party: Party) -> dict[str, Any]:
    """A subscriber in the configuration of a switch."""
    # MD5 alone: the phones' library refuses every challenge when one of them is SHA-256.
    ha1 = ha1_md5(party.number, REALM, party.password)
    return {"number": party.number, "name": party.name, "ha1_md5": ha1, "call_waiting": False}


def switch_config(network: LoopbackNetwork, settings: Settings) -> dict[str, Any]:
    """The configuration of the switch under test: the reference's set-up."""
    autodial = {"allowed": True, **vars(settings)}
    return {
        "listen": _listen(network.address(10)),
        "subscribers": [
            subscriber(CALLEE),
            subscriber(ORDERER) | {"softkey_pack": "default", "services": {"autodial": autodial}},
            subscriber(KEEPER),
        ],
        "trunks": [{"name": FAR_TRUNK, "address": network.address(20), "port": SIP_PORT, "trusted": True}],
        "numbering": {"internal": ["1XX"], "external": [{"prefix": "7", "trunk": FAR_TRUNK}]},
        "prompts": {"language": LANGUAGE},
    }


def far_config(network: LoopbackNetwork) -> dict[str, Any]:
    """The configuration of the switch behind the trunk."""
    return {
        "listen": _listen(network.address(20)),
        "subscribers": [subscriber(EXTERNAL)],
        "trunks": [{"name": "office", "address": network.address(10), "port": SIP_PORT, "trusted": True}],
        "numbering": {"internal": ["7XXX"], "external": [{"prefix": "1", "trunk": "office"}]},
        "prompts": {"language": LANGUAGE},
    }


@contextlib.asynccontextmanager
async def open_world(
    directory: Path,
    *parties: Party,
    settings: Settings | None = None,
    edit: Callable[[dict[str, Any]], None] = lambda config: None,
) -> AsyncIterator[World]:
    """Starts what the parties need, and ends it all.

    :param directory: for configurations, logs and recordings; made.
    :param parties: whose phones there are; an external one brings the switch behind the trunk.
    :param edit: changes the switch's configuration before it is written.
    """
    settings = settings or Settings()
    network = LoopbackNetwork()
    started: list[SwitchProcess] = []
    try:
        config = switch_config(network, settings) | {"provisioning": {"softkey_packs": str(PRESETS)}}
        edit(config)
        starts = [SwitchProcess.start("the switch", directory / "switch", config)]
        if any(party.external for party in parties):
            starts.append(SwitchProcess.start("the far switch", directory / "far", far_config(network)))
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            started.append(result)
        world = World(
            directory,
            network,
            settings,
            recogniser=await asyncio.to_thread(packaged_recogniser, LANGUAGE),
            switch=started[0],
            far_switch=started[1] if started[1:] else None,
            callback_key=await _callback_key(started[0]),
        )
    except BaseException:
        for switch in started:
            await switch.stop()
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


async def _callback_key(switch: SwitchProcess) -> str:
    """Reads №2's settings as its phone does (service.md, "Set-up" 2)."""
    settings = await run_command("phone-config", ORDERER.number, "--config", str(switch.config_file))
    values = {
        name.strip(): value.strip()
        for name, equals, value in (line.partition("=") for line in settings.splitlines())
        if equals
    }
    slot = next(name.split(".")[1] for name in values if name.endswith(".use.call_failed"))
    assert values[f"softkey.{slot}.enable"] == "1"
    assert values[f"softkey.{slot}.position"] == "2"
    assert values[f"softkey.{slot}.label"] == "Обратный вызов"
    return values[f"softkey.{slot}.action"].removesuffix("$Tinvite$")


async def start_phone(world: World, party: Party) -> Phone:
    """Starts the phone of a party and waits until it is registered."""
    account = Account(
        number=party.number,
        password=party.password,
        host=world.network.address(20 if party.external else 10),
        port=SIP_PORT,
        name=party.name,
    )
    directory = world.directory / f"phone-{party.number}"
    address = world.network.address(party.host)
    return await Phone.start(party.label, directory, address, account, tone_hz=party.says_hz)
