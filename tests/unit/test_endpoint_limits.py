"""The limits of the SIP endpoint: default, range and effect, as arguments and in the configuration."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from broken_config import SOUND, problems, write
from silence import wav
from test_server import CONFIG, serving
from udp_phone import UdpPhone

import ccbs.listening
from ccbs import InvalidPrompt, InvalidValue
from ccbs._ccbs import SipEndpoint, prompt_seconds
from ccbs.config import Problem, load, schema
from ccbs.numbering import Numbering
from ccbs.sip import SipSwitch
from ccbs.subscribers import Directory, ha1_md5

# default, least, most
LIMITS: dict[str, tuple[int, int, int]] = {
    "events": (65_536, 1, 10_000_000),
    "commands": (65_536, 1, 10_000_000),
    "datagrams": (16_384, 16, 1_000_000),
    "connections": (8_192, 1, 1_000_000),
    "connections_per_address": (1_024, 1, 1_000_000),
    "message_kib": (64, 4, 1_024),
    "message_s": (10, 1, 300),
    "connection_idle_s": (600, 10, 86_400),
    "connection_probe_s": (60, 10, 7_200),
    "connect_ms": (4_000, 100, 30_000),
    "write_queue_kib": (256, 64, 65_536),
    "write_stall_s": (20, 1, 300),
    "receive_buffer_kib": (4_096, 64, 1_048_576),
    "legs": (20_000, 1, 1_000_000),
    "transactions": (400_000, 16, 10_000_000),
    "lag_ms": (500, 10, 60_000),
    "lag_waiting": (100, 1, 10_000_000),
    "retry_after_s": (5, 1, 3_600),
    "forks": (10, 1, 100),
    "contacts": (10, 1, 100),
    "min_expires_s": (30, 1, 3_600),
    "default_expires_s": (3_600, 1, 86_400),
    "max_expires_s": (7_200, 1, 86_400),
    "probe_s": (300, 0, 86_400),
    "qualify_s": (0, 0, 86_400),
    "qualifies_per_second": (100, 1, 10_000),
    "session_s": (1_800, 0, 86_400),
    "diversions": (5, 0, 20),
    "lamps": (10_000, 0, 1_000_000),
    "lamps_each": (200, 0, 10_000),
    "lamp_apart_ms": (500, 0, 60_000),
    "decision_s": (10, 1, 300),
    "t1_ms": (500, 50, 2_000),
    "t2_ms": (4_000, 50, 32_000),
    "t4_ms": (5_000, 50, 32_000),
    "nonce_life_s": (300, 10, 86_400),
    "nonces": (100_000, 100, 10_000_000),
    "guesses": (20, 1, 1_000_000),
    "guess_window_s": (60, 1, 86_400),
    "guess_sources": (10_000, 16, 10_000_000),
    "streams": (2_000, 1, 16_384),
    "prompt_s": (60, 1, 80),
    "close_ms": (1_000, 0, 5_000),
}
# What another limit must be so that the edge fits to it.
BESIDE: dict[tuple[str, int], dict[str, int]] = {
    ("default_expires_s", 1): {"min_expires_s": 1},
    ("default_expires_s", 86_400): {"max_expires_s": 86_400},
    ("max_expires_s", 1): {"min_expires_s": 1, "default_expires_s": 1},
    ("t2_ms", 50): {"t1_ms": 50},
}
# Those that the configuration has under another name.
ELSEWHERE = {"events", "commands", "decision_s"}


def only_problem(directory: Path, text: str) -> Problem:
    (problem,) = problems(directory, text)
    return problem


def test_the_signature_tells_the_defaults_in_force() -> None:
    spelled = {
        name: parameter.default
        for name, parameter in inspect.signature(SipEndpoint).parameters.items()
        if name in LIMITS
    }
    assert spelled == {name: default for name, (default, _, _) in LIMITS.items()}
    with closing(SipEndpoint(listen=("127.0.0.1", 0), realm="test")) as endpoint:
        assert endpoint.limits == spelled


@pytest.mark.parametrize("name", LIMITS)
def test_the_edges_of_a_limit_are_taken_and_no_more(name: str) -> None:
    _, least, most = LIMITS[name]
    for edge in (least, most):
        given: dict[str, Any] = {name: edge} | BESIDE.get((name, edge), {})
        with closing(SipEndpoint(listen=("127.0.0.1", 0), realm="test", **given)) as endpoint:
            assert endpoint.limits[name] == edge
    for beyond in (least - 1, most + 1, -(10**30)):
        wrong: dict[str, Any] = {name: beyond}
        with pytest.raises(InvalidValue, match=name) as caught:
            SipEndpoint(listen=("127.0.0.1", 0), realm="test", **wrong)
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"min_expires_s": 600, "default_expires_s": 599}, "default_expires_s"),
        ({"max_expires_s": 60}, "default_expires_s"),
        ({"t1_ms": 1_000, "t2_ms": 999}, "t2_ms"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(
    given: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue) as caught:
        SipEndpoint(listen=("127.0.0.1", 0), realm="test", **given)
    assert caught.value.field == field
    *first, last = given
    lines = "".join(f"    {name}: {given[name]}\n" for name in (*first, last))
    text = SOUND + "limits:\n  endpoint:\n" + lines
    problem = only_problem(tmp_path, text)
    assert problem.path == ("limits", "endpoint", field)


def test_a_limit_of_no_such_name_or_type_is_a_type_error() -> None:
    wrong: dict[str, Any]
    for wrong, text in (({"leg": 1}, "unexpected keyword argument 'leg'"), ({"legs": "1"}, "legs: ")):
        with pytest.raises(TypeError, match=text):
            SipEndpoint(listen=("127.0.0.1", 0), realm="test", **wrong)


async def test_limits_of_registration_and_prompts_hold() -> None:
    with closing(
        SipEndpoint(listen=("127.0.0.1", 0), realm="test", min_expires_s=60, max_expires_s=3_600, prompt_s=1)
    ) as endpoint:
        ha1 = ha1_md5("102", "test", "secret102")
        endpoint.set_subscriber("102", ha1_md5=ha1, ha1_sha256=None, capacity=1)
        phone = await UdpPhone.start("102", "secret102", endpoint.local_address)
        with closing(phone):
            assert await phone.register(59) == 423
            assert await phone.register(60) == 200
        assert endpoint.load_prompt("short", wav(1)) == pytest.approx(1, abs=0.01)
        with pytest.raises(InvalidPrompt, match="at most 1 s"):
            endpoint.load_prompt("long", wav(1.5))
    with pytest.raises(InvalidPrompt, match="at most 2 s"):
        prompt_seconds(wav(3), prompt_s=2)
    with pytest.raises(InvalidValue, match="prompt_s: 81 is outside 1–80"):
        prompt_seconds(wav(3), prompt_s=81)


# --- the configuration ------------------------------------------------------------------------------


def test_the_configuration_has_every_limit_with_its_default_and_range() -> None:
    drawn = schema()["$defs"]["EndpointLimits"]["properties"]
    own = {"queue", "ring_timeout_s", "route_timeout_s"}
    found = {
        name: (field["default"], field["minimum"], field["maximum"])
        for name, field in drawn.items()
        if name not in own
    }
    assert found == {name: numbers for name, numbers in LIMITS.items() if name not in ELSEWHERE}
    assert own < set(drawn)


def test_what_is_written_reaches_the_endpoint(tmp_path: Path) -> None:
    given = {name: default + 1 for name, (default, _, _) in LIMITS.items() if name not in ELSEWHERE}
    written = "".join(f"    {name}: {value}\n" for name, value in given.items())
    text = SOUND.replace("{realm:", "{port: 0, realm:") + (
        f"limits:\n  endpoint:\n    queue: 16\n    route_timeout_s: 20\n{written}"
    )
    with closing(ccbs.listening.listen(load(write(tmp_path, text)), tracing=False)) as endpoint:
        limits = endpoint.limits
    # The endpoint gives a call up only when the route's own time is over.
    assert limits.pop("decision_s") > 20
    assert limits == given | {"events": 16, "commands": 16}


async def test_ring_and_route_end_when_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "slow_rules.py").write_text(
        "import asyncio\n\nfrom ccbs.sip import Dial\n\n\n"
        "async def route(call):\n"
        "    if call.dialled == '103':\n"
        "        await asyncio.Event().wait()\n"
        "    return Dial(number=call.dialled)\n",
        encoding="utf-8",
    )
    config = CONFIG + (
        "route: slow_rules:route\nlimits: {{endpoint: {{ring_timeout_s: 1, route_timeout_s: 1}}}}\n"
    )
    async with serving(tmp_path, config=config) as served, AsyncExitStack() as stack:
        await served.says("listens on")
        caller, callee = await served.phone("104", stack), await served.phone("101", stack)
        callee.does = "ring"
        assert await (await caller.call("101")).status() == 480
        assert (await callee.rings()).final.result() == 487
        assert await (await caller.call("103")).status() == 500


def test_the_length_of_prompts_is_checked_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.wav").write_bytes(wav(3))
    text = SOUND + "prompts: {overrides: {ru: {activated: own.wav}}}\n"
    load(write(tmp_path, text))
    problem = only_problem(tmp_path, text + "limits: {endpoint: {prompt_s: 2}}\n")
    assert "at most 2 s are played" in problem.what


@pytest.mark.parametrize("name", ["route_timeout", "ring_timeout"])
@pytest.mark.parametrize("wrong", [0.0, -1.0, 86_401.0, float("nan"), float("inf")])
def test_a_switch_refuses_a_timeout_outside_its_range(name: str, wrong: float) -> None:
    given: dict[str, Any] = {name: wrong}
    with closing(SipEndpoint(listen=("127.0.0.1", 0), realm="test")) as endpoint:
        with pytest.raises(ValueError, match=rf"{name}: .* is outside 0–86,400 seconds"):
            SipSwitch(endpoint, directory=Directory(), numbering=Numbering(["1XX"]), **given)
        given[name] = 86_400.0
        SipSwitch(endpoint, directory=Directory(), numbering=Numbering(["1XX"]), **given)
