"""What no single field can tell: duplicates, names that lead nowhere, files that are missing or broken."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from broken_config import SOUND, marked_line, problems, write

from ccbs.config import ConfigError, load

TRUNK = "trunks: [{name: city, address: 127.0.0.1}]\n"

CASES = {
    "number given twice": (
        SOUND.replace("numbering:", "- number: 101 #!\n  password: x\nnumbering:"),
        "subscribers[1].number",
        ("'101' is given twice, first in line 3", "each number once", "change or remove one of the two"),
    ),
    "number that no pattern fits": (
        SOUND.replace("number: 101", "number: 201 #!"),
        "subscribers[0].number",
        ("'201' fits no pattern of numbering.internal", "can be dialled", "add a pattern"),
    ),
    "broken pattern": (
        SOUND.replace("[1XX]", '["1[X", 1XX] #!'),
        "numbering.internal[0]",
        ("'1[X', character 2", "X = 0-9", "correct it"),
    ),
    "no password": (
        SOUND.replace("number: 101", "number: 101 #!").replace("  password: secret-101\n", ""),
        "subscribers[0]",
        ("has no password", "or its HA1", "`ccbs ha1` makes the HA1"),
    ),
    "empty password": (
        SOUND.replace("number: 101", "number: 101 #!").replace("secret-101", ""),
        "subscribers[0]",
        ("has no password", "or its HA1", "`ccbs ha1` makes the HA1"),
    ),
    "password beside HA1": (
        SOUND.replace("secret-101", "x\n  ha1_md5: " + "0" * 32 + " #!"),
        "subscribers[0].ha1_md5",
        ("stands beside password", "or its HA1", "keep one of the two"),
    ),
    "digest beside HA1": (
        SOUND.replace("password: secret-101", "ha1_md5: " + "0" * 32 + "\n  digest: [MD5] #!"),
        "subscribers[0].digest",
        ("stands beside ha1_md5, which says it already", "beside a password only", "remove it"),
    ),
    "password's variable not set": (
        SOUND.replace("password: secret-101", "password_env: CCBS_TEST_NOT_SET #!"),
        "subscribers[0].password_env",
        ("CCBS_TEST_NOT_SET is not set", "a variable that holds the password", "set it"),
    ),
    "password's file missing": (
        SOUND.replace("password: secret-101", "password_file: nowhere #!"),
        "subscribers[0].password_file",
        ("nowhere cannot be read: No such file or directory", "a readable file", "check the path"),
    ),
    "trunk given twice": (
        SOUND + "trunks:\n- {name: city, address: 127.0.0.1}\n- {name: city, address: 127.0.0.2} #!\n",
        "trunks[1].name",
        ("'city' is given twice, first in line 8", "each name once", "change or remove"),
    ),
    "trunks of one address": (
        SOUND + "trunks:\n- {name: a, address: 127.0.0.1}\n- {name: b, address: 127.0.0.1, port: 9} #!\n",
        "trunks[1].address",
        ("'127.0.0.1' is given twice, first in line 8", "each address once", "change or remove"),
    ),
    "trunk with user name only": (
        SOUND + "trunks:\n- {name: city, address: 127.0.0.1, username: u} #!\n",
        "trunks[0].username",
        ("without a password", "both or neither", "add password"),
    ),
    "trunk with password only": (
        SOUND + "trunks:\n- {name: city, address: 127.0.0.1, password: p} #!\n",
        "trunks[0].password",
        ("without a username", "both or neither", "add username"),
    ),
    "trunk that does not exist": (
        SOUND.replace("[1XX]", "[1XX]\n  external:\n  - {prefix: 9, trunk: citi} #!") + TRUNK,
        "numbering.external[0].trunk",
        ("no trunk is named 'citi'", "one of city", "did you mean city?"),
    ),
    "no trunks at all": (
        SOUND.replace("[1XX]", "[1XX]\n  external:\n  - {prefix: 9, trunk: city} #!"),
        "numbering.external[0].trunk",
        ("no trunk is named 'city'", "the section trunks, which is empty", "add the trunk"),
    ),
    "prefix given twice": (
        SOUND.replace(
            "[1XX]",
            "[1XX]\n  external:\n  - {prefix: 9, trunk: city}\n  - {prefix: 9, trunk: city} #!",
        )
        + TRUNK,
        "numbering.external[1].prefix",
        ("'9' is given twice", "each prefix once", "change or remove"),
    ),
    "preset missing": (
        SOUND.replace("  password", "  softkey_pack: defualt #!\n  password"),
        "subscribers[0].softkey_pack",
        ("there is no preset", "a preset in", "write the preset"),
    ),
    "preset out of the directory": (
        SOUND.replace("  password", "  softkey_pack: ../../secret #!\n  password"),
        "subscribers[0].softkey_pack",
        ("'../../secret' does not fit", "a word of letters", "correct it"),
    ),
    "unknown language": (
        SOUND + "prompts: {language: rus} #!",
        "prompts.language",
        ("there are no prompts in 'rus'", "one of ru, en", "did you mean ru?"),
    ),
    "unknown language of a subscriber": (
        SOUND.replace("  password", "  language: de #!\n  password"),
        "subscribers[0].language",
        ("there are no prompts in 'de'", "one of ru, en", "choose one of them"),
    ),
    "prompt's file missing": (
        SOUND + "prompts:\n  overrides:\n    en: {activated: nowhere.wav} #!\n",
        "prompts.overrides.en.activated",
        ("nowhere.wav cannot be read: No such file or directory", "a WAV file", "check the path"),
    ),
    "RTP ports": (
        "listen:\n  realm: r\n  rtp_ports: {first: 30000, last: 20000} #!\nnumbering: {internal: [1XX]}\n",
        "listen.rtp_ports",
        ("the first port, 30000, is not below the last, 20000", "first below last", "swap or widen"),
    ),
    "every address and none to tell": (
        SOUND.replace("{realm", "{address: 0.0.0.0, realm").replace("example}", "example} #!"),
        "listen.address",
        ("nothing says which of them phones are told", "advertise, or one address", "add advertise"),
    ),
    "an address to tell that cannot be called": (
        SOUND.replace("{realm", "{advertise: 0.0.0.0, realm").replace("example}", "example} #!"),
        "listen.advertise",
        ("is no address that can be called", "an address that phones reach", "correct it"),
    ),
    "directory of the call log": (
        SOUND + "call_log:\n  file: nowhere/calls.jsonl #!\n",
        "call_log.file",
        ("there is no directory", "a directory that exists", "make the directory"),
    ),
    "directory of the control socket": (
        SOUND + "control:\n  socket: nowhere/ccbs.sock #!\n",
        "control.socket",
        ("there is no directory", "a directory that exists", "make the directory"),
    ),
    "control socket too long": (
        SOUND + f"control:\n  socket: {'s' * 120} #!\n",
        "control.socket",
        ("bytes long", "at most 107", "choose a shorter path"),
    ),
    "route of the wrong form": (
        SOUND + "route: my_route #!",
        "route",
        ("'my_route' is not of the form module:function", "module:function", "correct it"),
    ),
    "route's module missing": (
        SOUND + "route: no_such_module:route #!",
        "route",
        ("cannot be imported: ModuleNotFoundError", "module:function", "PYTHONPATH"),
    ),
    "route that is no coroutine function": (
        SOUND + "route: json:dumps #!",
        "route",
        ("the module json has no coroutine function dumps", "coroutine", "correct it"),
    ),
}


@pytest.mark.parametrize(("text", "field", "said"), CASES.values(), ids=CASES.keys())
def test_a_wrong_reference(tmp_path: Path, text: str, field: str, said: tuple[str, str, str]) -> None:
    found = problems(tmp_path, text)
    assert [problem.field for problem in found] == [field]
    (problem,) = found
    assert problem.line == marked_line(text)
    assert said[0] in problem.what
    assert said[1] in problem.expected
    assert said[2] in problem.todo


def test_a_prompt_that_does_not_exist_is_likened_to_one_that_does(tmp_path: Path) -> None:
    write(tmp_path, "x", "a.wav")
    text = SOUND + "prompts: {overrides: {ru: {activted: a.wav}}}\n"
    name = next(problem for problem in problems(tmp_path, text) if problem.what == "is no prompt")
    assert (name.line, name.field) == (7, "prompts.overrides.ru.activted")
    assert "activated" in name.expected
    assert name.todo == "did you mean activated?"


def test_a_prompt_that_cannot_be_played(tmp_path: Path) -> None:
    write(tmp_path, "this is no recording", "a.wav")
    text = SOUND + "prompts: {overrides: {ru: {activated: a.wav}}}\n"
    (problem,) = problems(tmp_path, text)
    assert problem.field == "prompts.overrides.ru.activated"
    assert re.match(rf"{re.escape(str(tmp_path))}/a\.wav cannot be played: .+", problem.what)
    assert problem.todo == "convert or record it anew"


def test_a_broken_preset_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    presets = tmp_path / "presets" / "softkey_pack_presets"
    presets.mkdir(parents=True)
    failed = "- type: callback-on-fail\n  label: a$b\n  position: 11\n"
    keys = failed + "- type: speed-dial\n  label: x\n  position: 1\n"
    text = f"keys:\n{keys}"
    write(presets, text, "office.yml")
    found = problems(tmp_path, SOUND.replace("  password", "  softkey_pack: office\n  password"))
    assert {problem.file for problem in found} == {presets / "office.yml"}
    assert [(problem.line, problem.field) for problem in found] == [
        (3, "keys[0].label"),
        (4, "keys[0].position"),
        (5, "keys[1].type"),
    ]
    assert "holds $" in found[0].what
    assert found[1].expected == "a whole number from 1 to 10"
    assert found[2].expected == "callback-on-fail"


def test_a_preset_is_likened_to_those_that_exist(tmp_path: Path) -> None:
    presets = tmp_path / "presets" / "softkey_pack_presets"
    presets.mkdir(parents=True)
    write(presets, "keys: []\n", "default.yml")
    (problem,) = problems(tmp_path, SOUND.replace("  password", "  softkey_pack: defualt\n  password"))
    assert (problem.expected, problem.todo) == ("one of default", "did you mean default?")


def test_passwords_from_a_file_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "from-file\nsecond line\n", "secret")
    monkeypatch.setenv("CCBS_TEST_PASSWORD", "from-environment")
    text = SOUND.replace("password: secret-101", "password_file: secret").replace(
        "numbering:", "- {number: 102, password_env: CCBS_TEST_PASSWORD}\nnumbering:"
    )
    first, second = load(write(tmp_path, text)).subscribers
    assert first.password is not None
    assert first.password.get_secret_value() == "from-file"
    assert second.password is not None
    assert second.password.get_secret_value() == "from-environment"
    write(tmp_path, "\n", "secret")
    (problem,) = problems(tmp_path, text)
    assert "has an empty first line" in problem.what


def test_a_route_beside_the_configuration_is_found(tmp_path: Path) -> None:
    write(tmp_path, "async def by_moon(call):\n    return None\n", "route_by_moon.py")
    config = load(write(tmp_path, SOUND + "route: route_by_moon:by_moon\n"))
    assert config.route == "route_by_moon:by_moon"


def test_paths_are_relative_to_the_file_and_not_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    config = load(write(tmp_path, SOUND + "control: {socket: c.sock}\ncall_log: {file: calls.jsonl}\n"))
    assert config.control_socket == tmp_path / "c.sock"
    assert config.call_log_file == tmp_path / "calls.jsonl"


def test_a_socket_path_of_the_longest_length_can_be_bound(tmp_path: Path) -> None:
    name = "s" * (107 - len(str(tmp_path)) - 1)
    config = load(write(tmp_path, SOUND + f"control: {{socket: {name}}}\n"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(config.control_socket))
    with pytest.raises(ConfigError):
        load(write(tmp_path, SOUND + f"control: {{socket: {name}s}}\n"))
