"""The configuration with ``switch: asterisk``: what it holds, and what is told of faults in it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ccbs.config import AsteriskConfig, Config, ConfigError, ServiceConfig, load, load_any

ROOT = Path(__file__).parents[2]
PLAIN = """\
switch: asterisk
asterisk:
  context: office
  password: secret
subscribers:
- {number: 101}
- {number: 102, name: Workshop, services: {ccbs: {allowed: true, callee_idle_guard_s: 3}}}
numbering: {internal: [1XX], external: [{prefix: 7, trunk: city}]}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "ccbs.yml"
    file.write_text(text, encoding="utf-8")
    return file


def loaded(tmp_path: Path, text: str = PLAIN) -> AsteriskConfig:
    config = load_any(written(tmp_path, text))
    assert isinstance(config, AsteriskConfig)
    return config


def problems(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load_any(written(tmp_path, text))
    return [(problem.field, problem.what) for problem in caught.value.problems]


def test_the_words_are_those_of_the_other_switch(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert [(found.number, found.service) for found in config.subscribers] == [
        ("101", None),
        ("102", ServiceConfig(profile="ccbs", settings={"callee_idle_guard_s": 3})),
    ]
    assert config.password.get_secret_value() == "secret"
    assert config.numbering.trunks == {"city"}
    assert "secret" not in repr(config)


def test_the_example_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "asterisk.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    config = loaded(tmp_path, textwrap.dedent(block))
    assert config.password.get_secret_value() == "choose-one"
    assert config.asterisk.context == "office"


SAMPLES = sorted((ROOT / "config" / "asterisk").iterdir())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_the_blocks_of_the_page(sample: Path) -> None:
    page = (ROOT / "docs" / "asterisk.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(?:ini|yaml)\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(SAMPLES)
    told, _, lines = sample.read_text(encoding="utf-8").partition("\n")
    assert told.startswith((";", "#"))
    assert lines in [textwrap.dedent(block) for block in blocks]


def test_the_sample_can_be_loaded(tmp_path: Path) -> None:
    config = loaded(tmp_path, (ROOT / "config" / "asterisk" / "ccbs.yml").read_text(encoding="utf-8"))
    assert {found.number for found in config.subscribers} == {"101", "102", "104"}


def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "ari.password").write_text("from-a-file\n", encoding="utf-8")
    text = PLAIN.replace("password: secret", "password_file: ari.password")
    assert loaded(tmp_path, text).password.get_secret_value() == "from-a-file"


def test_the_password_may_be_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PLAIN.replace("password: secret", "password_env: CCBS_TEST_ARI")
    assert problems(tmp_path, text) == [
        ("asterisk.password_env", "the environment variable CCBS_TEST_ARI is not set")
    ]
    monkeypatch.setenv("CCBS_TEST_ARI", "from-outside")
    assert loaded(tmp_path, text).password.get_secret_value() == "from-outside"


@pytest.mark.parametrize(
    ("old", "new", "field", "what"),
    [
        ("  password: secret\n", "", "asterisk", "has no password"),
        (
            "  password: secret\n",
            "  password: s\n  password_env: HOME\n",
            "asterisk.password_env",
            "stands beside",
        ),
        ("context: office", "contex: office", "asterisk.contex", "is not a field here"),
        (
            "context: office",
            "context: office\n  url: 127.0.0.1",
            "asterisk.url",
            "no address of an HTTP server",
        ),
        (
            "context: office",
            "context: office\n  endpoint: phone",
            "asterisk.endpoint",
            "does not have {number}",
        ),
        ("context: office", "context: office\n  offer_digit: 55", "asterisk.offer_digit", "is no key"),
        ("context: office", "context: office\n  sounds: ccbs", "asterisk.sounds", "is no absolute path"),
        ("{number: 101}", "{number: 101, password: x}", "subscribers[0].password", "is not a field here"),
        ("{number: 101}", "{number: 201}", "subscribers[0].number", "fits no pattern"),
        ("{number: 101}", "{number: 101, endpoint: 102}", "subscribers[1].number", "given to 101 already"),
        ("number: 102,", "number: 101,", "subscribers[1].number", "given twice"),
        ("switch: asterisk\n", "switch: asterisk\nlisten: {realm: r}\n", "listen", "is not a field here"),
        ("switch: asterisk\n", "switch: freeswitch\n", "switch", "is not known"),
        (
            "ccbs: {",
            "autodial: {allowed: true}, ccbs: {",
            "subscribers[1].services.ccbs.allowed",
            "two profiles",
        ),
    ],
)
def test_each_fault_is_told_with_its_field(tmp_path: Path, old: str, new: str, field: str, what: str) -> None:
    assert old in PLAIN
    told = problems(tmp_path, PLAIN.replace(old, new))
    assert any(found == field and what in said for found, said in told), told


def test_the_other_switch_loads_as_before(tmp_path: Path) -> None:
    text = "listen: {realm: r}\nnumbering: {internal: [1XX]}\n"
    assert isinstance(load_any(written(tmp_path, text)), Config)
    with pytest.raises(ConfigError, match="'asterisk' is not known"):
        load(written(tmp_path, PLAIN))
