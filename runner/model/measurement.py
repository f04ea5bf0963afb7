"""What one attempt at a measurement gives: a sample, and its time series."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """What one attempt at a measurement measured."""

    kbps: float
    tcp_share: float | None = None
    """Of the bytes that the link delivered to the client meanwhile, those of the TCP flow beside
    it, from 0 to 1; None if there was none, or nobody counted."""
    doubt: str = ""
    """Why it is not to be trusted; empty if it is."""


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """A transfer over time. All lists are equally long; point n is of the n-th step."""

    step_ms: int
    quic_bytes: tuple[int, ...]
    """Of UDP payload that reached the client in the step."""
    smoothed_rtt_ms: tuple[float | None, ...] = ()
    """As the server computes it from ACKs (RFC 9002, 5.3) at the end of the step; None before the
    first one."""
    tcp_bytes: tuple[int, ...] = ()
    """Of IP packets of the TCP flow that reached the client in the step. Empty, as are those
    below, if the link did not log."""
    queue: tuple[int, ...] = ()
    """The most packets that were waiting for the link towards the client."""
    drops: tuple[int, ...] = ()
    """Packets towards the client that the link's queue had no place for."""
