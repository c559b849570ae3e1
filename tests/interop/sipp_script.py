"""What SIPp plays, put together from the messages of a call; a run's keys fill in numbers and addresses."""

from __future__ import annotations

from typing import Final

__all__ = ["called", "dialled", "register"]

_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport"
_CONTACT = "Contact: <sip:[user]@[local_ip]:[local_port];transport=[via]>"
_FROM = "From: <sip:[user]@[remote_ip]>;tag=[tag]"
_TO = "To: <sip:[dialled]@[remote_ip]:[remote_port]>"
_EMPTY = "Content-Length: 0"
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="phone">"""
_TALK_MS: Final = 2_000
"""How long SIPp's user talks before he transfers, and how long he holds; nothing is waited for by it."""


def _sdp(direction: str, version: int = 1) -> str:
    return f"""Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 {version} IN IP[ip] [rtp_host]
s=-
c=IN IP[ip] [rtp_host]
t=0 0
m=audio [rtp_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=ptime:20
a={direction}"""


def _send(message: str, *, again: bool = False) -> str:
    lines = "\n".join(f"      {line}".rstrip() for line in message.split("\n"))
    end = "\n" if message.endswith(_EMPTY) else ""
    start = '  <send retrans="500">' if again else "  <send>"
    return f"{start}<![CDATA[\n{lines}\n{end}    ]]></send>"


def _request(method: str, uri: str, cseq: int, *lines: str, to: str = f"{_TO}[peer_tag_param]") -> str:
    head = (_VIA, _FROM, to, "Call-ID: [cid]///[call_id]", f"CSeq: {cseq} {method}", "Max-Forwards: 70")
    return "\n".join((f"{method} {uri} SIP/2.0", *head, *lines))


def _answer(status: str, *lines: str, tag: bool = False) -> str:
    to = f"[last_To:]{';tag=[tag]' if tag else ''}"
    head = ("[last_Via:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]")
    return _send("\n".join((f"SIP/2.0 {status}", *head, *lines)), again=bool(len(lines) > 1))


def _within(method: str, cseq: int, *lines: str) -> str:
    """A request within the call that SIPp has dialled."""
    return _send(_request(method, "[next_url]", cseq, *lines), again=method != "ACK")


def _in_call() -> str:
    """Until the far side hangs up: it may move its media, and tell of a transfer."""
    return "\n".join(
        [
            '  <label id="0"/>',
            '  <recv request="NOTIFY" optional="true" next="1"/>',
            '  <recv request="INVITE" optional="true" next="2"/>',
            '  <recv request="BYE" next="3"/>',
            '  <label id="1"/>',
            # The jump is the message's own: what arrives before a <nop> would be unexpected.
            _answer("200 OK", _EMPTY).replace("<send", '<send next="0"'),
            '  <label id="2"/>',
            _answer("200 OK", _CONTACT, _sdp("sendrecv", 2)),
            '  <recv request="ACK" next="0"/>',
            '  <label id="3"/>',
            _answer("200 OK", _EMPTY),
        ]
    )


def _reinvited(direction: str, version: int) -> str:
    answer = _answer("200 OK", _CONTACT, _sdp(direction, version))
    return "\n".join(('  <recv request="INVITE"/>', answer, '  <recv request="ACK"/>'))


def _scenario(*parts: str) -> str:
    return "\n".join((_HEAD, *parts, "</scenario>\n"))


def register() -> str:
    """The phone registers; the first try is challenged."""
    uri = "sip:[remote_ip]:[remote_port]"
    own = "To: <sip:[user]@[remote_ip]>"

    def message(cseq: int, *more: str) -> str:
        lines = (_CONTACT, "Expires: 300", *more, _EMPTY)
        return _send(_request("REGISTER", uri, cseq, *lines, to=own), again=True)

    return _scenario(
        message(1), '  <recv response="401" auth="true"/>', message(2, "[authentication]"),
        '  <recv response="200"/>',
    )  # fmt: skip


def dialled(then: str = "", *, refused: int = 0, refer_to: str = "") -> str:
    """The phone dials.

    :param then: what its user does in the call: ``""``, ``bye``, ``hold`` (and resume) or ``refer``.
    :param refused: the status that refuses the call; 0: it is answered, and ends by the far side's BYE.
    :param refer_to: the address of a transfer; the switch is `[remote_ip]:[remote_port]`.
    """
    uri = "sip:[dialled]@[remote_ip]:[remote_port]"

    def invite(cseq: int, *more: str) -> str:
        return _send(_request("INVITE", uri, cseq, _CONTACT, *more, _sdp("sendrecv"), to=_TO), again=True)

    parts = [
        invite(1),
        '  <recv response="100" optional="true"/>',
        '  <recv response="407" auth="true"/>',
        _send(_request("ACK", uri, 1, _EMPTY).replace(_VIA, "[last_Via:]")),
        invite(2, "[authentication]"),
        '  <recv response="100" optional="true"/>',
        '  <recv response="180" optional="true"/>',
    ]
    if refused:
        ack = _send(_request("ACK", uri, 2, _EMPTY).replace(_VIA, "[last_Via:]"))
        return _scenario(*parts, f'  <recv response="{refused}"/>', ack)
    parts += ['  <recv response="200" rrs="true"/>', _within("ACK", 2, _EMPTY)]
    talk = f'  <pause milliseconds="{_TALK_MS}"/>'
    if then == "hold":
        for cseq, direction in ((3, "sendonly"), (4, "sendrecv")):
            parts += [
                talk,
                _within("INVITE", cseq, _CONTACT, _sdp(direction, cseq)),
                '  <recv response="100" optional="true"/>',
                '  <recv response="200"/>',
                _within("ACK", cseq, _EMPTY),
            ]
    if then == "bye":
        return _scenario(*parts, talk, _within("BYE", 3, _EMPTY), '  <recv response="200"/>')
    if then == "refer":
        parts += [talk, _within("REFER", 3, _CONTACT, f"Refer-To: <{refer_to}>", _EMPTY)]
        parts.append('  <recv response="202"/>')
    return _scenario(*parts, _in_call())


def called(*, held: bool = False) -> str:
    """The phone rings and is answered; the far side hangs up.

    :param held: before that the far side holds it and resumes.
    """
    return _scenario(
        '  <recv request="INVITE"/>',
        _answer("180 Ringing", _CONTACT, _EMPTY, tag=True).replace(' retrans="500"', ""),
        _answer("200 OK", _CONTACT, _sdp("sendrecv"), tag=True),
        '  <recv request="ACK"/>',
        *((_reinvited("recvonly", 2), _reinvited("sendrecv", 3)) if held else ()),
        _in_call(),
    )
