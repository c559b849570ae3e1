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


async def test_a_name_is_looked_up_again_and_keeps_its_address_while_it_is_not_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ccbs.sip.trunks, "_FIRST_WAIT", 0.01)
    answers: list[list[str] | None] = [["127.0.0.9"], ["127.0.0.8", "127.0.0.9"], None, None, ["127.0.0.7"]]
    asked = 0

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        nonlocal asked
        found = answers[min(asked, len(answers) - 1)]
        asked += 1
        if found is None:
            raise socket.gaierror("Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    endpoint = Endpoint()
    given: list[str] = []
    set_trunk = endpoint.set_trunk

    def keep(name: str, *, address: tuple[str, int], **others: object) -> None:
        given.append(address[0])
        set_trunk(name, address=address, **others)

    monkeypatch.setattr(endpoint, "set_trunk", keep)
    trunks = made(endpoint, Trunk(name="far", host="pbx.example", lookup_s=0.01))
    trunks.start()
    await until(lambda: asked > 5)
    trunks.close()
    assert given == ["127.0.0.9", "127.0.0.7"], "an address that the name still has stays"
    assert trunks.counters() == {"trunk_lookups_failed": 2, "trunk_addresses_changed": 1}
    assert caplog.text.count("127.0.0.9 is kept") == 2
    assert "pbx.example is at 127.0.0.7 now, no longer at 127.0.0.9" in caplog.text


async def test_a_name_that_is_to_be_looked_up_once_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        nonlocal asked
        asked += 1
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.9", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    trunks = made(Endpoint(), Trunk(name="far", host="pbx.example", lookup_s=0))
    trunks.start()
    looking = trunks._looking["far"]
    await asyncio.wait_for(looking, 5)
    assert asked == 1


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
