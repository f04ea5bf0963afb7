from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.network.fate import PASSED, Direction, Dropped
from runner.network.impairment import Arrival, Blackhole, Droplist, DropRate, Impairment

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
S = 10**9

seeds = st.integers(0, 1 << 64)


def lost(
    impairment: Impairment, direction: Direction, index: int | None = 1, time_ns: int = 0
) -> bool:
    fate = impairment.fate(Arrival(direction, index, time_ns, b""))
    assert fate == PASSED or isinstance(fate, Dropped)
    return fate != PASSED


def drop_rate(seed: int, percent: int, burst: int | None = None) -> DropRate:
    return DropRate(dict.fromkeys(Direction, percent), dict.fromkeys(Direction, burst), seed)


@given(seeds, st.integers(0, 99), st.integers(1, 5))
def test_never_more_than_burst_in_a_row_are_lost(seed: int, percent: int, burst: int) -> None:
    impairment = drop_rate(seed, percent, burst)
    fates = "".join("x."[not lost(impairment, TO_CLIENT, index)] for index in range(1, 200))
    assert "x" * (burst + 1) not in fates


@given(seeds, st.integers(0, 99), st.none() | st.integers(1, 5))
def test_without_a_burst_a_datagram_is_lost_exactly_when_the_dice_say_so(
    seed: int, percent: int, burst: int | None
) -> None:
    limited, free = drop_rate(seed, percent, burst), drop_rate(seed, percent)
    in_a_row = 0
    for index in range(1, 100):
        expected = lost(free, TO_SERVER, index) and in_a_row != burst
        in_a_row = in_a_row + 1 if expected else 0
        assert lost(limited, TO_SERVER, index) == expected


@given(seeds, st.permutations(range(1, 60)))
def test_a_datagrams_fate_does_not_depend_on_what_else_is_asked(
    seed: int, order: list[int]
) -> None:
    impairment = drop_rate(seed, 30, 3)
    in_order = {index: lost(impairment, TO_CLIENT, index) for index in range(1, 60)}
    for index in order:
        lost(impairment, TO_SERVER, index)
        assert lost(drop_rate(seed, 30, 3), TO_CLIENT, index) == in_order[index]


def test_as_many_are_lost_as_asked() -> None:
    impairment = drop_rate(1, 30)
    count = sum(lost(impairment, TO_CLIENT, index) for index in range(1, 20_001))
    assert abs(count - 6000) < 4 * (20_000 * 0.3 * 0.7) ** 0.5


def test_directions_have_their_own_rates() -> None:
    impairment = DropRate({TO_CLIENT: 0, TO_SERVER: 99}, {TO_CLIENT: None, TO_SERVER: 1}, 5)
    assert not any(lost(impairment, TO_CLIENT, index) for index in range(1, 100))
    fates = [lost(impairment, TO_SERVER, index) for index in range(1, 7)]
    assert fates == [True, False, True, False, True, False]


def test_random_loss_is_of_udp_datagrams_only() -> None:
    assert not any(lost(drop_rate(seed, 99), TO_CLIENT, None) for seed in range(50))


def test_a_droplist_drops_just_what_it_lists() -> None:
    impairment = Droplist({TO_CLIENT: frozenset(), TO_SERVER: frozenset({2, 3})})
    fates = [lost(impairment, TO_SERVER, index) for index in (1, 2, 3, 4, None)]
    assert fates == [False, True, True, False, False]
    assert not lost(impairment, TO_CLIENT, 2)


def test_a_blackhole_swallows_everything_for_a_while() -> None:
    impairment = Blackhole(5 * S, 2 * S, 1, frozenset(Direction))
    times = (0, 5 * S - 1, 5 * S, 7 * S - 1, 7 * S, 12 * S)
    for index in (1, None):
        fates = [lost(impairment, TO_CLIENT, index, time_ns) for time_ns in times]
        assert fates == [False, False, True, True, False, False]


def test_a_blackhole_may_come_back_and_may_have_a_direction() -> None:
    impairment = Blackhole(5 * S, 2 * S, 2, frozenset({TO_SERVER}))
    assert lost(impairment, TO_SERVER, 1, 6 * S)
    assert lost(impairment, TO_SERVER, 1, 13 * S)
    assert not lost(impairment, TO_SERVER, 1, 20 * S)
    assert not lost(impairment, TO_CLIENT, 1, 6 * S)
