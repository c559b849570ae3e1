"""The addresses that the switch listens on, and whether a trunk can be reached from one of them."""

from __future__ import annotations

import ipaddress
from typing import Any

from ccbs.config.document import Document
from ccbs.config.plain import entries, section, text
from ccbs.config.problem import FieldPath

__all__ = ["check_listen", "check_transport"]


def check_listen(document: Document, data: dict[str, Any]) -> None:
    """Note addresses that phones cannot be told, or that are bound twice, and RTP ports out of order."""
    bound: dict[tuple[str, int], FieldPath] = {}
    for path, listen in _listeners(data):
        if _unspecified(listen.get("address")) and listen.get("advertise") is None:
            document.problem(
                (*path, "address"),
                "is every address, and nothing says which of them phones are told",
                "advertise, or one address of this machine",
                "add advertise",
            )
        if _unspecified(listen.get("advertise")):
            document.problem(
                (*path, "advertise"),
                "is no address that can be called",
                "an address that phones reach",
                "correct it",
            )
        address, told = (str(listen.get(name, "")) for name in ("address", "advertise"))
        if address and told and (":" in address) != (":" in told):
            document.problem(
                (*path, "advertise"),
                "is of another IP version than address",
                "an address of the same IP version",
                "correct one of the two",
            )
        where = (address or "127.0.0.1", port) if isinstance(port := listen.get("port", 5060), int) else None
        if where is not None and where[1] and bound.setdefault(where, path) != path:
            document.problem(
                (*path, "address"),
                f"is listened on already, at port {where[1]}",
                "each address and port once",
                "remove one of the two",
            )
    ports = section(data, "listen", "rtp_ports")
    first, last = ports.get("first", 16_384), ports.get("last", 32_766)
    if isinstance(first, int) and isinstance(last, int) and first >= last:
        document.problem(
            ("listen", "rtp_ports"),
            f"the first port, {first}, is not below the last, {last}",
            "first below last",
            "swap or widen them",
        )


def check_transport(document: Document, data: dict[str, Any], path: FieldPath, trunk: dict[str, Any]) -> None:
    """Note a trunk that none of our addresses can reach."""
    transport = trunk.get("transport", "udp")
    listeners = [
        entry for _, entry in _listeners(data) if transport in entry.get("transports", ("udp", "tcp"))
    ]
    if not listeners:
        document.problem(
            (*path, "transport" if "transport" in trunk else "name"),
            f"needs {transport}, and no address of the section listen has it",
            "a transport of the section listen",
            f"add {transport} to listen.transports, or set the trunk's transport",
        )
        return
    try:
        version = ipaddress.ip_address(str(trunk.get("address", ""))).version
    except ValueError:
        return
    families = {6 if ":" in str(entry.get("address", "127.0.0.1")) else 4 for entry in listeners}
    if version not in families:
        document.problem(
            (*path, "address"),
            f"is of IPv{version}, and no address of the section listen is",
            f"an address of IPv{families.pop()}, or one more address in listen.also",
            "add one to listen.also",
        )


def _listeners(data: dict[str, Any]) -> list[tuple[FieldPath, dict[str, Any]]]:
    return [(("listen",), section(data, "listen")), *entries(data, "listen", "also")]


def _unspecified(value: Any) -> bool:
    try:
        return ipaddress.ip_address(text(value) or "").is_unspecified
    except ValueError:
        return False
