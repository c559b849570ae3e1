"""What no single field can tell: references, duplicates, files.

The checks read the plain data and pass over what has the wrong shape, so that they run, and their findings
are told, even where the model found faults.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ccbs.config.asterisk import check_asterisk
from ccbs.config.credential_checks import (
    check_asterisk_password,
    check_subscriber_password,
    check_trunk_password,
)
from ccbs.config.document import Document
from ccbs.config.limit_checks import check_limits
from ccbs.config.listen_checks import check_listen, check_transport
from ccbs.config.plain import entries, section, text
from ccbs.config.problem import ConfigError, FieldPath
from ccbs.config.prompt_files import check_prompts
from ccbs.config.service_checks import check_services
from ccbs.config.validate import meant
from ccbs.config.written import is_number
from ccbs.numbering import DialPattern
from ccbs.provisioning.preset import read_pack

__all__ = ["check_references", "find_coroutine"]

SOCKET_PATH_BYTES = 107
"""The longest path a Unix socket can have (``sun_path``)."""


def check_references(document: Document) -> None:
    """Note everything wrong between the fields of a configuration and with the files it names."""
    data = document.data
    if not isinstance(data, dict):
        return
    patterns = _check_patterns(document, data)
    if data.get("switch") == "asterisk":
        _check_numbers(document, data, patterns)
        check_asterisk(document, data)
        check_asterisk_password(document, ("asterisk",), section(data, "asterisk"))
        check_services(document, data)
        check_prompts(document, data)
        _check_paths(document, data)
        return
    _check_numbers(document, data, patterns)
    for path, entry in entries(data, "subscribers"):
        check_subscriber_password(document, path, entry)
    _check_trunks(document, data)
    _check_external(document, data)
    _check_packs(document, data)
    check_listen(document, data)
    check_limits(document, data)
    check_services(document, data)
    check_prompts(document, data)
    _check_paths(document, data)
    _check_route(document, data)


def _unique(
    document: Document, entries: Iterator[tuple[FieldPath, dict[str, Any]]], field: str
) -> dict[str, FieldPath]:
    seen: dict[str, FieldPath] = {}
    for path, entry in entries:
        value = text(entry.get(field))
        if value is None:
            continue
        if value in seen:
            first = document.line(seen[value])
            document.problem(
                (*path, field),
                f"{value!r} is given twice, first in line {first}",
                f"each {field} once",
                "change or remove one of the two",
            )
        seen.setdefault(value, (*path, field))
    return seen


def _check_patterns(document: Document, data: dict[str, Any]) -> list[DialPattern] | None:
    """The internal patterns; None when one of them is wrong, so that no number is blamed for it."""
    internal = section(data, "numbering").get("internal")
    patterns: list[DialPattern] = []
    sound = isinstance(internal, list)
    for index, pattern in enumerate(internal if isinstance(internal, list) else []):
        written = text(pattern)
        if written is None:
            sound = False
            continue
        try:
            patterns.append(DialPattern(written))
        except ValueError as error:
            sound = False
            document.problem(
                ("numbering", "internal", index),
                str(error).split("; expected")[0],
                "digits, X = 0-9, Z = 1-9, N = 2-9, [1-35] = a set, a final . = one or more digits",
                "correct it",
            )
    return patterns if sound else None


def _check_numbers(document: Document, data: dict[str, Any], patterns: list[DialPattern] | None) -> None:
    _unique(document, entries(data, "subscribers"), "number")
    for path, entry in entries(data, "subscribers"):
        number = text(entry.get("number"))
        if number is None or patterns is None or not is_number(number):
            pass
        elif not any(pattern.matches(number) for pattern in patterns):
            document.problem(
                (*path, "number"),
                f"{number!r} fits no pattern of numbering.internal",
                "a number that can be dialled",
                "add a pattern for it",
            )


def _check_trunks(document: Document, data: dict[str, Any]) -> None:
    _unique(document, entries(data, "trunks"), "name")
    # A trunk is known by the address that its calls come from.
    _unique(document, entries(data, "trunks"), "address")
    for path, entry in entries(data, "trunks"):
        check_trunk_password(document, path, entry)
        if entry.get("register") is not None and entry.get("username") is None:
            document.problem(
                (*path, "register"),
                "is given without a username",
                "the username that is registered, and its password",
                "add username and password",
                key=True,
            )
        check_transport(document, data, path, entry)


def _check_external(document: Document, data: dict[str, Any]) -> None:
    trunks = sorted({name for _, entry in entries(data, "trunks") if (name := text(entry.get("name")))})
    numbering = section(data, "numbering")
    _unique(
        document,
        (((*("numbering",), *path), entry) for path, entry in entries(numbering, "external")),
        "prefix",
    )
    for path, entry in entries(numbering, "external"):
        trunk = text(entry.get("trunk"))
        if trunk is not None and trunk not in trunks:
            known = (
                f"one of {', '.join(trunks)}" if trunks else "a trunk of the section trunks, which is empty"
            )
            document.problem(
                ("numbering", *path, "trunk"),
                f"no trunk is named {trunk!r}",
                known,
                meant(trunk, trunks, "add the trunk"),
            )


def _check_packs(document: Document, data: dict[str, Any]) -> None:
    directory = document.file.parent / (
        text(section(data, "provisioning").get("softkey_packs")) or "presets/softkey_pack_presets"
    )
    seen: set[str] = set()
    for path, entry in entries(data, "subscribers"):
        name = text(entry.get("softkey_pack"))
        # A name with a path in it is refused by the model; it must not lead out of the directory here.
        if name is None or "/" in name or name.startswith(".") or name in seen:
            continue
        file = directory / f"{name}.yml"
        if not file.is_file():
            names = sorted(found.stem for found in directory.glob("*.yml")) if directory.is_dir() else []
            known = f"one of {', '.join(names)}" if names else f"a preset in {directory}"
            document.problem(
                (*path, "softkey_pack"),
                f"there is no preset {file}",
                known,
                meant(name, names, "write the preset"),
            )
            continue
        seen.add(name)
        try:
            read_pack(file)
        except ConfigError as error:
            document.problems.extend(error.problems)


def _check_paths(document: Document, data: dict[str, Any]) -> None:
    base = document.file.parent
    log = text(section(data, "call_log").get("file"))
    if log is not None and not (base / log).parent.is_dir():
        document.problem(
            ("call_log", "file"),
            f"there is no directory {(base / log).parent}",
            "a file in a directory that exists",
            "make the directory",
        )
    store = text(section(data, "store").get("path"))
    if store is not None and not (base / store).parent.is_dir():
        document.problem(
            ("store", "path"),
            f"there is no directory {(base / store).parent}",
            "a file in a directory that exists",
            "make the directory",
        )
    socket = text(section(data, "control").get("socket"))
    if socket is None:
        return
    path = base / socket
    length = len(os.fsencode(os.path.abspath(path)))
    if length > SOCKET_PATH_BYTES:
        document.problem(
            ("control", "socket"),
            f"the path is {length} bytes long",
            f"at most {SOCKET_PATH_BYTES} (a limit of the system)",
            "choose a shorter path",
        )
    elif not path.parent.is_dir():
        document.problem(
            ("control", "socket"),
            f"there is no directory {path.parent}",
            "a file in a directory that exists",
            "make the directory",
        )


def find_coroutine(name: str, base: Path) -> Callable[..., Any]:
    """The operator's own coroutine.

    :param name: ``module:function``; the module lies on the Python path or in ``base``.
    :param base: the directory of the configuration.
    :raises ValueError: with what is wrong with it.
    """
    module, colon, function = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), function)):
        raise ValueError(f"{name!r} is not of the form module:function")
    directory = os.path.abspath(base)
    if directory not in sys.path:
        sys.path.append(directory)
    try:
        found: Any = getattr(importlib.import_module(module), function, None)
    # What a module of the operator's raises at import is not ours to know.
    except Exception as error:
        raise ValueError(f"the module {module} cannot be imported: {error!r}") from error
    call = getattr(found, "__call__", None)  # noqa: B004
    if not (inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(call)):
        raise ValueError(f"the module {module} has no coroutine function {function}")
    coroutine: Callable[..., Any] = found
    return coroutine


def _check_route(document: Document, data: dict[str, Any]) -> None:
    name = text(data.get("route"))
    if name is None:
        return
    try:
        find_coroutine(name, document.file.parent)
    except ValueError as error:
        document.problem(
            ("route",),
            str(error),
            "module:function, a coroutine function that can be imported",
            "correct it; the module is looked for beside this file and on PYTHONPATH",
        )
