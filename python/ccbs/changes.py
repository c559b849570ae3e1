"""What a reload has changed, in words, for the log and for the command."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["told"]


def told(changes: Mapping[str, int]) -> str:
    """What has changed, in words.

    :param changes: how many of what, e.g. ``subscribers_added``, as :class:`ccbs.reload.Reload` gives them.
    :returns: e.g. ``subscribers added: 2, trunks removed: 1``.
    """
    words = [f"{name.replace('_', ' ')}: {count}" for name, count in changes.items() if count]
    return ", ".join(words) or "nothing has changed"
