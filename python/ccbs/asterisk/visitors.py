"""Callers whom the dialplan sends to us: with a service code, at the gate, and after a failed ``Dial``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused
from ccbs.asterisk.calls import DialplanCalls
from ccbs.asterisk.causes import BUSY, NOT_FOUND
from ccbs.asterisk.endpoints import Endpoints, endpoint_of_channel
from ccbs.asterisk.lines import AsteriskLines
from ccbs.asterisk.player import ChannelGone, Player
from ccbs.codes import OrderDesk, UnknownCode, sign_prompt
from ccbs.subscribers import Directory
from ccbs.switch import PromptFailed

if TYPE_CHECKING:
    from ccbs.service import CallbackService

__all__ = ["Visitors"]

_CODES: Final = ("set", "del", "query")
_AT_ONCE: Final = 10_000
_KEYS_WAITING: Final = 32
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class _Visitor:
    """One caller in our application."""

    def __init__(self, channel: dict[str, Any], number: str | None) -> None:
        loop = asyncio.get_running_loop()
        self.channel: Final = str(channel.get("id", ""))
        self.data: Final = channel
        self.number: Final = number
        self.gone: Final[asyncio.Future[int]] = loop.create_future()
        self.digits: Final[asyncio.Queue[str]] = asyncio.Queue(_KEYS_WAITING)


class Visitors:
    """Serves them; each is a task of its own.

    :param ari: the requests.
    :param desk: carries out the service codes.
    :param service: takes orders by key.
    :param directory: the subscribers.
    :param endpoints: who is who: by the channel's name, never by the number it shows.
    :param lines: how many calls each has.
    :param calls: is told what became of a call.
    :param player: plays prompts.
    :param offer_digit: the key that orders after a busy call; ``None``: nothing is offered.
    :param offer_wait: how long it is waited for, in seconds.
    :param logger: for what goes wrong.
    """

    def __init__(
        self,
        ari: Ari,
        *,
        desk: OrderDesk,
        service: CallbackService,
        directory: Directory,
        endpoints: Endpoints,
        lines: AsteriskLines,
        calls: DialplanCalls,
        player: Player,
        offer_digit: str | None,
        offer_wait: float,
        logger: logging.Logger,
    ) -> None:
        self._ari = ari
        self._desk = desk
        self._service = service
        self._directory = directory
        self._endpoints = endpoints
        self._lines = lines
        self._calls = calls
        self._player = player
        self._offer_digit = offer_digit
        self._offer_wait = offer_wait
        self._logger = logger
        self._visitors: Final[dict[str, _Visitor]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Final = {
            "codes_dialled": 0,
            "codes_unknown": 0,
            "codes_by_strangers": 0,
            "gate_passed": 0,
            "gate_refused": 0,
            "offers_made": 0,
            "offers_taken": 0,
            "digits_dropped": 0,
            "visitors_failed": 0,
            "visitors_turned_away": 0,
            "visitors_resumed": 0,
        }

    def counters(self) -> dict[str, int]:
        """``visitors_now``; ``codes_dialled``, of them ``codes_unknown`` and ``codes_by_strangers`` (no
        subscriber); ``gate_passed``, ``gate_refused``; ``offers_made``, ``offers_taken`` (by key);
        ``digits_dropped`` (keys beyond the 32 that wait to be looked at); ``visitors_failed`` (Asterisk
        refused what was asked for them, or a fault of our own), ``visitors_turned_away`` (there were too many
        at once), ``visitors_resumed`` (found when contact was made).
        """
        return {"visitors_now": len(self._visitors), **self._counts, **self._desk.counters()}

    async def stop(self, timeout: float) -> None:
        """Give up whoever is still here; each goes on in the dialplan."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)

    # --- what Asterisk tells ----------------------------------------------------------------------

    def came(self, channel: dict[str, Any], arguments: list[str], *, of_recall: bool = False) -> None:
        """A caller has come.

        :param channel: the caller's.
        :param arguments: of the dialplan's ``Stasis()``.
        :param of_recall: whether a recall brings it by, on its way to the callee.
        """
        endpoint = endpoint_of_channel(str(channel.get("name", "")))
        number = self._endpoints.number(endpoint) if endpoint is not None else None
        visitor = _Visitor(channel, number)
        verb = arguments[0] if arguments else ""
        dialled = "".join(arguments[1:2])
        if of_recall or len(self._visitors) >= _AT_ONCE:
            self._counts["visitors_turned_away"] += not of_recall
            work = self._pass_on(visitor)
        elif verb in _CODES:
            work = self._code(visitor, dialled)
        elif verb == "gate":
            work = self._gate(visitor, dialled)
        elif verb == "after":
            work = self._after(visitor, dialled, "".join(arguments[2:3]))
        else:
            self._logger.warning("Stasis() has the arguments %r, which say nothing to us", arguments)
            work = self._pass_on(visitor)
        self._visitors[visitor.channel] = visitor
        task = asyncio.get_running_loop().create_task(self._serve(visitor, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def destroyed(self, channel: str, cause: int) -> None:
        """A channel has gone."""
        visitor = self._visitors.get(channel)
        if visitor is not None and not visitor.gone.done():
            visitor.gone.set_result(cause)

    def digit(self, channel: str, digit: str) -> None:
        """A key was pressed."""
        visitor = self._visitors.get(channel)
        if visitor is None:
            return
        if visitor.digits.full():
            self._counts["digits_dropped"] += 1
        else:
            visitor.digits.put_nowait(digit)

    def read(
        self, channels: Mapping[str, Mapping[str, Any]], app: str, is_recall: Callable[[str], bool]
    ) -> None:
        """The state was read anew: whoever went is let go, whoever waits here unseen is served now."""
        for visitor in list(self._visitors.values()):
            if visitor.channel not in channels and not visitor.gone.done():
                visitor.gone.set_result(0)
        for identity, channel in channels.items():
            dialplan = channel.get("dialplan") or {}
            name, *arguments = str(dialplan.get("app_data") or "").split(",")
            if (
                dialplan.get("app_name") == "Stasis"
                and name == app
                and arguments[:1] != ["recall"]
                and identity not in self._visitors
                and not is_recall(identity)
            ):
                self._counts["visitors_resumed"] += 1
                # One that hears a prompt already has done with us; whoever served it is gone.
                busy_with = arguments[:1] != ["gate"] and channel.get("state") == "Up"
                self.came(dict(channel), [] if busy_with else arguments)

    # --- what each wants --------------------------------------------------------------------------

    async def _serve(self, visitor: _Visitor, work: Any) -> None:
        try:
            await work
        except ChannelGone:
            pass
        except AriError as error:
            self._counts["visitors_failed"] += 1
            if not visitor.gone.done():
                self._logger.warning("channel %s: %s", visitor.data.get("name"), error)
            await self._let_go(visitor)
        except (PromptFailed, TimeoutError) as error:
            self._counts["visitors_failed"] += 1
            self._logger.warning("channel %s: %s", visitor.data.get("name"), error)
            await self._hang_up(visitor)
        except Exception:
            # A fault of our own, or the service has ended: nobody else would come for the caller any more.
            self._counts["visitors_failed"] += 1
            self._logger.exception("channel %s was not served to its end", visitor.data.get("name"))
            await self._let_go(visitor)
        finally:
            self._visitors.pop(visitor.channel, None)

    async def _pass_on(self, visitor: _Visitor) -> None:
        await self._ari.request("POST", "channels", visitor.channel, "continue")

    async def _let_go(self, visitor: _Visitor) -> None:
        """A fault of ours must not cost the call: it goes on in the dialplan as soon as Asterisk lets it."""
        wait = _FIRST_WAIT_S
        while not visitor.gone.done():
            try:
                await self._pass_on(visitor)
            except AriRefused as error:
                # Gone, or in the dialplan already.
                if error.status in (404, 409):
                    return
                self._logger.debug("channel %s waits: %s", visitor.channel, error)
            except AriError as error:
                self._logger.debug("channel %s waits: %s", visitor.channel, error)
            else:
                return
            await asyncio.wait((visitor.gone,), timeout=wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    async def _hang_up(self, visitor: _Visitor, cause: int = 16) -> None:
        if visitor.gone.done():
            return
        try:
            await self._ari.request("DELETE", "channels", visitor.channel, query={"reason_code": str(cause)})
        except AriError as error:
            self._logger.debug("channel %s was not ended: %s", visitor.channel, error)

    async def _say(self, visitor: _Visitor, prompts: tuple[str, ...]) -> None:
        await self._player.play(visitor.channel, visitor.gone, visitor.number or "", prompts)

    async def _code(self, visitor: _Visitor, dialled: str) -> None:
        self._counts["codes_dialled"] += 1
        self._calls.code(visitor.data)
        if visitor.number is None or visitor.number not in self._directory:
            self._counts["codes_by_strangers"] += 1
            await self._hang_up(visitor, 21)
            return
        try:
            self._desk.codes.parse(dialled)
        except UnknownCode:
            self._counts["codes_unknown"] += 1
            await self._hang_up(visitor, NOT_FOUND)
            return
        # Only who can hear the answer gives an order.
        await self._ari.request("POST", "channels", visitor.channel, "answer")
        await self._say(visitor, await self._desk.answer(visitor.number, dialled))
        await self._hang_up(visitor)

    async def _gate(self, visitor: _Visitor, dialled: str) -> None:
        if dialled != visitor.number and self._lines.at_capacity(dialled):
            self._counts["gate_refused"] += 1
            self._calls.refused(visitor.data, dialled)
            if not await self._offered(visitor, dialled, "busy"):
                await self._hang_up(visitor, BUSY)
            return
        self._counts["gate_passed"] += 1
        await self._pass_on(visitor)

    async def _after(self, visitor: _Visitor, dialled: str, status: str) -> None:
        fail = self._calls.after(visitor.data, dialled, status)
        if not await self._offered(visitor, dialled, fail):
            await self._pass_on(visitor)

    async def _offered(self, visitor: _Visitor, dialled: str, fail: str | None) -> bool:
        """Offer an order by key, if the operator wants it and the caller may order.

        :returns: whether the call has ended with that.
        """
        caller = self._directory.get(visitor.number) if visitor.number is not None else None
        if self._offer_digit is None or fail != "busy" or caller is None or caller.profile is None:
            return False
        self._counts["offers_made"] += 1
        await self._ari.request("POST", "channels", visitor.channel, "answer")
        saying = asyncio.ensure_future(self._say(visitor, ("offer", sign_prompt(self._offer_digit))))
        pressing = asyncio.ensure_future(self._pressed(visitor))
        try:
            await asyncio.wait((saying, pressing), return_when=asyncio.FIRST_COMPLETED)
            if not pressing.done():
                await saying
                await asyncio.wait(
                    (pressing, visitor.gone), timeout=self._offer_wait, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in (saying, pressing):
                task.cancel()
            await asyncio.wait((saying, pressing))
        if pressing.cancelled() or visitor.gone.done():
            await self._hang_up(visitor)
            return True
        self._counts["offers_taken"] += 1
        code = f"*{self._desk.codes.digits}*{dialled}#"
        await self._say(visitor, await self._desk.answer(caller.number, code))
        await self._hang_up(visitor)
        return True

    async def _pressed(self, visitor: _Visitor) -> None:
        while await visitor.digits.get() != self._offer_digit:
            pass
