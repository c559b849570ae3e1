"""A simulated office: what would another timer, guard or number of attempts do?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ccbs import _ccbs

__all__ = ["simulate"]


def simulate(settings: Mapping[str, object] | None = None, **more: object) -> dict[str, Any]:
    """Run an office on virtual time over the real engine, until its calls are placed and its orders ended.

    :param settings: by name, e.g. ``{"calls": 50_000, "attempts": 5}``: those that
        ``ccbs simulate --settings`` lists, numbers of the profile, limits of the engine (docs/simulate.md).
    :param more: the same as keywords; a name given twice counts as here.
    :returns: the report; the same settings give the same report, byte for byte.
    :raises InvalidValue: no such setting, or a value outside its range.
    :raises CcbsError: the engine broke one of its rules; the message names the seed.
    """
    given = {name: _text(value) for name, value in {**(settings or {}), **more}.items()}
    report: dict[str, Any] = json.loads(_ccbs.simulate(list(given.items())))
    return report


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
