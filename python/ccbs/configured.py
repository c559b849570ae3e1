"""What a configuration describes, made: subscribers, trunks, prompts, the engine's limits and its driver."""

from __future__ import annotations

from pathlib import Path

from ccbs._ccbs import Driver, Limits, Profile, RecordingError, StoreError, StoreFile
from ccbs.config import BaseConfig, Config, ServiceConfig, SubscriberConfig, TrunkConfig
from ccbs.prompts import Catalogue, PromptError
from ccbs.sip import Trunk
from ccbs.subscribers import Subscriber

__all__ = [
    "StartError",
    "engine_limits",
    "open_driver",
    "profile_of",
    "prompts_of",
    "subscriber_of",
    "trunk_of",
]


class StartError(Exception):
    """The server cannot start; the message is a sentence for the operator."""


def subscriber_of(found: SubscriberConfig) -> Subscriber:
    """A subscriber of a configuration."""
    return Subscriber(
        number=found.number,
        name=found.name,
        ha1_md5=found.ha1_md5,
        ha1_sha256=found.ha1_sha256,
        call_waiting=found.call_waiting,
        profile=profile_of(found.service),
        language=found.language,
        softkey_pack=found.softkey_pack,
    )


def profile_of(service: ServiceConfig | None) -> Profile | None:
    """The numbers that a subscriber orders by; None where ordering is not allowed."""
    if service is None:
        return None
    make = Profile.autodial if service.profile == "autodial" else Profile.ccbs
    return make(**service.settings)


def trunk_of(trunk: TrunkConfig) -> Trunk:
    """A trunk of a configuration."""
    return Trunk(
        name=trunk.name,
        host=trunk.host,
        port=trunk.port,
        username=trunk.username,
        password=trunk.password.get_secret_value() if trunk.password else None,
        trusted=trunk.trusted,
        transport=trunk.transport,
        register=trunk.registration is not None,
        register_domain=trunk.registration.domain if trunk.registration else None,
        register_expires_s=trunk.registration.expires_s if trunk.registration else 3600,
        diversions=trunk.diversions,
        lookup_s=trunk.lookup_s,
    )


def engine_limits(config: BaseConfig) -> Limits:
    """The engine's limits of a configuration, whatever its switch."""
    written = config.limits.engine
    return Limits(
        orders_total=written.orders_total,
        recalls_at_once=written.recalls_at_once,
        recalls_per_second=written.recalls_per_second,
        offers_per_caller=written.offers_per_caller,
        unconfigured_lines=written.unconfigured_lines,
    )


def prompts_of(config: Config) -> dict[str, dict[str, bytes]]:
    """The prompts that a configuration names: language → prompt → WAV file.

    :raises StartError: when one cannot be loaded.
    """
    prompts: dict[str, dict[str, bytes]] = {}
    try:
        for language in config.languages:
            catalogue = Catalogue.load(language, config.overrides.get(language, {}))
            prompts[language] = {name: catalogue.wav(name) for name in catalogue.names}
    except PromptError as error:
        raise StartError(f"The prompts cannot be loaded: {error}") from None
    return prompts


def open_driver(limits: Limits, *, queue_limit: int, record: Path | None, store: StoreFile | None) -> Driver:
    """A driver that goes on from what its store has, if it has one.

    :param queue_limit: events that may wait.
    :param record: a file that gets the engine's inputs, or None.
    :param store: where orders are kept, or None: in memory.
    :raises StartError: when one of the files cannot be used.
    """
    try:
        return Driver(limits, queue_limit=queue_limit, record=record, store=store)
    except RecordingError as error:
        raise StartError(f"The recording cannot be written: {error}. Give --record another path.") from None
    except StoreError as error:
        raise StartError(f"The store cannot be used: {error}.") from None
