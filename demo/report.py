"""The report: one HTML page, with the recordings and logs beside it."""

from __future__ import annotations

import functools
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import ccbs
from acceptance.audio import read_wav
from ccbs.prompts import Catalogue

from .ladder import SIGNS, Note, draw, standalone
from .traces import FAR_SWITCH, SWITCH
from .watch import Scene, Watch

__all__ = ["write_report"]


def write_report(watch: Watch, run: Path, report: Path, took_s: float) -> Path:
    """Write the report and move what the run left beside it.

    :param run: the directory of the run: one directory for each procedure.
    :param report: the directory to make; an earlier report in it is replaced.
    :param took_s: how long the run took (s).
    :returns: the page.
    """
    procedures = [_procedure(scene, run) for scene in watch.scenes.values()]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        when=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(watch.began)),
        version=f"ccbs {ccbs.build_info()['version']}",
        took_s=took_s,
        passed=sum(procedure["passed"] for procedure in procedures),
        total=sum(len(procedure["verdicts"]) for procedure in procedures),
        procedures=procedures,
        signs=SIGNS,
    )
    for microphone in run.glob("*/phone-*/microphone.wav"):
        microphone.unlink()
    if report.exists():
        shutil.rmtree(report)
    shutil.move(run, report)
    for procedure in procedures:
        (report / f"ladder-{procedure['number']}.svg").write_text(
            standalone(str(procedure["ladder"])), encoding="utf-8"
        )
    index = report / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _procedure(scene: Scene, run: Path) -> dict[str, Any]:
    addresses = {SWITCH: "10", FAR_SWITCH: "20"} | {party.label: str(party.host) for party in scene.parties}
    numbers = {party.label: f"{party.number} · " for party in scene.parties}
    subtitles = {
        column: numbers.get(column, "") + scene.world.network.address(int(addresses[column]))
        for column in scene.columns
        if scene.world
    }
    recordings, notes = _recordings(scene, run)
    return {
        "number": scene.procedure.number,
        "title": scene.procedure.title,
        "verdicts": scene.verdicts,
        "passed": sum(verdict.outcome == "passed" for verdict in scene.verdicts),
        # The drawing escapes what it is given.
        "ladder": Markup(draw(scene, subtitles, notes)),
        "recordings": recordings,
        "order_lines": [line for _, line in scene.order_lines],
    }


def _recordings(scene: Scene, run: Path) -> tuple[list[dict[str, Any]], list[Note]]:
    """What each phone recorded, by time, and the prompts recognised in it."""
    found, notes = [], []
    for party in scene.parties:
        phone = scene.world.phones.get(party.number) if scene.world else None
        for recording in phone.recordings if phone else ():
            assert scene.world is not None
            if not recording.path.exists():
                continue
            heard = scene.world.recogniser.recognise(read_wav(recording.path))
            notes += [
                Note(recording.began + prompt.begins_s, party.label, f"♫ {_text(prompt.name)}")
                for prompt in heard
            ]
            found.append(
                {
                    "label": f"{party.label} {party.name}",
                    "at_s": recording.began - scene.started,
                    "heard": ", ".join(_text(prompt.name) for prompt in heard),
                    "href": quote(str(recording.path.relative_to(run))),
                }
            )
    return sorted(found, key=lambda row: row["at_s"]), notes


def _text(prompt: str) -> str:
    """The words of a prompt named ``language/name``."""
    language, _, name = prompt.partition("/")
    return f"«{_catalogue(language).text(name).removesuffix('.')}»"


@functools.cache
def _catalogue(language: str) -> Catalogue:
    return Catalogue.load(language)
