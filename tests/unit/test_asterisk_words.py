"""Whose endpoint is whose, and Asterisk's causes in the service's words."""

from __future__ import annotations

import pytest

from ccbs.asterisk import Endpoints
from ccbs.asterisk.causes import call_cause, reason_code, ring_outcome
from ccbs.asterisk.endpoints import endpoint_of_channel
from ccbs.causes import connect_outcome, fail_cause, ring_cause
from ccbs.switch import ConnectOutcome, RingOutcome


@pytest.mark.parametrize(
    ("channel", "endpoint"),
    [
        ("PJSIP/101-0000002a", "101"),
        ("PJSIP/phone-of-101-0000002a", "phone-of-101"),
        ("PJSIP/101-100000001", "101"),
        ("Local/101@office-00000001;1", None),
        ("PJSIP/101", None),
        ("SIP/101-0000002a", None),
        ("", None),
    ],
)
def test_a_channel_s_name_tells_its_endpoint(channel: str, endpoint: str | None) -> None:
    assert endpoint_of_channel(channel) == endpoint


def test_endpoints_by_rule_and_by_table() -> None:
    endpoints = Endpoints("phone-{number}", {"105": "reception"}, ["city"])
    assert endpoints.endpoint("101") == "phone-101"
    assert endpoints.endpoint("105") == "reception"
    assert endpoints.number("phone-101") == "101"
    assert endpoints.number("reception") == "105"
    # The rule's endpoint of a number that has another is nobody's.
    assert endpoints.number("phone-105") is None
    assert endpoints.number("101") is None
    assert endpoints.number("city") is None


@pytest.mark.parametrize(
    ("rule", "table", "why"),
    [("phone", {}, "expected {number}"), ("{number}", {"101": "a", "102": "a"}, "given to 101 and 102")],
)
def test_a_wrong_mapping_is_refused(rule: str, table: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Endpoints(rule, table)


@pytest.mark.parametrize(
    ("status", "dialled", "peer", "own", "cause"),
    [
        ("BUSY", True, 17, None, "busy"),
        ("NOANSWER", True, 19, None, "no-answer"),
        ("NOANSWER", True, 0, None, "no-answer"),
        # A declined call: in the event, in the dialplan, and where the callee's channel is not known yet.
        ("NOANSWER", True, 21, None, "declined"),
        ("CHANUNAVAIL", True, 21, None, "declined"),
        ("CHANUNAVAIL", True, None, None, "declined"),
        ("CHANUNAVAIL", False, None, None, "unreachable"),
        ("CANCEL", True, 127, 127, "caller-gone"),
        ("CONGESTION", True, 34, None, "failed"),
        (None, False, None, 17, "busy"),
        (None, False, None, 34, "unreachable"),
        (None, False, None, 1, "unknown-number"),
        (None, False, None, 16, "caller-gone"),
        (None, False, None, 38, "failed"),
    ],
)
def test_how_a_call_failed(
    status: str | None, dialled: bool, peer: int | None, own: int | None, cause: str
) -> None:
    assert call_cause(status, dialled=dialled, peer_cause=peer, cause=own) == cause


@pytest.mark.parametrize(
    ("cause", "fact", "outcome"),
    [
        ("busy", "busy", ConnectOutcome.BUSY),
        ("no-answer", "no-reply", ConnectOutcome.NO_ANSWER),
        ("unreachable", "not-logged-in", ConnectOutcome.UNREACHABLE),
        ("unknown-number", "other", ConnectOutcome.UNREACHABLE),
        ("declined", "other", ConnectOutcome.DECLINED),
        ("failed", "other", ConnectOutcome.FAILED),
        ("caller-gone", None, ConnectOutcome.CALLER_GONE),
    ],
)
def test_the_words_of_the_service(cause: str, fact: str | None, outcome: ConnectOutcome) -> None:
    assert fail_cause(cause) == fact  # type: ignore[arg-type]
    assert connect_outcome(cause) is outcome  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "outcome", "logged"),
    [
        (17, RingOutcome.BUSY, "caller-busy"),
        (19, RingOutcome.NO_ANSWER, "caller-no-answer"),
        (0, RingOutcome.NO_ANSWER, "caller-no-answer"),
        (21, RingOutcome.DECLINED, "caller-declined"),
        (20, RingOutcome.UNREACHABLE, "caller-unreachable"),
        (38, RingOutcome.FAILED, "failed"),
    ],
)
def test_why_the_caller_did_not_answer(cause: int, outcome: RingOutcome, logged: str) -> None:
    assert ring_outcome(cause) is outcome
    assert ring_cause(outcome) == logged


def test_the_caller_is_released_with_the_reason() -> None:
    codes = [reason_code(outcome) for outcome in (*ConnectOutcome, None)]
    assert codes == [16, 17, 19, 21, 20, 16, 16, 16]
