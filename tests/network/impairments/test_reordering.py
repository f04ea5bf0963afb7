from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Direction, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.impairments.reordering import Duplicate, Reorder
from quicmatrix.runner.network.middlebox.frame import Headers

MS = 1_000_000

seeds = st.integers(0, 1 << 64)


def pattern(seed: int) -> LossPattern:
    return LossPattern(dict.fromkeys(Direction, 30), dict.fromkeys(Direction, None), seed)


def arrival(direction: Direction, index: int | None) -> Arrival:
    return Arrival(direction, index, 0, b"frame", Headers(0, b"", 17, 0))


@given(seeds, st.sampled_from(Direction), st.none() | st.integers(1, 1000))
def test_datagrams_of_the_pattern_are_held_back(
    seed: int, direction: Direction, index: int | None
) -> None:
    fate = Reorder(pattern(seed), 5 * MS).fate(arrival(direction, index))
    held = Replaced((Copy(None, "held back for 5 ms", 5 * MS),))
    assert fate == (held if pattern(seed).affects(direction, index) else PASSED)


@given(seeds, st.sampled_from(Direction), st.none() | st.integers(1, 1000))
def test_datagrams_of_the_pattern_are_delivered_twice(
    seed: int, direction: Direction, index: int | None
) -> None:
    fate = Duplicate(pattern(seed), 2 * MS).fate(arrival(direction, index))
    twice = Replaced((Copy(None, "first of two"), Copy(None, "", 2 * MS)))
    assert fate == (twice if pattern(seed).affects(direction, index) else PASSED)
