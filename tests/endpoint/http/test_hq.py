from __future__ import annotations

import itertools
from typing import cast

import pytest
from aioquic.quic.events import PingAcknowledged, StreamDataReceived, StreamReset
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.http.hq import NOT_FOUND, HqClient, HqServer
from quicmatrix.endpoint.transport.connection import Connection


class Recorder:
    """Stands for a connection; remembers what was done to its streams."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes, bool]] = []
        self.resets: list[tuple[int, int]] = []

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        self.sent.append((stream_id, data, end_stream))

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        self.resets.append((stream_id, error_code))


def data(stream_id: int, text: bytes, *, end: bool = False) -> StreamDataReceived:
    return StreamDataReceived(data=text, end_stream=end, stream_id=stream_id)


def test_a_client_asks_in_one_line() -> None:
    recorder = Recorder()
    HqClient(cast("Connection", recorder)).ask(4, Request("h", 443, "/a?b", "a"))
    assert recorder.sent == [(4, b"GET /a?b\r\n", True)]


def test_a_client_reads_until_the_end_or_a_reset() -> None:
    client = HqClient(cast("Connection", Recorder()))
    (piece,) = client.answers(data(0, b"abc"))
    assert (piece.data, piece.is_last, piece.failure) == (b"abc", False, "")
    (last,) = client.answers(data(0, b"", end=True))
    assert last.is_last
    (reset,) = client.answers(StreamReset(error_code=1, stream_id=0))
    assert "0x1" in reset.failure
    assert list(client.answers(PingAcknowledged(uid=1))) == []


@pytest.mark.parametrize(
    "pieces",
    [
        [data(0, b"GET /x\r\n", end=True)],
        [data(0, b"GET /x\n", end=True)],
        [data(0, b"GET /x", end=True)],
        [data(0, b"GE"), data(0, b"T /x\r"), data(0, b"\n"), data(0, b"", end=True)],
        [data(0, b"GET /x\r\nHost: h\r\n"), data(0, b"more"), data(0, b"", end=True)],
    ],
)
def test_a_server_answers_each_request_once(pieces: list[StreamDataReceived]) -> None:
    recorder = Recorder()
    server = HqServer(cast("Connection", recorder))
    assert [request for piece in pieces for request in server.requests(piece)] == [(0, "/x")]
    assert not recorder.resets
    assert not server._lines


@pytest.mark.parametrize(
    "piece",
    [data(0, b"POST /x\r\n"), data(0, b"GET x\r\n"), data(0, b"", end=True), data(0, b"G" * 9000)],
)
def test_a_server_refuses_what_is_no_request(piece: StreamDataReceived) -> None:
    recorder = Recorder()
    server = HqServer(cast("Connection", recorder))
    assert list(server.requests(piece)) == []
    assert recorder.resets == [(0, NOT_FOUND)]
    assert list(server.requests(data(0, b"GET /x\r\n"))) == [] or piece.end_stream


def test_a_server_reads_only_request_streams() -> None:
    server = HqServer(cast("Connection", Recorder()))
    assert list(server.requests(data(2, b"GET /x\r\n", end=True))) == []
    assert list(server.requests(data(4, b"GET"))) == []
    assert list(server.requests(StreamReset(error_code=0, stream_id=4))) == []
    assert not server._lines


@given(
    text=st.one_of(
        st.binary(max_size=40),
        st.builds(
            b"GET /%b%b".__mod__, st.tuples(st.binary(max_size=9), st.sampled_from([b"\r\n", b""]))
        ),
    ),
    cuts=st.lists(st.integers(0, 40), max_size=3),
    ends=st.booleans(),
)
def test_a_server_reads_any_bytes_in_any_pieces(text: bytes, cuts: list[int], ends: bool) -> None:
    def asked(pieces: list[bytes]) -> tuple[list[tuple[int, str]], list[tuple[int, int]]]:
        recorder = Recorder()
        server = HqServer(cast("Connection", recorder))
        found = []
        for number, piece in enumerate(pieces):
            end = ends and number == len(pieces) - 1
            found += list(server.requests(data(0, piece, end=end)))
        return found, recorder.resets

    marks = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(marks)]
    assert asked(pieces) == asked([text])
    found, resets = asked([text])
    assert len(found) + len(resets) == int(ends or b"\n" in text)
