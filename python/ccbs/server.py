"""The program ``ccbs serve``: a SIP switch with call back on busy, put together from its configuration."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ccbs._ccbs import (
    Bindings,
    CcbsError,
    Closed,
    Driver,
    InvalidPrompt,
    Overload,
    Registration,
    SipEndpoint,
    SipEvent,
    Step,
    Trace,
    TrunkRegistration,
)
from ccbs.calls import CallLog
from ccbs.codes import ServiceCodes
from ccbs.config import Config
from ccbs.config.checks import find_coroutine
from ccbs.configured import (
    StartError,
    engine_limits,
    open_driver,
    prompts_of,
    subscriber_of,
    trunk_of,
)
from ccbs.control import ControlError, ControlServer
from ccbs.keeping import Keeping
from ccbs.line_writer import LineWriter
from ccbs.listening import listen, listened
from ccbs.operator_desk import Host, OperatorDesk
from ccbs.reload import Reload, SipReload
from ccbs.service import CallbackService
from ccbs.sip import SipSwitch
from ccbs.steps import line
from ccbs.subscribers import Directory
from ccbs.supervisor import Supervisor
from ccbs.trace import TraceFile

__all__ = ["STOP_BOUND_S", "Server", "StartError", "run"]

STOP_BOUND_S = 10.0
"""How long stopping may take, in seconds; what is not done by then is left."""


_TOO_MANY = (
    "The switch cannot start: there are more subscribers, trunks and prompts than may wait for the SIP "
    "endpoint at once. Raise limits.endpoint.queue."
)

_LOG = logging.getLogger("ccbs.server")


def run(
    config: Config,
    *,
    trace: Path | None = None,
    record: Path | None = None,
    say: Callable[[str], None] = print,
    outputs: Sequence[LineWriter] = (),
) -> int:
    """Serve until SIGTERM or SIGINT. A second signal ends the process at once.

    :param config: the configuration.
    :param trace: a file that gets each SIP message as a JSON line, or None.
    :param record: a file that gets the engine's inputs, for ``ccbs explain``, or None.
    :param say: prints one line for the operator.
    :param outputs: are counted, and written out before the process ends at once.
    :returns: the exit code: 0 after a clean stop, 1 when something was left undone, or when the SIP
        endpoint or the engine ended by a fault and so ended the rest.
    :raises StartError: when it cannot start.
    """
    return asyncio.run(Server(config, trace=trace, record=record, say=say, outputs=outputs).serve())


class Server:
    """One running switch.

    :param config: the configuration.
    :param trace: a file that gets each SIP message as a JSON line, or None.
    :param record: a file that gets the engine's inputs, for ``ccbs explain``, or None.
    :param say: prints one line for the operator.
    :param outputs: are counted, and written out before the process ends at once.
    """

    def __init__(
        self,
        config: Config,
        *,
        trace: Path | None = None,
        record: Path | None = None,
        say: Callable[[str], None] = print,
        outputs: Sequence[LineWriter] = (),
    ) -> None:
        self._config = config
        self._trace_path = trace
        self._prepare(record=record, say=say, outputs=outputs)

    def _prepare(
        self, *, record: Path | None, say: Callable[[str], None], outputs: Sequence[LineWriter]
    ) -> None:
        self._record = record
        self._say = say
        self._outputs = outputs
        self._stop = asyncio.Event()
        self._faulty: str | None = None
        self._control: ControlServer | None = None
        self._keeping: Keeping | None = None
        self._reload: Reload | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._supervisor = Supervisor()
        self._trace: TraceFile | None = None

    async def serve(self) -> int:
        """See :func:`run`."""
        config = self._config
        directory = Directory(subscriber_of(found) for found in config.subscribers)
        prompts = prompts_of(config)
        calls = call_log(config.call_log_file, config.call_log_records)
        endpoint = listen(config, tracing=self._trace_path is not None)
        try:
            # Not before: a server that cannot listen must not wipe the trace of the one that does.
            self._trace = _trace_file(self._trace_path)
            switch = _switch(
                config,
                endpoint,
                directory,
                calls,
                prompts,
                on_event=self._on_event,
                on_closed=lambda: self._on_fault("SIP endpoint"),
            )
        except BaseException:
            endpoint.close()
            raise
        try:
            driver = open_driver(
                engine_limits(config),
                queue_limit=config.limits.engine.queue,
                record=self._record,
                store=config.store,
            )
        except BaseException:
            endpoint.close()
            raise
        keeping = self._keeping = Keeping(driver, config.store)
        keeping.restore_calls(calls)
        if keeping.restarted:
            switch.begin_unseen()
        service = CallbackService(
            switch,
            driver=driver,
            on_step=self._on_step,
            on_closed=lambda: self._on_fault("engine"),
            facts_limit=config.limits.engine.queue,
        )
        watches = self._watches(driver, keeping)
        self._reload = SipReload(config, switch, keeping, self._supervisor)
        desk = OperatorDesk(switch, service, reload=self._reload)
        control = self._control = ControlServer(
            config.control_socket,
            desk.answer,
            clients=config.control_clients,
            timeout_s=config.control_timeout_s,
        )
        desk.counted = [control, keeping, *self._outputs, *([self._trace] if self._trace else [])]
        self._watch_signals(calls)
        try:

            async def prepare() -> None:
                await switch.start(service)
                keeping.forget_removed(directory, service)
                # Handed to the endpoint before any recall that the store's orders may want at once.
                keeping.restore_phones(directory, endpoint)

            await service.start(prepare)
            # Whoever can ask it may rely on the switch taking calls.
            await control.start()
            self._say(self._greeting(endpoint))
            await self._until_stopped(keeping, config.stop_calls_s)
        except ControlError as error:
            raise StartError(str(error)) from None
        except Overload:
            raise StartError(_TOO_MANY) from None
        except CcbsError as error:
            raise StartError(f"The switch cannot start: {error}.") from error
        finally:
            clean = await self._wind_down(control, switch, service, driver, config.stop_calls_s)
            for watch in watches:
                watch.cancel()
        self._say("stopped")
        return 0 if clean and self._faulty is None else 1

    def stop(self) -> None:
        """Begin to stop."""
        self._stop.set()

    def _watches(self, driver: Driver, keeping: Keeping) -> list[asyncio.Task[None]]:
        def alive() -> None:
            # Its thread answers after what waits; one that is full or closed says so at once.
            with contextlib.suppress(Overload, Closed):
                driver.handles(())

        watches = (watch_recording(driver), keeping.watch(), self._supervisor.watch(alive))
        return [asyncio.create_task(watch) for watch in watches]

    async def _until_stopped(self, keeping: Keeping, calls_s: float) -> None:
        if (found := keeping.greeting(time.time())) is not None:
            self._say(found)
        self._supervisor.ready()
        await self._stop.wait()
        self._say("stopping")
        self._supervisor.stopping(STOP_BOUND_S + calls_s)

    async def _wind_down(
        self,
        control: ControlServer,
        switch: Host,
        service: CallbackService,
        driver: Driver,
        calls_s: float,
    ) -> bool:
        bound_s = STOP_BOUND_S + calls_s
        try:
            async with asyncio.timeout(bound_s):
                if calls_s and self._stop.is_set() and self._faulty is None:
                    switch.refuse_calls()
                    # What stands is in the store; from here on nothing is ordered, cancelled or recalled.
                    await service.stop(close_driver=False)
                    if left := await switch.finish_calls(calls_s):
                        _LOG.warning("%d calls are not over after %g s; they are released", left, calls_s)
                await control.close()
                await service.stop(close_driver=False)
                await switch.stop()
        except TimeoutError:
            _LOG.error("not everything was stopped within %g s; it is left as it is", bound_s)
            return False
        finally:
            # The calls that end last are noted with it, and the phones that come and go meanwhile.
            driver.close()
            if self._trace is not None:
                self._trace.close()
        return True

    def _watch_signals(self, calls: CallLog) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup, calls)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_hangup(self, calls: CallLog) -> None:
        calls.reopen()
        if self._reload is not None:
            # One that fails has said so.
            self._reloading = asyncio.create_task(self._reload.logged())

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            _LOG.warning("second signal: ended at once")
            if self._control is not None:
                self._control.remove()
            for output in self._outputs:
                output.close()
            os._exit(128 + number)
        self._stop.set()

    def _on_fault(self, part: str) -> None:
        # What supervises this process can start it anew; a switch that is deaf and stays up helps nobody.
        self._faulty = part
        _LOG.critical("The %s has ended by a fault of its own, so the server stops. Start it again.", part)
        self._stop.set()

    def _greeting(self, endpoint: SipEndpoint) -> str:
        return (
            f"ccbs {importlib.metadata.version('ccbs')} "
            f"listens on {listened(endpoint, self._config.listen)}, "
            f"realm {self._config.listen.realm}; subscribers: {len(self._config.subscribers)}, "
            f"trunks: {len(self._config.trunks)}; "
            f"control socket {self._config.control_socket}"
        )

    def _on_step(self, step: Step) -> None:
        self._say(line(step, time.time()))

    def _on_event(self, event: SipEvent) -> None:
        if isinstance(event, Trace):
            if self._trace is not None:
                self._trace.write(event)
        elif isinstance(event, Bindings):
            if self._keeping is not None:
                self._keeping.phones(event)
        elif isinstance(event, Registration):
            _LOG.info("line %s: registered phones: %d", event.number, event.contacts)
        elif isinstance(event, TrunkRegistration):
            if event.registered:
                _LOG.info("trunk %s: registered, again in %.0f s", event.trunk, event.again_ms / 1000)
            else:
                _LOG.warning(
                    "trunk %s: not registered (status %d), tried again in %.0f s",
                    event.trunk,
                    event.status,
                    event.again_ms / 1000,
                )


async def watch_recording(driver: Driver) -> None:
    """Log it when the recording fails, until cancelled."""
    # The writer's thread never calls into Python; whoever reads the log wants to know within a second or two.
    while (failure := driver.recording_failure()) is None:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    _LOG.error("%s", failure)


def _trace_file(path: Path | None) -> TraceFile | None:
    try:
        return TraceFile(path) if path is not None else None
    except OSError as error:
        raise StartError(
            f"The trace file {path} cannot be written: {error.strerror}. Give --trace another path."
        ) from None


def call_log(file: Path | None, records: int) -> CallLog:
    """The call log of a configuration.

    :param file: gets a JSON line for each call, or None.
    :param records: how many are kept in memory.
    :raises StartError: when the file cannot be written.
    """
    if file is not None:
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640))
        except OSError as error:
            raise StartError(
                f"The call log {file} cannot be written: {error.strerror}. Let ccbs write it, or give "
                "call_log.file another path."
            ) from None
    return CallLog(limit=records, path=file)


def _switch(
    config: Config,
    endpoint: SipEndpoint,
    directory: Directory,
    calls: CallLog,
    prompts: Mapping[str, Mapping[str, bytes]],
    *,
    on_event: Callable[[SipEvent], None],
    on_closed: Callable[[], None],
) -> SipSwitch:
    try:
        return SipSwitch(
            endpoint,
            directory=directory,
            numbering=config.numbering,
            trunks=[trunk_of(trunk) for trunk in config.trunks],
            calls=calls,
            codes=ServiceCodes(config.service_digits),
            prompts=prompts,
            route=find_coroutine(config.route, config.file.parent) if config.route else None,
            route_timeout=config.limits.endpoint.route_timeout_s,
            ring_timeout=config.limits.endpoint.ring_timeout_s,
            default_language=config.language,
            diversions=config.diversions,
            on_event=on_event,
            on_closed=on_closed,
        )
    except Overload:
        raise StartError(_TOO_MANY) from None
    except InvalidPrompt as error:
        raise StartError(f"A prompt cannot be played: {error}") from None
    except ValueError as error:
        raise StartError(f"The switch cannot be made: {error}.") from None
