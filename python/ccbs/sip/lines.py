"""The subscribers' lines as the SIP endpoint sees them, told to the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import LineState

if TYPE_CHECKING:
    from ccbs._ccbs import LineLegs, Registration, SipEndpoint
    from ccbs.service import CallbackService

__all__ = ["SubscriberLines"]


class SubscriberLines:
    """How many calls and how many phones each subscriber has; the service hears when the first comes and the
    last goes.

    :param endpoint: the SIP endpoint.
    :param directory: the subscribers.
    """

    def __init__(self, endpoint: SipEndpoint, directory: Directory) -> None:
        self._endpoint = endpoint
        self._directory = directory
        self._service: CallbackService | None = None
        self._legs: Final[dict[str, int]] = {}
        self._contacts: Final[dict[str, int]] = {}

    def start(self, service: CallbackService) -> None:
        """Make all subscribers known to the endpoint and the service, and tell it from now on.

        :param service: must have been started.
        """
        self._service = service
        for subscriber in self._directory:
            self.announce(subscriber)

    def stop(self) -> None:
        """Tell nobody any more."""
        self._service = None

    def announce(self, subscriber: Subscriber) -> None:
        """Make a subscriber known, or what changed of it."""
        self._endpoint.set_subscriber(
            subscriber.number,
            ha1_md5=subscriber.ha1_md5,
            ha1_sha256=subscriber.ha1_sha256,
            capacity=subscriber.capacity,
        )
        if self._service is not None:
            self._service.line(subscriber.number)
            self._service.allow(subscriber.number, subscriber.profile)
            if self._legs.get(subscriber.number):
                self._service.line_busy(subscriber.number)
            else:
                self._service.line_free(subscriber.number)
            self._tell_registration(self._service, subscriber.number)

    def remove(self, number: str) -> None:
        """A subscriber is one no longer: its registrations and calls go, its orders end."""
        self._endpoint.remove_subscriber(number)
        self._legs.pop(number, None)
        self._contacts.pop(number, None)
        if self._service is not None:
            self._service.remove_line(number)

    def contacts(self, number: str) -> int:
        """How many phones a subscriber has registered."""
        return self._contacts.get(number, 0)

    def states(self) -> Mapping[str, LineState]:
        """The state of each line: one with a leg is busy."""
        return {
            subscriber.number: LineState.BUSY if self._legs.get(subscriber.number) else LineState.FREE
            for subscriber in self._directory
        }

    # --- what the endpoint tells ------------------------------------------------------------------

    def on_line_legs(self, event: LineLegs) -> None:
        """A line has more calls, or fewer."""
        before = self._legs.get(event.number, 0)
        if event.number not in self._directory:
            return
        self._legs[event.number] = event.legs
        if self._service is None or bool(before) == bool(event.legs):
            return
        if event.legs:
            self._service.line_busy(event.number)
        else:
            self._service.line_free(event.number)

    def on_registration(self, event: Registration) -> None:
        """A subscriber has more phones, or fewer."""
        before = self._contacts.get(event.number, 0)
        self._contacts[event.number] = event.contacts
        if (
            self._service is not None
            and event.number in self._directory
            and bool(before) != bool(event.contacts)
        ):
            self._tell_registration(self._service, event.number)

    def _tell_registration(self, service: CallbackService, number: str) -> None:
        if self._contacts.get(number):
            service.line_registered(number)
        else:
            service.line_unregistered(number)
