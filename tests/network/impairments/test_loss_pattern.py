from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER

seeds = st.integers(0, 1 << 64)


def pattern(seed: int, percent: int, burst: int | None = None) -> LossPattern:
    return LossPattern(dict.fromkeys(Direction, percent), dict.fromkeys(Direction, burst), seed)


@given(seeds, st.integers(0, 99), st.integers(1, 5))
def test_never_more_than_burst_in_a_row_are_affected(seed: int, percent: int, burst: int) -> None:
    one = pattern(seed, percent, burst)
    affected = "".join(".x"[one.affects(TO_CLIENT, index)] for index in range(1, 200))
    assert "x" * (burst + 1) not in affected


@given(seeds, st.integers(0, 99), st.none() | st.integers(1, 5))
def test_after_a_burst_only_the_next_one_is_exempt(
    seed: int, percent: int, burst: int | None
) -> None:
    limited, free = pattern(seed, percent, burst), pattern(seed, percent)
    in_a_row = 0
    for index in range(1, 100):
        expected = free.affects(TO_SERVER, index) and in_a_row != burst
        in_a_row = in_a_row + 1 if expected else 0
        assert limited.affects(TO_SERVER, index) == expected


@given(seeds, st.permutations(range(1, 60)))
def test_it_does_not_depend_on_other_datagrams(seed: int, order: list[int]) -> None:
    in_order = {index: pattern(seed, 30, 3).affects(TO_CLIENT, index) for index in range(1, 60)}
    for index in order:
        pattern(seed, 30, 3).affects(TO_SERVER, index)
        assert pattern(seed, 30, 3).affects(TO_CLIENT, index) == in_order[index]


@pytest.mark.parametrize("percent", [1, 2, 30, 99])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rate_is_met(seed: int, direction: Direction, percent: int) -> None:
    total, rate = 20_000, percent / 100
    count = sum(pattern(seed, percent).affects(direction, index) for index in range(1, total + 1))
    # Four standard deviations of a binomial distribution: exceeded once in 16,000.
    assert abs(count - total * rate) < 4 * (total * rate * (1 - rate)) ** 0.5


def test_directions_have_their_own_rates() -> None:
    one = LossPattern({TO_CLIENT: 0, TO_SERVER: 99}, {TO_CLIENT: None, TO_SERVER: 1}, 5)
    assert not any(one.affects(TO_CLIENT, index) for index in range(1, 100))
    affected = [one.affects(TO_SERVER, index) for index in range(1, 7)]
    assert affected == [True, False, True, False, True, False]


def test_other_packets_are_never_affected() -> None:
    assert not any(pattern(seed, 99).affects(TO_CLIENT, None) for seed in range(50))
