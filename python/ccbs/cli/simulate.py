"""The command that simulates an office."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from ccbs._ccbs import CcbsError, InvalidValue, simulate_check, simulate_names, simulate_settings
from ccbs.cli.output import REFUSED, fail, print_json, print_table
from ccbs.simulation import simulate

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(run)


def run(
    calls: Annotated[int | None, typer.Option(help="How many calls are placed.")] = None,
    subscribers: Annotated[int | None, typer.Option(help="How many subscribers there are.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same report.")] = None,
    profile: Annotated[str | None, typer.Option(help="autodial or ccbs.")] = None,
    faults: Annotated[float | None, typer.Option(help="Share of outcomes that go wrong.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting; may be repeated.", metavar="NAME=VALUE")
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            help="Run once more with these other settings, and show all; may be repeated.",
            metavar="NAME=VALUE[,…]",
        ),
    ] = None,
    show_settings: Annotated[bool, typer.Option("--settings", help="List the settings and leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate an office on virtual time: how often is who rung back, after how long, by which numbers?"""
    if show_settings:
        print_table(("setting", "default", "from", "to", "what it is"), simulate_settings(), "")
        return
    named = {
        "calls": calls,
        "subscribers": subscribers,
        "seed": seed,
        "profile": profile,
        "fault_rate": faults,
    }
    base = {name: str(value) for name, value in named.items() if value is not None}
    for name, value in _pairs("--set", settings or ()).items():
        if name in base:
            option = "--faults" if name == "fault_rate" else f"--{name}"
            fail(f"{name} is given twice, by {option} and by --set. Leave one of them out.")
        base[name] = value
    try:
        others = [_pairs("--compare", [text]) for text in compare or ()]
        variants = [base, *(_changed(base, other) for other in others)]
        for variant in variants:
            simulate_check(list(variant.items()))
    except InvalidValue as error:
        fail(f"{error}.")
    reports = []
    for variant in variants:
        began = time.monotonic()
        try:
            reports.append(simulate(variant))
        except CcbsError as error:
            fail(f"{error}. Repeat it with: ccbs simulate {_options(variant)}", REFUSED)
        typer.echo(f"{reports[-1]['calls']['placed']} calls in {time.monotonic() - began:.1f} s", err=True)
    if as_json:
        print_json(reports[0] if len(reports) == 1 else {"reports": reports})
    else:
        left_out = [name for name in base if any(name not in variant for variant in variants)]
        compared = dict.fromkeys([name for other in others for name in other] + left_out)
        _print(reports, list(compared))


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in (part for text in given for part in text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            fail(f"{option}: expected NAME=VALUE, got {part!r}.")
        if name in pairs:
            fail(f"{option}: {name} is given twice, as {pairs[name]} and as {value}. Leave one of them out.")
        pairs[name] = value
    return pairs


def _changed(base: Mapping[str, str], changed: Mapping[str, str]) -> dict[str, str]:
    """The settings with others in place of some; numbers that another profile does not have are left out."""
    before, after = (found.get("profile", "autodial") for found in (base, {**base, **changed}))
    strange = set(simulate_names(before)) - set(simulate_names(after))
    left_out = [name for name in base if name in strange]
    if left_out:
        typer.echo(f"profile {after} has no {', '.join(left_out)}: left out of its run", err=True)
    return {name: value for name, value in base.items() if name not in left_out} | dict(changed)


def _options(variant: Mapping[str, str]) -> str:
    return " ".join(f"--set {name}={value}" for name, value in variant.items())


def _print(reports: Sequence[Mapping[str, Any]], compared: Sequence[str]) -> None:
    settings = [report["settings"] for report in reports]
    first = settings[0]
    heads = [", ".join(f"{name} {found[name]}" for name in compared if name in found) for found in settings]
    typer.echo(
        f"{first['subscribers']} subscribers, {first['calls']} calls, seed {first['seed']}, "
        f"faults {float(first['fault_rate']):g}"
        + (f", profile {first['profile']}" if "profile" not in compared else "")
    )
    columns = ["", *heads] if len(reports) > 1 else ["", "value"]
    if len(reports) == 2:
        columns.append("difference")
    print_table(columns, list(_rows(reports)), "")


def _rows(reports: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for section in ("calls", "orders", "attempts", "waiting_s", "traffic", "faults", "checks"):
        flat = [dict(_flat(report[section], section)) for report in reports]
        for name in dict.fromkeys(name for found in flat for name in found):
            values = [found.get(name, 0) for found in flat]
            row = [name, *(f"{value:g}" if isinstance(value, float) else str(value) for value in values)]
            if len(values) == 2:
                row.append(f"{values[1] - values[0]:+.10g}")
            yield row


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}")
    else:
        yield name, round(value, 3) if isinstance(value, float) else value
