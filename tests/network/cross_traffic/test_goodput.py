from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.cross_traffic.goodput import Arrivals, CrossTraffic

S = 10**9


def test_bytes_are_counted_by_the_second() -> None:
    arrivals = Arrivals(10 * S)
    arrivals.add(10 * S, 100)
    arrivals.add(11 * S - 1, 20)
    arrivals.add(13 * S, 3)
    traffic = arrivals.summary(14 * S + S // 2, 1000 * S)
    assert traffic == CrossTraffic(1010.0, 4.5, 123, (120, 0, 0, 3, 0))
    assert traffic.goodput_kbps == 123 * 8 / 1000 / 4.5


def test_a_flow_of_no_duration_has_no_goodput() -> None:
    traffic = Arrivals(5).summary(5, 0)
    assert traffic == CrossTraffic(5e-9, 0.0, 0, (0,))
    assert traffic.goodput_kbps == 0


@given(st.lists(st.tuples(st.integers(0, 3 * S), st.integers(0, 1 << 20)), max_size=20))
def test_all_bytes_are_counted_once(pieces: list[tuple[int, int]]) -> None:
    now_ns, arrivals = 7, Arrivals(7)
    for pause_ns, count in pieces:
        now_ns += pause_ns
        arrivals.add(now_ns, count)
    traffic = arrivals.summary(now_ns, 0)
    total = sum(count for _, count in pieces)
    assert traffic.received_bytes == sum(traffic.bytes_per_second) == total
    assert len(traffic.bytes_per_second) == (now_ns - 7) // S + 1
