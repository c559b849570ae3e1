"""Events, actions, profiles and limits as values, and what layer 0 says to bad ones."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from own_process import python

import ccbs
from ccbs import Engine, InvalidValue, Limits, Profile, _ccbs, actions, events
from ccbs.actions import Denied, NothingOrdered, Play, Reply
from ccbs.events import CallFailed, Cancel, Line, LineFree, Order, Released, RingResult, Service

# --- values -----------------------------------------------------------------------------------------


def test_classes_are_frozen_values() -> None:
    order = Order(1, "2", callee="3")
    assert order == Order(request=1, caller="2", callee="3")
    assert order != Order(1, "2")
    assert order != object()
    assert len({order, Order(1, "2", "3"), Order(2, "2", "3")}) == 2
    assert repr(order) == "Order(request=1, caller='2', callee='3')"
    assert Order(1, "2").callee is None
    with pytest.raises(AttributeError):
        order.request = 2  # type: ignore[misc]


def test_actions_are_matched() -> None:
    match Reply(7, Denied("overload", short_term=True)):
        case Reply(request, Denied(denial, short_term)):
            assert (request, denial, short_term) == (7, "overload", True)
        case _:
            pytest.fail("the reply was not matched")


def test_profiles_and_limits_show_their_numbers() -> None:
    profile = Profile.autodial(attempts=5)
    assert (profile.attempts, profile.cb_timer_internal_s, profile.cb_timer_external_s) == (5, 10, 20)
    assert eval(repr(profile), {"Profile": Profile}) == profile
    assert profile != Profile.autodial()
    assert Limits(orders_total=7).orders_total == 7
    assert eval(repr(Limits(orders_total=7)), {"Limits": Limits}) == Limits(orders_total=7)


def test_the_unions_hold_every_class() -> None:
    for module, union in [(events, events.Event), (actions, actions.Action | actions.AnyReply)]:
        named = {getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
        assert named == set(union.__args__)


def test_everything_public_says_what_it_is() -> None:
    for name, value in vars(_ccbs).items():
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isbuiltin(value)):
            continue
        assert value.__doc__, name
        for method, member in vars(value).items() if inspect.isclass(value) else ():
            if not method.startswith("_") and callable(member):
                assert member.__doc__, f"{name}.{method}"


def test_the_extension_was_built_with_optimisation() -> None:
    info = ccbs.build_info()
    assert info["profile"] == "release"
    assert info["version"] == ccbs.__version__
    assert info["compiler"].startswith("rustc ")


def test_a_build_without_optimisation_warns() -> None:
    program = """
    import importlib, warnings
    import ccbs
    from ccbs import _ccbs

    _ccbs.build_info = lambda: {"profile": "debug", "version": "0"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        importlib.reload(ccbs)
    print([(w.category.__name__, "without optimisation" in str(w.message)) for w in caught])
    """
    assert python(program) == "[('RuntimeWarning', True)]\n"


# --- bad input --------------------------------------------------------------------------------------

BAD: list[tuple[str, Callable[[], Any], str, str]] = [
    ("empty number", lambda: Line(""), "line", "1–255"),
    ("long number", lambda: LineFree("1" * 256), "line", "256"),
    ("lone surrogate", lambda: LineFree("\ud800"), "line", "surrogates"),
    ("empty callee", lambda: Order(1, "2", ""), "callee", "1–255"),
    ("negative id", lambda: Order(-1, "2"), "request", "-1 is below 0"),
    ("large id", lambda: Released(2**64), "recall", "too large"),
    ("unknown cause", lambda: CallFailed("2", "1", "bored"), "cause", "busy, no-reply, not-logged-in"),
    ("unknown outcome", lambda: RingResult(1, "yes"), "outcome", "answered"),
    ("unknown prompt", lambda: Play(1, 1, 1, ["hello"]), "prompts[0]", "activated"),
    ("attempts", lambda: Profile.autodial(attempts=21), "attempts", "21 is outside 1–20"),
    ("offer window", lambda: Profile.autodial(offer_window_s=4), "offer_window_s", "5–300"),
    (
        "negative timer",
        lambda: Profile.autodial(cb_timer_internal_s=-1),
        "cb_timer_internal_s",
        "-1 is below 0",
    ),
    ("orders", lambda: Limits(orders_total=0), "orders_total", "1–10000000"),
    ("negative time", lambda: Engine().apply([], -1), "now", "-1 is below 0"),
]


@pytest.mark.parametrize(("make", "field", "text"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_value_outside_its_range_names_the_field(make: Callable[[], Any], field: str, text: str) -> None:
    with pytest.raises(InvalidValue, match=text) as caught:
        make()
    assert caught.value.field == field
    assert field in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ccbs.CcbsError)


WRONG: list[tuple[str, Callable[[], Any], str]] = [
    ("number", lambda: Line(1), "line: "),  # type: ignore[arg-type]
    ("text for id", lambda: Order("1", "2"), "request: "),  # type: ignore[arg-type]
    ("float for id", lambda: Released(1.5), "recall: "),  # type: ignore[arg-type]
    ("profile", lambda: Service("2", 3), "profile: "),  # type: ignore[arg-type]
    ("limits", lambda: Engine(3), "limits: "),  # type: ignore[arg-type]
    ("text for list", lambda: Play(1, 1, 1, "activated"), "prompts: expected a sequence"),
    ("one event", lambda: Engine().apply(LineFree("1"), 0), "sequence of events, got one LineFree"),  # type: ignore[arg-type]
    ("no sequence", lambda: Engine().apply(3, 0), "sequence of events, got int"),  # type: ignore[arg-type]
    ("text", lambda: Engine().apply("abc", 0), "sequence of events"),  # type: ignore[arg-type]
    ("not an event", lambda: Engine().apply([LineFree("1"), 3], 0), r"events\[1\]: .* got int"),  # type: ignore[list-item]
    ("an action", lambda: Engine().apply([Released(1), NothingOrdered()], 0), r"events\[1\]"),  # type: ignore[list-item]
    ("text for time", lambda: Engine().apply([], "now"), "now: "),  # type: ignore[arg-type]
    ("missing", lambda: Service("2"), "profile"),  # type: ignore[call-arg]
]


@pytest.mark.parametrize(("make", "text"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_value_of_the_wrong_type_names_the_argument(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        make()


def test_a_batch_with_a_mistake_in_it_changes_nothing() -> None:
    engine = Engine()
    engine.apply([Service("2", Profile.autodial()), LineFree("2"), CallFailed("2", "1"), Order(1, "2")], 0)
    before = engine.snapshot()
    with pytest.raises(TypeError):
        engine.apply([Cancel(1, "2"), object()], 20_000)  # type: ignore[list-item]
    assert engine.snapshot() == before


def test_an_exception_of_the_sequence_comes_through() -> None:
    def failing() -> Any:
        yield LineFree("1")
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        Engine().apply(failing(), 0)


def test_copies_are_refused_rather_than_shared() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(Engine())


def test_what_is_wrong_in_a_sequence_is_named_with_its_place() -> None:
    for given, error, said in (
        (["1", ""], InvalidValue, r"^numbers\[1\]: a number has 1–\d+ bytes, got 0$"),
        (["1", "2", 3], TypeError, r"^numbers\[2\]: 'int' object"),
        ("12", TypeError, "^numbers: expected a sequence of them"),
    ):
        with pytest.raises(error, match=said) as caught:
            Engine().handles(given)  # type: ignore[arg-type]
        assert getattr(caught.value, "field", "numbers[1]") == "numbers[1]"
    with pytest.raises(InvalidValue, match=r"^records: ") as caught_records:
        Engine().unpack_actions(b"x")
    assert caught_records.value.field == "records"
