"""The goodput of tcp-cross-traffic's TCP flow: measured by the middlebox, read by the runner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrossTraffic:
    """Bytes of payload that the receiver's TCP handed to its program."""

    began_at: float
    """When the sender began to connect; seconds since the epoch, on the clock of the captures."""
    duration_s: float
    """From then to the end."""
    received_bytes: int
    bytes_per_second: tuple[int, ...]
    """What arrived in each second since it began; the last second may be incomplete."""

    @property
    def goodput_kbps(self) -> float:
        """Over the whole time."""
        return self.received_bytes * 8 / 1000 / self.duration_s if self.duration_s else 0.0


class Arrivals:
    """Counts what arrives, by the second."""

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._seconds: list[int] = []

    def add(self, now_ns: int, count: int) -> None:
        """Count bytes that have arrived; the time never goes back."""
        second = (now_ns - self._began_ns) // 1_000_000_000
        self._seconds.extend([0] * (second + 1 - len(self._seconds)))
        self._seconds[second] += count

    def summary(self, now_ns: int, epoch_ns: int) -> CrossTraffic:
        """All until now; ``epoch_ns`` is the wall clock's time at time 0."""
        self.add(now_ns, 0)
        return CrossTraffic(
            (epoch_ns + self._began_ns) / 1e9,
            round((now_ns - self._began_ns) / 1e9, 6),
            sum(self._seconds),
            tuple(self._seconds),
        )
