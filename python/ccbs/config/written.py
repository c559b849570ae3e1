"""Types of the fields: what may be written, and how it is said when it is not."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from ccbs.config.document import WrittenFloat, WrittenInt
from ccbs.subscribers import NUMBER_PATTERN

__all__ = [
    "Address",
    "DialString",
    "Ha1Md5",
    "Ha1Sha256",
    "Host",
    "Label",
    "Name",
    "PhoneNumber",
    "Realm",
    "Secret",
    "ServiceDigits",
    "Text",
    "Word",
    "as_written",
    "is_number",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def as_written(value: Any) -> Any:
    """Give a plain number back as the text it was written as; leave everything else."""
    return value.text if isinstance(value, WrittenInt | WrittenFloat) else value


def _wrong(what: str, expected: str, todo: str) -> PydanticCustomError:
    # Braces would be read as a template.
    return PydanticCustomError("ccbs", "{what}", {"what": what, "expected": expected, "todo": todo})


def _text(
    expected: str, longest: int, pattern: str | None = None, *, secret: bool = False
) -> BeforeValidator:
    compiled = re.compile(pattern) if pattern else None

    def check(value: Any) -> Any:
        value = as_written(value)
        if not isinstance(value, str):
            todo = "write it in quotes"
            if value is None:
                todo += " (unquoted, # begins a comment)"
            shown = "is empty" if value is None else f"is {_kind(value)}, not text"
            raise _wrong(shown, expected, todo)
        shown = "the value given" if secret else repr(value if len(value) <= 40 else value[:40] + "…")
        if not value or len(value) > longest:
            length = "is empty" if not value else f"is {len(value)} characters long"
            raise _wrong(length, f"{expected}, at most {longest} characters", "correct it")
        if control := _CONTROL.search(value):
            raise _wrong(
                f"{shown} holds the control character U+{ord(control[0]):04X}",
                f"{expected}, printable",
                "remove it",
            )
        if compiled and not compiled.fullmatch(value):
            raise _wrong(f"{shown} does not fit", expected, "correct it")
        return value

    return BeforeValidator(check)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else type(value).__name__


def _schema(expected: str, *, pattern: str | None = None, number: bool = True) -> WithJsonSchema:
    text: dict[str, Any] = {"type": "string"}
    if pattern:
        text["pattern"] = f"^(?:{pattern})$"
    if not number:
        return WithJsonSchema({"title": expected, **text})
    return WithJsonSchema({"title": expected, "anyOf": [text, {"type": "number"}]})


def _host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    labels = value.rstrip(".").split(".")
    looks_like_ip = all(label.isdigit() for label in labels)
    if looks_like_ip or len(value) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise _wrong(f"{value!r} is no address", "an IP address or a host name", "correct it")
    return value


def _address(value: Any) -> Any:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise _wrong(
            f"{value!r} is no IP address", "an IP address such as 192.0.2.10", "correct it"
        ) from None


_DIAL = r"[0-9*#+]{1,64}"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_REALM = r'[^"\\]{1,128}'
_IP = "an IP address such as 192.0.2.10"


def is_number(text: str) -> bool:
    """Whether a text may be a subscriber's number."""
    return re.fullmatch(NUMBER_PATTERN, text) is not None


# Validators written later run first.
Text = Annotated[str, _text("text", 1024), _schema("text")]
Name = Annotated[str, _text("a name", 128), _schema("a name")]
Realm = Annotated[
    str, _text('a realm without " and \\', 128, _REALM), _schema('a realm without " and \\', pattern=_REALM)
]
Word = Annotated[
    str,
    _text("a word of letters, digits, - _ and .", 64, _WORD),
    _schema("a word of letters, digits, - _ and .", pattern=_WORD),
]
PhoneNumber = Annotated[
    str,
    _text("a number such as 101 (digits, letters, . _ -, perhaps a leading +)", 65, NUMBER_PATTERN),
    _schema("a number such as 101 (digits, letters, . _ -, perhaps a leading +)", pattern=NUMBER_PATTERN),
]
DialString = Annotated[
    str, _text("1 to 64 of 0-9 * # +", 64, _DIAL), _schema("1 to 64 of 0-9 * # +", pattern=_DIAL)
]
ServiceDigits = Annotated[
    str, _text("two or three digits such as 37", 3, "[0-9]{2,3}"), _schema("two or three digits such as 37")
]
Address = Annotated[str, BeforeValidator(_address), _text(_IP, 64), _schema(_IP, number=False)]
Host = Annotated[
    str,
    BeforeValidator(_host),
    _text("an IP address or a host name", 253),
    _schema("an IP address or a host name", number=False),
]
Ha1Md5 = Annotated[
    str, _text("32 hexadecimal digits", 32, "[0-9a-fA-F]{32}", secret=True), _schema("32 hexadecimal digits")
]
Ha1Sha256 = Annotated[
    str, _text("64 hexadecimal digits", 64, "[0-9a-fA-F]{64}", secret=True), _schema("64 hexadecimal digits")
]
Secret = Annotated[SecretStr, _text("a password", 256, secret=True), _schema("a password")]


def _label(value: str) -> str:
    if "$" in value:
        raise _wrong(f"{value!r} holds $", "a label without $ (phones read it as a command)", "remove the $")
    return value


Label = Annotated[str, BeforeValidator(_label), _text("a label", 64), _schema("a label")]
