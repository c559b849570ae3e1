"""The sample configuration and the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from broken_config import SOUND, write

from ccbs import Profile
from ccbs.config import ConfigError, ServiceConfig, load, schema
from ccbs.config.document import read
from ccbs.config.services import AutodialSettings
from ccbs.subscribers import ha1_md5, ha1_sha256

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "config" / "ccbs.yml"
BESIDE_ASTERISK = ROOT / "config" / "asterisk" / "ccbs.yml"
PUBLISHED = ROOT / "docs" / "ccbs.schema.json"


def test_the_published_schema_is_that_of_the_models() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema(), (
        "the schema changed: ccbs schema > docs/ccbs.schema.json"
    )


@pytest.mark.parametrize("sample", [SAMPLE, BESIDE_ASTERISK], ids=["sip", "asterisk"])
def test_the_samples_are_valid_by_the_published_schema(sample: Path) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(read(sample).data, published)


@pytest.mark.parametrize(
    "broken",
    [
        SOUND + "zzz: 1\n",
        SOUND + "profiles: {autodial: {attempts: 25}}\n",
        SOUND + "switch: isdn\n",
        SOUND.replace("realm", "relm"),
        SOUND.replace("number: 101", "number: [101]"),
        SOUND.replace("[1XX]", "1XX"),
        SOUND + "switch: asterisk\n",
        SOUND + "asterisk: {context: office}\n",
        "switch: asterisk\nasterisk: {contex: office}\nnumbering: {internal: [1XX]}\n",
        "switch: asterisk\nasterisk: {context: office}\ntrunks: []\nnumbering: {internal: [1XX]}\n",
    ],
)
def test_the_published_schema_refuses_what_the_models_refuse(tmp_path: Path, broken: str) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read(write(tmp_path, broken)).data, published)


def test_the_published_schema_tells_a_fault_by_the_switch_that_is_written(tmp_path: Path) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    text = "switch: asterisk\nasterisk: {contex: office}\nnumbering: {internal: [1XX]}\n"
    told = jsonschema.Draft202012Validator(published).iter_errors(read(write(tmp_path, text)).data)
    assert sorted((error.json_path, error.message) for error in told) == [
        ("$.asterisk", "'context' is a required property"),
        ("$.asterisk", "Additional properties are not allowed ('contex' was unexpected)"),
    ]


def test_the_sample_holds_the_set_up_of_the_reference() -> None:
    config = load(SAMPLE)
    assert [subscriber.number for subscriber in config.subscribers] == ["101", "102", "104"]
    callee, orderer, other = config.subscribers
    assert orderer.service is not None
    assert orderer.service.profile == "autodial"
    assert orderer.service.settings["cb_timer_internal_s"] == 10
    assert orderer.service.settings["cb_timer_external_s"] == 20
    assert orderer.service.settings["attempts"] == 3
    assert orderer.softkey_pack == "default"
    assert callee.call_waiting is False
    assert callee.service is None
    assert other.service is None
    assert [trunk.name for trunk in config.trunks] == ["city"]
    assert config.service_digits == "37"
    assert config.languages == ("ru",)


def test_ha1_is_made_of_number_realm_and_password() -> None:
    callee = load(SAMPLE).subscribers[0]
    assert callee.ha1_md5 == ha1_md5("101", "ccbs.example", "change-me-101")
    # Phones that know no SHA-256 give up when they see it, so it is for those who ask for it.
    assert callee.ha1_sha256 is None


@pytest.mark.parametrize(
    ("digest", "of_all", "made"),
    [
        ("[SHA-256]", "", (False, True)),
        ("[MD5, SHA-256]", "", (True, True)),
        ("[MD5]", ", digest: [SHA-256]", (True, False)),
        ("", ", digest: [SHA-256]", (False, True)),
    ],
)
def test_ha1_is_made_for_the_algorithms_asked_for(
    tmp_path: Path, digest: str, of_all: str, made: tuple[bool, bool]
) -> None:
    text = SOUND.replace("ccbs.example", f"ccbs.example{of_all}")
    if digest:
        text = text.replace("  password", f"  digest: {digest}\n  password")
    (subscriber,) = load(write(tmp_path, text)).subscribers
    md5, sha256 = made
    assert subscriber.ha1_md5 == (ha1_md5("101", "ccbs.example", "secret-101") if md5 else None)
    assert subscriber.ha1_sha256 == (ha1_sha256("101", "ccbs.example", "secret-101") if sha256 else None)


def test_a_subscriber_of_ha1_only_has_no_password(tmp_path: Path) -> None:
    stored = "0123456789abcdefABCDEF0123456789"
    config = load(write(tmp_path, SOUND.replace("password: secret-101", f"ha1_md5: {stored}")))
    (subscriber,) = config.subscribers
    assert subscriber.password is None
    assert subscriber.ha1_md5 == stored.lower()
    assert subscriber.ha1_sha256 is None


def test_own_numbers_go_before_those_of_the_profile(tmp_path: Path) -> None:
    text = (
        SOUND.replace("  password", "  services: {autodial: {allowed: true, attempts: 7}}\n  password")
        + "profiles: {autodial: {attempts: 5, caller_ring_s: 40}}\n"
    )
    (subscriber,) = load(write(tmp_path, text)).subscribers
    assert subscriber.service == ServiceConfig(
        profile="autodial", settings={"attempts": 7, "caller_ring_s": 40}
    )


def test_a_service_that_is_not_allowed_is_no_service(tmp_path: Path) -> None:
    text = SOUND.replace("  password", "  services: {autodial: {allowed: false, attempts: 7}}\n  password")
    assert load(write(tmp_path, text)).subscribers[0].service is None


def test_every_setting_and_its_range_are_those_of_the_engine(tmp_path: Path) -> None:
    bounds = schema()["$defs"]["AutodialSettings"]["properties"]
    assert set(bounds) == set(AutodialSettings.model_fields)
    for name, drawn in bounds.items():
        number = next(option for option in drawn["anyOf"] if option.get("type") == "integer")
        for inside in (number["minimum"], number["maximum"]):
            Profile.autodial(**{name: inside})
        for outside in (number["minimum"] - 1, number["maximum"] + 1):
            if outside >= 0:
                with pytest.raises(ValueError, match=name):
                    Profile.autodial(**{name: outside})


def test_secrets_are_not_in_the_printed_form() -> None:
    printed = repr(load(SAMPLE))
    assert "change-me" not in printed
    assert ha1_md5("101", "ccbs.example", "change-me-101") not in printed


def test_a_subscriber_may_have_the_profile_of_the_standards(tmp_path: Path) -> None:
    text = (
        SOUND.replace("  password", "  services: {ccbs: {allowed: true, retention: false}}\n  password")
        + "profiles: {ccbs: {callee_idle_guard_s: 0, retention: true}}\n"
    )
    (subscriber,) = load(write(tmp_path, text)).subscribers
    assert subscriber.service == ServiceConfig(
        profile="ccbs", settings={"callee_idle_guard_s": 0, "retention": False}
    )


@pytest.mark.parametrize(
    ("services", "field"),
    [
        ("{autodial: {allowed: true}, ccbs: {allowed: true}}", "ccbs.allowed"),
        ("{ccbs: {allowed: true, poll_first_s: 100, poll_longest_s: 99}}", "ccbs.poll_longest_s"),
        ("{ccbs: {allowed: true, poll_first_s: 1000}}", "ccbs.poll_first_s"),
    ],
)
def test_services_that_contradict_are_refused(tmp_path: Path, services: str, field: str) -> None:
    text = SOUND.replace("  password", f"  services: {services}\n  password")
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    (problem,) = caught.value.problems
    assert problem.field == f"subscribers[0].services.{field}"
