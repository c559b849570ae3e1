"""The control socket: who may use it, what it refuses, and how its file comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ccbs.control import ControlError, ControlServer, Refused, ask


async def echo(name: str, request: Mapping[str, Any]) -> Any:
    if name == "refuse":
        raise Refused("No.")
    if name == "fail":
        raise ZeroDivisionError
    return {"name": name, "request": dict(request)}


@contextlib.asynccontextmanager
async def serving(path: Path, **limits: Any) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, echo, **limits)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def talk(path: Path, *lines: bytes) -> list[Any]:
    """Send lines and read an answer for each."""
    reader, writer = await asyncio.open_unix_connection(path, limit=2**24)
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(json.loads(await asyncio.wait_for(reader.readline(), 10)))
    writer.close()
    return answers


async def in_thread(path: Path, request: Mapping[str, Any], **more: Any) -> Any:
    return await asyncio.to_thread(ask, path, request, **more)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_the_file_has_mode_600_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with serving(tmp_path / "s") as server:
            assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
            assert stat.S_ISSOCK(server.path.stat().st_mode)
    finally:
        os.umask(before)


async def test_the_file_never_had_another_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0)
    # Without the later chmod it must be right as well: in between, anybody could connect.
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    try:
        async with serving(tmp_path / "s") as server:
            assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


async def test_a_request_and_its_answer(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        assert await in_thread(server.path, {"ask": "orders", "number": "1"}) == {
            "name": "orders",
            "request": {"ask": "orders", "number": "1"},
        }
        assert server.counters()["control_requests"] == 1


async def test_several_requests_on_one_connection(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        answers = await talk(server.path, b'{"ask": "a"}\n', b'{"ask": "b"}\n')
        assert [answer["answer"]["name"] for answer in answers] == ["a", "b"]


async def test_a_refusal_is_told_to_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        with pytest.raises(Refused, match=r"^No\.$"):
            await in_thread(server.path, {"ask": "refuse"})
        assert server.counters()["control_refused"] == 1


async def test_a_fault_of_one_request_leaves_the_server_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path / "s") as server:
        with pytest.raises(Refused, match="its log says why"):
            await in_thread(server.path, {"ask": "fail"})
        assert "control request fail failed" in caplog.text
        assert await in_thread(server.path, {"ask": "again"})


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"ask": 5}\n', b"{}\n", b"\xff\xfe\n", b"[" * 50_000 + b"\n"]
)
async def test_what_is_no_request_is_refused_and_counted(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path / "s") as server:
        answers = await talk(server.path, line, b'{"ask": "still there"}\n')
        assert answers[0]["ok"] is False
        assert answers[1]["ok"] is True
        assert server.counters()["control_malformed"] == 1


async def test_an_oversize_request_is_refused_and_the_connection_closed(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", request_bytes=1000) as server:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b"x" * 5000)
        answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
        assert answer == {"ok": False, "error": "The request is longer than 1000 bytes."}
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert server.counters()["control_malformed"] == 1
        assert await in_thread(server.path, {"ask": "next"})


async def test_clients_above_the_limit_are_told_and_turned_away(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", clients=2) as server:
        held = [await asyncio.open_unix_connection(server.path) for _ in range(2)]
        for reader, writer in held:
            writer.write(b'{"ask": "hold"}\n')
            await asyncio.wait_for(reader.readline(), 10)
        with pytest.raises(Refused, match="has 2 clients already"):
            await in_thread(server.path, {"ask": "third"})
        assert server.counters()["control_turned_away"] == 1
        for reader, writer in held:
            writer.close()
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert await in_thread(server.path, {"ask": "fourth"})


async def test_a_client_that_says_nothing_is_let_go(tmp_path: Path) -> None:
    async with serving(tmp_path / "s", timeout_s=0.05) as server:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b'{"ask": "half')
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert server.counters()["control_slow"] == 1


async def test_a_client_that_does_not_read_is_let_go(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def large(name: str, request: Mapping[str, Any]) -> Any:
        asked.set()
        return "x" * 10_000_000

    server = ControlServer(tmp_path / "s", large, timeout_s=0.05)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b'{"ask": "large"}\n')
        await asyncio.wait_for(asked.wait(), 10)
        await asyncio.wait(tuple(server._tasks), timeout=10)
        assert server.counters()["control_slow"] == 1
        writer.close()
        del reader
    finally:
        await server.close()


async def test_closing_ends_open_connections_and_removes_the_file(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b'{"ask": "hold"}\n')
        await asyncio.wait_for(reader.readline(), 10)
        await asyncio.wait_for(server.close(), 10)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert not server.path.exists()


async def test_a_file_left_by_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    async with serving(path):
        assert await in_thread(path, {"ask": "alive"})


async def test_a_running_server_is_not_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as first:
        with pytest.raises(ControlError, match="Another server listens on"):
            await ControlServer(first.path, echo).start()
        assert await in_thread(first.path, {"ask": "still there"})


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ControlError, match="is no socket; it is left alone"):
        await ControlServer(path, echo).start()
    assert path.read_text() == "precious"


async def test_two_servers_that_start_at_once_do_not_take_the_path_from_each_other(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match="Another server is just starting"):
            await ControlServer(tmp_path / "s", echo).start()
    finally:
        os.close(handle)


async def test_a_server_does_not_remove_the_file_of_another(tmp_path: Path) -> None:
    first = ControlServer(tmp_path / "s", echo)
    await first.start()
    first.path.unlink()
    async with serving(tmp_path / "s") as second:
        await first.close()
        assert await in_thread(second.path, {"ask": "still there"})


async def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be made: No such file or directory"):
        await ControlServer(tmp_path / "nowhere" / "s", echo).start()


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"No server listens on .* `ccbs serve`"):
        ask(tmp_path / "s", {"ask": "orders"})


def test_a_dead_server(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(ControlError, match="No server listens on"):
        ask(tmp_path / "s", {"ask": "orders"})


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(ControlError, match=r"does not answer within 0\.05 s"):
            ask(tmp_path / "s", {"ask": "orders"}, timeout_s=0.05)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\n", b"[]\n", b"{}\n", b""])
def test_what_listens_is_no_server_of_ours(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()

        async def both() -> None:
            asking = asyncio.create_task(in_thread(tmp_path / "s", {"ask": "orders"}))
            other.setblocking(False)
            connection, _ = await asyncio.get_running_loop().sock_accept(other)
            with connection:
                await asyncio.get_running_loop().sock_recv(connection, 1000)
                await asyncio.get_running_loop().sock_sendall(connection, answer)
            await asking

        with pytest.raises(ControlError, match="is no ccbs server"):
            asyncio.run(both())


def test_a_socket_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        if os.getuid() == 0:
            os.chown(tmp_path / "s", 65_534, -1)
        else:
            monkeypatch.setattr(os, "getuid", lambda: 65_534)
        with pytest.raises(ControlError, match="belongs to another user"):
            ask(tmp_path / "s", {"ask": "orders"})
