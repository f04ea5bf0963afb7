from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pylsqpack
import pytest
from aioquic.h3.connection import ErrorCode
from aioquic.quic.events import (
    PingAcknowledged,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.files import Downloads, WebRoot
from quicmatrix.endpoint.http.fetch import Fetch
from quicmatrix.endpoint.http.h3 import ALPN, H3Client, H3Server
from quicmatrix.endpoint.http.serve import Serve
from quicmatrix.endpoint.transport.connection import Connection
from tests.support.h3_wire import (
    ANSWER,
    AUTHORITY,
    CONTROL,
    GET,
    HOST,
    METHOD,
    PATH,
    SCHEME,
    SETTINGS,
    Wire,
    data,
    fields,
    frame,
)
from tests.support.quic_pair import Idle, Pair, client_configuration, server_configuration

Download = Callable[..., tuple[Fetch, Path]]


@pytest.fixture
def download(certs: Path, tmp_path: Path) -> Download:
    www, downloads = tmp_path / "www", tmp_path / "downloads"
    www.mkdir()
    downloads.mkdir()
    (www / "file").write_bytes(b"x" * 200_000)
    (www / "empty").touch()

    def run(*names: str, side: type[H3Server] = H3Server) -> tuple[Fetch, Path]:
        pair = Pair(
            client_configuration(certs, alpn_protocols=[ALPN]),
            server_configuration(certs, alpn_protocols=[ALPN]),
        )
        pair.new_server_app = lambda quic: Serve(quic, side(quic), WebRoot(www))
        requests = [Request("server4", 443, f"/{name}", name) for name in names]
        client = pair.client
        fetch = Fetch(client, H3Client(client), requests, Downloads(downloads))
        pair.client_app = fetch
        pair.connect()
        pair.run_until(lambda: fetch.is_finished or client.is_ending)
        assert isinstance(pair.server_app, Serve)
        pair.server_app.close()
        return fetch, downloads

    return run


def test_files_arrive(download: Download) -> None:
    fetch, downloads = download("file", "empty")
    assert fetch.failures == []
    assert (downloads / "file").read_bytes() == b"x" * 200_000
    assert (downloads / "empty").read_bytes() == b""


def test_a_missing_file_has_a_status(download: Download) -> None:
    fetch, _ = download("missing", "empty")
    assert fetch.failures == ["https://server4/missing: status 404"]


def test_an_answer_that_is_too_short_is_a_failure(download: Download) -> None:
    class Short(H3Server):
        def begin(self, stream_id: int, size: int) -> None:
            super().begin(stream_id, size + 5)

    fetch, _ = download("file", "empty", side=Short)
    assert fetch.is_finished
    assert sorted(fetch.failures) == [
        f"https://server4/{name}: a malformed answer: content-length does not match data size"
        for name in ("empty", "file")
    ]


def test_interim_answers_are_skipped(download: Download) -> None:
    class Hinting(H3Server):
        def begin(self, stream_id: int, size: int) -> None:
            self._h3.send_headers(stream_id, [(b":status", b"103")])
            super().begin(stream_id, size)

    fetch, downloads = download("file", side=Hinting)
    assert fetch.failures == []
    assert (downloads / "file").stat().st_size == 200_000


def test_other_methods_are_refused(download: Download, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(self: H3Client, stream_id: int, request: Request) -> None:
        headers = [
            (b":method", b"DELETE"),
            (b":scheme", b"https"),
            (b":authority", request.authority.encode()),
            (b":path", request.path.encode()),
        ]
        self._h3.send_headers(stream_id, headers, end_stream=True)

    monkeypatch.setattr(H3Client, "ask", ask)
    fetch, _ = download("file")
    assert fetch.failures == ["https://server4/file: status 405"]


def begun() -> tuple[Wire, H3Client]:
    """A client that asked on two streams, and knows the server's settings."""
    wire = Wire(is_client=True)
    client = H3Client(cast("Connection", wire))
    for stream_id in (0, 4):
        client.ask(stream_id, Request("server4", 443, "/file", "file"))
    assert list(client.answers(data(CONTROL["client"], SETTINGS))) == []
    return wire, client


def test_requests_beyond_a_goaway_are_failures() -> None:
    """RFC 9114, 5.2."""
    wire, client = begun()
    going = list(client.answers(data(CONTROL["client"], frame(7, b"\x04"))))
    assert [(each.stream_id, each.failure) for each in going] == [(4, "the server is going away")]
    answer = list(client.answers(data(0, ANSWER, frame(0, b"content"), end=True)))
    assert [(each.stream_id, each.data, each.is_last) for each in answer] == [(0, b"content", True)]
    assert wire.closed is None


def test_nothing_is_asked_of_a_server_that_goes_away() -> None:
    wire, client = begun()
    list(client.answers(data(CONTROL["client"], frame(7, b"\x08"))))
    client.ask(8, Request("server4", 443, "/file", "file"))
    assert wire.resets == {8: ErrorCode.H3_REQUEST_CANCELLED}
    assert 8 not in wire.sent
    (refused,) = client.answers(PingAcknowledged(uid=0))
    assert (refused.stream_id, refused.failure) == (8, "the server is going away")


def test_a_malformed_answer_is_a_failure_of_one_request() -> None:
    wire, client = begun()
    (refused,) = client.answers(data(0, fields((b"etag", b"x"))))
    assert refused.stream_id == 0
    assert refused.failure.startswith("a malformed answer: ")
    assert wire.closed is None


def test_methods_other_than_get_are_told_what_there_is() -> None:
    """RFC 9110, 15.5.6."""
    wire = Wire(is_client=False)
    server = H3Server(cast("Connection", wire))
    delete = fields((b":method", b"DELETE"), SCHEME, AUTHORITY, PATH)
    assert list(server.requests(data(0, delete))) == []
    _, lines = pylsqpack.Decoder(4096, 16).feed_header(0, wire.sent[0][2:])
    assert dict(lines) == {b":status": b"405", b"content-length": b"0", b"allow": b"GET, HEAD"}


def test_no_answer_goes_to_a_stream_that_the_client_stopped() -> None:
    wire = Wire(is_client=False)
    server = H3Server(cast("Connection", wire))
    wire.stopped_by_peer.add(0)  # QUIC knows it before the request is read
    delete = fields((b":method", b"DELETE"), SCHEME, AUTHORITY, PATH)
    assert list(server.requests(data(0, delete))) == []
    assert 0 not in wire.sent


def test_a_request_with_host_alone_is_answered(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9114, 4.3.1."""

    def ask(self: H3Client, stream_id: int, request: Request) -> None:
        lines = [METHOD, SCHEME, (b":path", request.path.encode()), HOST]
        self._h3.send_headers(stream_id, lines, end_stream=True)

    monkeypatch.setattr(H3Client, "ask", ask)
    fetch, downloads = download("file")
    assert fetch.failures == []
    assert (downloads / "file").stat().st_size == 200_000


# --- With QUIC below ---------------------------------------------------------------------------


@pytest.fixture
def connected(certs: Path, tmp_path: Path) -> Pair:
    """A pair whose ends are HTTP/3 applications that do nothing by themselves."""
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    pair = Pair(
        client_configuration(certs, alpn_protocols=[ALPN]),
        server_configuration(certs, alpn_protocols=[ALPN]),
    )
    pair.client_app = Idle()
    pair.new_server_app = lambda quic: Serve(quic, H3Server(quic), WebRoot(tmp_path))
    pair.complete_handshake()
    return pair


def test_a_client_with_a_malformed_request_can_ask_again(connected: Pair) -> None:
    """RFC 9114, 4.1.2, with the content of the malformed request still on its way."""
    client = connected.client
    client.send_stream_data(2, SETTINGS)
    client.send_stream_data(0, fields(METHOD, SCHEME, PATH), end_stream=False)
    client.send_stream_data(0, frame(0, bytes(50_000)), end_stream=True)
    request = fields(METHOD, SCHEME, AUTHORITY, (b":path", b"/file"))
    client.send_stream_data(4, request, end_stream=True)
    connected.drive_client()
    app = connected.client_app
    assert isinstance(app, Idle)
    connected.run_until(
        lambda: any(
            isinstance(event, StreamDataReceived) and event.stream_id == 4 and event.end_stream
            for event in app.events
        )
    )
    codes = {
        each.stream_id: each.error_code for each in app.events if isinstance(each, StreamReset)
    }
    assert codes == {0: ErrorCode.H3_MESSAGE_ERROR}
    stops = [each for each in app.events if isinstance(each, StopSendingReceived)]
    assert [(each.stream_id, each.error_code) for each in stops] == [(0, 0x10E)]
    assert not client.is_ending
    assert not connected.server.is_ending
    assert isinstance(connected.server_app, Serve)
    connected.server_app.close()


@pytest.mark.parametrize("resets", [False, True], ids=["STOP_SENDING", "RESET_STREAM too"])
def test_a_client_that_cancels_a_request_can_ask_again(connected: Pair, resets: bool) -> None:
    """RFC 9114, 4.1.1; and the answer to the next request ends with its stream (4.1)."""
    client, app = connected.client, connected.client_app
    assert isinstance(app, Idle)
    client.send_stream_data(2, SETTINGS)
    request = fields(METHOD, SCHEME, AUTHORITY, (b":path", b"/file"))
    client.send_stream_data(0, request, end_stream=not resets)
    connected.drive_client()
    connected.run_until(lambda: any(isinstance(e, StreamDataReceived) for e in app.events))
    client.stop_stream(0, ErrorCode.H3_REQUEST_CANCELLED)
    if resets:
        client.reset_stream(0, ErrorCode.H3_REQUEST_CANCELLED)
    connected.drive_client()
    connected.run_until(lambda: any(isinstance(e, StreamReset) for e in app.events))
    client.send_stream_data(4, request, end_stream=True)
    connected.drive_client()
    connected.run_until(
        lambda: any(
            isinstance(e, StreamDataReceived) and e.stream_id == 4 and e.end_stream
            for e in app.events
        )
    )
    assert not client.is_ending
    assert not connected.server.is_ending
    assert isinstance(connected.server_app, Serve)
    connected.server_app.close()


def test_a_client_ends_its_request(certs: Path, tmp_path: Path) -> None:
    """RFC 9114, 4.1."""
    pair = Pair(
        client_configuration(certs, alpn_protocols=[ALPN]),
        server_configuration(certs, alpn_protocols=[ALPN]),
    )
    requests = [Request("server4", 443, "/file", "file")]
    fetch = Fetch(pair.client, H3Client(pair.client), requests, Downloads(tmp_path))
    pair.client_app = fetch
    pair.connect()
    pair.run_until(lambda: pair.client.is_confirmed)
    pair.run_for(0.2)
    assert isinstance(pair.server_app, Idle)
    received = [e for e in pair.server_app.events if isinstance(e, StreamDataReceived)]
    assert [e.end_stream for e in received if e.stream_id == 0] == [True]
    fetch.close()


def test_a_head_is_answered_without_the_file(connected: Pair) -> None:
    """RFC 9110, 9.3.2."""
    client = connected.client
    client.send_stream_data(2, SETTINGS)
    lines = [(b":method", b"HEAD"), SCHEME, AUTHORITY, (b":path", b"/file")]
    client.send_stream_data(0, fields(*lines), end_stream=True)
    connected.drive_client()
    connected.run_for(0.2)
    app = connected.client_app
    assert isinstance(app, Idle)
    answer = [e for e in app.events if isinstance(e, StreamDataReceived) and e.stream_id == 0]
    assert answer[-1].end_stream
    sent = b"".join(each.data for each in answer)
    assert sent[1] == len(sent) - 2, "a HEADERS frame and nothing else"
    _, found = pylsqpack.Decoder(4096, 16).feed_header(0, sent[2:])
    assert dict(found)[b"content-length"] == b"100000"
    assert not connected.server.is_ending


def test_noise_on_streams_closes_connections_and_raises_nothing(connected: Pair) -> None:
    codes = set()
    source = random.Random(1)
    for seed in range(60):
        pair = connected if not seed else renewed(connected)
        client = pair.client
        for stream_id in (2, 6, 10, 0, 4, 0):
            noise = source.randbytes(source.randint(1, 60))
            known = source.choice([SETTINGS, b"\x02", b"\x03", GET, frame(1), frame(0, b"x"), b""])
            client.send_stream_data(stream_id, known + noise)
            pair.drive_client()
        pair.run_for(0.2)
        if pair.server.ending is not None:
            codes.add(pair.server.ending.error_code)
    assert len(codes) >= 4
    assert 1 not in codes, "INTERNAL_ERROR"


def renewed(pair: Pair) -> Pair:
    """Another pair like this one."""
    other = Pair(pair.client.configuration, pair._server_configuration)
    other.new_server_app = pair.new_server_app
    other.connect()
    other.run_until(lambda: other.client.is_confirmed)
    return other
