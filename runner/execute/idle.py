"""How much of the machine's CPU time was idle between two looks, from /proc/stat (proc(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Of all cores since the machine started, in ticks."""

    idle: int
    total: int

    def idle_share_since(self, before: CpuTime) -> float | None:
        """From 0 to 1; None if no tick has passed."""
        passed = self.total - before.total
        return round((self.idle - before.idle) / passed, 3) if passed > 0 else None


def cpu_time(text: str) -> CpuTime:
    """What the text of /proc/stat says; waiting for a disk is idle too."""
    name, *columns = text.split("\n", 1)[0].split()
    assert name == "cpu"
    # guest and guest_nice, the last two, are part of user and nice.
    ticks = [int(column) for column in columns[:8]]
    return CpuTime(ticks[3] + ticks[4], sum(ticks))
