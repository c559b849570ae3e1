"""The harness itself: phone to phone without a switch, and that it fails where there is nothing to see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .audio import encode_wav
from .listening import NotHeard, hears_prompts, hears_tone
from .network import SIP_PORT, LoopbackNetwork
from .phone import Account, Phone
from .recognise import packaged_catalogue, packaged_recogniser
from .wire import Identity, MediaDescription, TraceReader, WireTimeout

CALLER_HZ, CALLEE_HZ = 1_000.0, 700.0


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Phone, Phone]]:
    """Two phones, each the other's registrar, so that dialling reaches it."""
    network = LoopbackNetwork()
    one, two = network.address(1), network.address(2)
    caller = await Phone.start(
        "caller", tmp_path / "caller", one,
        Account("102", "-", two, SIP_PORT, "Анна", register_s=0), tone_hz=CALLER_HZ,
    )  # fmt: skip
    callee = await Phone.start(
        "callee", tmp_path / "callee", two,
        Account("101", "-", one, SIP_PORT, register_s=0), tone_hz=CALLEE_HZ,
    )  # fmt: skip
    yield caller, callee
    await asyncio.gather(caller.stop(), callee.stop())
    network.close()


async def test_a_call_is_seen_shown_and_heard(pair: tuple[Phone, Phone]) -> None:
    caller, callee = pair
    began = time.time()
    await caller.dial("101")
    display = await callee.rings(since=0, timeout=5.0)
    assert display.event == display.caller == Identity("102", "Анна")
    assert display.asserted is None
    await callee.accept()
    await caller.expect("CALL_ESTABLISHED", timeout=5.0)
    assert await caller.calls_now() == await callee.calls_now() == 1
    await hears_tone(caller, CALLEE_HZ, since=began, timeout=5.0)
    await hears_tone(callee, CALLER_HZ, since=began, timeout=5.0, from_now=True)
    with pytest.raises(NotHeard, match="caller did not hear 1000 Hz"):
        await hears_tone(caller, CALLER_HZ, since=began, timeout=0.5)
    recogniser = packaged_recogniser("ru")
    with pytest.raises(NotHeard, match="it heard no prompt"):
        await hears_prompts(caller, recogniser, "ru/activated", since=began, timeout=3.0)
    await callee.wire.expect_none("BYE", "received", during=0.1)
    before = callee.wire.mark()
    await caller.hang_up()
    bye = await callee.wire.expect("BYE", None, "received", since=before, timeout=5.0)
    with pytest.raises(WireTimeout, match="BYE"):
        await callee.wire.expect_none("BYE", "received", since=before, during=0.1)
    with pytest.raises(WireTimeout, match="callee: no received INVITE"):
        await callee.wire.expect("INVITE", None, "received", since=before, timeout=0.1)
    assert bye.call_id == display.invite.call_id
    assert caller.call_log() == [("outgoing", "101")]
    assert callee.call_log() == [("incoming", "102")]


async def test_a_prompt_from_a_phones_microphone_is_recognised(pair: tuple[Phone, Phone]) -> None:
    caller, callee = pair
    catalogue = packaged_catalogue("ru")
    (caller.directory / "microphone.wav").write_bytes(encode_wav(catalogue["ru/activated"]))
    began = time.time()
    await caller.dial("101")
    await callee.rings(since=0, timeout=5.0)
    await callee.accept()
    await hears_prompts(callee, packaged_recogniser("ru"), "ru/activated", since=began, timeout=8.0)
    with pytest.raises(NotHeard, match="should have heard ru/order-accepted"):
        await hears_prompts(callee, packaged_recogniser("ru"), "ru/order-accepted", since=began, timeout=0.5)


def test_a_trace_is_read_the_same_wherever_it_is_cut() -> None:
    body = "v=0\r\nc=IN IP4 127.0.0.2\r\nm=audio 4000 RTP/AVP 0 8\r\na=sendonly\r\n"
    text = (
        "INVITE sip:*37%23@127.0.0.9 SIP/2.0\r\nf: \"Анна \\\"А\\\"\" <sip:102@127.0.0.9>;tag=1\r\n"
        f"To: <sip:*37%23@127.0.0.9>\r\ni: 7@h\r\nCSeq: 3 INVITE\r\n\r\n{body}"
    )  # fmt: skip
    trace = (
        f"ready\n\x1b[36;1m#\nUDP 127.0.0.2:5060 -> 127.0.0.9:5060\n{text}\x1b[;m\n"
        "\x1b[31mwarning: x\n\x1b[;mdone\n"
    ).encode()  # fmt: skip
    for cut in range(len(trace) + 1):
        reader = TraceReader("127.0.0.2")
        messages, lines = [], []
        for part in (trace[:cut], trace[cut:]):
            new_messages, new_lines = reader.feed(part, 1.0)
            messages += new_messages
            lines += new_lines
        assert lines == ["ready", "warning: x", "done"]
        [message] = messages
        assert (message.direction, message.method, message.cseq) == ("sent", "INVITE", 3)
        assert (message.dialled, message.call_id, message.in_dialog) == ("*37#", "7@h", False)
        assert message.identity("From") == Identity("102", 'Анна "А"')
        assert message.media == MediaDescription("127.0.0.2", 4000, (0, 8), "sendonly")
