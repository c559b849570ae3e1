"""The lines: which channels each endpoint has, exactly, and whether a phone is registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ccbs.asterisk.endpoints import Endpoints, endpoint_of_channel
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import LineState

if TYPE_CHECKING:
    from ccbs.service import CallbackService

__all__ = ["AsteriskLines"]


class AsteriskLines:
    """What each line has, told to the service when the first channel comes and the last goes.

    Counted by channels and not by device states: a caller's becomes INUSE only when the callee rings, and a
    second call changes nothing there.

    :param endpoints: whose channel is whose.
    :param directory: the subscribers.
    """

    def __init__(self, endpoints: Endpoints, directory: Directory) -> None:
        self._endpoints = endpoints
        self._directory = directory
        self._service: CallbackService | None = None
        self._channels: Final[dict[str, str]] = {}
        self._by_number: Final[dict[str, set[str]]] = {}
        self._online: Final[dict[str, bool]] = {}
        self._known = False
        self._reading = False
        self._came: dict[str, str] = {}
        self._gone: set[str] = set()

    def start(self, service: CallbackService) -> None:
        """Make all subscribers known to the service, and tell it from now on."""
        self._service = service
        for subscriber in self._directory:
            self.announce(subscriber)

    def stop(self) -> None:
        """Tell nobody any more."""
        self._service = None

    def announce(self, subscriber: Subscriber) -> None:
        """Make a subscriber known, or what changed of it."""
        if self._service is None:
            return
        self._service.line(subscriber.number)
        self._service.allow(subscriber.number, subscriber.profile)
        if self._known:
            self._tell(subscriber.number)
            self._tell_registration(subscriber.number)

    def remove(self, number: str) -> None:
        """A subscriber is one no longer."""
        if self._service is not None:
            self._service.remove_line(number)

    # --- what is known ----------------------------------------------------------------------------

    def count(self, number: str) -> int:
        """How many channels a line has."""
        return len(self._by_number.get(number, ()))

    def at_capacity(self, number: str) -> bool:
        """Whether a further call would find the line busy; an unconfigured line is never."""
        subscriber = self._directory.get(number)
        return subscriber is not None and self.count(number) >= subscriber.capacity

    def registered(self, number: str) -> bool:
        """Whether a phone of the line can be reached, as far as Asterisk knows."""
        return self._online.get(number, False)

    def states(self) -> Mapping[str, LineState]:
        """The state of each subscriber's line."""
        if not self._known:
            return {subscriber.number: LineState.UNKNOWN for subscriber in self._directory}
        return {
            subscriber.number: LineState.BUSY if self.count(subscriber.number) else LineState.FREE
            for subscriber in self._directory
        }

    # --- what Asterisk tells ----------------------------------------------------------------------

    def begin_reading(self) -> None:
        """The state is being asked for: what comes and goes meanwhile is newer than the answer."""
        self._reading = True
        self._came, self._gone = {}, set()

    def read(self, channels: Iterable[tuple[str, str]], online: Mapping[str, bool]) -> None:
        """The state as Asterisk has it.

        :param channels: identity and name of each channel.
        :param online: by endpoint, whether it has a phone that is reached.
        """
        before = {number for number, found in self._by_number.items() if found}
        self._channels.clear()
        self._by_number.clear()
        for channel, name in (*channels, *self._came.items()):
            if channel not in self._gone:
                self._add(channel, name)
        self._reading = False
        self._came, self._gone = {}, set()
        self._online.clear()
        for endpoint, is_online in online.items():
            if (number := self._endpoints.number(endpoint)) is not None:
                self._online[number] = is_online
        was_known, self._known = self._known, True
        after = {number for number, found in self._by_number.items() if found}
        for subscriber in self._directory:
            number = subscriber.number
            if not was_known or (number in before) != (number in after):
                self._tell(number)
            self._tell_registration(number)

    def lost(self) -> None:
        """Nothing is known any more."""
        self._known = False

    def created(self, channel: str, name: str) -> None:
        """A channel has come."""
        if self._reading:
            self._came[channel] = name
        number = self._add(channel, name)
        if number is not None and self.count(number) == 1:
            self._tell(number)

    def destroyed(self, channel: str) -> None:
        """A channel has gone."""
        if self._reading:
            self._gone.add(channel)
        number = self._channels.pop(channel, None)
        if number is None:
            return
        channels = self._by_number[number]
        channels.discard(channel)
        if not channels:
            del self._by_number[number]
            self._tell(number)

    def online(self, endpoint: str, is_online: bool) -> None:
        """A phone registered, was lost, or came back."""
        number = self._endpoints.number(endpoint)
        if number is None or self._online.get(number) == is_online:
            return
        self._online[number] = is_online
        self._tell_registration(number)

    # --- inside -----------------------------------------------------------------------------------

    def _add(self, channel: str, name: str) -> str | None:
        endpoint = endpoint_of_channel(name)
        number = self._endpoints.number(endpoint) if endpoint is not None else None
        if number is None or channel in self._channels:
            return None
        self._channels[channel] = number
        self._by_number.setdefault(number, set()).add(channel)
        return number

    def _tell(self, number: str) -> None:
        if self._service is None or number not in self._directory:
            return
        if self.count(number):
            self._service.line_busy(number)
        else:
            self._service.line_free(number)

    def _tell_registration(self, number: str) -> None:
        if self._service is None or number not in self._directory:
            return
        if self.registered(number):
            self._service.line_registered(number)
        else:
            self._service.line_unregistered(number)
