"""Which datagrams a random impairment affects: a rate and a burst limit for each direction.

All random impairments use this, so with the same seed and rates they affect the same datagrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.rng import random_below


@dataclass(frozen=True, slots=True)
class LossPattern:
    """A choice of datagrams that depends on the seed, direction and index only."""

    percent: Mapping[Direction, int]
    burst: Mapping[Direction, int | None]
    """After so many in a row the next datagram is not affected; None: no limit."""
    seed: int

    def affects(self, direction: Direction, index: int | None) -> bool:
        """Whether it affects the datagram with that index; never if the index is None."""
        if index is None or not self._chosen(direction, index):
            return False
        limit = self.burst[direction]
        return limit is None or self._run_length(direction, index) % (limit + 1) != 0

    def _chosen(self, direction: Direction, index: int) -> bool:
        return random_below(self.seed, direction, index, 100) < self.percent[direction]

    def _run_length(self, direction: Direction, index: int) -> int:
        """How many datagrams in a row, up to this one, the rate alone would affect."""
        first = index
        while first > 1 and self._chosen(direction, first - 1):
            first -= 1
        return index - first + 1
