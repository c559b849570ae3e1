"""The configuration with ``switch: asterisk``: the same words, and one section about Asterisk."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from ccbs.config.document import Document
from ccbs.config.limits import LimitsSection
from ccbs.config.model import CallLogSection, Control, ExternalRule, Prompts, ServiceCodesSection, Store
from ccbs.config.plain import entries, section, text
from ccbs.config.section import Section
from ccbs.config.services import Profiles, Services
from ccbs.config.written import Name, PhoneNumber, Secret, Text, Word

__all__ = ["AsteriskFile", "AsteriskSection", "AsteriskSubscriber", "check_asterisk"]

_DIGIT = re.compile(r"[0-9*#]")


class AsteriskSection(Section):
    """Where Asterisk is, and what its dialplan is like. It needs one of the three password fields."""

    url: Text = Field(
        default="http://127.0.0.1:8088",
        description="Asterisk's HTTP server (http.conf), with its prefix if it has one.",
    )
    username: Name = Field(default="ccbs", description="The user of ari.conf.")
    password: Secret | None = Field(default=None, description="Its password.")
    password_file: Text | None = Field(default=None, description="A file whose first line is the password.")
    password_env: Text | None = Field(
        default=None, description="An environment variable that holds the password."
    )
    app: Word = Field(default="ccbs", description="The first argument of the dialplan's Stasis().")
    context: Name = Field(description="The dialplan's context in which subscribers dial.")
    endpoint: Text = Field(
        default="{number}",
        description="A subscriber's PJSIP endpoint, where the subscriber's own `endpoint` does not name it.",
    )
    sounds: Text = Field(
        default="/var/lib/asterisk/sounds/ccbs",
        description="The directory of the prompts, as Asterisk sees it; `ccbs prompts install` fills it.",
    )
    groups: list[PhoneNumber] = Field(
        default=[],
        description="Numbers of ring groups and queues that may be ordered; others are refused.",
    )
    offer_digit: Text | None = Field(
        default=None,
        description="The key by which a caller who found a number busy orders at once; nothing is offered "
        "unless given.",
    )
    offer_wait_s: Annotated[int, Field(ge=1, le=60)] = Field(
        default=8, description="How long that key is waited for after the prompt (s)."
    )
    timeout_s: Annotated[int, Field(ge=1, le=60)] = Field(
        default=10, description="How long Asterisk may take to answer a request (s)."
    )
    watch_s: Annotated[int, Field(ge=1, le=60)] = Field(
        default=5, description="How often Asterisk is asked whether it is still there (s)."
    )
    contact_wait_s: Annotated[int, Field(ge=0, le=7)] = Field(
        default=5,
        description="How long a recall waits for an Asterisk that is not reached before it is put off (s); "
        "that uses no attempt.",
    )
    queue: Annotated[int, Field(ge=1000, le=1_000_000)] = Field(
        default=50_000,
        description="Events that may wait; beyond it all are dropped and the state is read anew.",
    )


class AsteriskSubscriber(Section):
    """A subscriber. The phone's password is Asterisk's own business."""

    number: PhoneNumber = Field(description="The number that others dial.")
    name: Name | None = Field(default=None, description="The name shown to others at a recall.")
    endpoint: Name | None = Field(
        default=None, description="The PJSIP endpoint, where not as `asterisk.endpoint` says."
    )
    call_waiting: bool = Field(
        default=False, description="Whether the line takes a second call while it has one."
    )
    services: Services = Services()
    language: Word | None = Field(
        default=None, description="The language of the prompts, where not that of `prompts`."
    )


class AsteriskNumbering(Section):
    """What a dialled number means."""

    internal: list[Text] = Field(
        description="Patterns of internal numbers: digits, X = 0-9, Z = 1-9, N = 2-9, [1-35] = a set, "
        "a final . = one or more of any digit."
    )
    external: list[ExternalRule] = Field(
        default=[],
        description="Numbers behind trunks; `trunk` is the trunk's PJSIP endpoint.",
    )


class AsteriskFile(Section):
    """The configuration of `ccbs serve` with Asterisk."""

    switch: Literal["asterisk"] = Field(description="The adapter.")
    asterisk: AsteriskSection
    subscribers: list[AsteriskSubscriber] = Field(default=[])
    profiles: Profiles = Profiles()
    numbering: AsteriskNumbering
    service_codes: ServiceCodesSection = ServiceCodesSection()
    limits: LimitsSection = LimitsSection()
    prompts: Prompts = Prompts()
    call_log: CallLogSection = CallLogSection()
    store: Store = Store()
    control: Control = Control()


def check_asterisk(document: Document, data: dict[str, Any]) -> None:
    """Note what no single field of the section can tell."""
    path = ("asterisk",)
    written = section(data, "asterisk")
    if not written:
        return
    url = text(written.get("url"))
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            document.problem(
                (*path, "url"), f"{url!r} is no address of an HTTP server",
                "e.g. http://127.0.0.1:8088", "correct it",
            )  # fmt: skip
    rule = text(written.get("endpoint"))
    if rule is not None and rule.count("{number}") != 1:
        document.problem(
            (*path, "endpoint"), f"{rule!r} does not have {{number}} in it once",
            "the endpoint's name with {number} in it, e.g. {number} or phone-{number}", "correct it",
        )  # fmt: skip
    digit = text(written.get("offer_digit"))
    if digit is not None and not _DIGIT.fullmatch(digit):
        document.problem((*path, "offer_digit"), f"{digit!r} is no key", "one of 0-9, * and #", "correct it")
    sounds = text(written.get("sounds"))
    if sounds is not None and not sounds.startswith("/"):
        document.problem(
            (*path, "sounds"), f"{sounds!r} is no absolute path",
            "a path as Asterisk sees it, beginning with /", "write the whole path",
        )  # fmt: skip
    seen: dict[str, Any] = {}
    for where, entry in entries(data, "subscribers"):
        number, endpoint = text(entry.get("number")), text(entry.get("endpoint"))
        name = endpoint or (number and (rule or "{number}").replace("{number}", number))
        if name is None:
            continue
        if name in seen:
            document.problem(
                (*where, "endpoint" if endpoint else "number"),
                f"the endpoint {name!r} is given to {seen[name]} already",
                "an endpoint for each subscriber",
                "correct one of the two",
            )
        seen.setdefault(name, number)
