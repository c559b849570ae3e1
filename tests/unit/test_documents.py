"""What the pages say is so: links, commands, options, figures, examples."""

from __future__ import annotations

import asyncio
import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import ValidationError
from scripted_switch import ScriptedSwitch
from virtual_driver import until

from ccbs import CallbackService, Profile
from ccbs.asterisk import calls, visitors
from ccbs.asterisk.ari import Ari
from ccbs.asterisk.player import Player
from ccbs.cli.app import app
from ccbs.config import ConfigError, load, schema
from ccbs.config.asterisk import AsteriskSection
from ccbs.config.document import read
from ccbs.config.limits import EndpointLimits, EngineLimits
from ccbs.config.model import ConfigFile
from ccbs.config.section import Section
from ccbs.config.services import AutodialSettings, CcbsSettings
from ccbs.control import ControlServer
from ccbs.line_writer import LineWriter
from ccbs.operator_desk import MOST_ROWS
from ccbs.server import STOP_BOUND_S

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATING, STORE, STANDARDS, ASTERISK = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("operating", "store", "standards", "asterisk")
)


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
    examples = [text for text in blocks(OPERATING + STORE, "yaml") if not text.startswith("keys:")]
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
        "store",
    }
    faults = []
    try:
        ConfigFile.model_validate(document.data)
    except ValidationError as error:
        # HA1 is shortened on the page.
        faults = [fault["loc"] for fault in error.errors() if "ha1" not in str(fault["loc"][-1])]
    assert faults == []


def number(written: str) -> int:
    return int(written.replace(",", ""))


def table_headed(head: str, page: str = OPERATING) -> str:
    """The rows of the table whose head begins so."""
    assert page.count(f"\n| {head} |") == 1, head
    return page.partition(f"\n| {head} |")[2].partition("\n\n")[0]


def table_of(section: str, page: str = OPERATING) -> dict[str, list[int]]:
    """Default, least and most of each row of the table that this field heads."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+)–([\d,]+) \|",
        table_headed(f"`{section}`", page),
        re.MULTILINE,
    )
    return {name: [number(written) for written in numbers] for name, *numbers in rows}


def drawn_of(section: type[Section]) -> dict[str, list[int]]:
    """The same of each field of a section of the configuration that has a range."""
    fields = section.model_json_schema()["properties"]
    return {
        name: [field["default"], field["minimum"], field["maximum"]]
        for name, field in fields.items()
        if "minimum" in field
    }


def test_the_table_of_the_profile_is_the_engine_s() -> None:
    table = table_of("profiles.autodial")
    drawn = schema()["$defs"]["AutodialSettings"]["properties"]
    assert table.keys() == drawn.keys()
    for name, numbers in table.items():
        bounds = next(option for option in drawn[name]["anyOf"] if option.get("type") == "integer")
        assert numbers == [getattr(Profile.autodial(), name), bounds["minimum"], bounds["maximum"]]


@pytest.mark.parametrize(
    ("section", "fields", "page"),
    [
        ("limits.endpoint", EndpointLimits, OPERATING),
        ("limits.engine", EngineLimits, OPERATING),
        ("asterisk", AsteriskSection, ASTERISK),
    ],
    ids=["limits.endpoint", "limits.engine", "asterisk"],
)
def test_the_table_of_a_section_is_that_of_the_configuration(
    section: str, fields: type[Section], page: str
) -> None:
    assert table_of(section, page) == drawn_of(fields)
    named = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table_headed(f"`{section}`", page), re.MULTILINE)
    names = [name for row in named for name in re.findall(r"\w+", row)]
    assert sorted(names) == sorted(fields.model_json_schema()["properties"])


def test_the_texts_of_the_section_asterisk_have_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", table_headed("`asterisk`", ASTERISK), re.MULTILINE)
    fields = AsteriskSection.model_json_schema()["properties"]
    assert dict(rows) == {
        name: field["default"] for name, field in fields.items() if isinstance(field.get("default"), str)
    }


def test_the_settings_of_the_standards_are_the_engine_s() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d,]+|–) \| ([\d,]+|–) \| ([\d,]+)–([\d,]+) \|", STANDARDS, re.MULTILINE
    )
    drawn = {
        **AutodialSettings.model_json_schema()["properties"],
        **CcbsSettings.model_json_schema()["properties"],
    }
    bounds = {
        name: next((kind for kind in field["anyOf"] if kind.get("type") == "integer"), None)
        for name, field in drawn.items()
    }
    assert sorted(name for name, *_ in rows) == sorted(name for name in bounds if bounds[name] is not None)
    for name, autodial, ccbs, least, most in rows:
        for profile, written in ((Profile.autodial(), autodial), (Profile.ccbs(), ccbs)):
            assert getattr(profile, name) == (None if written == "–" else number(written)), name
        found = bounds[name]
        assert found is not None
        assert [number(least), number(most)] == [found["minimum"], found["maximum"]], name
    engine = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+)–([\d,]+) \|$", STANDARDS, re.MULTILINE)
    limits = {name: [number(written) for written in numbers] for name, *numbers in engine}
    assert limits == {name: found for name, found in drawn_of(EngineLimits).items() if name != "queue"}


async def test_the_bounds_that_are_fixed_are_those_of_the_code(tmp_path: Path) -> None:
    def unless_given(taker: Callable[..., Any], name: str) -> float:
        value: float = inspect.signature(taker).parameters[name].default
        return value

    recorder = (ROOT / "driver" / "src" / "recording" / "write.rs").read_text(encoding="utf-8")
    recorded = re.search(r"waiting_limit: (\d+) << 20,", recorder)
    assert recorded is not None
    ari = Ari("http://127.0.0.1:1", "ccbs", "", timeout=1.0)
    connector = ari._open().connector
    assert connector is not None
    bounds = [
        f"{unless_given(LineWriter, 'limit'):,} each",
        f"{unless_given(ControlServer, 'request_bytes'):,} bytes",
        f"{MOST_ROWS:,}",
        f"{recorded[1]} MiB",
        f"{unless_given(CallbackService, 'request_timeout'):g} s",
        f"{unless_given(CallbackService, 'release_timeout'):g} s",
        f"{unless_given(CallbackService, 'stop_timeout'):g} s",
        f"{STOP_BOUND_S:g} s",
        f"{calls._MOST:,}",
        f"{visitors._AT_ONCE:,}",
        f"{unless_given(Player, 'longest'):g} s",
        f"{connector.limit}",
    ]
    await ari.close()
    rows = re.findall(
        r"^\| .* \| (.*) \| .* \| (.*) \|$", table_headed("what | bound", OPERATING), re.MULTILINE
    )
    assert [bound for bound, _ in rows] == bounds
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "python").rglob("*.py*"))
    counted = [name for _, named in rows for name in re.findall(r"`(\w+)`", named)]
    assert [name for name in counted if name not in written and not name.endswith("_dropped")] == []


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
