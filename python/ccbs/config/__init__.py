"""The configuration of ``ccbs serve``: one YAML file, every error in it told at once with its line."""

from __future__ import annotations

from ccbs.config.load import (
    Config,
    ServiceConfig,
    SubscriberConfig,
    TrunkConfig,
    default_socket,
    load,
    socket_of,
)
from ccbs.config.problem import ConfigError, Problem
from ccbs.config.schema import schema

__all__ = [
    "Config",
    "ConfigError",
    "Problem",
    "ServiceConfig",
    "SubscriberConfig",
    "TrunkConfig",
    "default_socket",
    "load",
    "schema",
    "socket_of",
]
