"""What the switch says of its lines after a restart."""

from __future__ import annotations

from typing import cast

from ccbs._ccbs import LineLegs, SipEndpoint
from ccbs.sip.lines import SubscriberLines
from ccbs.subscribers import Directory, Subscriber
from ccbs.switch import LineState


def test_a_line_is_unknown_until_its_first_call_after_a_restart() -> None:
    directory = Directory([Subscriber(number="101"), Subscriber(number="102")])
    lines = SubscriberLines(cast("SipEndpoint", None), directory)
    assert set(lines.states().values()) == {LineState.FREE}
    lines.begin_unseen()
    assert set(lines.states().values()) == {LineState.UNKNOWN}
    lines.on_line_legs(LineLegs("101", 1))
    assert lines.states() == {"101": LineState.BUSY, "102": LineState.UNKNOWN}
    lines.on_line_legs(LineLegs("101", 0))
    assert lines.states() == {"101": LineState.FREE, "102": LineState.UNKNOWN}
