from __future__ import annotations

from quicmatrix.runner.network.impairments.fate import PASSED, Direction, Dropped
from quicmatrix.runner.network.impairments.impairment import (
    Arrival,
    Blackhole,
    Droplist,
    DropRate,
    Impairment,
)
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.middlebox.frame import Headers

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
S = 10**9

FRAME, HEADERS = b"", Headers(0, b"", 17, 0)


def arrival(direction: Direction, index: int | None, time_ns: int = 0) -> Arrival:
    return Arrival(direction, index, time_ns, FRAME, HEADERS)


def lost(
    impairment: Impairment, direction: Direction, index: int | None = 1, time_ns: int = 0
) -> bool:
    fate = impairment.fate(arrival(direction, index, time_ns))
    assert fate == PASSED or isinstance(fate, Dropped)
    return fate != PASSED


def test_random_loss_follows_the_loss_pattern() -> None:
    pattern = LossPattern(dict.fromkeys(Direction, 30), dict.fromkeys(Direction, 2), 5)
    for direction in Direction:
        for index in range(1, 200):
            expected = Dropped("random loss") if pattern.affects(direction, index) else PASSED
            assert DropRate(pattern).fate(arrival(direction, index)) == expected


def test_random_loss_is_of_udp_datagrams_only() -> None:
    certain = [
        DropRate(LossPattern(dict.fromkeys(Direction, 99), dict.fromkeys(Direction, None), seed))
        for seed in range(50)
    ]
    assert not any(lost(impairment, TO_CLIENT, None) for impairment in certain)


def test_a_droplist_drops_just_what_it_lists() -> None:
    impairment = Droplist({TO_CLIENT: frozenset(), TO_SERVER: frozenset({2, 3})})
    fates = [lost(impairment, TO_SERVER, index) for index in (1, 2, 3, 4, None)]
    assert fates == [False, True, True, False, False]
    assert not lost(impairment, TO_CLIENT, 2)


def test_a_blackhole_drops_everything_during_the_outage() -> None:
    impairment = Blackhole(5 * S, 2 * S, 1, frozenset(Direction))
    times = (0, 5 * S - 1, 5 * S, 7 * S - 1, 7 * S, 12 * S)
    for index in (1, None):
        fates = [lost(impairment, TO_CLIENT, index, time_ns) for time_ns in times]
        assert fates == [False, False, True, True, False, False]


def test_a_blackhole_may_repeat_and_may_have_one_direction() -> None:
    impairment = Blackhole(5 * S, 2 * S, 2, frozenset({TO_SERVER}))
    assert lost(impairment, TO_SERVER, 1, 6 * S)
    assert lost(impairment, TO_SERVER, 1, 13 * S)
    assert not lost(impairment, TO_SERVER, 1, 20 * S)
    assert not lost(impairment, TO_CLIENT, 1, 6 * S)
