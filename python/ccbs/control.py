"""The local socket by which the operator talks to a running server.

A Unix socket of mode 600. A client writes one JSON object a line, ``{"ask": "orders"}``, and reads one line
for each: ``{"ok": true, "answer": …}`` or ``{"ok": false, "error": "…"}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ControlError", "ControlServer", "Refused", "ask"]

Handler = Callable[[str, Mapping[str, Any]], Awaitable[Any]]

_LOG = logging.getLogger("ccbs.control")


class ControlError(Exception):
    """The socket cannot be used; the message is a sentence for the operator."""


class Refused(Exception):
    """A request that the server does not carry out; the message is a sentence for the operator."""


class ControlServer:
    """Listens on the socket.

    :param path: where the socket is made.
    :param handler: carries out a request, given its name and the whole object, or raises :class:`Refused`.
    :param clients: how many may be connected at a time; others are told and closed.
    :param request_bytes: the longest request.
    :param timeout_s: how long a client may take for a request, or to read its answer, in seconds.
    """

    def __init__(
        self,
        path: Path,
        handler: Handler,
        *,
        clients: int = 16,
        request_bytes: int = 65_536,
        timeout_s: float = 10.0,
    ) -> None:
        self.path = path
        self._handler = handler
        self._clients = clients
        self._request_bytes = request_bytes
        self._timeout_s = timeout_s
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._counters = dict.fromkeys(
            (
                "control_requests",
                "control_refused",
                "control_malformed",
                "control_turned_away",
                "control_slow",
            ),
            0,
        )

    async def start(self) -> None:
        """Make the socket and listen.

        :raises ControlError: when the path is taken by a running server or by a file that is no socket, or
            the socket cannot be made.
        """
        listening = self._bind()
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, sock=listening, limit=self._request_bytes
            )
        except BaseException:
            listening.close()
            self.remove()
            raise

    async def close(self) -> None:
        """Stop listening, end the connections, remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.remove()

    def counters(self) -> dict[str, int]:
        """``control_requests``, ``control_refused``, ``control_malformed``, ``control_turned_away`` (too many
        clients), ``control_slow`` (out of time)."""
        return dict(self._counters)

    def _bind(self) -> socket.socket:
        path = os.fspath(self.path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Linux makes the file with the mode of the unbound socket: at no moment may others connect.
            os.fchmod(listening.fileno(), 0o600)
            with _directory_lock(self.path.parent):
                _clear_stale(self.path)
                listening.bind(path)
                os.chmod(path, 0o600)
                found = os.stat(path)
                self._inode = (found.st_dev, found.st_ino)
                listening.listen(self._clients)
        except OSError as error:
            listening.close()
            why = error.strerror or str(error)
            raise ControlError(
                f"The control socket {path} cannot be made: {why}. "
                "Give control.socket a path in a directory that ccbs may write to."
            ) from None
        except BaseException:
            listening.close()
            raise
        listening.setblocking(False)
        return listening

    def remove(self) -> None:
        """Remove the socket's file, unless it is not (or no longer) this server's."""
        with contextlib.suppress(OSError):
            found = os.stat(self.path, follow_symlinks=False)
            # Another server may have taken the path since.
            if (found.st_dev, found.st_ino) == self._inode:
                os.unlink(self.path)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served outside a task")
        if len(self._tasks) >= self._clients:
            self._counters["control_turned_away"] += 1
            refusal = {"ok": False, "error": f"The server has {self._clients} clients already; try again."}
            with contextlib.suppress(OSError, TimeoutError):
                await self._send(writer, refusal)
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except TimeoutError:
            self._counters["control_slow"] += 1
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            # close() ends the connections; a cancelled connection task would be told of as an error.
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(self._timeout_s):
                    line = await reader.readline()
            except ValueError:
                self._counters["control_malformed"] += 1
                error = f"The request is longer than {self._request_bytes} bytes."
                await self._send(writer, {"ok": False, "error": error})
                return
            if not line:
                return
            await self._send(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        name = request.get("ask") if isinstance(request, dict) else None
        if not isinstance(name, str):
            self._counters["control_malformed"] += 1
            return {"ok": False, "error": 'The request is no JSON object with "ask".'}
        self._counters["control_requests"] += 1
        try:
            return {"ok": True, "answer": await self._handler(name, request)}
        except Refused as error:
            self._counters["control_refused"] += 1
            return {"ok": False, "error": str(error)}
        # A fault in one request must not take the server down.
        except Exception:
            _LOG.exception("control request %s failed", name)
            return {"ok": False, "error": "The server failed to carry this out; its log says why."}

    async def _send(self, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        async with asyncio.timeout(self._timeout_s):
            await writer.drain()


@contextlib.contextmanager
def _directory_lock(directory: Path) -> Iterator[None]:
    """Two servers that start at once must not both find the socket stale."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ControlError(f"Another server is just starting in {directory}; try again.") from None
        yield
    finally:
        os.close(handle)


def _clear_stale(path: Path) -> None:
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(
            f"{path} exists and is no socket; it is left alone. Give control.socket another path."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
        except TimeoutError:
            pass
        except OSError as error:
            # EAGAIN: its queue of connections is full, so somebody listens.
            if error.errno != errno.EAGAIN:
                raise
    raise ControlError(f"Another server listens on {path}. Stop it, or give control.socket another path.")


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float = 10.0) -> Any:
    """Ask a running server.

    :param path: its socket.
    :param request: ``{"ask": NAME, …}``.
    :param timeout_s: how long connecting, and each read of the answer, may take, in seconds.
    :returns: the answer.
    :raises ControlError: when no server can be reached.
    :raises Refused: when the server does not carry it out.
    """
    try:
        owner = os.stat(path).st_uid
        # In a directory for everybody, somebody else could have put a socket of his own there.
        if owner not in (0, os.getuid()):
            raise ControlError(f"The socket {path} belongs to another user; it is not trusted.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(os.fspath(path))
            # A server that turns this client away has written why and closed already.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(
            f"No server listens on {path}. Start it with `ccbs serve`, or name its socket with --socket or "
            "--config."
        ) from None
    except PermissionError:
        raise ControlError(
            f"The socket {path} is not yours. Run this as the user that runs the server."
        ) from None
    except TimeoutError:
        raise ControlError(f"The server on {path} does not answer within {timeout_s:g} s.") from None
    except OSError as error:
        raise ControlError(f"The socket {path} cannot be used: {error.strerror or error}.") from None
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["answer"]
        refusal = str(answer["error"])
    except (ValueError, KeyError, TypeError):
        raise ControlError(
            f"What listens on {path} is no ccbs server: its answer cannot be understood."
        ) from None
    raise Refused(refusal)
