"""The demo's own parts: the ladder from two switches' traces, a phone's state, the drawing."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo.ladder import Note, draw, standalone
from demo.traces import FAR_SWITCH, SWITCH, Rung, Trace, merged
from demo.watch import Scene, Watch, phone_state

from acceptance.procedures import PROCEDURES, Verdict
from acceptance.wire import SipMessage

NEAR, FAR, PHONE, FAR_PHONE = "127.0.0.10:5060", "127.0.0.20:5060", "127.0.0.104:5060", "127.0.0.107:5060"
NAMES = {"127.0.0.10": SWITCH, "127.0.0.20": FAR_SWITCH, "127.0.0.104": "№4", "127.0.0.107": "№7"}


def sip(
    start: str, *, to_tag: str = "", call_id: str = "a", cseq: str = "1 INVITE", caller: str = "104"
) -> str:
    return (
        f"{start}\r\nFrom: <sip:104@x>;tag=1\r\nTo: <sip:7001@x>{to_tag}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\n\r\n"
    )


INVITE = sip("INVITE sip:7001@x SIP/2.0")
RINGING = sip("SIP/2.0 180 Ringing")


def written(path: Path, *entries: tuple[int, bool, str, str, str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for at_us, sent, local, remote, message in entries:
            entry = {"at_us": at_us, "sent": sent, "local": local, "remote": remote, "message": message}
            file.write(json.dumps(entry) + "\n")
    return path


def test_each_message_stands_once_and_after_what_caused_it(tmp_path: Path) -> None:
    """All within one millisecond, as on one machine."""
    near = written(
        tmp_path / "near",
        (5_000, False, NEAR, PHONE, sip("REGISTER sip:x SIP/2.0", cseq="1 REGISTER")),
        (5_000, False, NEAR, PHONE, INVITE),
        (5_000, True, NEAR, FAR, INVITE),
        (5_000, False, NEAR, FAR, RINGING),
        (5_000, True, NEAR, PHONE, RINGING),
    )
    far = written(
        tmp_path / "far",
        (5_000, False, FAR, NEAR, INVITE),
        (5_000, True, FAR, FAR_PHONE, INVITE),
        (5_000, False, FAR, FAR_PHONE, RINGING),
        (5_000, True, FAR, NEAR, RINGING),
    )
    rungs = merged([Trace(near, NAMES).read(), Trace(far, NAMES).read()])
    assert [(rung.source, rung.target, rung.label) for rung in rungs] == [
        ("№4", SWITCH, "INVITE 7001"),
        (SWITCH, FAR_SWITCH, "INVITE 7001 from 104"),
        (FAR_SWITCH, "№7", "INVITE from 104"),
        ("№7", FAR_SWITCH, "180 Ringing"),
        (FAR_SWITCH, SWITCH, "180 Ringing"),
        (SWITCH, "№4", "180 Ringing"),
    ]


def test_a_trace_is_followed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    trace = Trace(path, NAMES)
    assert not trace.read()
    written(path, (1, False, NEAR, PHONE, INVITE))
    assert [rung.again for rung in trace.read()] == [False]
    line = path.read_text(encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(line[:20])
        file.flush()
        assert len(trace.read()) == 1
        file.write(line[20:])
    assert [rung.again for rung in trace.read()] == [False, True], "the second is a retransmission"


def messages(*steps: tuple[str, str]) -> list[SipMessage]:
    return [SipMessage(10.0 + i, direction, "", "", text) for i, (direction, text) in enumerate(steps)]


REGISTERED = ("received", sip("SIP/2.0 200 OK", cseq="1 REGISTER", call_id="r"))
DIALS = ("sent", INVITE)
CHALLENGED = ("received", sip("SIP/2.0 407 Proxy Authentication Required"))
REFUSES_CHANGE = ("sent", sip("SIP/2.0 491 Request Pending", to_tag=";tag=2"))
BYE, CANCEL = sip("BYE sip:x SIP/2.0", cseq="2 BYE"), sip("CANCEL sip:x SIP/2.0", cseq="1 CANCEL")
ANSWERED = ("received", sip("SIP/2.0 200 OK", to_tag=";tag=2"))


@pytest.mark.parametrize(
    ("steps", "later_s", "state"),
    [
        ([], 0, "not registered"),
        ([REGISTERED], 9, "idle"),
        ([REGISTERED, DIALS], 0, "dials 7001"),
        ([REGISTERED, DIALS, CHALLENGED, DIALS], 0, "dials 7001"),
        ([REGISTERED, DIALS, CHALLENGED, DIALS, ("received", RINGING)], 0, "hears ringback"),
        ([REGISTERED, DIALS, ("received", sip("SIP/2.0 486 Busy Here"))], 0, "busy tone"),
        ([REGISTERED, DIALS, ("received", sip("SIP/2.0 486 Busy Here"))], 9, "idle"),
        ([REGISTERED, DIALS, ANSWERED], 0, "talks"),
        ([REGISTERED, DIALS, ANSWERED, REFUSES_CHANGE], 0, "talks"),
        ([REGISTERED, DIALS, ANSWERED, ("received", BYE)], 0, "release tone"),
        ([REGISTERED, DIALS, ANSWERED, ("sent", BYE)], 0, "idle"),
        ([REGISTERED, ("received", INVITE), ("sent", RINGING)], 0, "rings, shows 104"),
        ([REGISTERED, ("received", INVITE), ("received", CANCEL)], 0, "idle"),
        ([REGISTERED, DIALS, ANSWERED, ("received", sip("INVITE sip:x SIP/2.0", call_id="b"))], 0, "talks"),
    ],
)  # fmt: skip
def test_the_state_of_a_phone(steps: list[tuple[str, str]], later_s: float, state: str) -> None:
    wire = messages(*steps)
    assert phone_state(wire, (wire[-1].at if wire else 0) + later_s) == state


def test_the_drawing_is_well_formed_and_holds_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    procedure = PROCEDURES[2]
    scene = Scene(procedure, started=100.0)
    scene.begun = [(100.0, procedure.steps[0]), (103.0, procedure.steps[1])]
    scene.verdicts = [Verdict(2, procedure.steps[0], "passed", "<seen> & heard", 1.0)]
    hostile = SipMessage(101.0, "sent", "", "", sip("INVITE sip:<script>&@x SIP/2.0"))
    rungs = [Rung(101.0, "№4", SWITCH, "INVITE <script>&", hostile, False)]
    monkeypatch.setattr(scene, "rungs", lambda: rungs)
    drawing = draw(scene, {"№4": "<b>"}, [Note(102.0, "№4", "♫ «A & B»")])
    picture = ElementTree.fromstring(standalone(drawing))
    assert picture[0].tag.endswith("style")
    assert ".ladder" in (picture[0].text or "")
    root = ElementTree.fromstring(drawing)
    said = " ".join(root.itertext())
    for part in (
        "INVITE <script>&",
        "♫ «A & B»",
        "1 ✔",
        "2 –",
        procedure.steps[1].text,
        FAR_SWITCH,
        "101.000"[3:],
    ):
        assert part in said
    assert "<script>" not in drawing


def test_lines_of_text_tell_every_step_and_the_first_that_was_not_reached() -> None:
    told: list[str] = []
    procedure = PROCEDURES[1]
    watch = Watch([procedure], lambda _, text: told.append(text))
    first, second, third, *_ = procedure.steps
    watch.step_began(procedure, first)
    watch.step_ended(procedure, Verdict(1, first, "passed", "dial tone", 0.1))
    watch.step_ended(procedure, Verdict(1, second, "failed", "no ringback", 0.1))
    watch.step_ended(procedure, Verdict(1, third, "not reached", "step 2 failed", 0.0))
    watch.step_ended(procedure, Verdict(1, procedure.steps[3], "not reached", "step 2 failed", 0.0))
    assert [text.split(" ")[:3] for text in told] == [
        ["step", "1", "✔"], ["step", "2", "✘"], ["step", "3", "and"],
    ]  # fmt: skip
    assert watch.scenes[1].failed
