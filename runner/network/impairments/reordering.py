"""Datagrams out of order, and datagrams twice: nothing is lost and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import Chance


@dataclass(frozen=True, slots=True)
class Reorder:
    """Random delays, which let those that were sent later arrive first.

    At 10 Mbps, 5 ms are four full-sized datagrams, one more than a sender tolerates before it takes
    the datagram for lost (RFC 9002, 6.1.1).
    """

    chance: Chance
    gap_ns: int

    def fate(self, arrival: Arrival) -> Fate:
        """Held back if chance says so."""
        if not self.chance.strikes(arrival.direction, arrival.index):
            return PASSED
        return Replaced((Copy(None, f"held back for {self.gap_ns / 1e6:g} ms", self.gap_ns),))


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Random second copies. They take no time on the link, since they are made behind it."""

    chance: Chance
    gap_ns: int

    def fate(self, arrival: Arrival) -> Fate:
        """Delivered twice if chance says so."""
        if not self.chance.strikes(arrival.direction, arrival.index):
            return PASSED
        return Replaced((Copy(None, "first of two"), Copy(None, "", self.gap_ns)))
