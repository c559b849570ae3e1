"""Asterisk 22 as the tests run it: a process of its own, on loopback addresses of its own, stock modules."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["ARI_PASSWORD", "ARI_PORT", "ARI_USER", "Asterisk", "AsteriskFailed", "Extension", "asterisk_root"]

SIP_PORT = 5060
ARI_PORT = 8088
ARI_USER = "ccbs"
ARI_PASSWORD = "secret-of-ari"
START_S = 60.0
STOP_S = 10.0
_GET = Path(__file__).with_name("get_asterisk.sh")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# They bind fixed ports on every address, which several Asterisks on one machine cannot share.
_NOT_LOADED = (
    "chan_iax2",
    "chan_unistim",
    "chan_mgcp",
    "chan_skinny",
    "chan_ooh323",
    "pbx_dundi",
    "res_prometheus",
)


class AsteriskFailed(AssertionError):
    """Asterisk did not start, or did not do what it was asked; the message holds the end of its log."""


def asterisk_root() -> Path:
    """The directory with Asterisk in it; brought there the first time.

    :raises AsteriskFailed: when it cannot be had, with what is missing.
    """
    done = subprocess.run([str(_GET)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AsteriskFailed(done.stderr.strip())
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Extension:
    """A PJSIP phone in Asterisk's configuration."""

    number: str
    password: str
    """Empty: it is believed without."""
    name: str = ""
    contacts: int = 1
    contact: str = ""
    """An address that it is reached at without being registered."""
    direct_media: bool = True
    rtcp_mux: bool = False


def _pjsip(address: str, extensions: Sequence[Extension], trunks: Mapping[str, str]) -> str:
    # Without an address of its own the kernel would name 127.0.0.1 as the source of the media.
    media = f"media_address={address}\nbind_rtp_to_media_address=yes\n"
    parts = [
        "[global]\ntype=global\nendpoint_identifier_order=username,ip\n",
        f"[transport-udp]\ntype=transport\nprotocol=udp\nbind={address}:{SIP_PORT}\n",
    ]
    for phone in extensions:
        number = phone.number
        direct, mux = ("yes" if given else "no" for given in (phone.direct_media, phone.rtcp_mux))
        parts.append(
            f"[{number}]\ntype=endpoint\ncontext=office\ndisallow=all\nallow=ulaw,alaw\naors={number}\n"
            f'callerid="{phone.name}" <{number}>\nsend_pai=yes\ntrust_id_outbound=yes\n'
            f"direct_media={direct}\nrtcp_mux={mux}\ntone_zone=ru\n{media}"
            + (f"auth={number}\n" if phone.password else "")
            + f"[{number}]\ntype=aor\nmax_contacts={phone.contacts}\nremove_existing=yes\n"
            + (f"contact=sip:{number}@{phone.contact}:{SIP_PORT}\n" if phone.contact else "")
        )
        if phone.password:
            parts.append(
                f"[{number}]\ntype=auth\nauth_type=userpass\nusername={number}\npassword={phone.password}\n"
            )
    for name, peer in trunks.items():
        parts.append(
            f"[{name}]\ntype=endpoint\ncontext=from-trunk\ndisallow=all\nallow=ulaw,alaw\naors={name}\n"
            f"send_pai=yes\ntrust_id_outbound=yes\ndirect_media=yes\n{media}"
            f"[{name}]\ntype=aor\ncontact=sip:{peer}:{SIP_PORT}\n"
            f"[{name}]\ntype=identify\nendpoint={name}\nmatch={peer}\n"
        )
    return "".join(parts)


