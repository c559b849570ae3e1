"""Phones: softkey presets in no vendor's language, rendered into a vendor's settings."""

from __future__ import annotations

from ccbs.provisioning.preset import Key, SoftkeyPack, dial_string, read_pack
from ccbs.provisioning.render import (
    Account,
    Capabilities,
    Incapable,
    Renderer,
    renderer,
    vendors,
)

__all__ = [
    "Account",
    "Capabilities",
    "Incapable",
    "Key",
    "Renderer",
    "SoftkeyPack",
    "dial_string",
    "read_pack",
    "renderer",
    "vendors",
]
