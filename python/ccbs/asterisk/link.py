"""The stream of events kept up: a reader that never waits for anybody, a watchdog, and new connections.

Asterisk wedges all of ARI when a reader stops reading. So the reader puts what comes into a bounded queue and
goes on reading; whoever falls behind loses the queue and is told to read the state anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import aiohttp

from ccbs.asterisk.ari import Ari, AriError, AriRefused

__all__ = ["Link"]

_BATCH: Final = 200


class Link:
    """The connection for events.

    :param ari: where to.
    :param app: the application's name.
    :param types: the types of events that are wanted; Asterisk sends no others.
    :param handle: takes each event, in order; it must not wait. An exception in it is logged and counted.
    :param read_state: asks for the state, after each connect and after each overflow.
    :param on_lost: is told when the connection is lost.
    :param on_watch: is called each time when Asterisk has said that it is still there.
    :param queue: how many events wait at the most; beyond that all are dropped, counted, and the state is
        read anew.
    :param watch: how often Asterisk is asked whether it still has our application and filter, in seconds.
    :param answer_within: how long it may take to say so, in seconds; then it is taken for lost.
    :param first_wait: before the first new try, in seconds; it doubles.
    :param longest_wait: what it doubles to at the most, in seconds.
    :param jitter: gives a number from 0 to 1, by which half of each wait is shortened: many hosts must not
        come back in one moment.
    :param sleep: waits.
    :param clock: seconds.
    :param logger: is told of each loss and each new connection.
    """

    def __init__(
        self,
        ari: Ari,
        app: str,
        *,
        types: Sequence[str],
        handle: Callable[[dict[str, Any]], None],
        read_state: Callable[[], Awaitable[None]],
        on_lost: Callable[[], None],
        on_watch: Callable[[], Awaitable[None]] | None = None,
        queue: int = 50_000,
        watch: float = 5.0,
        answer_within: float = 5.0,
        first_wait: float = 0.25,
        longest_wait: float = 15.0,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._ari = ari
        self._app = app
        self._filter = {"allowed": [{"type": name} for name in types]}
        self._handle = handle
        self._read_state = read_state
        self._on_lost = on_lost
        self._on_watch = on_watch
        self._limit = queue
        self._watch = watch
        self._answer_within = answer_within
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._jitter = jitter
        self._sleep = sleep
        self._clock = clock or asyncio.get_running_loop().time
        self._logger = logger or logging.getLogger("ccbs.asterisk")
        self._queue: deque[tuple[float, str]] = deque()
        self._waiting = asyncio.Event()
        self._overflowed = False
        self._contact = asyncio.Event()
        self._tried = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self._counts: Final = {
            "ari_connections": 0,
            "ari_losses": 0,
            "ari_events": 0,
            "ari_events_dropped": 0,
            "ari_events_malformed": 0,
            "ari_handler_errors": 0,
            "ari_lag_us": 0,
            "ari_lag_max_us": 0,
        }

    @property
    def in_contact(self) -> bool:
        """Whether events come and the state was read."""
        return self._contact.is_set()

    @property
    def trouble(self) -> str | None:
        """Why there is no contact, if there is none."""
        return self._trouble

    def counters(self) -> dict[str, int]:
        """``ari_connections``, ``ari_losses``, ``ari_events``, ``ari_events_dropped`` (the queue was full),
        ``ari_events_malformed``, ``ari_events_waiting``, ``ari_handler_errors``, and how long the last event
        waited between reader and handler, and the longest any did: ``ari_lag_us``, ``ari_lag_max_us``;
        ``ari_contact`` (1 while in contact).
        """
        return {**self._counts, "ari_events_waiting": len(self._queue), "ari_contact": int(self.in_contact)}

    def start(self) -> None:
        """Connect, in the background, again and again."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def tried(self) -> None:
        """Wait until the first try has ended, in contact or not."""
        await self._tried.wait()

    async def contact(self, timeout: float) -> bool:
        """Wait for contact.

        :param timeout: in seconds.
        :returns: whether there is.
        """
        # Not wait_for: Python 3.11's swallows a cancellation when what it waits for is there already.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._contact.wait()
        return self.in_contact

    async def stop(self) -> None:
        """Connect no more."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    async def _keep(self) -> None:
        wait, told = self._first_wait, None
        while True:
            had_contact = False
            try:
                await self._connection()
            except (AriError, aiohttp.ClientError, TimeoutError, OSError) as error:
                self._trouble = str(error) or type(error).__name__
            except Exception as error:
                self._counts["ari_handler_errors"] += 1
                self._trouble = repr(error)
                self._logger.exception("the connection to Asterisk was given up by a fault of our own")
            finally:
                had_contact = self.in_contact
                self._contact.clear()
                self._queue.clear()
                if had_contact:
                    self._counts["ari_losses"] += 1
                    self._on_lost()
            if had_contact:
                wait = self._first_wait
                self._logger.warning("contact to Asterisk is lost: %s; tried again", self._trouble)
            elif self._trouble != told:
                # Each reason once: what keeps Asterisk away may change while it is away.
                self._logger.warning("no contact to Asterisk: %s; tried again", self._trouble)
            told = self._trouble
            self._tried.set()
            await self._sleep(wait * (1.0 - 0.5 * self._jitter()))
            wait = min(wait * 2, self._longest_wait)

    async def _connection(self) -> None:
        self._queue.clear()
        self._overflowed = False
        async with self._ari.events(self._app) as stream:
            tasks = [asyncio.create_task(self._read(stream))]
            try:
                # Before anything else: without it a busy Asterisk sends six times as much.
                await self._ari.request("PUT", "applications", self._app, "eventFilter", body=self._filter)
                await self._leave_device_states()
                tasks += [asyncio.create_task(self._work()), asyncio.create_task(self._watchdog())]
                await self._read_state()
                self._counts["ari_connections"] += 1
                self._trouble = None
                self._contact.set()
                self._tried.set()
                self._logger.info("in contact with Asterisk at %s", self._ari.url)
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                for task in tasks:
                    if not task.cancelled():
                        task.exception()

    async def _leave_device_states(self) -> None:
        """Subscribed to them, as to all, Asterisk may lock up its ARI for good when the connection breaks in
        the moment in which it tells of one (its issue 2170).
        """
        # It refuses where there is no such subscription: that is what is wanted.
        with contextlib.suppress(AriRefused):
            await self._ari.request(
                "DELETE", "applications", self._app, "subscription", query={"eventSource": "deviceState:"}
            )

    async def _read(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await stream.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise aiohttp.ClientConnectionError(f"the stream of events has ended ({message.type.name})")
            if len(self._queue) >= self._limit:
                self._counts["ari_events_dropped"] += len(self._queue)
                self._queue.clear()
                self._overflowed = True
            self._queue.append((self._clock(), message.data))
            self._waiting.set()

    async def _work(self) -> None:
        while True:
            await self._waiting.wait()
            if self._overflowed:
                self._overflowed = False
                self._logger.warning(
                    "events of Asterisk came faster than they were dealt with; its state is read anew"
                )
                await self._read_state()
            for _ in range(min(_BATCH, len(self._queue))):
                at, text = self._queue.popleft()
                self._take(at, text)
            if not self._queue:
                self._waiting.clear()
            # The reader must come to its turn however much there is to do.
            await asyncio.sleep(0)

    def _take(self, at: float, text: str) -> None:
        self._counts["ari_events"] += 1
        lag = int((self._clock() - at) * 1e6)
        self._counts["ari_lag_us"] = lag
        self._counts["ari_lag_max_us"] = max(lag, self._counts["ari_lag_max_us"])
        try:
            event = json.loads(text)
            if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                raise ValueError("no event")
        except ValueError:
            self._counts["ari_events_malformed"] += 1
            return
        try:
            self._handle(event)
        except Exception:
            # One call that goes wrong must not take the others with it.
            self._counts["ari_handler_errors"] += 1
            self._logger.exception("Asterisk's event %s was not dealt with", event.get("type"))

    async def _watchdog(self) -> None:
        while True:
            await asyncio.sleep(self._watch)
            found = await self._ari.request("GET", "applications", self._app, within=self._answer_within)
            allowed = {entry.get("type") for entry in (found or {}).get("events_allowed", [])}
            if allowed != {entry["type"] for entry in self._filter["allowed"]}:
                await self._ari.request("PUT", "applications", self._app, "eventFilter", body=self._filter)
            if self._on_watch is not None:
                await self._on_watch()
