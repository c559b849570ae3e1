"""Asterisk as the switch: the five methods over ARI, and the facts that its events tell."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ccbs.asterisk.ari import Ari
from ccbs.asterisk.calls import DialplanCalls
from ccbs.asterisk.endings import Endings
from ccbs.asterisk.endpoints import Endpoints, pjsip_endpoints
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.link import Link
from ccbs.asterisk.player import Player
from ccbs.asterisk.recall_leg import RecallLeg
from ccbs.asterisk.recalls import Recalls
from ccbs.asterisk.visitors import Visitors
from ccbs.calls import CallLog
from ccbs.codes import OrderDesk, ServiceCodes
from ccbs.languages import RECALL_NAMES, Languages
from ccbs.numbering import Numbering
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import ConnectOutcome, LineState

if TYPE_CHECKING:
    from ccbs.service import CallbackService

__all__ = ["EVENT_TYPES", "AsteriskSwitch"]

EVENT_TYPES: Final = (
    "ChannelCreated",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ContactStatusChange",
    "Dial",
    "PeerStatusChange",
    "PlaybackFinished",
    "StasisEnd",
    "StasisStart",
)

LONGEST_CONTACT_WAIT: Final = 7


class AsteriskSwitch:
    """Asterisk 22 or newer with PJSIP, as :class:`ccbs.switch.Switch`.

    The switch is made first, then the service over it; :meth:`start` brings the two together::

        switch = AsteriskSwitch(Ari(url, user, password), directory=directory, numbering=numbering, …)
        async with CallbackService(switch) as service:
            await switch.start(service)
            ...
            await switch.stop()

    :param ari: where Asterisk is; the switch closes it in :meth:`stop`.
    :param directory: the subscribers.
    :param numbering: the plan.
    :param endpoints: which endpoint is whose.
    :param app: the name of our application, as the dialplan's ``Stasis()`` has it.
    :param context: where in the dialplan subscribers dial.
    :param prompts: the directory of the prompts, as Asterisk sees it.
    :param groups: numbers of ring groups and queues that may be ordered.
    :param offer_digit: the key that orders after a busy call, where the dialplan leads it to us; ``None``:
        nothing is offered.
    :param offer_wait: how long that key is waited for, in seconds.
    :param calls: the call log; a memory of 10,000 calls unless given.
    :param codes: the service codes.
    :param recall_names: by language, what the caller's phone shows at a recall; ``{callee}`` is the number.
    :param default_language: for those who have none.
    :param contact_wait: how long a recall waits for contact before it is not tried, in seconds, 0–7: the
        engine gives up a recall 10 s after its ringing time.
    :param queue: how many events may wait to be dealt with.
    :param watch: how often Asterisk is asked whether it is still there, in seconds.
    :param jitter: from 0 to 1, for the waits between connections.
    :param sleep: waits between connections.
    :param logger: for what goes wrong.
    :param clock: Unix time in seconds.
    :raises ValueError: when ``contact_wait`` is out of its range.
    """

    def __init__(
        self,
        ari: Ari,
        *,
        directory: Directory,
        numbering: Numbering,
        endpoints: Endpoints,
        app: str = "ccbs",
        context: str,
        prompts: str,
        groups: Collection[str] = (),
        offer_digit: str | None = None,
        offer_wait: float = 8.0,
        calls: CallLog | None = None,
        codes: ServiceCodes | None = None,
        recall_names: Mapping[str, str] = RECALL_NAMES,
        default_language: str = "ru",
        contact_wait: float = 5.0,
        queue: int = 50_000,
        watch: float = 5.0,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        logger: logging.Logger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 <= contact_wait <= LONGEST_CONTACT_WAIT:
            raise ValueError(f"contact_wait: {contact_wait} is outside 0–{LONGEST_CONTACT_WAIT} seconds")
        self.directory: Final = directory
        self.calls: Final = calls if calls is not None else CallLog()
        self._ari = ari
        self._app = app
        self._codes = codes or ServiceCodes()
        self._offer = (offer_digit, offer_wait)
        self._languages = Languages(directory, default_language, recall_names)
        self._logger = logger or logging.getLogger("ccbs.asterisk")
        self._lines = AsteriskLines(endpoints, directory)
        self._player = Player(ari, prompts, self._languages.of, logger=self._logger)
        self._endings = Endings(ari, logger=self._logger)
        self._link = Link(
            ari,
            app,
            types=EVENT_TYPES,
            handle=self._on_event,
            read_state=self._read_state,
            on_lost=self._on_lost,
            on_watch=self._endings.again,
            queue=queue,
            watch=watch,
            jitter=jitter,
            sleep=sleep,
            logger=self._logger,
        )
        self._recalls = Recalls(
            ari,
            app,
            context,
            endpoints=endpoints,
            directory=directory,
            lines=self._lines,
            player=self._player,
            endings=self._endings,
            name=self._languages.recall_name,
            contact=self._link.contact,
            contact_wait=contact_wait,
            log=self.calls,
            clock=clock,
            logger=self._logger,
        )
        self._dialplan = DialplanCalls(
            endpoints,
            directory,
            numbering,
            groups=groups,
            is_recall=self._recalls.is_recall,
            log=self.calls,
            clock=clock,
        )
        self._endpoints = endpoints
        self._missing: list[str] = []
        self._visitors: Visitors | None = None
        self._service: CallbackService | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- its life ---------------------------------------------------------------------------------

    async def start(self, service: CallbackService) -> None:
        """Connect, make the subscribers known to the service, and tell it what happens from now on.

        Asterisk need not be there: it is tried again and again, and the lines are unknown meanwhile.

        :param service: must have been started.
        """
        self._service = service
        self._visitors = Visitors(
            self._ari,
            desk=OrderDesk(service, self._codes),
            service=service,
            directory=self.directory,
            endpoints=self._endpoints,
            lines=self._lines,
            calls=self._dialplan,
            player=self._player,
            offer_digit=self._offer[0],
            offer_wait=self._offer[1],
            logger=self._logger,
        )
        self._lines.start(service)
        self._dialplan.start(service)
        self._link.start()
        await self._link.tried()

    async def stop(self, timeout: float = 2.0) -> None:
        """Release what we hold, and disconnect. Calls in the dialplan go on.

        :param timeout: how long to wait for it, in seconds.
        """
        if self._visitors is not None:
            await self._visitors.stop(timeout)
        for leg in self._recalls.legs():
            # One that talks is the operator's call by now.
            if leg.bridged is None and self._link.in_contact:
                await self._recalls.release(leg, "service-stopped")
        await self._link.stop()
        for task in self._tasks:
            task.cancel()
        self._lines.stop()
        self._dialplan.stop()
        self._service = None
        await self._ari.close()
        self.calls.close()

    def refuse_calls(self) -> None:
        """Nothing: calls are Asterisk's."""

    async def finish_calls(self, timeout: float) -> int:
        """Nothing: calls are Asterisk's, and go on without us."""
        return 0

    # --- what is known ----------------------------------------------------------------------------

    @property
    def in_contact(self) -> bool:
        """Whether Asterisk is reached."""
        return self._link.in_contact

    @property
    def trouble(self) -> str | None:
        """Why Asterisk is not reached, if it is not."""
        return self._link.trouble

    def registered(self, number: str) -> int:
        """Whether a phone of a subscriber can be reached: 1 or 0."""
        return int(self._lines.registered(number))

    def put_subscriber(self, subscriber: Subscriber) -> None:
        """Add a subscriber or change one."""
        self.directory.put(subscriber)
        self._lines.announce(subscriber)

    def put_endpoints(self, endpoints: Endpoints) -> None:
        """Change which endpoint is whose; those of subscribers that there are must stay."""
        self._endpoints.become(endpoints)

    def remove_subscriber(self, number: str) -> None:
        """Remove a subscriber: its orders end."""
        if self.directory.remove(number) is not None:
            self._lines.remove(number)

    def counters(self) -> dict[str, int]:
        """Those of the connection, the requests, the calls, the recalls, the prompts and the call log;
        ``endpoints_missing`` (that the configuration names and Asterisk did not have at the last contact).
        """
        counters = {
            **self._ari.counters(),
            **self._link.counters(),
            **self._recalls.counters(),
            **self._dialplan.counters(),
            **self._player.counters(),
            **self.calls.counters(),
            "endpoints_missing": len(self._missing),
        }
        if self._visitors is not None:
            counters |= self._visitors.counters()
        return counters

    # --- the Switch protocol ----------------------------------------------------------------------

    async def ring(self, caller: str, shown_as: str, timeout: float) -> RecallLeg:
        """See :meth:`ccbs.switch.Switch.ring`."""
        return await self._recalls.ring(caller, shown_as, timeout)

    async def play(self, leg: RecallLeg, prompts: Sequence[str]) -> None:
        """See :meth:`ccbs.switch.Switch.play`."""
        await self._recalls.play(leg, prompts)

    async def connect(self, leg: RecallLeg, callee: str, shown_as: str, timeout: float) -> ConnectOutcome:
        """See :meth:`ccbs.switch.Switch.connect`."""
        return await self._recalls.connect(leg, callee, shown_as, timeout)

    async def release(self, leg: RecallLeg, reason: str) -> None:
        """See :meth:`ccbs.switch.Switch.release`."""
        await self._recalls.release(leg, reason)

    async def line_states(self) -> Mapping[str, LineState]:
        """See :meth:`ccbs.switch.Switch.line_states`: a line with a channel is busy."""
        return self._lines.states()

    # --- the state, read anew -----------------------------------------------------------------------

    async def _read_state(self) -> None:
        self._lines.begin_reading()
        endpoints = await pjsip_endpoints(self._ari)
        found = await self._ari.request("GET", "channels")
        bridges = await self._ari.request("GET", "bridges")
        channels = {str(channel["id"]): channel for channel in found}
        talking = {one for bridge in bridges if len(bridge["channels"]) > 1 for one in bridge["channels"]}
        self._lines.read(
            ((identity, str(channel["name"])) for identity, channel in channels.items()),
            {str(endpoint["resource"]): endpoint["state"] == "online" for endpoint in endpoints},
        )
        self._compare({str(endpoint["resource"]) for endpoint in endpoints})
        self._dialplan.keep(channels)
        self._dialplan.talking(channels, bridges)
        ended, unknown = await self._recalls.read(channels, talking)
        for channel in ended:
            self._spawn(self._endings.hang_up(channel))
        for channel in unknown:
            self._spawn(self._recalls.identify(channel))
        if self._visitors is not None:
            self._visitors.read(channels, self._app, self._recalls.is_recall)
        if self._service is not None:
            self._service.refresh()

    def _compare(self, there: Collection[str]) -> None:
        """Tell of subscribers and trunks that Asterisk does not have, once until that changes."""
        wanted = {self._endpoints.endpoint(subscriber.number) for subscriber in self.directory}
        missing = sorted((wanted | self._endpoints.trunks) - set(there))
        if missing and missing != self._missing:
            self._logger.warning(
                "Asterisk has no PJSIP endpoint %s%s, which the configuration names; "
                "`ccbs check FILE --connect` tells of each",
                missing[0],
                f" (and {len(missing) - 1} more)" if missing[1:] else "",
            )
        self._missing = missing

    def _on_lost(self) -> None:
        self._lines.lost()
        self._player.lost()
        if self._service is not None:
            self._service.lost_contact()

    # --- events -----------------------------------------------------------------------------------

    def _on_event(self, event: dict[str, Any]) -> None:
        channel = event.get("channel") or {}
        identity = str(channel.get("id", ""))
        match event["type"]:
            case "ChannelCreated":
                self._lines.created(identity, str(channel.get("name", "")))
                if identity in self._endings:
                    self._spawn(self._endings.end(identity))
                elif self._recalls.is_awaited(str(channel.get("name", ""))):
                    self._spawn(self._recalls.identify(identity))
                self._dialplan.created(channel)
            case "ChannelDestroyed":
                cause = int(event.get("cause") or 0)
                self._recalls.destroyed(identity, cause)
                self._dialplan.destroyed(channel, cause)
                if self._visitors is not None:
                    self._visitors.destroyed(identity, cause)
                # Last: whoever is called back because of this line sees the rest settled.
                self._lines.destroyed(identity)
            case "Dial":
                if (unwanted := self._recalls.dial(event)) is not None:
                    self._spawn(self._endings.end(unwanted))
                self._dialplan.dial(event)
            case "StasisStart":
                self._on_stasis(event, channel, identity)
            case "PlaybackFinished":
                playback = event.get("playback") or {}
                self._player.finished(str(playback.get("id", "")), str(playback.get("state", "")))
            case "ChannelDtmfReceived":
                if self._visitors is not None:
                    self._visitors.digit(identity, str(event.get("digit", "")))
            case "PeerStatusChange" | "ContactStatusChange":
                endpoint = event.get("endpoint") or {}
                if endpoint.get("technology") == "PJSIP":
                    self._lines.online(str(endpoint.get("resource", "")), endpoint.get("state") == "online")

    def _on_stasis(self, event: dict[str, Any], channel: dict[str, Any], identity: str) -> None:
        if event.get("application") != self._app:
            return
        if identity in self._endings:
            self._spawn(self._endings.end(identity))
            return
        arguments = [str(argument) for argument in event.get("args") or []]
        verb = arguments[0] if arguments else ""
        if verb == "recall":
            if not self._recalls.started(identity, "".join(arguments[2:3])):
                # Given up, or of a process that died: nobody else will end it.
                self._spawn(self._endings.hang_up(identity))
        elif verb == "after" and self._recalls.returned(identity, "".join(arguments[2:3])):
            pass
        elif self._visitors is not None:
            self._visitors.came(channel, arguments, of_recall=self._recalls.is_recall(identity))

    # --- inside -----------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
