"""Impairments beyond the link: pure decisions about one packet at a time.

As in quic-network-simulator, whose error models are at the receiving end of its link, an impairment
decides about packets that left the link: a datagram that it drops has used the link's bandwidth,
and one that did not fit into the queue is not seen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from quicmatrix.runner.network.impairments.fate import PASSED, Direction, Dropped, Fate
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.middlebox.frame import Headers


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet at the far end of the link."""

    direction: Direction
    index: int | None
    """It is the n-th UDP datagram that was sent in this direction, from 1; None if it is no UDP."""
    time_ns: int
    """When it leaves the link, counted from when the attempt's first packet entered it."""
    frame: bytes
    headers: Headers


class Impairment(Protocol):
    """Decides whether an arrival passes, is dropped or is replaced.

    It is called once for each packet that the link accepts, in each direction's order. Two
    impairments of the same scenario and seed decide alike.
    """

    def fate(self, arrival: Arrival) -> Fate:
        """The decision about that packet."""
        ...


@dataclass(frozen=True, slots=True)
class DropRate:
    """Random loss of UDP datagrams."""

    pattern: LossPattern

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped if the pattern affects it."""
        affected = self.pattern.affects(arrival.direction, arrival.index)
        return Dropped("random loss") if affected else PASSED


@dataclass(frozen=True, slots=True)
class Droplist:
    """Loss of the n-th UDP datagrams, counted from 1."""

    indices: Mapping[Direction, frozenset[int]]

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped if it is on the list."""
        return Dropped("droplist") if arrival.index in self.indices[arrival.direction] else PASSED


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Periodic outages, in which all packets are dropped."""

    on_ns: int
    """How long the link works before each outage."""
    off_ns: int
    """How long an outage lasts."""
    repeat: int
    """How many outages there are."""
    directions: frozenset[Direction]

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped during an outage."""
        cycle, since = divmod(arrival.time_ns, self.on_ns + self.off_ns)
        if arrival.direction in self.directions and cycle < self.repeat and since >= self.on_ns:
            return Dropped("blackhole")
        return PASSED
