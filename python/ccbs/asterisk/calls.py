"""Calls that run wholly in the operator's dialplan: who called whom, and how it ended, by their events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ccbs._ccbs import InvalidValue
from ccbs.asterisk.causes import call_cause
from ccbs.asterisk.endpoints import Endpoints, endpoint_of_channel
from ccbs.calls import CallCause, CallLog, CallRecord
from ccbs.causes import fail_cause
from ccbs.numbering import External, Internal, Numbering
from ccbs.subscribers import Directory

if TYPE_CHECKING:
    from ccbs.service import CallbackService

__all__ = ["DialplanCalls"]

_MOST: Final = 100_000


@dataclass(slots=True)
class _Call:
    """One call, by the channel of its caller."""

    caller: str
    trunk: str | None
    dialled: str
    began: float
    status: str | None = None
    answered: float | None = None
    told: bool = False
    logged: CallCause | None = None
    peers: dict[str, str | None] = field(default_factory=dict)
    """By channel, whose line it is, if anybody's."""
    busy: set[str | None] = field(default_factory=set)
    """Whose line said busy."""
    peer_cause: int | None = None


class DialplanCalls:
    """Tells the service which calls failed or were answered, and keeps the call log.

    :param endpoints: whose channel is whose.
    :param directory: the subscribers: only their calls may be ordered.
    :param numbering: which numbers are somebody's: a busy subscriber's, or one behind a trunk.
    :param groups: numbers of ring groups and queues that may be ordered all the same.
    :param is_recall: whether a channel is a recall's, and so not for us.
    :param log: the call log.
    :param clock: Unix time in seconds.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        directory: Directory,
        numbering: Numbering,
        *,
        groups: Collection[str],
        is_recall: Callable[[str], bool],
        log: CallLog,
        clock: Callable[[], float],
    ) -> None:
        self._endpoints = endpoints
        self._directory = directory
        self._numbering = numbering
        self._groups = frozenset(groups)
        self._is_recall = is_recall
        self._log = log
        self._clock = clock
        self._service: CallbackService | None = None
        self._calls: Final[dict[str, _Call]] = {}
        self._caller_of: Final[dict[str, str]] = {}
        self._untracked = 0
        self._group_calls = 0
        self._no_numbers = 0

    def start(self, service: CallbackService) -> None:
        """Tell the service from now on."""
        self._service = service
        for number in sorted(self._groups):
            service.line(number, external=True)

    def stop(self) -> None:
        """Tell nobody any more."""
        self._service = None

    def counters(self) -> dict[str, int]:
        """``dialplan_calls_now``, ``dialplan_calls_untracked`` (there were too many at once),
        ``group_calls_failed`` (to ring groups and queues that may not be ordered), ``extensions_no_numbers``
        (what was dialled cannot be a number).
        """
        return {
            "dialplan_calls_now": len(self._calls),
            "dialplan_calls_untracked": self._untracked,
            "group_calls_failed": self._group_calls,
            "extensions_no_numbers": self._no_numbers,
        }

    # --- what Asterisk tells ----------------------------------------------------------------------

    def created(self, channel: dict[str, Any]) -> None:
        """A channel has come: a call begins when it is a caller's."""
        dialled = str((channel.get("dialplan") or {}).get("exten") or "")
        # A callee's leg is created in state Down, and where it is not yet in the dialplan.
        if channel.get("state") in ("Ring", "Up") and dialled not in ("", "s"):
            self._begin(channel, dialled)

    def dial(self, event: dict[str, Any]) -> None:
        """A caller's channel dials, or hears what came of it."""
        caller, peer = event.get("caller") or {}, event.get("peer") or {}
        identity = str(caller.get("id", ""))
        call = self._calls.get(identity)
        if call is None:
            dialled = str((caller.get("dialplan") or {}).get("exten") or "")
            call = self._begin(caller, dialled) if dialled else None
        if call is None:
            return
        leg, status = str(peer.get("id", "")), str(event.get("dialstatus") or "")
        endpoint = endpoint_of_channel(str(peer.get("name", "")))
        number = self._endpoints.number(endpoint) if endpoint is not None else None
        if leg not in call.peers:
            call.peers[leg] = number
            self._caller_of[leg] = identity
            call.peer_cause = None
        if status in ("", "RINGING", "PROGRESS", "PROCEEDING"):
            return
        call.status = status
        if status == "BUSY":
            call.busy.add(number)
        if status == "ANSWER" and call.answered is None:
            call.answered = self._clock()
            self._tell_answered(call, number)

    def after(self, channel: dict[str, Any], dialled: str, status: str) -> str | None:
        """The dialplan has come to the line after its ``Dial``.

        :param channel: the caller's.
        :param dialled: the number, as the dialplan has it.
        :param status: its DIALSTATUS.
        :returns: why the call failed, in the service's words, if it did and the caller may be offered an
            order.
        """
        call = self._calls.get(str(channel.get("id", ""))) or self._begin(channel, dialled)
        if call is None or call.answered is not None:
            return None
        call.dialled = dialled or call.dialled
        cause = self._fail(call, status or call.status, None)
        return fail_cause(cause) if call.trunk is None and self._may_be_ordered(call) else None

    def refused(self, channel: dict[str, Any], dialled: str) -> None:
        """The gate refuses a call, for its callee has as many as it may."""
        call = self._calls.get(str(channel.get("id", ""))) or self._begin(channel, dialled)
        if call is not None:
            call.dialled = dialled
            call.busy.add(dialled)
            self._fail(call, "BUSY", None)

    def code(self, channel: dict[str, Any]) -> None:
        """The call was to the service itself."""
        if call := self._calls.get(str(channel.get("id", ""))):
            call.told, call.logged = True, "service-code"

    def destroyed(self, channel: dict[str, Any], cause: int) -> None:
        """A channel has gone."""
        identity = str(channel.get("id", ""))
        if (caller := self._caller_of.pop(identity, None)) is not None:
            if found := self._calls.get(caller):
                found.peer_cause = cause
            return
        call = self._calls.pop(identity, None)
        if call is None:
            return
        for leg in call.peers:
            self._caller_of.pop(leg, None)
        if call.answered is None and not call.told:
            self._fail(call, call.status, cause)
        self._log.add(
            CallRecord(
                caller=call.caller,
                callee=call.dialled,
                began=call.began,
                answered=call.answered,
                ended=self._clock(),
                cause="answered" if call.answered is not None else call.logged or "failed",
                caller_trunk=call.trunk,
            )
        )

    def keep(self, channels: Collection[str]) -> None:
        """The state was read anew: calls whose channel went unseen are over; how they ended is not known."""
        for identity in [found for found in self._calls if found not in channels]:
            call = self._calls[identity]
            call.told, call.logged = True, call.logged or "failed"
            self.destroyed({"id": identity}, 0)

    def talking(
        self, channels: Mapping[str, Mapping[str, Any]], bridges: Iterable[Mapping[str, Any]]
    ) -> None:
        """The state was read anew: who talks with whom has reached it, whoever of us saw it happen.

        :param channels: all of Asterisk's, by identity.
        :param bridges: all of Asterisk's.
        """
        for bridge in bridges:
            if any(self._is_recall(one) for one in bridge["channels"]):
                # A recall of ours tells itself how it ended.
                continue
            together = [channels[one] for one in bridge["channels"] if one in channels]
            for channel in together:
                endpoint = endpoint_of_channel(str(channel.get("name", "")))
                number = self._endpoints.number(endpoint) if endpoint is not None else None
                if number is None:
                    continue
                dialled = str((channel.get("dialplan") or {}).get("exten") or "")
                for other in together:
                    if other is channel:
                        continue
                    theirs = endpoint_of_channel(str(other.get("name", "")))
                    reached = self._endpoints.number(theirs) if theirs is not None else None
                    self._tell_reached(number, dialled, reached)

    # --- inside -----------------------------------------------------------------------------------

    def _begin(self, channel: dict[str, Any], dialled: str) -> _Call | None:
        identity = str(channel.get("id", ""))
        endpoint = endpoint_of_channel(str(channel.get("name", "")))
        if endpoint is None or self._is_recall(identity):
            return None
        trunk: str | None = None
        number = self._endpoints.number(endpoint)
        if number is None:
            if endpoint not in self._endpoints.trunks:
                return None
            # What a trunk says of its caller is believed for fulfilment alone: nobody orders by it.
            trunk, number = endpoint, str((channel.get("caller") or {}).get("number") or "")
        if len(self._calls) >= _MOST:
            self._untracked += 1
            return None
        call = self._calls[identity] = _Call(number, trunk, dialled, self._clock())
        return call

    def _fail(self, call: _Call, status: str | None, cause: int | None) -> CallCause:
        found = call_cause(status, dialled=bool(call.peers), peer_cause=call.peer_cause, cause=cause)
        call.logged = found
        fail = fail_cause(found)
        if call.told or fail is None or call.trunk is not None or call.caller not in self._directory:
            return found
        call.told = True
        if self._service is not None:
            if not self._may_be_ordered(call):
                self._group_calls += 1
                fail = "other"
            try:
                self._service.call_failed(call.caller, call.dialled, fail)
            except InvalidValue:
                # A dialplan may have extensions that are no numbers.
                self._no_numbers += 1
        return found

    def _may_be_ordered(self, call: _Call) -> bool:
        """Whether it was one subscriber's line, or one number behind a trunk, that failed.

        A group is busy when none of its phones took the call, which says nothing of the next moment.
        """
        if call.dialled in self._groups:
            return True
        match self._numbering.find(call.dialled):
            case External():
                return True
            case Internal(number) if number in self._directory:
                others = {found for found in call.peers.values() if found not in (None, number)}
                return not others or number in call.busy
            case _:
                return False

    def _tell_answered(self, call: _Call, number: str | None) -> None:
        if self._service is None:
            return
        caller = call.caller
        if call.trunk is not None:
            dialable = self._numbering.as_dialled(call.trunk, caller)
            if dialable is None:
                return
            caller = dialable
        self._tell_reached(caller, call.dialled, number)

    def _tell_reached(self, caller: str, dialled: str, number: str | None) -> None:
        if self._service is None:
            return
        for callee in dict.fromkeys((dialled, number)):
            if callee and callee != caller:
                try:
                    self._service.call_answered(caller, callee)
                except InvalidValue:
                    self._no_numbers += 1
