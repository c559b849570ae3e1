"""From the BYE that frees a caller to the INVITE of its recall, with many orders waiting."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.phones import Bank, Dialog, Message
from benches.process import Failed, Switch
from benches.side_by_side import carry_out

__all__ = ["Recalls", "measure"]

_REALM = "bench.example"
_PASSWORD = "bench-password"
_PHONES = "127.0.0.40"
_TRUNK = "127.0.0.41"
_CB_TIMER_S = 3
_AT_ONCE = 32


@dataclass(frozen=True)
class Recalls:
    """What was measured.

    :ivar waiting: orders that stood all the time.
    :ivar per_second: releases a second.
    :ivar delays_s: sorted; from the BYE handed to the kernel to the INVITE received by the kernel.
    :ivar repeated: messages that phones had to send again.
    :ivar orders_per_second: how fast the orders were placed, 32 at a time, with their refused calls.
    """

    waiting: int
    per_second: float
    delays_s: list[float]
    repeated: int
    orders_per_second: float

    def percentile(self, share: float) -> float:
        """In seconds."""
        return self.delays_s[min(len(self.delays_s) - 1, int(len(self.delays_s) * share))]


def measure(
    directory: Path, *, waiting: int, measured: int, per_second: float, store: bool = False
) -> Recalls:
    """Measures with a switch of its own.

    :param directory: for its files; made.
    :param waiting: orders that stand all the time.
    :param measured: how many recalls are timed.
    :param per_second: releases a second.
    :param store: whether the orders are kept in a file.
    :raises Failed: when a step does not go as it should.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = _config(port, waiting, measured) | ({"store": {"path": "orders.db"}} if store else {})
    with Switch(directory, config):
        return asyncio.run(_run(("127.0.0.1", port), waiting, measured, per_second))


def _config(port: int, waiting: int, measured: int) -> dict[str, Any]:
    def subscriber(number: str, timer_s: int) -> dict[str, Any]:
        autodial = {"allowed": True, "attempts": 1, "cb_timer_external_s": timer_s}
        return {"number": number, "password": _PASSWORD, "services": {"autodial": autodial}}

    return {
        "listen": {"address": "127.0.0.1", "port": port, "realm": _REALM},
        "switch": "sip",
        "subscribers": [subscriber(_number(at), _CB_TIMER_S) for at in range(measured)]
        + [subscriber(_number(at), 3600) for at in range(measured, measured + waiting)],
        "profiles": {"autodial": {"caller_free_guard_s": 0, "service_duration_s": 86_400}},
        "trunks": [{"name": "city", "address": _TRUNK, "trusted": True}],
        "numbering": {"internal": ["1XXXXX"], "external": [{"prefix": "7", "trunk": "city"}]},
        "limits": {"engine": {"recalls_at_once": 10_000, "recalls_per_second": 10_000}},
    }


def _number(at: int) -> str:
    return str(100_000 + at)


async def _run(server: tuple[str, int], waiting: int, measured: int, per_second: float) -> Recalls:
    phones = Bank((_PHONES, 0), server, _REALM)
    trunk = Bank((_TRUNK, 5060), server, _REALM)
    try:
        callers = [_number(at) for at in range(measured + waiting)]
        await carry_out((phones.register(number, _PASSWORD) for number in callers), _AT_ONCE)
        began = time.monotonic()
        await carry_out((_order(phones, number) for number in callers[measured:]), _AT_ONCE)
        orders_per_second = waiting / max(time.monotonic() - began, 1e-9)

        trunk.talks = {f"71{number}" for number in callers[:measured]}
        talking = await carry_out(
            (_order_and_talk(phones, number) for number in callers[:measured]), _AT_ONCE
        )
        # Every CB timer expires while its caller talks: all these orders are suspended now.
        await asyncio.sleep(_CB_TIMER_S + 1)
        delays = await _release(phones, talking, per_second)
        return Recalls(waiting, per_second, delays, phones.repeated + trunk.repeated, orders_per_second)
    finally:
        phones.close()
        trunk.close()


async def _order(phones: Bank, number: str) -> None:
    """A call that the trunk refuses as busy, and the order."""
    status, _ = await phones.call(number, _PASSWORD, f"70{number}")
    if status != 486:
        raise Failed(f"call of {number} to a busy number: {status}")
    status, dialog = await phones.call(number, _PASSWORD, "*37#")
    if dialog is None:
        raise Failed(f"order of {number}: {status}")
    await phones.bye(dialog)


async def _order_and_talk(phones: Bank, number: str) -> Dialog:
    await _order(phones, number)
    status, dialog = await phones.call(number, _PASSWORD, f"71{number}")
    if dialog is None:
        raise Failed(f"second call of {number}: {status}")
    return dialog


async def _release(phones: Bank, talking: list[Dialog], per_second: float) -> list[float]:
    """Hangs up one after the other at the given pace; how long each recall took."""

    async def one(dialog: Dialog) -> float:
        invited = phones.expect_invite(dialog.number)
        sent = await phones.bye(dialog)
        try:
            invite: Message = await asyncio.wait_for(invited, 10)
        except TimeoutError:
            raise Failed(f"no recall of {dialog.number} within 10 s of its release") from None
        return invite.at - sent

    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    for index, dialog in enumerate(talking):
        await asyncio.sleep(began + index / per_second - loop.time())
        tasks.append(asyncio.create_task(one(dialog)))
    return sorted(await asyncio.gather(*tasks))
