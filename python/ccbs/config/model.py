"""The configuration as it is written: one model for each section. The JSON schema is drawn from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ccbs.config.limits import SipLimitsSection
from ccbs.config.section import Section
from ccbs.config.services import Profiles, Services
from ccbs.config.written import (
    Address,
    DialString,
    Ha1Md5,
    Ha1Sha256,
    Host,
    Name,
    PhoneNumber,
    Realm,
    Secret,
    ServiceDigits,
    Text,
    Word,
)

__all__ = [
    "CallLogSection",
    "ConfigFile",
    "Control",
    "ExternalRule",
    "FurtherAddress",
    "Listen",
    "NumberingSection",
    "Prompts",
    "Provisioning",
    "RtpPorts",
    "ServiceCodesSection",
    "Stop",
    "Store",
    "SubscriberEntry",
    "TrunkEntry",
    "TrunkRegistrationEntry",
]

Digests = Annotated[list[Literal["MD5", "SHA-256"]], Field(min_length=1, max_length=2)]
Transports = Annotated[list[Literal["udp", "tcp"]], Field(min_length=1, max_length=2)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class RtpPorts(Section):
    """The UDP ports of prompts and ringback; each stream takes an even one."""

    first: Annotated[int, Field(ge=1024, le=65_534)] = 16_384
    last: Annotated[int, Field(ge=1025, le=65_535)] = 32_766


class FurtherAddress(Section):
    """One more address where phones and trunks reach the switch."""

    address: Address = Field(
        description="The address to bind; :: is every one of IPv6 and needs `advertise`."
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=5060, description="The port, the same over UDP and TCP; 0: any free one."
    )
    transports: Transports = Field(default=["udp", "tcp"], description="Over what SIP is received.")
    advertise: Address | None = Field(
        default=None, description="The address that phones are told, where it is not the one bound."
    )


class Listen(Section):
    """Where phones and trunks reach the switch."""

    address: Address = Field(
        default="127.0.0.1", description="The address to bind; 0.0.0.0 is every one and needs `advertise`."
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=5060, description="The port, the same over UDP and TCP; 0: any free one."
    )
    transports: Transports = Field(default=["udp", "tcp"], description="Over what SIP is received.")
    also: Annotated[list[FurtherAddress], Field(max_length=15)] = Field(
        default=[], description="Further addresses, for instance of IPv6."
    )
    realm: Realm = Field(description="The digest realm; HA1 values are made with it.")
    advertise: Address | None = Field(
        default=None, description="The address that phones are told, where it is not the one bound."
    )
    rtp_ports: RtpPorts = RtpPorts()
    digest: Digests = Field(
        default=["MD5"],
        description="What HA1 is made for of a password. Some phones give up when SHA-256 is offered.",
    )
    late_offer: bool = Field(
        default=False,
        description="Whether recalls call the caller's phone without a description, so that the two phones "
        "agree on any codec both have (RFC 3725 §4.3). Some phones refuse such calls.",
    )


class SubscriberEntry(Section):
    """A subscriber of this switch. One of the five fields that tell the password or its HA1 is needed."""

    number: PhoneNumber = Field(description="The number, which is also the user name of the phone.")
    name: Name | None = Field(default=None, description="The name shown to others.")
    password: Secret | None = Field(default=None, description="Turned into HA1 when the file is loaded.")
    password_file: Text | None = Field(default=None, description="A file whose first line is the password.")
    password_env: Text | None = Field(
        default=None, description="An environment variable that holds the password."
    )
    ha1_md5: Ha1Md5 | None = Field(default=None, description="MD5(number:realm:password); see `ccbs ha1`.")
    ha1_sha256: Ha1Sha256 | None = Field(default=None, description="SHA-256(number:realm:password).")
    digest: Digests | None = Field(
        default=None, description="The algorithms for the password, where not those of `listen.digest`."
    )
    call_waiting: bool = Field(
        default=False, description="Whether the line takes a second call while it has one."
    )
    services: Services = Services()
    language: Word | None = Field(
        default=None, description="The language of the prompts, where not that of `prompts`."
    )
    softkey_pack: Word | None = Field(default=None, description="The softkey preset of the phone.")


class TrunkRegistrationEntry(Section):
    """That the switch registers at a trunk, under the trunk's `username`."""

    domain: Host | None = Field(
        default=None, description="The host part of the address of record, where not the trunk's `address`."
    )
    expires_s: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default=3_600, description="For how long (s); it is refreshed before."
    )


