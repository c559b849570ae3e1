"""Reading the configuration anew while the server runs: whole or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Protocol

from ccbs._ccbs import CcbsError, Overload
from ccbs.changes import told
from ccbs.config import AsteriskConfig, Config, ConfigError, load_any
from ccbs.configured import StartError, prompts_of, subscriber_of, trunk_of
from ccbs.control import Refused
from ccbs.keeping import Keeping
from ccbs.sip import SipSwitch
from ccbs.subscribers import Directory, Subscriber
from ccbs.supervisor import Supervisor

__all__ = ["Reload", "SipReload", "SubscriberSwitch"]

_QUEUE_FULL_S: Final = 0.02
_WRITTEN_AS: Final = {
    "diversions": "numbering.diversions",
    "service_digits": "service_codes.autodial",
    "language": "prompts.language",
    "call_log_records": "call_log.records",
    "call_log_file": "call_log.file",
    "control_socket": "control.socket",
    "control_clients": "control.clients",
    "control_timeout_s": "control.timeout_s",
    "stop_calls_s": "stop.calls_s",
    "password": "asterisk.password",
}

_LOG = logging.getLogger("ccbs.server")


class SubscriberSwitch(Protocol):
    """A switch whose subscribers can be changed."""

    @property
    def directory(self) -> Directory:
        """The subscribers."""
        ...

    def put_subscriber(self, subscriber: Subscriber) -> None:
        """Add a subscriber or change one."""
        ...

    def remove_subscriber(self, number: str) -> None:
        """Remove a subscriber: its orders end."""
        ...


class Reload(ABC):
    """Called to read the configuration anew.

    What is in force changes only after the whole file was found right, and only if every difference can be
    carried out while calls go on; else nothing changes. Orders that stand keep the numbers that they were
    accepted with; those of a subscriber who may order no longer, or who was removed, end.

    :param keeping: forgets the phones of who was removed.
    :param supervisor: is told.
    """

    live: Collection[str] = ("subscribers",)
    """Fields of the configuration that may differ."""
    unread: Collection[str] = ("file", "exposed")
    """Fields that nothing running depends on."""

    def __init__(self, keeping: Keeping, supervisor: Supervisor) -> None:
        self._keeping = keeping
        self._supervisor = supervisor
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self) -> Mapping[str, int]:
        """Read and carry out.

        :returns: how many subscribers and trunks were ``added``, ``changed`` and ``removed``.
        :raises Refused: with every error, a line each; nothing has changed.
        """
        async with self._one_at_a_time:
            self._supervisor.reloading()
            try:
                return await self._whole()
            finally:
                self._supervisor.ready()

    async def logged(self) -> None:
        """The same; what came of it is logged."""
        try:
            changes = await self()
        except Refused as error:
            _LOG.error("%s", error)
        except CcbsError as error:
            _LOG.error("the configuration could not be carried out whole: %s", error)
        else:
            _LOG.info("the configuration was read anew: %s", told(changes))

    async def _whole(self) -> Mapping[str, int]:
        now = self._config()
        try:
            # A look at the file may take as long as its disk does.
            read = await asyncio.to_thread(load_any, now.file)
        except ConfigError as error:
            raise Refused(f"{error}\n{now.file}: {error.count}; what was in force stays in force") from None
        if type(read) is not type(now):
            raise Refused(f"{now.file}: `switch` is another: that needs a restart. Nothing has changed.")
        fixed = [field.name for field in dataclasses.fields(now)]
        fixed = [name for name in fixed if name not in self.live and name not in self.unread]
        differing = [name for name in fixed if getattr(now, name) != getattr(read, name)]
        if differing:
            names = ", ".join(_WRITTEN_AS.get(name, name) for name in differing)
            raise Refused(
                f"{now.file}: {names}: a change here needs a restart. Nothing has changed; put it back, or "
                "restart the server."
            )
        return await self._carry_out(read)

    @abstractmethod
    def _config(self) -> Config | AsteriskConfig: ...

    @abstractmethod
    async def _carry_out(self, read: Any) -> Mapping[str, int]: ...

    async def _put_subscribers(
        self, switch: SubscriberSwitch, wanted: Iterable[Subscriber]
    ) -> dict[str, int]:
        counts = {"added": 0, "changed": 0, "removed": 0}
        by_number = {subscriber.number: subscriber for subscriber in wanted}
        for number, subscriber in by_number.items():
            there = switch.directory.get(number)
            if there == subscriber:
                continue
            counts["added" if there is None else "changed"] += 1
            await taken(switch.put_subscriber, subscriber)
        for number in [there.number for there in switch.directory if there.number not in by_number]:
            counts["removed"] += 1
            await taken(switch.remove_subscriber, number)
            self._keeping.forget_phones(number)
        return counts


class SipReload(Reload):
    """Of the SIP switch: subscribers, trunks, numbering and prompts.

    :param config: that is in force.
    :param switch: is changed.
    """

    live = ("subscribers", "trunks", "numbering", "overrides")
    unread = (*Reload.unread, "softkey_packs", "phone_server")

    def __init__(self, config: Config, switch: SipSwitch, keeping: Keeping, supervisor: Supervisor) -> None:
        super().__init__(keeping, supervisor)
        self._now = config
        self._switch = switch

    def _config(self) -> Config:
        return self._now

    async def _carry_out(self, read: Config) -> Mapping[str, int]:
        now, switch = self._now, self._switch
        wanted = [subscriber_of(found) for found in read.subscribers]
        prompts: dict[str, dict[str, bytes]] = {}
        if read.overrides != now.overrides or read.languages != now.languages:
            try:
                prompts = await asyncio.to_thread(prompts_of, read)
            except StartError as error:
                raise Refused(f"{error} Nothing has changed.") from None
        for language, by_name in prompts.items():
            for name, wav in by_name.items():
                await taken(switch.load_prompts, language, {name: wav})
        before = {trunk.name: trunk for trunk in now.trunks}
        after = {trunk.name: trunk for trunk in read.trunks}
        for name, trunk in after.items():
            if before.get(name) != trunk:
                await taken(switch.put_trunk, trunk_of(trunk))
        switch.put_numbering(read.numbering)
        counts = await self._put_subscribers(switch, wanted)
        for name in before.keys() - after.keys():
            await taken(switch.remove_trunk, name)
        self._now = read
        return {
            **{f"subscribers_{what}": count for what, count in counts.items()},
            "trunks_added": len(after.keys() - before.keys()),
            "trunks_changed": sum(before[name] != after[name] for name in before.keys() & after.keys()),
            "trunks_removed": len(before.keys() - after.keys()),
        }


async def taken(call: Callable[..., None], *arguments: Any) -> None:
    """Call until there is room for it: half a change must not be left behind."""
    while True:
        try:
            return call(*arguments)
        except Overload:
            await asyncio.sleep(_QUEUE_FULL_S)
