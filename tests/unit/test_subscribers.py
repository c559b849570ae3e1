"""The directory of subscribers and their stored secrets."""

from __future__ import annotations

import hashlib

import pytest

from ccbs.subscribers import Directory, Subscriber, ha1_md5, ha1_sha256


def test_ha1_of_the_standard_s_own_example() -> None:
    # RFC 2617 section 3.5: HA1 of Mufasa, testrealm@host.com, Circle Of Life.
    assert ha1_md5("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"

    # RFC 7616 section 3.9.1 (its response, computed from this HA1).
    def h(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    ha1 = ha1_sha256("Mufasa", "http-auth@example.org", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    response = h(f"{ha1}:{nonce}:00000001:{cnonce}:auth:{h('GET:/dir/index.html')}")
    assert response == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


@pytest.mark.parametrize("number", ["", "1 2", "*37#", "a@b", "1" * 66, "№1"])
def test_a_number_is_checked(number: str) -> None:
    with pytest.raises(ValueError, match=r"^number: "):
        Subscriber(number=number)


def test_a_wrong_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="ha1_md5 of 101: expected 32") as refused:
        Subscriber(number="101", ha1_md5="SECRET")
    assert "SECRET" not in str(refused.value)
    with pytest.raises(ValueError, match="ha1_sha256 of 101: expected 64"):
        Subscriber(number="101", ha1_sha256="0" * 32)


def test_call_waiting_decides_the_capacity_of_the_line() -> None:
    assert Subscriber(number="101").capacity == 1
    assert Subscriber(number="101", call_waiting=True).capacity == 2


def test_the_directory_finds_replaces_and_removes() -> None:
    directory = Directory([Subscriber(number="101"), Subscriber(number="102", name="Two")])
    assert len(directory) == 2
    assert "101" in directory
    assert "103" not in directory
    directory.put(Subscriber(number="101", name="One"))
    assert [subscriber.name for subscriber in directory] == ["One", "Two"]
    removed = directory.remove("101")
    assert removed is not None
    assert removed.name == "One"
    assert directory.remove("101") is None
    assert directory.get("101") is None


def test_one_number_is_one_subscriber() -> None:
    with pytest.raises(ValueError, match="101 is given to two"):
        Directory([Subscriber(number="101"), Subscriber(number="101")])
