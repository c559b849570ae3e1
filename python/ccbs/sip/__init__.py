"""The SIP adapter: a PBX over SIP with call back on busy in it."""

from __future__ import annotations

from ccbs._ccbs import SipEndpoint
from ccbs.sip.diverting import Diversions
from ccbs.sip.recalls import RecallLeg
from ccbs.sip.routing import (
    Answer,
    Call,
    Codes,
    Decision,
    Dial,
    NumberingRoute,
    Reject,
    Route,
)
from ccbs.sip.switch import SipSwitch
from ccbs.sip.trunks import Trunk

__all__ = [
    "Answer",
    "Call",
    "Codes",
    "Decision",
    "Dial",
    "Diversions",
    "NumberingRoute",
    "RecallLeg",
    "Reject",
    "Route",
    "SipEndpoint",
    "SipSwitch",
    "Trunk",
]
