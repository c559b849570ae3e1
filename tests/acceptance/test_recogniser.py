"""The recogniser of prompts: it knows each prompt, and nothing else passes for one."""

from __future__ import annotations

import numpy as np
import pytest

from .audio import RATE, Samples, silence_or_tone, to_rate
from .g711 import round_trip
from .recognise import Recogniser, packaged_catalogue, packaged_recogniser, tone_bursts

CATALOGUE = packaged_catalogue("ru", "en")
FRAME = RATE // 50
SENTENCES = sorted(name for name, sound in CATALOGUE.items() if len(sound) > 1.2 * RATE)


def recogniser(name: str = "ru/") -> Recogniser:
    return packaged_recogniser(name[:2])


def noise(length: int, level: float, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, level, length)


def on_the_phone(sound: Samples, law: str = "PCMU") -> Samples:
    """As a phone records it: some silence, another gain, line noise, a companded voice."""
    padded = np.concatenate([np.zeros(3_111), 0.5 * sound, np.zeros(2_000)])
    return round_trip(padded + noise(len(padded), 0.003), law)


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_each_prompt_is_recognised(name: str, law: str) -> None:
    heard = recogniser(name).recognise(on_the_phone(CATALOGUE[name], law))
    assert [found.name for found in heard] == [name]
    assert heard[0].begins_s == pytest.approx(3_111 / RATE, abs=0.02)


@pytest.mark.parametrize("name", SENTENCES)
def test_without_its_own_wav_a_prompt_is_not_taken_for_another(name: str) -> None:
    language = name[:3]
    others = Recogniser(
        {other: sound for other, sound in CATALOGUE.items() if other != name and other.startswith(language)}
    )
    assert others.names(on_the_phone(CATALOGUE[name])) == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_first_half_alone_is_not_the_prompt(name: str) -> None:
    sound = CATALOGUE[name]
    voiced = np.flatnonzero(np.abs(sound) > 0.01)
    middle = (voiced[0] + voiced[-1]) // 2
    assert name not in recogniser(name).names(on_the_phone(sound[:middle]))


@pytest.mark.parametrize("name", SENTENCES)
def test_two_lost_frames_and_a_doubled_one_do_no_harm(name: str) -> None:
    sound = CATALOGUE[name]
    third = len(sound) // (3 * FRAME) * FRAME
    broken = np.concatenate(
        [sound[:third], sound[third + FRAME : 2 * third], sound[2 * third - FRAME :], sound[-FRAME:]]
    )
    assert recogniser(name).names(on_the_phone(broken)) == [name]


def test_another_sampling_rate_is_understood() -> None:
    at_48k = to_rate(CATALOGUE["ru/activated"], RATE, 48_000)
    assert recogniser().names(on_the_phone(to_rate(at_48k, 48_000))) == ["ru/activated"]


def test_silence_noise_and_tones_are_no_prompts() -> None:
    assert recogniser().names(np.zeros(5 * RATE)) == []
    assert recogniser().names(np.zeros(0)) == []
    assert recogniser().names(noise(5 * RATE, 0.1)) == []
    assert recogniser().names(silence_or_tone(425, 5)) == []


def test_speech_played_backwards_is_no_prompt() -> None:
    assert recogniser().names(on_the_phone(CATALOGUE["ru/activated"][::-1])) == []


def test_prompts_in_a_row_are_told_in_order() -> None:
    names = ["ru/callee-no-answer", "ru/attempts-used-up", "ru/digit-1", "ru/digit-0", "ru/digit-1"]
    row = np.concatenate([CATALOGUE[name] for name in names])
    assert recogniser().names(on_the_phone(row)) == names


def test_ringback_is_a_tone_of_425_hz_and_speech_is_not() -> None:
    cadence = np.concatenate([silence_or_tone(425, 1), np.zeros(4 * RATE), silence_or_tone(425, 1)])
    bursts = tone_bursts(round_trip(cadence, "PCMA"), 425)
    assert [(round(burst.begins_s, 1), round(burst.length_s, 1)) for burst in bursts] == [(0, 1), (5, 1)]
    for other in (silence_or_tone(700, 2), CATALOGUE["en/activated"], noise(RATE, 0.2), np.zeros(RATE)):
        assert tone_bursts(other, 425) == []
