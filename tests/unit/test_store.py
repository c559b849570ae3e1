"""``ccbs serve`` with a store: killed, started anew, judged from the phones and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from broken_config import write
from test_server import CONFIG, busy_order, serving
from typer.testing import CliRunner

import ccbs
from ccbs import Driver, StoreError, StoreFile
from ccbs._ccbs import (
    Accepted,
    CallFailed,
    Denied,
    Line,
    Order,
    Reply,
    Service,
    is_store,
    verify_store,
)
from ccbs.cli.app import app
from ccbs.config import load
from ccbs.server import Server
from ccbs.sip import SipSwitch

STORED = CONFIG + "store: {{path: orders.db}}\n"


async def killed(served: object) -> None:
    process = served.process  # type: ignore[attr-defined]
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_an_order_that_was_confirmed_is_carried_out_after_a_kill(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=STORED, cb_timer=3) as before:
            await before.says("listens on")
            assert (await before.says("store ")).endswith("new, no orders")
            phones = await busy_order(before, stack)
            await before.says("order 1 102→101 accepted")
            port = before.address[1]
            await killed(before)
        async with serving(tmp_path, config=STORED, cb_timer=3, port=port) as after:
            assert "orders: 1, down for" in await after.says("store ")
            # No phone has registered anew: what the store kept leads to it.
            rung = await phones["102"].rings()
            assert rung.invite["from"].startswith('"')
            assert verify_store(tmp_path / "orders.db").orders == 1


async def test_an_attempt_that_the_kill_cut_off_is_made_again_and_not_counted(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=STORED, cb_timer=1) as before:
            await before.says("listens on")
            phones = await busy_order(before, stack)
            await before.says("attempt 1 of 3 began")
            await phones["102"].rings()
            port = before.address[1]
            await killed(before)
        async with serving(tmp_path, config=STORED, cb_timer=1, port=port) as after:
            # The cut-off attempt is told while the switch starts: before the store's line, or after it.
            told = "\n".join([await after.says("store |failed: switch-failed") for _ in range(2)])
            assert "attempt 1 of 3 failed: switch-failed" in told
            assert "orders: 1, " in told
            await after.says("attempt 1 of 3 began")
            await phones["102"].rings()


async def test_a_recall_that_is_due_at_the_start_finds_the_phones_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = STORED.replace("{{allowed: true,", "{{allowed: true, caller_free_guard_s: 0,")
    start = SipSwitch.start

    async def that_takes_its_time(switch: SipSwitch, service: ccbs.CallbackService) -> None:
        await asyncio.sleep(0.3)
        await start(switch, service)

    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=at_once, cb_timer=2) as before:
            await before.says("listens on")
            phones = await busy_order(before, stack)
            await before.says("order 1 102→101 accepted")
            port = before.address[1]
            await killed(before)
        # Its CB timer runs out while nobody is there.
        await asyncio.sleep(2.5)
        write(tmp_path, at_once.format(port=port, cb_timer=3600))
        monkeypatch.setattr(SipSwitch, "start", that_takes_its_time)
        said: list[str] = []
        server = Server(load(tmp_path / "ccbs.yml"), say=said.append)
        after = asyncio.create_task(server.serve())
        await phones["102"].rings()
        server.stop()
        assert await after == 0
        assert next(line.split("→101 ")[1] for line in said if "102→101" in line) == "attempt 1 of 3 began"
        assert not [line for line in said if "failed" in line]


async def test_a_cancel_that_was_confirmed_stays_one(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, config=STORED, cb_timer=2) as before:
            await before.says("listens on")
            phones = await busy_order(before, stack)
            cancel = await phones["102"].call("%2337%23")
            assert await cancel.status() == 200
            await before.says("cancelled")
            port = before.address[1]
            await killed(before)
        async with serving(tmp_path, config=STORED, cb_timer=2, port=port) as after:
            assert "orders: 0, " in await after.says("store ")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3.0):
                    await phones["102"].rings()


async def test_a_second_server_on_the_same_store_is_told_who_has_it(tmp_path: Path) -> None:
    async with serving(tmp_path, config=STORED) as first:
        await first.says("store ")
        async with serving(tmp_path, config=STORED) as second:
            code, told = await second.ends()
    assert code == 2
    assert f"is in use by process {first.process.pid} on host " in told


def ordered(store: Path) -> None:
    driver = Driver(store=StoreFile(store))
    service = Service("2", ccbs.Profile.autodial())
    driver.submit([Line("1"), Line("2"), service, CallFailed("2", "1", "busy"), Order(1, "2", "1")])
    deadline = time.monotonic() + 20
    while not driver.orders() and time.monotonic() < deadline:
        driver.drain()
    driver.note("registrations", "2", b"there")
    driver.close()


def test_a_driver_finds_what_an_earlier_one_kept(tmp_path: Path) -> None:
    store = tmp_path / "orders.db"
    assert Driver().recovered() is None
    ordered(store)
    driver = Driver(store=StoreFile(store))
    found = driver.recovered()
    assert found is not None
    assert (found.restarted, found.orders, found.behind_ms) == (True, 1, 0)
    assert driver.notes("registrations") == {"2": b"there"}
    assert driver.notes("calls") == {}
    assert driver.store_trouble() is None
    with pytest.raises(StoreError, match="is in use by process"):
        Driver(store=StoreFile(store))
    driver.close()
    with pytest.raises(ccbs.InvalidValue, match="snapshot_records: 0 is below 1"):
        Driver(store=StoreFile(store, snapshot_records=0))


def test_services_outlive_the_process(tmp_path: Path) -> None:
    store = tmp_path / "orders.db"
    ordered(store)
    driver = Driver(store=StoreFile(store))
    driver.submit(
        [CallFailed("2", "3", "busy"), Order(7, "2", "3"), CallFailed("1", "3", "busy"), Order(8, "1", "3")]
    )
    replies: dict[int, object] = {}
    deadline = time.monotonic() + 20
    while len(replies) < 2 and time.monotonic() < deadline:
        replies |= {action.request: action.reply for action in driver.drain() if isinstance(action, Reply)}
    driver.close()
    assert isinstance(replies[7], Accepted)
    assert replies[8] == Denied("not-allowed", False)


def test_a_recording_over_a_store_begins_with_what_was_kept(tmp_path: Path) -> None:
    ordered(tmp_path / "orders.db")
    driver = Driver(store=StoreFile(tmp_path / "orders.db"), record=tmp_path / "recording")
    driver.close()
    assert not is_store(tmp_path / "recording")
    (story,) = ccbs.explain(tmp_path / "recording", order=1).stories
    assert (story.caller, story.callee) == ("2", "1")


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_the_journal_is_verified_shown_exported_and_compacted(tmp_path: Path) -> None:
    store = tmp_path / "orders.db"
    ordered(store)
    code, told = run("journal", "verify", store)
    assert code == 0
    assert "is sound: records 1, snapshots 1, notes 1, orders that stand 1" in told
    code, told = run("journal", "show", store, "--number", "2")
    assert code == 0
    assert "CallFailed caller=2 callee=1 cause=Busy; Order request=1 caller=2 callee=1" in told
    assert run("journal", "show", store, "--number", "77") == (0, "")
    code, told = run("journal", "export", store)
    assert code == 0
    assert told.startswith('{"sequence":1,"now":')
    code, told = run("journal", "compact", store)
    assert code == 0
    assert "bytes before" in told
    code, told = run("explain", store, "--order", "1")
    assert code == 0
    assert told.startswith("Order 1: 2 waits for 1")


async def test_a_damaged_store_is_restored_from_a_copy_or_begun_anew(tmp_path: Path) -> None:
    store, copy = tmp_path / "orders.db", tmp_path / "copy.db"
    async with contextlib.AsyncExitStack() as stack, serving(tmp_path, config=STORED) as before:
        await before.says("store ")
        await busy_order(before, stack)
        await before.says("order 1 102→101 accepted")
        with (
            contextlib.closing(sqlite3.connect(store)) as opened,
            contextlib.closing(sqlite3.connect(copy)) as other,
        ):
            opened.backup(other)
        await killed(before)
    with contextlib.closing(sqlite3.connect(store)) as opened, opened:
        opened.execute("UPDATE snapshots SET state = zeroblob(9)")
    async with serving(tmp_path, config=STORED) as refusing:
        code, told = await refusing.ends()
    assert code == 2
    assert (
        "Move it away together with its -wal, and restore it from a copy or begin without its orders" in told
    )

    def move_away(to: str) -> None:
        for file in ("orders.db", "orders.db-wal", "orders.db-shm"):
            if (tmp_path / file).exists():
                (tmp_path / file).rename(tmp_path / f"{to}-{file}")

    move_away("damaged")
    copy.rename(store)
    async with serving(tmp_path, config=STORED) as restored:
        assert "orders: 1, down for" in await restored.says("store ")
    move_away("restored")
    async with serving(tmp_path, config=STORED) as anew:
        assert (await anew.says("store ")).endswith("new, no orders")


def test_a_damaged_store_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    store = tmp_path / "orders.db"
    ordered(store)
    with contextlib.closing(sqlite3.connect(store)) as opened, opened:
        opened.execute("UPDATE journal SET record = zeroblob(40)")
    for command in (("journal", "verify"), ("journal", "show"), ("journal", "export")):
        code, told = run(*command, store)
        assert code == 2
        assert "record 1 is not what was written" in told
        assert "restore it from a copy" in told
    code, told = run("explain", store, "--order", "1")
    assert code == 2
    assert "record 1 is not what was written" in told
