"""A route that costs a millisecond, as one that asks a database: the switch is overloaded before SIPp is."""

from __future__ import annotations

import time

from ccbs.sip import Call, Decision, Dial

__all__ = ["COST_S", "route"]

COST_S = 0.001
"""Processor time for each decision."""


async def route(call: Call) -> Decision:
    """The subscriber who was dialled, after a while of work."""
    end = time.thread_time() + COST_S
    while time.thread_time() < end:
        pass
    return Dial(number=call.dialled)
