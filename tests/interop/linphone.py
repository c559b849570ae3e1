"""linphonec, the console phone of Linphone, in a process, a home and a configuration of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from acceptance.audio import Samples, encode_wav, silence_or_tone
from acceptance.network import Place
from acceptance.phone import START_S, TALK_S, Account, PhoneFailed
from acceptance.wire import SipMessage, Wire

__all__ = ["Linphone"]

_CONFIG = """\
[sip]
sip_port={port}
sip_tcp_port={port}
sip_tls_port=0
bind_address={address}
use_ipv6={ipv6}
register_only_when_network_is_up=0
guess_hostname=0
contact="{name}" <sip:{number}@{host}:{port}>
media_encryption=none
default_proxy=0
keepalive_period=0

[rtp]
bind_address={address}
audio_rtp_port={rtp}

[sound]
echocancellation=0

[video]
enabled=0
automatically_initiate=0
automatically_accept=0

[misc]
add_missing_audio_codecs=0
add_missing_video_codecs=0

[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1

[audio_codec_1]
mime=PCMA
rate=8000
channels=1
enabled=1

[auth_info_0]
username={number}
passwd={password}
realm={realm}

[proxy_0]
reg_proxy=<sip:{switch};transport={transport}>
reg_identity="{name}" <sip:{number}@{switch}>
reg_expires={register_s}
reg_sendregister=1
publish=0
dial_escape_plus=0
"""
_PASSED = re.compile(
    rb"message (?P<sent>sent) to \[(?P<to>[^\]]+)\], size: \[(?P<sent_bytes>\d+)\] bytes\s*$"
    rb"|received \[(?P<bytes>\d+)\] new bytes from \[(?P<source>[^\]]+)\]:\s*$"
)
_MOVED = re.compile(r"CallSession \[(?P<session>\w+)\] moving from state \w+ to LinphoneCall(?P<state>\w+)")
_BEGAN = re.compile(r"assigned id (\d+)")
_OVER = re.compile(r"Call (\d+) (?:with|to) .* (?:ended|error)")
_LENGTH = re.compile(rb"^(?:Content-Length|l)[ \t]*:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)
_ENDED = ("End", "Error", "Released")
_WAV_HEADER = 44
"""It is complete only when the file is closed, so lengths in it are not relied on."""


class Linphone:
    """One linphonec, driven by its standard input. Every wait has a bound and ends by an event."""

    def __init__(self, label: str, directory: Path, place: Place, account: Account, tone_hz: float) -> None:
        self.label = label
        self.directory = directory
        self.place = place
        self.account = account
        self.tone_hz = tone_hz
        self.wire = Wire(label)
        self.log: list[str] = []
        self._heard = directory / "heard.wav"
        """What it hears in all calls, one after the other."""
        self._marks: list[tuple[float, int]] = []
        """When a call was dialled or answered, and how long the recording was (octets)."""
        self._sessions: dict[str, str] = {}
        """The state of each call, by its place in memory: a later call may have the same."""
        self._calls: list[str] = []
        """The numbers that linphonec gives to the calls it has, in the order in which they began."""
        self._half: dict[bytes, bytes] = {}
        """What came over TCP of a message that is not complete."""
        self._process: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls, label: str, directory: Path, place: Place, account: Account, *, tone_hz: float, realm: str
    ) -> Linphone:
        """Starts the phone and waits until it is registered.

        :param label: what messages call it.
        :param directory: its home: configuration, logs and recordings; made.
        :param tone_hz: what its user says (Hz).
        :param realm: the digest realm that its password is for.
        """
        phone = cls(label, directory, place, account, tone_hz)
        try:
            await phone._start(realm)
        except BaseException:
            await phone.stop()
            raise
        return phone

    async def _start(self, realm: str) -> None:
        # Where its database goes: it complains of each call that it cannot log.
        (self.directory / ".local" / "share" / "linphone").mkdir(parents=True)
        sound = await asyncio.to_thread(lambda: encode_wav(silence_or_tone(self.tone_hz, TALK_S)))
        (self.directory / "microphone.wav").write_bytes(sound)
        place = self.place
        (self.directory / "linphonerc").write_text(
            _CONFIG.format(
                **vars(self.account) | {"port": place.port, "host": place.host},
                switch=f"{self.account.host}:{self.account.port}",
                address=place.address,
                ipv6=int(":" in place.address),
                rtp="{}-{}".format(*place.rtp),
                realm=realm,
            )
        )
        read_end, write_end = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                "linphonec", "-c", "linphonerc", "-S", "-d", "4", "-l", f"/dev/fd/{write_end}",
                cwd=self.directory, env=os.environ | {"HOME": str(self.directory)},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                pass_fds=(write_end,), start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            os.close(read_end)
            raise PhoneFailed("linphonec is not installed; install the Debian package linphone-cli") from None
        finally:
            os.close(write_end)
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
        )
        assert self._process.stdout is not None
        self._reading = [
            asyncio.create_task(self._read_log(reader)),
            asyncio.create_task(self._read_said(self._process.stdout)),
        ]
        await self._command("soundcard use files")
        await self._command("play microphone.wav")
        # Once and for all: linphonec crashes when it is told so while it rings.
        await self._command(f"record {self._heard.name}")
        await self.wire.expect("REGISTER", 200, "received", timeout=START_S)

    async def _read_said(self, reader: asyncio.StreamReader) -> None:
        async for raw in reader:
            line = raw.decode("utf-8", "replace").rstrip()
            self.log.append(f"{time.time():.3f} {line}")
            if begun := _BEGAN.search(line):
                self._calls.append(begun[1])
            elif (over := _OVER.search(line)) and over[1] in self._calls:
                self._calls.remove(over[1])

    async def _read_log(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            passed = _PASSED.search(line)
            if passed is None:
                self._note(line.decode("utf-8", "replace").rstrip())
                continue
            octets = await reader.readexactly(int(passed["sent_bytes"] or passed["bytes"]))
            far = (passed["to"] or passed["source"]).split(b"://")[-1]
            for message in self._whole(b"" if passed["sent"] else far, octets):
                self._take(message, far.decode(), sent=bool(passed["sent"]))

    def _note(self, line: str) -> None:
        moved = _MOVED.search(line)
        if moved:
            self._sessions[moved["session"]] = moved["state"]
            self.log.append(f"{time.time():.3f} {line}")

    def _whole(self, stream: bytes, octets: bytes) -> Iterator[bytes]:
        """The messages that are complete with these octets; a stream may cut them anywhere."""
        data = self._half.pop(stream, b"") + octets
        while data := data.lstrip(b"\r\n"):
            head, _, _ = data.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            whole = len(head) + 4 + (int(length[1]) if length else 0)
            if len(data) < whole:
                self._half[stream] = data
                return
            yield data[:whole]
            data = data[whole:]

    def _take(self, octets: bytes, far: str, *, sent: bool) -> None:
        ends = (f"{self.place.host}:{self.place.port}", far)
        source, target = ends if sent else ends[::-1]
        direction = "sent" if sent else "received"
        self.wire.append(
            SipMessage(time.time(), direction, source, target, octets.decode("utf-8", "replace"))
        )

    async def _command(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self.log.append(f"{time.time():.3f} > {line}")
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    def _mark(self) -> None:
        self._marks.append((time.time(), self._heard.stat().st_size if self._heard.exists() else 0))

    async def dial(self, number: str) -> None:
        """Dials, as typed on the keys; a call that goes on is put on hold by the phone."""
        self._mark()
        await self._command(f"call {number}")

    async def accept(self) -> None:
        """Lifts the handset while the phone rings."""
        self._mark()
        await self._command("answer")

    async def hang_up(self) -> None:
        """Puts the handset back, in whatever state the calls are."""
        await self._command("terminate all")

    async def hold(self) -> None:
        """Puts the far side on hold."""
        await self._command("pause")

    async def resume(self) -> None:
        """Talks on with the far side that was on hold."""
        await self._command("resume")

    async def transfer(self, number: str) -> None:
        """Transfers the far side to another number, blindly."""
        await self._command(f"transfer {number}")

    async def join(self) -> None:
        """Transfers the first of its two far sides, which is on hold, to the second one."""
        first, second = self._calls
        await self._command(f"transfer {first} --to-call {second}")

    async def calls_now(self) -> int:
        """How many calls the phone has."""
        return sum(state not in _ENDED for state in self._sessions.values())

    def sound_since(self, at: float) -> Samples:
        """What was heard in calls whose sound began at or after the Unix time ``at`` (s)."""
        place = next((size for marked, size in self._marks if marked >= at), None)
        if place is None or not self._heard.exists():
            return np.zeros(0)
        sound = self._heard.read_bytes()[max(place, _WAV_HEADER) :]
        samples: Samples = np.frombuffer(sound[: len(sound) // 2 * 2], "<i2") / 32_768.0
        return samples

    async def stop(self) -> None:
        """Ends the process, by its id, and keeps its log in the directory."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ConnectionError):
                await self._command("quit")
            for signal_number in (None, signal.SIGTERM, signal.SIGKILL):
                if signal_number is not None:
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal_number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 5.0)
                    break
        await asyncio.gather(*self._reading, return_exceptions=True)
        trace = "\n\n".join(f"{m}\n{m.source} -> {m.target}\n{m.text}" for m in self.wire.messages)
        with contextlib.suppress(FileNotFoundError):
            (self.directory / "phone.log").write_text("\n".join(self.log) + "\n")
            (self.directory / "wire.log").write_text(trace)
