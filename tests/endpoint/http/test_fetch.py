from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from aioquic.quic.events import StreamDataReceived, StreamReset

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.files import Downloads
from quicmatrix.endpoint.http.fetch import Fetch
from quicmatrix.endpoint.http.hq import HqClient
from quicmatrix.endpoint.transport.connection import Connection


class FewStreams:
    """Stands for a connection whose peer allows so many streams."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.opened = 0

    @property
    def can_open_stream(self) -> bool:
        return self.opened < self.allowed

    def get_next_available_stream_id(self) -> int:
        return 4 * self.opened

    def send_stream_data(self, _id: int, _data: bytes, end_stream: bool) -> None:
        assert end_stream
        self.opened += 1


@pytest.fixture
def streams() -> FewStreams:
    return FewStreams(2)


@pytest.fixture
def fetch(streams: FewStreams, tmp_path: Path) -> Fetch:
    connection = cast("Connection", streams)
    requests = [Request("server4", 443, f"/{name}", name) for name in ("a", "b", "c")]
    return Fetch(connection, HqClient(connection), requests, Downloads(tmp_path))


def data(stream_id: int, content: bytes, *, end: bool) -> StreamDataReceived:
    return StreamDataReceived(data=content, end_stream=end, stream_id=stream_id)


def test_streams_are_opened_as_the_server_allows(streams: FewStreams, fetch: Fetch) -> None:
    fetch.pump()
    assert (streams.opened, fetch.unanswered) == (2, 3)
    fetch.event_received(data(0, b"x", end=True))
    fetch.pump()
    assert (streams.opened, fetch.unanswered) == (2, 2)
    streams.allowed = 10
    fetch.pump()
    assert streams.opened == 3
    fetch.event_received(data(4, b"", end=True))
    fetch.event_received(data(8, b"", end=True))
    assert fetch.is_finished
    assert fetch.failures == []


def test_what_arrives_is_on_disk_at_once(fetch: Fetch, tmp_path: Path) -> None:
    fetch.pump()
    fetch.event_received(data(0, b"one ", end=False))
    assert (tmp_path / "a").read_bytes() == b"one "
    fetch.event_received(data(0, b"two", end=True))
    fetch.event_received(data(0, b"late", end=True))
    assert (tmp_path / "a").read_bytes() == b"one two"
    fetch.close()


def test_a_reset_is_a_failure_of_one_file(fetch: Fetch) -> None:
    fetch.pump()
    fetch.event_received(StreamReset(error_code=1, stream_id=4))
    assert fetch.failures == ["https://server4/b: the server reset the stream with error 0x1"]
    assert fetch.unanswered == 2
    fetch.close()


def test_a_file_that_cannot_be_made_is_a_failure_of_one_file(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    fetch.pump()
    assert len(fetch.failures) == 1
    assert "cannot write" in fetch.failures[0]
    assert fetch.unanswered == 2
    fetch.close()


def test_a_full_disk_is_a_failure(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/dev/full")
    fetch.pump()
    assert "cannot write" in fetch.failures[0], "a link, which is not followed"
    with Path("/dev/full").open("wb", buffering=0) as full:
        fetch._open[8] = Request("server4", 443, "/c", "c"), full
        fetch.event_received(data(8, b"x", end=False))
    assert "No space left" in fetch.failures[1]
    fetch.close()
