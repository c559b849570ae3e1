"""What sources and pages cite is there: pages, their sections, and the tests that a promise is held by."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [
    path
    for suffix in ("rs", "py", "pyi", "sh", "toml", "yml", "j2")
    for path in sorted(ROOT.glob(f"[a-z]*/**/*.{suffix}"))
    if not {"target", "dist", "demo-report"} & set(path.relative_to(ROOT).parts)
]


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def in_one_line(path: Path) -> str:
    """A text without line ends and marks of comments: a citation may be broken over lines."""
    return re.sub(r"\s*\n\s*(?://[/!]?|#|\*)?\s*", " ", text_of(path))


def stands_for(cited: str) -> list[Path]:
    """The pages that a cited name may mean: by its path, or by its name alone."""
    if "/" in cited:
        return [base / cited for base in (ROOT, ROOT / "docs", ROOT / "python") if (base / cited).exists()]
    return [page for page in (*PAGES, *(ROOT / "python").rglob("*.md")) if page.name == cited]


def has_section(page: Path, name: str) -> bool:
    """Whether a page has a heading, a paragraph or a row of that name."""
    section = re.escape(name)
    return (
        re.search(rf"^(#+ {section}$|\*\*{section}\.|\| {section} \|)", text_of(page), re.MULTILINE)
        is not None
    )


def test_every_page_that_a_source_cites_exists() -> None:
    unknown = [
        f"{source.relative_to(ROOT)}: {cited}"
        for source in SOURCES
        # A page that a test writes for itself is none that is cited.
        for cited in re.findall(r"(?<!tmp_path / .)(?<![\w./-])((?:[\w-]+/)*[\w-]+\.md)\b", text_of(source))
        if not stands_for(cited)
    ]
    assert unknown == []


def test_every_section_that_is_cited_exists() -> None:
    found, unknown = 0, []
    for source in (*SOURCES, *PAGES):
        for cited, name, more in re.findall(
            r'([\w/.-]+\.md)\)?(?:,| \()\s?"([^"]+)"(?: and "([^"]+)")?', in_one_line(source)
        ):
            for section in filter(None, (name, more)):
                found += 1
                pages = stands_for(cited.rpartition("/")[2])
                if not any(has_section(page, section) for page in pages):
                    unknown.append(f'{source.relative_to(ROOT)}: {cited}, "{section}"')
    assert unknown == []
    assert found > 20


def functions(path: Path) -> set[str]:
    return set(re.findall(r"^\s*(?:async )?(?:def|(?:pub )?fn) (\w+)", text_of(path), re.MULTILINE))


TESTS = [
    path
    for path in SOURCES
    if path.suffix in (".py", ".rs") and ({"tests", "tests.rs"} & set(path.relative_to(ROOT).parts))
]


def files_of(named: str) -> list[Path]:
    """The files of tests that a page names: by the end of their path, of the SIP core by their name alone."""
    if "/" not in named and "." not in named:
        named = f"sip/tests/core/{named}.rs"
    ended = [path for path in TESTS if f"/{path.relative_to(ROOT)}".endswith(f"/{named}")]
    within = [path for path in TESTS if f"/{named.rstrip('/')}/" in f"/{path.relative_to(ROOT)}"]
    return ended or within


def unheld(rows: list[str]) -> list[str]:
    """What the rows name as tests and is none."""
    wrong = []
    for row in rows:
        last: list[Path] = []
        for named in re.findall(r"`([^`]+)`", re.sub(r"stage `\w+`", "", row)):
            if not re.fullmatch(r"[\w/.]*(?:::\w+…?)?", named):
                continue
            file, separator, function = named.partition("::")
            if not separator and re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+){3,}", file):
                # The name of a scene, after that of its file.
                file, function = "", file
            if file:
                last = files_of(file)
            whole, beginning = function, function.removesuffix("…")
            if not last or not any(
                name == whole or (whole != beginning and name.startswith(beginning))
                for path in last
                for name in functions(path) | {""}
            ):
                wrong.append(named)
    return wrong


HELD = {
    "reliability.md": r"^\| .* \| (.*(?:tests?/|\.py|\.rs).*) \|$",
    "design/sip-served.md": r"^\| .* \| (.*) \|$",
}
"""Where the tests that hold something stand: the last column of rows."""


@pytest.mark.parametrize("page", HELD)
def test_every_test_that_a_promise_is_held_by_exists(page: str) -> None:
    rows = re.findall(HELD[page], text_of(ROOT / "docs" / page), re.MULTILINE)
    held = [row for row in rows if row != "held by"]
    assert len(held) > 20
    assert unheld(held) == []


def test_every_stage_is_in_the_table_of_stages() -> None:
    stages = set(re.findall(r"^    stage ([a-z]+) ", text_of(ROOT / "scripts" / "test.sh"), re.MULTILINE))
    table = text_of(ROOT / "docs" / "testing.md").partition("| stage |")[2].partition("\n\n")[0]
    assert {
        name
        for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for name in row.strip("`").split("`, `")
    } == stages


def test_every_library_has_its_reason() -> None:
    page = text_of(ROOT / "docs" / "design" / "dependencies.md")
    manifests = [path for path in SOURCES if path.name == "Cargo.toml"]
    crates = {
        name
        for manifest in (*manifests, ROOT / "Cargo.toml")
        for table in re.findall(r"dependencies\]\n((?:[\w#].*\n)+)", text_of(manifest))
        for name in re.findall(r"^([a-z][\w-]*)", table, re.MULTILINE)
        if not name.startswith("ccbs")
    }
    required = re.findall(r'^    "([\w.-]+?)(?:[<>=].*)?",$', text_of(ROOT / "pyproject.toml"), re.MULTILINE)
    packages = re.findall(r"^[a-z]+ +(\S+)", text_of(ROOT / "scripts" / "apt-packages.txt"), re.MULTILINE)
    # What a compiler and a virtual environment need anywhere.
    named = crates | set(required) | set(packages) - {"gcc", "libc6-dev", "python3-venv"}
    assert {"thread-priority", "types-jsonschema", "kamailio"} <= named
    unsaid = [name for name in named if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page)]
    assert unsaid == []
