"""Which prompts and tones a phone heard, told from its recording alone.

A prompt is found by normalised cross-correlation against its own WAV, piece by piece: a lost or doubled
frame shifts what follows it by 20 ms, which would spoil one correlation of the whole but only one piece here.
Most pieces must be there, in order and in place, so a prompt cut short, another prompt with some equal
words, or noise is not taken for it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ccbs.prompts import Catalogue

from .audio import RATE, Samples, decode_wav, level

__all__ = ["Heard", "Recogniser", "ToneBurst", "packaged_catalogue", "packaged_recogniser", "tone_bursts"]

PIECE_S = 0.25
"""Length of a piece (s); of a short word a sixth of it, but not below :data:`SHORTEST_PIECE_S`."""
SHORTEST_PIECE_S = 0.1
PIECE_SCORE = 0.75
"""A piece is there when its normalised correlation reaches this; G.711 leaves about 0.99."""
PIECES_NEEDED = 0.7
"""The share of a prompt's pieces that must be there."""
SLACK_S = 0.12
"""How far a piece may be out of place (s): six lost frames."""
QUIET = 0.06
"""Pieces below this part of the loudest one's level are pauses and are not looked for."""
PROBES = 2
"""How many of a prompt's loudest pieces are looked for everywhere."""


@dataclass(frozen=True)
class Heard:
    """A prompt in a recording."""

    name: str
    begins_s: float
    """Where the prompt begins in the recording (s)."""
    ends_s: float
    score: float
    """The share of its pieces that were found, 0…1."""


@dataclass(frozen=True)
class ToneBurst:
    """A stretch of one pure tone."""

    begins_s: float
    ends_s: float

    @property
    def length_s(self) -> float:
        """How long it lasted (s)."""
        return self.ends_s - self.begins_s


@dataclass(frozen=True)
class _Piece:
    start: int
    samples: Samples


def packaged_catalogue(*languages: str) -> dict[str, Samples]:
    """The prompts that the package ships, by ``language/name``, without the silences."""
    sounds = {}
    for language in languages:
        prompts = Catalogue.load(language)
        for name in prompts.names:
            if prompts.text(name):
                sounds[f"{language}/{name}"] = decode_wav(prompts.wav(name), name)
    return sounds


class Recogniser:
    """Knows the prompts of a catalogue by their sound."""

    def __init__(self, catalogue: Mapping[str, Samples]) -> None:
        """
        :param catalogue: the prompts' samples at 8,000 Hz, by name.
        :raises ValueError: when a prompt is silent.
        """
        self._prompts: dict[str, tuple[int, list[_Piece]]] = {}
        for name, samples in catalogue.items():
            pieces = list(self._cut(samples))
            if not pieces:
                raise ValueError(f"the prompt {name!r} is silent")
            self._prompts[name] = (len(samples), pieces)

    @staticmethod
    def _cut(samples: Samples) -> Iterable[_Piece]:
        size = int(min(max(len(samples) / 6, SHORTEST_PIECE_S * RATE), PIECE_S * RATE, len(samples)))
        starts = range(0, len(samples) - size + 1, size) if size else range(0)
        loudest = max((level(samples[start : start + size]) for start in starts), default=0.0)
        for start in starts:
            piece = samples[start : start + size]
            if loudest > 1e-4 and level(piece) > QUIET * loudest:
                yield _Piece(start, piece - piece.mean())

    def length_s(self, *names: str) -> float:
        """How long these prompts take, one after the other (s)."""
        return sum(self._prompts[name][0] for name in names) / RATE

    def only(self, *names: str) -> Recogniser:
        """One that knows these prompts alone: quicker, but takes no other prompt for one."""
        recogniser = Recogniser({})
        recogniser._prompts = {name: self._prompts[name] for name in names}
        return recogniser

    def recognise(self, recording: Samples) -> list[Heard]:
        """The prompts that were heard, in order; where two overlap, the better founded one."""
        sound = recording - recording.mean() if len(recording) else recording
        found: list[tuple[int, Heard]] = []
        spectrum = _Spectrum(sound)
        for name, (length, pieces) in self._prompts.items():
            probes = sorted(pieces, key=lambda piece: -level(piece.samples))[:PROBES]
            starts = {place - probe.start for probe in probes for place in spectrum.places(probe.samples)}
            for start in sorted(starts):
                there = [_is_there(sound, start + piece.start, piece.samples) for piece in pieces]
                hits, score = sum(there), sum(there) / len(there)
                # In a word of few pieces the last one alone may tell the whole from its beginning.
                ends_too = any(there[-1 if len(there) <= 6 else -3 :])
                if score >= PIECES_NEEDED and ends_too:
                    begins = max(start, 0) / RATE
                    found.append((hits, Heard(name, begins, (start + length) / RATE, score)))
        accepted: list[Heard] = []
        for _, heard in sorted(found, key=lambda item: (-item[0], -item[1].score, item[1].begins_s)):
            if all(heard.ends_s <= other.begins_s + SLACK_S or heard.begins_s >= other.ends_s - SLACK_S
                   for other in accepted):  # fmt: skip
                accepted.append(heard)
        return sorted(accepted, key=lambda heard: heard.begins_s)

    def names(self, recording: Samples) -> list[str]:
        """The names of the prompts heard, in order."""
        return [heard.name for heard in self.recognise(recording)]


