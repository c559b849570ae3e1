"""Renders a softkey pack and an account into a vendor's settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined

from ccbs.provisioning.preset import Key, SoftkeyPack, dial_string

__all__ = ["MASK", "Account", "Capabilities", "Incapable", "Renderer", "renderer", "vendors"]

MASK = "********"
"""Stands for a password that is not shown."""

# A settings file is read line by line: what holds a line break would write settings of its own.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a vendor's phones can do with a softkey.

    :ivar call_failed_key: whether a key can be shown when a call has failed.
    :ivar label: whether it can carry a label of ours.
    :ivar position: whether its place can be chosen.
    :ivar slots: how many keys there may be.
    :ivar label_characters: the longest label that is kept whole.
    :ivar instead: what the subscriber can do where the key is not possible.
    """

    call_failed_key: bool
    label: bool
    position: bool
    slots: int
    label_characters: int
    instead: str = ""


class Incapable(Exception):
    """The vendor's phones cannot do what the pack asks for; nothing is rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The subscriber as the phone must know it.

    :ivar number: user name and number.
    :ivar name: shown on the phone, or None.
    :ivar password: the password; None when only its HA1 is known.
    :ivar server: host or address of the switch.
    :ivar port: its UDP port.
    """

    number: str
    name: str | None
    password: str | None = field(repr=False)
    server: str
    port: int


@dataclass(frozen=True, slots=True)
class _Softkey:
    slot: int
    label: str
    position: int
    dial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """One vendor.

    :ivar vendor: its name, lower case.
    :ivar title: its name as people write it.
    :ivar capabilities: what its phones can do.
    :ivar template: the file of the settings, or None when there is nothing to render.
    """

    vendor: str
    title: str
    capabilities: Capabilities
    template: str | None = None

    def check(self, keys: Sequence[Key]) -> None:
        """Make sure that the phones can do what the keys ask for.

        :raises Incapable: with the key and the reason.
        """
        can = self.capabilities
        instead = f"; {can.instead}" if can.instead else ""
        if len(keys) > can.slots:
            raise Incapable(
                f"{self.title} phones have {can.slots} such keys, the pack has {len(keys)}{instead}"
            )
        for key in keys:
            what = f"key {key.label!r} ({key.type}, position {key.position})"
            if not can.call_failed_key:
                raise Incapable(
                    f"{what}: {self.title} phones show no key of ours when a call has failed{instead}"
                )
            if not can.label:
                raise Incapable(f"{what}: {self.title} phones show no label of ours on such a key{instead}")
            if not can.position:
                raise Incapable(
                    f"{what}: the place of such a key cannot be chosen on {self.title} phones{instead}"
                )
            if len(key.label) > can.label_characters:
                raise Incapable(
                    f"{what}: {self.title} phones keep at most {can.label_characters} characters of a label"
                )

    def render(
        self,
        account: Account,
        pack: SoftkeyPack,
        *,
        service_digits: str,
        call_waiting: bool,
        reveal: bool = False,
    ) -> str:
        """The phone's settings.

        :param account: the subscriber.
        :param pack: the keys.
        :param service_digits: the digits of the service, e.g. ``37``.
        :param call_waiting: whether the line takes a second call.
        :param reveal: whether the password is written out; otherwise it is masked.
        :returns: the text of the settings file.
        :raises Incapable: when the vendor's phones cannot do what the pack asks for.
        :raises ValueError: when a value would break out of its line.
        """
        self.check(pack.keys)
        if self.template is None:
            raise Incapable(f"there is no template for {self.title}")
        ordered = sorted(pack.keys, key=lambda key: key.position)
        softkeys = [
            _Softkey(slot, key.label, key.position, dial_string(key, service_digits))
            for slot, key in enumerate(ordered, start=1)
        ]
        password = account.password if reveal or account.password is None else MASK
        for name, value in (
            ("name", account.name),
            ("password", password),
            ("server", account.server),
            ("number", account.number),
            *(("label", key.label) for key in softkeys),
        ):
            if value is not None and _UNSAFE.search(value):
                raise ValueError(f"the {name} holds a control character or line break")
        return _ENVIRONMENT.get_template(self.template).render(
            account=account, password=password, softkeys=softkeys, call_waiting=call_waiting
        )


# The output is no HTML: what HTML would escape must stay as it is.
_ENVIRONMENT = Environment(
    loader=PackageLoader("ccbs.provisioning"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701
)

_BY_CODE = "the subscriber dials the service code instead"
_LIST_ONLY = Capabilities(
    call_failed_key=True, label=False, position=False, slots=1, label_characters=0, instead=_BY_CODE
)
_NONE = Capabilities(
    call_failed_key=False, label=False, position=False, slots=10, label_characters=0, instead=_BY_CODE
)
_RENDERERS = {
    found.vendor: found
    for found in (
        Renderer(
            vendor="yealink",
            title="Yealink",
            capabilities=Capabilities(
                call_failed_key=True, label=True, position=True, slots=10, label_characters=64
            ),
            template="yealink.cfg.j2",
        ),
        Renderer(vendor="fanvil", title="Fanvil", capabilities=_LIST_ONLY),
        Renderer(
            vendor="grandstream",
            title="Grandstream GRP",
            capabilities=Capabilities(
                call_failed_key=True,
                label=True,
                position=False,
                slots=1,
                label_characters=32,
                instead=_BY_CODE,
            ),
        ),
        Renderer(vendor="snom", title="Snom", capabilities=_LIST_ONLY),
        Renderer(vendor="cisco", title="Cisco MPP", capabilities=_NONE),
        Renderer(vendor="poly", title="Poly UCS", capabilities=_NONE),
        Renderer(vendor="eltex", title="Eltex", capabilities=_NONE),
        Renderer(vendor="gigaset", title="Gigaset", capabilities=_NONE),
    )
}


def vendors() -> tuple[str, ...]:
    """The vendors known, whether or not their phones can have the key."""
    return tuple(_RENDERERS)


def renderer(vendor: str) -> Renderer:
    """The renderer of a vendor.

    :raises KeyError: when the vendor is not known.
    """
    return _RENDERERS[vendor.lower()]
