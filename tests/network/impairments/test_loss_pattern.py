from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.loss_pattern import Chance

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER

seeds = st.integers(0, 1 << 64)


def chance(seed: int, percent: int, burst: int | None = None) -> Chance:
    return Chance(dict.fromkeys(Direction, percent), dict.fromkeys(Direction, burst), seed)


@given(seeds, st.integers(0, 99), st.integers(1, 5))
def test_never_more_than_burst_in_a_row_are_struck(seed: int, percent: int, burst: int) -> None:
    one = chance(seed, percent, burst)
    struck = "".join(".x"[one.strikes(TO_CLIENT, index)] for index in range(1, 200))
    assert "x" * (burst + 1) not in struck


@given(seeds, st.integers(0, 99), st.none() | st.integers(1, 5))
def test_a_burst_spares_the_next_one_and_nothing_else(
    seed: int, percent: int, burst: int | None
) -> None:
    limited, free = chance(seed, percent, burst), chance(seed, percent)
    in_a_row = 0
    for index in range(1, 100):
        expected = free.strikes(TO_SERVER, index) and in_a_row != burst
        in_a_row = in_a_row + 1 if expected else 0
        assert limited.strikes(TO_SERVER, index) == expected


@given(seeds, st.permutations(range(1, 60)))
def test_it_does_not_depend_on_what_else_is_asked(seed: int, order: list[int]) -> None:
    in_order = {index: chance(seed, 30, 3).strikes(TO_CLIENT, index) for index in range(1, 60)}
    for index in order:
        chance(seed, 30, 3).strikes(TO_SERVER, index)
        assert chance(seed, 30, 3).strikes(TO_CLIENT, index) == in_order[index]


@pytest.mark.parametrize("percent", [1, 2, 30, 99])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_many_are_struck_as_asked(seed: int, direction: Direction, percent: int) -> None:
    total, rate = 20_000, percent / 100
    count = sum(chance(seed, percent).strikes(direction, index) for index in range(1, total + 1))
    # Four standard deviations of a binomial distribution: exceeded once in 16,000.
    assert abs(count - total * rate) < 4 * (total * rate * (1 - rate)) ** 0.5


def test_directions_have_their_own_rates() -> None:
    one = Chance({TO_CLIENT: 0, TO_SERVER: 99}, {TO_CLIENT: None, TO_SERVER: 1}, 5)
    assert not any(one.strikes(TO_CLIENT, index) for index in range(1, 100))
    struck = [one.strikes(TO_SERVER, index) for index in range(1, 7)]
    assert struck == [True, False, True, False, True, False]


def test_what_is_no_datagram_is_never_struck() -> None:
    assert not any(chance(seed, 99).strikes(TO_CLIENT, None) for seed in range(50))
