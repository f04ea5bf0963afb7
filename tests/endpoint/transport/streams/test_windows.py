from __future__ import annotations

from quicmatrix.endpoint.transport.streams.windows import ReceiveWindow


def test_a_limit_moves_when_half_of_the_window_was_read() -> None:
    window = ReceiveWindow(size=1000)
    still = window.connection_limit(read=499, limit=1000, now=0.0, round_trip=0.1)
    moved = window.connection_limit(read=500, limit=1000, now=0.0, round_trip=0.1)
    assert (still, moved) == (1000, 1500)
    assert window.stream_limit(read=499, limit=1000) == 1000
    assert window.stream_limit(read=500, limit=1000) == 1500


def test_the_window_grows_for_a_fast_reader_up_to_a_bound() -> None:
    window = ReceiveWindow(size=1000, largest=3000)
    limit = 1000
    sizes = []
    for step in range(4):
        limit = window.connection_limit(read=limit, limit=limit, now=0.01 * step, round_trip=0.1)
        sizes.append(window.size)
    assert sizes == [1000, 2000, 3000, 3000]


def test_the_window_stays_for_a_slow_reader() -> None:
    window = ReceiveWindow(size=1000)
    limit = 1000
    for step in range(4):
        limit = window.connection_limit(read=limit, limit=limit, now=1.0 * step, round_trip=0.1)
    assert window.size == 1000


def test_a_limit_never_falls() -> None:
    window = ReceiveWindow(size=1000)
    assert window.connection_limit(read=0, limit=400, now=0.0, round_trip=0.1) == 1000
    assert window.stream_limit(read=100, limit=5000) == 5000
