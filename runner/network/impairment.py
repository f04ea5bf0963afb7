"""What a scenario does to packets beyond the link: pure decisions, one for each packet.

As in quic-network-simulator, whose error models sit on the receiving end of its link, an impairment
decides about packets that have crossed the link: a datagram that it drops has taken its share of
the bandwidth, and one that did not fit into the queue never meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from runner.network.dice import roll
from runner.network.fate import PASSED, Direction, Dropped, Fate


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet at the far end of the link."""

    direction: Direction
    index: int | None
    """It is the n-th UDP datagram that was sent in this direction, from 1; None if it is no UDP."""
    time_ns: int
    """When it leaves the link, counted from when the attempt's first packet entered it."""
    packet: bytes
    """From its IP header on."""


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
    """Random loss of UDP datagrams, with a limit to how many are lost in a row."""

    percent: Mapping[Direction, int]
    burst: Mapping[Direction, int | None]
    """After so many drops in a row the next datagram passes; None: no limit."""
    seed: int

    def fate(self, arrival: Arrival) -> Fate:
        """Dropped if chance says so, unless the burst's limit is reached."""
        if arrival.index is None or not self._unlucky(arrival.direction, arrival.index):
            return PASSED
        limit = self.burst[arrival.direction]
        if limit is None or self._unlucky_run(arrival.direction, arrival.index) % (limit + 1):
            return Dropped("random loss")
        return PASSED

    def _unlucky(self, direction: Direction, index: int) -> bool:
        return roll(self.seed, direction, index, 100) < self.percent[direction]

    def _unlucky_run(self, direction: Direction, index: int) -> int:
        """How many datagrams in a row, up to this one, chance alone would have dropped."""
        first = index
        while first > 1 and self._unlucky(direction, first - 1):
            first -= 1
        return index - first + 1


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
