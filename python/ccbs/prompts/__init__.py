"""What the service says to a caller: recordings by name, in several languages, replaceable one by one.

The recordings of the package are WAV, 8,000 Hz, mono, 16 bit; their texts stand in ``catalogue.yml``. An
operator's own recording may be of any format that :meth:`ccbs.sip.SipEndpoint.load_prompt` takes: here it is
only read.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

__all__ = ["LANGUAGES", "LARGEST_WAV", "Catalogue", "PromptError", "names"]

LANGUAGES: Final = ("ru", "en")
"""The languages that the package has recordings in."""

LARGEST_WAV: Final = 16 * 1024 * 1024
"""The largest file taken as an operator's recording, in bytes: about three minutes of CD quality."""

_T = TypeVar("_T")


class PromptError(ValueError):
    """A prompt that cannot be had. The message names the file or the prompt and says what to do."""


class Catalogue:
    """The prompts of one language, with an operator's own recordings in place of some; immutable."""

    def __init__(self, language: str, texts: Mapping[str, str], wavs: Mapping[str, bytes]) -> None:
        """Make a catalogue from what is already read; :meth:`load` reads it.

        :param language: the language tag, for messages.
        :param texts: what each prompt says, by name.
        :param wavs: a WAV file's content for each of the same names.
        :raises PromptError: when the names of both differ.
        """
        if odd := texts.keys() ^ wavs.keys():
            raise PromptError(
                f"prompts ({language}): a text without a recording or a recording without a text: "
                f"{', '.join(sorted(odd))}; give both"
            )
        self.language: Final = language
        self._texts: Final = MappingProxyType(dict(texts))
        self._wavs: Final = MappingProxyType(dict(wavs))

    @classmethod
    def load(cls, language: str, overrides: Mapping[str, Path] = MappingProxyType({})) -> Catalogue:
        """Read the package's recordings of one language, and the operator's in place of some.

        :param language: one of :data:`LANGUAGES`.
        :param overrides: by prompt name, the file to read instead of the package's.
        :returns: the catalogue.
        :raises PromptError: for an unknown language, an unknown name, a file that cannot be read, is too
            large or is no WAV file; every fault is listed, one to a line.
        """
        if language not in LANGUAGES:
            raise PromptError(f"prompt language {language!r}: expected one of {', '.join(LANGUAGES)}")
        texts = {name: by_language[language] for name, by_language in _texts().items()}
        faults = [
            f"{path}: there is no prompt named {name!r}; the names are {', '.join(texts)}"
            for name, path in overrides.items()
            if name not in texts
        ]
        wavs = {}
        for name in texts:
            try:
                wavs[name] = (
                    _operators_wav(overrides[name]) if name in overrides else _own_wav(language, name)
                )
            except PromptError as fault:
                faults.append(str(fault))
        if faults:
            raise PromptError("\n".join(faults))
        return cls(language, texts, wavs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all prompts, in the catalogue's order."""
        return tuple(self._texts)

    def wav(self, name: str) -> bytes:
        """The WAV file of a prompt.

        :param name: one of :attr:`names`.
        :returns: the whole file.
        :raises PromptError: when there is no prompt of that name.
        """
        return self._one(self._wavs, name)

    def text(self, name: str) -> str:
        """What a prompt says, in the catalogue's words; an operator's recording may say it otherwise.

        :param name: one of :attr:`names`.
        :returns: the text; empty for a silence.
        :raises PromptError: when there is no prompt of that name.
        """
        return self._one(self._texts, name)

    def _one(self, where: Mapping[str, _T], name: str) -> _T:
        try:
            return where[name]
        except KeyError:
            raise PromptError(
                f"there is no prompt named {name!r}; the names are {', '.join(self.names)}"
            ) from None


def names() -> tuple[str, ...]:
    """The names of all prompts, the same in every language; reads no recording."""
    return tuple(_texts())


@functools.cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    content = _packaged("catalogue.yml")
    try:
        prompts: Mapping[str, Mapping[str, str]] = YAML(typ="safe").load(content.decode())["prompts"]
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise PromptError(
            f"ccbs/prompts/catalogue.yml is damaged ({error}): install the package again"
        ) from error
    return prompts


def _packaged(*path: str) -> bytes:
    try:
        return resources.files(__name__).joinpath(*path).read_bytes()
    except OSError as error:
        raise PromptError(
            f"ccbs/prompts/{'/'.join(path)} cannot be read ({error.strerror}): install the package again"
        ) from error


def _own_wav(language: str, name: str) -> bytes:
    return _packaged(language, f"{name}.wav")


def _operators_wav(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_WAV + 1)
    except OSError as error:
        raise PromptError(
            f"{path}: cannot be read ({error.strerror}); give the path of a WAV file that the server may read"
        ) from error
    if len(content) > LARGEST_WAV:
        raise PromptError(f"{path}: more than {LARGEST_WAV} bytes; give a shorter recording")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise PromptError(
            f"{path}: not a WAV file; convert it, e.g. sox {path.name} -r 8000 -c 1 -b 16 prompt.wav"
        )
    return content