@functools.cache
def packaged_recogniser(language: str) -> Recogniser:
    """Knows the packaged prompts of one language."""
    return Recogniser(packaged_catalogue(language))


class _Spectrum:
    """A recording, transformed once, to look for many pieces in it."""

    def __init__(self, sound: Samples) -> None:
        self._length = len(sound)
        self._size = 1 << max(1, (self._length + int(PIECE_S * RATE)).bit_length())
        self._transform = np.fft.rfft(sound, self._size)
        self._energy = np.concatenate(([0.0], np.cumsum(sound**2)))

    def places(self, piece: Samples) -> list[int]:
        """Where the piece is, to a tenth of a piece."""
        if self._length < len(piece):
            return []
        product = np.fft.irfft(self._transform * np.conj(np.fft.rfft(piece, self._size)), self._size)
        count = self._length - len(piece) + 1
        norm = np.sqrt(self._energy[len(piece) :] - self._energy[:count]) * np.linalg.norm(piece)
        score = np.where(norm > 1e-3 * len(piece) ** 0.5, product[:count] / np.maximum(norm, 1e-9), 0.0)
        places: list[int] = []
        for place in np.flatnonzero(score >= PIECE_SCORE):
            if places and place - places[-1] < len(piece) // 10:
                if score[place] > score[places[-1]]:
                    places[-1] = int(place)
            else:
                places.append(int(place))
        return places


def _is_there(sound: Samples, place: int, piece: Samples) -> bool:
    slack = int(SLACK_S * RATE)
    window = sound[max(0, place - slack) : max(0, place + slack) + len(piece)]
    return bool(len(window) >= len(piece) and _Spectrum(window).places(piece))


def tone_bursts(recording: Samples, frequency_hz: float, *, shortest_s: float = 0.2) -> list[ToneBurst]:
    """The stretches in which nothing but a tone of that frequency is heard.

    :param frequency_hz: within 20 Hz.
    :param shortest_s: bursts below this length (s) are left out; gaps of 60 ms are bridged.
    """
    frame = RATE // 50
    count = len(recording) // frame
    frames = recording[: count * frame].reshape(count, frame)
    time = np.arange(frame) / RATE
    # A pure tone has all its energy on two quadratures; the fit over a frame tolerates 20 Hz.
    basis = np.stack([np.cos(2 * np.pi * frequency_hz * time), np.sin(2 * np.pi * frequency_hz * time)])
    basis = np.linalg.qr(basis.T)[0].T
    energy = (frames**2).sum(axis=1)
    share = ((frames @ basis.T) ** 2).sum(axis=1) / np.maximum(energy, 1e-12)
    pure = (share > 0.75) & (energy > frame * 0.005**2)
    bursts: list[list[int]] = []
    for index in np.flatnonzero(pure):
        if bursts and index - bursts[-1][1] <= 3:
            bursts[-1][1] = int(index) + 1
        else:
            bursts.append([int(index), int(index) + 1])
    all_bursts = [ToneBurst(first * frame / RATE, last * frame / RATE) for first, last in bursts]
    return [burst for burst in all_bursts if burst.length_s >= shortest_s]
