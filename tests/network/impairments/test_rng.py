from __future__ import annotations

from collections import Counter

import pytest

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.rng import Purpose, random_below

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER


def test_the_numbers_of_a_seed_never_change() -> None:
    # A stored seed must mean the same in every later version.
    assert [random_below(42, TO_CLIENT, index, 100) for index in range(1, 9)] == [
        53,
        15,
        11,
        39,
        12,
        21,
        45,
        57,
    ]


def test_seed_direction_index_and_purpose_all_matter() -> None:
    def numbers(seed: int, direction: Direction, purpose: Purpose = Purpose.CHOICE) -> list[int]:
        return [random_below(seed, direction, index, 1 << 32, purpose) for index in range(50)]

    base = numbers(1, TO_CLIENT)
    assert len(set(base)) == 50
    for other in (
        numbers(2, TO_CLIENT),
        numbers(1, TO_SERVER),
        numbers(1, TO_CLIENT, Purpose.OFFSET),
    ):
        assert not set(other) & set(base)


@pytest.mark.parametrize("direction", Direction)
def test_numbers_are_evenly_distributed_and_independent_of_their_predecessor(
    direction: Direction,
) -> None:
    numbers = [random_below(7, direction, index, 10) for index in range(100_000)]
    # Chi-squared with 9 and 99 degrees of freedom stays below these with p = 0.999.
    assert chi_squared(Counter(numbers), 10, 100_000) < 27.9
    pairs = Counter(zip(numbers[::2], numbers[1::2], strict=True))
    assert chi_squared(pairs, 100, 50_000) < 148.2


def chi_squared(counts: Counter[int] | Counter[tuple[int, int]], cells: int, total: int) -> float:
    expected = total / cells
    assert len(counts) == cells
    return sum((count - expected) ** 2 / expected for count in counts.values())
