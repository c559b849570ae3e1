"""The trunks of the SIP switch, by address or by host name."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ccbs._ccbs import CcbsError
from ccbs.sip.diverting import Diversions

if TYPE_CHECKING:
    from ccbs._ccbs import SipEndpoint

__all__ = ["Trunk", "Trunks"]

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_FAMILIES: Final = {False: socket.AF_INET, True: socket.AF_INET6}
_TYPES: Final = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A SIP peer known by its address.

    :param name: its name in the numbering plan.
    :param host: an IP address, or a name that is looked up.
    :param port: 1 to 65535.
    :param username: for its digest challenges, if any.
    :param password: for its digest challenges, if any.
    :param trusted: whether its P-Asserted-Identity is believed (RFC 3325); ours is sent to it in any case.
    :param transport: ``udp`` or ``tcp``: over what requests go; they may come over either.
    :param register: whether the switch registers there, as ``username``.
    :param register_domain: the host part of the address of record; ``None``: ``host``.
    :param register_expires_s: for how long, 60 to 86400 s; it is refreshed before.
    :param diversions: where it may divert calls to it (3xx); ``None``: as the switch says for all.
    :param lookup_s: how often a name is looked up again, in seconds; 0: not once it is found. While the
        address is among those found it stays.
    """

    name: str
    host: str
    port: int = 5060
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted: bool = False
    transport: str = "udp"
    register: bool = False
    register_domain: str | None = None
    register_expires_s: int = 3600
    diversions: Diversions | None = None
    lookup_s: float = 300


class Trunks:
    """Makes trunks known to the endpoint. Names are looked up in the background, again and again until found,
    and now and then afterwards; one that is not found any more keeps its address.

    :param endpoint: the SIP endpoint.
    :param trunks: those there are at the start.
    :param logger: is told when a name is not found.
    """

    def __init__(self, endpoint: SipEndpoint, trunks: Sequence[Trunk], logger: logging.Logger) -> None:
        self._endpoint = endpoint
        self._logger = logger
        self._trunks = {trunk.name: trunk for trunk in trunks}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._counts: Final = {"trunk_lookups_failed": 0, "trunk_addresses_changed": 0}

    def start(self) -> None:
        """Make those of the start known."""
        for trunk in self._trunks.values():
            self.put(trunk)

    def counters(self) -> dict[str, int]:
        """``trunk_lookups_failed``, ``trunk_addresses_changed`` (of names found before)."""
        return dict(self._counts)

    @property
    def names(self) -> frozenset[str]:
        """Of all trunks."""
        return frozenset(self._trunks)

    def diversions(self, name: str | None) -> Diversions | None:
        """Where a trunk may divert calls to it; ``None`` where it has no rule of its own."""
        trunk = self._trunks.get(name) if name is not None else None
        return trunk.diversions if trunk is not None else None

    def put(self, trunk: Trunk) -> None:
        """Add a trunk or change one."""
        self._stop_looking(trunk.name)
        self._trunks[trunk.name] = trunk
        try:
            address = str(ipaddress.ip_address(trunk.host))
        except ValueError:
            task = asyncio.get_running_loop().create_task(self._look_up(trunk))
            self._looking[trunk.name] = task
        else:
            self._set(trunk, address)

    def remove(self, name: str) -> None:
        """Remove a trunk: its calls go on."""
        self._stop_looking(name)
        if self._trunks.pop(name, None) is not None:
            self._endpoint.remove_trunk(name)

    def close(self) -> None:
        """Look for no more names."""
        for name in list(self._looking):
            self._stop_looking(name)

    def _stop_looking(self, name: str) -> None:
        if task := self._looking.pop(name, None):
            task.cancel()

    def _set(self, trunk: Trunk, address: str) -> None:
        self._endpoint.set_trunk(
            trunk.name,
            address=(address, trunk.port),
            username=trunk.username,
            password=trunk.password,
            trusted=trunk.trusted,
            transport=trunk.transport,
            register=(_domain(trunk), trunk.register_expires_s) if trunk.register else None,
        )

    async def _look_up(self, trunk: Trunk) -> None:
        wait = _FIRST_WAIT
        known: str | None = None
        # Our sockets reach addresses of their own families only.
        families = {":" in host for host, _ in self._endpoint.local_addresses}
        family = socket.AF_UNSPEC if len(families) == 2 else _FAMILIES[families.pop()]
        while True:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(
                    trunk.host, trunk.port, family=family, type=_TYPES[trunk.transport]
                )
            # A name that no look-up accepts is a UnicodeError.
            except (OSError, UnicodeError) as error:
                self._counts["trunk_lookups_failed"] += 1
                self._logger.error(
                    "trunk %s: host %s is not found (%s); %sasked again in %g s",
                    trunk.name,
                    trunk.host,
                    error,
                    f"{known} is kept; " if known is not None else "",
                    wait,
                )
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            wait = _FIRST_WAIT
            addresses = [str(address[0]) for *_, address in found]
            if known not in addresses:
                if known is not None:
                    self._counts["trunk_addresses_changed"] += 1
                    self._logger.warning(
                        "trunk %s: %s is at %s now, no longer at %s",
                        trunk.name,
                        trunk.host,
                        addresses[0],
                        known,
                    )
                known = addresses[0]
                self._found(trunk, known)
            if not trunk.lookup_s:
                return
            await asyncio.sleep(trunk.lookup_s)

    def _found(self, trunk: Trunk, address: str) -> None:
        try:
            self._set(trunk, address)
        except CcbsError as error:
            self._logger.error("trunk %s: %s cannot be used: %s", trunk.name, address, error)


def _domain(trunk: Trunk) -> str:
    host = trunk.register_domain or trunk.host
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
