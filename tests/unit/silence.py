"""A prompt that says nothing, for tests in which it matters only how long it is."""

from __future__ import annotations

import io
import wave


def wav(seconds: float = 0.04, *, rate: int = 8_000, channels: int = 1) -> bytes:
    """A WAV file of silence, 16 bit."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(2 * channels * round(rate * seconds)))
    return file.getvalue()
