"""What the SIP endpoint is given: addresses, arguments, prompts."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from silence import wav

from ccbs import InvalidPrompt, InvalidValue, ListenError
from ccbs._ccbs import SipEndpoint, prompt_seconds

REALM = "test"


@pytest.fixture
def endpoint() -> Iterator[SipEndpoint]:
    endpoint = SipEndpoint(listen=("127.0.0.1", 0), realm=REALM)
    yield endpoint
    endpoint.close()


# --- listening --------------------------------------------------------------------------------------


def test_a_port_in_use_is_one_clear_error(endpoint: SipEndpoint) -> None:
    with pytest.raises(ListenError, match="port is in use; stop the program that has it") as caught:
        SipEndpoint(listen=endpoint.local_address, realm=REALM)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno is not None
    assert str(endpoint.local_address[1]) in str(caught.value)


def test_a_port_is_free_after_close(endpoint: SipEndpoint) -> None:
    address = endpoint.local_address
    endpoint.close()
    again = SipEndpoint(listen=address, realm=REALM)
    assert again.local_address == address
    again.close()


def test_an_address_of_another_machine_is_one_clear_error() -> None:
    with pytest.raises(ListenError, match="no interface of this machine"):
        SipEndpoint(listen=("192.0.2.1", 5060), realm=REALM)


def test_ipv6_is_listened_on() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    endpoint = SipEndpoint(listen=("::1", 0), realm=REALM)
    assert endpoint.local_address[0] == "::1"
    endpoint.close()


# --- bad input --------------------------------------------------------------------------------------

LOCAL = ("127.0.0.1", 0)
BAD_STARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"listen": ("localhost", 5060)}, "listen", "'localhost' is no IP address"),
    ({"listen": ("127.0.0.1", 65_536)}, "listen", "port 65536 is outside 0–65535"),
    ({"listen": ("127.0.0.1", -1)}, "listen", "port -1"),
    ({"listen": ("0.0.0.0", 0)}, "advertise", "set the address to advertise"),
    ({"advertise": "somewhere"}, "advertise", "'somewhere' is no IP address"),
    ({"advertise": "::1"}, "advertise", "same family"),
    ({"realm": ""}, "realm", "empty"),
    ({"realm": "a\r\nb"}, "realm", r"U\+000D"),
    ({"rtp_ports": (20_000, 10_000)}, "rtp_ports", "after the last"),
    ({"rtp_ports": (0, 10)}, "rtp_ports", "port 0 is outside 1–65535"),
    ({"rtp_ports": (11, 11)}, "rtp_ports", "no even port"),
    ({"user_agent": "x\n"}, "user_agent", "control character"),
    ({"events": 0}, "events", "0 is outside 1–10000000"),
]


@pytest.mark.parametrize(
    ("given", "field", "text"), BAD_STARTS, ids=[f"{b[1]}-{b[2][:12]}" for b in BAD_STARTS]
)
def test_a_bad_start_names_the_argument(given: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(InvalidValue, match=text) as caught:
        SipEndpoint(**{"listen": LOCAL, "realm": REALM} | given)
    assert caught.value.field == field


MD5 = "0" * 32
SHOWN: dict[str, Any] = {"shown_number": "2", "timeout_s": 20}
BAD_COMMANDS: list[tuple[Callable[[SipEndpoint], Any], str, str]] = [
    (lambda e: e.set_subscriber("", ha1_md5=MD5, ha1_sha256=None, capacity=1), "number", "empty"),
    (lambda e: e.set_subscriber("1", ha1_md5=None, ha1_sha256=None, capacity=1), "ha1_md5", "or ha1_sha256"),
    (lambda e: e.set_subscriber("1", ha1_md5="zz", ha1_sha256=None, capacity=1), "ha1_md5", "32 hexadecimal"),
    (lambda e: e.set_subscriber("1", ha1_md5=None, ha1_sha256=MD5, capacity=1), "ha1_sha256", "64 hex"),
    (lambda e: e.set_subscriber("1", ha1_md5=MD5, ha1_sha256=None, capacity=0), "capacity", "1–65535"),
    (lambda e: e.set_trunk("t", address=("example", 1)), "address", "no IP address"),
    (lambda e: e.set_trunk("t", address=("127.0.0.1", 0)), "address", "port 0"),
    (lambda e: e.set_trunk("t", address=("127.0.0.1", 1), username="u"), "password", "username is given"),
    (lambda e: e.set_trunk("t", address=("127.0.0.1", 1), password="p"), "username", "password is given"),
    (lambda e: e.reject(1, 299), "status", "300–699"),
    (lambda e: e.reject(-1, 404), "leg", "below 0"),
    (lambda e: e.release(1, 700), "cause", "outside"),
    (lambda e: e.ring("1", **SHOWN | {"timeout_s": 0}), "timeout_s", "outside"),
    (lambda e: e.ring("1", **SHOWN | {"timeout_s": float("nan")}), "timeout_s", "outside"),
    (lambda e: e.ring("1\r\n", **SHOWN), "number", "control character"),
    (lambda e: e.ring("1", **SHOWN | {"shown_name": "a\0"}), "shown_name", r"U\+0000"),
    (lambda e: e.dial(1, "1", trunk="", **SHOWN), "trunk", "empty"),
    (lambda e: e.connect(1, "1", **SHOWN | {"shown_number": ""}), "shown_number", "empty"),
    (lambda e: e.play(1, []), "prompts", "at least one"),
]


@pytest.mark.parametrize(("call", "field", "text"), BAD_COMMANDS)
def test_a_bad_command_names_the_argument(
    endpoint: SipEndpoint, call: Callable[[SipEndpoint], Any], field: str, text: str
) -> None:
    with pytest.raises(InvalidValue, match=text) as caught:
        call(endpoint)
    assert caught.value.field == field


def test_wrong_types_name_the_argument(endpoint: SipEndpoint) -> None:
    with pytest.raises(TypeError, match="prompts: expected a sequence"):
        endpoint.play(1, "activated")
    with pytest.raises(TypeError, match="wav: "):
        endpoint.load_prompt("x", "x.wav")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="listen: "):
        SipEndpoint(listen="127.0.0.1:5060", realm=REALM)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="leg: "):
        endpoint.answer("1")  # type: ignore[arg-type]


def test_prompts_of_any_rate_are_taken() -> None:
    assert prompt_seconds(wav(0.5, rate=44_100, channels=2)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not a WAV file"),
        (b"RIFF....", "not a WAV file"),
        (wav(0.5)[:500], "was it copied whole"),
        (wav(0), "no samples"),
        (wav(61), "at most 60 s"),
        (wav(0.1, rate=1_000), "sample rate 1000 Hz"),
        (wav(0.1, channels=6), "6 channels"),
        (wav(0.1)[:20] + struct.pack("<H", 0x55) + wav(0.1)[22:], "not supported"),
    ],
    ids=["empty", "header only", "cut", "no samples", "long", "slow", "many channels", "MP3"],
)
def test_a_bad_prompt_says_what_is_wrong(endpoint: SipEndpoint, data: bytes, text: str) -> None:
    with pytest.raises(InvalidPrompt, match=text):
        endpoint.load_prompt("x", data)
    with pytest.raises(InvalidPrompt, match=text):
        prompt_seconds(data)
