"""What is missing in the operator's Asterisk, each with the line to add: ``ccbs check --connect``."""

from __future__ import annotations

import re
import stat
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ccbs.asterisk.ari import Ari, AriError, AriRefused, AriUnreachable
from ccbs.asterisk.endpoints import Endpoints, pjsip_endpoints
from ccbs.config import AsteriskConfig
from ccbs.prompts import names

__all__ = ["OLDEST", "Finding", "examine"]

OLDEST: Final = 22
"""The oldest major version that this was run against."""

_APP: Final = "ccbs-check-"
"""How the name of a check's own application begins: Asterisk may not be done with the last one yet."""

_MODULES: Final = {
    "res_ari": "ARI",
    "res_ari_applications": "ARI",
    "res_ari_bridges": "ARI",
    "res_ari_channels": "ARI",
    "res_ari_endpoints": "ARI",
    "res_ari_events": "ARI",
    "res_ari_playbacks": "ARI",
    "res_stasis": "Stasis",
    "res_stasis_answer": "Stasis",
    "res_stasis_playback": "prompts",
    "res_stasis_recording": "ARI's channels, which need it",
    "res_stasis_snoop": "ARI's channels, which need it",
    "app_stasis": "the dialplan's Stasis()",
    "app_dial": "the dialplan's Dial()",
    "chan_pjsip": "the phones",
    "func_callerid": "the caller's number on the callee's display",
    "func_timeout": "a bound on forgotten calls",
    "res_pjsip_caller_id": "the caller's number on the callee's display",
    "res_pjsip_rfc3326": "the reason in a BYE",
    "format_wav": "prompts",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that the operator should know.

    :ivar what: what.
    :ivar todo: what to do; a line to add, where there is one.
    :ivar fatal: whether the service cannot work with it.
    """

    what: str
    todo: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{'error' if self.fatal else 'note'}: {self.what}\n    {self.todo}"


async def examine(config: AsteriskConfig, ari: Ari, endpoints: Endpoints) -> tuple[str, list[Finding]]:
    """Connect and look.

    :param config: the configuration.
    :param ari: where to; the caller closes it.
    :param endpoints: which endpoint is whose.
    :returns: the version of Asterisk, if it was reached, and what was found, the gravest first.
    """
    section = config.asterisk
    try:
        info = await ari.request("GET", "asterisk", "info")
    except AriUnreachable as error:
        return "", [
            Finding(
                f"Asterisk is not reached: {error}",
                "http.conf: [general] enabled=yes, bindaddr=127.0.0.1, bindport=8088; or correct "
                "asterisk.url",
            )
        ]
    except AriRefused as error:
        if error.status in (401, 403):
            return "", [
                Finding(
                    f"Asterisk does not let the user {section.username} in",
                    f"ari.conf: [{section.username}] type=user, read_only=no, password=… as in ccbs's "
                    f"configuration",
                )
            ]
        return "", [
            Finding(f"Asterisk's HTTP server has no ARI there: {error}", "ari.conf: [general] enabled=yes")
        ]
    version = str(info.get("system", {}).get("version", ""))
    findings: list[Finding] = []
    major = re.match(r"\d+", version)
    if major is None or int(major[0]) < OLDEST:
        findings.append(
            Finding(
                f"Asterisk is of version {version}", f"install {OLDEST} or newer: older ones were not tried"
            )
        )
    findings += await _modules(ari)
    findings += await _rights(ari, section.username)
    findings += await _endpoints(config, ari, endpoints)
    findings += await _inside(config, ari)
    findings += _gate(config)
    findings += _prompts(config)
    return version, sorted(findings, key=lambda finding: not finding.fatal)


async def _modules(ari: Ari) -> list[Finding]:
    found = await ari.request("GET", "asterisk", "modules")
    running = {str(one["name"]).removesuffix(".so") for one in found if one.get("status") == "Running"}
    return [
        Finding(f"the module {name} is not loaded ({what})", f"modules.conf: load={name}.so")
        for name, what in _MODULES.items()
        if name not in running
    ]


async def _rights(ari: Ari, username: str) -> list[Finding]:
    try:
        await ari.request("DELETE", "channels", "ccbs-no-such-channel")
    except AriRefused as error:
        if error.status == 403:
            return [Finding(f"the user {username} may only read", f"ari.conf: [{username}] read_only=no")]
    return []


async def _endpoints(config: AsteriskConfig, ari: Ari, endpoints: Endpoints) -> list[Finding]:
    found = {str(one["resource"]) for one in await pjsip_endpoints(ari)}
    findings = []
    for subscriber in config.subscribers:
        endpoint = endpoints.endpoint(subscriber.number)
        if endpoint not in found:
            findings.append(
                Finding(
                    f"subscriber {subscriber.number}: Asterisk has no PJSIP endpoint {endpoint!r}",
                    f"pjsip.conf: [{endpoint}] type=endpoint; or correct asterisk.endpoint or the "
                    f"subscriber's",
                )
            )
            continue
        findings += await _phone(ari, subscriber.number, endpoint)
    for trunk in sorted(endpoints.trunks - found):
        findings.append(
            Finding(
                f"Asterisk has no PJSIP endpoint {trunk!r}, which numbering.external calls a trunk",
                f"pjsip.conf: [{trunk}] type=endpoint; or correct numbering.external",
            )
        )
    return findings


def _gate(config: AsteriskConfig) -> list[Finding]:
    """Who is to be busy at the first call: Asterisk tells neither what a phone does nor what is dialled."""
    single = [subscriber.number for subscriber in config.subscribers if not subscriber.call_waiting]
    if not single:
        return []
    section, first = config.asterisk, single[0]
    return [
        Finding(
            f"Asterisk does not tell whether the phone of {first}{_more(single)} takes a second call while "
            f"it talks; without call_waiting it is to be busy, or nobody can order",
            f"extensions.conf, [{section.context}], unless it stands there: exten => {first},1,"
            f"Stasis({section.app},gate,${{EXTEN}}), then same => n,Dial(…); not needed where the phone says "
            f"busy by itself",
            fatal=False,
        )
    ]


async def _phone(ari: Ari, number: str, endpoint: str) -> list[Finding]:
    found = await _object(ari, "endpoint", endpoint)
    aors = found.get("aors", "")
    findings = []
    if int(found.get("device_state_busy_at") or 0):
        findings.append(
            Finding(
                f"subscriber {number}: device_state_busy_at changes what is shown of the line and refuses no "
                f"second call",
                f"pjsip.conf: [{endpoint}] type=endpoint, device_state_busy_at=0; the gate does it",
                fatal=False,
            )
        )
    for aor in filter(None, (name.strip() for name in aors.split(","))):
        written = await _object(ari, "aor", aor)
        if written and float(written.get("qualify_frequency") or 0) == 0:
            findings.append(
                Finding(
                    f"subscriber {number}: a phone that dies stays registered for Asterisk, and is called in "
                    f"vain",
                    f"pjsip.conf: [{aor}] type=aor, qualify_frequency=30",
                    fatal=False,
                )
            )
    return findings


async def _object(ari: Ari, kind: str, name: str) -> dict[str, str]:
    try:
        found = await ari.request("GET", "asterisk", "config", "dynamic", "res_pjsip", kind, name)
    except AriRefused:
        return {}
    return {str(one["attribute"]): str(one["value"]) for one in found}


async def _inside(config: AsteriskConfig, ari: Ari) -> list[Finding]:
    """What only a channel can see: dialplan functions are not answered without one.

    The channel is made and ended, and never dials.
    """
    channel = app = f"{_APP}{uuid.uuid4().hex}"
    try:
        # An application of its own: that of a running service is left alone.
        async with ari.events(app, of_all=False):
            await ari.request(
                "POST", "channels", "create",
                query={"endpoint": "Local/s@ccbs-check", "app": app, "channelId": channel},
            )  # fmt: skip
            try:
                return await _dialplan(config, ari, channel)
            finally:
                await ari.request("DELETE", "channels", channel)
    except AriError as error:
        return [
            Finding(
                f"the dialplan could not be looked at: {error}",
                "see the findings above, then try again",
                fatal=False,
            )
        ]


async def _dialplan(config: AsteriskConfig, ari: Ari, channel: str) -> list[Finding]:
    section, digits = config.asterisk, config.service_digits
    app = section.app
    example = config.subscribers[0].number if config.subscribers else "1"
    codes = {
        f"*{digits}*{example}#": f"exten => _*{digits}*X!,1,Stasis({app},set,${{EXTEN}})",
        f"*{digits}#": f"exten => *{digits}#,1,Stasis({app},set,${{EXTEN}})",
        f"#{digits}*{example}#": f"exten => _#{digits}*X!,1,Stasis({app},del,${{EXTEN}})",
        f"#{digits}#": f"exten => #{digits}#,1,Stasis({app},del,${{EXTEN}})",
        f"*#{digits}#": f"exten => *#{digits}#,1,Stasis({app},query,${{EXTEN}})",
    }
    findings = []
    numbers: Iterable[str] = [subscriber.number for subscriber in config.subscribers]
    try:
        for dialled, line in codes.items():
            if not await _exists(ari, channel, section.context, dialled):
                findings.append(
                    Finding(
                        f"in the context {section.context} nobody can dial {dialled}",
                        f"extensions.conf, [{section.context}]: {line}",
                    )
                )
        for number in numbers:
            if not await _exists(ari, channel, section.context, number):
                findings.append(
                    Finding(
                        f"in the context {section.context} nobody can dial {number}: a recall cannot reach "
                        f"it",
                        f"extensions.conf, [{section.context}]: exten => "
                        f"{number},1,Stasis({app},gate,${{EXTEN}}), then same => n,"
                        "Dial(PJSIP/${EXTEN},60); or correct asterisk.context",
                    )
                )
    except AriRefused:
        return [
            Finding(
                "the dialplan cannot be looked at: the module func_dialplan is not loaded",
                "modules.conf: load=func_dialplan.so (for this check alone)",
                fatal=False,
            )
        ]
    return findings


async def _exists(ari: Ari, channel: str, context: str, extension: str) -> bool:
    return await _function(ari, channel, f"DIALPLAN_EXISTS({context},{extension},1)") == "1"


async def _function(ari: Ari, channel: str, function: str) -> str:
    found: Any = await ari.request("GET", "channels", channel, "variable", query={"variable": function})
    return str(found.get("value", ""))


def _prompts(config: AsteriskConfig) -> list[Finding]:
    """Asterisk answers no question about files: the directory is looked at as it is on this machine."""
    sounds = Path(config.asterisk.sounds)
    install = f"ccbs prompts install {sounds}"
    if not sounds.is_dir():
        return [
            Finding(
                f"this machine has no directory {sounds} with the prompts",
                f"{install}; where Asterisk runs on another machine, there",
                fatal=False,
            )
        ]
    missing: list[Path] = []
    # Of its own user Asterisk needs the right to pass through every directory on the way.
    ways = (*(sounds / language for language in config.languages), sounds, *sounds.parents)
    unreadable = [path for path in ways if path.is_dir() and not path.stat().st_mode & stat.S_IXOTH]
    for language in config.languages:
        for name in names():
            path = sounds / language / f"{name}.wav"
            try:
                mode = path.stat().st_mode
            except OSError:
                missing.append(path)
            else:
                if not mode & stat.S_IROTH:
                    unreadable.append(path)
    findings = []
    if missing:
        findings.append(Finding(f"there is no {missing[0]}{_more(missing)}", install))
    if unreadable:
        findings.append(
            Finding(
                f"{unreadable[0]}{_more(unreadable)} may be unreadable for the user of Asterisk",
                f"chmod -R a+rX {sounds}"
                + "".join(f"; chmod a+x {path}" for path in unreadable if path in sounds.parents),
                fatal=False,
            )
        )
    return findings


def _more(found: Sequence[object]) -> str:
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""
