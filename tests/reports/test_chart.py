from __future__ import annotations

from quicmatrix.reports.html.chart import BOTTOM, MIDDLE, MOST_POINTS, TOP, WIDTH, charts, thinned
from quicmatrix.runner.model.measurement import TimeSeries

SERIES = TimeSeries(
    100,
    quic_bytes=(0, 125_000, 62_500, 10),
    smoothed_rtt_ms=(None, 30.0, 60.0, 45.0),
    tcp_bytes=(0, 0, 31_250, 0),
    queue=(0, 25, 5, 0),
    drops=(0, 3, 0, 1),
)


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_the_highest_rate_is_at_the_top_and_nothing_at_the_floor() -> None:
    (chart,) = charts([SERIES])
    assert chart.peak_kbps == 10_000
    heights = [y for _, y in points(chart.quic)]
    # The last step is as long as the transfer leaves it, so it is no rate.
    assert heights == [MIDDLE, TOP, (TOP + MIDDLE) / 2]
    assert min(y for _, y in points(chart.tcp)) > TOP
    assert [x for x, _ in points(chart.quic)] == [WIDTH * at for at in (0.125, 0.375, 0.625)]


def test_the_queue_is_an_area_and_each_step_with_losses_a_tick() -> None:
    (chart,) = charts([SERIES])
    area = points(chart.queue)
    assert area[0][1] == area[-1][1] == BOTTOM
    assert chart.most_queued == 25
    assert chart.drops == (WIDTH * 0.375, WIDTH * 0.875)
    assert chart.dropped == 4


def test_what_is_not_known_is_not_drawn() -> None:
    (chart,) = charts([TimeSeries(100, (1000, 1000))])
    assert (chart.tcp, chart.queue, chart.rtt, chart.drops) == ("", "", "", ())
    assert (chart.most_queued, chart.most_rtt_ms) == (0, 0.0)
    (before_an_ack,) = charts([TimeSeries(100, (1000, 1000), (None, 30.0))])
    assert len(points(before_an_ack.rtt)) == 1


def test_repetitions_are_drawn_to_one_scale() -> None:
    slow = TimeSeries(100, (62_500,) * 8)
    fast, slower = charts([TimeSeries(100, (125_000,) * 4), slow])
    assert fast.peak_kbps == slower.peak_kbps == 10_000
    assert max(x for x, _ in points(fast.quic)) < max(x for x, _ in points(slower.quic)) / 2
    assert charts([]) == ()


def test_a_long_series_is_thinned_and_nothing_is_lost_of_it() -> None:
    long = TimeSeries(
        100,
        (7,) * 421,
        tuple(float(at) for at in range(421)),
        (3,) * 421,
        (1,) * 420 + (9,),
        (1,) * 421,
    )
    thin = thinned(long)
    assert len(thin.quic_bytes) <= MOST_POINTS
    assert len({len(one) for one in (thin.quic_bytes, thin.tcp_bytes, thin.queue, thin.drops)}) == 1
    assert sum(thin.quic_bytes) == 7 * 421
    assert sum(thin.drops) == 421
    assert max(thin.queue) == 9
    assert thin.smoothed_rtt_ms[-1] == 420
    assert thin.step_ms * len(thin.quic_bytes) >= 42_100


def test_an_empty_series_draws_nothing() -> None:
    (chart,) = charts([TimeSeries(100, ())])
    assert chart.quic == ""
