"""The call log: bounded in memory, JSON lines in a file, and never in the way of a call."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest

from ccbs.calls import CallLog, CallRecord


def record(
    caller: str = "102", callee: str = "101", *, order: int | None = None, began: float = 1.0
) -> CallRecord:
    return CallRecord(
        caller=caller,
        callee=callee,
        began=began,
        answered=2.5,
        ended=9.0,
        cause="answered",
        recall=order is not None,
        order=order,
    )


def test_memory_keeps_the_last_calls_and_counts_the_displaced() -> None:
    log = CallLog(limit=3)
    for callee in ("1", "2", "3", "4", "5"):
        log.add(record(callee=callee))
    assert [kept.callee for kept in log] == ["3", "4", "5"]
    assert log.counters() == {"calls_logged": 5, "calls_displaced": 2, "calls_unwritten": 0}


def test_records_of_one_number_in_either_role() -> None:
    log = CallLog()
    log.add(record("101", "102"))
    log.add(record("103", "101"))
    log.add(record("103", "102"))
    assert [(found.caller, found.callee) for found in log.records("101")] == [("101", "102"), ("103", "101")]
    assert len(log.records()) == 3


def test_the_file_has_one_json_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    log = CallLog(path=path)
    log.add(record(callee="абонент"))
    log.add(record(order=7))
    # Written at once: an operator looks at the file while the server runs.
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    log.close()
    assert lines[0]["callee"] == "абонент"
    assert lines[1] == {
        "caller": "102",
        "callee": "101",
        "began": 1.0,
        "answered": 2.5,
        "ended": 9.0,
        "cause": "answered",
        "recall": True,
        "order": 7,
        "caller_trunk": None,
    }
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o007 == 0


def test_the_file_is_continued_after_rotation(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    log = CallLog(path=path)
    log.add(record(callee="1"))
    path.rename(tmp_path / "calls.1")
    log.add(record(callee="2"))
    log.reopen()
    log.add(record(callee="3"))
    log.close()
    assert [json.loads(line)["callee"] for line in (tmp_path / "calls.1").read_text().splitlines()] == [
        "1",
        "2",
    ]
    assert [json.loads(line)["callee"] for line in path.read_text().splitlines()] == ["3"]


def test_a_file_that_cannot_be_opened_is_told_once_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "no" / "calls.jsonl"
    with caplog.at_level(logging.ERROR):
        log = CallLog(path=path)
        log.add(record())
        log.add(record())
    assert len(caplog.records) == 1
    assert str(path) in caplog.text
    assert len(log) == 2
    assert log.counters()["calls_unwritten"] == 2
    path.parent.mkdir()
    log.reopen()
    log.add(record(callee="9"))
    log.close()
    assert json.loads(path.read_text())["callee"] == "9"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_once_and_the_record_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        log = CallLog(path=Path("/dev/full"))
        log.add(record())
        log.add(record())
        log.close()
    assert len([entry for entry in caplog.records if "No space left" in entry.getMessage()]) == 1
    assert len(log) == 2
    assert log.counters()["calls_unwritten"] == 2


def test_the_memory_holds_at_least_one_call() -> None:
    with pytest.raises(ValueError, match="limit: 0"):
        CallLog(limit=0)


def test_what_is_kept_comes_back_and_stays_within_its_limit() -> None:
    kept: dict[int, CallRecord] = {}

    def keep(number: int, record: CallRecord, displaced: int | None) -> None:
        kept[number] = record
        if displaced is not None:
            del kept[displaced]

    log = CallLog(limit=3)
    log.keep = keep
    for at in range(5):
        log.add(record(began=float(at)))
    assert [found.began for found in kept.values()] == [2.0, 3.0, 4.0]
    later = CallLog(limit=2)
    later.restore(sorted(kept.items()))
    later.keep = keep
    assert [found.began for found in later] == [3.0, 4.0]
    later.add(record(began=5.0))
    assert sorted(kept) == [2, 4, 5]
    assert later.counters()["calls_logged"] == 1
