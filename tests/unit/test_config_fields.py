"""What is said about a single wrong field: line, path, what was wrong, what was expected, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_config import SOUND, marked_line, problems, write

from ccbs.config import load

CASES = {
    "range above": (
        SOUND + "profiles: {autodial: {attempts: 25}} #!",
        "profiles.autodial.attempts",
        ("25 is out of range", "a whole number from 1 to 20", "choose a value within it"),
    ),
    "range below": (
        SOUND + "profiles:\n  autodial:\n    offer_window_s: 4 #!",
        "profiles.autodial.offer_window_s",
        ("4 is out of range", "a whole number from 5 to 300", "choose a value within it"),
    ),
    "port": (
        "listen:\n  realm: r\n  port: 70000 #!\nnumbering: {internal: [1XX]}\n",
        "listen.port",
        ("70000 is out of range", "a whole number from 0 to 65535", "choose a value within it"),
    ),
    "number in quotes": (
        'listen:\n  realm: r\n  port: "5060" #!\nnumbering: {internal: [1XX]}\n',
        "listen.port",
        ("'5060' is of the wrong kind", "a whole number from 0 to 65535", "remove the quotes"),
    ),
    "fraction": (
        SOUND + "limits:\n  engine: {recalls_at_once: 1.5} #!",
        "limits.engine.recalls_at_once",
        ("1.5 is of the wrong kind", "a whole number from 1 to 100000", "correct it"),
    ),
    "truth value of YAML 1.1": (
        SOUND.replace("  password", "  call_waiting: off #!\n  password"),
        "subscribers[0].call_waiting",
        ("'off' is of the wrong kind", "true or false", "write true or false"),
    ),
    "list for a truth value": (
        SOUND.replace("  password", "  call_waiting: [] #!\n  password"),
        "subscribers[0].call_waiting",
        ("a list is of the wrong kind", "true or false", "correct it"),
    ),
    "truth value for a text": (
        SOUND.replace("  password", "  name: true #!\n  password"),
        "subscribers[0].name",
        ("is the truth value true, not text", "a name", "write it in quotes"),
    ),
    "list for a text": (
        SOUND.replace("  password", "  name: [a] #!\n  password"),
        "subscribers[0].name",
        ("is a list, not text", "a name", "write it in quotes"),
    ),
    "text for a mapping": (
        SOUND + "limits: none #!",
        "limits",
        ("'none' is of the wrong kind", "a mapping with engine, endpoint", "correct it"),
    ),
    "section with nothing in it": (
        SOUND + "trunks: #!\n",
        "trunks",
        ("is empty", "a list", "fill it in or remove it"),
    ),
    "mapping for a list": (
        SOUND + "trunks: {city: 1} #!",
        "trunks",
        ("a mapping is of the wrong kind", "a list", "correct it"),
    ),
    "entry that is no mapping": (
        SOUND.replace("numbering:", "- 5 #!\nnumbering:"),
        "subscribers[1]",
        ("5 is of the wrong kind", "a mapping with number, name, password", "correct it"),
    ),
    "unknown field with a likeness": (
        SOUND.replace("  password", "  pasword: x #!\n  password"),
        "subscribers[0].pasword",
        ("is not a field here", "one of number, name, password", "did you mean password?"),
    ),
    "unknown field with no likeness": (
        SOUND + "zzz: 1 #!",
        "zzz",
        ("is not a field here", "one of listen, switch, subscribers", "remove it"),
    ),
    "unknown switch": (
        SOUND + "switch: asterisk #!",
        "switch",
        ("'asterisk' is not known", "sip", "correct it"),
    ),
    "missing field": (
        "listen: #!\n  port: 5060\nnumbering: {internal: [1XX]}\n",
        "listen.realm",
        ("is missing", "a realm", "add it"),
    ),
    "hash that begins a comment": (
        SOUND + "service_codes:\n  autodial: #!\n",
        "service_codes.autodial",
        ("is empty", "two or three digits such as 37", "unquoted, # begins a comment"),
    ),
    "service code": (
        SOUND + "service_codes:\n  autodial: 3700 #!\n",
        "service_codes.autodial",
        ("is 4 characters long", "two or three digits such as 37", "correct it"),
    ),
    "address": (
        "listen:\n  realm: r\n  address: 1.2.3.400 #!\nnumbering: {internal: [1XX]}\n",
        "listen.address",
        ("'1.2.3.400' is no IP address", "an IP address such as 192.0.2.10", "correct it"),
    ),
    "realm": (
        'listen:\n  realm: a"b #!\nnumbering: {internal: [1XX]}\n',
        "listen.realm",
        ("'a\"b' does not fit", 'a realm without " and \\', "correct it"),
    ),
    "name where an address is needed": (
        SOUND.replace("{realm", "{advertise: sip.example, realm").replace("example}", "example} #!"),
        "listen.advertise",
        ("'sip.example' is no IP address", "an IP address such as 192.0.2.10", "correct it"),
    ),
    "no digest at all": (
        SOUND.replace("  password", "  digest: [] #!\n  password"),
        "subscribers[0].digest",
        ("has 0 entries", "a list of MD5, SHA-256, at least 1", "correct it"),
    ),
    "unknown digest": (
        SOUND.replace("  password", "  digest: [SHA-1] #!\n  password"),
        "subscribers[0].digest[0]",
        ("'SHA-1' is not known", "one of MD5, SHA-256", "correct it"),
    ),
    "host": (
        SOUND + "trunks:\n- name: city\n  address: bad host #!\n",
        "trunks[0].address",
        ("'bad host' is no address", "an IP address or a host name", "correct it"),
    ),
    "control character": (
        SOUND.replace("  password", '  name: "a\\tb" #!\n  password'),
        "subscribers[0].name",
        ("holds the control character U+0009", "a name, printable", "remove it"),
    ),
    "empty text": (
        SOUND.replace("  password", '  name: "" #!\n  password'),
        "subscribers[0].name",
        ("is empty", "a name, at most 128 characters", "correct it"),
    ),
    "number with letters out of place": (
        SOUND.replace("number: 101", "number: 1 01 #!"),
        "subscribers[0].number",
        ("'1 01' does not fit", "a number such as 101", "correct it"),
    ),
    "HA1 of the wrong length": (
        SOUND.replace("password: secret-101", "ha1_md5: c0ffee #!"),
        "subscribers[0].ha1_md5",
        ("the value given does not fit", "32 hexadecimal digits", "correct it"),
    ),
    "prefix": (
        SOUND.replace("[1XX]", "[1XX]\n  external:\n  - {prefix: 9a, trunk: city} #!")
        + "trunks: [{name: city, address: 127.0.0.1}]\n",
        "numbering.external[0].prefix",
        ("'9a' does not fit", "1 to 64 of 0-9 * # +", "correct it"),
    ),
}


@pytest.mark.parametrize(("text", "field", "said"), CASES.values(), ids=CASES.keys())
def test_a_wrong_field(tmp_path: Path, text: str, field: str, said: tuple[str, str, str]) -> None:
    found = problems(tmp_path, text)
    assert [problem.field for problem in found] == [field]
    (problem,) = found
    assert problem.file == tmp_path / "ccbs.yml"
    assert problem.line == marked_line(text)
    assert said[0] in problem.what
    assert said[1] in problem.expected
    assert said[2] in problem.todo
    assert str(problem).startswith(f"{tmp_path}/ccbs.yml:{problem.line}: {field}: ")


def test_every_error_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = """\
listen: {adress: 127.0.0.1, port: x}
switch: isdn
subscribers:
- number: 901
- number: 101
  password: a
  password: b
