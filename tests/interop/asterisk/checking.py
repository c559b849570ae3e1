"""`ccbs check --connect`: what is missing in an operator's Asterisk is told, each with the line to add."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from ruamel.yaml import YAML

from acceptance.course import SOON_S
from acceptance.side_by_side import Scene
from ccbs.asterisk import Ari, check
from ccbs.asterisk.server import endpoints_of
from ccbs.config import AsteriskConfig, load_any

from .world import open_asterisk_world

__all__ = ["SCENES"]


async def _ccbs(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccbs", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 90.0)
    assert process.returncode is not None
    return process.returncode, out.decode()


def as_it_is(config: dict[str, Any]) -> None:
    """Changes nothing."""


async def _checked(file: Path, edit: Callable[[dict[str, Any]], None] = as_it_is) -> tuple[int, str]:
    config = YAML(typ="safe").load(await asyncio.to_thread(file.read_text, encoding="utf-8"))
    edit(config)
    other = file.with_name(f"{edit.__name__}.yml")
    with other.open("w", encoding="utf-8") as stream:
        YAML().dump(config, stream)
    return await _ccbs("check", str(other), "--connect")


async def what_is_missing_in_asterisk_is_told(directory: Path) -> None:
    async with open_asterisk_world(directory) as world:
        file = world.switch.config_file
        sounds = directory / "sounds"
        installed, said = await _ccbs("prompts", "install", str(sounds))
        assert installed == 0, said
        assert "prompts written" in said

        def at_sounds(config: dict[str, Any]) -> None:
            config["asterisk"]["sounds"] = str(sounds)

        code, said = await _checked(file, at_sounds)
        assert code == 0, said
        assert "errors: 0" in said
        assert "[101] type=aor, qualify_frequency=30" in said

        # What it cannot see it says as far as it can.
        assert "takes a second call" in said
        assert "exten => 101,1,Stasis(ccbs,gate,${EXTEN})" in said

        (sounds / "ru").chmod(0o700)
        code, said = await _checked(file, at_sounds)
        assert code == 0, said
        assert str(sounds / "ru") in said
        assert "may be unreadable for the user of Asterisk" in said
        assert f"chmod -R a+rX {sounds}" in said
        (sounds / "ru").chmod(0o755)

        (sounds / "ru" / "activated.wav").unlink()
        (sounds / "ru" / "ordered.wav").chmod(0o600)
        code, said = await _checked(file, at_sounds)
        assert code == 1, said
        assert "there is no " in said
        assert "activated.wav" in said
        assert f"chmod -R a+rX {sounds}" in said

        def elsewhere(config: dict[str, Any]) -> None:
            config["asterisk"]["context"] = "nowhere"

        def strangers(config: dict[str, Any]) -> None:
            config["subscribers"].append({"number": 199})
            config["numbering"]["external"][0]["trunk"] = "village"

        def wrong_password(config: dict[str, Any]) -> None:
            config["asterisk"]["password"] = "wrong"

        def nobody(config: dict[str, Any]) -> None:
            config["asterisk"]["url"] = f"http://{world.asterisk.address}:8089"

        told = await asyncio.gather(
            *(_checked(file, edit) for edit in (elsewhere, strangers, wrong_password, nobody))
        )
        assert [code for code, _ in told] == [1, 1, 1, 1], told
        for line in (
            "exten => _*37*X!,1,Stasis(ccbs,set,${EXTEN})",
            "exten => *37#,1,Stasis(ccbs,set,${EXTEN})",
            "exten => _#37*X!,1,Stasis(ccbs,del,${EXTEN})",
            "exten => #37#,1,Stasis(ccbs,del,${EXTEN})",
            "exten => *#37#,1,Stasis(ccbs,query,${EXTEN})",
            "exten => 101,1,Stasis(ccbs,gate,${EXTEN}), then same => n,Dial(PJSIP/${EXTEN},60)",
        ):
            assert line in told[0][1], told[0]
        assert "no PJSIP endpoint '199'" in told[1][1]
        assert "no PJSIP endpoint 'village'" in told[1][1]
        assert "[ccbs] type=user, read_only=no" in told[2][1]
        assert "http.conf: [general] enabled=yes" in told[3][1]

        await world.asterisk.cli("module unload func_callerid.so")
        code, said = await _checked(file)
        assert code == 1, said
        assert "modules.conf: load=func_callerid.so" in said
        # It made a channel to ask by, and took it away.
        await world.asterisk.no_channels(20.0)


async def a_user_who_may_only_read_is_told(directory: Path) -> None:
    async with open_asterisk_world(directory) as world:
        rights = world.asterisk.directory / "etc" / "ari.conf"
        rights.write_text(rights.read_text(encoding="utf-8").replace("read_only=no", "read_only=yes"))
        await world.asterisk.cli("module reload res_ari.so")
        code, said = await _checked(world.switch.config_file)
        assert code == 1, said
        assert "ari.conf: [ccbs] read_only=no" in said
        # The service itself goes on trying; its log says why.
        world.switch.expected_errors.append("403")


async def what_refuses_no_call_and_an_old_version_are_told(directory: Path) -> None:
    def with_a_stranger(config: dict[str, Any]) -> None:
        config["subscribers"].append({"number": "199"})

    async with open_asterisk_world(directory, edit=with_a_stranger) as world:
        # The running service tells of it, too.
        await world.switch.expect_line("no PJSIP endpoint 199,", timeout=SOON_S)
        assert (await world.switch.ask("counters"))["endpoints_missing"] == 1
        written = world.asterisk.directory / "etc" / "pjsip.conf"
        text = written.read_text(encoding="utf-8")
        assert "[101]\ntype=endpoint\n" in text
        written.write_text(
            text.replace("[101]\ntype=endpoint\n", "[101]\ntype=endpoint\ndevice_state_busy_at=1\n").replace(
                "[101]\ntype=aor\n", "[101]\ntype=aor\nqualify_frequency=30\n"
            )
        )
        await world.asterisk.cli("module reload res_pjsip.so")
        _, said = await _checked(world.switch.config_file)
        assert "[101] type=endpoint, device_state_busy_at=0" in said, said
        assert "[102] type=endpoint, device_state_busy_at=0" not in said
        assert "[101] type=aor, qualify_frequency=30" not in said
        assert "[102] type=aor, qualify_frequency=30" in said

        def all_take_two(config: dict[str, Any]) -> None:
            for subscriber in config["subscribers"]:
                subscriber["call_waiting"] = True

        _, said = await _checked(world.switch.config_file, all_take_two)
        assert "ccbs,gate" not in said, said

        config = load_any(world.switch.config_file)
        assert isinstance(config, AsteriskConfig)
        ari = Ari(config.asterisk.url, config.asterisk.username, config.password.get_secret_value())
        try:
            with mock.patch.object(check, "OLDEST", 99):
                version, findings = await check.examine(config, ari, endpoints_of(config))
        finally:
            await ari.close()
        old = next(finding for finding in findings if finding.what == f"Asterisk is of version {version}")
        assert old.fatal
        assert old.todo.startswith("install 99 or newer")

        # As Debian's package comes: Asterisk says 404 as long as it has no endpoint at all.
        written.write_text("".join(f"[{part}" for part in text.split("[")[1:3]))
        await world.asterisk.kill()
        await world.asterisk.run()
        code, said = await _checked(world.switch.config_file)
        assert code == 1, said
        assert "no PJSIP endpoint '101'" in said, said
        assert "pjsip.conf: [101] type=endpoint" in said


SCENES: tuple[Scene, ...] = (
    what_is_missing_in_asterisk_is_told,
    a_user_who_may_only_read_is_told,
    what_refuses_no_call_and_an_old_version_are_told,
)
