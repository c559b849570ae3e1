"""Loads a configuration: reads, validates, checks references, makes HA1 of passwords and paths absolute."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from pydantic import BaseModel, SecretStr

from ccbs._ccbs import StoreFile
from ccbs.config.asterisk import AsteriskFile, AsteriskSection, AsteriskSubscriber
from ccbs.config.checks import check_references
from ccbs.config.document import Document, read
from ccbs.config.model import ConfigFile, Prompts, Store, SubscriberEntry, TrunkEntry
from ccbs.config.problem import ConfigError, Problem
from ccbs.config.resolved import (
    AsteriskConfig,
    AsteriskSubscriberConfig,
    Config,
    ServiceConfig,
    SubscriberConfig,
    TrunkConfig,
)
from ccbs.config.services import AutodialSettings, CcbsSettings, CommonSettings, Profiles, Services
from ccbs.config.validate import validate
from ccbs.config.written import as_written
from ccbs.numbering import ExternalPrefix, Numbering
from ccbs.subscribers import ha1_md5, ha1_sha256

__all__ = ["default_socket", "load", "load_any", "socket_of"]

Written = TypeVar("Written", bound=BaseModel)
Resolved = TypeVar("Resolved")

_WithPassword = SubscriberEntry | TrunkEntry | AsteriskSection


class _Shared(TypedDict):
    """What is resolved alike of every file."""

    file: Path
    numbering: Numbering
    service_digits: str
    language: str
    overrides: dict[str, dict[str, Path]]
    call_log_records: int
    call_log_file: Path | None
    store: StoreFile | None
    control_socket: Path
    control_clients: int
    control_timeout_s: int
    exposed: tuple[Path, ...]


class _SharedOfSubscriber(TypedDict):
    """What is resolved alike of every subscriber."""

    number: str
    name: str | None
    call_waiting: bool
    service: ServiceConfig | None
    language: str


def load(file: Path) -> Config:
    """Load a configuration of the SIP switch.

    :param file: the YAML file.
    :returns: the configuration, ready for use.
    :raises ConfigError: with everything that is wrong with it.
    """
    return _load(read(file), ConfigFile, _resolve)


def load_any(file: Path) -> Config | AsteriskConfig:
    """Load a configuration, whatever its switch.

    :param file: the YAML file.
    :returns: the configuration, ready for use.
    :raises ConfigError: with everything that is wrong with it.
    """
    document = read(file)
    if isinstance(document.data, dict) and document.data.get("switch") == "asterisk":
        return _load(document, AsteriskFile, _resolve_asterisk)
    return _load(document, ConfigFile, _resolve)


def _load(
    document: Document, model: type[Written], resolve: Callable[[Path, Path, Written], Resolved]
) -> Resolved:
    written = validate(document, model)
    check_references(document)
    if written is None or document.problems:
        raise ConfigError(document.problems)
    file = document.file
    try:
        return resolve(file, Path(os.path.abspath(file)).parent, written)
    except (OSError, KeyError) as error:
        # A password's file or variable went away since it was checked.
        what = f"a password cannot be read: {error}"
        raise ConfigError([Problem(file, 0, (), what, "its file or variable", "try again")]) from None


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


def _resolve(file: Path, base: Path, written: ConfigFile) -> Config:
    listen = written.listen
    return Config(
        **_shared(file, base, written, [*written.subscribers, *written.trunks]),
        subscribers=tuple(_subscriber(base, written, entry) for entry in written.subscribers),
        limits=written.limits,
        listen=listen,
        trunks=tuple(_trunk(base, entry) for entry in written.trunks),
        diversions=written.numbering.diversions,
        stop_calls_s=written.stop.calls_s,
        phone_server=written.provisioning.server or listen.advertise or listen.address,
        softkey_packs=base / written.provisioning.softkey_packs,
        route=written.route,
    )


def _resolve_asterisk(file: Path, base: Path, written: AsteriskFile) -> AsteriskConfig:
    return AsteriskConfig(
        **_shared(file, base, written, [written.asterisk]),
        subscribers=tuple(
            AsteriskSubscriberConfig(**_shared_of_subscriber(written, entry), endpoint=entry.endpoint)
            for entry in written.subscribers
        ),
        limits=written.limits,
        asterisk=written.asterisk,
        password=_password(base, written.asterisk) or SecretStr(""),
    )


def _shared(
    file: Path, base: Path, written: ConfigFile | AsteriskFile, secrets: Sequence[_WithPassword]
) -> _Shared:
    log, control = written.call_log, written.control
    return _Shared(
        file=file,
        numbering=Numbering(
            written.numbering.internal,
            [ExternalPrefix(rule.prefix, rule.trunk, rule.strip) for rule in written.numbering.external],
        ),
        service_digits=written.service_codes.autodial,
        language=written.prompts.language,
        overrides=_overrides(base, written.prompts),
        call_log_records=log.records,
        call_log_file=base / log.file if log.file else None,
        store=_store(base, written.store),
        control_socket=base / control.socket if control.socket else default_socket(),
        control_clients=control.clients,
        control_timeout_s=control.timeout_s,
        exposed=tuple(found for found in _with_secrets(file, base, secrets) if _readable_by_all(found)),
    )


def _shared_of_subscriber(
    written: ConfigFile | AsteriskFile, entry: SubscriberEntry | AsteriskSubscriber
) -> _SharedOfSubscriber:
    return _SharedOfSubscriber(
        number=entry.number,
        name=entry.name,
        call_waiting=entry.call_waiting,
        service=_service(written.profiles, entry.services),
        language=entry.language or written.prompts.language,
    )


def _store(base: Path, written: Store) -> StoreFile | None:
    if written.path is None:
        return None
    return StoreFile(
        base / written.path, written.snapshot_records, written.retention_s, written.retention_records
    )


def _overrides(base: Path, prompts: Prompts) -> dict[str, dict[str, Path]]:
    return {
        language: {name: base / path for name, path in files.items()}
        for language, files in prompts.overrides.items()
    }


def _with_secrets(file: Path, base: Path, entries: Sequence[_WithPassword]) -> list[Path]:
    here = any(
        # An HA1 lets in whoever has it, as the password does.
        entry.password or (isinstance(entry, SubscriberEntry) and (entry.ha1_md5 or entry.ha1_sha256))
        for entry in entries
    )
    others = {base / entry.password_file for entry in entries if entry.password_file is not None}
    return [*([file] if here else []), *sorted(others)]


def _readable_by_all(file: Path) -> bool:
    mode = file.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def _password(base: Path, entry: _WithPassword) -> SecretStr | None:
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
        **_shared_of_subscriber(written, entry),
        ha1_md5=md5.lower() if md5 else None,
        ha1_sha256=sha256.lower() if sha256 else None,
        password=password,
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
