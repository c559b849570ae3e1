"""What the pages say is so: links, commands, options, figures, examples."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import ValidationError
from scripted_switch import ScriptedSwitch
from virtual_driver import until

from ccbs import Profile
from ccbs.cli.app import app
from ccbs.config import ConfigError, load, schema
from ccbs.config.document import read
from ccbs.config.model import ConfigFile

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_what_is_made_can_be_made(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"(?:`|^\$ )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in named if name not in targets] == []


def test_commands_and_their_options_exist(page: Path) -> None:
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, rest in re.findall(
        r"(?:`|^\$ |&& )ccbs ([a-z0-9-]+)([^`\n|]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    ):
        assert name in commands
        command = commands[name]
        below = getattr(command, "commands", {}).get(next(iter(rest.split()), ""))
        options = {option for parameter in (below or command).params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"ccbs {name}{rest}"


def test_every_command_is_on_the_operator_s_page() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"`ccbs {name}" not in OPERATING] == []


def test_the_examples_of_the_configuration_name_fields_that_there_are(tmp_path: Path) -> None:
    examples = [text for text in blocks(OPERATING, "yaml") if not text.startswith("keys:")]
    file = tmp_path / "examples.yml"
    file.write_text("".join(examples), encoding="utf-8")
    document = read(file)
    assert document.problems == []
    assert set(document.data) >= {
        "listen",
        "subscribers",
        "trunks",
        "numbering",
        "prompts",
        "limits",
        "route",
    }
    faults = []
    try:
        ConfigFile.model_validate(document.data)
    except ValidationError as error:
        # HA1 is shortened on the page.
        faults = [fault["loc"] for fault in error.errors() if "ha1" not in str(fault["loc"][-1])]
    assert faults == []


def table_of(section: str) -> dict[str, list[int]]:
    """Default, least and most of each row of the table that this field heads."""
    table, _, _ = OPERATING.partition(f"| `{section}` |")[2].partition("\n\n")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+)–([\d,]+) \|", table, re.MULTILINE)
    return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def test_the_table_of_the_profile_is_the_engine_s() -> None:
    table = table_of("profiles.autodial")
    drawn = schema()["$defs"]["AutodialSettings"]["properties"]
    assert table.keys() == drawn.keys()
    for name, numbers in table.items():
        bounds = next(option for option in drawn[name]["anyOf"] if option.get("type") == "integer")
        assert numbers == [getattr(Profile.autodial(), name), bounds["minimum"], bounds["maximum"]]


def test_the_table_of_limits_is_that_of_the_configuration() -> None:
    drawn = schema()["$defs"]["EndpointLimits"]["properties"]
    assert table_of("limits.endpoint") == {
        name: [field["default"], field["minimum"], field["maximum"]] for name, field in drawn.items()
    }


def test_the_errors_shown_are_those_of_the_sample(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    sample = tmp_path / "config" / "ccbs.yml"
    text = sample.read_text(encoding="utf-8")
    assert "attempts: 3\n" in text
    sample.write_text(
        text.replace("attempts: 3\n", "attempts: 25\n").replace("trunk: city", "trunk: citi"),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load(sample)
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert f"\n```\n{told}\n```\n" in OPERATING


async def test_the_ten_lines_of_embedding_run(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")
    names: dict[str, Any] = {"YourPbx": ScriptedSwitch}
    exec(snippet, names)
    said = ""

    def ordered() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "\n" in said

    running = asyncio.create_task(names["main"]())
    await until(lambda: running.done() or ordered())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # Shown behind the line that prints it.
    assert f"# {said.strip()}\n" in snippet


def test_every_trap_has_a_test_named_after_it() -> None:
    sources = (ROOT / "sip").rglob("*.rs")
    tests = re.findall(
        r"#\[test\]\s+fn (\w+)\(", "\n".join(path.read_text(encoding="utf-8") for path in sources)
    )
    page = (ROOT / "docs" / "design" / "sip-traps.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", page, re.MULTILINE)
    # 15 is advice.
    assert [int(number) for number, _ in rows] == [number for number in range(1, 25) if number != 15]
    for number, row in rows:
        named = re.findall(r"`(\w+)`", row)
        assert [name for name in named if name not in tests] == []
        after_it = [name for name in named if int(number) in traps(name)]
        assert after_it, f"trap {number} has no test named after it"
    listed = {name for _, row in rows for name in re.findall(r"`(\w+)`", row)}
    assert [name for name in tests if traps(name) and name not in listed] == []


def traps(name: str) -> list[int]:
    """The traps that a test is named after."""
    found = re.match(r"trap_(\d+(?:_and_\d+)*)_", name)
    return [int(number) for number in found[1].split("_and_")] if found else []
