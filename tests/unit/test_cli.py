"""The command line: what it prints, what it says when something is wrong, its exit codes."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import typer.main
from broken_config import SOUND, write
from typer.testing import CliRunner, Result

from ccbs.cli.app import app
from ccbs.config import default_socket, schema, socket_of
from ccbs.subscribers import ha1_md5, ha1_sha256

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "config" / "ccbs.yml"
BESIDE_ASTERISK = ROOT / "config" / "asterisk" / "ccbs.yml"


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def process(
    *arguments: str | Path, stdin: str | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ccbs", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def test_check_of_a_sound_configuration(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE.parent, tmp_path, dirs_exist_ok=True)
    file = tmp_path / SAMPLE.name
    file.chmod(0o640)
    done = process("check", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: no errors; subscribers: 3, of them may order: 1; trunks: 1\n"


@pytest.mark.parametrize("json_wanted", [[], ["--json"]])
def test_check_warns_of_secrets_that_everybody_may_read(tmp_path: Path, json_wanted: list[str]) -> None:
    (tmp_path / "secret").write_text("hush\n", encoding="utf-8")
    (tmp_path / "secret").chmod(0o644)
    file = write(tmp_path, SOUND.replace("password: secret-101", "password_file: secret"))
    file.chmod(0o644)
    warning = (
        "Warning: {0} holds passwords or HA1, and every user of this machine may read it; "
        "make it yours alone: chmod 600 {0}\n"
    )
    done = run("check", file, *json_wanted)
    assert (done.exit_code, done.stderr) == (0, warning.format(tmp_path / "secret"))
    file = write(tmp_path, SOUND.replace("password: secret-101", f"ha1_md5: {'0' * 32}"))
    file.chmod(0o604)
    done = run("check", file, *json_wanted)
    assert (done.exit_code, done.stderr) == (0, warning.format(file))
    file.chmod(0o640)
    assert run("check", file, *json_wanted).stderr == ""


def test_check_tells_every_error_with_its_line_and_leaves_with_2(tmp_path: Path) -> None:
    file = write(tmp_path, SOUND.replace("number: 101", "number: 901") + "zzz: 1\nswitch: isdn\n")
    done = process("check", file)
    assert (done.returncode, done.stdout) == (2, "")
    first, second, third, count = done.stderr.splitlines()
    assert first.startswith(f"{file}:3: subscribers[0].number: '901' fits no pattern")
    assert second.startswith(f"{file}:7: zzz: is not a field here")
    assert third.startswith(f"{file}:8: switch: 'isdn' is not known; expected sip")
    assert count == f"{file}: 3 errors"


def test_check_as_json(tmp_path: Path) -> None:
    file = write(tmp_path, SOUND + "zzz: 1\n")
    result = run("check", file, "--json")
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)
    assert (problem["file"], problem["line"], problem["field"]) == (str(file), 7, "zzz")
    assert problem["todo"] == "remove it"
    assert json.loads(run("check", SAMPLE, "--json").stdout) == []


def test_a_look_at_asterisk_is_refused_where_the_errors_are_told_as_json() -> None:
    result = run("check", BESIDE_ASTERISK, "--json", "--connect")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "--json tells the errors of the file alone; give --json or --connect, not both.\n"


def test_check_of_a_file_that_is_missing(tmp_path: Path) -> None:
    done = process("check", tmp_path / "nowhere.yml")
    assert done.returncode == 2
    assert "cannot be read: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_a_broken_configuration_with_all_its_errors(tmp_path: Path) -> None:
    done = process("serve", "--config", write(tmp_path, SOUND + "zzz: 1\nyyy: 2\n"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 3
    assert "2 errors" in done.stderr


def test_schema() -> None:
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema()


def test_version() -> None:
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"ccbs {importlib.metadata.version('ccbs')}\n")


def test_help_names_every_command() -> None:
    result = run("--help")
    for command in ("serve", "check", "schema", "phone-config", "ha1", "orders", "lines", "calls", "cancel"):
        assert f"  {command} " in result.stdout


def test_what_a_command_takes_is_shown_in_capitals() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = {
        name: [part.metavar for part in command.params if part.param_type_name == "argument"]
        for name, command in commands.items()
    }
    assert {name: metavars for name, metavars in shown.items() if metavars} == {
        "check": ["FILE"],
        "phone-config": ["NUMBER"],
        "ha1": ["NUMBER", "REALM"],
        "cancel": ["ORDER"],
        "explain": ["FILE"],
    }


def test_ha1_of_a_password_from_stdin() -> None:
    result = run("ha1", "101", "ccbs.example", stdin="пароль\n")
    assert result.stdout == (
        f"ha1_md5: {ha1_md5('101', 'ccbs.example', 'пароль')}\n"
        f"ha1_sha256: {ha1_sha256('101', 'ccbs.example', 'пароль')}\n"
    )


def test_ha1_goes_into_a_configuration_as_it_is(tmp_path: Path) -> None:
    made = run("ha1", "101", "ccbs.example", stdin="secret-101\n").stdout.splitlines()
    text = SOUND.replace("password: secret-101", "\n  ".join(made))
    assert run("check", write(tmp_path, text)).exit_code == 0


def test_ha1_without_a_password() -> None:
    result = run("ha1", "101", "ccbs.example", stdin="")
    assert result.exit_code == 2
    assert result.stderr == "The password is empty; write it as one line to stdin.\n"


def test_phone_config_masks_the_password_unless_asked() -> None:
    result = run("phone-config", "102", "--config", SAMPLE)
    assert result.exit_code == 0
    assert "softkey.1.action = *37#$Tinvite$\n" in result.stdout
    assert "account.1.password = ********\n" in result.stdout
    assert "change-me" not in result.stdout
    revealed = run("phone-config", "102", "--config", SAMPLE, "--reveal")
    assert "account.1.password = change-me-102\n" in revealed.stdout


def test_phone_config_as_json_tells_what_the_key_dials() -> None:
    told = json.loads(run("phone-config", "102", "--config", SAMPLE, "--json").stdout)
    assert told["keys"] == [
        {"type": "callback-on-fail", "label": "Обратный вызов", "position": 2, "dials": "*37#"}
    ]
    assert told["vendor"] == "yealink"


def test_phone_config_of_a_subscriber_without_preset_says_so() -> None:
    result = run("phone-config", "101", "--config", SAMPLE)
    assert result.exit_code == 0
    assert "softkey." not in result.stdout
    assert result.stderr == "Subscriber 101 has no softkey_pack: the settings hold no keys.\n"


def test_phone_config_of_a_subscriber_of_ha1_only_says_so(tmp_path: Path) -> None:
    text = SOUND.replace("password: secret-101", "ha1_md5: " + "0" * 32)
    text += "provisioning: {server: sip.example}\n"
    result = run("phone-config", "101", "--config", write(tmp_path, text), "--reveal")
    assert result.exit_code == 0
    assert "is kept as HA1 only" in result.stderr
    assert "account.1.password" not in result.stdout
    assert "account.1.sip_server.1.address = sip.example\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("109", "--config", SAMPLE), "has no subscriber 109."),
        (
            ("102", "--config", SAMPLE, "--vendor", "acme"),
            "The vendor 'acme' is not known; known are yealink,",
        ),
        (("102", "--config", BESIDE_ASTERISK), "with switch: asterisk phones are set up in Asterisk"),
        (("102", "--config", SAMPLE, "--vendor", "snom"), "Snom phones show no label of ours on such a key"),
    ],
)
def test_phone_config_that_cannot_be_made(arguments: tuple[str | Path, ...], said: str) -> None:
    result = run("phone-config", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_phones_cannot_be_told_any_free_port(tmp_path: Path) -> None:
    result = run(
        "phone-config", "101", "--config", write(tmp_path, SOUND.replace("{realm", "{port: 0, realm"))
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert "phones need a fixed one" in result.stderr


def test_output_is_utf_8_whatever_the_locale() -> None:
    done = process("phone-config", "102", "--config", SAMPLE, environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "softkey.1.label = Обратный вызов\n" in done.stdout


def test_phones_are_told_the_address_advertised(tmp_path: Path) -> None:
    text = SOUND.replace("{realm", "{address: 0.0.0.0, advertise: 192.0.2.10, port: 5080, realm")
    result = run("phone-config", "101", "--config", write(tmp_path, text))
    assert "account.1.sip_server.1.address = 192.0.2.10\n" in result.stdout
    assert "account.1.sip_server.1.port = 5080\n" in result.stdout


@pytest.mark.parametrize("command", [("orders",), ("lines",), ("calls",), ("counters",), ("cancel", "7")])
def test_without_a_server_every_command_says_so_and_leaves_with_2(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = process(*command, "--socket", tmp_path / "s")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"No server listens on {tmp_path}/s. Start it with `ccbs serve`")
    assert len(done.stderr.splitlines()) == 1


def test_the_socket_is_that_of_the_configuration_even_if_the_rest_is_broken(tmp_path: Path) -> None:
    file = write(tmp_path, "zzz: 1\ncontrol: {socket: own.sock}\n")
    result = run("orders", "--config", file)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"No server listens on {tmp_path}/own.sock.")


def test_socket_and_configuration_together_are_refused(tmp_path: Path) -> None:
    result = run("orders", "--config", SAMPLE, "--socket", tmp_path / "s")
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


def test_the_default_socket_is_in_the_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_socket() == tmp_path / "ccbs.sock"
    assert socket_of(write(tmp_path, SOUND)) == tmp_path / "ccbs.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    assert default_socket() != tmp_path / "nowhere" / "ccbs.sock"


@pytest.mark.parametrize("number", ["x", "-1", ""])
def test_cancel_of_what_is_no_order(number: str) -> None:
    result = run("cancel", "--", number)
    assert result.exit_code == 2


def test_ha1_asks_twice_at_a_terminal_and_shows_nothing() -> None:
    """A real terminal: the password is asked for on it and not echoed."""
    main, side = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-m", "ccbs", "ha1", "101", "r"],
        stdin=side,
        stdout=subprocess.PIPE,
        stderr=side,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(side, termios.TIOCSCTTY, 0),
    )
    os.close(side)
    seen = b""
    try:
        for wanted in (b"Password: ", b"confirmation: "):
            while wanted not in seen:
                assert select.select([main], [], [], 60)[0], seen
                seen += os.read(main, 1000)
            os.write(main, b"hush-hush\n")
        output, _ = started.communicate(timeout=60)
    finally:
        os.close(main)
    assert started.returncode == 0
    assert output.decode().startswith(f"ha1_md5: {ha1_md5('101', 'r', 'hush-hush')}\n")
    assert b"hush" not in seen


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [("simulate", "--settings"), ("simulate", "--calls=9", "--json"), ("--help",)]
)
def test_an_output_without_room_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], unbuffered: str
) -> None:
    command = [sys.executable, "-m", "ccbs", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
        said = "The output cannot be written: No space left on device; make room or write elsewhere."
        assert (done.returncode, done.stderr.splitlines()[-1]) == (2, said)
        assert "Traceback" not in done.stderr
        both = subprocess.run(command, stdout=full, stderr=full, env=environment, check=False)
        assert both.returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [("explain", "", "--order", "1"), ("journal", "show", ""), ("serve", "-c", "a.yml", "--record", "")],
)
def test_an_empty_path_is_refused_as_one(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "the path is empty; expected that of a file." in result.stderr
