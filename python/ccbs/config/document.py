"""YAML as plain Python data that remembers its lines.

Numbers keep the text they were written as: a phone number such as ``0101`` must not become 101.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ccbs.config.problem import ConfigError, FieldPath, Problem

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Document", "WrittenFloat", "WrittenInt", "read"]

MAX_BYTES = 64 * 1024 * 1024
"""The largest file read."""

MAX_VALUES = 2_000_000
"""The most values a file may hold once its aliases are followed."""

MAX_DEPTH = 32
"""How deep lists and mappings may be nested."""

_TAG = "tag:yaml.org,2002:"


class WrittenInt(int):
    """A whole number with the text it was written as."""

    text: str

    def __new__(cls, value: int, text: str) -> WrittenInt:
        self = super().__new__(cls, value)
        self.text = text
        return self


class WrittenFloat(float):
    """A number with the text it was written as."""

    text: str

    def __new__(cls, value: float, text: str) -> WrittenFloat:
        self = super().__new__(cls, value)
        self.text = text
        return self


@dataclass(slots=True)
class Document:
    """A YAML file that was read.

    :ivar file: where from.
    :ivar data: mappings, lists, texts, numbers, booleans and None.
    :ivar problems: what was wrong in spite of which the rest could be read.
    """

    file: Path
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    _keys: dict[FieldPath, int] = field(default_factory=dict)
    _values: dict[FieldPath, int] = field(default_factory=dict)

    def line(self, path: FieldPath, *, key: bool = False) -> int:
        """The line of a field; of the nearest field above it where it is not written.

        :param key: the line of its name rather than of its value.
        :returns: the line, from 1.
        """
        while path:
            for lines in (self._keys, self._values) if key else (self._values, self._keys):
                if path in lines:
                    return lines[path]
            path, key = path[:-1], True
        return 1

    def problem(self, path: FieldPath, what: str, expected: str, todo: str, *, key: bool = False) -> None:
        """Note that a field is wrong."""
        self.problems.append(Problem(self.file, self.line(path, key=key), path, what, expected, todo))


def read(file: Path) -> Document:
    """Read a YAML file.

    :raises ConfigError: when it cannot be read at all, or is no YAML.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            [Problem(file, 0, (), f"cannot be read: {error.strerror}", "a readable file", _file_todo(error))]
        ) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            [Problem(file, 0, (), "is too large", f"at most {MAX_BYTES:,} bytes", "split it by server")]
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise ConfigError([Problem(file, line, (), what, "UTF-8 text", "save the file as UTF-8")]) from None
    return _parse(file, text)


def _file_todo(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "let the user that runs ccbs read it"
    return "check the path"


def _parse(file: Path, text: str) -> Document:
    yaml = YAML(typ="rt", pure=True)
    document = Document(file)
    try:
        node = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise ConfigError(
            [
                Problem(
                    file,
                    line,
                    (),
                    f"is not valid YAML: {what}",
                    "valid YAML",
                    "correct the line or the one above it",
                )
            ]
        ) from None
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise ConfigError(
            [Problem(file, 0, (), f"is not valid YAML: {what}", "valid YAML", "correct it")]
        ) from None
    except RecursionError:
        raise ConfigError(
            [
                Problem(
                    file, 0, (), "is nested too deeply", f"at most {MAX_DEPTH} levels", "correct the brackets"
                )
            ]
        ) from None
    if node is not None:
        document.data = _Builder(document).build(node, ())
    return document


_TRUE = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SCALARS: dict[str, Callable[[str], Any]] = {
    "int": lambda text: WrittenInt(_whole(text), text),
    "float": lambda text: WrittenFloat(_number(text), text),
    "bool": lambda text: _TRUE[text],
    "null": lambda _: None,
    "str": lambda text: text,
    "timestamp": lambda text: text,
}


def _whole(text: str) -> int:
    plain = text.replace("_", "")
    unsigned = plain.lstrip("+-")
    return int(plain, 0) if unsigned[:2].lower() in ("0x", "0o", "0b") else int(plain, 10)


def _number(text: str) -> float:
    plain = text.replace("_", "").lower()
    if plain.lstrip("+-") == ".inf":
        return -math.inf if plain[0] == "-" else math.inf
    return math.nan if plain == ".nan" else float(plain)


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def build(self, node: Node, path: FieldPath) -> Any:
        self._values += 1
        file, line = self._document.file, node.start_mark.line + 1
        if self._values > MAX_VALUES:
            raise ConfigError(
                [
                    Problem(
                        file, 0, (), "holds too many values", f"at most {MAX_VALUES:,}", "use fewer aliases"
                    )
                ]
            )
        if len(path) > MAX_DEPTH:
            what = "is nested too deeply"
            raise ConfigError(
                [Problem(file, line, (), what, f"at most {MAX_DEPTH} levels", "correct the brackets")]
            )
        self._document._values.setdefault(path, line)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        raise TypeError(node)

    def _scalar(self, node: ScalarNode, path: FieldPath) -> Any:
        tag = str(node.tag)
        make = _SCALARS.get(tag.removeprefix(_TAG)) if tag.startswith(_TAG) else None
        if make is not None:
            try:
                return make(node.value)
            except (ValueError, KeyError):
                pass
        self._document.problem(
            path,
            f"{node.value!r} cannot be read as {tag.removeprefix(_TAG)}",
            "plain text or a number",
            "remove the tag",
        )
        return None

    def _mapping(self, node: MappingNode, path: FieldPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if str(key_node.tag) == f"{_TAG}merge":
                merged.append(value_node)
                continue
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._document.problems.append(
                    Problem(
                        self._document.file,
                        line,
                        path,
                        "has a key that is no text",
                        "a name",
                        "write a plain name",
                    )
                )
                continue
            # A key is a name, whatever YAML would make of it: `101:` and `no:` too.
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                first = self._document._keys[here]
                self._document.problems.append(
                    Problem(
                        self._document.file,
                        line,
                        here,
                        f"is given twice, first in line {first}",
                        "each field once",
                        "remove one of the two",
                    )
                )
                continue
            self._document._keys.setdefault(here, line)
            if value_node.value == "":
                # What is not written is placed by YAML where the next thing begins.
                self._document._values[here] = line
            result[key] = self.build(value_node, here)
        for value_node in merged:
            self._merge(value_node, path, result)
        return result

    def _merge(self, node: Node, path: FieldPath, into: dict[str, Any]) -> None:
        parts = node.value if isinstance(node, SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, MappingNode):
                line = part.start_mark.line + 1
                self._document.problems.append(
                    Problem(
                        self._document.file,
                        line,
                        path,
                        "merges (<<) what is no mapping",
                        "a mapping",
                        "remove it",
                    )
                )
                continue
            for key, value in self._mapping(part, path).items():
                into.setdefault(key, value)
