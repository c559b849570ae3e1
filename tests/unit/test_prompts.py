"""The recordings of the package and the catalogue over them."""

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ccbs.prompts import LANGUAGES, LARGEST_WAV, Catalogue, PromptError, names

SPOKEN_BY_THE_SERVICE = {
    "order-accepted", "activated", "callee-busy-again", "callee-no-answer", "attempts-used-up",
    "order-cancelled", "all-cancelled", "nothing-ordered", "not-allowed", "too-many-orders",
    "number-was-not-busy", "ordered", "offer",
}  # fmt: skip
CHARACTERS = {f"digit-{digit}" for digit in range(10)} | {"plus", "star", "hash"}

Signal = npt.NDArray[np.float64]


def samples(wav: bytes) -> Signal:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8_000, 1, 2)
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return frames.astype(np.float64) / 32_768


def levels_dbfs(signal: Signal) -> Signal:
    """The level of each 10 ms."""
    frames = signal[: len(signal) // 80 * 80].reshape(-1, 80)
    levels: Signal = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-10))
    return levels


@pytest.fixture(params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return Catalogue.load(request.param)


def test_every_name_is_there(catalogue: Catalogue) -> None:
    assert set(catalogue.names) == SPOKEN_BY_THE_SERVICE | CHARACTERS | {"pause"}


def test_names_and_languages_are_known_without_reading_a_recording(catalogue: Catalogue) -> None:
    assert names() == catalogue.names


def test_the_reference_text_of_the_recall() -> None:
    assert Catalogue.load("ru").text("activated") == "Активирована услуга Автодозвон."
    assert Catalogue.load("en").text("activated") == "Automatic redial is active."


@pytest.mark.parametrize("name", sorted(SPOKEN_BY_THE_SERVICE | CHARACTERS))
def test_a_recording_is_speech_of_a_fitting_length_and_level(catalogue: Catalogue, name: str) -> None:
    signal = samples(catalogue.wav(name))
    levels = levels_dbfs(signal)
    letters = sum(character.isalpha() for character in catalogue.text(name))
    seconds = len(signal) / 8_000
    assert 0.2 + letters * 0.03 < seconds < 0.6 + letters * 0.12
    assert 0.25 < np.abs(signal).max() <= 0.71, "between -12 and -3 dBFS"
    speech = levels[levels > levels.max() - 30]
    assert -25 < 10 * np.log10((10 ** (speech / 10)).mean()) < -15
    assert levels[:6].max() > -50, "no silence before the first word"
    assert levels[-10:].max() < -50, "a gap after the last word"
    assert levels[-30:].max() > -50, "and not a long one"
    assert np.ptp(levels[:-12]) > 15, "the level moves as speech does, and a tone does not"


def test_no_two_recordings_are_alike(catalogue: Catalogue) -> None:
    assert len({catalogue.wav(name) for name in catalogue.names}) == len(catalogue.names)


def test_the_languages_differ_in_every_recording() -> None:
    russian, english = Catalogue.load("ru"), Catalogue.load("en")
    assert all(russian.wav(name) != english.wav(name) for name in russian.names if name != "pause")
    assert not samples(russian.wav("pause")).any()


def test_an_operators_recording_takes_the_place(tmp_path: Path) -> None:
    own = tmp_path / "own.wav"
    own.write_bytes(Catalogue.load("en").wav("digit-1"))
    catalogue = Catalogue.load("ru", {"activated": own})
    assert catalogue.wav("activated") == own.read_bytes()
    assert catalogue.text("activated") == "Активирована услуга Автодозвон."
    assert catalogue.wav("ordered") == Catalogue.load("ru").wav("ordered")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    mp3, huge, absent = tmp_path / "a.mp3", tmp_path / "huge.wav", tmp_path / "absent.wav"
    mp3.write_bytes(b"ID3\x03")
    with huge.open("wb") as file:
        file.truncate(LARGEST_WAV + 1)
    overrides = {"activated": mp3, "ordered": huge, "pause": absent, "activatedd": mp3, "digit-0": tmp_path}
    with pytest.raises(PromptError) as caught:
        Catalogue.load("ru", overrides)
    message = str(caught.value)
    assert message.count("\n") == 4
    assert f"{mp3}: not a WAV file; convert it" in message
    assert f"{huge}: more than" in message
    assert f"{absent}: cannot be read (No such file or directory)" in message
    assert f"{tmp_path}: cannot be read (Is a directory)" in message
    assert f"{mp3}: there is no prompt named 'activatedd'; the names are order-accepted" in message


def test_unknown_names_and_languages() -> None:
    with pytest.raises(PromptError, match=r"'de': expected one of ru, en"):
        Catalogue.load("de")
    with pytest.raises(PromptError, match="no prompt named 'nonsense'"):
        Catalogue.load("en").wav("nonsense")
    with pytest.raises(PromptError, match="no prompt named 'nonsense'"):
        Catalogue.load("en").text("nonsense")


def test_a_text_without_a_recording_is_refused() -> None:
    with pytest.raises(PromptError, match="activated"):
        Catalogue("ru", {"activated": "x"}, {})
