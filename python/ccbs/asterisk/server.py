"""The program ``ccbs serve`` with ``switch: asterisk``: the service beside an Asterisk."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ccbs._ccbs import CcbsError, Driver, Limits, Profile, RecordingError
from ccbs.asterisk.ari import Ari
from ccbs.asterisk.endpoints import Endpoints
from ccbs.asterisk.switch import AsteriskSwitch
from ccbs.codes import ServiceCodes
from ccbs.config import AsteriskConfig, AsteriskSubscriberConfig
from ccbs.control import ControlError, ControlServer
from ccbs.line_writer import LineWriter
from ccbs.operator_desk import OperatorDesk
from ccbs.server import Server, StartError, call_log, watch_recording
from ccbs.service import CallbackService
from ccbs.subscribers import Directory, Subscriber

__all__ = ["AsteriskServer", "endpoints_of", "make_switch", "run"]

_LOG = logging.getLogger("ccbs.server")


def run(
    config: AsteriskConfig,
    *,
    record: Path | None = None,
    say: Callable[[str], None] = print,
    outputs: Sequence[LineWriter] = (),
) -> int:
    """Serve until SIGTERM or SIGINT, as :func:`ccbs.server.run`.

    :param config: the configuration.
    :param record: a file that gets the engine's inputs, for ``ccbs explain``, or None.
    :param say: prints one line for the operator.
    :param outputs: are counted, and written out before the process ends at once.
    :returns: the exit code.
    :raises StartError: when it cannot start.
    """
    return asyncio.run(AsteriskServer(config, record=record, say=say, outputs=outputs).serve())


class AsteriskServer(Server):
    """One running service beside an Asterisk. Parameters as of :func:`run`."""

    def __init__(
        self,
        config: AsteriskConfig,
        *,
        record: Path | None = None,
        say: Callable[[str], None] = print,
        outputs: Sequence[LineWriter] = (),
    ) -> None:
        self._prepare(record=record, say=say, outputs=outputs)
        self._asterisk = config

    async def serve(self) -> int:
        """See :func:`run`."""
        config = self._asterisk
        switch = make_switch(config)
        driver = _driver(config, self._record)
        service = CallbackService(
            switch,
            driver=driver,
            on_step=self._on_step,
            on_closed=lambda: self._on_fault("engine"),
            facts_limit=config.limits.queue,
        )
        watch = asyncio.create_task(watch_recording(driver))
        desk = OperatorDesk(switch, service)
        control = self._control = ControlServer(
            config.control_socket,
            desk.answer,
            clients=config.control_clients,
            timeout_s=config.control_timeout_s,
        )
        desk.counted = [control, *self._outputs]
        self._watch_signals(switch.calls)
        try:
            await service.start()
            await switch.start(service)
            await control.start()
            self._say(_greeting(config, switch))
            await self._stop.wait()
            self._say("stopping")
        except ControlError as error:
            raise StartError(str(error)) from None
        except CcbsError as error:
            raise StartError(f"The service cannot start: {error}.") from error
        finally:
            watch.cancel()
            clean = await self._wind_down(control, switch, service)
        self._say("stopped")
        return 0 if clean and self._faulty is None else 1


def make_switch(config: AsteriskConfig) -> AsteriskSwitch:
    """The switch of a configuration, not connected yet.

    :raises StartError: when the call log cannot be written.
    """
    section = config.asterisk
    return AsteriskSwitch(
        Ari(section.url, section.username, config.password.get_secret_value(), timeout=section.timeout_s),
        directory=Directory(_subscriber(found) for found in config.subscribers),
        numbering=config.numbering,
        endpoints=endpoints_of(config),
        app=section.app,
        context=section.context,
        prompts=section.sounds,
        groups=section.groups,
        offer_digit=section.offer_digit,
        offer_wait=section.offer_wait_s,
        calls=call_log(config.call_log_file, config.call_log_records),
        codes=ServiceCodes(config.service_digits),
        default_language=config.language,
        queue=section.queue,
        watch=section.watch_s,
    )


def endpoints_of(config: AsteriskConfig) -> Endpoints:
    """Which endpoint is whose, by a configuration."""
    table = {found.number: found.endpoint for found in config.subscribers if found.endpoint is not None}
    return Endpoints(config.asterisk.endpoint, table, config.numbering.trunks)


def _subscriber(found: AsteriskSubscriberConfig) -> Subscriber:
    profile = None
    if found.profile is not None:
        make = Profile.autodial if found.profile == "autodial" else Profile.ccbs
        profile = make(**found.settings)
    return Subscriber(
        number=found.number,
        name=found.name,
        call_waiting=found.call_waiting,
        profile=profile,
        language=found.language,
    )


def _driver(config: AsteriskConfig, record: Path | None) -> Driver:
    written = config.limits
    limits = Limits(
        orders_total=written.orders_total,
        recalls_at_once=written.recalls_at_once,
        recalls_per_second=written.recalls_per_second,
        offers_per_caller=written.offers_per_caller,
        unconfigured_lines=written.unconfigured_lines,
    )
    try:
        return Driver(limits, queue_limit=written.queue, record=record)
    except RecordingError as error:
        raise StartError(f"The recording cannot be written: {error}. Give --record another path.") from None


def _greeting(config: AsteriskConfig, switch: AsteriskSwitch) -> str:
    contact = "in contact with" if switch.in_contact else "waits for"
    why = f" ({switch.trouble})" if switch.trouble else ""
    return (
        f"ccbs {importlib.metadata.version('ccbs')} {contact} Asterisk at {config.asterisk.url}{why}, "
        f"application {config.asterisk.app}; subscribers: {len(config.subscribers)}; "
        f"control socket {config.control_socket}"
    )
