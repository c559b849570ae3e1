"""What a supervisor of services is told: ready, alive, stopping (sd_notify(3) of systemd); and the sockets
that it hands in (sd_listen_fds(3)).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping

__all__ = ["Supervisor", "handed_sockets"]

_LOG = logging.getLogger("ccbs.server")
_FIRST_HANDED = 3


def handed_sockets(environment: MutableMapping[str, str] | None = None) -> list[int]:
    """The file descriptors of the sockets that the supervisor bound for this process; it is told of them
    once, and programs that it starts are not.

    :param environment: of the process; ``LISTEN_PID``, ``LISTEN_FDS`` and ``LISTEN_FDNAMES`` are taken out.
    """
    environment = os.environ if environment is None else environment
    names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    process, count, _ = (environment.pop(name, "") for name in names)
    if process != str(os.getpid()) or not count.isdecimal():
        return []
    handed = list(range(_FIRST_HANDED, _FIRST_HANDED + int(count)))
    for descriptor in handed:
        os.set_inheritable(descriptor, False)
    return handed


class Supervisor:
    """The socket that ``NOTIFY_SOCKET`` names; without it nothing is told.

    :param environment: of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET") or None
        # A name in the abstract namespace is written with @ (sd_notify(3)).
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._failing = False
        self.watchdog_s: float | None = None
        """Within how many seconds it wants to hear that the server is alive, if at all."""
        if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            asked = environment.get("WATCHDOG_USEC", "")
            self.watchdog_s = int(asked) / 1e6 if asked.isdecimal() and int(asked) > 0 else None

    def ready(self) -> None:
        """The switch takes calls."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is read anew; :meth:`ready` says that it is over."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, within_s: float) -> None:
        """The server stops, in so many seconds at the most."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    async def watch(self, alive: Callable[[], object]) -> None:
        """Say again and again that the server is alive, as long as it is; until cancelled.

        :param alive: returns when the engine has answered; called in a thread, one call at a time.
        """
        if self._address is None or self.watchdog_s is None:
            return
        while True:
            await asyncio.to_thread(alive)
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 3)

    def _tell(self, state: str) -> None:
        if self._address is None:
            return
        try:
            # One that does not read must not hold up calls.
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            with socket.socket(socket.AF_UNIX, kind) as telling:
                telling.connect(self._address)
                telling.send(state.encode())
        except OSError as error:
            if not self._failing:
                _LOG.warning("the supervisor at NOTIFY_SOCKET cannot be told %s: %s", state, error)
            self._failing = True
        else:
            self._failing = False
