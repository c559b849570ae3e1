"""Checks the operator's own prompts with the decoder that will play them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ccbs._ccbs import InvalidPrompt, prompt_seconds
from ccbs.config.document import Document
from ccbs.config.limit_checks import limit
from ccbs.config.plain import entries, section, text
from ccbs.config.problem import FieldPath
from ccbs.config.validate import meant
from ccbs.prompts import LANGUAGES, LARGEST_WAV, names

__all__ = ["check_prompts"]

_WAV = "a WAV file (mono or stereo, linear or G.711, any rate)"


def check_prompts(document: Document, data: dict[str, Any]) -> None:
    """Note unknown languages and prompts, and files that are missing or cannot be played."""
    prompts = section(data, "prompts")
    _check_language(document, ("prompts", "language"), prompts.get("language"))
    for path, entry in entries(data, "subscribers"):
        _check_language(document, (*path, "language"), entry.get("language"))
    overrides = section(prompts, "overrides")
    for language in overrides:
        of_language: FieldPath = ("prompts", "overrides", language)
        _check_language(document, of_language, language, key=True)
        for name, file in section(overrides, language).items():
            _check_name(document, (*of_language, name), name)
            if (written := text(file)) is not None:
                path = (*of_language, name)
                _check_file(document, path, document.file.parent / written, limit(data, "prompt_s"))


def _check_language(document: Document, path: FieldPath, value: Any, *, key: bool = False) -> None:
    known = list(LANGUAGES)
    value = text(value)
    if value is not None and value not in known:
        todo = meant(value, known, "choose one of them")
        document.problem(
            path, f"there are no prompts in {value!r}", f"one of {', '.join(known)}", todo, key=key
        )


def _check_name(document: Document, path: FieldPath, name: str) -> None:
    known = list(names())
    if name not in known:
        document.problem(
            path, "is no prompt", f"one of {', '.join(known)}", meant(name, known, "remove it"), key=True
        )


def _check_file(document: Document, path: FieldPath, file: Path, prompt_s: int) -> None:
    try:
        with file.open("rb") as stream:
            wav = stream.read(LARGEST_WAV + 1)
        if len(wav) > LARGEST_WAV:
            document.problem(
                path, f"{file} is too large", f"{_WAV} of at most {LARGEST_WAV:,} bytes", "shorten it"
            )
        else:
            prompt_seconds(wav, prompt_s=prompt_s)
    except OSError as error:
        document.problem(path, f"{file} cannot be read: {error.strerror}", _WAV, "check the path")
    except InvalidPrompt as error:
        document.problem(path, f"{file} cannot be played: {error}", _WAV, "convert or record it anew")
