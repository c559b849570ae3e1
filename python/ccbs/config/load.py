"""Loads a configuration: reads, validates, checks references, makes HA1 of passwords and paths absolute."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from ccbs._ccbs import StoreFile
from ccbs.config.asterisk import (
    AsteriskConfig,
    AsteriskFile,
    AsteriskSubscriber,
    AsteriskSubscriberConfig,
    secret_of,
)
from ccbs.config.checks import check_references
from ccbs.config.document import Document, read
from ccbs.config.model import (
    AutodialSettings,
    CcbsSettings,
    CommonSettings,
    ConfigFile,
    Limits,
    Listen,
    Profiles,
    Prompts,
    Services,
    Store,
    SubscriberEntry,
    TrunkEntry,
    TrunkRegistrationEntry,
)
from ccbs.config.problem import ConfigError, Problem
from ccbs.config.validate import validate
from ccbs.config.written import as_written
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.subscribers import ha1_md5, ha1_sha256

__all__ = [
    "Config",
    "ServiceConfig",
    "SubscriberConfig",
    "TrunkConfig",
    "default_socket",
    "load",
    "load_any",
    "socket_of",
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
class SubscriberConfig:
    """A subscriber, resolved.

    :ivar number: the number, also the digest user name.
    :ivar name: shown to others, or None.
    :ivar ha1_md5: HA1 for MD5, or None when only the other may be used.
    :ivar ha1_sha256: HA1 for SHA-256, or None when only the other may be used.
    :ivar password: the password where the file tells it; None where it tells HA1 only.
    :ivar call_waiting: whether the line takes a second call.
    :ivar service: the service where ordering is allowed, else None.
    :ivar language: of the prompts.
    :ivar softkey_pack: name of the softkey preset, or None.
    """

    number: str
    name: str | None
    ha1_md5: str | None = field(repr=False)
    ha1_sha256: str | None = field(repr=False)
    password: SecretStr | None
    call_waiting: bool
    service: ServiceConfig | None
    language: str
    softkey_pack: str | None


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
class Config:
    """A configuration that passed every check.

    :ivar file: where from.
    :ivar listen: section `listen`.
    :ivar subscribers: in the order of the file.
    :ivar trunks: in the order of the file.
    :ivar numbering: the numbering plan.
    :ivar diversions: which calls a callee's phone may divert: ``off``, ``internal`` or ``any``.
    :ivar service_digits: e.g. ``37``.
    :ivar limits: section `limits`.
    :ivar language: of prompts where a subscriber has none.
    :ivar overrides: language → prompt → WAV file.
    :ivar call_log_records: how many are kept in memory.
    :ivar call_log_file: gets a JSON line for each call, or None.
    :ivar store: where orders are kept, or None: in memory.
    :ivar stop_calls_s: how long calls may go on when the server is told to stop.
    :ivar control_socket: path of the local socket.
    :ivar control_clients: how many may be connected at a time.
    :ivar control_timeout_s: how long a client may take.
    :ivar softkey_packs: directory of the presets.
    :ivar phone_server: the switch's name or address in the phones' settings.
    :ivar route: the operator's own coroutine as ``module:function``, or None.
    :ivar exposed: files with passwords or HA1 in them that every user of the machine may read.
    """

    file: Path
    listen: Listen
    subscribers: tuple[SubscriberConfig, ...]
    trunks: tuple[TrunkConfig, ...]
    numbering: Numbering
    diversions: Literal["off", "internal", "any"]
    service_digits: str
    limits: Limits
    language: str
    overrides: Mapping[str, Mapping[str, Path]]
    call_log_records: int
    call_log_file: Path | None
    store: StoreFile | None
    stop_calls_s: int
    control_socket: Path
    control_clients: int
    control_timeout_s: int
    softkey_packs: Path
    phone_server: str
    route: str | None
    exposed: tuple[Path, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that somebody hears, sorted."""
        return tuple(sorted({self.language, *(subscriber.language for subscriber in self.subscribers)}))

    def subscriber(self, number: str) -> SubscriberConfig | None:
        """The subscriber of a number, or None."""
        return next((found for found in self.subscribers if found.number == number), None)


def load(file: Path) -> Config:
    """Load a configuration.

    :param file: the YAML file.
    :returns: the configuration, ready for use.
    :raises ConfigError: with everything that is wrong with it.
    """
    return _load(read(file), file)


