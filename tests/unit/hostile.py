"""Broken SIP from a seed: what strangers, phones and trunks might send, changed at random."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Hostile"]

_METHODS = (
    *("INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "CANCEL", "ACK"),
    *("BYE", "INFO", "UPDATE", "PRACK", "FROB"),
)
_LINES = (
    "Max-Forwards: 0",
    "Max-Forwards: 999999999999",
    "Content-Length: 18446744073709551615",
    "Content-Length: -1",
    "Content-Length: 3",
    "Require: 100rel, timer, x-none",
    "Supported: 100rel, replaces, timer",
    "Session-Expires: 1;refresher=uas",
    "Min-SE: 4294967296",
    "Expires: 4294967296",
    "Contact: *",
    'Contact: <sip:x@127.0.0.1:9>;expires=0;q=7;+sip.instance="<urn:x>"',
    "Via: ",
    "Via: SIP/2.0/UDP ,,;branch=",
    "Route: <sip:127.0.0.1;lr>, <sip:127.0.0.1;lr>",
    "Record-Route: <sip:127.0.0.1;lr>, <sips:[::1];lr>",
    "Path: <sip:127.0.0.1;lr>",
    "Replaces: a@b;to-tag=1;from-tag=2",
    "Refer-To: <sip:101@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>",
    "Event: dialog",
    "Event: message-summary",
    "RAck: 1 1 INVITE",
    'Authorization: Digest username="101", realm="test", nonce="00", uri="sip:x", response="0"',
    "Proxy-Authorization: Basic eA==",
    "X: " + "y" * 3000,
    "To: <tel:+7>",
    'From: "\\"" <sip:%00@x>;tag=',
)
_STRANGE = (
    b"\0",
    b"\r\n",
    b"\xff\xfe",
    b"%",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b"999999999999999999999",
    b"\r\n\r\n",
    b"sip:",
)
_URIS = (
    "sip:101@test",
    "sip:*37%23@test",
    "tel:+7495",
    "urn:service:sos",
    "sips:101@test",
    "sip:@",
    "sip:101@[::1]",
    "sip:%FF@x",
)
_DESCRIPTION = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
)


class Hostile:
    """Makes messages.

    :param seed: the same one makes the same messages.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.dialog: Callable[[], tuple[str, str, str] | None] = lambda: None
        """Call-ID, From and To of a call in progress, with tags, for requests within it; or None."""
        self._count = 0

    def message(self, transport: str) -> bytes:
        """One message, most of them broken.

        :param transport: ``UDP`` or ``TCP``, for its Via.
        """
        rng = self.random
        self._count += 1
        method = rng.choice(_METHODS)
        call_id, sender, to = (
            f"h{self._count}",
            f"<sip:{rng.choice(('101', '104', '7'))}@test>;tag=h",
            "<sip:101@test>",
        )
        dialog = self.dialog() if rng.random() < 0.5 else None
        if dialog is not None:
            call_id, sender, to = dialog
        start = f"{method} {rng.choice(_URIS)} SIP/2.0"
        if rng.random() < 0.1:
            start = f"SIP/2.0 {rng.choice((100, 180, 200, 302, 401, 422, 491, 503, 700))} Odd"
        body = rng.choice(("", "", _DESCRIPTION))
        lines = [
            start,
            f"Via: SIP/2.0/{transport} 127.0.0.1:9;rport;branch=z9hG4bKh{rng.choice((self._count, 1, 2))}",
            f"From: {sender}",
            f"To: {to}",
            f"Call-ID: {call_id}",
            f"CSeq: {rng.choice((1, self._count, self._count, 4294967295, 99999999999))} {method}",
            "Contact: <sip:7@127.0.0.9:9>",
            *rng.sample(_LINES, rng.randrange(4)),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return self._broken("\r\n".join([*lines, "", body]).encode())

    def _broken(self, octets: bytes) -> bytes:
        rng = self.random
        for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
            at = rng.randrange(len(octets) + 1)
            match rng.randrange(5):
                case 0:
                    octets = octets[:at]
                case 1:
                    octets = octets[:at] + bytes([rng.randrange(256)]) + octets[at + 1 :]
                case 2:
                    octets = octets[:at] + rng.choice(_STRANGE) + octets[at:]
                case 3:
                    octets = octets[:at] + octets[at + rng.randrange(40) :]
                case _:
                    octets = octets[:at] + octets[: rng.randrange(200)] + octets[at:]
        return octets[:60_000]
