"""Checks the operator's own prompts with the decoder that will play them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ccbs._ccbs import InvalidPrompt, prompt_seconds
from ccbs.config.document import Document
from ccbs.config.limit_checks import limit
from ccbs.config.problem import FieldPath
from ccbs.config.validate import closest
from ccbs.config.written import as_written
from ccbs.prompts import LANGUAGES, LARGEST_WAV, names

__all__ = ["check_prompts"]

_WAV = "a WAV file (mono or stereo, linear or G.711, any rate)"


def check_prompts(document: Document, data: dict[str, Any]) -> None:
    """Note unknown languages and prompts, and files that are missing or cannot be played."""
    section = data.get("prompts")
    section = section if isinstance(section, dict) else {}
    _check_language(document, ("prompts", "language"), section.get("language"))
    subscribers = data.get("subscribers")
    for index, entry in enumerate(subscribers if isinstance(subscribers, list) else []):
        if isinstance(entry, dict):
            _check_language(document, ("subscribers", index, "language"), entry.get("language"))
    overrides = section.get("overrides")
    for language, files in (overrides if isinstance(overrides, dict) else {}).items():
        path: FieldPath = ("prompts", "overrides", language)
        _check_language(document, path, language, key=True)
        for name, file in (files if isinstance(files, dict) else {}).items():
            _check_name(document, (*path, name), name)
            text = as_written(file)
            if isinstance(text, str) and text:
                _check_file(document, (*path, name), document.file.parent / text, limit(data, "prompt_s"))


def _check_language(document: Document, path: FieldPath, value: Any, *, key: bool = False) -> None:
    value = as_written(value)
    known = list(LANGUAGES)
    if isinstance(value, str) and value and value not in known:
        meant = closest(value, known)
        todo = f"did you mean {meant}?" if meant else "choose one of them"
        document.problem(
            path, f"there are no prompts in {value!r}", f"one of {', '.join(known)}", todo, key=key
        )


def _check_name(document: Document, path: FieldPath, name: str) -> None:
    known = list(names())
    if name not in known:
        meant = closest(name, known)
        todo = f"did you mean {meant}?" if meant else "remove it"
        document.problem(path, "is no prompt", f"one of {', '.join(known)}", todo, key=True)


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
