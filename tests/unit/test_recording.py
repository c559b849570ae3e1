"""Recordings and the stories out of them: the driver, ``ccbs explain``, and ``ccbs serve --record``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from broken_config import SOUND, write
from test_server import busy_order, serving
from typer.testing import CliRunner, Result

import ccbs
from ccbs import Driver, InvalidValue, Profile, RecordingError, StoreFile
from ccbs.actions import Reply, Ring
from ccbs.cli.app import app
from ccbs.events import CallFailed, Event, Line, LineBusy, LineFree, Order, Service

WITHIN = 20.0
"""How long a driver may take to say something, in seconds."""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def recorded(path: Path) -> dict[str, int]:
    """Record an order of 102 for 101 that is rung, and a second one, of 103; the counters."""
    driver = Driver(record=path)
    events: list[Event] = [Line("101"), Line("102"), Line("103")]
    events += [Service(number, Profile.autodial(cb_timer_internal_s=1)) for number in ("102", "103")]
    events += [LineFree("102"), LineBusy("103"), CallFailed("102", "101"), Order(1, "102")]
    events += [CallFailed("103", "101"), Order(2, "103")]
    driver.submit(events)
    until = time.monotonic() + WITHIN
    seen: list[object] = []
    while not any(isinstance(action, Ring) for action in seen):
        assert time.monotonic() < until, seen
        seen += driver.drain()
        time.sleep(0.01)
    driver.close()
    assert sum(isinstance(action, Reply) for action in seen) == 2
    assert driver.recording_failure() is None
    return driver.counters()


def test_a_story_out_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "run"
    counters = recorded(path)
    assert counters["recording_lost"] == 0
    assert counters["recording_bytes"] == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = ccbs.explain(path, order=1)
    assert told.records == counters["recording_records"]
    assert told.torn_bytes is None
    (story,) = told.stories
    assert (story.order, story.caller, story.callee) == (1, "102", "101")
    texts = [sentence.text for sentence in story.sentences]
    assert texts[0] == "102 calls 101 and hears busy"
    assert "place 1 of 2" in texts[1] or "place 1 of 1" in texts[1]
    assert "attempt 1 of 3 begins: the phone of caller 102 rings" in texts[2]
    assert texts[-1].startswith("the recording ends; the order stands, in its recall, place 1 of 2")
    assert story.sentences[2].at - story.sentences[1].at >= 1000


def test_explain_prints_a_story_with_times(tmp_path: Path) -> None:
    recorded(tmp_path / "run")
    result = run("explain", tmp_path / "run", "--number", "103")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "Order 2: 103 waits for 101"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[1])
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} \S", line) for line in lines[2:]), lines
    assert any("suspended: caller 103 is busy" in line for line in lines)
    data = json.loads(run("explain", tmp_path / "run", "--order", "2", "--json").stdout)
    assert [story["order"] for story in data["stories"]] == [2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--order", "9"), "has no order 9: its orders are 1 to 2."),
        (("--number", "555"), "has no order by or for 555"),
        ((), "Give either --order ID or --number NUMBER."),
        (("--order", "1", "--number", "102"), "Give either --order ID or --number NUMBER."),
        (("--order", "1", "--most", "5"), "--most goes with --number; with --order there is one order."),
    ],
)
def test_what_is_not_there_leaves_with_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    recorded(tmp_path / "run")
    result = run("explain", tmp_path / "run", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_files_that_are_no_recording_leave_with_2(tmp_path: Path) -> None:
    recorded(tmp_path / "run")
    whole = (tmp_path / "run").read_bytes()
    other = tmp_path / "other"
    for content, said in (
        (b"", "is no recording: it is empty"),
        (b"some text that is long enough", "is no recording"),
        (whole[:400] + bytes([whole[400] ^ 1]) + whole[401:], "is damaged at byte"),
    ):
        other.write_bytes(content)
        result = run("explain", other, "--order", "1")
        assert result.exit_code == 2
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert run("explain", tmp_path / "none", "--order", "1").exit_code == 2
    other.write_bytes(whole[:-7])
    result = run("explain", other, "--order", "1")
    assert result.exit_code == 0
    assert "ends within a record" in result.stderr


def test_explain_wants_one_of_order_and_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="either order or number") as caught:
        ccbs.explain(tmp_path / "run")
    assert caught.value.field == "order"
    with pytest.raises(InvalidValue, match="either order or number") as caught:
        ccbs.explain(tmp_path / "run", order=1, number="102")
    assert caught.value.field == "number"
    with pytest.raises(InvalidValue, match="most: 0 is below 1"):
        ccbs.explain(tmp_path / "run", number="102", most=0)
    with pytest.raises(TypeError, match=r"record: .*int"):
        Driver(record=5)  # type: ignore[arg-type]
    with pytest.raises(RecordingError, match="No such file"):
        ccbs.explain(tmp_path / "run", order=1)
    with pytest.raises(RecordingError, match="No such file"):
        Driver(record=tmp_path / "nowhere" / "run")


FULL_DISK = """
import resource, sys, time
from ccbs import Driver
from ccbs.events import LineBusy, LineFree, Query

driver = Driver(record=sys.argv[1])
# A file that may not grow any more fails as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
until = time.monotonic() + 20
while driver.recording_failure() is None:
    assert time.monotonic() < until
    driver.submit([LineBusy("101"), LineFree("101")])
    time.sleep(0.005)
