"""Loopback addresses: a network of its own for each world, so that worlds can run side by side."""

from __future__ import annotations

import socket
from dataclasses import dataclass

__all__ = ["SIP_PORT", "LoopbackNetwork", "Place"]

SIP_PORT = 5060
_LOCK_PORT = 4_443
_RTP = (10_000, 10_999)
"""Of each phone on an IPv4 address of its own."""
_FIRST_PORT = 11_000
_PORTS = 100
"""Of each network on ``::1``; all of them are below those that a switch takes for prompts. Phones open them
for every address of IPv4, too: so none is among those of IPv4."""
_PHONES = 8


@dataclass(frozen=True)
class Place:
    """Where a phone is: the addresses and ports that nobody else has."""

    address: str
    """For SIP and RTP."""
    port: int = SIP_PORT
    control: str = ""
    """The IPv4 address of its control channel; empty: its address."""
    rtp: tuple[int, int] = _RTP

    @property
    def host(self) -> str:
        """The address as in a URI."""
        return f"[{self.address}]" if ":" in self.address else self.address


class LoopbackNetwork:
    """Addresses ``127.A.B.1`` to ``127.A.B.253``, reserved among all processes of this machine.

    A listening socket on ``127.A.B.254`` is the reservation: it cannot be made twice, and it goes with the
    process.
    """

    def __init__(self) -> None:
        """:raises RuntimeError: when some thousand networks are taken already."""
        for third in range(16, 256):
            for fourth in range(16):
                reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                try:
                    reservation.bind((f"127.{third}.{fourth}.254", _LOCK_PORT))
                    reservation.listen(1)
                except OSError:
                    reservation.close()
                    continue
                self._reservation = reservation
                self._prefix = f"127.{third}.{fourth}"
                self._serial = (third - 16) * 16 + fourth
                return
        raise RuntimeError("no free network 127.A.B.0/24")

    def address(self, host: int) -> str:
        """The address of a host, 1 to 253."""
        return f"{self._prefix}.{host}"

    def place(self, host: int, *, ipv6: bool = False) -> Place:
        """Where the phone 101 to 108 is.

        All places of IPv6 are ``::1``, so each has ports of its own.

        :raises RuntimeError: when some dozen networks are taken already, and it is to be IPv6.
        """
        if not ipv6:
            return Place(self.address(host))
        first = _FIRST_PORT + self._serial * _PORTS
        index = host - 101
        if not 0 <= index < _PHONES or first + _PORTS > 16_384:
            raise RuntimeError(f"no ports on ::1 for host {host} of network {self._serial}")
        rtp = first + 2 * _PHONES + 10 * index
        # Two ports for SIP: baresip listens for TLS on the next one.
        return Place("::1", first + 2 * index, self.address(host), (rtp, rtp + 9))

    def close(self) -> None:
        """Gives the addresses back."""
        self._reservation.close()
