"""What a phone shows at a recall, whichever the switch."""

from __future__ import annotations

import pytest

from ccbs.languages import Languages
from ccbs.subscribers import Directory, Subscriber


@pytest.mark.parametrize(
    ("names", "caller", "shown"),
    [
        ({"ru": "Обратный вызов {callee}", "en": "Callback {callee}"}, "103", "Callback 101"),
        ({"ru": "Обратный вызов {callee}"}, "103", "Обратный вызов 101"),
        ({"ru": "{office} {callee}"}, "102", "{office} 101"),
        ({}, "102", "101"),
        ({"ru": "Обратный вызов {callee}"}, "9995551234", "Обратный вызов 101"),
    ],
)
def test_what_the_caller_s_phone_shows(names: dict[str, str], caller: str, shown: str) -> None:
    directory = Directory([Subscriber(number="102"), Subscriber(number="103", language="en")])
    assert Languages(directory, "ru", names).recall_name(caller, "101") == shown
