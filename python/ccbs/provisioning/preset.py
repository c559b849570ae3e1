"""Softkey presets: the keys an operator gives to phones, in no vendor's language.

The file is that of the reference (service.md, "Set-up" 1), read as it stands::

    keys:
    - type: callback-on-fail
      label: Обратный вызов
      position: 2
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ccbs.config.document import Document, read
from ccbs.config.plain import entries
from ccbs.config.problem import ConfigError, FieldPath
from ccbs.config.section import Section
from ccbs.config.validate import validate
from ccbs.config.written import Label

__all__ = ["MAX_POSITION", "Key", "SoftkeyPack", "dial_string", "read_pack"]

MAX_POSITION = 10
"""The most keys a pack may have: the slots of the phones known."""


class Key(Section):
    """One softkey.

    :ivar type: what it does; `callback-on-fail` is shown when a call has failed and orders the callback.
    :ivar label: what the display shows.
    :ivar position: its place, from 1.
    """

    type: Literal["callback-on-fail"]
    label: Label
    position: Annotated[int, Field(ge=1, le=MAX_POSITION)]


class SoftkeyPack(Section):
    """A preset.

    :ivar keys: its keys.
    """

    keys: Annotated[list[Key], Field(max_length=MAX_POSITION)]


def dial_string(key: Key, service_digits: str) -> str:
    """What the key dials.

    :param key: the key.
    :param service_digits: the digits of the service, e.g. ``37``.
    :returns: e.g. ``*37#``: the order for the last number that failed.
    """
    match key.type:
        case "callback-on-fail":
            return f"*{service_digits}#"


def read_pack(file: Path) -> SoftkeyPack:
    """Read a preset.

    :param file: the YAML file.
    :raises ConfigError: with everything that is wrong with it.
    """
    document = read(file)
    pack = validate(document, SoftkeyPack)
    _check_positions(document)
    if pack is None or document.problems:
        raise ConfigError(document.problems)
    return pack


def _check_positions(document: Document) -> None:
    taken: dict[int, FieldPath] = {}
    for path, key in entries(document.data if isinstance(document.data, dict) else {}, "keys"):
        position = key.get("position")
        if not isinstance(position, int):
            continue
        if position in taken:
            document.problem(
                (*path, "position"),
                f"{position} is taken by the key of line {document.line(taken[position])}",
                "a position for each key",
                "choose another",
            )
        taken.setdefault(int(position), (*path, "position"))
