"""The SIP switch: subscribers, trunks, calls and recalls over one SIP endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ccbs._ccbs import (
    Answered,
    Bridged,
    CcbsError,
    Closed,
    ConnectFailed,
    Diverted,
    Ended,
    Incoming,
    LineLegs,
    Played,
    Registration,
    Ringing,
    SipEndpoint,
    SipEvent,
    Transfer,
    TransferFailed,
    Transferred,
)
from ccbs.calls import CallLog
from ccbs.codes import OrderDesk, ServiceCodes
from ccbs.languages import RECALL_NAMES, Languages
from ccbs.numbering import Numbering
from ccbs.sip.diverting import Diversions, Diverting
from ccbs.sip.facts import Facts
from ccbs.sip.lines import SubscriberLines
from ccbs.sip.ordinary import OrdinaryCalls
from ccbs.sip.recalls import RecallLeg, Recalls
from ccbs.sip.routing import NumberingRoute, Route
from ccbs.sip.transfers import Transfers
from ccbs.sip.trunks import Trunk, Trunks
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import ConnectOutcome, LineState

if TYPE_CHECKING:
    from ccbs._ccbs import Cause
    from ccbs.service import CallbackService

__all__ = ["SipSwitch"]

# What is told of legs that the endpoint says nothing of any more.
_FAULT: Final = ("refused", 500)
_WE_ENDED: Final = ("local", None)

LONGEST_TIMEOUT: Final = 86_400


class SipSwitch:
    """A PBX over SIP that implements :class:`ccbs.switch.Switch`.

    The switch is made first, then the service over it; :meth:`start` brings the two together::

        switch = SipSwitch(endpoint, directory=directory, numbering=numbering)
        async with CallbackService(switch) as service:
            await switch.start(service)
            ...
            await switch.stop()

    :param endpoint: the SIP endpoint; the switch owns it from :meth:`start` on and closes it in :meth:`stop`.
    :param directory: the subscribers.
    :param numbering: the plan.
    :param trunks: the trunks that the plan leads to.
    :param calls: the call log; a memory of 10,000 calls unless given.
    :param codes: the service codes.
    :param prompts: WAV files by language and prompt name.
    :param route: an async function from a call to what is done with it; ``None``: by the plan
        (:class:`NumberingRoute`).
    :param route_timeout: how long a route may take, in seconds; then the call is answered 500.
    :param ring_timeout: how long a callee rings in an ordinary call, in seconds.
    :param diversions: which calls a callee's phone may divert by 3xx: ``off``, to ``internal`` numbers, to
        ``any`` that its subscriber could call. A trunk may have a rule of its own.
    :param recall_names: by language, what the caller's phone shows at a recall; ``{callee}`` is the number.
    :param default_language: for callers through trunks and for languages without prompts.
    :param on_event: is told every event of the endpoint, after the switch has dealt with it.
    :param on_closed: is called once when the endpoint has ended by a fault of its own: its calls are logged
        as ended, and all that is left to do is :meth:`stop`.
    :param logger: for what goes wrong.
    :param clock: Unix time in seconds.
    :raises ValueError: when the plan leads to a trunk that is not given, or a timeout is not above 0 and at
        most 86,400.
    :raises InvalidPrompt: when a prompt cannot be played; the message names it.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        *,
        directory: Directory,
        numbering: Numbering,
        trunks: Sequence[Trunk] = (),
        calls: CallLog | None = None,
        codes: ServiceCodes | None = None,
        prompts: Mapping[str, Mapping[str, bytes]] | None = None,
        route: Route | None = None,
        route_timeout: float = 3.0,
        ring_timeout: float = 60.0,
        diversions: Diversions = "internal",
        recall_names: Mapping[str, str] = RECALL_NAMES,
        default_language: str = "ru",
        on_event: Callable[[SipEvent], None] | None = None,
        on_closed: Callable[[], None] | None = None,
        logger: logging.Logger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, seconds in (("route_timeout", route_timeout), ("ring_timeout", ring_timeout)):
            if not 0 < seconds <= LONGEST_TIMEOUT:
                raise ValueError(f"{name}: {seconds} is outside 0–{LONGEST_TIMEOUT:,} seconds")
        missing = sorted(numbering.trunks - {trunk.name for trunk in trunks})
        if missing:
            raise ValueError(
                f"trunks: the numbering plan leads to {', '.join(missing)}, which is none of the trunks"
            )
        self.endpoint: Final = endpoint
        self.directory: Final = directory
        self.calls: Final = calls if calls is not None else CallLog()
        self._numbering = numbering
        self._trunks = Trunks(endpoint, trunks, logger or logging.getLogger("ccbs.sip"))
        self._codes = codes or ServiceCodes()
        self._route = route
        self._plan = NumberingRoute(directory, numbering, self._codes)
        self._route_timeout = route_timeout
        self._ring_timeout = ring_timeout
        self._diversions = diversions
        self._languages = Languages(directory, default_language, recall_names)
        self._on_event = on_event
        self._on_closed = on_closed
        self._logger = logger or logging.getLogger("ccbs.sip")
        self._clock = clock
        self._diverting = Diverting(numbering, self._may_divert_to)
        self._facts = Facts(self._logger)
        self._loaded: set[str] = set()
        self._lines = SubscriberLines(endpoint, directory)
        self._errors = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._service: CallbackService | None = None
        self._ordinary: OrdinaryCalls | None = None
        self._transfers: Transfers | None = None
        self._recalls = Recalls(
            endpoint,
            directory=directory,
            diverting=self._diverting,
            log=self.calls,
            route=route or self._plan,
            route_timeout=route_timeout,
            name=self._languages.recall_name,
            prompts=self._prompt_names,
            contacts=self._lines.contacts,
            clock=clock,
            logger=self._logger,
        )
        self._handlers: dict[type[SipEvent], tuple[Callable[[Any], None], ...]] = {}
        for language, by_name in (prompts or {}).items():
            self.load_prompts(language, by_name)

    # --- its life ---------------------------------------------------------------------------------

    async def start(self, service: CallbackService) -> None:
        """Make subscribers and trunks known to the endpoint and the service, and begin to take calls.

        :param service: is fed with what happens; it must have been started.
        """
        self._service = service
        ordinary = self._ordinary = OrdinaryCalls(
            self.endpoint,
            directory=self.directory,
            numbering=self._numbering,
            log=self.calls,
            route=self._route,
            plan=self._plan,
            desk=OrderDesk(service, self._codes),
            service=service,
            facts=self._facts,
            prompts=self._prompt_names,
            contacts=self._lines.contacts,
            route_timeout=self._route_timeout,
            ring_timeout=self._ring_timeout,
            diverting=self._diverting,
            clock=self._clock,
            logger=self._logger,
        )
        recalls = self._recalls
        transfers = self._transfers = Transfers(
            self.endpoint,
            directory=self.directory,
            diverting=self._diverting,
            books=(ordinary, recalls),
            log=self.calls,
            route=self._route or self._plan,
            service=service,
            facts=self._facts,
            contacts=self._lines.contacts,
            route_timeout=self._route_timeout,
            ring_timeout=self._ring_timeout,
            clock=self._clock,
            logger=self._logger,
        )
        self._handlers = {
            Incoming: (ordinary.on_incoming,),
            Ringing: (ordinary.on_ringing, recalls.on_ringing, transfers.on_ringing),
            Answered: (ordinary.on_answered, recalls.on_answered),
            Bridged: (ordinary.on_bridged, recalls.on_bridged),
            ConnectFailed: (recalls.on_connect_failed,),
            Diverted: (ordinary.on_diverted, recalls.on_diverted, transfers.on_diverted),
            Played: (ordinary.on_played, recalls.on_played),
            Transfer: (transfers.on_transfer,),
            Transferred: (transfers.on_transferred,),
            TransferFailed: (transfers.on_transfer_failed,),
            Ended: (ordinary.on_ended, recalls.on_ended, transfers.on_ended),
            LineLegs: (self._lines.on_line_legs,),
            Registration: (self._lines.on_registration,),
        }
        self._lines.start(service)
        self._trunks.start()
        asyncio.get_running_loop().add_reader(self.endpoint.fileno(), self._on_readable)

    async def stop(self, timeout: float = 2.0) -> None:
        """End all calls, wait until they are gone or ``timeout`` seconds are over, close the endpoint."""
        self._trunks.close()
        if self._service is not None:
            for leg in self._legs():
                try:
                    self.endpoint.release(leg)
                except CcbsError as error:
                    self._errors += 1
                    self._logger.warning("leg %d could not be released: %s", leg, error)
            if self._legs():
                await self._wait_empty(timeout)
                self._abandon(_WE_ENDED)
            asyncio.get_running_loop().remove_reader(self.endpoint.fileno())
            self._service = None
            self._lines.stop()
        if self._ordinary is not None:
            self._ordinary.close()
        if self._transfers is not None:
            self._transfers.close()
        self.endpoint.close()
        self.calls.close()

    def refuse_calls(self) -> None:
        """Take no new calls: they are answered 503. Those in progress go on."""
        if self._ordinary is not None:
            self._ordinary.refusing = True

    async def finish_calls(self, timeout: float) -> int:
        """Wait until all calls are over or ``timeout`` seconds are.

        :returns: how many are left.
        """
        if self._legs():
            await self._wait_empty(timeout)
        return len(self._legs())

    # --- configuration while it runs --------------------------------------------------------------

    def put_numbering(self, numbering: Numbering) -> None:
        """Change the numbering plan: for calls from then on.

        :raises ValueError: when it leads to a trunk that is not there.
        """
        if missing := sorted(numbering.trunks - self._trunks.names):
            raise ValueError(
                f"trunks: the numbering plan leads to {', '.join(missing)}, which is none of the trunks"
            )
        self._numbering.become(numbering)

    def put_subscriber(self, subscriber: Subscriber) -> None:
        """Add a subscriber or change one; registrations stay."""
        self.directory.put(subscriber)
        self._lines.announce(subscriber)

    def remove_subscriber(self, number: str) -> None:
        """Remove a subscriber: its registrations and calls go, its orders end."""
        if self.directory.remove(number) is not None:
            self._lines.remove(number)

    def put_trunk(self, trunk: Trunk) -> None:
        """Add a trunk or change one."""
        self._trunks.put(trunk)

    def remove_trunk(self, name: str) -> None:
        """Remove a trunk: its calls go on, new ones are refused."""
        self._trunks.remove(name)

    def load_prompts(self, language: str, prompts: Mapping[str, bytes]) -> None:
        """Make prompts playable.

        :param language: e.g. ``ru``.
        :param prompts: WAV files by prompt name.
        :raises InvalidPrompt: when one cannot be played.
        """
        for name, wav in prompts.items():
            self.endpoint.load_prompt(f"{language}/{name}", wav)
            self._loaded.add(f"{language}/{name}")

    # --- what is known ----------------------------------------------------------------------------

    def registered(self, number: str) -> int:
        """How many phones a subscriber has registered."""
        return self._lines.contacts(number)

    def counters(self) -> dict[str, int]:
        """Those of the endpoint, the call log, and of the switch itself (``sip_handler_errors``)."""
        counters = {
            **self.endpoint.counters(),
            **self.calls.counters(),
            **self._recalls.counters(),
            **self._trunks.counters(),
            **self._diverting.counters(),
            **self._facts.counters(),
        }
        if self._ordinary is not None:
            counters |= self._ordinary.counters()
        if self._transfers is not None:
            counters |= self._transfers.counters()
        counters["sip_handler_errors"] = self._errors
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
        """See :meth:`ccbs.switch.Switch.line_states`: a line with a leg is busy (sip-served.md)."""
        return self._lines.states()

    def begin_unseen(self) -> None:
        """Say so of lines that may be in a call of an earlier process: see
        :meth:`SubscriberLines.begin_unseen`.
        """
        self._lines.begin_unseen()

    # --- inside -----------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            events = self.endpoint.drain()
        except Closed:
            self._lost()
            return
        for event in events:
            try:
                for handle in self._handlers.get(type(event), ()):
                    handle(event)
                if self._on_event is not None:
                    self._on_event(event)
            except Exception:
                # One call that goes wrong must not take the others of the batch with it.
                self._errors += 1
                self._logger.exception("SIP event %r was not dealt with", event)
        if not self._empty.is_set() and not self._legs():
            self._empty.set()

    async def _wait_empty(self, timeout: float) -> None:
        """Wait until the last leg is gone, ``timeout`` seconds at the most."""
        self._empty.clear()
        # Not wait_for: Python 3.11's swallows a cancellation when what it waits for is there already.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._empty.wait()

    def _lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self.endpoint.fileno())
        self._logger.error(
            "the SIP endpoint has ended by a fault of its own; its calls are lost and no more are taken "
            "until it is started anew"
        )
        # Nobody else will say so, and recalls would wait for ever.
        self._abandon(_FAULT)
        if self._service is not None:
            self._service.lost_contact()
        if self._on_closed is not None:
            self._on_closed()

    def _abandon(self, cause: Cause) -> None:
        for leg in self._legs():
            for handle in self._handlers[Ended]:
                handle(Ended(leg, cause))

    def _may_divert_to(self, trunk: str | None) -> Diversions:
        return self._trunks.diversions(trunk) or self._diversions

    def _legs(self) -> list[int]:
        ordinary = self._ordinary.legs() if self._ordinary is not None else []
        transferred = self._transfers.legs() if self._transfers is not None else []
        return self._recalls.legs() + ordinary + transferred

    def _prompt_names(self, number: str | None, prompts: Sequence[str]) -> Sequence[str]:
        language, default = self._languages.of(number), self._languages.default
        return [
            f"{language}/{name}" if f"{language}/{name}" in self._loaded else f"{default}/{name}"
            for name in prompts
        ]
