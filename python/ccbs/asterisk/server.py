"""The program ``ccbs serve`` with ``switch: asterisk``: the service beside an Asterisk."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ccbs._ccbs import CcbsError
from ccbs.asterisk.ari import Ari
from ccbs.asterisk.endpoints import Endpoints
from ccbs.asterisk.switch import AsteriskSwitch
from ccbs.codes import ServiceCodes
from ccbs.config import AsteriskConfig, AsteriskSubscriberConfig
from ccbs.configured import engine_limits, open_driver, profile_of
from ccbs.control import ControlError, ControlServer, Refused
from ccbs.keeping import Keeping
from ccbs.line_writer import LineWriter
from ccbs.operator_desk import OperatorDesk
from ccbs.reload import Reload
from ccbs.server import Server, StartError, call_log
from ccbs.service import CallbackService
from ccbs.subscribers import Directory, Subscriber
from ccbs.supervisor import Supervisor

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
        driver = open_driver(
            engine_limits(config),
            queue_limit=config.limits.engine.queue,
            record=self._record,
            store=config.store,
        )
        keeping = Keeping(driver, config.store)
        keeping.restore_calls(switch.calls)
        service = CallbackService(
            switch,
            driver=driver,
            on_step=self._on_step,
            on_closed=lambda: self._on_fault("engine"),
            facts_limit=config.limits.engine.queue,
        )
        watches = self._watches(driver, keeping)
        self._reload = AsteriskReload(config, switch, keeping, self._supervisor)
        desk = OperatorDesk(switch, service, reload=self._reload)
        control = self._control = ControlServer(
            config.control_socket,
            desk.answer,
            clients=config.control_clients,
            timeout_s=config.control_timeout_s,
        )
        desk.counted = [control, keeping, *self._outputs]
        self._watch_signals(switch.calls)
        try:
            await service.start()
            await switch.start(service)
            keeping.forget_removed(switch.directory, service)
            await control.start()
            self._say(_greeting(config, switch))
            await self._until_stopped(keeping, 0)
        except ControlError as error:
            raise StartError(str(error)) from None
        except CcbsError as error:
            raise StartError(f"The service cannot start: {error}.") from error
        finally:
            # Calls are Asterisk's, and go on without us.
            clean = await self._wind_down(control, switch, service, driver, 0)
            for watch in watches:
                watch.cancel()
        self._say("stopped")
        return 0 if clean and self._faulty is None else 1


def make_switch(config: AsteriskConfig) -> AsteriskSwitch:
    """The switch of a configuration, not connected yet.

    :raises StartError: when the call log cannot be written.
    """
    section = config.asterisk
    return AsteriskSwitch(
        Ari(section.url, section.username, config.password.get_secret_value(), timeout=section.timeout_s),
        directory=Directory(asterisk_subscriber(found) for found in config.subscribers),
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
        contact_wait=section.contact_wait_s,
        queue=section.queue,
        watch=section.watch_s,
    )


class AsteriskReload(Reload):
    """Of the service beside an Asterisk: the subscribers.

    :param config: that is in force.
    :param switch: is changed.
    """

    def __init__(
        self, config: AsteriskConfig, switch: AsteriskSwitch, keeping: Keeping, supervisor: Supervisor
    ) -> None:
        super().__init__(keeping, supervisor)
        self._now = config
        self._switch = switch

    def _config(self) -> AsteriskConfig:
        return self._now

    async def _carry_out(self, read: AsteriskConfig) -> Mapping[str, int]:
        before = {found.number: found.endpoint for found in self._now.subscribers}
        moved = [
            found.number
            for found in read.subscribers
            if before.get(found.number, found.endpoint) != found.endpoint
        ]
        if moved:
            raise Refused(
                f"{read.file}: the endpoint of {', '.join(moved)} is another: that needs a restart. Nothing "
                "has changed."
            )
        wanted = [asterisk_subscriber(found) for found in read.subscribers]
        self._switch.put_endpoints(endpoints_of(read))
        counts = await self._put_subscribers(self._switch, wanted)
        self._now = read
        return {f"subscribers_{what}": count for what, count in counts.items()}


def endpoints_of(config: AsteriskConfig) -> Endpoints:
    """Which endpoint is whose, by a configuration."""
    table = {found.number: found.endpoint for found in config.subscribers if found.endpoint is not None}
    return Endpoints(config.asterisk.endpoint, table, config.numbering.trunks)


def asterisk_subscriber(found: AsteriskSubscriberConfig) -> Subscriber:
    """A subscriber of a configuration."""
    return Subscriber(
        number=found.number,
        name=found.name,
        call_waiting=found.call_waiting,
        profile=profile_of(found.service),
        language=found.language,
    )


def _greeting(config: AsteriskConfig, switch: AsteriskSwitch) -> str:
    contact = "in contact with" if switch.in_contact else "waits for"
    why = f" ({switch.trouble})" if switch.trouble else ""
    return (
        f"ccbs {importlib.metadata.version('ccbs')} {contact} Asterisk at {config.asterisk.url}{why}, "
        f"application {config.asterisk.app}; subscribers: {len(config.subscribers)}; "
        f"control socket {config.control_socket}"
    )
