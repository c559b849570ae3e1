"""Lines for a slow reader: never waited for, bounded, counted."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from ccbs.line_writer import LineHandler, LineWriter


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        writer = LineWriter(file.fileno(), name="lines")
        for number in range(1000):
            writer.write(f"строка {number}")
        writer.close(30)
    lines = (tmp_path / "out").read_text(encoding="utf-8").splitlines()
    assert lines == [f"строка {number}" for number in range(1000)]
    assert writer.counters() == {"lines_written": 1000, "lines_dropped": 0}


def test_a_reader_that_does_not_read_costs_lines_and_never_time() -> None:
    reading, writing = os.pipe()
    writer = LineWriter(writing, limit=100, name="lines")
    done = threading.Event()

    def write() -> None:
        for _ in range(10_000):
            writer.write("x" * 100)
        done.set()

    try:
        threading.Thread(target=write, daemon=True).start()
        assert done.wait(30)
        # What fits into the pipe is written, 100 wait, one is being written, the rest is dropped and counted.
        assert writer.counters()["lines_dropped"] >= 10_000 - 65_536 // 101 - 102
        writer.close(0.01)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        writer = LineWriter(writing, name="lines")
        writer.write("a")
        writer.write("b")
        writer.close(30)
        assert writer.counters() == {"lines_written": 0, "lines_dropped": 2}
    finally:
        os.close(writing)


def test_what_is_no_text_is_written_escaped(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        writer = LineWriter(file.fileno())
        writer.write("a\udcffb")
        writer.close(30)
    assert (tmp_path / "out").read_bytes() == b"a\\udcffb\n"


def test_it_takes_a_log(tmp_path: Path) -> None:
    logger = logging.Logger("test")
    with (tmp_path / "out").open("wb") as file:
        writer = LineWriter(file.fileno(), name="log")
        logger.addHandler(LineHandler(writer))
        logger.warning("order %d", 7)
        logger.warning("order %d", "seven")
        writer.close(30)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "order 7\n"