- number: 101
  ha1_md5: zz
numbering:
  internal: [1XX]
  external: [{prefix: 9, trunk: city}]
limits: {engine: {orders_total: 0}}
prompts: {overrides: {ru: {activated: nowhere.wav}}}
"""
    found = problems(tmp_path, text)
    assert [(problem.line, problem.field) for problem in found] == [
        (1, "listen.adress"),
        (1, "listen.port"),
        (1, "listen.realm"),
        (2, "switch"),
        (4, "subscribers[0]"),
        (4, "subscribers[0].number"),
        (7, "subscribers[1].password"),
        (8, "subscribers[2].number"),
        (9, "subscribers[2].ha1_md5"),
        (12, "numbering.external[0].trunk"),
        (13, "limits.engine.orders_total"),
        (14, "prompts.overrides.ru.activated"),
    ]


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    text = SOUND.replace("password: secret-101", "password: [hush-hush]\n  ha1_md5: hush-hush")
    assert all("hush" not in str(problem) for problem in problems(tmp_path, text))


def test_numbers_are_texts_however_they_are_written(tmp_path: Path) -> None:
    text = (
        SOUND.replace("number: 101", "number: 0101").replace("[1XX]", "[01XX]").replace("secret-101", "12.50")
    )
    config = load(write(tmp_path, text))
    (subscriber,) = config.subscribers
    assert subscriber.number == "0101"
    assert subscriber.password is not None
    assert subscriber.password.get_secret_value() == "12.50"
