"""Where ``ccbs serve`` listens: its SIP endpoint, and the words for its addresses."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import resource
from collections.abc import Sequence

from ccbs._ccbs import InvalidValue, ListenError, SipEndpoint
from ccbs.config import Config
from ccbs.config.model import FurtherAddress, Listen
from ccbs.configured import StartError
from ccbs.supervisor import handed_sockets

__all__ = ["listen", "listened"]

_DECISION_GRACE_S = 7
# Files of the process beside connections and streams: sockets, logs, libraries.
_OTHER_FILES = 256


def _allow_connections(connections: int) -> None:
    """Ask the system for as many open files as connections and streams may need; it grants what it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(config: Config, *, tracing: bool) -> SipEndpoint:
    """The endpoint of a configuration, on its addresses or on the sockets that the supervisor hands in.

    :param tracing: whether it tells every message.
    :raises StartError: when it cannot listen there.
    """
    section, limits = config.listen, config.limits.endpoint
    _allow_connections(limits.connections + limits.streams)
    handed = handed_sockets()
    try:
        return SipEndpoint(
            listen=(section.address, section.port),
            realm=section.realm,
            advertise=section.advertise,
            transports=section.transports,
            also=[(at.address, at.port, at.advertise, at.transports) for at in section.also],
            rtp_ports=(section.rtp_ports.first, section.rtp_ports.last),
            user_agent=f"ccbs/{importlib.metadata.version('ccbs')}",
            trace=tracing,
            late_offer=section.late_offer,
            keep_bindings=config.store is not None,
            sockets=handed,
            events=limits.queue,
            commands=limits.queue,
            # The route's own time is over first: its end is told in the log.
            decision_s=limits.route_timeout_s + _DECISION_GRACE_S,
            **limits.model_dump(exclude={"queue", "ring_timeout_s", "route_timeout_s"}),
        )
    except InvalidValue as error:
        todo = "the sockets of the supervisor" if handed else "limits.endpoint"
        raise StartError(
            f"The switch cannot listen: {error}. Correct the section listen or {todo}."
        ) from None
    except ListenError as error:
        where = " and ".join(
            f"{at.address} port {at.port} ({_names(at.transports)})" for at in _addresses(section)
        )
        if error.errno == errno.EADDRINUSE:
            why, todo = "it is in use by another program", "Stop that program or set listen.port."
        elif error.errno in (errno.EACCES, errno.EPERM):
            why, todo = "there is no permission", "Choose listen.port from 1024 on."
        elif error.errno == errno.EADDRNOTAVAIL:
            why, todo = "this machine has no such address", "Correct listen.address."
        else:
            why, todo = str(error), "Correct the section listen."
        raise StartError(f"The switch cannot listen on {where}: {why}. {todo}") from None
    finally:
        # The endpoint has its own of them.
        for descriptor in handed:
            os.close(descriptor)


def listened(endpoint: SipEndpoint, section: Listen) -> str:
    """Where an endpoint listens, for people.

    :param section: what it was made of.
    """
    bound = zip(endpoint.local_addresses, _addresses(section), strict=True)
    return ", ".join(
        f"{f'[{host}]' if ':' in host else host}:{port} ({_names(at.transports)})"
        for (host, port), at in bound
    )


def _addresses(section: Listen) -> list[Listen | FurtherAddress]:
    return [section, *section.also]


def _names(transports: Sequence[str]) -> str:
    return ", ".join(name.upper() for name in transports)
