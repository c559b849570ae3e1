"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from ccbs import build_info

__all__ = ["machine", "versions"]

_ROOT = Path(__file__).parent.parent
_ASTERISK = _ROOT / ".cache" / "asterisk" / "root"
"""Where ``tests/interop/asterisk/get_asterisk.sh`` brings it."""
_PEERS = ("hierarchical_hash_wheel_timer", "tokio", "tokio-util")


def machine() -> str:
    """Processor, how many, memory, kernel."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = found[1] if found else platform.machine()
    return f"{name}, {os.cpu_count()} processors, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def versions(part: str) -> dict[str, str]:
    """Names and versions of what takes part in a part."""
    built = build_info()
    found = {"ccbs": f"{built['version']} ({built['profile']})", "rustc": built["compiler"].split()[1]}
    if part != "large":
        found["Python"] = platform.python_version()
    if part == "timers":
        with (_ROOT / "benches" / "engine" / "Cargo.lock").open("rb") as file:
            locked = {package["name"]: package["version"] for package in tomllib.load(file)["package"]}
        found |= {name: locked[name] for name in _PEERS}
    if part in ("sip", "lasting", "crowd", "overload"):
        said = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False).stdout
        sipp = re.search(r"SIPp v([\d.]+)", said)
        found["SIPp"] = sipp[1] if sipp else "unknown"
    if part == "asterisk":
        said = subprocess.run(
            ["chroot", _ASTERISK, "/usr/sbin/asterisk", "-V"], capture_output=True, text=True, check=False
        ).stdout
        asterisk = re.search(r"Asterisk ([\d.]+)", said)
        found["Asterisk"] = asterisk[1] if asterisk else "unknown"
    if part == "sip" and (
        kamailio := shutil.which("kamailio", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    ):
        said = subprocess.run([kamailio, "-v"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"kamailio ([\d.]+)", said)
        found["Kamailio"] = version[1] if version else "unknown"
    return found
