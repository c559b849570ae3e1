"""Calls that fail in a plain dialplan: what each leaves in the call log, and whether it may be ordered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acceptance.course import SOON_S
from acceptance.listening import hears_prompts
from acceptance.network import LoopbackNetwork
from acceptance.side_by_side import Scene
from acceptance.world import CALLEE, LANGUAGE, ORDERER

from .exchange import Extension
from .refusing import RINGS_ON, refusing_phones
from .standard import profile
from .world import AsteriskWorld, office_dialplan, open_asterisk_world

__all__ = ["SCENES"]

# By number: what its phone answers.
_PHONES = {"111": 486, "112": 480, "113": 603, "115": RINGS_ON, "118": 486}
_UNREGISTERED, _BUSY, _LOCAL, _FOLLOWED, _GROUP, _QUEUE = "114", "116", "117", "119", "160", "161"
_GROUPS = (_GROUP, _QUEUE)
_AFTER = " same => n,Stasis(ccbs,after,${EXTEN},${DIALSTATUS})\n"
_EXTRA = f"""
exten => {_BUSY},1,Busy(1)
exten => {_LOCAL},1,Dial(Local/111@office,20)
{_AFTER} same => n,Hangup()
exten => {_GROUP},1,Dial(PJSIP/111&PJSIP/118,20)
{_AFTER} same => n,Hangup()
exten => {_QUEUE},1,Queue(support,,,,2)
 same => n,Hangup(17)
exten => {_FOLLOWED},1,Dial(PJSIP/115,1)
 same => n,Dial(PJSIP/111,20)
{_AFTER} same => n,Hangup()
exten => 115,1,Dial(PJSIP/115,2)
{_AFTER} same => n,Hangup()
"""
# By number: how the call log has it, and whether profile ccbs offers an order.
_TABLE = {
    "111": ("busy", True),
    "112": ("no-answer", True),
    "113": ("declined", False),
    "115": ("no-answer", True),
    _UNREGISTERED: ("unreachable", True),
    _BUSY: ("busy", True),
    _LOCAL: ("busy", True),
    # Its own phone was silent; busy was the one that the call followed to.
    _FOLLOWED: ("busy", False),
    # A queue tries its members again until its own time is over.
    _QUEUE: ("no-answer", False),
    _GROUP: ("busy", False),
}
_QUEUES = (
    "[general]\n[support]\nstrategy=ringall\ntimeout=2\nretry=1\nmember => PJSIP/111\nmember => PJSIP/118\n"
)


def _further(network: LoopbackNetwork) -> Sequence[Extension]:
    reached = [Extension(number, "-", contact=network.address(int(number))) for number in _PHONES]
    return [*reached, Extension(_UNREGISTERED, "-")]


def _known(groups: bool) -> Callable[[dict[str, Any]], None]:
    def edit(config: dict[str, Any]) -> None:
        config["subscribers"] += [{"number": number} for number in _TABLE if number not in _GROUPS]
        if groups:
            config["asterisk"]["groups"] = list(_GROUPS)

    return edit


async def _offers(world: AsteriskWorld) -> int:
    counters: dict[str, int] = await world.switch.ask("counters")
    return counters["offers_opened"]


async def _fails(world: AsteriskWorld, number: str, *, hang_up: bool = False) -> tuple[str, bool]:
    """№2 dials the number; returns how the call log has it, and whether it opened an offer."""
    phone = world.phone(ORDERER)
    offers, before = await _offers(world), len(await _calls_to(world, number))
    events = phone.mark()
    await phone.dial(number)
    if hang_up:
        await phone.expect("CALL_RINGING", since=events, timeout=SOON_S)
        await phone.hang_up()
    else:
        await phone.expect("CALL_CLOSED", since=events, timeout=SOON_S * 2)
    deadline = time.monotonic() + SOON_S
    while len(found := await _calls_to(world, number)) == before:
        assert time.monotonic() < deadline, f"the call to {number} is in no call log"
        await asyncio.sleep(0.02)
    assert len(found) == before + 1, found[before:]
    record = found[-1]
    assert record["caller"] == ORDERER.number, record
    return str(record["cause"]), await _offers(world) > offers


async def _calls_to(world: AsteriskWorld, number: str) -> list[dict[str, Any]]:
    """The call log's records of calls to a number; one of another call may still be on its way there."""
    return [record for record in await world.calls() if record["callee"] == number]


async def _table(directory: Path, dialplan: str, *, groups: bool) -> None:
    async with open_asterisk_world(
        directory,
        ORDERER,
        profile=profile(),
        edit=_known(groups),
        dialplan=dialplan,
        further=_further,
        files={"queues.conf": _QUEUES},
    ) as world:
        refusing = {world.network.address(int(number)): status for number, status in _PHONES.items()}
        async with refusing_phones(refusing):
            # The busy one last: `*37#` orders what failed last.
            found = {number: await _fails(world, number) for number in _TABLE}
            expected = _TABLE | ({number: (_TABLE[number][0], True) for number in _GROUPS} if groups else {})
            assert found == expected, found
            phone = world.phone(ORDERER)
            began, before = time.time(), phone.wire.mark()
            await phone.dial("*37#")
            answer = "order-accepted" if groups else "number-was-not-busy"
            await hears_prompts(
                phone, world.recogniser, f"{LANGUAGE}/{answer}", since=began, timeout=SOON_S * 2
            )
            await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
            assert await _fails(world, "115", hang_up=True) == ("caller-gone", False)
            await world.asterisk.no_channels(SOON_S)


async def every_failure_is_told_by_the_line_after_dial(directory: Path) -> None:
    await _table(directory, office_dialplan(gate=False).replace("\n[from", f"{_EXTRA}\n[from"), groups=False)


async def every_failure_is_told_without_a_line_of_ours(directory: Path) -> None:
    dialplan = office_dialplan(gate=False).replace("\n[from", f"{_EXTRA}\n[from").replace(_AFTER, "")
    assert "ccbs,after" not in dialplan
    await _table(directory, dialplan, groups=True)


async def a_caller_is_its_endpoint_whatever_number_it_shows(directory: Path) -> None:
    async with open_asterisk_world(directory, CALLEE, ORDERER, profile=profile()) as world:
        # №1 may not order; that it shows the number of №2, who may, changes nothing.
        phone = world.phone(CALLEE)
        await world.asterisk.cli("dialplan add extension *37#,1,Set(CALLERID(num)=102) into office replace")
        await world.asterisk.cli("dialplan add extension *37#,2,Stasis(ccbs,set,*37#) into office replace")
        began, before = time.time(), phone.wire.mark()
        await phone.dial("*37#")
        await hears_prompts(
            phone, world.recogniser, f"{LANGUAGE}/not-allowed", since=began, timeout=SOON_S * 2
        )
        await phone.wire.expect("BYE", None, "received", since=before, timeout=SOON_S)
        assert await world.orders() == []


SCENES: tuple[Scene, ...] = (
    every_failure_is_told_by_the_line_after_dial,
    every_failure_is_told_without_a_line_of_ours,
    a_caller_is_its_endpoint_whatever_number_it_shows,
)
