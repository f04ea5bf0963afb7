from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.runner.results.estimate import estimate, kbps, quantile


def test_known_values() -> None:
    estimated = estimate([9000, 9100, 9200, 9300, 9400])
    assert estimated.mean == 9200
    assert estimated.deviation == pytest.approx(158.1139, abs=1e-4)  # n - 1, as the suite wants


def test_the_interval_is_the_bootstrap_s() -> None:
    # Of all 5**5 = 3125 resamples of five distinct values, which can be listed.
    samples = [1.0, 2.0, 3.0, 4.0, 5.0]
    means = sorted(
        sum((samples[a], samples[b], samples[c], samples[d], samples[e])) / 5
        for a in range(5)
        for b in range(5)
        for c in range(5)
        for d in range(5)
        for e in range(5)
    )
    estimated = estimate(samples)
    assert estimated.low == pytest.approx(quantile(means, 0.025), abs=0.21)
    assert estimated.high == pytest.approx(quantile(means, 0.975), abs=0.21)
    assert (estimated.low, estimated.high) != (1.0, 5.0)


def test_the_interval_of_many_normal_samples_is_the_textbook_s() -> None:
    source = random.Random(1)
    samples = [source.gauss(100, 10) for _ in range(400)]
    estimated = estimate(samples)
    error = statistics.stdev(samples) / 20  # of the mean
    assert estimated.low == pytest.approx(estimated.mean - 1.96 * error, abs=0.15 * error)
    assert estimated.high == pytest.approx(estimated.mean + 1.96 * error, abs=0.15 * error)


def test_one_sample_has_no_interval() -> None:
    estimated = estimate([9104.5])
    assert (estimated.mean, estimated.deviation, estimated.low, estimated.high) == (
        9104.5,
        None,
        9104.5,
        9104.5,
    )


@settings(max_examples=30)
@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=10))
def test_the_same_samples_always_give_the_same(samples: list[float]) -> None:
    estimated = estimate(samples, seed=3)
    assert estimated == estimate(samples, seed=3)
    slack = 1e-9 * max(samples)
    assert min(samples) - slack <= estimated.low <= estimated.high <= max(samples) + slack


def test_quantiles_lie_between_neighbours() -> None:
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 1)] == [1, 2.5, 4]


def test_a_goodput_is_written_as_quic_interop_runner_writes_it() -> None:
    assert kbps(estimate([9000, 9200])) == "9100 (± 141) kbps"
