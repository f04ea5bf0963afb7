from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aioquic.quic.events import StreamDataReceived, StreamReset

from quicmatrix.endpoint.files import WebRoot
from quicmatrix.endpoint.http.hq import NOT_FOUND, HqServer
from quicmatrix.endpoint.http.serve import LEAST_AHEAD_BYTES, Serve
from tests.support.quic_pair import Idle, Pair, client_configuration, server_configuration


@pytest.fixture
def pair(certs: Path, tmp_path: Path) -> Iterator[Pair]:
    """A client of a server that serves a big file, a small and an empty one."""
    www = tmp_path / "www"
    www.mkdir()
    with (www / "big").open("wb") as file:
        file.truncate(50_000_000)
    (www / "small").write_bytes(b"small")
    (www / "empty").touch()
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.new_server_app = lambda quic: Serve(quic, HqServer(quic), WebRoot(www))
    pair.complete_handshake()
    yield pair
    assert isinstance(pair.server_app, Serve)
    pair.server_app.close()


def ask(pair: Pair, *paths: str) -> Idle:
    pair.client_app = application = Idle()
    for path in paths:
        stream_id = pair.client.get_next_available_stream_id()
        pair.client.send_stream_data(stream_id, f"GET {path}\r\n".encode(), end_stream=True)
    pair.drive_client()
    return application


def test_a_file_is_read_only_as_far_as_it_is_sent(pair: Pair) -> None:
    ask(pair, "/big")
    most = 0
    for _ in range(20):
        pair.run_for(0.1)
        ahead = max(LEAST_AHEAD_BYTES, 2 * pair.server.congestion_window)
        most = max(most, pair.server.unacknowledged(0))
        assert pair.server.unacknowledged(0) <= ahead
    assert most > pair.server.congestion_window


def test_many_files_share_what_one_may_have(pair: Pair) -> None:
    ask(pair, *["/big"] * 50)
    pair.run_for(1.0)
    total = sum(pair.server.unacknowledged(4 * stream) for stream in range(50))
    assert 0 < total <= max(LEAST_AHEAD_BYTES, 2 * pair.server.congestion_window)


def test_small_empty_and_missing_files(pair: Pair) -> None:
    application = ask(pair, "/small", "/empty", "/missing")
    pair.run_for(0.5)
    assert StreamReset(error_code=NOT_FOUND, stream_id=8) in application.events
    answers = [
        (event.stream_id, event.data, event.end_stream)
        for event in application.events
        if isinstance(event, StreamDataReceived)
    ]
    assert sorted(answers) == [(0, b"small", True), (4, b"", True)]


def test_an_unwanted_answer_is_dropped(pair: Pair) -> None:
    ask(pair, "/big")
    pair.run_for(0.2)
    pair.client.stop_stream(0, 0)
    pair.drive_client()
    pair.run_for(0.2)
    assert isinstance(pair.server_app, Serve)
    assert not pair.server_app._files


def test_files_are_closed_with_the_connection(pair: Pair) -> None:
    ask(pair, "/big")
    pair.run_for(0.2)
    pair.client.close()
    pair.drive_client()
    pair.run_for(5.0)
    assert isinstance(pair.server_app, Serve)
    assert not pair.server_app._files
