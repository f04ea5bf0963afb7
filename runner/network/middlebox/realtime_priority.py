"""Realtime priority for the middlebox, so that it wakes up when a packet is due."""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path


def use_realtime_priority() -> None:
    """Give this process a realtime scheduling policy and exact timers, where it is allowed to.

    On two cores with four busy processes beside it, deliveries at 10 Mbps were late by 3.8 ms
    (99th percentile) as an ordinary process, and by 0.06 ms like this. It needs a privilege that
    containers and user namespaces do not have; without it, lateness is measured all the same.
    """
    # The loop makes no reference cycles, so garbage collection would only cost time.
    gc.disable()
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1", encoding="ascii")
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
