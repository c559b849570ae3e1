"""What a phone hears in a call that goes on: its recording is read while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from .audio import RATE, Samples
from .recognise import Heard, Recogniser, tone_bursts

__all__ = ["RINGBACK_HZ", "Listener", "NotHeard", "heard_prompts", "hears_prompts", "hears_tone"]

RINGBACK_HZ = 425.0
_LOOK_S = 0.1
"""How often a growing recording is looked at (s)."""


class NotHeard(AssertionError):
    """A phone did not hear what it should have; the message tells what it heard."""


class Listener(Protocol):
    """A phone that keeps what it hears."""

    @property
    def label(self) -> str:
        """What messages call it."""

    def sound_since(self, at: float) -> Samples:
        """What was heard in calls whose sound began at or after the Unix time ``at`` (s)."""


async def _until(
    phone: Listener,
    since: float,
    timeout: float,
    shortest_s: float,
    look: Callable[[Samples, bool], str | None],
) -> str:
    """Looks at the recording each time it has grown, until ``look`` tells what it found.

    :param look: is told whether it is the last look.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    seen = 0
    while True:
        late = loop.time() > deadline
        sound = await asyncio.to_thread(phone.sound_since, since)
        if late or len(sound) >= max(shortest_s * RATE, seen + 1):
            seen = len(sound)
            found = await asyncio.to_thread(look, sound, late)
            if found is not None:
                return found
        if late:
            break
        await asyncio.sleep(_LOOK_S)
    raise NotHeard(f"{seen / RATE:.1f} s of sound were received")


async def hears_tone(
    phone: Listener,
    frequency_hz: float,
    *,
    since: float,
    timeout: float,
    at_least_s: float = 0.4,
    from_now: bool = False,
) -> str:
    """Waits until a phone has heard a pure tone.

    :param frequency_hz: the tone (Hz).
    :param since: only calls whose sound began at or after this Unix time (s).
    :param at_least_s: how long without a break (s).
    :param from_now: only what is heard from now on.
    :returns: what was heard, in words.
    :raises NotHeard: when that does not happen within ``timeout`` seconds.
    """

    start = len(await asyncio.to_thread(phone.sound_since, since)) if from_now else 0

    def look(sound: Samples, final: bool) -> str | None:
        bursts = tone_bursts(sound[start:][-10 * RATE :], frequency_hz, shortest_s=at_least_s)
        return f"heard {frequency_hz:.0f} Hz for {bursts[-1].length_s:.1f} s" if bursts else None

    try:
        return await _until(phone, since, timeout, at_least_s, look)
    except NotHeard as error:
        raise NotHeard(
            f"{phone.label} did not hear {frequency_hz:.0f} Hz within {timeout:g} s; {error}"
        ) from None


async def heard_prompts(phone: Listener, recogniser: Recogniser, *, since: float) -> list[Heard]:
    """The prompts in what a phone has received in calls since the Unix time ``since`` (s)."""
    return await asyncio.to_thread(lambda: recogniser.recognise(phone.sound_since(since)))


async def hears_prompts(
    phone: Listener, recogniser: Recogniser, *names: str, since: float, timeout: float
) -> str:
    """Waits until a phone has heard these prompts, in this order, and no other one before or between.

    :param names: as in the catalogue, e.g. ``ru/activated``.
    :param since: only calls whose sound began at or after this Unix time (s).
    :returns: what was heard, in words.
    :raises NotHeard: when that does not happen within ``timeout`` seconds.
    """
    last: list[str] = []
    quick = recogniser.only(*names)

    def look(sound: Samples, final: bool) -> str | None:
        # The whole catalogue only when these are there: a look must not take the phones' time.
        if [found.name for found in quick.recognise(sound)][: len(names)] != list(names) and not final:
            return None
        heard = recogniser.recognise(sound)
        last[:] = [found.name for found in heard]
        if last[: len(names)] != list(names):
            return None
        return "heard " + ", ".join(f"{found.name} at {found.begins_s:.1f} s" for found in heard)

    try:
        return await _until(phone, since, timeout, recogniser.length_s(*names) * 0.9, look)
    except NotHeard as error:
        raise NotHeard(
            f"{phone.label} should have heard {', '.join(names)} within {timeout:g} s; "
            f"it heard {', '.join(last) or 'no prompt'}; {error}"
        ) from None
