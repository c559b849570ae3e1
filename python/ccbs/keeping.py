"""What outlives the process beside the orders: registrations and the call log, kept in the store's file."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from ccbs._ccbs import Bindings, Closed, Driver, Overload, Recovered, StoreFile
from ccbs.calls import CallLog, CallRecord
from ccbs.service import CallbackService
from ccbs.subscribers import Directory

__all__ = ["Keeping", "Phones"]

_REGISTRATIONS: Final = "registrations"
_CALLS: Final = "calls"
_DIGITS: Final = 16

_LOG = logging.getLogger("ccbs.server")


class Phones(Protocol):
    """What takes the registrations of an earlier process: a SIP endpoint."""

    def restore_bindings(self, number: str, bindings: str) -> None:
        """Put what was registered in place."""
        ...


class Keeping:
    """What a server keeps with its driver's store, and finds there when it starts. Without a store all of it
    does nothing.

    :param driver: has the store.
    :param store: where it is, or None.
    """

    def __init__(self, driver: Driver, store: StoreFile | None) -> None:
        self._driver = driver
        self._store = store
        self._found: Recovered | None = driver.recovered() if store is not None else None
        self._unkept = 0
        self._failing = False

    @property
    def restarted(self) -> bool:
        """Whether an earlier process used the store."""
        return self._found is not None and self._found.restarted

    def counters(self) -> dict[str, int]:
        """``notes_unkept``: registrations and calls that did not go to the store, too much waited for it."""
        return {"notes_unkept": self._unkept}

    def greeting(self, now: float) -> str | None:
        """What was found, for the operator.

        :param now: Unix time in seconds.
        """
        if self._store is None or self._found is None:
            return None
        path, found = self._store.path, self._found
        if not found.restarted:
            return f"store {path}: new, no orders"
        said = (
            f"store {path}: orders: {found.orders}, down for "
            f"{max(0, round(now - found.until / 1000))} s, inputs repeated: {found.records}"
        )
        if found.behind_ms:
            said += (
                f"; the clock is {found.behind_ms / 1000:.0f} s behind the last input, times count on from "
                "there"
            )
        return said

    # --- what is found at the start -----------------------------------------------------------------

    def forget_removed(self, directory: Directory, service: CallbackService) -> None:
        """End the orders of lines that left the configuration while nobody was there."""
        if not self.restarted:
            return
        for view in self._driver.lines():
            if not view.external and view.line not in directory:
                service.remove_line(view.line)

    def restore_phones(self, directory: Directory, phones: Phones) -> None:
        """Reach phones that had registered without waiting for them to register anew."""
        for number, bindings in self._notes(_REGISTRATIONS).items():
            if number in directory:
                phones.restore_bindings(number, bindings.decode())
            else:
                self.forget_phones(number)

    def restore_calls(self, log: CallLog) -> None:
        """Put the calls of earlier processes in the log, and keep those that it is given from now on."""
        if self._store is None:
            return
        kept = sorted((int(key), value) for key, value in self._notes(_CALLS).items())
        log.restore((at, _record(json.loads(value))) for at, value in kept)
        for at, _ in kept[: -log.limit]:
            self._note(_CALLS, _key(at), None)
        log.keep = self._keep_call

    # --- what is kept from then on ------------------------------------------------------------------

    def phones(self, event: Bindings) -> None:
        """The phones of a subscriber have changed."""
        self._note(_REGISTRATIONS, event.number, event.bindings.encode() or None)

    def forget_phones(self, number: str) -> None:
        """A subscriber is one no longer."""
        self._note(_REGISTRATIONS, number, None)

    def _keep_call(self, at: int, record: CallRecord, displaced: int | None) -> None:
        self._note(_CALLS, _key(at), json.dumps(dataclasses.asdict(record), ensure_ascii=False).encode())
        if displaced is not None:
            self._note(_CALLS, _key(displaced), None)

    async def watch(self) -> None:
        """Log when the store has no room and when it has room again, until cancelled."""
        told: str | None = None
        while self._store is not None:
            try:
                trouble = self._driver.store_trouble()
            except Closed:
                return
            if trouble is not None and told is None:
                _LOG.error("%s", trouble)
            elif trouble is None and told is not None:
                _LOG.warning("the store keeps inputs again; orders are accepted")
            told = trouble
            await asyncio.sleep(1.0)

    def _notes(self, part: str) -> Mapping[str, bytes]:
        return self._driver.notes(part) if self._store is not None else {}

    def _note(self, part: str, key: str, value: bytes | None) -> None:
        if self._store is None:
            return
        try:
            self._driver.note(part, key, value)
        except Overload:
            self._unkept += 1
            if not self._failing:
                _LOG.warning("%s %s is not kept: too much waits for the store", part, key)
            self._failing = True
        except Closed:
            # Told by whoever waits for its actions.
            return
        else:
            self._failing = False


def _key(at: int) -> str:
    return f"{at:0{_DIGITS}}"


def _record(fields: Mapping[str, Any]) -> CallRecord:
    # A later version may have written more than this one knows.
    known: Callable[[str], bool] = CallRecord.__dataclass_fields__.__contains__
    return CallRecord(**{name: value for name, value in fields.items() if known(name)})
