"""Checks a document against its model, and says what is wrong in the operator's words."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ccbs.config.document import Document
from ccbs.config.problem import FieldPath
from ccbs.config.schema import draw, expected_at, fields_at
from ccbs.config.written import as_written

__all__ = ["meant", "validate"]

Model = TypeVar("Model", bound=BaseModel)

_SECRET = ("password", "ha1_md5", "ha1_sha256")
_NOT_BOOLEAN = {"yes", "no", "on", "off", "Yes", "No", "On", "Off", "YES", "NO", "ON", "OFF"}


def meant(name: str, names: list[str], otherwise: str) -> str:
    """What to do about a name that is not known.

    :param name: as written.
    :param names: those that are known.
    :param otherwise: what to do where none of them is like it.
    """
    found = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1, cutoff=0.6)
    like = next((known for known in names if found and known.lower() == found[0]), None)
    return f"did you mean {like}?" if like else otherwise


def validate(document: Document, model: type[Model]) -> Model | None:
    """Check a document against a model.

    :returns: the model, or None when the document's ``problems`` say why not.
    """
    if document.data is None:
        document.problem((), "is empty", expected_at(draw(model), ()), "write the configuration")
        return None
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        drawn = draw(model)
        for detail in error.errors(include_url=False):
            _note(document, drawn, detail)
        return None


def _note(document: Document, drawn: dict[str, Any], detail: ErrorDetails) -> None:
    path: FieldPath = detail["loc"]
    kind = detail["type"]
    context = detail.get("ctx", {})
    value = detail["input"]
    if path and path[-1] == "[key]":
        path = path[:-1]
    if kind == "extra_forbidden":
        names = fields_at(drawn, path[:-1])
        todo = meant(str(path[-1]), names, "remove it")
        document.problem(path, "is not a field here", f"one of {', '.join(names)}", todo, key=True)
        return
    expected = str(context.get("expected") or expected_at(drawn, path))
    if kind == "missing":
        document.problem(path, "is missing", expected, "add it", key=True)
    elif kind == "ccbs":
        document.problem(path, str(context["what"]), expected, str(context["todo"]))
    else:
        secret = bool(path) and path[-1] in _SECRET
        shown = "the value given" if secret else _shown(value)
        if kind.startswith(("greater_than", "less_than")):
            document.problem(
                path, f"{shown} is out of range", expected_at(drawn, path), "choose a value within it"
            )
            return
        todo = "correct it" if value is not None else "fill it in or remove it"
        if kind.startswith("bool") and isinstance(value, str) and value in _NOT_BOOLEAN:
            todo = "write true or false (YAML 1.2 knows no yes, no, on, off)"
        elif kind == "int_type" and isinstance(value, str):
            todo = "remove the quotes" if value.isdigit() else "write a number"
        what = "is empty" if value is None else f"{shown} is of the wrong kind"
        if kind in ("too_short", "too_long") and isinstance(value, list):
            what = f"has {len(value)} entries"
            bound = context.get("max_length") or context.get("min_length")
            document.problem(path, what, f"{expected_at(drawn, path)}, {_count(kind, bound)}", todo)
            return
        if kind == "literal_error":
            what = f"{shown} is not known"
            expected = expected_at(drawn, path)
        document.problem(
            path, what, expected_at(drawn, path) if "expected" not in context else expected, todo
        )


def _count(kind: str, bound: object) -> str:
    return f"at {'least' if kind == 'too_short' else 'most'} {bound}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(as_written(value))
    return text if len(text) <= 60 else text[:59] + "…"
