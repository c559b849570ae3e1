"""Commands that ask the running server: orders, lines, calls, counters, cancel, reload."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ccbs.changes import told
from ccbs.cli.output import CANNOT, REFUSED, fail, moment, print_json, print_table
from ccbs.config import ConfigError, default_socket, socket_of
from ccbs.control import ControlError, Refused, ask

__all__ = ["register"]

_Socket = Annotated[
    Path | None, typer.Option("--socket", "-s", help="The server's control socket.", metavar="PATH")
]
_Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration that names the socket.", metavar="FILE"),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (orders, lines, calls, counters, cancel, reload):
        app.command()(command)


def orders(socket: _Socket = None, config: _Config = None, as_json: _Json = False) -> None:
    """Show the orders that stand."""
    found = _rows({"ask": "orders"}, socket, config)
    if as_json:
        print_json(found)
        return
    now = time.time()
    print_table(
        ("order", "caller", "callee", "state", "place", "attempt", "due in", "ends in"),
        [
            (
                str(order["order"]),
                order["caller"],
                order["callee"],
                order["state"],
                str(order["place"]),
                _attempt(order),
                _remaining(order["due"], now),
                _remaining(order["expires"], now),
            )
            for order in found
        ],
        "No orders.",
    )


def lines(socket: _Socket = None, config: _Config = None, as_json: _Json = False) -> None:
    """Show the lines: who is busy, who has orders."""
    found = _rows({"ask": "lines"}, socket, config)
    if as_json:
        print_json(found)
        return
    print_table(
        ("line", "name", "kind", "state", "phones", "in recall", "orders", "waiting for it"),
        [
            (
                line["line"],
                line["name"] or "",
                "external" if line["external"] else "internal",
                line["state"],
                "" if line["phones"] is None else str(line["phones"]),
                "yes" if line["in_recall"] else "no",
                str(line["orders"]),
                str(line["waiting"]),
            )
            for line in found
        ],
        "No lines.",
    )


def calls(
    socket: _Socket = None,
    config: _Config = None,
    as_json: _Json = False,
    number: Annotated[str | None, typer.Option(help="Only calls from or to this number.")] = None,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")] = 50,
) -> None:
    """Show the calls that ended last, in the order in which they began."""
    found = _rows({"ask": "calls", "number": number, "last": last}, socket, config, note=False)
    if as_json:
        print_json(found)
        return
    print_table(
        ("began", "caller", "callee", "talk", "cause", "recall", "order"),
        [
            (
                _moment(call["began"]),
                call["caller"]
                if call["caller_trunk"] is None
                else f"{call['caller']} ({call['caller_trunk']})",
                call["callee"],
                "" if call["answered"] is None else f"{call['ended'] - call['answered']:.0f} s",
                call["cause"],
                "yes" if call["recall"] else "no",
                "" if call["order"] is None else str(call["order"]),
            )
            for call in sorted(found, key=operator.itemgetter("began"))
        ],
        "No calls.",
    )


def counters(socket: _Socket = None, config: _Config = None, as_json: _Json = False) -> None:
    """Show what the server counts: calls, refusals, everything it had to drop."""
    found = _ask({"ask": "counters"}, socket, config)
    if as_json:
        print_json(found)
        return
    print_table(("counter", "value"), [(name, str(found[name])) for name in sorted(found)], "No counters.")


def cancel(
    order: Annotated[
        int, typer.Argument(metavar="ORDER", help="The order's number, as `ccbs orders` shows it.", min=0)
    ],
    socket: _Socket = None,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Cancel an order (cancelled-by-operator)."""
    found = _ask({"ask": "cancel", "order": order}, socket, config)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"Order {order} is cancelled.")


def reload(socket: _Socket = None, config: _Config = None, as_json: _Json = False) -> None:
    """Have the server read its configuration anew: whole, or, with every error told, not at all."""
    found = _ask({"ask": "reload"}, socket, config)
    if as_json:
        print_json(found)
        return
    typer.echo(f"The configuration was read anew: {told(found)}.")


def _rows(
    request: Mapping[str, Any], socket: Path | None, config: Path | None, *, note: bool = True
) -> list[dict[str, Any]]:
    answer = _ask(request, socket, config)
    rows: list[dict[str, Any]] = answer["rows"]
    if note and answer["total"] > len(rows):
        typer.echo(f"The first {len(rows)} of {answer['total']} are shown.", err=True)
    return rows


def _ask(request: Mapping[str, Any], socket: Path | None, config: Path | None) -> Any:
    if socket is not None and config is not None:
        fail("--socket and --config both name the socket; give one of them.")
    try:
        path = socket or (socket_of(config) if config else default_socket())
        return ask(path, request)
    except ConfigError as error:
        fail(str(error))
    except ControlError as error:
        fail(str(error), CANNOT)
    except Refused as error:
        fail(str(error), REFUSED)


def _attempt(order: Mapping[str, Any]) -> str:
    # Profile ccbs does not count its attempts towards an end.
    return f"{order['attempt']}" + (f" of {order['attempts']}" if order["attempts"] is not None else "")


def _remaining(moment_ms: int | None, now: float) -> str:
    if moment_ms is None:
        return ""
    seconds = max(0, round(moment_ms / 1000 - now))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _moment(unix_s: float) -> str:
    return f"{moment(int(unix_s) * 1000):%Y-%m-%d %H:%M:%S}"
