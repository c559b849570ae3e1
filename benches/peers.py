"""Peers over SIP: servers that others wrote, under the calls that the switch gets."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Self

from benches.process import Measured

__all__ = ["Proxy", "kamailio"]

_PHONES = "127.0.0.43"


class Proxy(Measured):
    """Kamailio that passes each request on to the phones and keeps no state.

    :param program: Kamailio.
    :param directory: for its files.
    :param phones: the port of the phones.
    """

    def __init__(self, program: str, directory: Path, phones: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        config = directory / "kamailio.cfg"
        # One worker: of two, one passes a BYE on before the other has passed on the ACK that came first.
        config.write_text(
            "debug=0\nlog_stderror=yes\nchildren=1\ndisable_tcp=yes\nauto_aliases=no\n"
            f"listen=udp:127.0.0.1:{self.port}\n"
            f'request_route {{ rewritehostport("{_PHONES}:{phones}"); forward(); }}\n'
        )
        command = [program, "-f", str(config), "-DD", "-E", "-m", "64", "-w", str(directory)]
        command += ["-Y", str(directory), "-P", str(directory / "kamailio.pid")]
        super().__init__(command, directory / "kamailio.log")

    def __enter__(self) -> Self:
        super().__enter__()
        self.until_bound("127.0.0.1", self.port)
        return self


def kamailio(directory: Path, phones: int) -> Proxy | None:
    """Kamailio before the phones, ``None`` where it is not installed."""
    program = shutil.which("kamailio") or shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin")
    return None if program is None else Proxy(program, directory, phones)
