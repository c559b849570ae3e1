"""`ccbs check --connect`: what is missing in an operator's Asterisk is told, each with the line to add."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from acceptance.side_by_side import Scene

from .world import open_asterisk_world

__all__ = ["SCENES"]


async def _ccbs(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccbs", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 30.0)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def _checked(
    file: Path, edit: Callable[[dict[str, Any]], None] = lambda config: None
) -> tuple[int, str]:
    config = YAML(typ="safe").load(await asyncio.to_thread(file.read_text, encoding="utf-8"))
    edit(config)
    other = file.with_name("checked.yml")
    with other.open("w", encoding="utf-8") as stream:
        YAML().dump(config, stream)
    return await _ccbs("check", str(other), "--connect")


async def what_is_missing_in_asterisk_is_told(directory: Path) -> None:
    async with open_asterisk_world(directory) as world:
        file = world.switch.config_file
        sounds = directory / "sounds"
        installed, said = await _ccbs("prompts", "install", str(sounds))
        assert installed == 0
        assert "prompts written" in said

        def at_sounds(config: dict[str, Any]) -> None:
            config["asterisk"]["sounds"] = str(sounds)

        code, said = await _checked(file, at_sounds)
        assert code == 0, said
        assert "errors: 0" in said
        assert "[101] type=aor, qualify_frequency=30" in said

        (sounds / "ru" / "activated.wav").unlink()
        (sounds / "ru" / "ordered.wav").chmod(0o600)
        code, said = await _checked(file, at_sounds)
        assert code == 1
        assert "there is no " in said
        assert "activated.wav" in said
        assert f"chmod -R a+rX {sounds}" in said

        def elsewhere(config: dict[str, Any]) -> None:
            config["asterisk"]["context"] = "nowhere"

        code, said = await _checked(file, elsewhere)
        assert code == 1
        for line in (
            "exten => _*37*X!,1,Stasis(ccbs,set,${EXTEN})",
            "exten => *37#,1,Stasis(ccbs,set,${EXTEN})",
            "exten => _#37*X!,1,Stasis(ccbs,del,${EXTEN})",
            "exten => #37#,1,Stasis(ccbs,del,${EXTEN})",
            "exten => *#37#,1,Stasis(ccbs,query,${EXTEN})",
            "exten => 101,1,Dial(PJSIP/${EXTEN},60)",
        ):
            assert line in said, said

        def strangers(config: dict[str, Any]) -> None:
            config["subscribers"].append({"number": 199})
            config["numbering"]["external"][0]["trunk"] = "village"

        code, said = await _checked(file, strangers)
        assert code == 1
        assert "no PJSIP endpoint '199'" in said
        assert "no PJSIP endpoint 'village'" in said

        def wrong_password(config: dict[str, Any]) -> None:
            config["asterisk"]["password"] = "wrong"

        code, said = await _checked(file, wrong_password)
        assert code == 1
        assert "[ccbs] type=user, read_only=no" in said

        def nobody(config: dict[str, Any]) -> None:
            config["asterisk"]["url"] = f"http://{world.asterisk.address}:8089"

        code, said = await _checked(file, nobody)
        assert code == 1
        assert "http.conf: [general] enabled=yes" in said

        await world.asterisk.cli("module unload func_callerid.so")
        code, said = await _checked(file)
        assert code == 1
        assert "modules.conf: load=func_callerid.so" in said
        # It made a channel to ask by, and took it away.
        await world.asterisk.no_channels(5.0)


async def a_user_who_may_only_read_is_told(directory: Path) -> None:
    async with open_asterisk_world(directory) as world:
        rights = world.asterisk.directory / "etc" / "ari.conf"
        rights.write_text(rights.read_text(encoding="utf-8").replace("read_only=no", "read_only=yes"))
        await world.asterisk.cli("module reload res_ari.so")
        code, said = await _checked(world.switch.config_file)
        assert code == 1
        assert "ari.conf: [ccbs] read_only=no" in said
        # The service itself goes on trying; its log says why.
        world.switch.expected_errors.append("403")


SCENES: tuple[Scene, ...] = (what_is_missing_in_asterisk_is_told, a_user_who_may_only_read_is_told)
