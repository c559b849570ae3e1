"""UDP and TCP, IPv4 and IPv6, and trunks that the switch registers at: settings, errors, events."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from broken_config import SOUND, marked_line, problems, write
from udp_phone import UdpPhone

import ccbs.listening
from ccbs import InvalidValue, ListenError
from ccbs._ccbs import SipEndpoint, TrunkRegistration
from ccbs.config import load
from ccbs.subscribers import ha1_md5

LOCAL = ("127.0.0.1", 0)
OPTIONS = (
    b"OPTIONS sip:test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def endpoint() -> Iterator[SipEndpoint]:
    with closing(SipEndpoint(listen=LOCAL, realm="test", also=[("::1", 0, None, ["tcp"])])) as endpoint:
        yield endpoint


def test_every_address_answers_over_its_transports(endpoint: SipEndpoint) -> None:
    first, second = endpoint.local_addresses
    assert (first, first[0], second[0]) == (endpoint.local_address, "127.0.0.1", "::1")
    for address in (first, second):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(OPTIONS)
            assert connection.recv(4096).startswith(b"SIP/2.0 200 ")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(10)
        datagrams.sendto(OPTIONS.replace(b"/TCP", b"/UDP"), first)
        assert datagrams.recv(4096).startswith(b"SIP/2.0 200 ")
    with closing(SipEndpoint(listen=second, realm="test", transports=["udp"])) as beside:
        assert beside.local_address == second, "the port is free over UDP"


def test_a_port_in_use_over_tcp_alone_is_told() -> None:
    with socket.create_server(LOCAL) as taken:
        with pytest.raises(ListenError, match=r"tcp 127\.0\.0\.1:\d+: the port is in use"):
            SipEndpoint(listen=taken.getsockname(), realm="test")
        with closing(SipEndpoint(listen=taken.getsockname(), realm="test", transports=["udp"])):
            pass


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("transports", lambda: SipEndpoint(listen=LOCAL, realm="r", transports=["tls"])),
        ("transports", lambda: SipEndpoint(listen=LOCAL, realm="r", transports=[])),
        ("also", lambda: SipEndpoint(listen=LOCAL, realm="r", also=[("localhost", 1, None, ["udp"])])),
        ("also", lambda: SipEndpoint(listen=LOCAL, realm="r", also=[("::1", 0, None, ["tcp"])] * 16)),
        ("advertise", lambda: SipEndpoint(listen=LOCAL, realm="r", also=[("::", 0, None, ["tcp"])])),
        ("advertise", lambda: SipEndpoint(listen=LOCAL, realm="r", also=[("::", 0, "10.0.0.1", ["tcp"])])),
    ],
)
def test_wrong_listeners_name_their_argument(field: str, make: Callable[[], SipEndpoint]) -> None:
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("transport", {"transport": "sctp"}),
        ("register", {"register": ("far.example", 3600)}),
        ("register", {"register": ("far example", 3600), "username": "u", "password": "p"}),
        ("register", {"register": ("far.example", 59), "username": "u", "password": "p"}),
        ("register", {"register": ("far.example", 86_401), "username": "u", "password": "p"}),
    ],
)
def test_wrong_trunks_name_their_argument(endpoint: SipEndpoint, field: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        endpoint.set_trunk("far", address=("127.0.0.1", 5060), **wrong)
    assert caught.value.field == field


async def test_a_trunk_that_is_not_there_is_reported(endpoint: SipEndpoint) -> None:
    with socket.create_server(LOCAL) as taken:
        nobody = taken.getsockname()
    endpoint.set_trunk(
        "far",
        address=nobody,
        username="u",
        password="p",
        transport="tcp",
        register=("far.example", 600),
    )
    came = asyncio.Event()
    asyncio.get_running_loop().add_reader(endpoint.fileno(), came.set)
    await asyncio.wait_for(came.wait(), 20)
    asyncio.get_running_loop().remove_reader(endpoint.fileno())
    [event] = endpoint.drain()
    assert isinstance(event, TrunkRegistration)
    assert (event.trunk, event.registered, event.status) == ("far", False, 408)
    assert 15_000 <= event.again_ms <= 30_000


TRUNK = "trunks:\n- {{name: far, address: {address}, {more}}} #!\n"

CASES = {
    "transport": ("listen: {realm: r, transports: [udp, tls]} #!\n", "listen.transports[1]"),
    "no transport": ("listen: {realm: r, transports: []} #!\n", "listen.transports"),
    "every address": ('listen: {realm: r, also: [{address: "::"}]} #!\n', "listen.also[0].address"),
    "two versions": (
        'listen: {realm: r, also: [{address: "::", advertise: 10.0.0.1}]} #!\n',
        "listen.also[0].advertise",
    ),
    "twice": ("listen: {realm: r, also: [{address: 127.0.0.1}]} #!\n", "listen.also[0].address"),
    "trunk's transport": (
        "listen: {realm: r, transports: [tcp]}\n" + TRUNK.format(address="10.0.0.1", more="transport: udp"),
        "trunks[0].transport",
    ),
    "trunk's version": (
        "listen: {realm: r}\n" + TRUNK.format(address='"2001:db8::1"', more="port: 5060"),
        "trunks[0].address",
    ),
    "registration": (
        "listen: {realm: r}\n" + TRUNK.format(address="10.0.0.1", more="register: {}"),
        "trunks[0].register",
    ),
    "expiry": (
        "listen: {realm: r}\n"
        + TRUNK.format(address="10.0.0.1", more="username: u, password: p, register: {expires_s: 1}"),
        "trunks[0].register.expires_s",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_told_with_its_field_and_line(tmp_path: Path, case: str) -> None:
    text, path = CASES[case]
    text += "numbering: {internal: [1XX]}\n"
    [problem] = problems(tmp_path, text)
    assert f":{marked_line(text)}: {path}: " in str(problem)


def test_listeners_and_trunks_of_the_file_reach_the_endpoint(tmp_path: Path) -> None:
    text = SOUND.replace(
        "listen: {realm:", 'listen: {port: 0, transports: [tcp], also: [{address: "::1", port: 0}], realm:'
    ) + (
        "trunks:\n- name: far\n  address: 10.0.0.1\n  username: u\n  password: p\n  transport: tcp\n"
        "  register: {domain: far.example, expires_s: 120}\n"
    )
    config = load(write(tmp_path, text))
    [trunk] = config.trunks
    assert trunk.registration is not None
    assert (trunk.transport, trunk.registration.domain, trunk.registration.expires_s) == (
        "tcp",
        "far.example",
        120,
    )
    with closing(ccbs.listening.listen(config, tracing=False)) as endpoint:
        assert [host for host, _ in endpoint.local_addresses] == ["127.0.0.1", "::1"]
        with closing(SipEndpoint(listen=endpoint.local_address, realm="r", transports=["udp"])):
            pass


def test_a_server_may_open_as_many_files_as_its_limits_need() -> None:
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(soft, 512) if soft != resource.RLIM_INFINITY else 512
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
        ccbs.listening._allow_connections(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(556, hard if hard > 0 else 556)
        ccbs.listening._allow_connections(1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= lower, "never fewer than before"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("late", [False, True])
async def test_late_offer_of_the_configuration_rings_without_a_description(
    late: bool, tmp_path: Path
) -> None:
    text = SOUND.replace("{realm:", f"{{port: 0, late_offer: {str(late).lower()}, realm:")
    with closing(ccbs.listening.listen(load(write(tmp_path, text)), tracing=False)) as endpoint:
        ha1 = ha1_md5("101", "ccbs.example", "secret-101")
        endpoint.set_subscriber("101", ha1_md5=ha1, ha1_sha256=None, capacity=1)
        phone = await UdpPhone.start("101", "secret-101", endpoint.local_address)
        with closing(phone):
            phone.does = "ring"
            assert await phone.register() == 200
            endpoint.ring("101", shown_number="102", timeout_s=10)
            assert (b"m=audio" in (await phone.rings()).invite.bytes()) is not late


def test_where_phones_may_divert_calls_to_is_read(tmp_path: Path) -> None:
    assert load(write(tmp_path, SOUND)).diversions == "internal"
    for policy in ("off", "any"):
        assert load(write(tmp_path, SOUND + f"  diversions: {policy}\n")).diversions == policy
    (problem,) = problems(tmp_path, SOUND + "  diversions: some\n")
    assert problem.path == ("numbering", "diversions")
