"""The page docs/performance.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benches.calls import Calls
from benches.recalls import Recalls
from ccbs import build_info

__all__ = ["page"]


def page(calls: Calls, recalls: Recalls, *, seconds: int, subscribers: int, echo_s: float) -> str:
    """The page in Markdown.

    :param calls: the rates that were tried.
    :param recalls: the recalls that were timed.
    :param seconds: how long each rate ran.
    :param subscribers: how many were called.
    :param echo_s: processor time of a datagram there and back, in seconds.
    """
    clean = [run for run in calls.runs if run.clean] or calls.runs
    cheapest = min(clean, key=lambda run: run.cpu_s)
    received, sent = cheapest.datagrams
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return pages.get_template("performance.md.j2").render(
        date=datetime.datetime.now(datetime.UTC).date(),
        machine=_machine(),
        versions=_versions(),
        cores=os.cpu_count(),
        subscribers=subscribers,
        seconds=seconds,
        calls=calls,
        highest=calls.highest_clean,
        cheapest=cheapest,
        received=received,
        sent=sent,
        echo_s=echo_s,
        bound_s=echo_s * (received + sent) / 2,
        recalls=recalls,
    )


def _machine() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = found[1] if found else platform.machine()
    return f"{name}, {os.cpu_count()} processors, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def _versions() -> str:
    said = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False).stdout
    sipp = re.search(r"SIPp (v[\d.]+)", said)
    built = build_info()
    compiler = re.sub(r" \(.*\)", "", built["compiler"])
    return (
        f"ccbs {built['version']} ({built['profile']}), {compiler}, Python {platform.python_version()}, "
        f"SIPp {sipp[1] if sipp else 'unknown'}"
    )
