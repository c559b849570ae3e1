"""Thousands of orders placed, then all their callees freed at once; over SIP, by phones of our own."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import time
import wave
from pathlib import Path
from typing import Any

from benches.figures import Figure
from benches.phones import Bank, Dialog, Message
from benches.process import Failed, Switch
from benches.side_by_side import carry_out
from ccbs.prompts import names

__all__ = ["measure"]

_REALM = "bench.example"
_PASSWORD = "bench-password"
_CALLERS, _CALLEES, _TRUNK = "127.0.0.45", "127.0.0.46", "127.0.0.47"
_ORDERS_AT_ONCE = 64
_FREED_AT_ONCE = 256
_WITHIN_S = 120.0


def measure(directory: Path, *, lines: int) -> list[Figure]:
    """Busy lines, an order for each, and then all lines free.

    :param directory: for files; made.
    :param lines: how many.
    :raises Failed: when a step does not go as it should.
    """
    directory.mkdir(parents=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The phones hold some hundred thousand objects: looking through them is not what is measured.
    gc.disable()
    try:
        with Switch(directory / "switch", _config(directory, port, lines)) as switch:
            return asyncio.run(_run(switch, ("127.0.0.1", port), lines))
    finally:
        gc.enable()


def _config(directory: Path, port: int, lines: int) -> dict[str, Any]:
    # Ten thousand prompts of some seconds at once would measure the machine's RTP: what is heard takes 20 ms.
    with wave.open(str(directory / "short.wav"), "wb") as prompt:
        prompt.setnchannels(1)
        prompt.setsampwidth(2)
        prompt.setframerate(8_000)
        prompt.writeframes(struct.pack("<160h", *([0] * 160)))
    short = {name: str(directory / "short.wav") for name in names()}
    services = {"ccbs": {"allowed": True, "offer_window_s": 300}}
    return {
        "listen": {
            "address": "127.0.0.1",
            "port": port,
            "realm": _REALM,
            "rtp_ports": {"first": 10_000, "last": 65_534},
        },
        "switch": "sip",
        "subscribers": [
            {"number": number, "password": _PASSWORD, "services": services}
            for at in range(lines)
            for number in (_caller(at), _callee(at))
        ],
        "profiles": {
            "ccbs": {"caller_free_guard_s": 0, "callee_idle_guard_s": 0, "service_duration_s": 86_400},
        },
        "prompts": {"overrides": {"ru": short}},
        "trunks": [{"name": "city", "address": _TRUNK, "trusted": True}],
        "numbering": {"internal": ["1XXXXX", "2XXXXX"], "external": [{"prefix": "7", "trunk": "city"}]},
        "limits": {
            "engine": {"recalls_at_once": lines, "recalls_per_second": 10_000, "orders_total": 1_000_000},
            "endpoint": {"legs": 8 * lines + 1_000, "transactions": 2_000_000, "streams": 16_384},
        },
    }


def _caller(at: int) -> str:
    return str(100_000 + at)


def _callee(at: int) -> str:
    return str(200_000 + at)


async def _run(switch: Switch, server: tuple[str, int], lines: int) -> list[Figure]:
    callers, callees = Bank((_CALLERS, 0), server, _REALM), Bank((_CALLEES, 0), server, _REALM)
    trunk = Bank((_TRUNK, 5060), server, _REALM)
    try:
        for bank, number in ((callers, _caller), (callees, _callee)):
            bank.talks = {number(at) for at in range(lines)}
            await carry_out((bank.register(number(at), _PASSWORD) for at in range(lines)), 50)
        talking = await carry_out((_talk(trunk, _callee(at)) for at in range(lines)), 50)
        orders = await _order_all(switch, callers, lines)
        return orders + await _free_all(switch, callers, callees, trunk, talking, lines)
    finally:
        for bank in (callers, callees, trunk):
            bank.close()


async def _talk(trunk: Bank, callee: str) -> Dialog:
    status, dialog = await trunk.call("7000000", _PASSWORD, callee)
    if dialog is None:
        raise Failed(f"call of the trunk to {callee}: {status}")
    return dialog


async def _order_all(switch: Switch, callers: Bank, lines: int) -> list[Figure]:
    """An order for each busy line, 64 at a time; how long each took, the first tenth beside the last."""
    tenth = max(lines // 10, 1)
    took: list[float] = []
    costs: list[float] = []

    async def one(at: int) -> None:
        began = time.monotonic()
        await _order(callers, _caller(at), _callee(at))
        took.append(time.monotonic() - began)
        if len(took) % tenth == 0:
            costs.append(switch.cost.cpu_s)

    began, cost = time.monotonic(), switch.cost.cpu_s
    await carry_out((one(at) for at in range(lines)), _ORDERS_AT_ONCE)
    seconds = time.monotonic() - began
    waiting = await asyncio.to_thread(_waiting, switch)
    parts = [(after - before) / tenth for before, after in zip([cost, *costs], costs, strict=False)]
    return [
        Figure("orders-lost", "ccbs", lines, lines - waiting, ""),
        Figure("orders-rate", "ccbs", lines, lines / seconds, "orders/s"),
        Figure("order-cpu", "first tenth", lines, parts[0] * 1e6, "µs"),
        Figure("order-cpu", "last tenth", lines, parts[-1] * 1e6, "µs"),
        Figure("order-time", "first tenth", lines, _median(took[:tenth]) * 1e3, "ms"),
        Figure("order-time", "last tenth", lines, _median(took[-tenth:]) * 1e3, "ms"),
    ]


def _waiting(switch: Switch) -> int:
    """How many orders there are."""
    return int(switch.ask("orders")["total"])


async def _order(callers: Bank, caller: str, callee: str) -> None:
    """A call that the switch refuses because the line is busy, and the order."""
    status, _ = await callers.call(caller, _PASSWORD, callee)
    if status != 486:
        raise Failed(f"call of {caller} to a busy line: {status}")
    status, dialog = await callers.call(caller, _PASSWORD, "*37#")
    if dialog is None:
        raise Failed(f"order of {caller}: {status}")
    await callers.bye(dialog)


async def _free_all(
    switch: Switch, callers: Bank, callees: Bank, trunk: Bank, talking: list[Dialog], lines: int
) -> list[Figure]:
    """All hang up as fast as the switch takes it; when each recall reached its caller and its callee."""
    to_callers = [callers.expect_invite(_caller(at)) for at in range(lines)]
    to_callees = [callees.expect_invite(_callee(at)) for at in range(lines)]
    began, cost = time.time(), switch.cost.cpu_s
    freed = await trunk.bye_all(talking, _FREED_AT_ONCE)
    await asyncio.wait([*to_callers, *to_callees], timeout=_WITHIN_S)
    at_callers, at_callees = _arrived(to_callers), _arrived(to_callees)
    repeated = sum(bank.repeated for bank in (callers, callees, trunk))
    used = switch.cost.cpu_s - cost
    return [
        Figure("recalls-cpu", "ccbs", lines, used / lines * 1e6, "µs"),
        Figure("freed-within", "ccbs", lines, freed - began, "s"),
        Figure("recalls-missing", "callers", lines, lines - len(at_callers), ""),
        Figure("recalls-missing", "callees", lines, lines - len(at_callees), ""),
        Figure("recalls-last", "callers", lines, max(at_callers, default=began) - began, "s"),
        Figure("recalls-last", "callees", lines, max(at_callees, default=began) - began, "s"),
        Figure("recalls-repeated", "phones", lines, repeated, ""),
    ]


def _arrived(invited: list[asyncio.Future[Message]]) -> list[float]:
    return [future.result().at for future in invited if future.done()]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