def load_any(file: Path) -> Config | AsteriskConfig:
    """Load a configuration, whatever its switch.

    :param file: the YAML file.
    :returns: the configuration, ready for use.
    :raises ConfigError: with everything that is wrong with it.
    """
    document = read(file)
    if not isinstance(document.data, dict) or document.data.get("switch") != "asterisk":
        return _load(document, file)
    written = validate(document, AsteriskFile)
    check_references(document)
    if written is None or document.problems:
        raise ConfigError(document.problems)
    try:
        return _resolve_asterisk(file, written)
    except (OSError, KeyError) as error:
        raise ConfigError([_no_password(file, error)]) from None


def _load(document: Document, file: Path) -> Config:
    written = validate(document, ConfigFile)
    check_references(document)
    if written is None or document.problems:
        raise ConfigError(document.problems)
    try:
        return _resolve(file, written)
    except (OSError, KeyError) as error:
        # A password's file or variable went away since it was checked.
        raise ConfigError([_no_password(file, error)]) from None


def _no_password(file: Path, error: Exception) -> Problem:
    return Problem(file, 0, (), f"a password cannot be read: {error}", "its file or variable", "try again")


def default_socket() -> Path:
    """Where the control socket is unless the configuration says.

    :returns: a path in the user's runtime directory (``XDG_RUNTIME_DIR``), else in ``/run`` for root, else in
        the directory for temporary files, with the user's number in its name.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "ccbs.sock"
    if os.getuid() == 0:
        return Path("/run/ccbs.sock")
    return Path(tempfile.gettempdir()) / f"ccbs-{os.getuid()}.sock"


def socket_of(file: Path) -> Path:
    """The control socket that a configuration names, whatever else is in it.

    :param file: the YAML file; it need not be free of errors.
    :returns: its path.
    :raises ConfigError: when the file is no YAML.
    """
    data = read(file).data
    control = data.get("control") if isinstance(data, dict) else None
    socket = as_written(control.get("socket")) if isinstance(control, dict) else None
    if not isinstance(socket, str) or not socket:
        return default_socket()
    return Path(os.path.abspath(file)).parent / socket


def _resolve(file: Path, written: ConfigFile) -> Config:
    base = Path(os.path.abspath(file)).parent
    log = written.call_log
    socket = written.control.socket
    return Config(
        file=file,
        listen=written.listen,
        subscribers=tuple(_subscriber(base, written, entry) for entry in written.subscribers),
        trunks=tuple(_trunk(base, entry) for entry in written.trunks),
        numbering=Numbering(
            written.numbering.internal,
            [ExternalPrefix(rule.prefix, rule.trunk, rule.strip) for rule in written.numbering.external],
        ),
        diversions=written.numbering.diversions,
        service_digits=written.service_codes.autodial,
        limits=written.limits,
        language=written.prompts.language,
        overrides=_overrides(base, written.prompts),
        call_log_records=log.records,
        call_log_file=base / log.file if log.file else None,
        store=_store(base, written.store),
        stop_calls_s=written.stop.calls_s,
        control_socket=base / socket if socket else default_socket(),
        control_clients=written.control.clients,
        control_timeout_s=written.control.timeout_s,
        phone_server=written.provisioning.server or written.listen.advertise or written.listen.address,
        softkey_packs=base / written.provisioning.softkey_packs,
        route=written.route,
        exposed=tuple(found for found in _with_secrets(file, base, written) if _readable_by_all(found)),
    )


def _store(base: Path, written: Store) -> StoreFile | None:
    if written.path is None:
        return None
    return StoreFile(
        base / written.path, written.snapshot_records, written.retention_s, written.retention_records
    )


def _resolve_asterisk(file: Path, written: AsteriskFile) -> AsteriskConfig:
    base = Path(os.path.abspath(file)).parent
    section, socket = written.asterisk, written.control.socket
    secrets = [file] if section.password is not None else []
    if section.password_file is not None:
        secrets.append(base / section.password_file)
    return AsteriskConfig(
        file=file,
        asterisk=section,
        password=secret_of(base, section),
        subscribers=tuple(_asterisk_subscriber(written, entry) for entry in written.subscribers),
        numbering=Numbering(
            written.numbering.internal,
            [ExternalPrefix(rule.prefix, rule.trunk, rule.strip) for rule in written.numbering.external],
        ),
        service_digits=written.service_codes.autodial,
        limits=written.limits.engine,
        language=written.prompts.language,
        overrides=_overrides(base, written.prompts),
        call_log_records=written.call_log.records,
        call_log_file=base / written.call_log.file if written.call_log.file else None,
        store=_store(base, written.store),
        control_socket=base / socket if socket else default_socket(),
        control_clients=written.control.clients,
        control_timeout_s=written.control.timeout_s,
        exposed=tuple(found for found in secrets if _readable_by_all(found)),
    )


def _asterisk_subscriber(written: AsteriskFile, entry: AsteriskSubscriber) -> AsteriskSubscriberConfig:
    service = _service(written.profiles, entry.services)
    return AsteriskSubscriberConfig(
        number=entry.number,
        name=entry.name,
        endpoint=entry.endpoint,
        call_waiting=entry.call_waiting,
        profile=service.profile if service is not None else None,
        settings=service.settings if service is not None else {},
        language=entry.language or written.prompts.language,
    )


def _overrides(base: Path, prompts: Prompts) -> dict[str, dict[str, Path]]:
    return {
        language: {name: base / path for name, path in files.items()}
        for language, files in prompts.overrides.items()
    }


def _with_secrets(file: Path, base: Path, written: ConfigFile) -> list[Path]:
    entries: list[SubscriberEntry | TrunkEntry] = [*written.subscribers, *written.trunks]
    # An HA1 lets in whoever has it, as the password does.
    here = any(entry.password for entry in entries) or any(
        entry.ha1_md5 or entry.ha1_sha256 for entry in written.subscribers
    )
    others = {base / entry.password_file for entry in entries if entry.password_file is not None}
    return [*([file] if here else []), *sorted(others)]


def _readable_by_all(file: Path) -> bool:
    mode = file.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def _password(base: Path, entry: SubscriberEntry | TrunkEntry) -> SecretStr | None:
    if entry.password_file is not None:
        with (base / entry.password_file).open(encoding="utf-8") as stream:
            return SecretStr(stream.readline(1024).strip())
    if entry.password_env is not None:
        return SecretStr(os.environ[entry.password_env])
    return entry.password


def _subscriber(base: Path, written: ConfigFile, entry: SubscriberEntry) -> SubscriberConfig:
    password = _password(base, entry)
    md5, sha256 = entry.ha1_md5, entry.ha1_sha256
    if password is not None:
        secret, realm = password.get_secret_value(), written.listen.realm
        digest = entry.digest or written.listen.digest
        md5 = ha1_md5(entry.number, realm, secret) if "MD5" in digest else None
        sha256 = ha1_sha256(entry.number, realm, secret) if "SHA-256" in digest else None
    return SubscriberConfig(
        number=entry.number,
        name=entry.name,
        ha1_md5=md5.lower() if md5 else None,
        ha1_sha256=sha256.lower() if sha256 else None,
        password=password,
        call_waiting=entry.call_waiting,
        service=_service(written.profiles, entry.services),
        language=entry.language or written.prompts.language,
        softkey_pack=entry.softkey_pack,
    )


def _service(profiles: Profiles, services: Services) -> ServiceConfig | None:
    if services.autodial is not None and services.autodial.allowed:
        settings = _given(AutodialSettings, profiles.autodial, services.autodial)
        return ServiceConfig(profile="autodial", settings=settings)
    if services.ccbs is not None and services.ccbs.allowed:
        settings = _given(CcbsSettings, profiles.ccbs, services.ccbs)
        return ServiceConfig(profile="ccbs", settings=settings)
    return None


def _given(model: type[CommonSettings], *layers: CommonSettings) -> dict[str, Any]:
    """The settings that were given; a later layer over an earlier one."""
    given: dict[str, Any] = {}
    for layer in layers:
        given.update(layer.model_dump(include=set(model.model_fields), exclude_none=True))
    return given


def _trunk(base: Path, entry: TrunkEntry) -> TrunkConfig:
    return TrunkConfig(
        name=entry.name,
        host=entry.address,
        port=entry.port,
        username=entry.username,
        password=_password(base, entry),
        trusted=entry.trusted,
        transport=entry.transport,
        registration=entry.registration,
        diversions=entry.diversions,
        lookup_s=entry.lookup_s,
    )
