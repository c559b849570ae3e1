"""Trunks by address and by host name."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, ClassVar, cast

import pytest
from virtual_driver import until

import ccbs.sip.trunks
from ccbs._ccbs import InvalidValue, SipEndpoint
from ccbs.sip import Trunk
from ccbs.sip.trunks import Trunks


class Endpoint:
    """Keeps the trunks it is given."""

    local_addresses: ClassVar[list[tuple[str, int]]] = [("127.0.0.1", 5060)]

    def __init__(self) -> None:
        self.trunks: dict[str, tuple[str, int]] = {}

    def set_trunk(self, name: str, *, address: tuple[str, int], **_: object) -> None:
        self.trunks[name] = address

    def remove_trunk(self, name: str) -> None:
        del self.trunks[name]


def made(endpoint: Endpoint, *trunks: Trunk) -> Trunks:
    return Trunks(cast("SipEndpoint", endpoint), trunks, logging.getLogger("test"))


async def test_an_address_is_known_at_once_and_a_name_soon() -> None:
    endpoint = Endpoint()
    trunks = made(endpoint, Trunk(name="a", host="127.0.0.2"), Trunk(name="b", host="localhost", port=5070))
    trunks.start()
    assert endpoint.trunks == {"a": ("127.0.0.2", 5060)}
    await until(lambda: endpoint.trunks.get("b") == ("127.0.0.1", 5070))
    trunks.remove("a")
    trunks.remove("c")
    assert set(endpoint.trunks) == {"b"}
    trunks.close()


async def test_a_name_that_is_not_found_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ccbs.sip.trunks, "_FIRST_WAIT", 0.01)
    asked = 0

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.9", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    endpoint = Endpoint()
    trunks = made(endpoint, Trunk(name="far", host="pbx.example"))
    trunks.start()
    await until(lambda: endpoint.trunks == {"far": ("127.0.0.9", 5060)})
    assert caplog.text.count("pbx.example is not found") == 2
    trunks.close()


async def test_a_changed_trunk_forgets_its_old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asyncio.Event()

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        await found.wait()
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.9", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    endpoint = Endpoint()
    trunks = made(endpoint, Trunk(name="far", host="pbx.example"))
    trunks.start()
    await asyncio.sleep(0)
    trunks.put(Trunk(name="far", host="127.0.0.3"))
    found.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert endpoint.trunks == {"far": ("127.0.0.3", 5060)}


async def test_an_address_that_the_endpoint_refuses_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(Endpoint):
        def set_trunk(self, name: str, *, address: tuple[str, int], **_: object) -> None:
            raise InvalidValue("address: not ours")

    trunks = made(Refusing(), Trunk(name="far", host="localhost"))
    trunks.start()
    await until(lambda: "trunk far: 127.0.0.1 cannot be used: address: not ours" in caplog.text)


async def test_a_name_that_no_look_up_accepts_is_told(caplog: pytest.LogCaptureFixture) -> None:
    trunks = made(Endpoint(), Trunk(name="far", host="x" * 64 + ".example"))
    trunks.start()
    await until(lambda: "trunk far: host x" in caplog.text)
    trunks.close()


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(Trunk(name="far", host="127.0.0.1", password="hush"))
