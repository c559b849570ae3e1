"""The section `limits` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ccbs.config.section import Section

__all__ = ["EndpointLimits", "EngineLimits", "LimitsSection", "SipLimitsSection"]


class EngineLimits(Section):
    """Limits of the whole engine."""

    orders_total: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    recalls_at_once: Annotated[int, Field(ge=1, le=100_000)] = 500
    recalls_per_second: Annotated[int, Field(ge=1, le=10_000)] = 100
    offers_per_caller: Annotated[int, Field(ge=1, le=100)] = 8
    unconfigured_lines: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=100_000,
        description="Numbers known though not configured; reports of others are counted only.",
    )
    queue: Annotated[int, Field(ge=16, le=10_000_000)] = Field(
        default=65_536, description="Events and actions that may wait between the engine and its user."
    )


class EndpointLimits(Section):
    """Limits of the SIP endpoint."""

    queue: Annotated[int, Field(ge=16, le=10_000_000)] = Field(
        default=65_536, description="Commands and events that may wait between the endpoint and its user."
    )
    datagrams: Annotated[int, Field(ge=16, le=1_000_000)] = Field(
        default=16_384, description="Received datagrams that may wait; more are shed and counted."
    )
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=8_192, description="TCP connections that others began, at once; more are refused."
    )
    connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1_024, description="The same of one address (IPv6: of one /64)."
    )
    message_kib: Annotated[int, Field(ge=4, le=1_024)] = Field(
        default=64, description="Longest message over TCP (KiB); a longer one ends its connection."
    )
    message_s: Annotated[int, Field(ge=1, le=300)] = Field(
        default=10,
        description="How long a message over TCP may take, and a new connection to bring its first (s).",
    )
    connection_idle_s: Annotated[int, Field(ge=10, le=86_400)] = Field(
        default=600,
        description="How long a connection that no phone is registered over and no call needs may be "
        "silent (s).",
    )
    connection_probe_s: Annotated[int, Field(ge=10, le=7_200)] = Field(
        default=60,
        description="How long a connection may be silent before the system asks whether the far side is "
        "still there (s).",
    )
    connect_ms: Annotated[int, Field(ge=100, le=30_000)] = Field(
        default=4_000, description="How long opening a connection may take (ms)."
    )
    write_queue_kib: Annotated[int, Field(ge=64, le=65_536)] = Field(
        default=256,
        description="What may wait to be written to one connection (KiB); one that reads too slowly is "
        "closed.",
    )
    write_stall_s: Annotated[int, Field(ge=1, le=300)] = Field(
        default=20, description="How long it may wait while the far side reads nothing (s)."
    )
    receive_buffer_kib: Annotated[int, Field(ge=64, le=1_048_576)] = Field(
        default=4_096, description="Receive buffer asked of the kernel (KiB)."
    )
    legs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=20_000, description="Legs at once (a call is two); a call beyond is answered 503."
    )
    transactions: Annotated[int, Field(ge=16, le=10_000_000)] = Field(
        default=400_000, description="SIP transactions at once; a request beyond is shed and counted."
    )
    lag_ms: Annotated[int, Field(ge=10, le=60_000)] = Field(
        default=500,
        description="How long the oldest datagram or event may have waited (ms); above it new calls are "
        "answered 503 with Retry-After.",
    )
    lag_waiting: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=100, description="How many must wait besides: a short pause is no overload."
    )
    retry_after_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        default=5, description="The least such a caller is told to wait (s); by chance up to twice as long."
    )
    forks: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="Phones of one subscriber that ring together."
    )
    contacts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="Phones of one subscriber that may be registered."
    )
    min_expires_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        default=30, description="Shortest registration (s); less is answered 423."
    )
    default_expires_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=3_600, description="What a phone gets that asks for no length (s)."
    )
    max_expires_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=7_200, description="Longest registration (s); more is cut to it."
    )
    probe_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300,
        description="How often the phone of a call is asked whether it is still in it (s); 0: never.",
    )
    qualify_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=0,
        description="How often a registered phone is asked whether it can be reached (s); 0: never.",
    )
    qualifies_per_second: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100, description="Most phones that are so asked in a second; more wait."
    )
    session_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=1_800,
        description="The session timer that is asked for (s, RFC 4028); below 90 is 90; 0: none.",
    )
    diversions: Annotated[int, Field(ge=0, le=20)] = Field(
        default=5, description="How often a call may be diverted by 3xx before it fails."
    )
    lamps: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=10_000, description="Busy lamps at once (RFC 4235)."
    )
    lamps_each: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=200, description="Busy lamps of one subscriber."
    )
    lamp_apart_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=500, description="Shortest time between two NOTIFYs of one busy lamp (ms)."
    )
    t1_ms: Annotated[int, Field(ge=50, le=2_000)] = Field(
        default=500, description="RFC 3261 T1 (ms); 64 of it are waited for an answer."
    )
    t2_ms: Annotated[int, Field(ge=50, le=32_000)] = Field(
        default=4_000, description="RFC 3261 T2 (ms), longest wait between repeats."
    )
    t4_ms: Annotated[int, Field(ge=50, le=32_000)] = Field(
        default=5_000, description="RFC 3261 T4 (ms), how long a message may be under way."
    )
    nonce_life_s: Annotated[int, Field(ge=10, le=86_400)] = Field(
        default=300, description="How long a digest nonce is good (s)."
    )
    nonces: Annotated[int, Field(ge=100, le=10_000_000)] = Field(
        default=100_000, description="Digest nonces in use that are remembered, against replays."
    )
    guesses: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=20,
        description="Refused credentials that one address (IPv6: one /64) may send in guess_window_s; then "
        "all its credentials are refused unread until that is over.",
    )
    guess_window_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=60, description="The time in which they are counted (s)."
    )
    guess_sources: Annotated[int, Field(ge=16, le=10_000_000)] = Field(
        default=10_000, description="Addresses whose refused credentials are counted."
    )
    streams: Annotated[int, Field(ge=1, le=16_384)] = Field(
        default=2_000, description="Streams of prompts and ringback at once."
    )
    prompt_s: Annotated[int, Field(ge=1, le=80)] = Field(default=60, description="Longest prompt (s).")
    close_ms: Annotated[int, Field(ge=0, le=5_000)] = Field(
        default=1_000, description="How long phones have at the end to answer (ms)."
    )
    ring_timeout_s: Annotated[int, Field(ge=1, le=3_600)] = Field(
        default=60, description="How long a callee rings in an ordinary call (s)."
    )
    route_timeout_s: Annotated[int, Field(ge=1, le=280)] = Field(
        default=3, description="How long your own `route` may take (s); then the call is answered 500."
    )


class LimitsSection(Section):
    """Limits; every queue is bounded."""

    engine: EngineLimits = EngineLimits()


class SipLimitsSection(LimitsSection):
    """Limits; every queue is bounded."""

    endpoint: EndpointLimits = EndpointLimits()
