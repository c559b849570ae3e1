"""Sound as arrays: mono, float64 in −1…1, at 8,000 Hz unless said otherwise."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RATE",
    "Samples",
    "decode_wav",
    "encode_wav",
    "level",
    "read_wav",
    "silence_or_tone",
    "to_rate",
]

Samples = NDArray[np.float64]
RATE = 8_000
"""Samples a second of telephone sound."""


def read_wav(path: Path) -> Samples:
    """Reads a WAV file, see :func:`decode_wav`."""
    return decode_wav(path.read_bytes(), str(path))


def decode_wav(data: bytes, path: str = "WAV") -> Samples:
    """Decodes a 16-bit WAV at any rate, mono or stereo, as 8,000 Hz mono.

    A file that is still being written has lengths of zero in its header; what is there is read.

    :param path: what the error message calls it.
    :raises ValueError: when it is no 16-bit PCM WAV.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError(f"{path}: not a WAV file")
    place, rate, channels = 12, RATE, 1
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"fmt ":
            coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, place)
            if coding not in (1, 0xFFFE) or bits != 16:
                raise ValueError(f"{path}: {bits}-bit coding {coding}; 16-bit PCM is expected")
        elif name == b"data":
            left = (len(data) - place) // (2 * channels) * 2 * channels
            used = min(length, left) if length else left
            samples = np.frombuffer(data, "<i2", used // 2, place).reshape(-1, channels)
            return to_rate(samples.mean(axis=1) / 32_768.0, rate)
        place += length + (length & 1)
    raise ValueError(f"{path}: a WAV file without sound")


def encode_wav(samples: Samples) -> bytes:
    """A WAV file of 16-bit mono at 8,000 Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def to_rate(samples: Samples, rate: int, wanted: int = RATE) -> Samples:
    """Resamples by cutting or padding the spectrum."""
    if rate == wanted or not len(samples):
        return samples.astype(np.float64)
    length = round(len(samples) * wanted / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(length // 2 + 1, complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    resampled: Samples = np.fft.irfft(kept, length) * (length / len(samples))
    return resampled


def silence_or_tone(frequency_hz: float, seconds: float, level: float = 0.3) -> Samples:
    """A sine tone, or silence for a frequency of 0."""
    time = np.arange(int(seconds * RATE)) / RATE
    return level * np.sin(2 * np.pi * frequency_hz * time)


def level(samples: Samples) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
