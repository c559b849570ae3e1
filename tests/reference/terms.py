"""The numbers of a subscriber's service, as the model reads them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ccbs import Profile

SECOND = 1_000


@dataclass(frozen=True)
class Terms:
    """Those of the other profile are 0."""

    name: str
    offer_window_s: int
    caller_ring_s: int
    callee_ring_s: int
    caller_free_guard_s: int
    service_duration_s: int
    orders_per_caller: int
    waiting_per_callee: int
    cb_timer_internal_s: int
    cb_timer_external_s: int
    attempts: int
    callee_idle_guard_s: int
    retention: bool
    callee_no_answer_to_nr: bool
    poll_first_s: int
    poll_longest_s: int
    offer_nr: bool
    service_duration_nr_s: int
    offer_nl: bool
    service_duration_nl_s: int
    restart_grace_s: int

    @classmethod
    def of(cls, profile: Profile) -> Terms:
        numbers: dict[str, Any] = {field.name: getattr(profile, field.name) or 0 for field in fields(cls)}
        return cls(**numbers)

    @property
    def is_ccbs(self) -> bool:
        return self.name == "ccbs"

    def offers(self, kind: str) -> bool:
        """Whether calls that failed so may be ordered; autodial: only if the callee was busy."""
        match kind:
            case "BS":
                return True
            case "NR":
                return self.is_ccbs and self.offer_nr
            case "NL":
                return self.is_ccbs and self.offer_nl
        return False

    def life_s(self, kind: str) -> int:
        match kind:
            case "NR":
                return self.service_duration_nr_s
            case "NL":
                return self.service_duration_nl_s
        return self.service_duration_s
