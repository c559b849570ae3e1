"""Loopback addresses: a network of its own for each world, so that worlds can run side by side."""

from __future__ import annotations

import socket

__all__ = ["LoopbackNetwork"]

_LOCK_PORT = 4_443


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
                return
        raise RuntimeError("no free network 127.A.B.0/24")

    def address(self, host: int) -> str:
        """The address of a host, 1 to 253."""
        return f"{self._prefix}.{host}"

    def close(self) -> None:
        """Gives the addresses back."""
        self._reservation.close()
