"""G.711 octets to sound, by the definition of ITU-T G.711: three bits of segment, four of step."""

from __future__ import annotations

import numpy as np

from .audio import Samples

__all__ = ["decode", "round_trip"]


def _pcmu(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((2 * (code & 0x0F) + 33) << ((code >> 4) & 7)) - 33
    return -4 * magnitude if code & 0x80 else 4 * magnitude


def _pcma(code: int) -> int:
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 0x0F
    magnitude = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return 8 * magnitude if code & 0x80 else -8 * magnitude


_TABLES = {
    "PCMU": np.array([_pcmu(code) for code in range(256)]) / 32_768.0,
    "PCMA": np.array([_pcma(code) for code in range(256)]) / 32_768.0,
}


def decode(octets: bytes, codec: str) -> Samples:
    """Decodes ``PCMU`` or ``PCMA``."""
    sound: Samples = _TABLES[codec][np.frombuffer(octets, np.uint8)]
    return sound


def round_trip(samples: Samples, codec: str) -> Samples:
    """What is left of a sound after coding and decoding: each sample's nearest value of the codec."""
    values = np.sort(_TABLES[codec])
    sound: Samples = values[np.searchsorted((values[1:] + values[:-1]) / 2, samples)]
    return sound
