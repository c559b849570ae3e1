"""The configuration of ``ccbs serve``: one YAML file, every error in it told at once with its line."""

from __future__ import annotations

from ccbs.config.load import default_socket, load, load_any, socket_of
from ccbs.config.problem import ConfigError, Problem
from ccbs.config.resolved import (
    AsteriskConfig,
    AsteriskSubscriberConfig,
    BaseConfig,
    Config,
    ServiceConfig,
    SubscriberConfig,
    TrunkConfig,
)
from ccbs.config.schema import schema

__all__ = [
    "AsteriskConfig",
    "AsteriskSubscriberConfig",
    "BaseConfig",
    "Config",
    "ConfigError",
    "Problem",
    "ServiceConfig",
    "SubscriberConfig",
    "TrunkConfig",
    "default_socket",
    "load",
    "load_any",
    "schema",
    "socket_of",
]
