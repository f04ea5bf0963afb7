from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.recording.lateness import Lateness, LatenessSummary


def test_nothing_delivered_is_not_late() -> None:
    assert Lateness().summary() == LatenessSummary()


def test_percentiles_of_a_hundred_deliveries() -> None:
    lateness = Lateness()
    for late_ms in range(1, 101):
        lateness.add(late_ms * 1_000_000)
    assert lateness.summary() == LatenessSummary(100, 50.5, 50.01, 99.01, 100.0)


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_percentiles_are_right_to_ten_microseconds(late_ns: list[int]) -> None:
    lateness = Lateness()
    for one in late_ns:
        lateness.add(one)
    summary = lateness.summary()
    ordered = sorted(late_ns)
    for percent, actual in ((50, summary.p50), (99, summary.p99)):
        exact = ordered[-(-len(ordered) * percent // 100) - 1] / 1e6
        assert exact - 1e-9 <= actual <= exact + 0.01 + 1e-9
    assert summary.worst == round(ordered[-1] / 1e6, 3)
    assert summary.count == len(late_ns)
