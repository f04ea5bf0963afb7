"""Reordering and duplication: no datagram is lost or changed."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern


@dataclass(frozen=True, slots=True)
class Reorder:
    """Random delays, so that datagrams that were sent later arrive first.

    At 10 Mbps, 5 ms are four full-sized datagrams, one more than a sender tolerates before it takes
    the datagram for lost (RFC 9002, 6.1.1).
    """

    pattern: LossPattern
    gap_ns: int

    def fate(self, arrival: Arrival) -> Fate:
        """Held back if the pattern affects it."""
        if not self.pattern.affects(arrival.direction, arrival.index):
            return PASSED
        return Replaced((Copy(None, f"held back for {self.gap_ns / 1e6:g} ms", self.gap_ns),))


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Random duplicates. They use none of the link's bandwidth, since they are made behind it."""

    pattern: LossPattern
    gap_ns: int

    def fate(self, arrival: Arrival) -> Fate:
        """Delivered twice if the pattern affects it."""
        if not self.pattern.affects(arrival.direction, arrival.index):
            return PASSED
        return Replaced((Copy(None, "first of two"), Copy(None, "", self.gap_ns)))
