"""What a scenario does to packets beyond the link: pure decisions, one for each packet.

As in quic-network-simulator, whose error models sit on the receiving end of its link, an impairment
decides about packets that have crossed the link: a datagram that it drops has taken its share of
the bandwidth, and one that did not fit into the queue never meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from quicmatrix.runner.network.impairments.fate import PASSED, Direction, Dropped, Fate
from quicmatrix.runner.network.impairments.loss_pattern import Chance
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
    """Decides, from an arrival alone, what becomes of it.

    It is asked once for each packet that the link takes, in the order in which each direction sent
    them. Two impairments made from the same scenario and seed answer alike.
    """

    def fate(self, arrival: Arrival) -> Fate:
        """What becomes of that packet."""
        ...


@dataclass(frozen=True, slots=True)
class DropRate:
    """Random loss of UDP datagrams."""

    chance: Chance

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped if chance says so."""
        strikes = self.chance.strikes(arrival.direction, arrival.index)
        return Dropped("random loss") if strikes else PASSED


@dataclass(frozen=True, slots=True)
class Droplist:
    """Loss of the n-th UDP datagrams, counted from 1."""

    indices: Mapping[Direction, frozenset[int]]

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped if it is on the list."""
        return Dropped("droplist") if arrival.index in self.indices[arrival.direction] else PASSED


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Outages: nothing at all comes through, time and again."""

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
