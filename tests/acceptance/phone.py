"""A phone that we did not write: baresip in a process and a configuration directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pty
import re
import signal
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .audio import Samples, encode_wav, read_wav, silence_or_tone
from .control import ControlChannel, PhoneEvent
from .network import Place
from .wire import Identity, SipMessage, TraceReader, Wire

__all__ = ["Account", "Display", "Phone", "PhoneFailed", "Recording"]

CONTROL_PORT = 4444
START_S = 20.0
MODULES = Path("/usr/lib/baresip/modules")
RECORDINGS = "heard"
"""Relative to the phone's directory, where it runs: its recorder cuts paths off at 128 bytes."""
TALK_S = 300.0
"""How long a phone's microphone has something to say: longer than any call here."""

_CONFIG = """\
poll_method             epoll
sip_listen              {host}:{sip_port}
net_interface           {address}
rtp_ports               {rtp}
call_local_timeout      180
call_max_calls          {max_calls}
audio_source            aufile,{microphone}
audio_alert             none
ausrc_srate             8000
auplay_srate            8000
ausrc_channels          1
auplay_channels         1
audio_txmode            poll
audio_level             no
audio_buffer            20-160
jitter_buffer_delay     0-0
module_path             {modules}
module                  g711.so
module                  aufile.so
module                  sndfile.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
ctrl_tcp_listen         {control}:{control_port}
ring_aufile             none
ringback_aufile         none
busy_aufile             none
error_aufile            none
notfound_aufile         none
redial_attempts         0
snd_path                {recordings}
"""
_ACCOUNT = (
    '"{name}" <sip:{number}@{host}:{port};transport={transport}>;auth_user={number};auth_pass={password}'
    ";answermode=manual;regint={register_s};call_transfer=no;audio_codecs={codecs}\n"
)
_DUMPING = re.compile(r"sndfile: dumping (?P<side>encode|decode) audio to (?P<path>.+)$")


@functools.cache
def _microphone(tone_hz: float) -> bytes:
    return encode_wav(silence_or_tone(tone_hz, TALK_S))


class PhoneFailed(AssertionError):
    """A phone did not do what a phone does; the message holds the end of its log."""


@dataclass(frozen=True)
class Account:
    """What a phone is configured with."""

    number: str
    password: str
    host: str
    port: int
    """The switch's; ``host`` is written as in a URI."""
    name: str = ""
    codecs: str = "PCMU/8000/1,PCMA/8000/1"
    transport: str = "udp"
    register_s: int = 300
    """Registration interval (s); 0: a phone that does not register."""
    max_calls: int = 4
    """How many calls it takes at a time; beyond them it says busy."""


@dataclass(frozen=True)
class Display:
    """What the display shows of a call that comes in."""

    caller: Identity
    """From the INVITE's From."""
    asserted: Identity | None
    """From its P-Asserted-Identity."""
    event: Identity
    """What the phone's own event says."""
    invite: SipMessage


@dataclass(frozen=True)
class Recording:
    """The audio that a phone received in one call, as its own decoder gave it."""

    began: float
    """Unix time (s) at which the phone set its decoder up."""
    path: Path


