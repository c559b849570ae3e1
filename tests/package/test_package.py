"""The wheel alone, in an empty environment without a compiler: library, command, prompts, a recall."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.listening import hears_prompts
from acceptance.network import SIP_PORT, LoopbackNetwork
from acceptance.phone import Account, Phone
from acceptance.recognise import Recogniser, packaged_catalogue

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config" / "ccbs.yml"
WAIT_S = 20.0
RECALL_S = 10.0  # cb_timer_internal_s of the sample configuration


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel as ``make package`` builds it."""
    environment = os.environ | {"VENV": sys.prefix}
    built = subprocess.run(
        [ROOT / "scripts" / "package.sh"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return ROOT / built.stdout.split()[-1]


class Environment:
    """A virtual environment that holds the wheel and what it requires, and nothing to compile with."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self.bin = directory / "bin"
        self.home = directory / "home"
        self.home.mkdir(parents=True)
        venv.create(directory, with_pip=True, symlinks=True)
        self.variables = {"PATH": str(self.bin), "HOME": str(self.home), "LANG": "C.UTF-8"}
        kept = ("PIP_", "SSL_", "REQUESTS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        reach = {name: value for name, value in os.environ.items() if name.upper().startswith(kept)}
        # Only ready wheels: that nothing is compiled is part of what is tested.
        self.run(
            "python", "-m", "pip", "install", "--only-binary=:all:", str(wheel), timeout=300, extra=reach
        )

    def run(
        self, program: str, *arguments: str, timeout: float = 30, extra: dict[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            [self.bin / program, *arguments],
            env=self.variables | (extra or {}), cwd=self.home, timeout=timeout,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{program} {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("empty") / "venv", wheel)


@pytest.fixture
def network() -> Iterator[LoopbackNetwork]:
    network = LoopbackNetwork()
    yield network
    network.close()


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {"ccbs/_ccbs.abi3.so", "ccbs/_ccbs.pyi", "ccbs/py.typed", "ccbs/prompts/LICENCES.md"} <= set(names)
    licences = {Path(name).name for name in names if "/licenses/" in name}
    assert {"LICENSE-MIT", "LICENSE-APACHE", "LICENCES.md", "third-party.md"} <= licences
    assert not [name for name in names if name.endswith((".rs", ".pyc")) or name.startswith("tests")]


def test_the_library_works_from_the_wheel_alone(installed: Environment) -> None:
    program = """
import importlib.util, shutil, ccbs
from ccbs import Engine, Profile, events
assert not [tool for tool in ("cc", "gcc", "cargo", "rustc") if shutil.which(tool)]
assert importlib.util.find_spec("pytest") is None
engine = Engine()
due = None
for event in (
    events.Line("1"), events.Line("2"), events.Service("2", Profile.autodial()),
    events.CallFailed("2", "1", "busy"), events.Order(7, "2", "1"),
):
    actions = engine.apply([event], 1_000)
print([type(action).__name__ for action in actions], engine.next_deadline())
print(ccbs.build_info()["profile"])
"""
    ordered, profile = installed.run("python", "-c", program).splitlines()
    assert "'Reply'" in ordered
    assert ordered.endswith(" 11000"), "the CB timer, ten seconds after the order"
    assert profile == "release"


def test_the_prompts_are_in_the_wheel(installed: Environment) -> None:
    program = """
from ccbs.prompts import LANGUAGES, Catalogue
for language in LANGUAGES:
    catalogue = Catalogue.load(language)
    print(language, len(catalogue.names), min(len(catalogue.wav(name)) for name in catalogue.names) > 4000)
print(Catalogue.load("ru").text("activated"))
"""
    assert installed.run("python", "-c", program).splitlines() == [
        "ru 26 True", "en 26 True", "Активирована услуга Автодозвон.",
    ]  # fmt: skip


def test_the_command_works_from_the_wheel_alone(installed: Environment) -> None:
    assert "0.1.0" in installed.run("ccbs", "--version")
    assert installed.run("ccbs", "check", str(SAMPLE))


async def test_one_order_over_the_installed_switch(
    installed: Environment, network: LoopbackNetwork, tmp_path: Path
) -> None:
    """The sample configuration, three phones, one order, one recall; then SIGTERM and a clean exit."""
    switch_address = network.address(10)
    config = tmp_path / "ccbs.yml"
    text = SAMPLE.read_text(encoding="utf-8")
    assert "address: 127.0.0.1 " in text
    text = text.replace("address: 127.0.0.1 ", f"address: {switch_address} ", 1)
    config.write_text(text, encoding="utf-8")
    presets = tmp_path / "presets"
    presets.symlink_to(SAMPLE.parent / "presets")
    server = await asyncio.create_subprocess_exec(
        installed.bin / "ccbs", "serve", "--config", str(config),
        env=installed.variables | {"PYTHONUNBUFFERED": "1"}, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    phones: dict[str, Phone] = {}
    said: list[str] = []
    try:
        assert server.stdout is not None
        async with asyncio.timeout(WAIT_S):
            while not any(f"{switch_address}:{SIP_PORT}" in line for line in said):
                line = await server.stdout.readline()
                assert line, f"the server ended:\n{''.join(said)}"
                said.append(line.decode())
        reading = asyncio.create_task(server.stdout.read())
        for number, host in (("101", 101), ("102", 102), ("104", 104)):
            account = Account(
                number=number, password=f"change-me-{number}", host=switch_address, port=SIP_PORT
            )
            phones[number] = await Phone.start(
                number, tmp_path / f"phone-{number}", network.address(host), account, tone_hz=440.0
            )
        callee, orderer, keeper = phones["101"], phones["102"], phones["104"]

        await keeper.dial("101")
        await callee.rings(since=0, timeout=WAIT_S)
        await callee.accept()
        await keeper.expect("CALL_ESTABLISHED", timeout=WAIT_S)

        await orderer.dial("101")
        await orderer.wire.expect("INVITE", 486, "received", timeout=WAIT_S)
        ordered = orderer.mark()
        at = orderer.wire.mark()
        since = time.time()
        await orderer.dial("*37#")
        recogniser = Recogniser(packaged_catalogue("ru"))
        await hears_prompts(orderer, recogniser, "ru/order-accepted", since=since, timeout=WAIT_S)
        await orderer.expect("CALL_CLOSED", since=ordered, timeout=WAIT_S)

        idle = callee.wire.mark()
        await callee.hang_up()
        await keeper.expect("CALL_CLOSED", timeout=WAIT_S)
        display = await orderer.rings(since=at, timeout=RECALL_S + WAIT_S)
        assert display.event.number == "101"
        await orderer.accept()
        display = await callee.rings(since=idle, timeout=WAIT_S)
        assert display.event.number == "102"
        joined = callee.mark()
        await callee.accept()
        await callee.expect("CALL_ESTABLISHED", since=joined, timeout=WAIT_S)
        await callee.hang_up()

        server.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.wait(), WAIT_S) == 0
        said.append((await reading).decode())
        assert "Traceback" not in "".join(said)
    finally:
        for phone in phones.values():
            await phone.stop()
        if server.returncode is None:
            server.kill()
            await server.wait()