class TrunkEntry(Section):
    """A SIP peer, known by its address."""

    name: Word
    address: Host
    port: Port = 5060
    username: Name | None = Field(default=None, description="Digest user name for its challenges.")
    password: Secret | None = None
    password_file: Text | None = Field(default=None, description="A file whose first line is the password.")
    password_env: Text | None = Field(
        default=None, description="An environment variable that holds the password."
    )
    trusted: bool = Field(
        default=False,
        description="Whether its P-Asserted-Identity is believed; ours is sent to it in any case.",
    )
    transport: Literal["udp", "tcp"] = Field(
        default="udp", description="Over what requests go there; they may come over either."
    )
    registration: TrunkRegistrationEntry | None = Field(
        default=None, alias="register", description="Given: the switch registers there; it needs `username`."
    )
    diversions: Literal["off", "internal", "any"] | None = Field(
        default=None,
        description="Where the trunk may divert calls to it (3xx): as `numbering.diversions` unless given.",
    )
    lookup_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300,
        description="How often a host name is looked up again (s); 0: not once it is found.",
    )


class ExternalRule(Section):
    """Numbers that go to a trunk."""

    prefix: DialString = Field(
        description="What the dialled number begins with; the longest prefix that fits wins."
    )
    trunk: Word
    strip: bool = Field(
        default=False, description="Whether the prefix is taken off before the number goes to the trunk."
    )


class NumberingSection(Section):
    """What a dialled number means."""

    internal: list[Text] = Field(
        description="Patterns of internal numbers: digits, X = 0-9, Z = 1-9, N = 2-9, [1-35] = a set, "
        "a final . = one or more of any digit."
    )
    external: list[ExternalRule] = Field(default=[])
    diversions: Literal["off", "internal", "any"] = Field(
        default="internal",
        description="Where a callee's phone may divert its calls to (3xx): nowhere, to internal numbers, to "
        "any number its subscriber may call.",
    )


class ServiceCodesSection(Section):
    """The digits of the service.

    `*37*B#` orders, `*37#` orders the last number that failed, `#37*B#` cancels one, `#37#` cancels all,
    `*#37#` asks.
    """

    autodial: ServiceDigits = "37"


class Prompts(Section):
    """The prompts that callers hear."""

    language: Word = Field(
        default="ru", description="The language of subscribers who have none of their own."
    )
    overrides: dict[Word, dict[Word, Text]] = Field(
        default={}, description="Your own WAV files: language → prompt → path, relative to this file."
    )


class CallLogSection(Section):
    """Where the records of the calls go."""

    records: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=10_000, description="How many are kept in memory."
    )
    file: Text | None = Field(default=None, description="A file that gets one JSON line for each call.")


class Store(Section):
    """Where orders are kept so that they outlive the process."""

    path: Text | None = Field(
        default=None,
        description="An SQLite file, relative to this one; without it, memory.",
    )
    snapshot_records: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=10_000, description="Inputs between two snapshots: what a restart repeats at most."
    )
    retention_s: Annotated[int, Field(ge=0, le=31_536_000)] = Field(
        default=86_400, description="How long inputs stay readable for `ccbs explain` (s)."
    )
    retention_records: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        default=1_000_000, description="How many inputs stay readable at most."
    )


class Stop(Section):
    """What SIGTERM and SIGINT do to calls."""

    calls_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=0,
        description="How long calls in progress may go on (s); meanwhile new ones are refused and nothing "
        "is ordered or recalled. 0: they are released at once.",
    )


class Control(Section):
    """The local socket for `ccbs orders`, `lines`, `calls`, `counters`, `cancel` and `reload`."""

    socket: Text | None = Field(
        default=None, description="Its path, relative to this file; see docs/operating.md."
    )
    clients: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=16, description="How many may be connected at a time."
    )
    timeout_s: Annotated[int, Field(ge=1, le=300)] = Field(
        default=10, description="How long a client may take for a request or to read the answer (s)."
    )


class Provisioning(Section):
    """What phones are given."""

    server: Host | None = Field(
        default=None,
        description="The switch's name or address in the phones' settings, where not that of `listen`.",
    )
    softkey_packs: Text = Field(
        default="presets/softkey_pack_presets",
        description="The directory of the presets, relative to this file.",
    )


class ConfigFile(Section):
    """The configuration of `ccbs serve`."""

    listen: Listen
    switch: Literal["sip"] = Field(default="sip", description="The adapter.")
    subscribers: list[SubscriberEntry] = Field(default=[])
    profiles: Profiles = Profiles()
    trunks: list[TrunkEntry] = Field(default=[])
    numbering: NumberingSection
    service_codes: ServiceCodesSection = ServiceCodesSection()
    limits: SipLimitsSection = SipLimitsSection()
    prompts: Prompts = Prompts()
    call_log: CallLogSection = CallLogSection()
    store: Store = Store()
    stop: Stop = Stop()
    control: Control = Control()
    provisioning: Provisioning = Provisioning()
    route: Text | None = Field(
        default=None,
        description='Your own coroutine for routing calls, "module:function"; see docs/embedding.md.',
    )
