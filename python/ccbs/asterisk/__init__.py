"""Asterisk 22 and newer as the switch: ``switch: asterisk`` of ``ccbs serve`` (docs/asterisk.md).

Over ARI alone: no module, no patch, no AMI, no AGI. :class:`AsteriskSwitch` implements the five methods of
:class:`ccbs.switch.Switch` and tells the service what happens on Asterisk's lines.
"""

from __future__ import annotations

from ccbs.asterisk.ari import Ari, AriError, AriRefused, AriUnreachable
from ccbs.asterisk.endpoints import Endpoints
from ccbs.asterisk.link import Link
from ccbs.asterisk.recall_leg import RecallLeg
from ccbs.asterisk.switch import AsteriskSwitch

__all__ = [
    "Ari",
    "AriError",
    "AriRefused",
    "AriUnreachable",
    "AsteriskSwitch",
    "Endpoints",
    "Link",
    "RecallLeg",
]
