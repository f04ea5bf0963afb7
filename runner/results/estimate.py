"""Mean, deviation and confidence interval of a metric's samples. Pure.

The confidence interval is the bootstrap's percentile interval (Efron and Tibshirani, An
Introduction to the Bootstrap, 13): it needs no assumption on how the samples are distributed, which
with link capacities as an upper bound is not normal. One sample gives no interval.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of a metric, in its own unit."""

    mean: float
    deviation: float | None
    """The sample standard deviation, with n - 1; None if there is one sample."""
    low: float
    """Lower end of the 95 % confidence interval of the mean."""
    high: float


def estimate(samples: Sequence[float], seed: int = 0) -> Estimate:
    """Estimate a metric from samples; the same samples and seed always give the same.

    Args:
        samples: At least one.
        seed: Of the resampling.
    """
    mean = statistics.fmean(samples)
    if len(samples) == 1:
        return Estimate(mean, None, mean, mean)
    source = random.Random(seed)  # noqa: S311 - repeatable, not secret
    count = len(samples)
    means = sorted(sum(source.choices(samples, k=count)) / count for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    return Estimate(
        mean,
        statistics.stdev(samples),
        quantile(means, tail),
        quantile(means, 1 - tail),
    )


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which that share of them lies, interpolated between neighbours."""
    position = share * (len(ascending) - 1)
    below = int(position)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (position - below)


def kbps(estimated: Estimate) -> str:
    """A goodput as quic-interop-runner writes it: ``9104 (± 141) kbps``; of one sample the mean."""
    deviation = estimated.deviation
    return f"{estimated.mean:.0f} {'' if deviation is None else f'(± {deviation:.0f}) '}kbps"
