from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import write_certificates
from quic_pair import Pair, client_configuration, server_configuration

from endpoint.contract import Request
from endpoint.fetch import Fetch
from endpoint.files import Downloads, WebRoot
from endpoint.h3 import ALPN, H3Client, H3Server
from endpoint.serve import Serve

Download = Callable[..., tuple[Fetch, Path]]


@pytest.fixture
def download(tmp_path: Path) -> Download:
    certs = write_certificates(tmp_path / "certs")
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
