"""The table "Settings" of standards.md, written out: defaults and ranges of profile autodial and the engine.

It is held against the constructors and against the configuration, so that neither drifts, nor both together.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from broken_config import SOUND, problems, write

from ccbs import InvalidValue, Limits, Profile
from ccbs.config import ServiceConfig, load
from ccbs.configured import engine_limits

# default, least, most
AUTODIAL: dict[str, tuple[int, int, int]] = {
    "offer_window_s": (30, 5, 300),
    "cb_timer_internal_s": (10, 1, 3_600),
    "cb_timer_external_s": (20, 1, 3_600),
    "attempts": (3, 1, 20),
    "caller_ring_s": (20, 5, 180),
    "callee_ring_s": (30, 5, 180),
    "caller_free_guard_s": (2, 0, 60),
    "service_duration_s": (2_700, 60, 86_400),
    "orders_per_caller": (5, 1, 30),
    "waiting_per_callee": (5, 1, 30),
}
ENGINE: dict[str, tuple[int, int, int]] = {
    "orders_total": (100_000, 1, 10_000_000),
    "recalls_at_once": (500, 1, 100_000),
    "recalls_per_second": (100, 1, 10_000),
    # Not of the standards: what is remembered of failed calls and of strange numbers.
    "offers_per_caller": (8, 1, 100),
    "unconfigured_lines": (100_000, 1, 10_000_000),
}
MADE_BY = [(Profile.autodial, AUTODIAL, name) for name in AUTODIAL] + [
    (Limits, ENGINE, name) for name in ENGINE
]
IDS = [name for _, _, name in MADE_BY]


def at_profile(name: str, value: int) -> str:
    return SOUND + f"profiles: {{autodial: {{{name}: {value}}}}}\n"


def at_subscriber(name: str, value: int) -> str:
    own = f"  services: {{autodial: {{allowed: true, {name}: {value}}}}}\n  password"
    return SOUND.replace("  password", own)


def at_engine(name: str, value: int) -> str:
    return SOUND + f"limits: {{engine: {{{name}: {value}}}}}\n"


PLACES = {
    at_profile: ("profiles.autodial", AUTODIAL),
    at_subscriber: ("subscribers[0].services.autodial", AUTODIAL),
    at_engine: ("limits.engine", ENGINE),
}
WRITTEN = [(place, path, table, name) for place, (path, table) in PLACES.items() for name in table]
WRITTEN_IDS = [f"{path}.{name}" for _, path, _, name in WRITTEN]


def test_the_table_is_whole() -> None:
    assert set(inspect.signature(Profile.autodial).parameters) == set(AUTODIAL)
    assert set(inspect.signature(Limits).parameters) == set(ENGINE)


@pytest.mark.parametrize(("make", "table", "name"), MADE_BY, ids=IDS)
def test_a_setting_has_its_default_and_range(
    make: Any, table: dict[str, tuple[int, int, int]], name: str
) -> None:
    default, least, most = table[name]
    assert getattr(make(), name) == default
    for edge in (least, most):
        assert getattr(make(**{name: edge}), name) == edge
    for beyond in (least - 1, most + 1):
        with pytest.raises(InvalidValue, match=name) as caught:
            make(**{name: beyond})
        assert caught.value.field == name


def test_a_configuration_that_says_nothing_means_the_defaults(tmp_path: Path) -> None:
    text = SOUND.replace("  password", "  services: {autodial: {allowed: true}}\n  password")
    config = load(write(tmp_path, text))
    service = config.subscribers[0].service
    assert service is not None
    profile = Profile.autodial(**service.settings)
    assert {name: getattr(profile, name) for name in AUTODIAL} == {
        name: default for name, (default, _, _) in AUTODIAL.items()
    }
    assert {name: getattr(config.limits.engine, name) for name in ENGINE} == {
        name: default for name, (default, _, _) in ENGINE.items()
    }


def test_the_engine_gets_every_limit_of_the_configuration(tmp_path: Path) -> None:
    written = {name: most - 1 for name, (_, _, most) in ENGINE.items()}
    text = SOUND + f"limits: {{engine: {written}}}\n".replace("'", "")
    assert engine_limits(load(write(tmp_path, text))) == Limits(**written)


@pytest.mark.parametrize(("place", "path", "table", "name"), WRITTEN, ids=WRITTEN_IDS)
def test_a_setting_of_the_configuration_has_its_range(
    place: Any, path: str, table: dict[str, tuple[int, int, int]], name: str, tmp_path: Path
) -> None:
    _, least, most = table[name]
    for edge in (least, most):
        config = load(write(tmp_path, place(name, edge)))
        if place is at_subscriber:
            assert config.subscribers[0].service == ServiceConfig(profile="autodial", settings={name: edge})
        elif place is at_engine:
            assert getattr(config.limits.engine, name) == edge
    for beyond in (least - 1, most + 1):
        (problem,) = problems(tmp_path, place(name, beyond))
        assert problem.field == f"{path}.{name}"
        assert problem.expected == f"a whole number from {least} to {most}"
