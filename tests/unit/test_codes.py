"""Ordering from the phone: the five codes, and what the subscriber hears."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccbs import InvalidValue, Overload, prompts
from ccbs._ccbs import Accepted, Cancelled, Confirmed, Denied, NothingOrdered, Ordered
from ccbs.codes import CodeRequest, CodeVerb, OrderDesk, ServiceCodes, UnknownCode

ORDER, CANCEL, ASK = CodeVerb.ORDER, CodeVerb.CANCEL, CodeVerb.ASK


@pytest.mark.parametrize(
    ("dialled", "request_"),
    [
        ("*37*101#", CodeRequest(ORDER, "101")),
        ("*37#", CodeRequest(ORDER)),
        ("#37*101#", CodeRequest(CANCEL, "101")),
        ("#37#", CodeRequest(CANCEL)),
        ("*#37#", CodeRequest(ASK)),
        ("*37*101%23", CodeRequest(ORDER, "101")),
        ("%2337*101%23", CodeRequest(CANCEL, "101")),
        ("%2a%2337%23", CodeRequest(ASK)),
        ("*37*+74951234567#", CodeRequest(ORDER, "+74951234567")),
        # Phones whose send key is # leave the last one out.
        ("*37*101", CodeRequest(ORDER, "101")),
        ("*37", CodeRequest(ORDER)),
        ("#37", CodeRequest(CANCEL)),
        ("*#37", CodeRequest(ASK)),
    ],
)
def test_the_five_codes(dialled: str, request_: CodeRequest) -> None:
    assert ServiceCodes().parse(dialled) == request_
    assert ServiceCodes().is_code(dialled)


@pytest.mark.parametrize(
    "dialled",
    [
        "*38*101#",
        "*37**#",
        "*37*101*2#",
        "*37*#",
        "*370#",
        "#*37#",
        "*#37*101#",
        "**37#",
        "#38#",
        "*",
        "#",
        "37",
        "101",
        "",
    ],
)
def test_anything_else_is_unknown(dialled: str) -> None:
    with pytest.raises(UnknownCode):
        ServiceCodes().parse(dialled)


def test_an_ordinary_number_is_no_code() -> None:
    assert not ServiceCodes().is_code("101")
    assert not ServiceCodes().is_code("+7101")
    assert not ServiceCodes().is_code("")
    assert ServiceCodes().is_code("%2337%23")


def test_the_digits_are_settable() -> None:
    codes = ServiceCodes("66")
    assert codes.parse("*66*101#") == CodeRequest(ORDER, "101")
    with pytest.raises(UnknownCode):
        codes.parse("*37*101#")
    for wrong in ("", "3", "3*", "3777"):
        with pytest.raises(ValueError, match="service code"):
            ServiceCodes(wrong)


@given(st.text(alphabet="*#%237+ab1", max_size=20) | st.text(max_size=20))
def test_any_text_is_understood_or_unknown(dialled: str) -> None:
    try:
        request = ServiceCodes().parse(dialled)
    except UnknownCode:
        return
    assert request.callee is None or not set(request.callee) & set("*#")


class Answering:
    """A service that gives the answer a test wants and keeps what it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    def _reply(self, *asked: object) -> object:
        self.asked.append(asked)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def order(self, caller: str, callee: str | None = None) -> Accepted | Confirmed | Denied:
        return self._reply("order", caller, callee)  # type: ignore[return-value]

    async def cancel(self, caller: str, callee: str | None = None) -> Cancelled | NothingOrdered:
        return self._reply("cancel", caller, callee)  # type: ignore[return-value]

    async def ordered(self, caller: str) -> Ordered | NothingOrdered:
        return self._reply("ordered", caller)  # type: ignore[return-value]


HEARD = [
    ("*37*101#", Accepted(1, "101", 1), ("order", "102", "101"), ("order-accepted",)),
    ("*37#", Confirmed(1, "101", 1), ("order", "102", None), ("order-accepted",)),
    ("*37*101#", Denied("not-allowed", False), ("order", "102", "101"), ("not-allowed",)),
    ("*37*102#", Denied("own-number", False), ("order", "102", "102"), ("not-allowed",)),
    ("*37*101#", Denied("no-offer", False), ("order", "102", "101"), ("number-was-not-busy",)),
    ("*37*101#", Denied("caller-limit", True), ("order", "102", "101"), ("too-many-orders",)),
    ("*37*101#", Denied("callee-limit", True), ("order", "102", "101"), ("too-many-orders",)),
    ("*37*101#", Denied("overload", True), ("order", "102", "101"), ("too-many-orders",)),
    ("#37*101#", Cancelled((1,)), ("cancel", "102", "101"), ("order-cancelled",)),
    ("#37#", Cancelled((1, 2)), ("cancel", "102", None), ("all-cancelled",)),
    ("#37#", NothingOrdered(), ("cancel", "102", None), ("nothing-ordered",)),
    ("*#37#", NothingOrdered(), ("ordered", "102"), ("nothing-ordered",)),
    (
        "*#37#",
        Ordered(("101", "+79")),
        ("ordered", "102"),
        ("ordered", "pause", "digit-1", "digit-0", "digit-1", "pause", "plus", "digit-7", "digit-9"),
    ),
    ("#37*101#", Overload("full"), ("cancel", "102", "101"), ("too-many-orders",)),
]


@pytest.mark.parametrize(("dialled", "answer", "asked", "heard"), HEARD)
async def test_what_the_subscriber_hears(
    dialled: str, answer: object, asked: tuple[object, ...], heard: tuple[str, ...]
) -> None:
    service = Answering(answer)
    assert await OrderDesk(service).answer("102", dialled) == heard
    assert service.asked == [asked]
    assert set(heard) <= set(prompts.names())


@pytest.mark.parametrize(
    ("callee", "heard", "not_read"),
    [
        ("1-0.1_ (4)", ("digit-1", "digit-0", "digit-1", "digit-4"), 0),
        # The letters of a keypad (ITU-T E.161).
        ("adgjmptw", tuple(f"digit-{key}" for key in (2, 3, 4, 5, 6, 7, 8, 9)), 0),
        ("CFILoSVZ", tuple(f"digit-{key}" for key in (2, 3, 4, 5, 6, 7, 8, 9)), 0),
        ("7ю٣", ("digit-7",), 2),
    ],
)
async def test_every_sign_of_an_ordered_number_is_read_out_or_counted(
    callee: str, heard: tuple[str, ...], not_read: int
) -> None:
    desk = OrderDesk(Answering(Ordered((callee,))))
    assert await desk.answer("102", "*#37#") == ("ordered", "pause", *heard)
    assert desk.counters() == {"signs_not_read_out": not_read}


async def test_a_number_that_is_none_was_not_busy() -> None:
    service = Answering(InvalidValue("callee: too long"))
    assert await OrderDesk(service).answer("102", "*37*" + "1" * 60 + "#") == ("number-was-not-busy",)
    assert await OrderDesk(service).answer("102", "#37*" + "1" * 60 + "#") == ("nothing-ordered",)


async def test_an_unknown_code_asks_nobody() -> None:
    service = Answering(None)
    with pytest.raises(UnknownCode, match=r"\*99#"):
        await OrderDesk(service).answer("102", "*99#")
    assert service.asked == []
