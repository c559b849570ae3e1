"""The sections of the service: the numbers of both profiles, and who may order by which of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ccbs.config.section import Section

__all__ = [
    "AutodialSettings",
    "CcbsSettings",
    "CommonSettings",
    "Profiles",
    "Services",
    "SubscriberAutodial",
    "SubscriberCcbs",
]


class CommonSettings(Section):
    """The numbers that both profiles have."""

    offer_window_s: Annotated[int, Field(ge=5, le=300)] | None = Field(
        default=None,
        description="How long after the failed call an order may be placed (s); 30 unless given.",
    )
    caller_ring_s: Annotated[int, Field(ge=5, le=180)] | None = Field(
        default=None, description="How long the caller's phone rings at the recall (s); 20 unless given."
    )
    callee_ring_s: Annotated[int, Field(ge=5, le=180)] | None = Field(
        default=None, description="How long the callee's phone rings at the recall (s); 30 unless given."
    )
    caller_free_guard_s: Annotated[int, Field(ge=0, le=60)] | None = Field(
        default=None,
        description="How long the caller must be free before a suspended order goes on (s); 2 unless given.",
    )
    service_duration_s: Annotated[int, Field(ge=60, le=86_400)] | None = Field(
        default=None, description="Life of an order, of kind BS in profile ccbs (s); 2,700 unless given."
    )
    orders_per_caller: Annotated[int, Field(ge=1, le=30)] | None = Field(
        default=None, description="Orders of one caller at a time; 5 unless given."
    )
    waiting_per_callee: Annotated[int, Field(ge=1, le=30)] | None = Field(
        default=None, description="Orders that may wait for one callee; 5 unless given."
    )


class AutodialSettings(CommonSettings):
    """The numbers of profile `autodial`."""

    cb_timer_internal_s: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="CB timer for an internal callee (s); 10 unless given."
    )
    cb_timer_external_s: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="CB timer for an external callee (s); 20 unless given."
    )
    attempts: Annotated[int, Field(ge=1, le=20)] | None = Field(
        default=None, description="How many recalls an order may make; 3 unless given."
    )


class CcbsSettings(CommonSettings):
    """The numbers of profile `ccbs`."""

    callee_idle_guard_s: Annotated[int, Field(ge=0, le=300)] | None = Field(
        default=None,
        description="How long the callee must have been free before the recall (s); 5 unless given.",
    )
    retention: bool | None = Field(
        default=None,
        description="Whether an order keeps its place when its callee is busy again at the recall; "
        "true unless given.",
    )
    callee_no_answer_to_nr: bool | None = Field(
        default=None,
        description="Whether an order whose callee did not answer the recall turns into kind NR; else it "
        "ends, unless given.",
    )
    poll_first_s: Annotated[int, Field(ge=20, le=3600)] | None = Field(
        default=None,
        description="First wait where the callee's state can't be seen (s); it doubles; 60 unless given.",
    )
    poll_longest_s: Annotated[int, Field(ge=20, le=3600)] | None = Field(
        default=None, description="What that wait doubles to at the most (s); 900 unless given."
    )
    offer_nr: bool | None = Field(
        default=None, description="Whether a call that nobody answered may be ordered; true unless given."
    )
    service_duration_nr_s: Annotated[int, Field(ge=60, le=86_400)] | None = Field(
        default=None, description="Life of an order of kind NR (s); 10,800 unless given."
    )
    offer_nl: bool | None = Field(
        default=None,
        description="Whether a call to a callee without a phone may be ordered; true unless given.",
    )
    service_duration_nl_s: Annotated[int, Field(ge=60, le=86_400)] | None = Field(
        default=None, description="Life of an order of kind NL (s); 10,800 unless given."
    )
    restart_grace_s: Annotated[int, Field(ge=0, le=300)] | None = Field(
        default=None,
        description="How long orders wait after a restart for their callee's state (s); 10 unless given.",
    )


class SubscriberAutodial(AutodialSettings):
    """The service "Autodial" of one subscriber; numbers left out are those of the profile."""

    allowed: bool = Field(description='"Ordering from the phone": whether the subscriber may order.')


class SubscriberCcbs(CcbsSettings):
    """Call completion as in the standards; numbers left out are those of the profile."""

    allowed: bool = Field(description="Whether the subscriber may order.")


class Services(Section):
    """The services of one subscriber: one of the two profiles may be allowed."""

    autodial: SubscriberAutodial | None = None
    ccbs: SubscriberCcbs | None = None


class Profiles(Section):
    """The numbers that hold for every subscriber who does not say otherwise."""

    autodial: AutodialSettings = AutodialSettings()
    ccbs: CcbsSettings = CcbsSettings()
