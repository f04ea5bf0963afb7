"""A transfer over time as a small drawing: the coordinates of its lines and areas.

The upper panel has the throughput of QUIC, and of TCP beside it, up to the highest point of all
repetitions, so that they compare. The lower panel has the length of the link's queue, a tick for
each step in which the queue dropped something, and the server's smoothed RTT as a dashed line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quicmatrix.runner.model.measurement import TimeSeries

WIDTH = 320
TOP, MIDDLE = 4, 72
"""Where the upper panel has its top and its floor."""
QUEUE_TOP, BOTTOM = 84, 112
"""The same of the lower one."""
HEIGHT = 116
MOST_POINTS = 110
"""More would be narrower than a line."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One repetition. Points are those of an SVG polyline; empty where nothing is known."""

    quic: str
    tcp: str
    queue: str
    """A closed area."""
    rtt: str
    drops: tuple[float, ...]
    """Where along the width."""
    dropped: int
    seconds: float
    """How long the transfer took."""
    peak_kbps: int
    """What the top of the upper panel stands for."""
    most_queued: int
    """What the top of the lower one stands for; 0 if the queue is not known."""
    most_rtt_ms: float
    """The same of the RTT; 0 if it is not known."""


def charts(repetitions: Sequence[TimeSeries]) -> tuple[Chart, ...]:
    """The repetitions of one measurement, drawn to the same scales."""
    thin = [thinned(one) for one in repetitions]
    longest = max((_seconds(one) for one in repetitions), default=0.0)
    peak = max((rate for one in thin for rate in _rates(one)), default=0.0)
    most_queued = max((count for one in thin for count in one.queue), default=0)
    rtts = [rtt for one in thin for rtt in one.smoothed_rtt_ms if rtt is not None]
    most_rtt = max(rtts, default=0.0)
    return tuple(
        Chart(
            quic=_line(_kbps(one.quic_bytes, one.step_ms), one, longest, peak, (TOP, MIDDLE)),
            tcp=_line(_kbps(one.tcp_bytes, one.step_ms), one, longest, peak, (TOP, MIDDLE))
            if any(one.tcp_bytes)
            else "",
            queue=_area(_line(one.queue, one, longest, most_queued, (QUEUE_TOP, BOTTOM))),
            rtt=_line(one.smoothed_rtt_ms, one, longest, most_rtt, (QUEUE_TOP, BOTTOM)),
            drops=tuple(
                _x(step, one, longest) for step, dropped in enumerate(one.drops) if dropped
            ),
            dropped=sum(one.drops),
            seconds=_seconds(whole),
            peak_kbps=round(peak),
            most_queued=most_queued,
            most_rtt_ms=round(most_rtt, 1),
        )
        for whole, one in zip(repetitions, thin, strict=True)
    )


def thinned(series: TimeSeries, most: int = MOST_POINTS) -> TimeSeries:
    """The same series in fewer, longer steps: sums of bytes and drops, the maximum of the queue."""
    steps = len(series.quic_bytes)
    factor = max(-(-steps // most), 1)
    starts = range(0, steps, factor)

    def sums(values: Sequence[int]) -> tuple[int, ...]:
        return tuple(sum(values[at : at + factor]) for at in starts) if values else ()

    rtts = series.smoothed_rtt_ms
    return TimeSeries(
        series.step_ms * factor,
        sums(series.quic_bytes),
        tuple(rtts[min(at + factor, len(rtts)) - 1] for at in starts) if rtts else (),
        sums(series.tcp_bytes),
        tuple(max(series.queue[at : at + factor]) for at in starts) if series.queue else (),
        sums(series.drops),
    )


def _rates(series: TimeSeries) -> tuple[float, ...]:
    return (*_kbps(series.quic_bytes, series.step_ms), *_kbps(series.tcp_bytes, series.step_ms))


def _kbps(sizes: Sequence[int], step_ms: int) -> tuple[float, ...]:
    # The last step is as long as the transfer leaves it, so its rate would be too low.
    return tuple(8 * size / step_ms for size in sizes[:-1] or sizes)


def _seconds(series: TimeSeries) -> float:
    return len(series.quic_bytes) * series.step_ms / 1000


def _x(step: int, series: TimeSeries, longest: float) -> float:
    return round((step + 0.5) * series.step_ms / 1000 / longest * WIDTH, 1) if longest else 0.0


def _line(
    values: Sequence[float | None],
    series: TimeSeries,
    longest: float,
    most: float,
    panel: tuple[int, int],
) -> str:
    top, floor = panel
    return " ".join(
        f"{_x(step, series, longest):g},{floor - (floor - top) * value / most:.1f}"
        for step, value in enumerate(values)
        if value is not None and most
    )


def _area(line: str) -> str:
    """What is below a line."""
    if not line:
        return ""
    points = line.split()
    left, right = points[0].split(",")[0], points[-1].split(",")[0]
    return f"{left},{BOTTOM} {line} {right},{BOTTOM}"
