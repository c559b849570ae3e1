"""Where passwords stand: one place for each, and it can be read."""

from __future__ import annotations

import os
from typing import Any

from ccbs.config.document import Document
from ccbs.config.plain import text
from ccbs.config.problem import FieldPath

__all__ = ["check_asterisk_password", "check_subscriber_password", "check_trunk_password"]

_PASSWORD = ("password", "password_file", "password_env")
_HA1 = ("ha1_md5", "ha1_sha256")


def check_asterisk_password(document: Document, path: FieldPath, entry: dict[str, Any]) -> None:
    """Note what is wrong with the password of Asterisk's user."""
    expected = "password_file, password_env or password"
    if not _check_sources(document, path, entry, expected) and entry:
        document.problem(path, "has no password", expected, "add one, that of ari.conf")


def check_subscriber_password(document: Document, path: FieldPath, entry: dict[str, Any]) -> None:
    """Note what is wrong with a subscriber's password or HA1."""
    expected = "a password (password, password_file or password_env) or its HA1 (ha1_md5, ha1_sha256)"
    given = _check_sources(document, path, entry, expected, (*_PASSWORD, *_HA1))
    if not given:
        document.problem(path, "has no password", expected, "add one; `ccbs ha1` makes the HA1")
    hashed = [name for name in given if name in _HA1]
    if hashed and entry.get("digest") is not None:
        document.problem(
            (*path, "digest"),
            f"stands beside {hashed[0]}, which says it already",
            "digest beside a password only",
            "remove it",
            key=True,
        )


def check_trunk_password(document: Document, path: FieldPath, entry: dict[str, Any]) -> None:
    """Note what is wrong with the user name and password of a trunk."""
    given = _check_sources(document, path, entry, "one source of the password")
    if given and entry.get("username") is None:
        document.problem(
            (*path, given[0]), "is given without a username", "both or neither", "add username", key=True
        )
    if entry.get("username") is not None and not given:
        document.problem(
            (*path, "username"),
            "is given without a password",
            "both or neither",
            "add password, password_file or password_env",
            key=True,
        )


def _check_sources(
    document: Document,
    path: FieldPath,
    entry: dict[str, Any],
    expected: str,
    fields: tuple[str, ...] = _PASSWORD,
) -> list[str]:
    """Note a password that stands in two places or cannot be read; the fields that are given."""
    given = [name for name in fields if entry.get(name) is not None]
    # Both HA1 may be given: they are of one password.
    if len(given) > 1 and given[0] not in _HA1:
        document.problem(
            (*path, given[1]), f"stands beside {given[0]}", expected, "keep one of the two", key=True
        )
    for name in given:
        _check_secret(document, path, name, entry[name])
    return given


def _check_secret(document: Document, path: FieldPath, name: str, value: Any) -> None:
    source = text(value)
    if source is None or name not in ("password_file", "password_env"):
        return
    if name == "password_env":
        if not os.environ.get(source):
            document.problem(
                (*path, name),
                f"the environment variable {source} is not set",
                "a variable that holds the password",
                "set it before the start",
            )
        return
    file = document.file.parent / source
    try:
        with file.open(encoding="utf-8") as stream:
            password = stream.readline(1024).strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        document.problem((*path, name), f"{file} cannot be read: {why}", "a readable file", "check the path")
        return
    if not password:
        document.problem(
            (*path, name), f"{file} has an empty first line", "the password in it", "write it there"
        )