class Phone:
    """One baresip. Every wait has a bound and ends by an event; see :meth:`start`."""

    def __init__(self, label: str, directory: Path, place: Place, account: Account, tone_hz: float) -> None:
        self.label = label
        self.directory = directory
        self.place = place
        self.account = account
        self.tone_hz = tone_hz
        """What this phone's user says: a tone of this frequency (Hz); 0 is silence."""
        self.wire = Wire(label)
        self.events: list[PhoneEvent] = []
        self.recordings: list[Recording] = []
        self.log: list[str] = []
        self.on_change: Callable[[Phone, SipMessage | PhoneEvent], None] | None = None
        self._event_arrived = asyncio.Event()
        self._trace = TraceReader(f"{place.host}:{place.port}", f"{account.host}:{account.port}")
        self._control = ControlChannel(self._take_event)
        self._process: asyncio.subprocess.Process | None = None
        self._terminal: int | None = None

    @classmethod
    async def start(
        cls, label: str, directory: Path, place: Place | str, account: Account, *, tone_hz: float = 0.0
    ) -> Phone:
        """Starts the phone and waits until it is registered (if its account says so).

        :param label: what messages call it, e.g. ``№1``.
        :param directory: for its configuration, logs and recordings; made.
        :param place: where it is, or a loopback address of its own.
        :param tone_hz: what its user says, see :attr:`tone_hz`.
        """
        place = Place(place) if isinstance(place, str) else place
        phone = cls(label, directory, place, account, tone_hz)
        try:
            await phone._start()
        except BaseException:
            await phone.stop()
            raise
        return phone

    async def _start(self) -> None:
        (self.directory / RECORDINGS).mkdir(parents=True)
        microphone = self.directory / "microphone.wav"
        microphone.write_bytes(await asyncio.to_thread(_microphone, self.tone_hz))
        (self.directory / "config").write_text(
            _CONFIG.format(
                address=self.place.address,
                host=self.place.host,
                sip_port=self.place.port,
                rtp="{}-{}".format(*self.place.rtp),
                control=self.place.control or self.place.address,
                control_port=CONTROL_PORT,
                max_calls=self.account.max_calls,
                microphone=microphone.name,
                modules=MODULES,
                recordings=RECORDINGS,
            )
        )
        (self.directory / "accounts").write_text(_ACCOUNT.format(**vars(self.account)))
        (self.directory / "contacts").write_text("")
        # A terminal, because baresip writes its trace through stdio, which would hold it back on a pipe.
        self._terminal, child_side = pty.openpty()
        tty.setraw(child_side)
        os.set_blocking(self._terminal, False)
        asyncio.get_running_loop().add_reader(self._terminal, self._read_terminal)
        try:
            self._process = await asyncio.create_subprocess_exec(
                "baresip", "-s", "-f", ".",
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL, stdout=child_side, stderr=child_side,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise PhoneFailed("baresip is not installed; install the Debian package baresip-core") from None
        finally:
            os.close(child_side)
        await self._control.open(self.place.control or self.place.address, CONTROL_PORT, timeout=START_S)
        if self.account.register_s:
            await self.wire.expect("REGISTER", 200, "received", timeout=START_S)

    def _read_terminal(self) -> None:
        assert self._terminal is not None
        try:
            data = os.read(self._terminal, 65_536)
        except BlockingIOError:
            return
        except OSError:  # the process is gone
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._terminal)
            return
        now = time.time()
        messages, lines = self._trace.feed(data, now)
        for line in lines:
            if "(bit/s)" in line:  # the call's duration, redrawn all the time
                continue
            self.log.append(f"{now:.3f} {line}")
            match = _DUMPING.search(line)
            if match and match["side"] == "decode":
                self.recordings.append(Recording(now, self.directory / match["path"]))
        for message in messages:
            self.wire.append(message)
            if self.on_change:
                self.on_change(self, message)

    def _take_event(self, event: PhoneEvent) -> None:
        self.events.append(event)
        self._event_arrived.set()
        self._event_arrived = asyncio.Event()
        if self.on_change:
            self.on_change(self, event)

    def mark(self) -> int:
        """A place in the record of events, for ``since``."""
        return len(self.events)

    async def expect(
        self, kind: str, *, since: int = 0, call_id: str | None = None, timeout: float
    ) -> PhoneEvent:
        """The first event of that kind after ``since``, waiting at most ``timeout`` seconds.

        :param call_id: only of the call with this Call-ID.
        :raises PhoneFailed: when it does not come.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            arrived = self._event_arrived
            for event in self.events[since:]:
                if event.kind == kind and call_id in (None, event.fields.get("id")):
                    return event
            try:
                await asyncio.wait_for(arrived.wait(), deadline - loop.time())
            except TimeoutError:
                seen = "".join(f"\n  {event}" for event in self.events[since:]) or " nothing"
                raise PhoneFailed(f"{self.label}: no {kind} within {timeout:g} s; it had:{seen}") from None

    async def dial(self, number: str) -> None:
        """Dials, as typed on the keys."""
        await self._control.command("dial", number)

    async def accept(self) -> None:
        """Lifts the handset while the phone rings."""
        await self._control.command("accept")

    async def hang_up(self) -> None:
        """Puts the handset back, in whatever state the call is."""
        await self._control.command("hangup")

    async def hold(self) -> None:
        """Puts the far side on hold."""
        await self._control.command("hold")

    async def resume(self) -> None:
        """Talks on with the far side that was on hold."""
        await self._control.command("resume")

    async def transfer(self, number: str) -> None:
        """Transfers the far side to another number, blindly."""
        await self._control.command("transfer", number)

    async def commands(self) -> str:
        """The commands that the phone knows now, as it lists them."""
        return await self._control.command("help")

    async def records(self) -> bool:
        """Whether what its current call brings is recorded."""
        pipeline = re.search(r"rx pipeline: .*", await self._control.command("audio_debug"))
        return pipeline is not None and "sndfile" in pipeline[0]

    async def received(self) -> int:
        """How many RTP packets its current call has brought."""
        counts = re.findall(r"psent=\d+ rcvd=(\d+)", await self._control.command("audio_debug"))
        return sum(map(int, counts))

    async def press(self, key: str) -> None:
        """Presses a key while it has a call (RFC 4733)."""
        await self._control.command("sndcode", key)

    async def calls_now(self) -> int:
        """How many calls the phone has."""
        listing = await self._control.command("listcalls")
        match = re.search(r"\((\d+)\)", listing)
        if match is None:
            raise PhoneFailed(f"{self.label}: its list of calls has no count: {listing!r}")
        return int(match[1])

    def call_log(self) -> list[tuple[str, str]]:
        """The phone's own call log: ``incoming`` or ``outgoing`` and the number of each answered call."""
        return [
            (event.fields["direction"], Identity.parse(f"<{event.peer}>").number)
            for event in self.events
            if event.kind == "CALL_ESTABLISHED"
        ]

    async def rings(self, *, since: int, timeout: float) -> Display:
        """Waits until the phone rings; returns what its display shows.

        :param since: a mark of :attr:`wire`; the INVITE comes after it.
        """
        invite = await self.wire.expect(
            "INVITE", None, "received", initial=True, since=since, timeout=timeout
        )
        await self.wire.expect(
            "INVITE", 180, "sent", since=since, where=lambda m: m.call_id == invite.call_id, timeout=5.0
        )
        event = await self.expect("CALL_INCOMING", call_id=invite.call_id, timeout=5.0)
        caller = invite.identity("from")
        assert caller is not None, "an INVITE without From"
        shown = Identity(
            Identity.parse(f"<{event.peer}>").number, event.fields.get("peerdisplayname") or None
        )
        return Display(caller, invite.identity("p-asserted-identity"), shown, invite)

    def heard_since(self, at: float) -> list[Recording]:
        """The recordings that began at or after the Unix time ``at`` (s)."""
        return [recording for recording in self.recordings if recording.began >= at]

    def sound_since(self, at: float) -> Samples:
        """What was heard in calls whose sound began at or after the Unix time ``at`` (s)."""
        parts = [read_wav(heard.path) for heard in self.heard_since(at) if heard.path.exists()]
        return np.concatenate(parts) if parts else np.zeros(0)

    async def stop(self) -> None:
        """Ends the process, by its id, and keeps its log in the directory."""
        await self._control.close()
        process = self._process
        if process is not None and process.returncode is None:
            for signal_number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal_number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 5.0)
                    break
        if self._terminal is not None:
            with contextlib.suppress(RuntimeError):
                self._read_terminal()
                asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = None
        trace = "\n\n".join(f"{m}\n{m.source} -> {m.target}\n{m.text}" for m in self.wire.messages)
        with contextlib.suppress(FileNotFoundError):
            (self.directory / "phone.log").write_text("\n".join(self.log) + "\n")
            (self.directory / "wire.log").write_text(trace)
