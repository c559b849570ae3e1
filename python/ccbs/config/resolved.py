"""A configuration that passed every check: passwords read, paths whole, profiles laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from ccbs._ccbs import StoreFile
from ccbs.config.asterisk import AsteriskSection
from ccbs.config.limits import LimitsSection, SipLimitsSection
from ccbs.config.model import Listen, TrunkRegistrationEntry
from ccbs.numbering import Numbering

__all__ = [
    "AsteriskConfig",
    "AsteriskSubscriberConfig",
    "BaseConfig",
    "BaseSubscriberConfig",
    "Config",
    "ServiceConfig",
    "SubscriberConfig",
    "TrunkConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The service of a subscriber as orderer.

    :ivar profile: ``autodial`` or ``ccbs``.
    :ivar settings: its numbers that were given, own over profile.
    """

    profile: Literal["autodial", "ccbs"]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSubscriberConfig:
    """A subscriber of any switch, resolved.

    :ivar number: the number.
    :ivar name: shown to others, or None.
    :ivar call_waiting: whether the line takes a second call.
    :ivar service: the service where ordering is allowed, else None.
    :ivar language: of the prompts.
    """

    number: str
    name: str | None
    call_waiting: bool
    service: ServiceConfig | None
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberConfig(BaseSubscriberConfig):
    """A subscriber of the SIP switch, resolved; its number is also the digest user name.

    :ivar ha1_md5: HA1 for MD5, or None when only the other may be used.
    :ivar ha1_sha256: HA1 for SHA-256, or None when only the other may be used.
    :ivar password: the password where the file tells it; None where it tells HA1 only.
    :ivar softkey_pack: name of the softkey preset, or None.
    """

    ha1_md5: str | None = field(repr=False)
    ha1_sha256: str | None = field(repr=False)
    password: SecretStr | None
    softkey_pack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSubscriberConfig(BaseSubscriberConfig):
    """A subscriber whose phone is Asterisk's, resolved.

    :ivar endpoint: the PJSIP endpoint, or None: as section `asterisk` says.
    """

    endpoint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkConfig:
    """A trunk, resolved.

    :ivar name: its name.
    :ivar host: IP address or host name.
    :ivar port: its port.
    :ivar username: digest user name, or None.
    :ivar password: digest password, or None.
    :ivar trusted: whether its asserted identity is believed.
    :ivar transport: ``udp`` or ``tcp``.
    :ivar registration: whether and how the switch registers there.
    :ivar diversions: where it may divert calls to; None: as the numbering plan says.
    :ivar lookup_s: how often its host name is looked up again, in seconds; 0: not once it is found.
    """

    name: str
    host: str
    port: int
    username: str | None
    password: SecretStr | None
    trusted: bool
    transport: str = "udp"
    registration: TrunkRegistrationEntry | None = None
    diversions: Literal["off", "internal", "any"] | None = None
    lookup_s: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseConfig:
    """A configuration of any switch that passed every check.

    :ivar file: where from.
    :ivar subscribers: in the order of the file.
    :ivar numbering: the numbering plan.
    :ivar service_digits: e.g. ``37``.
    :ivar limits: section `limits`.
    :ivar language: of prompts where a subscriber has none.
    :ivar overrides: language → prompt → WAV file.
    :ivar call_log_records: how many are kept in memory.
    :ivar call_log_file: gets a JSON line for each call, or None.
    :ivar store: where orders are kept, or None: in memory.
    :ivar control_socket: path of the local socket.
    :ivar control_clients: how many may be connected at a time.
    :ivar control_timeout_s: how long a client may take.
    :ivar exposed: files with passwords or HA1 in them that every user of the machine may read.
    """

    file: Path
    subscribers: tuple[BaseSubscriberConfig, ...]
    numbering: Numbering
    service_digits: str
    limits: LimitsSection
    language: str
    overrides: Mapping[str, Mapping[str, Path]]
    call_log_records: int
    call_log_file: Path | None
    store: StoreFile | None
    control_socket: Path
    control_clients: int
    control_timeout_s: int
    exposed: tuple[Path, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that somebody hears, sorted."""
        return tuple(sorted({self.language, *(subscriber.language for subscriber in self.subscribers)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    """A configuration of the SIP switch that passed every check.

    :ivar listen: section `listen`.
    :ivar trunks: in the order of the file.
    :ivar diversions: which calls a callee's phone may divert: ``off``, ``internal`` or ``any``.
    :ivar stop_calls_s: how long calls may go on when the server is told to stop.
    :ivar softkey_packs: directory of the presets.
    :ivar phone_server: the switch's name or address in the phones' settings.
    :ivar route: the operator's own coroutine as ``module:function``, or None.
    """

    subscribers: tuple[SubscriberConfig, ...]
    limits: SipLimitsSection
    listen: Listen
    trunks: tuple[TrunkConfig, ...]
    diversions: Literal["off", "internal", "any"]
    stop_calls_s: int
    softkey_packs: Path
    phone_server: str
    route: str | None

    def subscriber(self, number: str) -> SubscriberConfig | None:
        """The subscriber of a number, or None."""
        return next((found for found in self.subscribers if found.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskConfig(BaseConfig):
    """A configuration with Asterisk that passed every check.

    :ivar asterisk: section `asterisk`.
    :ivar password: of its user.
    """

    subscribers: tuple[AsteriskSubscriberConfig, ...]
    asterisk: AsteriskSection
    password: SecretStr
