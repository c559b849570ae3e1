"""The table "Settings" of standards.md, written out: defaults and ranges of both profiles and the engine.

It is held against the constructors and against the configuration, so that neither drifts, nor both together.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from broken_config import SOUND, problems, write

from ccbs import InvalidValue, Limits, Profile
from ccbs.config import load
from ccbs.configured import engine_limits, subscriber_of

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
CCBS: dict[str, tuple[int, int, int]] = {
    "offer_window_s": (30, 5, 300),
    "caller_ring_s": (20, 5, 180),
    "callee_ring_s": (30, 5, 180),
    "callee_idle_guard_s": (5, 0, 300),
    "caller_free_guard_s": (2, 0, 60),
    "service_duration_s": (2_700, 60, 86_400),
    "service_duration_nr_s": (10_800, 60, 86_400),
    "service_duration_nl_s": (10_800, 60, 86_400),
    "poll_first_s": (60, 20, 3_600),
    "poll_longest_s": (900, 20, 3_600),
    "orders_per_caller": (5, 1, 30),
    "waiting_per_callee": (5, 1, 30),
    # Not of the standards: how long a restart waits for what the lines do.
    "restart_grace_s": (10, 0, 300),
}
SWITCHED = {"retention": True, "callee_no_answer_to_nr": False, "offer_nr": True, "offer_nl": True}
"""What is on or off in profile ccbs, and its default."""
POLLS = ("poll_first_s", "poll_longest_s")
"""The first may not exceed the longest: to try the range of one, the other is put where it allows it."""
ENGINE: dict[str, tuple[int, int, int]] = {
    "orders_total": (100_000, 1, 10_000_000),
    "recalls_at_once": (500, 1, 100_000),
    "recalls_per_second": (100, 1, 10_000),
    # Not of the standards: what is remembered of failed calls and of strange numbers.
    "offers_per_caller": (8, 1, 100),
    "unconfigured_lines": (100_000, 1, 10_000_000),
}
TABLES: list[tuple[Any, dict[str, tuple[int, int, int]]]] = [
    (Profile.autodial, AUTODIAL),
    (Profile.ccbs, CCBS),
    (Limits, ENGINE),
]
MADE_BY = [(make, table, name) for make, table in TABLES for name in table]
IDS = [f"{make.__name__}-{name}" for make, _, name in MADE_BY]


def with_room(name: str, value: int) -> dict[str, int]:
    """The setting, and the other of the polls at the end of its own range."""
    settings = {name: value}
    if name == "poll_first_s":
        settings["poll_longest_s"] = CCBS["poll_longest_s"][2]
    if name == "poll_longest_s":
        settings["poll_first_s"] = CCBS["poll_first_s"][1]
    return settings


def flow(settings: dict[str, int]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in settings.items())


def at_profile(profile: str, settings: dict[str, int]) -> str:
    return SOUND + f"profiles: {{{profile}: {{{flow(settings)}}}}}\n"


def at_subscriber(profile: str, settings: dict[str, int]) -> str:
    own = f"  services: {{{profile}: {{allowed: true, {flow(settings)}}}}}\n  password"
    return SOUND.replace("  password", own)


def at_engine(section: str, settings: dict[str, int]) -> str:
    return SOUND + f"limits: {{{section}: {{{flow(settings)}}}}}\n"


PLACES = [
    (at_profile, "profiles.autodial", AUTODIAL),
    (at_profile, "profiles.ccbs", CCBS),
    (at_subscriber, "subscribers[0].services.autodial", AUTODIAL),
    (at_subscriber, "subscribers[0].services.ccbs", CCBS),
    (at_engine, "limits.engine", ENGINE),
]
WRITTEN = [(place, path, table, name) for place, path, table in PLACES for name in table]
WRITTEN_IDS = [f"{path}.{name}" for _, path, _, name in WRITTEN]


def test_the_table_is_whole() -> None:
    assert set(inspect.signature(Profile.autodial).parameters) == set(AUTODIAL)
    assert set(inspect.signature(Profile.ccbs).parameters) == set(CCBS) | set(SWITCHED)
    assert set(inspect.signature(Limits).parameters) == set(ENGINE)


@pytest.mark.parametrize(("make", "table", "name"), MADE_BY, ids=IDS)
def test_a_setting_has_its_default_and_range(
    make: Any, table: dict[str, tuple[int, int, int]], name: str
) -> None:
    default, least, most = table[name]
    assert getattr(make(), name) == default
    for edge in (least, most):
        assert getattr(make(**with_room(name, edge)), name) == edge
    for beyond in (least - 1, most + 1):
        with pytest.raises(InvalidValue, match=name) as caught:
            make(**with_room(name, beyond))
        assert caught.value.field == name


@pytest.mark.parametrize("name", SWITCHED)
def test_a_switch_of_profile_ccbs_has_its_default_and_is_on_or_off(name: str) -> None:
    assert getattr(Profile.ccbs(), name) is SWITCHED[name]
    for value in (True, False):
        settings: dict[str, Any] = {name: value}
        assert getattr(Profile.ccbs(**settings), name) is value


@pytest.mark.parametrize(("profile", "table"), [("autodial", AUTODIAL), ("ccbs", CCBS | SWITCHED)])
def test_a_configuration_that_says_nothing_means_the_defaults(
    profile: str, table: dict[str, Any], tmp_path: Path
) -> None:
    text = SOUND.replace("  password", f"  services: {{{profile}: {{allowed: true}}}}\n  password")
    config = load(write(tmp_path, text))
    subscriber = subscriber_of(config.subscribers[0])
    assert subscriber.profile == getattr(Profile, profile)()
    assert {name: getattr(subscriber.profile, name) for name in table} == {
        name: default[0] if isinstance(default, tuple) else default for name, default in table.items()
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
    section = path.rpartition(".")[2]
    for edge in (least, most):
        config = load(write(tmp_path, place(section, with_room(name, edge))))
        if place is at_engine:
            assert getattr(config.limits.engine, name) == edge
        elif place is at_subscriber:
            subscriber = subscriber_of(config.subscribers[0])
            assert getattr(subscriber.profile, name) == edge
    for beyond in (least - 1, most + 1):
        first, *others = problems(tmp_path, place(section, with_room(name, beyond)))
        assert first.field == f"{path}.{name}"
        assert first.expected == f"a whole number from {least} to {most}"
        assert not others or name in POLLS