print(driver.recording_failure())
driver.submit([Query(7, "101")])
while not driver.drain():
    assert time.monotonic() < until
    time.sleep(0.005)
driver.close()
print(driver.counters()["recording_lost"] > 0, driver.counters()["recording_records"] > 0)
"""


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    said, counted = ended.stdout.splitlines()
    assert "ends here: File too large" in said
    assert "Orders go on" in said
    assert counted == "True True"
    with pytest.raises(RecordingError, match="nothing was ordered while it was written"):
        ccbs.explain(path, order=1)


@pytest.mark.asyncio
async def test_serve_records_what_explain_tells(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    async with (
        serving(tmp_path, "--record", path, cb_timer=3600) as served,
        contextlib.AsyncExitStack() as stack,
    ):
        await served.says("listens on")
        await busy_order(served, stack)
        await served.says(r"order 1 102→101 accepted")
        served.process.send_signal(signal.SIGTERM)
        code, log = await served.ends()
    assert (code, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600), log
    (story,) = ccbs.explain(path, number="102").stories
    assert (story.order, story.caller, story.callee) == (1, "102", "101")
    assert "the CB timer runs for 1 h" in story.sentences[1].text


@pytest.mark.asyncio
async def test_a_recording_that_cannot_be_written_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    async with serving(tmp_path, "--record", tmp_path / "nowhere" / "r") as served:
        code, log = await served.ends()
    assert code == 2
    assert "The recording cannot be written: " in log
    assert "Give --record another path." in log


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--record", "ccbs.yml"), "--record would write to {0}/ccbs.yml, which is the configuration. Give"),
        (
            ("--record", "calls.jsonl"),
            "/calls.jsonl, which is the call log (call_log.file). Give --record another",
        ),
        (("--record", "s"), "/s, which is the control socket"),
        (("--record", "orders.db"), "/orders.db, which is the store's (store.path)"),
        (("--record", "orders.db-wal"), "/orders.db-wal, which is the store's (store.path)"),
        (("--record", "link"), "/link, which is the configuration"),
        (
            ("--trace", "c.rec", "--record", "c.rec"),
            "/c.rec, which is the file of --trace. Give --record another",
        ),
        (("--trace", "c.rec.1", "--record", "c.rec"), "/c.rec.1, which is the file of --trace"),
        (("--trace", "ccbs.yml"), "--trace would write to {0}/ccbs.yml, which is the configuration"),
        (
            ("--trace", "orders.db"),
            "/orders.db, which is the store's (store.path). Give --trace another path.",
        ),
    ],
)
def test_serve_never_writes_over_what_it_needs(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    more = "call_log: {file: calls.jsonl}\ncontrol: {socket: s}\nstore: {path: orders.db}\n"
    config = write(tmp_path, SOUND + more)
    (tmp_path / "link").symlink_to("ccbs.yml")
    before = sorted(tmp_path.iterdir())
    paths = [option if option.startswith("--") else str(tmp_path / option) for option in options]
    result = run("serve", "--config", config, *paths)
    assert result.exit_code == 2
    assert said.format(tmp_path) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert config.read_text(encoding="utf-8") == SOUND + more
    assert sorted(tmp_path.iterdir()) == before


def test_a_recording_takes_no_place_but_that_of_a_recording(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("of somebody else", encoding="utf-8")
    with pytest.raises(
        RecordingError, match=r"notes.txt is no recording and would be replaced; expected a path"
    ):
        Driver(record=other)
    assert other.read_text(encoding="utf-8") == "of somebody else"
    store = tmp_path / "orders.db"
    driver = Driver(store=StoreFile(store))
    driver.submit([Line("101"), Line("102"), Service("102", Profile.autodial()), CallFailed("102", "101")])
    driver.submit([Order(1, "102")])
    driver.close()
    with pytest.raises(RecordingError, match=r"orders.db is a file of the store; expected a path of the rec"):
        Driver(store=StoreFile(store), record=store)
    with pytest.raises(RecordingError, match=r"orders.db is no recording"):
        Driver(record=store)
    driver = Driver(store=StoreFile(store))
    assert [view.order for view in driver.orders()] == [1]
    driver.close()


def test_what_is_no_regular_file_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (
        ("explain", pipe, "--order", "1"),
        ("journal", "show", pipe),
        ("journal", "verify", tmp_path),
    ):
        result = run(*command)
        assert result.exit_code == 2
        assert "is no regular file; expected" in result.stderr
    with pytest.raises(RecordingError, match="is no regular file; expected a path where nothing is"):
        Driver(record=pipe)


def test_a_path_that_leads_nowhere_is_told_with_what_was_expected(tmp_path: Path) -> None:
    result = run("explain", tmp_path / "none", "--order", "1")
    assert result.stderr.endswith(
        "none: No such file or directory (os error 2); expected a file that `ccbs serve --record` wrote, "
        "or a store; check the path.\n"
    )
    result = run("journal", "show", tmp_path / "none")
    assert (
        "none: No such file or directory (os error 2); expected the file that store.path names"
        in result.stderr
    )
    with pytest.raises(RecordingError, match="the path is empty; expected that of a file"):
        Driver(record="")
    with pytest.raises(RecordingError, match="the path is empty; expected that of a file"):
        ccbs.explain("", order=1)
