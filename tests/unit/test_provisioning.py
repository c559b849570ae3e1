"""The softkey preset of the reference, and the settings of a Yealink phone made of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ccbs.config import ConfigError
from ccbs.provisioning import (
    Account,
    Incapable,
    Key,
    SoftkeyPack,
    dial_string,
    read_pack,
    renderer,
    vendors,
)

ROOT = Path(__file__).resolve().parents[2]
PRESET = ROOT / "config" / "presets" / "softkey_pack_presets" / "default.yml"
ACCOUNT = Account(number="102", name="Абонент 102", password="se=cret", server="192.0.2.10", port=5060)

GOLDEN = """\
#!version:1.0.0.1
account.1.enable = 1
account.1.label = 102
account.1.display_name = Абонент 102
account.1.user_name = 102
account.1.auth_name = 102
account.1.password = ********
account.1.sip_server.1.address = 192.0.2.10
account.1.sip_server.1.port = 5060
features.enhanced_dss_keys.enable = 1
softkey.1.enable = 1
softkey.1.label = Обратный вызов
softkey.1.position = 2
softkey.1.action = *37#$Tinvite$
softkey.1.use.call_failed = 1
sip.notify_reboot_enable = 0
sip.trust_ctrl = 1
call_waiting.enable = 0
auto_redial.enable = 0
"""


def render(
    pack: SoftkeyPack, account: Account = ACCOUNT, *, reveal: bool = False, waiting: bool = False
) -> str:
    return renderer("yealink").render(account, pack, service_digits="37", call_waiting=waiting, reveal=reveal)


def key(label: str = "x", position: int = 1) -> Key:
    return Key(type="callback-on-fail", label=label, position=position)


def test_the_preset_is_the_file_of_the_reference_as_it_stands() -> None:
    assert PRESET.read_text(encoding="utf-8") == (
        "keys:\n- type: callback-on-fail\n  label: Обратный вызов\n  position: 2\n"
    )
    assert read_pack(PRESET) == SoftkeyPack(keys=[key("Обратный вызов", 2)])


def test_the_key_dials_the_order_for_the_last_failed_number() -> None:
    assert dial_string(key(), "37") == "*37#"
    assert dial_string(key(), "88") == "*88#"


def test_settings_of_a_yealink_phone() -> None:
    assert render(read_pack(PRESET)) == GOLDEN


def test_the_password_is_shown_only_when_asked_for() -> None:
    pack = read_pack(PRESET)
    assert "se=cret" not in render(pack)
    assert render(pack, reveal=True) == GOLDEN.replace("********", "se=cret")


def test_a_subscriber_of_ha1_only_gets_no_password_line() -> None:
    account = Account(number="102", name=None, password=None, server="192.0.2.10", port=5060)
    settings = render(read_pack(PRESET), account, reveal=True)
    assert "account.1.password" not in settings
    assert "enter the password at the phone" in settings
    assert "account.1.display_name = 102" in settings


def test_call_waiting_of_the_phone_is_that_of_the_line() -> None:
    assert "call_waiting.enable = 1\n" in render(read_pack(PRESET), waiting=True)


def test_several_keys_take_slots_in_the_order_of_their_positions() -> None:
    settings = render(SoftkeyPack(keys=[key("late", 9), key("early", 1)]))
    assert settings.index("softkey.1.label = early\nsoftkey.1.position = 1") < settings.index(
        "softkey.2.label = late\nsoftkey.2.position = 9"
    )


def test_no_keys_switch_the_keys_off() -> None:
    settings = render(SoftkeyPack(keys=[]))
    assert "features.enhanced_dss_keys.enable = 0" in settings
    assert "softkey." not in settings


@pytest.mark.parametrize(
    "label", ["a\nsoftkey.2.action = !", "a\rb", "a\x00b", "a\u2028b", "a\x85b", "$Tinvite$", "", "x" * 65]
)
def test_a_label_that_would_break_out_of_its_line_is_refused(tmp_path: Path, label: str) -> None:
    escaped = label.encode("unicode_escape").decode().replace('"', '\\"')
    file = tmp_path / "pack.yml"
    file.write_text(
        f'keys:\n- type: callback-on-fail\n  label: "{escaped}"\n  position: 1\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        read_pack(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (3, "keys[0].label")


@pytest.mark.parametrize("field", ["name", "server", "password"])
def test_an_account_that_would_break_out_of_its_line_is_refused(field: str) -> None:
    account = Account(number="102", name="n", password="p", server="s", port=5060)
    broken = {
        "name": dataclasses.replace(account, name="a\nb = c"),
        "server": dataclasses.replace(account, server="a\nb = c"),
        "password": dataclasses.replace(account, password="a\nb = c"),
    }
    with pytest.raises(ValueError, match=f"the {field} holds a control character"):
        render(SoftkeyPack(keys=[]), broken[field], reveal=True)


@pytest.mark.parametrize("position", [0, 11, -1])
def test_positions_are_those_of_the_phone(tmp_path: Path, position: int) -> None:
    file = tmp_path / "pack.yml"
    file.write_text(
        f"keys:\n- type: callback-on-fail\n  label: x\n  position: {position}\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="a whole number from 1 to 10"):
        read_pack(file)


def test_two_keys_in_one_place_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "pack.yml"
    one = "- type: callback-on-fail\n  label: x\n  position: 2\n"
    file.write_text(f"keys:\n{one}{one}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_pack(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (7, "keys[1].position")
    assert problem.what == "2 is taken by the key of line 4"


def test_an_empty_preset_and_an_unknown_key_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "pack.yml"
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        read_pack(file)
    file.write_text("keys:\n- {type: callback-on-fail, lable: x, position: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"did you mean label\?"):
        read_pack(file)


@pytest.mark.parametrize("vendor", [name for name in vendors() if name != "yealink"])
def test_a_vendor_that_cannot_have_the_key_refuses_and_says_what_to_do(vendor: str) -> None:
    with pytest.raises(Incapable, match="the subscriber dials the service code instead"):
        renderer(vendor).render(ACCOUNT, read_pack(PRESET), service_digits="37", call_waiting=False)


def test_an_unknown_vendor() -> None:
    with pytest.raises(KeyError):
        renderer("acme")


def test_capabilities_are_told() -> None:
    can = renderer("Yealink").capabilities
    assert can.call_failed_key
    assert can.label
    assert can.position
    assert can.slots == 10
