"""Commands about the configuration: check, schema, phone-config, ha1."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ccbs.cli.output import fail, print_json
from ccbs.config import AsteriskConfig, Config, ConfigError, SubscriberConfig, load_any, schema
from ccbs.provisioning import Account, Incapable, SoftkeyPack, dial_string, read_pack, renderer, vendors
from ccbs.subscribers import ha1_md5, ha1_sha256

__all__ = ["load_any_or_fail", "register", "warn_of_exposed"]

_CONFIG = typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")


def load_any_or_fail(file: Path) -> Config | AsteriskConfig:
    """Load a configuration of any switch, or say everything that is wrong with it and leave."""
    try:
        return load_any(file)
    except ConfigError as error:
        fail(f"{error}\n{file}: {error.count}")


def warn_of_exposed(config: Config | AsteriskConfig) -> None:
    """Say which files with secrets are open to everybody."""
    for exposed in config.exposed:
        typer.echo(
            f"Warning: {exposed} holds passwords or HA1, and every user of this machine may read it; "
            f"make it yours alone: chmod 600 {shlex.quote(str(exposed))}",
            err=True,
        )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("check")(check)
    app.command("schema")(print_schema)
    app.command("phone-config")(phone_config)
    app.command("ha1")(ha1)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Tell the errors as JSON.")] = False,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect", help="With switch: asterisk, look at Asterisk, too: what is missing there."
        ),
    ] = False,
) -> None:
    """Check a configuration: every error with file, line, field and what was expected."""
    if as_json and connect:
        fail("--json tells the errors of the file alone; give --json or --connect, not both.")
    if as_json:
        _check_as_json(file)
        return
    config = load_any_or_fail(file)
    warn_of_exposed(config)
    allowed = sum(subscriber.service is not None for subscriber in config.subscribers)
    told = f"{file}: no errors; subscribers: {len(config.subscribers)}, of them may order: {allowed}; "
    if isinstance(config, AsteriskConfig):
        typer.echo(f"{told}Asterisk at {config.asterisk.url}")
        if connect:
            _look_at_asterisk(config)
        return
    if connect:
        fail(f"{file}: --connect is for switch: asterisk; the SIP switch is its own.")
    typer.echo(f"{told}trunks: {len(config.trunks)}")


def _check_as_json(file: Path) -> None:
    try:
        config = load_any(file)
    except ConfigError as error:
        print_json(
            [
                {
                    "file": str(found.file),
                    "line": found.line,
                    "field": found.field,
                    "what": found.what,
                    "expected": found.expected,
                    "todo": found.todo,
                }
                for found in error.problems
            ]
        )
        raise typer.Exit(2) from None
    print_json([])
    warn_of_exposed(config)


def _look_at_asterisk(config: AsteriskConfig) -> None:
    import asyncio

    from ccbs.asterisk.ari import Ari
    from ccbs.asterisk.check import Finding, examine
    from ccbs.asterisk.server import endpoints_of

    async def look() -> tuple[str, list[Finding]]:
        section = config.asterisk
        ari = Ari(
            section.url, section.username, config.password.get_secret_value(), timeout=section.timeout_s
        )
        try:
            return await examine(config, ari, endpoints_of(config))
        finally:
            await ari.close()

    version, findings = asyncio.run(look())
    for finding in findings:
        typer.echo(str(finding))
    errors = sum(finding.fatal for finding in findings)
    typer.echo(f"Asterisk {version or 'not reached'}: errors: {errors}, notes: {len(findings) - errors}")
    if errors:
        raise typer.Exit(1)


def print_schema() -> None:
    """Print the JSON schema of the configuration."""
    typer.echo(json.dumps(schema(), ensure_ascii=False, indent=2))


def phone_config(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The subscriber's number.")],
    config: Annotated[Path, _CONFIG],
    vendor: Annotated[str, typer.Option(help="The phone's vendor.")] = "yealink",
    reveal: Annotated[bool, typer.Option("--reveal", help="Write the password out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tell keys and settings as JSON.")] = False,
) -> None:
    """Print the settings of a subscriber's phone, with its softkeys."""
    loaded = load_any_or_fail(config)
    if isinstance(loaded, AsteriskConfig):
        fail(f"{config}: with switch: asterisk phones are set up in Asterisk, so nothing is rendered.")
    subscriber = loaded.subscriber(number)
    if subscriber is None:
        fail(f"{config} has no subscriber {number}.")
    try:
        phone = renderer(vendor)
    except KeyError:
        fail(f"The vendor {vendor!r} is not known; known are {', '.join(vendors())}.")
    if loaded.listen.port == 0:
        fail(f"{config}: listen.port 0 takes any free port; phones need a fixed one.")
    pack = SoftkeyPack(keys=[])
    if subscriber.softkey_pack is not None:
        pack = read_pack(loaded.softkey_packs / f"{subscriber.softkey_pack}.yml")
    else:
        typer.echo(f"Subscriber {number} has no softkey_pack: the settings hold no keys.", err=True)
    if subscriber.password is None:
        typer.echo(
            f"Subscriber {number} is kept as HA1 only: the password is not known here and must be entered "
            "at the phone.",
            err=True,
        )
    try:
        settings = phone.render(
            _account(loaded, subscriber),
            pack,
            service_digits=loaded.service_digits,
            call_waiting=subscriber.call_waiting,
            reveal=reveal,
        )
    except (Incapable, ValueError) as error:
        fail(f"Nothing is rendered for {number}: {error}.")
    if as_json:
        keys = [
            {
                "type": key.type,
                "label": key.label,
                "position": key.position,
                "dials": dial_string(key, loaded.service_digits),
            }
            for key in pack.keys
        ]
        print_json({"subscriber": number, "vendor": phone.vendor, "keys": keys, "settings": settings})
    else:
        typer.echo(settings, nl=False)


def _account(config: Config, subscriber: SubscriberConfig) -> Account:
    return Account(
        number=subscriber.number,
        name=subscriber.name,
        password=subscriber.password.get_secret_value() if subscriber.password is not None else None,
        server=config.phone_server,
        port=config.listen.port,
    )


def ha1(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The subscriber's number.")],
    realm: Annotated[str, typer.Argument(metavar="REALM", help="listen.realm of the configuration.")],
) -> None:
    """Make the HA1 of a password, which is asked for or read from stdin."""
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline(1024).rstrip("\r\n")
    if not password:
        fail("The password is empty; write it as one line to stdin.")
    typer.echo(f"ha1_md5: {ha1_md5(number, realm, password)}")
    typer.echo(f"ha1_sha256: {ha1_sha256(number, realm, password)}")
