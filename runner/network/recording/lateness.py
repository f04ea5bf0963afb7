"""How late deliveries were: their distribution, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

_STEP_NS = 10_000


@dataclass(frozen=True, slots=True)
class LatenessSummary:
    """How much later than due packets were delivered, in milliseconds."""

    count: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


class Lateness:
    """Collects how late each delivery was. Percentiles are exact to 10 microseconds."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self._count = 0
        self._total_ns = 0
        self._worst_ns = 0

    def add(self, late_ns: int) -> None:
        """Count one delivery."""
        self._steps[late_ns // _STEP_NS] += 1
        self._count += 1
        self._total_ns += late_ns
        self._worst_ns = max(self._worst_ns, late_ns)

    def summary(self) -> LatenessSummary:
        """The distribution so far."""
        if not self._count:
            return LatenessSummary()
        return LatenessSummary(
            self._count,
            round(self._total_ns / self._count / 1e6, 3),
            self._percentile(50),
            self._percentile(99),
            round(self._worst_ns / 1e6, 3),
        )

    def _percentile(self, percent: int) -> float:
        """The smallest step that at least so many percent of the deliveries do not exceed."""
        remaining = -(-self._count * percent // 100)
        for step in sorted(self._steps):
            remaining -= self._steps[step]
            if remaining <= 0:
                return min((step + 1) * _STEP_NS, self._worst_ns) / 1e6
        raise AssertionError("the steps count every delivery")
