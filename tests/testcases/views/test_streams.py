"""Stream IDs, and sets of byte ranges against sets of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.testcases.views.streams import Ranges, StreamType, index


@pytest.mark.parametrize(
    ("stream", "kind", "place"),
    [
        (0, StreamType.CLIENT_BIDIRECTIONAL, 0),
        (5, StreamType.SERVER_BIDIRECTIONAL, 1),
        (2, StreamType.CLIENT_UNIDIRECTIONAL, 0),
        (403, StreamType.SERVER_UNIDIRECTIONAL, 100),
    ],
)
def test_a_stream_id_tells_type_and_number(stream: int, kind: StreamType, place: int) -> None:
    assert StreamType.of(stream) is kind
    assert index(stream) == place


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-1, 12)), max_size=30))
def test_ranges_count_each_byte_once(pieces: list[tuple[int, int]]) -> None:
    ranges, known = Ranges(), set[int]()
    for start, length in pieces:
        new = set(range(start, start + length)) - known
        assert ranges.add(start, length) == len(new)
        known |= new
    assert ranges.starts == sorted(ranges.starts)
    for end, start in zip(ranges.ends, ranges.starts[1:], strict=False):
        assert end < start, "ranges that touch are one"
