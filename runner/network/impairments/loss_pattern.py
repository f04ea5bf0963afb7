"""Which datagrams chance strikes: a rate for each direction, and a limit to how many in a row.

All random impairments choose like this, so with one seed they strike the same datagrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.rng import roll


@dataclass(frozen=True, slots=True)
class Chance:
    """A choice among datagrams that depends on nothing but the seed, direction and index."""

    percent: Mapping[Direction, int]
    burst: Mapping[Direction, int | None]
    """After so many in a row the next datagram is spared; None: no limit."""
    seed: int

    def strikes(self, direction: Direction, index: int | None) -> bool:
        """Whether it strikes the datagram with that index; None, which is no datagram, never."""
        if index is None or not self._unlucky(direction, index):
            return False
        limit = self.burst[direction]
        return limit is None or self._unlucky_run(direction, index) % (limit + 1) != 0

    def _unlucky(self, direction: Direction, index: int) -> bool:
        return roll(self.seed, direction, index, 100) < self.percent[direction]

    def _unlucky_run(self, direction: Direction, index: int) -> int:
        """How many datagrams in a row, up to this one, the dice alone would have struck."""
        first = index
        while first > 1 and self._unlucky(direction, first - 1):
            first -= 1
        return index - first + 1
