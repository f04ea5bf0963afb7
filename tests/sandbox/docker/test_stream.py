from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.sandbox.docker.stream import Demultiplexer


def framed(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">B3xI", stream, len(text)) + text for stream, text in parts)


def test_both_streams_come_in_the_order_in_which_they_were_written() -> None:
    data = framed((1, b"out\n"), (2, b"err\n"), (1, b""), (1, b"end"))
    assert Demultiplexer().feed(data) == b"out\nerr\nend"


@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(max_size=40))), st.data())
def test_it_does_not_matter_how_the_bytes_arrive(
    parts: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream, text, demultiplexer = framed(*parts), b"", Demultiplexer()
    while stream:
        count = data.draw(st.integers(1, len(stream)))
        text += demultiplexer.feed(stream[:count])
        stream = stream[count:]
    assert text == b"".join(part for _, part in parts)


def test_a_header_that_is_cut_short_is_no_text() -> None:
    assert Demultiplexer().feed(framed((1, b"text"))[:7]) == b""
