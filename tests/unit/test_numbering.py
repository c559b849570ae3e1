"""The numbering plan: dial patterns, prefixes, unknown numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccbs.numbering import DialPattern, External, ExternalPrefix, Internal, Numbering

PLAN = Numbering(
    ["1XX", "20[1-35]"],
    [
        ExternalPrefix("9", "city", strip=True),
        ExternalPrefix("98", "far", strip=True),
        ExternalPrefix("+7", "city"),
    ],
)


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("1XX", ["100", "199"], ["1", "10", "1000", "200", "1a0"]),
        ("ZN", ["12", "99"], ["02", "11", "10"]),
        ("20[1-35]", ["201", "203", "205"], ["200", "204", "20"]),
        ("8.", ["80", "84951234567"], ["8", "8a", "9"]),
        ("*8X#", ["*80#"], ["*8#", "80"]),
        ("reception", ["reception"], ["receptioN", "recep"]),
    ],
)
def test_a_pattern_fits_whole_numbers_only(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    parsed = DialPattern(pattern)
    assert [number for number in fits if not parsed.matches(number)] == []
    assert [number for number in fits_not if parsed.matches(number)] == []


@pytest.mark.parametrize(
    ("pattern", "place"),
    [("", "empty"), ("1(2", "character 2"), ("1.2", "character 2"), ("[2-1]", "2-1"), ("3[", "character 2")],
)
def test_a_wrong_pattern_is_refused_with_its_place(pattern: str, place: str) -> None:
    with pytest.raises(ValueError, match="dial pattern") as refused:
        DialPattern(pattern)
    assert place in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_value_error(pattern: str) -> None:
    try:
        parsed = DialPattern(pattern)
    except ValueError:
        return
    parsed.matches(pattern)


@pytest.mark.parametrize(
    ("dialled", "way"),
    [
        ("101", Internal("101")),
        ("203", Internal("203")),
        ("204", None),
        ("95551234", External("city", "5551234")),
        ("985551234", External("far", "5551234")),
        ("+74951234567", External("city", "+74951234567")),
        ("9", None),
        ("", None),
        ("*37#", None),
    ],
)
def test_where_a_number_leads(dialled: str, way: Internal | External | None) -> None:
    assert PLAN.find(dialled) == way


def test_internal_patterns_come_before_prefixes() -> None:
    plan = Numbering(["9XX"], [ExternalPrefix("9", "city", strip=True)])
    assert plan.find("911") == Internal("911")
    assert plan.find("9111") == External("city", "111")


@pytest.mark.parametrize(
    ("trunk", "number", "dialled"),
    [
        ("city", "5551234", "95551234"),
        ("city", "+74951234567", "+74951234567"),
        ("far", "5", "985"),
        ("no", "5", None),
        ("far", "+74951234567", "98+74951234567"),
    ],
)
def test_a_party_behind_a_trunk_is_known_by_the_number_that_reaches_it(
    trunk: str, number: str, dialled: str | None
) -> None:
    assert PLAN.as_dialled(trunk, number) == dialled
    if dialled is not None:
        assert PLAN.find(dialled) == External(trunk, number)


def test_a_number_of_ours_is_not_that_of_a_party_behind_a_trunk() -> None:
    plan = Numbering(["1XX"], [ExternalPrefix("7", "city")])
    assert plan.as_dialled("city", "101") is None
    assert plan.as_dialled("city", "7001") == "7001"


def test_a_prefix_leads_to_one_trunk() -> None:
    with pytest.raises(ValueError, match="'9' is given twice"):
        Numbering([], [ExternalPrefix("9", "city"), ExternalPrefix("9", "far")])


@pytest.mark.parametrize("prefix", ["", "a", "9 "])
def test_a_prefix_is_dialable(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        ExternalPrefix(prefix, "city")


def test_plans_that_say_the_same_are_equal() -> None:
    def plan(pattern: str = "1XX", trunk: str = "city") -> Numbering:
        return Numbering([pattern, "2XX"], [ExternalPrefix("7", trunk), ExternalPrefix("78", trunk)])

    assert plan() == plan()
    assert plan() != plan(pattern="1ZX")
    assert plan() != plan(trunk="village")
