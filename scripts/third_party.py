#!/usr/bin/env python3
"""Write docs/third-party.md: what the wheel ships that others wrote, under which licence, with the notices.

scripts/third_party.py            write the file
scripts/third_party.py --check    exit code 1 when the file is not what would be written
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "third-party.md"
# One platform, so that the list is the same wherever it is made; the others ship a part of it or its like.
PLATFORM = "x86_64-unknown-linux-gnu"
# Of a choice of licences, the one taken: the first of these.
TAKEN = (
    "MIT",
    "Apache-2.0",
    "BSD-3-Clause",
    "BSD-2-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "Unlicense",
)
# Where the crate has no file of the licence, its text in short words and its authors stand instead.
NOTICE_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "license*", "NOTICE*", "UNLICENSE*")
PYTHON_LICENCES = {
    "aiohttp": "Apache-2.0 AND MIT",
    "jinja2": "BSD-3-Clause",
    "pydantic": "MIT",
    "rich": "MIT",
    "ruamel.yaml": "MIT",
    "typer": "MIT",
}


def metadata() -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", PLATFORM]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    parsed: dict[str, Any] = json.loads(found)
    return parsed


def linked_crates() -> list[dict[str, Any]]:
    """The crates whose code is in the extension: by normal dependencies, without macros that only expand."""
    whole = metadata()
    packages = {package["id"]: package for package in whole["packages"]}
    nodes = {node["id"]: node for node in whole["resolve"]["nodes"]}
    pending = [id_ for id_, package in packages.items() if package["name"] == "ccbs-bindings"]
    reached: set[str] = set()
    while pending:
        id_ = pending.pop()
        if id_ in reached or any("proc-macro" in target["kind"] for target in packages[id_]["targets"]):
            continue
        reached.add(id_)
        pending += [
            dep["pkg"] for dep in nodes[id_]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
    foreign = [packages[id_] for id_ in reached if packages[id_]["source"] is not None]
    return sorted(foreign, key=lambda package: (package["name"], package["version"]))


def taken(package: dict[str, Any]) -> str:
    """The licence under which a crate is used."""
    expression: str | None = package["license"]
    if expression is None:
        raise SystemExit(
            f"{package['name']} {package['version']}: states no licence; look at it before it is shipped"
        )
    choices = {choice.strip("() ") for choice in expression.replace("/", " OR ").split(" OR ")}
    for licence in TAKEN:
        if licence in choices:
            return licence
    if " AND " in expression and all(part.strip("() ") in TAKEN for part in expression.split(" AND ")):
        return expression
    raise SystemExit(
        f"{package['name']} {package['version']}: licence {expression!r} is not in TAKEN; look at it first"
    )


def notice(package: dict[str, Any], licence: str) -> str:
    """The licence's text as the crate carries it."""
    directory = Path(package["manifest_path"]).parent
    files = sorted({file for pattern in NOTICE_FILES for file in directory.glob(pattern) if file.is_file()})
    word = licence.split("-")[0].lower()
    fitting = [file for file in files if word in file.name.lower()] or files[:1]
    fitting += [file for file in files if file.name.upper().startswith("NOTICE") and file not in fitting]
    if not fitting:
        return f"{licence}, by {', '.join(package['authors']) or 'the authors of ' + package['name']}."
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in fitting)
    return "\n\n".join("\n".join(line.rstrip() for line in text.strip("\n").splitlines()) for text in texts)


def document() -> str:
    crates = linked_crates()
    notices: dict[str, list[str]] = defaultdict(list)
    rows = []
    for package in crates:
        licence = taken(package)
        name = f"{package['name']} {package['version']}"
        notices[notice(package, licence)].append(name)
        rows.append(f"| {name} | {package['license']} | {licence} |")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [requirement.split(">")[0].strip() for requirement in project["dependencies"]]
    unknown = set(required) ^ PYTHON_LICENCES.keys()
    if unknown:
        raise SystemExit(
            f"PYTHON_LICENCES of {Path(__file__).name} and pyproject.toml differ in: {', '.join(unknown)}"
        )
    parts = [
        "# What others wrote of what the wheel ships",
        "Made by `make generate`; do not edit. ccbs itself is MIT OR Apache-2.0.",
        "## Rust crates, compiled into `ccbs/_ccbs`",
        "\n".join(["| crate | licence | taken as |", "|---|---|---|", *rows]),
        "The Rust standard library is linked too: MIT OR Apache-2.0.",
        "## Recordings",
        "Made with synthetic voices: see `python/ccbs/prompts/LICENCES.md`, which is in the wheel.",
        "## Python packages, required and not shipped",
        "\n".join(
            [
                "| package | licence |",
                "|---|---|",
                *(f"| {name} | {PYTHON_LICENCES[name]} |" for name in required),
            ]
        ),
        "## The notices of the crates",
    ]
    for text, names in sorted(notices.items(), key=lambda item: item[1]):
        indented = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
        parts.append(f"### {', '.join(names)}\n\n{indented}")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    wanted = document()
    if not options.check:
        OUTPUT.write_text(wanted, encoding="utf-8")
        return 0
    if OUTPUT.exists() and OUTPUT.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{OUTPUT.relative_to(ROOT)} is out of date: run `make generate`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
