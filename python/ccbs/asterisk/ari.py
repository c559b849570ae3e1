"""The Asterisk REST Interface: requests and the stream of events, without any meaning given to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp

__all__ = ["Ari", "AriError", "AriRefused", "AriUnreachable"]

_LARGEST_EVENT: Final = 4 * 1024 * 1024


class AriError(Exception):
    """A request that did not do what it should."""


class AriUnreachable(AriError):
    """Asterisk did not answer, or not in time; whether it did what was asked is not known.

    :ivar sent: whether the request may have reached it: False where there was no connection to send it on.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent: Final = sent


class AriRefused(AriError):
    """Asterisk answered with an error.

    :ivar status: of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status: Final = status


class Ari:
    """One Asterisk.

    :param url: where its HTTP server is, e.g. ``http://127.0.0.1:8088``; with its prefix, if it has one.
    :param username: of ``ari.conf``.
    :param password: of the same.
    :param timeout: how long an answer may take, in seconds.
    """

    def __init__(self, url: str, username: str, password: str, *, timeout: float = 10.0) -> None:
        self.url: Final = url.rstrip("/")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._counts: Final = {"ari_requests": 0, "ari_refused": 0, "ari_unreachable": 0}

    def counters(self) -> dict[str, int]:
        """``ari_requests``, of them ``ari_refused`` and ``ari_unreachable`` (no answer in time)."""
        return dict(self._counts)

    async def request(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        within: float | None = None,
    ) -> Any:
        """Ask for something.

        :param method: of HTTP.
        :param path: the parts of the path below ``/ari``.
        :param query: its parameters.
        :param body: sent as JSON.
        :param within: how long the answer may take, in seconds, where not the usual.
        :returns: the answer's JSON, or ``None`` when it has none.
        :raises AriRefused: when Asterisk answered with an error.
        :raises AriUnreachable: when it did not answer in time, or the connection broke.
        """
        self._counts["ari_requests"] += 1
        answers = within or self._timeout
        url = "/".join((self.url, "ari", *(quote(part, safe="") for part in path)))
        try:
            async with self._open().request(
                method,
                url,
                params=query or {},
                json=body,
                # Of Asterisk's time alone: among thousands, a request waits for a connection first.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=answers, sock_read=answers),
            ) as answer:
                text = await answer.text(errors="replace")
                if answer.status >= 400:
                    self._counts["ari_refused"] += 1
                    raise AriRefused(answer.status, _message(text))
                return await answer.json(content_type=None) if text.strip() else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._counts["ari_unreachable"] += 1
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            raise AriUnreachable(f"{method} {url}: {_why(error)}", sent=sent) from error

    @contextlib.asynccontextmanager
    async def events(
        self, app: str, *, of_all: bool = True
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The stream of an application's events.

        :param app: the application's name.
        :param of_all: whether it has all of Asterisk's events, too.
        :raises AriUnreachable: when it cannot be opened, not in time, or broke.
        :raises AriRefused: when Asterisk does not let us in.
        """
        url = f"{self.url}/ari/events"
        try:
            # On a connection of its own: on one that had other requests before, Asterisk may never answer.
            async with aiohttp.ClientSession(headers=self._headers) as session:
                async with asyncio.timeout(self._timeout):
                    stream = await session.ws_connect(
                        url,
                        params={"app": app, "subscribeAll": "true" if of_all else "false"},
                        heartbeat=None,
                        max_msg_size=_LARGEST_EVENT,
                        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    )
                async with stream:
                    yield stream
        except aiohttp.WSServerHandshakeError as error:
            raise AriRefused(error.status, error.message) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AriUnreachable(f"{url}: {_why(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=10.0)
            )
        return self._session


def _why(error: Exception) -> str:
    # What aiohttp says of a connection names TLS settings that plain HTTP does not have.
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.strerror or error.os_error}"
    return str(error) or type(error).__name__


def _message(text: str) -> str:
    """What Asterisk says of an error: ``{"message": …}``, ``{"error": …}``, or whatever stands there."""
    import json

    with contextlib.suppress(ValueError, AttributeError):
        found = json.loads(text)
        if said := found.get("message") or found.get("error"):
            return str(said)
    return text.strip()[:200]