class Asterisk:
    """One running Asterisk. Use :meth:`start` and :meth:`stop`."""

    def __init__(
        self,
        root: Path,
        address: str,
        *,
        dialplan: str,
        extensions: Sequence[Extension],
        trunks: Mapping[str, str],
        verbose: bool = True,
        further: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.address = address
        self.inside = Path("/srv") / f"test-{uuid.uuid4().hex[:12]}"
        """Its directory as it sees it."""
        self.directory = root / self.inside.relative_to("/")
        """The same from outside."""
        self.log: list[str] = []
        self.version = ""
        self._dialplan = dialplan
        self._extensions = extensions
        self._trunks = trunks
        self._verbose = verbose
        self._further = further or {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @classmethod
    async def start(
        cls,
        address: str,
        *,
        dialplan: str,
        extensions: Sequence[Extension],
        trunks: Mapping[str, str] | None = None,
        verbose: bool = True,
        further: Mapping[str, str] | None = None,
    ) -> Self:
        """Starts it and waits until it says that it is ready.

        :param address: a loopback address of its own, for SIP, media and ARI.
        :param dialplan: ``extensions.conf``.
        :param trunks: by endpoint name, the address of the peer.
        :param verbose: whether its log tells of each call.
        :param further: more files of its configuration, by name.
        :raises AsteriskFailed: when it cannot be had or does not start.
        """
        root = await asyncio.to_thread(asterisk_root)
        asterisk = cls(
            root,
            address,
            dialplan=dialplan,
            extensions=extensions,
            trunks=trunks or {},
            verbose=verbose,
            further=further,
        )
        try:
            asterisk._write()
            await asterisk.run()
        except BaseException:
            await asterisk.stop()
            raise
        return asterisk

    def _write(self) -> None:
        for name in ("etc", "run", "spool", "log", "db", "sounds"):
            (self.directory / name).mkdir(parents=True)
        for name, content in self._configuration().items():
            (self.directory / "etc" / name).write_text(content, encoding="utf-8")
        owner = (self.root / "var/lib/asterisk").stat()
        for path in (self.directory, *self.directory.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)

    def _configuration(self) -> dict[str, str]:
        """The files of its configuration, by name."""
        library = next((self.root / "usr/lib").glob("*/asterisk/modules"))
        files = {
            "asterisk.conf": (
                f"[directories]\nastetcdir => {self.inside}/etc\n"
                f"astmoddir => /{library.relative_to(self.root)}\nastvarlibdir => /var/lib/asterisk\n"
                f"astdbdir => {self.inside}/db\nastkeydir => /var/lib/asterisk\n"
                f"astdatadir => /usr/share/asterisk\nastspooldir => {self.inside}/spool\n"
                f"astrundir => {self.inside}/run\nastlogdir => {self.inside}/log\n"
                "[options]\nentityid = 02:00:00:00:00:01\n"
            ),
            "modules.conf": "[modules]\nautoload=yes\n" + "".join(f"noload={m}.so\n" for m in _NOT_LOADED),
            "http.conf": f"[general]\nenabled=yes\nbindaddr={self.address}\nbindport={ARI_PORT}\n",
            "ari.conf": (
                f"[general]\nenabled=yes\n[{ARI_USER}]\ntype=user\nread_only=no\npassword={ARI_PASSWORD}\n"
            ),
            "logger.conf": "[general]\n[logfiles]\nconsole => notice,warning,error,verbose\n",
            "rtp.conf": "[general]\nrtpstart=20000\nrtpend=59998\n",
            "indications.conf": "[general]\ncountry=ru\n[ru]\ndescription=Russia\nringcadence=1000,4000\n"
            "dial=425\nbusy=425/350,0/350\nring=425/1000,0/4000\ncongestion=425/175,0/175\n",
            "extensions.conf": self._dialplan,
            "pjsip.conf": _pjsip(self.address, self._extensions, self._trunks),
        }
        for name in ("features.conf", "ccss.conf", "udptl.conf", "acl.conf", "cdr.conf"):
            files.setdefault(name, "[general]\n")
        return files | dict(self._further)

    async def run(self) -> None:
        """Starts the process, again after :meth:`kill`."""
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            "chroot", "--userspec=asterisk:asterisk", str(self.root), "/usr/sbin/asterisk", "-f",
            *(("-vvv",) if self._verbose else ()), "-C", str(self.inside / "etc/asterisk.conf"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=1 << 20,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait_for(self._ready.wait(), START_S)
        except TimeoutError:
            raise AsteriskFailed(f"Asterisk was not ready within {START_S:g} s:\n{self.output()}") from None
        if self._process.returncode is not None:
            raise AsteriskFailed(f"Asterisk ended with {self._process.returncode}:\n{self.output()}")
        self.version = (await self.cli("core show version")).splitlines()[0]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = _COLOURS.sub("", raw.decode("utf-8", "replace")).rstrip()
            self.log.append(line)
            if "Asterisk Ready." in line:
                self._ready.set()
        self._ready.set()

    def output(self) -> str:
        """The end of what it logged."""
        return "\n".join(self.log[-60:])

    async def cli(self, command: str) -> str:
        """What Asterisk's console answers."""
        process = await asyncio.create_subprocess_exec(
            "chroot", "--userspec=asterisk:asterisk", str(self.root),
            "/usr/sbin/asterisk", "-C", str(self.inside / "etc/asterisk.conf"), "-rx", command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 15.0)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AsteriskFailed(
                f"Asterisk's console does not answer {command!r}:\n{self.output()}"
            ) from None
        return _COLOURS.sub("", out.decode("utf-8", "replace"))

    async def channels(self) -> list[str]:
        """The names of the channels there are."""
        lines = (await self.cli("core show channels concise")).splitlines()
        return [line.split("!")[0] for line in lines if "!" in line]

    async def no_channels(self, timeout: float) -> None:
        """Waits until ``core show channels`` is empty.

        :raises AsteriskFailed: when it is not within ``timeout`` seconds.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while left := await self.channels():
            if loop.time() > deadline:
                raise AsteriskFailed(f"channels are left: {left}\n{self.output()}")
            await asyncio.sleep(0.2)

    def freeze(self) -> None:
        """Stops it where it is (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it at once, as a crash would (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def halt(self) -> None:
        """Ends it as its operator would; :meth:`run` finds what it kept, the registrations too."""
        await self.cli("core stop now")
        await self._end(signal.SIGCONT, signal.SIGKILL)

    async def _end(self, *signals: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        for number in signals:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_S)
                break
        if self._reading is not None:
            await self._reading
        self._process = None

    async def stop(self) -> None:
        """Stops it as its operator would, and removes its directory."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            with contextlib.suppress(AsteriskFailed):
                await self.cli("core stop now")
        await self._end(signal.SIGTERM, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)
